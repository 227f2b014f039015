"""Messages that recur are counted together, whatever the numbers in them."""

from __future__ import annotations

from typing import Any

import pytest

from grader.report.budget import MESSAGE_CHARACTERS
from grader.report.recurring import check_counts, first_line, pattern
from grader.results.results import CheckResult, QuestionResult, SubmissionResult


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("f(tensor(-100)) is nan, expected 0.0", "f(tensor(…)) is nan, expected …", id="nan stays"),
        pytest.param("3.2e-05 and -inf", "… and -inf", id="exponent, and infinity"),
        pytest.param("shape (3, 4), not (3,)", "shape (…), not (…,)", id="several in a row are one"),
        pytest.param("[1., 2., -3.5e+5]", "[…]", id="as NumPy prints them"),
        pytest.param("x = [[1, 2], [3, 4]]", "x = [[…]]", id="a matrix"),
        pytest.param("1,000 steps, 95%", "… steps, …%", id="thousands, percent"),
        pytest.param("it is 3, not 4.", "it is …, not ….", id="a full stop is no part of a number"),
        pytest.param("object at 0x7f3A", "object at …", id="address"),
        pytest.param("w1 and x_2 of 1.5.b are float32", "w1 and x_2 of 1.5.b are float32", id="names stay"),
        pytest.param("", "", id="nothing"),
    ],
)  # fmt: skip
def test_numbers_are_normalised(line: str, expected: str) -> None:
    assert pattern(line) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param("first\nsecond", "first", id="one line"),
        pytest.param("\n\n first \n", "first", id="blank lines"),
        pytest.param("\x1b[31mred\x1b[0m\x00", "red␀", id="no colours"),
        pytest.param("x" * 10_000, "x" * MESSAGE_CHARACTERS, id="bounded"),
    ],
)
def test_of_a_message_its_first_line_counts(message: str, expected: str) -> None:
    assert first_line(message) == expected


def submission(name: str, *checks: tuple[str, Any, str], status: Any = "graded") -> SubmissionResult:
    """Checks as question and name, status, message."""
    questions = [
        QuestionResult(
            id=place.partition(" ")[0],
            title="",
            kind="code",
            points=0,
            max_points=1,
            status="failed",
            cells=[],
            checks=[
                CheckResult(
                    name=place.partition(" ")[2], title="Title", points=0, max_points=1, status=outcome, message=message
                )
            ],
        )
        for place, outcome, message in checks
    ]
    return SubmissionResult(submission=name, file="", status=status, questions=questions)


CLASS = [
    submission("ann", ("1.1.a one", "failed", "is 3, not 4"), ("1.1.b two", "failed", "loss is nan")),
    submission("bob", ("1.1.a one", "passed", ""), ("1.1.b two", "failed", "is 3, not 4")),
    submission("cleo", ("1.1.a one", "review", "is 0.5, not 4"), ("1.1.b two", "failed", "is 7, not 8\nmore")),
    submission("dan", ("1.1.a one", "missing", "not defined"), ("1.1.b two", "carried forward", "right after all")),
    submission("eve", ("1.1.a one", "failed", "is 3, not 4"), status="error"),
]


def test_the_check_that_fails_most_comes_first_with_all_its_outcomes() -> None:
    two, one = check_counts(CLASS)
    assert (two.question, two.name, two.title) == ("1.1.b", "two", "Title")
    assert (two.asked, two.failed, two.review, two.carried, two.missing) == (4, 3, 0, 1, 0)
    assert (one.asked, one.failed, one.review, one.carried, one.missing) == (4, 1, 1, 0, 1)


def test_messages_are_grouped_by_their_pattern_and_the_most_frequent_comes_first() -> None:
    two, one = check_counts(CLASS)
    assert [(message.pattern, message.submissions) for message in two.messages] == [
        ("is …, not …", ["bob", "cleo"]),
        ("loss is nan", ["ann"]),
    ]
    assert [(message.pattern, message.example, message.submissions) for message in one.messages] == [
        ("is …, not …", "is 3, not 4", ["ann", "cleo"])
    ]


def test_the_checks_of_one_question_can_be_asked_for() -> None:
    assert [counts.question for counts in check_counts(CLASS, "1.1.a")] == ["1.1.a"]
