"""Nothing stands in the way of those who see, hear or move otherwise: axe-core finds nothing of level A or AA."""

from __future__ import annotations

from typing import Any

import pytest

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs pip install -e '.[dev]'")
pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
pytestmark = pytest.mark.slow

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def faults(page: Any) -> list[str]:
    found = axe.Axe().run(page, options={"runOnly": LEVELS}).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_no_view_has_a_fault(start: Any, open_desk: Any, scheme: str, width: int) -> None:
    address = start("--as", "Ada")
    page = open_desk(address, color_scheme=scheme, viewport={"width": width, "height": 900})
    home = address.partition("login")[0]
    assert faults(page) == []
    page.goto(f"{home}q/1.1.b")
    page.wait_for_selector(".d-form")
    assert faults(page) == []
    page.keyboard.press("j")
    page.wait_for_selector(".d-answer-body")
    page.wait_for_timeout(200)  # what fades in has other colours meanwhile
    assert faults(page) == []
    for key in ("?", "f", "s", "i"):
        page.keyboard.press(key)
        page.wait_for_selector("dialog[open]")
        assert faults(page) == []
        page.keyboard.press("Escape")
    page.keyboard.press("m")
    assert faults(page) == []
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    page.wait_for_selector("#trouble > *")
    page.wait_for_timeout(200)
    assert faults(page) == []
    page.context.set_offline(False)
    page.wait_for_selector("#saved.done")
    student = page.locator(".d-members a").first.get_attribute("href")
    page.goto(f"{home}q/1.1.a")
    page.wait_for_selector(".d-title")
    page.keyboard.press("j")
    page.wait_for_selector(".d-checks")
    assert faults(page) == []
    for path in ("overview", student.removeprefix("/")):
        page.goto(f"{home}{path}")
        page.wait_for_selector(".d-title")
        assert faults(page) == []


def test_the_page_that_asks_for_a_name_has_no_fault(start: Any, open_desk: Any) -> None:
    page = open_desk(start())
    assert faults(page) == []
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Begin").click()
    page.wait_for_selector("#continue")
    assert page.locator(".d-who").inner_text() == "Ada"
