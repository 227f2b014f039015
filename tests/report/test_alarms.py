"""What a class has in common that no student is at fault for: at the top of the overview, and as lines."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from grader.report.alarms import LISTED, alarms
from grader.report.render import render_index
from grader.results.results import CheckResult, CheckStatus, QuestionResult, SubmissionResult, total

Statuses = dict[str, CheckStatus]


def submission(name: str, statuses: Statuses, imports: list[str] | None = None, **changes: Any) -> SubmissionResult:
    """With one question, whose checks came out like this; one that is *broken* raised something."""
    checks = [
        CheckResult(
            name=f"test_x.py::{check}",
            title="It holds.",
            points=None if status == "review" else float(status == "passed"),
            max_points=1,
            status=status,
            message="",
            broken=broken,
        )
        for check, status in statuses.items()
        for broken in ["ZeroDivisionError: division by <zero> (test_x.py, line 3)" if check == "test_raises" else ""]
    ]
    question = QuestionResult(
        id="1.3.a",
        title="Something",
        kind="code",
        points=0,
        max_points=len(checks),
        status="failed",
        cells=[1],
        checks=checks,
    )
    result = SubmissionResult(
        submission=name, file=f"{name}.ipynb", questions=[question], failed_imports=imports or [], **changes
    )
    total(result)
    return result


def lines(results: list[SubmissionResult]) -> list[str]:
    return [alarm.line for alarm in alarms(results)]


def of_all(count: int, statuses: Statuses) -> list[SubmissionResult]:
    return [submission(f"hw-{number}", statuses) for number in range(count)]


def test_a_check_that_every_answer_fails() -> None:
    assert lines(of_all(3, {"test_y": "failed", "test_z": "passed"})) == [
        "every one of 3 answers fails `test_x.py::test_y` (1.3.a): the check may be wrong"
    ]


def test_a_check_that_leaves_every_answer_to_a_person() -> None:
    assert lines(of_all(3, {"test_y": "review"})) == [
        "every one of 3 answers is left to a person by `test_x.py::test_y` (1.3.a): the check may be wrong"
    ]


@pytest.mark.parametrize("status", ["passed", "carried forward", "review"])
def test_one_answer_that_does_not_fail_is_enough_to_trust_a_check(status: CheckStatus) -> None:
    assert lines([*of_all(5, {"test_y": "failed"}), submission("other", {"test_y": status})]) == []


def test_who_did_not_answer_is_not_counted() -> None:
    class_ = [*of_all(3, {"test_y": "failed"}), submission("other", {"test_y": "missing"})]
    assert lines(class_) == ["every one of 3 answers fails `test_x.py::test_y` (1.3.a): the check may be wrong"]
    assert lines([*of_all(2, {"test_y": "failed"}), submission("other", {"test_y": "missing"})]) == []


def test_what_several_handed_in_together_is_one_answer() -> None:
    first, *others = of_all(4, {"test_y": "failed"})
    for other in others:
        other.same_as = first.submission
    assert lines([first, *others]) == []


def test_what_could_not_be_graded_is_not_counted() -> None:
    statuses: list[Literal["error", "unreadable", "missing"]] = ["error", "unreadable", "missing"]
    others = [submission(status, {}, status=status) for status in statuses]
    assert lines([*of_all(2, {"test_y": "failed"}), *others]) == []


@pytest.mark.parametrize(
    ("failing", "count", "expected"),
    [
        (28, 31, ["`import pandas` fails in 28 of 31 notebooks"]),
        (3, 3, ["`import pandas` fails in all 3 notebooks"]),
        (15, 31, []),
        (2, 2, []),
    ],
)
def test_an_import_that_fails_for_most(failing: int, count: int, expected: list[str]) -> None:
    class_ = [
        submission(f"hw-{number}", {"test_y": "passed"}, ["import pandas"] * 2 if number < failing else [])
        for number in range(count)
    ]
    hint = "is it installed here? (pip; `preload` in rubric.toml)"
    assert lines(class_) == [f"{line}: {hint}" for line in expected]


def test_a_check_that_breaks_is_told_once_and_for_one_answer_too() -> None:
    class_ = [*of_all(3, {"test_raises": "review"}), submission("other", {"test_raises": "passed"})]
    class_ = [*class_[:1], *(submission(one.submission, {"test_y": "passed"}) for one in class_[1:])]
    assert lines(class_) == [
        "the check `test_x.py::test_raises` (1.3.a) broke for 1 of 1 answer: "
        "ZeroDivisionError: division by <zero> (test_x.py, line 3)"
    ]


def test_there_are_no_more_than_a_screen_holds() -> None:
    assert len(lines(of_all(3, {f"test_{number}": "failed" for number in range(50)}))) == LISTED


def test_they_stand_first_in_the_overview(assignment: Any, read_page: Any) -> None:
    statuses: Statuses = {"test_y": "failed", "test_raises": "review"}
    results = [submission(f"hw-{number}", statuses, ["import pandas"]) for number in range(4)]
    page = read_page(render_index(assignment, results))
    headings = [element.text for element in page.elements if element.tag == "h2"]
    assert headings[:2] == ["Perhaps not the students’ fault", "A person is needed"]
    (section,) = [one for one in page.elements if one.attributes.get("id") == "alarms"]
    text = " ".join(section.text.split())
    for alarm in alarms(results):
        assert alarm.line.replace("`", "") in text.replace(" :", ":")
    links = [one.attributes["href"] for one in page.elements if one.tag == "a"]
    assert "#alarms" in links
    assert "./questions/1.3.a.html" in links
    assert "<zero>" not in page.html


def test_where_nothing_is_the_matter_nothing_is_said(assignment: Any, class_results: Any, read_page: Any) -> None:
    assert "alarms" not in [
        one.attributes.get("id") for one in read_page(render_index(assignment, class_results)).elements
    ]
