"""All answers to one question, side by side."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.report.budget import ANSWER_CELLS, ANSWER_CHARACTERS
from grader.report.class_answers import collect_answers
from grader.report.question_page import render_question
from grader.results.results import Change, QuestionResult, SubmissionResult


@pytest.fixture
def render(assignment: Any, class_results: Any, class_notebooks: Any, read_page: Any) -> Any:
    """Makes the page of a question over the class as it is by then."""

    def make(id: str) -> Any:
        answers = collect_answers(assignment, class_results, class_notebooks.get)
        return read_page(render_question(assignment, id, class_results, answers))

    return make


def squeezed(text: str) -> str:
    return " ".join(text.split())


def groups(page: Any) -> list[str]:
    return [squeezed(item.text) for item in page.all("article", "group")]


def test_identical_and_near_identical_answers_stand_together_and_what_waits_comes_first(render: Any) -> None:
    waiting, descent, ascent, none = groups(render("1.1.a"))
    # What the checks tell apart is never alike: the third has a comment more, but waits for a person.
    assert waiting.startswith("1 submission ?in review # mine def optimize_f(x, y):")
    assert waiting.endswith("?in review – of /1 takes 12.5 s dan")
    assert descent.startswith("2 submissions, identical ✓passed def optimize_f(x, y):")
    assert descent.endswith("✓passed 1 of /1 ann cleo")
    assert ascent.startswith("2 submissions, 2 near-identical answers ✗failed")
    assert "NameError: name 'grad_x_f' is not defined bob" in ascent
    assert none == "No answer found ∅missing 0 of /1 eve"


def test_variants_that_wait_for_a_person_are_unfolded(render: Any, class_results: Any) -> None:
    (ascent,) = render("1.1.a").all("details", "variants")
    assert "open" not in ascent.attributes
    for place in (1, 8):  # bob and ida
        class_results[place].questions[0].checks[0].status = "review"
        class_results[place].questions[0].checks[0].points = None
    (ascent,) = render("1.1.a").all("details", "variants")
    assert "open" in ascent.attributes


def test_identical_code_about_which_the_checks_differ_is_in_two_groups(render: Any, class_results: Any) -> None:
    cleo = class_results[2].questions[0]
    cleo.status, cleo.points, cleo.checks[0].status, cleo.checks[0].points = "failed", 0, "failed", 0
    found = groups(render("1.1.a"))
    assert [text for text in found if "def optimize_f(x, y): for" in text and "# mine" not in text] == [
        next(text for text in found if text.endswith("✓passed 1 of /1 ann")),
        next(text for text in found if text.endswith("✗failed 0 of /1 cleo")),
    ]


def test_the_lines_that_make_the_difference_are_marked(render: Any) -> None:
    assert [item.text for item in render("1.1.a").all("mark")] == ["    return x, y  # up"]


def test_identical_text_answers_stand_together_each_with_its_points(render: Any) -> None:
    other, slow, none = groups(render("1.1.e"))
    assert other == (
        "3 submissions, identical ✎to be marked ☑marked Too large diverges. "
        "☑marked 1.5 of /2 Why? by A. Assistant bob ✎to be marked – of /2 dan "
        "☑marked 2 of /2 Why? by A. Assistant ida"
    )
    assert slow == "2 submissions, identical ✎to be marked Too small is slow. ✎to be marked – of /2 ann cleo"
    assert none == "No answer found ∅empty, to be marked – of /2 eve"


def test_a_mark_that_has_lapsed_stands_beside_the_answer(render: Any, class_results: Any) -> None:
    lapsed = Change(question="1.1.e", points=1.5, before=None, comment="Why?", who="A.", when="", answer="1f")
    class_results[0].questions[1].lapsed = lapsed
    slow = next(text for text in groups(render("1.1.e")) if "Too small" in text)
    assert "✎to be marked – of /2 Lapsed: 1.5 by A., for an earlier answer Why? ann ✎to be marked – of /2 cleo" in slow


def test_the_head_the_points_and_the_checks_are_over_the_whole_class(render: Any) -> None:
    page = render("1.1.a")
    assert [squeezed(tile.text) for tile in page.all("div", "tile")] == [
        "6 submissions", "40 % of the points earned", "1 in review",
    ]  # fmt: skip
    assert "Points Answers 0 3 1 2 not known yet 1" in page.text
    assert "3 more submissions were not graded." in page.text
    assert "2 of 6 failed, 1 in review, 1 without an answer 2 different messages 2× takes … s" in page.text


def test_the_criteria_are_on_the_page(render: Any) -> None:
    page = render("1.1.e")
    # One card holds what is said of all answers.
    assert len(page.all("section", "panel")) == 1
    assert "Marking criteria 2 points One point for each of: too small: slow;" in page.text
    assert "4 to be marked" in [squeezed(tile.text) for tile in page.all("div", "tile")]


def test_links_lead_to_each_answer_and_to_the_other_questions(render: Any, class_results: Any) -> None:
    class_results[0].submission = "a b:c"
    links = [item.attributes["href"] for item in render("1.1.e").all("a")]
    assert links == [
        "#answers", "../index.html", "1.1.a.html", "1.3.a.html",
        *(f"../{name}/report.html#q-1.1.e" for name in ("bob", "dan", "ida", "a%20b%3Ac", "cleo", "eve")),
    ]  # fmt: skip


@pytest.mark.parametrize("id", ["1.1.a", "1.6.g"])
def test_the_first_and_the_last_question_have_one_neighbour(render: Any, id: str) -> None:
    assert len([item for item in render(id).all("a") if "rel" in item.attributes]) == 1


def test_a_question_without_results_has_a_page_too(render: Any) -> None:
    assert "No submission has been graded." in render("1.6.g").text


def test_an_answer_whose_notebook_is_gone_is_still_grouped_by_its_digest(render: Any, class_notebooks: Any) -> None:
    class_notebooks.clear()
    page = render("1.1.a")
    assert (
        groups(page)[1]
        == "2 submissions, identical ✓passed The answer’s cells are not available. ✓passed 1 of /1 ann cleo"
    )


def test_the_page_is_well_formed_and_its_headings_have_no_gaps(render: Any) -> None:
    page = render("1.1.a")
    assert page.stray == page.open == []
    assert {item.tag for item in page.elements if item.tag in {"h1", "h2", "h3", "h4"}} == {"h1", "h2"}
    assert [len(page.all(tag)) for tag in ("main", "h1", "footer")] == [1, 1, 1]


def test_an_unknown_question_is_an_error(render: Any) -> None:
    with pytest.raises(KeyError):
        render("9.9.z")


# Reading the answers


def test_each_notebook_is_read_once_and_only_where_there_are_answers(
    assignment: Any, class_results: Any, class_notebooks: Any
) -> None:
    read: list[str] = []

    def load(name: str) -> Mapping[str, Any] | None:
        read.append(name)
        return class_notebooks.get(name)

    collect_answers(assignment, class_results, load)
    assert read == ["ann", "bob", "cleo", "dan", "ida"]


def test_equal_answers_are_kept_once_and_outputs_not_at_all(
    assignment: Any, class_results: Any, class_notebooks: Any
) -> None:
    answers = collect_answers(assignment, class_results, class_notebooks.get)
    first, third = (answers.source(answers.digest("1.1.a", name)) for name in ("ann", "cleo"))
    assert first is third
    assert first is not None
    assert [(cell.kind, cell.text.partition("(")[0]) for cell in first.cells] == [("code", "def optimize_f")]
    assert answers.digest("1.1.a", "eve") == ""


GIVEN = """# Spot checks: they find the commonest mistakes, not all of them.
values = optimize_f(3, 2)
assert len(values) == 2 and all(math.isfinite(value) for value in values), "is not finite"
assert values != (3, 2), "does not move"
"""
OWN = ("optimize_f = ascend", "optimize_f = functools.partial(descend, step=3)", "pass")


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        pytest.param("### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n", 3, id="given"),
        pytest.param("", 1, id="no solution is marked, so nothing is known to be given"),
    ],
)
def test_what_all_were_given_makes_no_answers_alike(
    assignment: Any, read_page: Any, solution: str, expected: int
) -> None:
    nbformat.write(new_notebook(cells=[new_code_cell(solution + GIVEN)]), assignment.reference)
    results = [one([0], digest) for digest in ("1a", "2b", "3c")]
    notebooks = {}
    for result, own in zip(results, OWN, strict=True):
        result.submission = result.questions[0].answer
        notebooks[result.submission] = {"cells": [new_code_cell(f"{own}\n{GIVEN}")]}
    answers = collect_answers(assignment, results, notebooks.get)
    assert len(groups(read_page(render_question(assignment, "1.1.a", results, answers)))) == expected


def one(cells: list[int], digest: str = "1f") -> SubmissionResult:
    question = QuestionResult(
        id="1.1.a", title="", kind="code", points=1, max_points=1, status="passed", cells=cells, answer=digest
    )
    return SubmissionResult(submission="ann", file="", questions=[question])


@pytest.mark.parametrize(
    ("cells", "remark"),
    [
        pytest.param([new_code_cell("x" * 10**6)], "A part of this answer is not shown.", id="long"),
        pytest.param([new_code_cell("x\n" * 10**6)], "A part of this answer is not shown.", id="many lines"),
        pytest.param(
            [new_markdown_cell("x")] * 100, f"{100 - ANSWER_CELLS} more cells are not shown.", id="many cells"
        ),
        pytest.param(
            [new_code_cell("x" * ANSWER_CHARACTERS), new_code_cell("y")], "1 more cell is not shown.", id="no room left"
        ),
        pytest.param([new_code_cell("x")], "", id="short"),
    ],
)
def test_of_an_answer_no_more_is_kept_than_fits(assignment: Any, cells: Any, remark: str) -> None:
    notebook = {"cells": cells}
    answers = collect_answers(assignment, [one(list(range(len(cells))))], lambda name: notebook)
    source = answers.source("1f")
    assert source is not None
    assert sum(len(cell.text) for cell in source.cells) <= ANSWER_CHARACTERS + 100
    assert source.remark == remark


@pytest.mark.parametrize(
    "notebook",
    [{}, {"cells": None}, {"cells": [None, {"source": 3}]}, {"cells": []}],
    ids=["empty", "none", "odd", "no cells"],
)
def test_a_notebook_that_is_none_is_borne(assignment: Any, notebook: Any, read_page: Any) -> None:
    results = [one([0, 1, 7, -1])]
    answers = collect_answers(assignment, results, lambda name: notebook)
    assert len(groups(read_page(render_question(assignment, "1.1.a", results, answers)))) == 1


def test_a_result_from_before_there_were_digests_is_grouped_by_its_sources(assignment: Any, read_page: Any) -> None:
    results = [one([0], ""), one([0], ""), one([0], "")]
    results[1].submission, results[2].submission = "bob", "cleo"
    sources = {"ann": "x = 1", "bob": "x = 1", "cleo": "y = lambda: 2"}
    answers = collect_answers(assignment, results, lambda name: new_notebook(cells=[new_code_cell(sources[name])]))
    page = read_page(render_question(assignment, "1.1.a", results, answers))
    assert [text.partition(" ✓")[0] for text in groups(page)] == ["2 submissions, identical", "1 submission"]


# Size


@pytest.mark.parametrize("kind", ["code", "text"])
def test_a_page_of_three_hundred_long_answers_is_made_soon_and_can_be_opened(assignment: Any, kind: str) -> None:
    results, notebooks, chance = [], {}, random.Random(1)
    for number in range(300):
        name = f"s{number}"
        results.append(one([0], f"{number:x}"))
        results[-1].submission = name
        words = [f"w{chance.randrange(10_000)}" for _ in range(500)]
        code = "\n".join(f"{first} = {second} + 1" for first, second in zip(words[::2], words[1::2], strict=True))
        cell = new_code_cell(code) if kind == "code" else new_markdown_cell(" *and* ".join(words))
        notebooks[name] = new_notebook(cells=[cell])
    start = time.process_time()
    answers = collect_answers(assignment, results, notebooks.get)
    html = render_question(assignment, "1.1.a", results, answers)
    assert time.process_time() - start < 15
    assert len(html) < 6_000_000
    assert html.count("<article") == 300
