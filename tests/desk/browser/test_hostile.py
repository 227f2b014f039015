"""Whatever a student hands in, and whatever a marker types: nothing of it runs in a marker's browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_output
from report.test_hostile import RUN, SNIPPETS

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
expect = playwright_api.expect
pytestmark = pytest.mark.slow

ANSWER, RUN_CELL = 5, 3
"""Cells of the course's notebook: the text of 1.1.b, and the run that it talks about."""


def make_hostile(course: Path) -> None:
    """All hostile snippets in the answers of one student, as text and as outputs."""
    path = course / "results" / "student-00" / "executed.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[ANSWER].source = "\n\n".join(SNIPPETS.values()).encode(errors="replace").decode()
    notebook.cells[RUN_CELL].outputs = [
        new_output("display_data", data={mime: snippet.encode(errors="replace").decode()})
        for snippet in SNIPPETS.values()
        for mime in ("text/html", "text/markdown", "image/svg+xml")
    ]
    nbformat.write(notebook, path)
    path = path.with_name("result.json")
    result = json.loads(path.read_text())
    # An answer that nobody else has.
    next(question for question in result["questions"] if question["id"] == "1.1.b")["answer"] = "f" * 64
    path.write_text(json.dumps(result))


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["as it is", "even without its content policy"])
def test_nothing_runs_in_the_browser_of_a_marker(start: Any, open_desk: Any, course: Path, bypass_csp: bool) -> None:
    make_hostile(course)
    address = start("--as", "Ada")
    home = address.partition("login")[0]
    page = open_desk(address, bypass_csp=bypass_csp)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{home}q/1.1.b")
    page.wait_for_selector(".d-form")
    for _ in range(12):
        if page.locator(".d-answer-body", has_text="onerror").count():
            break
        before = page.url
        page.keyboard.press("j")
        page.wait_for_function("url => location.href !== url", arg=before)
    expect(page.locator(".d-answer-body")).to_contain_text("MARK")
    # What the marker types is no more than text, either.
    page.locator(".d-comment").fill("\n\n".join(SNIPPETS[name] for name in ("script", "onerror", "link to a script")))
    page.locator(".d-comment").blur()
    page.keyboard.press("i")
    page.get_by_label("Text, for those who mark").fill(SNIPPETS["onerror"])
    page.get_by_label("Words for the student").fill(SNIPPETS["script"])
    page.get_by_label("Points, up or down").fill("1")
    page.get_by_role("button", name="Add it").click()
    expect(page.locator(".d-item")).to_have_count(4)
    shown = page.url
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("#saved")).to_have_text("All saved")
    titles = [page.title()]
    student = ""
    for path in (shown.removeprefix(home), "", "overview", "student"):
        page.goto(home + (student if path == "student" else path))
        page.wait_for_selector(".d-title")
        page.wait_for_timeout(500)
        titles.append(page.title())
        if path.startswith("q/"):
            expect(page.locator(".badge.marked")).to_be_visible()
            student = page.locator(".d-members a").first.get_attribute("href").removeprefix("/")
    assert "RAN" not in titles
    assert (
        page.evaluate(
            "document.querySelectorAll('main script, main iframe, main object, main a[href^=javascript]').length"
        )
        == 0
    )
    assert [url for url in asked if not url.startswith((home, "data:"))] == []
    # The test would see it.
    page.evaluate(RUN)
    assert page.title() == "RAN"
