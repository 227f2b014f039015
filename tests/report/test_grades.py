"""The table for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from grader.report.render import grades_csv


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_header_names_the_sums_and_every_question(assignment: Any) -> None:
    assert grades_csv(assignment, []) == (
        "submission,file,status,code_points,code_max_points,points,max_points,points_to_mark,points_in_review,"
        "adjustment,late,1.1.a,1.1.e,1.3.a,1.3.b,1.3.f,1.5.a,1.6.d,1.6.g,message\n"
    )


def test_a_graded_submission_has_its_points_and_unknown_ones_are_empty(assignment: Any, result: Any) -> None:
    result.questions[2].points = 0.5
    (row,) = rows(grades_csv(assignment, [result]))
    assert list(row.values()) == [
        *("group-17", "hand-ins/group-17.ipynb", "graded", "3", "6.5", "3", "10.5", "4", "1.5"),
        *("0", "", "0", "", "0.5", "0", "", "2", "", "", ""),
    ]


def test_a_submission_that_could_not_be_graded_has_no_points_rather_than_zero(assignment: Any, unreadable: Any) -> None:
    (row,) = rows(grades_csv(assignment, [unreadable]))
    assert {name for name, value in row.items() if value} == {"submission", "file", "status", "message"}
    assert row["status"] == "unreadable"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("=cmd|' /C calc'!A0", id="equals"),
        pytest.param("+1+1", id="plus"),
        pytest.param("-2+3", id="minus"),
        pytest.param("@SUM(1)", id="at"),
        pytest.param("\t=1", id="tab"),
        pytest.param("\r=1", id="carriage return"),
    ],
)
def test_nothing_is_a_formula(assignment: Any, result: Any, text: str) -> None:
    result.submission = result.file = result.message = text
    (row,) = rows(grades_csv(assignment, [result]))
    for name in ("submission", "file", "message"):
        assert row[name] == "'" + text.replace("\r", "\n")


def test_a_negative_number_stays_a_number(assignment: Any, result: Any) -> None:
    result.questions[0].points = -0.5
    assert rows(grades_csv(assignment, [result]))[0]["1.1.a"] == "-0.5"


@pytest.mark.parametrize("text", ['a,"b";c', "two\nlines", "naïve ✓"])
def test_any_other_text_comes_back_as_it_was(assignment: Any, result: Any, text: str) -> None:
    result.submission = text
    assert rows(grades_csv(assignment, [result, result]))[1]["submission"] == text


def test_a_name_that_is_not_utf_8_can_be_written(assignment: Any, result: Any) -> None:
    result.submission = "caf\udce9"
    assert grades_csv(assignment, [result]).encode()
