"""What students and staff find on the pages."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.report.render import render_submission
from grader.results.results import Adjustment, Change, SubmissionResult, total


@pytest.fixture
def page(assignment: Any, result: Any, notebook: Any, read_page: Any) -> Any:
    return read_page(render_submission(assignment, result, notebook))


def article(page: Any, id: str) -> str:
    """The text of one question."""
    return " ".join(page.by_id(f"q-{id}").text.split())


def test_the_head_tells_all_sums(page: Any) -> None:
    tiles = [" ".join(tile.text.split()) for tile in page.all("div", "tile")]
    assert tiles == [
        "3 of 6.5 points for code",
        "4 points to be marked by a reader",
        "1.5 points in review: a person will look",
        "3 of 10.5 points so far, all together",
    ]


def test_the_head_says_where_points_were_lost(page: Any) -> None:
    assert " ".join(page.all("p", "lost")[0].text.split()) == "Points were lost in 1.1.a and 1.3.b."


def test_the_overview_leads_to_every_question_and_says_how_it_went(page: Any, result: SubmissionResult) -> None:
    rows = [" ".join(row.text.split()) for row in page.all("tr")]
    assert "1.1.a gradient descent ✗failed 0 of /1" in rows
    assert "1.6.d train ?in review – of /1.5" in rows
    links = {item.attributes["href"] for item in page.all("a")}
    assert links >= {f"#q-{question.id}" for question in result.questions}


def test_every_link_leads_to_a_place_in_the_page(page: Any) -> None:
    ids = [item.attributes["id"] for item in page.elements if "id" in item.attributes]
    assert len(ids) == len(set(ids))
    assert {item.attributes["href"].removeprefix("#") for item in page.all("a")} <= set(ids)
    assert {item.attributes.get("aria-labelledby") for item in page.elements} - {None} <= set(ids)


def test_what_is_taken_off_for_lateness_stands_in_the_head_with_who_lifted_it(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    result.adjustments = [
        Adjustment(kind="late", points=-0.5, words="1 day late: half a point off"),
        Adjustment(
            kind="late",
            points=0,
            automatic=-2,
            words="Ill, with a note.",
            who="A. Teacher",
            when="2025-10-12T10:22:31Z",
        ),
    ]
    page = read_page(render_submission(assignment, result, notebook))
    assert [" ".join(item.text.split()) for item in page.all("p", "adjusted")] == [
        "−0.5 points: 1 day late: half a point off",
        "0 points: Ill, with a note. decided by A. Teacher on 12 October 2025, 10:22 UTC, instead of −2",
    ]


def captions(page: Any) -> list[str]:
    return [" ".join(caption.text.split()) for caption in page.all("caption")]


def test_a_section_has_the_points_that_are_known_and_says_whether_more_may_come(
    assignment: Any, result: Any, notebook: Any, read_page: Any, page: Any
) -> None:
    assert captions(page) == [
        "Section 1.1 0 of /3 so far", "Section 1.3 1 of /3 so far", "Section 1.5 2 of /2", "Section 1.6 – of /2.5",
    ]  # fmt: skip
    nbformat.write(
        new_notebook(
            cells=[
                new_markdown_cell("# 1 Networks\n## 1.1 Minimising a `function` (6 points)\n## 1.1 Again"),
                new_markdown_cell("### Section 1.3: Parts"),
                new_code_cell("## 1.5 no heading"),
            ]
        ),
        assignment.reference,
    )
    named = read_page(render_submission(assignment, result, notebook))
    assert captions(named)[:3] == [
        "1.1 Minimising a function 0 of /3 so far", "1.3 Parts 1 of /3 so far", "Section 1.5 2 of /2",
    ]  # fmt: skip
    heads = [" ".join(item.text.split()) for item in named.all("h2") if item.attributes["id"].startswith("st-")]
    assert heads == ["1.1 Minimising a function", "1.3 Parts", "Section 1.5", "Section 1.6"]


@pytest.mark.parametrize(
    ("points", "expected"),
    [pytest.param(4, "◐partial 4 of /5", id="a part"), pytest.param(0, "✗failed 0 of /5", id="nothing")],
)
def test_failed_is_only_what_earned_nothing(
    assignment: Any, result: Any, notebook: Any, read_page: Any, points: float, expected: str
) -> None:
    result.questions[0].points, result.questions[0].max_points = points, 5
    page = read_page(render_submission(assignment, result, notebook))
    assert expected in article(page, "1.1.a")
    assert any("gradient descent " + expected in " ".join(row.text.split()) for row in page.all("tr"))


def test_an_empty_answer_of_a_text_question_has_one_status(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    result.questions[1].status, result.questions[1].cells = "missing", []
    page = read_page(render_submission(assignment, result, notebook))
    assert article(page, "1.1.e").startswith("1.1.e step size ∅empty, to be marked – of /2")
    assert "∅missing" not in article(page, "1.1.e")


def test_a_line_of_the_criteria_that_ends_a_sentence_is_a_line_of_its_own(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    result.questions[1].criteria = "0.5 for the reason: it\nis slow (see below.)\n0.5 for `nan`.\n\n```\na;\nb\n```"
    html = render_submission(assignment, result, notebook)
    assert "<p>0.5 for the reason: it\nis slow (see below.)<br>\n0.5 for <code>nan</code>.</p>" in html
    assert "<pre><code>a;\nb\n</code></pre>" in html


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        pytest.param("1.1.a", "✗failed", id="failed"),
        pytest.param("1.1.a", "Each step goes down by step_size. failed", id="title of a check, with its outcome"),
        pytest.param("1.1.a", "Answer cells 2–3", id="cells are counted from 1"),
        pytest.param("1.1.a", "Error in cell 3", id="error"),
        pytest.param("1.1.a", "NameError: name 'grad_x_f' is not defined line <3>", id="traceback without colours"),
        pytest.param("1.1.e", "✎to be marked", id="to be marked"),
        pytest.param("1.1.e", "To be marked: of 2 points", id="room for the points"),
        pytest.param("1.1.e", "Marking criteria One point for each of: too small: slow;", id="criteria"),
        pytest.param("1.3.a", "✓passed", id="passed"),
        pytest.param("1.3.a", "tensor([0.5000, 0.7311])", id="printed"),
        pytest.param("1.3.a", "Found by the name that it defines", id="found in an odd way"),
        pytest.param("1.3.b", "∅missing", id="missing"),
        pytest.param("1.3.b", "No answer found. The question asks for relu(x).", id="no answer found"),
        pytest.param("1.3.f", "It is nan, since", id="second cell of an answer"),
        pytest.param("1.5.a", "→carried forward 2 of /2", id="carried forward"),
        pytest.param("1.5.a", "2 of /2 Right with the reference’s `relu`.", id="why it was carried forward"),
        pytest.param("1.6.d", "in review: a person will look at this", id="review"),
        pytest.param("1.6.d", "Cell 9 was stopped after 120 s.", id="note"),
        pytest.param("1.6.d", "Standard error UserWarning: slow", id="warnings"),
        pytest.param("1.6.d", "loss val 0.25", id="table"),
        pytest.param("1.6.g", "The rubric gives none.", id="no criteria"),
    ],
)
def test_a_question_shows(page: Any, id: str, expected: str) -> None:
    assert expected in article(page, id)


def test_an_answer_found_by_its_label_is_not_remarked_upon(page: Any) -> None:
    assert "Found by" not in article(page, "1.1.a")


def test_notes_about_the_notebook_stand_before_the_questions(page: Any) -> None:
    assert page.text.index("The kernel was started again after cell 3.") < page.text.index("Overview")


def test_the_lines_of_a_message_after_the_first_keep_their_white_space(page: Any) -> None:
    assert any(item.text.startswith("  cell 2, line 3\n    x - 0.1") for item in page.all("pre"))


def test_what_is_for_staff_is_not_in_the_page(page: Any) -> None:
    assert "Applies each layer." in page.html
    assert "secret" not in page.html


def test_code_is_highlighted_and_formulas_are_mathml(page: Any) -> None:
    assert "def" in [item.text for item in page.all("span", "k")]
    assert len(page.all("mfrac")) == 1
    assert {item.attributes.get("display") for item in page.all("math")} == {"inline", "block"}


def test_figures_and_attached_images_are_in_the_page_itself(page: Any) -> None:
    sources = [item.attributes["src"] for item in page.all("img")]
    assert len(sources) == 2
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    assert [item.attributes["alt"] for item in page.all("img")] == ["Figure from cell 9", "curve"]


def test_the_page_needs_no_network_and_runs_nothing(page: Any) -> None:
    (policy,) = (item.attributes["content"] for item in page.all("meta") if "http-equiv" in item.attributes)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    assert page.all("script") == []
    assert "url(" not in page.html
    assert "@import" not in page.html


def test_the_page_is_well_formed(page: Any) -> None:
    assert page.stray == []
    assert page.open == []


def test_headings_have_no_gaps_and_students_headings_stand_below_them(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    notebook.cells[3].source = "# My answer\n## Part\ntext"
    page = read_page(render_submission(assignment, result, notebook))
    levels = [int(item.tag[1]) for item in page.elements if re.fullmatch(r"h[1-6]", item.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [item.text for item in page.all("h5")] == ["My answer", "Part"]


def test_a_page_has_its_landmarks(page: Any) -> None:
    assert [len(page.all(tag)) for tag in ("main", "nav", "h1", "footer")] == [1, 1, 1, 1]
    assert page.all("html")[0].attributes["lang"] == "en"
    assert any(item.attributes.get("name") == "viewport" for item in page.all("meta"))


def test_the_path_of_the_file_is_not_in_the_page(page: Any) -> None:
    assert "group-17.ipynb" in page.text
    assert "hand-ins" not in page.html


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("unreadable", "This file could not be graded", id="unreadable"),
        pytest.param("error", "A person will look at it; no points are lost.", id="error"),
        pytest.param("missing", "No notebook was handed in", id="missing"),
    ],
)
def test_a_submission_that_could_not_be_graded_has_a_page_too(
    assignment: Any, unreadable: Any, read_page: Any, status: Any, expected: str
) -> None:
    unreadable.status = status
    unreadable.detail = "Traceback: secret"
    page = read_page(render_submission(assignment, unreadable, None))
    assert "is not JSON: export the notebook again" in page.text
    assert expected in page.text
    assert page.all("article") == page.all("nav") == page.all("div", "tile") == []
    assert "secret" not in page.html


def test_who_handed_in_nothing_is_not_told_that_a_file_is_at_fault(
    assignment: Any, unreadable: Any, read_page: Any
) -> None:
    unreadable.status, unreadable.message, unreadable.file = "missing", "no notebook was handed in", ""
    page = read_page(render_submission(assignment, unreadable, None))
    assert "could not be graded" not in page.text
    assert page.text.lower().count("no notebook was handed in") == 1


def test_without_the_executed_notebook_the_checks_are_still_shown(assignment: Any, result: Any, read_page: Any) -> None:
    page = read_page(render_submission(assignment, result, None))
    assert "Each step goes down by" in page.text
    assert "The answer’s cells are not available." in article(page, "1.1.a")


def test_cells_that_the_notebook_does_not_have_are_passed_over(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    result.questions[0].cells = [-1, 2, 10_000]
    assert "optimize_f(3, 2)" in article(read_page(render_submission(assignment, result, notebook)), "1.1.a")


# What a person decided


def change(question: str, points: float | None, before: float | None, **said: Any) -> Change:
    said = {"who": "A. Assistant", "when": "2025-10-12T10:22:31Z", "answer": "1f"} | said
    return Change(question=question, points=points, before=before, **said)


def mark(result: SubmissionResult, number: int, *changes: Change, automatic: float | None = None) -> None:
    question = result.questions[number]
    question.changes, question.points = list(changes), changes[-1].points
    question.status, question.automatic_points = "marked", automatic
    total(result)


@pytest.fixture
def marked(assignment: Any, result: Any, notebook: Any, read_page: Any) -> Any:
    """Two text questions, one with room for a comment; and a check that was overridden."""
    mark(result, 0, change("1.1.a", 1, 0, reason="The name is given above:\n  it is right."), automatic=0)
    mark(
        result, 1, change("1.1.e", 1.5, None, words=["**Counts.**"], comment="Right, but *why*?\n  See above: $\\eta$.")
    )
    mark(result, 6, change("1.6.d", 1.5, None, reason="Seen to run."), automatic=None)
    return read_page(render_submission(assignment, result, notebook))


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        pytest.param("1.1.e", "☑marked 1.5 of /2", id="status"),
        pytest.param(
            "1.1.e", "☑ 1.5 of 2 points, given by A. Assistant on 12 October 2025, 10:22 UTC.", id="who, when"
        ),
        pytest.param("1.1.e", "10:22 UTC. Counts. Right, but why? See above: η", id="words of an item, and comment"),
        pytest.param("1.1.e", "1.5 of 2 points", id="beside the criteria"),
        pytest.param("1.1.a", "1 of 1 point, given by A. Assistant", id="override"),
        pytest.param("1.1.a", "10:22 UTC; the checks gave 0 of 1.", id="what the checks gave"),
        pytest.param("1.1.a", "Why: The name is given above: it is right.", id="reason"),
        pytest.param("1.6.d", "10:22 UTC; the checks could not decide.", id="decided in review"),
        pytest.param("1.6.d", "Validation accuracy is at least 0.95. in review", id="the check itself"),
    ],
)
def test_a_marked_question_shows(marked: Any, id: str, expected: str) -> None:
    assert expected in article(marked, id)


def test_nothing_that_was_decided_waits_for_a_person(marked: Any) -> None:
    assert "a person will look" not in article(marked, "1.6.d")
    assert [" ".join(tile.text.split()) for tile in marked.all("div", "tile")] == [
        "5.5 of 6.5 points for code",
        "2 points to be marked by a reader",
        "7 of 10.5 points so far, all together",
    ]


def test_the_lines_of_a_comment_are_kept(marked: Any) -> None:
    assert "<p>Right, but <em>why</em>?<br>\nSee above: <math" in marked.html


def test_a_comment_is_markdown_and_runs_nothing(assignment: Any, result: Any, notebook: Any, read_page: Any) -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>[a](javascript:alert(1)) <b onclick=x>bold</b>"
    mark(result, 1, change("1.1.e", 1, None, comment=attack))
    page = read_page(render_submission(assignment, result, notebook))
    assert page.all("script") == []
    assert [item.attributes for item in page.all("b") if item.text == "bold"] == [{}]
    assert not any("onerror" in item.attributes or "onclick" in item.attributes for item in page.elements)
    assert not any("javascript" in value for item in page.elements for value in item.attributes.values())


def test_one_decision_is_told_once(marked: Any) -> None:
    assert marked.all("details", "history") == []


def test_of_several_decisions_all_are_told_the_oldest_first(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    mark(
        result,
        1,
        change("1.1.e", 1, None, comment="Half."),
        change("1.1.e", None, 1, who="B. Teacher", when="2025-10-13T12:00:00+02:00"),
        change("1.1.e", 2, None, comment="All."),
    )
    page = read_page(render_submission(assignment, result, notebook))
    (history,) = page.all("details", "history")
    assert " ".join(history.text.split()) == (
        "3 decisions, the oldest first 12 October 2025, 10:22 UTC, A. Assistant: – became 1 Half. "
        "13 October 2025, 10:00 UTC, B. Teacher: took earlier decisions back "
        "12 October 2025, 10:22 UTC, A. Assistant: – became 2 All."
    )
    assert "☑ 2 of 2 points" in article(page, "1.1.e")


def test_a_decision_that_was_taken_back_is_told_but_does_not_count(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    result.questions[1].changes = [change("1.1.e", 1, None), change("1.1.e", None, 1)]
    page = read_page(render_submission(assignment, result, notebook))
    assert "2 decisions" in article(page, "1.1.e")
    assert "To be marked:" in article(page, "1.1.e")
    assert page.all("div", "decided") == []


def test_a_time_that_cannot_be_read_is_shown_as_it_is(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    mark(result, 1, change("1.1.e", 1, None, when="last week"))
    assert "on last week." in article(read_page(render_submission(assignment, result, notebook)), "1.1.e")


def test_the_same_result_gives_the_same_page(assignment: Any, result: Any, notebook: Any) -> None:
    assert render_submission(assignment, result, notebook) == render_submission(assignment, result, notebook)
