"""The page that front ends show: readable on any ground, and nothing of it is the student's markup."""

from __future__ import annotations

import re

import pytest

from grader.results.results import CheckResult
from grader.students.checking.report import CheckedQuestion, CheckReport
from grader.students.live.page import COLOURS, page

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m & \"'"


def report(message: str = "", title: str = "Title") -> CheckReport:
    check = CheckResult(name="a", title="b", points=0.0, max_points=1.0, status="failed", message=message)
    question = CheckedQuestion(
        id="1.1.a",
        title=title,
        kind="code",
        status="not yet",
        points=0.0,
        max_points=1.0,
        full_points=2.0,
        hidden_checks=1,
        checks=[check],
        cells=[],
        notes=[message],
    )
    return CheckReport(notebook="this notebook", assignment=title, questions=[question], notes=[message])


def test_nothing_of_a_student_is_markup() -> None:
    shown = page(report(HOSTILE, HOSTILE))
    assert "<img" not in shown
    assert "\x1b" not in shown
    assert set(re.findall(r"<(\w+)", shown)) == {"div", "strong", "span", "pre"}


def test_lines_of_a_message_stay_apart() -> None:
    assert ">one\n  two</pre>" in page(report("one\n  two"))


@pytest.mark.parametrize("colour", COLOURS.values())
def test_white_is_readable_on_every_badge(colour: str) -> None:
    """The contrast that WCAG asks for: 4.5 to 1."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5
