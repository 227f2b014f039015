"""The pages on a phone and on paper, in a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.report.class_answers import collect_answers
from grader.report.render import render_index, render_question, render_submission

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: sudo apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def pages(
    assignment: Any, class_results: Any, class_notebooks: Any, result: Any, notebook: Any, tmp_path: Path
) -> dict[str, str]:
    """The addresses of one page of each kind."""
    result.questions[0].criteria = "1 point for a correct function."
    answers = collect_answers(assignment, [*class_results, result], class_notebooks.get)
    made = {
        "index": render_index(assignment, [*class_results, result]),
        "code": render_question(assignment, "1.1.a", class_results, answers),
        "text": render_question(assignment, "1.1.e", class_results, answers),
        "report": render_submission(assignment, result, notebook),
    }
    for name, html in made.items():
        (tmp_path / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: (tmp_path / f"{name}.html").as_uri() for name in made}


@pytest.mark.parametrize("width", [320, 390, 1400])
def test_no_page_pans_sideways(browser: Any, pages: dict[str, str], width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    widths = {}
    for name, address in pages.items():
        page.goto(address)
        widths[name] = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert widths == dict.fromkeys(pages, width)


def test_code_has_the_whole_width_of_its_group(browser: Any, pages: dict[str, str]) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 800})
    page.goto(pages["code"])
    group, code = page.locator(".group").first.bounding_box(), page.locator(".group .code").first.bounding_box()
    page.close()
    assert code["width"] > 0.95 * group["width"]


def test_on_paper_the_criteria_are_unfolded_and_nothing_stands_beside_an_answer(
    browser: Any, pages: dict[str, str]
) -> None:
    page = browser.new_page(viewport={"width": 700, "height": 1000})
    page.goto(pages["report"])
    (details,) = page.locator("details.criteria").all()
    assert not details.evaluate("one => one.open")
    page.emulate_media(media="print")
    assert details.locator(".text").bounding_box()["height"] > 10
    beside = page.locator("#q-1\\.1\\.e .beside")
    answer, marking = (beside.locator(f"> {part}").bounding_box() for part in (".answer", ".marking"))
    page.close()
    assert marking["y"] >= answer["y"] + answer["height"]
    assert marking["width"] > 600
