"""Whatever students and markers write comes to the pages as text, or as markup that only shows something.

The snippets are those of the reports' tests, in all places of an answer, through the real server.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk.conftest import make_rubric
from desk.serving import Here, Marker, here
from marks.small_class import graded
from nbformat.v4 import new_markdown_cell, new_notebook, new_raw_cell
from report.conftest import Page
from report.test_hostile import SNIPPETS, code, display, faults, in_attachment

from grader.report.store import write_pages

EMPTY_PAGE = "<html><head><title>x</title><link><style></style></head><body><main>{}</main></body></html>"
NAMES = {f"student-{number:02}": name for number, name in enumerate(SNIPPETS)}


def cells(snippet: str) -> list[Any]:
    """A snippet in every place of an answer."""
    shown = ["text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", f"x/{snippet}"]
    return [
        new_markdown_cell(snippet),
        new_markdown_cell(f"- a\n- text {snippet} text\n\n|a|b|\n|-|-:|\n|{snippet}|c|"),
        in_attachment(snippet),
        new_raw_cell(snippet),
        code(snippet),
        code(output_type="stream", name=snippet, text=snippet),
        code(output_type="error", ename=snippet, evalue=snippet, traceback=[snippet]),
        *(display(mime, snippet) for mime in (*shown, "application/javascript")),
    ]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp("hostile")
    for submission, name in NAMES.items():
        snippet = SNIPPETS[name]
        result, answer = graded(submission), cells(snippet)
        # A result holds what can be written; only notebooks have halves of characters, which they escape.
        plain = snippet.encode(errors="ignore").decode()
        result.notes = [plain]
        for question in result.questions:
            question.cells = list(range(len(answer)))
            question.answer = hashlib.sha256(repr((question.id, snippet)).encode()).hexdigest()
            question.notes = [plain]
            for check in question.checks:
                check.message = check.detail = check.broken = plain if check.status != "passed" else ""
        content = json.dumps(new_notebook(cells=answer))
        write_pages(folder / "results", result, "", content)
    with here(folder / "results", make_rubric(folder / "rubric")) as server:
        yield server


@pytest.fixture(scope="module")
def marker(hostile: Here) -> Marker:
    return hostile.marker()


def html_in(payload: Any) -> Iterator[str]:
    """All markup in a reply: what a page puts into itself as such."""
    if isinstance(payload, dict):
        for name, value in payload.items():
            if name.endswith("_html") and isinstance(value, str):
                yield value
            else:
                yield from html_in(value)
    elif isinstance(payload, list):
        for value in payload:
            yield from html_in(value)


def read(html: str) -> Page:
    return Page(EMPTY_PAGE.format(html))


def shown_by(marker: Marker, id: str) -> dict[str, Any]:
    """Each group of a question."""
    shown = marker.get(f"/api/next?question={id}&marked=1")
    found = {}
    while shown["group"]:
        found[shown["group"]["id"]] = shown
        shown = marker.get(f"/api/next?question={id}&after={shown['group']['id']}&marked=1")
    return found


@pytest.mark.parametrize("id", ["1.1.c", "1.6.d"])
def test_answers_and_checks_are_shown_and_only_that(marker: Marker, id: str) -> None:
    found = shown_by(marker, id)
    assert len(found) > len(SNIPPETS) * 0.9, "nearly every snippet is an answer of its own"
    for shown in found.values():
        pieces = list(html_in(shown["group"]))
        assert "MARK" in read(shown["group"]["answer_html"]).text
        for html in pieces:
            assert faults(read(html)) == []


def test_an_answer_is_no_way_out_of_the_page_that_it_is_in(marker: Marker) -> None:
    page = marker.get("/q/1.1.c")
    before, _, after = page.partition('<script type="application/json" id="first">')
    data, _, after = after.partition("</script>")
    assert "<" not in data
    assert json.loads(data)["question"]["id"] == "1.1.c"
    assert "MARK" not in before + after


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=SNIPPETS)
def test_what_markers_write_is_only_shown(marker: Marker, snippet: str) -> None:
    text = snippet.encode(errors="ignore").decode()
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    shown = marker.get("/api/next?question=1.6.e&marked=1")
    reply = marker.decide(shown, points=1, comment=f"{text}", reason=text, op=digest)
    after = marker.get(f"/api/group/1.6.e/{shown['group']['id']}")
    comments = marker.get("/api/comments?question=1.6.e&begin=")
    assert after["group"]["decision"]["comment"].strip() == text.strip()
    item = {"question": "1.6.e", "key": "", "text": "MARK", "words": text, "points": 0, "op": f"i{digest}"}
    items = marker.post("/api/items/change", **item)
    for html in html_in([reply, after, comments, items]):
        assert faults(read(html)) == []


@pytest.mark.parametrize("view", ["student", "earlier"])
def test_one_persons_answers_are_shown_and_only_that(marker: Marker, view: str) -> None:
    for shown in list(shown_by(marker, "1.1.c").values())[::7]:
        alias = shown["group"]["members"][0]
        path = f"/api/student/{alias}" if view == "student" else f"/api/answer/1.1.c/{alias}/earlier"
        for html in html_in(marker.get(path)):
            assert faults(read(html)) == []


def test_what_has_changed_is_shown_and_only_that() -> None:
    from grader.desk.looking import changes

    for snippet in SNIPPETS.values():
        html = str(changes(f"old {snippet}", f"{snippet} new"))
        assert [fault for fault in faults(read(html)) if not fault.startswith(("<ins", "<del"))] == []
        assert "<ins>" in html


def test_a_comment_that_is_hostile_makes_no_page_break(tmp_path: Path) -> None:
    from grader.desk.pieces import comment_html

    for text in (">" * 20_000, "[" * 9_000, "$" * 9_000, "*a" * 5_000, "`" * 9_000, "\u202e" * 5_000):
        assert faults(read(comment_html(text))) == []
