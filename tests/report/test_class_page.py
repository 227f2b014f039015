"""The class at a glance."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from grader.report.budget import CHECKS_LISTED, MESSAGES_LISTED
from grader.report.class_page import judgement, render_index
from grader.report.class_statistics import QuestionStatistics
from grader.results.results import Adjustment, Change, CheckResult, Lateness, QuestionResult, SubmissionResult, total


@pytest.fixture
def page(assignment: Any, class_results: Any, read_page: Any) -> Any:
    return read_page(render_index(assignment, class_results))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def row(page: Any, name: str) -> str:
    """The row of a submission, or of a question in the first table that has it."""
    return next(squeezed(item.text) for item in page.all("tr") if item.text.strip().startswith(name))


def section(page: Any, id: str) -> str:
    return squeezed(page.by_id(id).text)


def tiles(page: Any) -> list[str]:
    return [squeezed(tile.text) for tile in page.all("div", "tile")]


def test_the_head_tells_the_sums_of_the_class(page: Any) -> None:
    assert tiles(page) == [
        "9 submissions",
        "4 of 6 answers left to mark",
        "1 answer in review",
        "0.9 of 10.5 points so far, on average",  # (1 + 1.5 + 1 + 0 + 0 + 2) / 6
        "0.3 of 6.5 points for code, on average",
        "3 not graded",
    ]


def test_what_needs_a_person_comes_first_and_in_the_order_of_urgency(page: Any) -> None:
    todo = section(page, "todo")
    parts = [
        "!grading stopped 1 submission: a fault of the grading: a person must look hal the sandbox did not start",
        "!unreadable 1 submission: the file could not be graded gus is not JSON: export it again",
        "∅not handed in 1 submission: no notebook was handed in fay",
        "?in review Checks that could not decide 1.1.a gradient descent 1 answer: dan",
        "✎to be marked Answers that a person marks, question by question",
    ]
    assert [todo.index(part) for part in parts] == sorted(todo.index(part) for part in parts)
    # ann, cleo, dan, and eve, who gave no answer; bob and ida are marked.
    assert row(page, "1.1.e") == "1.1.e step size 4 1 2"


def test_a_class_that_needs_nobody_says_so(assignment: Any, class_results: Any, read_page: Any) -> None:
    ann = class_results[0]
    ann.questions.pop()
    assert "Nowhere: everything is graded and marked." in section(read_page(render_index(assignment, [ann])), "todo")


def test_a_review_that_was_decided_needs_nobody(assignment: Any, class_results: Any, read_page: Any) -> None:
    dan = class_results[3]
    dan.questions[0].status, dan.questions[0].points = "marked", 1
    total(dan)
    page = read_page(render_index(assignment, class_results))
    assert "Checks that could not decide" not in section(page, "todo")
    assert "0 answers in review" in tiles(page)


def test_the_spread_is_told_in_words_and_as_a_table(page: Any) -> None:
    totals = section(page, "totals")
    # 0, 0, 1, 1, 1.5, 2: the quartiles are 0.25 and 1.375.
    assert "Mean 0.9, median 1.0 (the dashed line); half between 0.2 and 1.4; lowest 0, highest 2, of 3." in totals
    assert "Points Submissions 0–0.5 2 0.5–1 0 1–1.5 2 1.5–2 1 2–2.5 1 2.5–3 0" in totals
    assert "Points for code" in totals
    assert "Over the 6 submissions that could be graded." in totals
    assert "What is still to be marked or in review counts as nothing yet." in totals


def test_a_bar_stands_for_each_row_of_the_table(assignment: Any, read_page: Any) -> None:
    results = [whole(f"s{points}", points) for points in (0, 0.5, 1, 1, 1)]
    page = read_page(render_index(assignment, results))
    (plot,) = page.all("figure", "plot")
    assert squeezed(plot.text).startswith("Points so far, all together 1 4 00.51 Mean 0.7, median 1.0")
    assert "half between 0.5 and 1.0; lowest 0, highest 1, of 1." in squeezed(plot.text)
    assert squeezed(plot.text).endswith("As a table Points Submissions 0–0.5 1 0.5–1 4")
    heights = [item.attributes["style"] for item in page.all("i") if "height" in item.attributes.get("style", "")]
    assert heights == ["height:25.00%", "height:100.00%"]


def whole(name: str, points: float) -> SubmissionResult:
    """A submission of one question, 1.1.a."""
    status: Any = "passed" if points == 1 else "failed"
    question = QuestionResult(id="1.1.a", title="", kind="code", points=points, max_points=1, status=status, cells=[0])
    result = SubmissionResult(submission=name, file="", questions=[question])
    total(result)
    return result


def test_a_question_has_its_share_its_separation_and_its_answers(page: Any) -> None:
    (table,) = page.all("table", "questions")
    assert "1.1.a gradient descent 1 40 % " in squeezed(table.text)
    assert "2 passed, 2 failed, 1 in review, 1 missing" in squeezed(table.text)


@pytest.mark.parametrize(
    ("discrimination", "known", "expected"),
    [
        pytest.param(0.4, 100, "separates very well", id="0.4"),
        pytest.param(0.39, 100, "separates well", id="below 0.4"),
        pytest.param(0.2, 100, "separates a little", id="0.2"),
        pytest.param(0.0, 100, "hardly separates", id="0"),
        pytest.param(-0.2, 100, "hardly separates", id="negative, but it may be chance"),
        pytest.param(-0.21, 100, "separates in the wrong direction", id="negative"),
        pytest.param(0.9, 19, "", id="of too few"),
        pytest.param(None, 100, "", id="undefined"),
    ],
)
def test_a_discrimination_is_put_into_words(discrimination: float | None, known: int, expected: str) -> None:
    assert judgement(QuestionStatistics("1.1.a", 1, known, 0.5, discrimination, {}, {})) == expected


def test_the_check_that_fails_most_is_told_with_its_messages(page: Any) -> None:
    checks = section(page, "checks")
    assert "1.1.a Each step goes down by step_size. 2 of 6 failed, 1 in review, 1 without an answer" in checks
    assert "2 different messages" in checks
    assert "2× takes … s such as: takes 12.5 s 1× NameError: name 'grad_x_f' is not defined" in checks


def test_only_so_many_checks_and_messages_are_listed_and_the_rest_is_counted(assignment: Any, read_page: Any) -> None:
    results = []
    for number in range(MESSAGES_LISTED + 3):
        word = "x" * (number + 1)
        checks = [
            CheckResult(name=f"t{i}", title=f"Title {i}.", points=0, max_points=1, status="failed", message=word)
            for i in range(CHECKS_LISTED + 5)
        ]
        result = whole(f"s{number}", 0)
        result.questions[0].checks = checks
        results.append(result)
    page = read_page(render_index(assignment, results))
    listed = [item for item in page.elements if "data-message-id" in item.attributes]
    assert len(listed) == CHECKS_LISTED * MESSAGES_LISTED
    assert len({item.attributes["data-message-id"] for item in listed}) == len(listed)
    assert section(page, "checks").count("and 3 more, in 3 submissions") == CHECKS_LISTED


def test_a_row_has_the_sums_and_a_status_for_each_question(page: Any) -> None:
    assert row(page, "ann") == "ann 1 of 3 1 of 1 2 graded ✓passed, 1 of 1 ✎to be marked, – of 2"
    assert row(page, "bob") == "bob 1.5 of 3 0 of 1 graded ✗failed, 0 of 1 1.5marked, 1.5 of 2"
    assert row(page, "dan") == "dan 0 of 3 0 of 1 2 1 graded ?in review, – of 1 ✎to be marked, – of 2"


def test_a_part_of_the_points_is_partial_and_its_points_are_shown(assignment: Any, read_page: Any) -> None:
    five = whole("five", 0.5)
    page = read_page(render_index(assignment, [five, whole("none", 0)]))
    assert row(page, "five") == "five 0.5 of 1 0.5 of 1 graded 0.5partial, 0.5 of 1"
    assert row(page, "none") == "none 0 of 1 0 of 1 graded ✗failed, 0 of 1"
    assert "1 partial, 1 failed" in squeezed(page.all("table", "questions")[0].text)


def test_a_mark_that_has_lapsed_needs_a_person(assignment: Any, class_results: Any, read_page: Any) -> None:
    ann = class_results[0].questions[1]
    ann.lapsed = Change(question="1.1.e", points=2, before=None, who="A.", when="", answer="1f")
    page = read_page(render_index(assignment, class_results))
    todo = section(page, "todo")
    assert "lapsed Marks for an answer that is not the last one: kept, or given anew, in grader mark" in todo
    assert "1.1.e step size 1 mark: ann" in todo


def test_who_is_late_and_what_that_takes_off_stands_in_the_table(
    assignment: Any, class_results: Any, read_page: Any
) -> None:
    ann = class_results[0]
    ann.late = Lateness(points=-0.5, words="1 day late: half a point off")
    ann.adjustments = [Adjustment(kind="late", points=-0.5, words=ann.late.words)]
    total(ann)
    page = read_page(render_index(assignment, class_results))
    assert row(page, "ann").startswith("ann 0.5 of 3 1 of 1 2 graded late: 1 day late: half a point off −0.5")


def test_an_answer_that_was_not_given_has_one_status(page: Any) -> None:
    assert row(page, "eve") == "eve 0 of 3 0 of 1 2 graded ∅missing, 0 of 1 ∅empty, to be marked, – of 2"


def test_a_section_has_the_title_of_its_heading(assignment: Any, class_results: Any, read_page: Any) -> None:
    nbformat.write(new_notebook(cells=[new_markdown_cell("## 1.1 Minimising (6 points)")]), assignment.reference)
    page = read_page(render_index(assignment, class_results))
    heads = [item.attributes for item in page.all("th") if item.attributes.get("scope") == "colgroup"]
    assert [head.get("title") for head in heads] == ["Minimising", None, None, None]


def test_the_most_that_can_be_had_stands_in_the_head_alone(assignment: Any, result: Any, read_page: Any) -> None:
    page = read_page(render_index(assignment, [result]))
    assert row(page, "group-17").startswith("group-17 3 3 4 1.5 graded ✗failed, 0 of 1 ✎to be marked, – of 2 ✓passed")
    (head,) = (item for item in page.all("th") if item.attributes.get("data-sort") == "points")
    assert squeezed(head.text) == "Points so far of 10.5"


def test_what_was_not_graded_stands_in_the_table_too_with_the_reason(page: Any) -> None:
    table = page.by_id("submissions").text
    assert "hal !grading stopped the sandbox did not start" in squeezed(table)
    assert "fay ∅not handed in no notebook was handed in" in squeezed(table)


def test_rows_stand_in_the_order_of_the_results(page: Any) -> None:
    names = [squeezed(item.text) for item in page.all("th", "name") if "data-text" in item.attributes]
    assert names == ["ann", "bob", "cleo", "dan", "eve", "fay", "gus", "hal", "ida"]


def test_a_row_says_what_the_script_filters_by(page: Any) -> None:
    rows = {
        squeezed(item.text).split()[0]: item.attributes for item in page.all("tr") if "data-item" in item.attributes
    }
    assert {name: item["data-need"] for name, item in rows.items()} == {
        "ann": "mark", "bob": "nothing", "cleo": "mark", "dan": "review mark", "eve": "mark", "fay": "missing",
        "gus": "unreadable", "hal": "error", "ida": "nothing",
    }  # fmt: skip
    assert rows["bob"]["data-lost"] == "1.1.a 1.1.e"
    assert rows["dan"]["data-message"] == rows["ida"]["data-message"] == "1"
    assert rows["bob"]["data-message"] == "2"
    assert rows["gus"]["data-status"] == "unreadable"


def test_averages_leave_out_what_is_not_known(page: Any) -> None:
    averages = [item.text for item in page.all("td", "average")]
    assert averages == ["40", "88", "–", "–", "–", "–", "–", "–"]  # 2 of 5; 3.5 of 4


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param("group-17", "./group-17/report.html", id="plain"),
        pytest.param("a b#c?d%e", "./a%20b%23c%3Fd%25e/report.html", id="characters of addresses"),
        pytest.param("javascript:alert(1)", "./javascript%3Aalert%281%29/report.html", id="a scheme"),
        pytest.param("naïve", "./na%C3%AFve/report.html", id="not ASCII"),
        pytest.param("caf\udce9", "./caf%E9/report.html", id="not UTF-8 on disk"),
        pytest.param("../../x", "./..%2F..%2Fx/report.html", id="a way out of the folder"),
    ],
)
def test_links_lead_to_each_report(
    assignment: Any, class_results: Any, read_page: Any, name: str, address: str
) -> None:
    class_results[3].submission = name
    html = render_index(assignment, [class_results[3]])
    links = [item.attributes["href"] for item in read_page(html).all("a")]
    assert [link for link in links if "report.html" in link] == [f"{address}#q-1.1.a", address]
    assert html.encode()


def test_links_lead_to_each_question_and_to_places_in_the_page(assignment: Any, page: Any) -> None:
    links = {item.attributes["href"] for item in page.all("a")}
    assert links >= {f"./questions/{question.id}.html" for question in assignment.questions}
    ids = {item.attributes["id"] for item in page.elements if "id" in item.attributes}
    assert {link[1:] for link in links if link.startswith("#")} <= ids
    assert {item.attributes.get("aria-labelledby") for item in page.elements} - {None} <= ids


@pytest.mark.parametrize("which", ["none", "unreadable alone"])
def test_a_class_without_a_graded_submission(assignment: Any, unreadable: Any, read_page: Any, which: str) -> None:
    page = read_page(render_index(assignment, [] if which == "none" else [unreadable]))
    assert ("No submissions." if which == "none" else "1 not graded") in page.text
    assert page.all("figure") == []


def test_the_page_is_well_formed_and_has_its_landmarks(page: Any) -> None:
    assert page.stray == []
    assert page.open == []
    assert [len(page.all(tag)) for tag in ("main", "h1", "footer")] == [1, 1, 1]


def test_without_the_script_nothing_is_offered_that_needs_it(page: Any) -> None:
    """The script alone shows the controls, and makes buttons of the heads."""
    (controls,) = (item for item in page.elements if "data-controls" in item.attributes)
    assert "hidden" in controls.attributes
    assert len(page.all("button")) == 1  # among the controls
    assert not any("hidden" in item.attributes for item in page.all("tr"))


def test_the_same_results_give_the_same_page(assignment: Any, class_results: Any) -> None:
    assert render_index(assignment, class_results) == render_index(assignment, class_results)
