"""Numbers about a class, each computed by hand beside it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from grader.report.class_statistics import Bin, correlation, histogram, question_statistics, spread
from grader.results.results import QuestionResult, SubmissionResult


def submission(status: Any = "graded", **points: float | None) -> SubmissionResult:
    """Questions a (2 points), b (1 point) and c (3 points)."""
    most = {"a": 2, "b": 1, "c": 3}
    questions = [
        QuestionResult(
            id=id,
            title="",
            kind="code",
            points=earned,
            max_points=most[id],
            status="review" if earned is None else "passed" if earned == most[id] else "failed",
            cells=[],
        )
        for id, earned in points.items()
    ]
    return SubmissionResult(submission="s", file="s.ipynb", status=status, questions=questions)


FOUR = [submission(a=0, b=0, c=1), submission(a=1, b=0, c=2), submission(a=1, b=1, c=2), submission(a=2, b=1, c=3)]


def test_difficulty_is_the_share_of_the_points_that_was_earned() -> None:
    found = question_statistics(["a", "b", "c"], FOUR)
    assert [found[id].difficulty for id in "abc"] == [4 / 8, 2 / 4, 8 / 12]


def test_discrimination_is_the_correlation_with_the_rest_and_not_with_the_question_itself() -> None:
    # a: 0, 1, 1, 2; the rest, b + c: 1, 2, 3, 4. Deviations -1, 0, 0, 1 and -1.5, -0.5, 0.5, 1.5:
    # 3 / sqrt(2 * 5). With the whole sum, 1, 3, 4, 6, it would be 5 / sqrt(2 * 13), another number.
    found = question_statistics(["a"], FOUR)["a"]
    assert found.discrimination == pytest.approx(3 / math.sqrt(10))


def test_a_question_that_the_weaker_get_right_has_a_negative_discrimination() -> None:
    results = [submission(a=2, b=0, c=0), submission(a=1, b=0, c=2), submission(a=0, b=1, c=3)]
    # a: 1, 0, -1 from the mean; b + c: -2, 0, 2.
    assert question_statistics(["a"], results)["a"].discrimination == pytest.approx(-1)


def test_points_that_are_not_known_yet_count_neither_way() -> None:
    # In the rest of the third stands b alone, 1 of 1: the shares are 0, 0.5, 1, and a is 0, 1, 2.
    results = [submission(a=0, b=0, c=0), submission(a=1, b=0, c=2), submission(a=2, b=1, c=None)]
    found = question_statistics(["a", "c"], [*results, submission(a=None, b=1, c=3)])
    assert found["a"].known == 3
    assert found["a"].difficulty == 3 / 6
    assert found["a"].discrimination == pytest.approx(1)
    assert found["c"].known == 3
    assert found["c"].statuses == {"failed": 1, "partial": 1, "passed": 1, "review": 1}
    assert found["c"].points == {0: 1, 2: 1, 3: 1}


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([], id="no submission"),
        pytest.param([submission(a=1, b=0), submission(a=2, b=1)], id="two points always lie on a line"),
        pytest.param([submission(a=1, b=0), submission(a=1, b=1), submission(a=1, b=0)], id="constant points"),
        pytest.param([submission(a=0, b=1), submission(a=1, b=1), submission(a=2, b=1)], id="constant rest"),
        pytest.param([submission(a=0), submission(a=1), submission(a=2)], id="no rest"),
        pytest.param([submission(a=None, b=1), submission(a=None, b=0), submission(a=None, b=1)], id="not known"),
    ],
)
def test_discrimination_is_undefined_for(results: list[SubmissionResult]) -> None:
    assert question_statistics(["a"], results)["a"].discrimination is None


def test_shares_that_differ_in_their_last_digit_alone_are_constant() -> None:
    assert 0.1 + 0.2 != 0.3
    assert correlation([1, 2, 3], [0.1 + 0.2, 0.3, 0.3]) is None


def test_what_was_not_graded_is_left_out() -> None:
    left_out = [submission(status, a=0, b=1, c=0) for status in ("missing", "unreadable", "error")]
    assert question_statistics(["a"], [*FOUR, *left_out]) == question_statistics(["a"], FOUR)


def test_a_question_that_nobody_was_asked_has_no_numbers() -> None:
    found = question_statistics(["z"], FOUR)["z"]
    assert (found.known, found.difficulty, found.discrimination, found.max_points) == (0, None, None, 0)


def test_a_spread_has_quartiles_by_linear_interpolation() -> None:
    found = spread([1, 2, 3, 10])
    assert found is not None
    assert (found.count, found.mean, found.lowest, found.highest) == (4, 4, 1, 10)
    assert (found.lower, found.median, found.upper) == (1.75, 2.5, 4.75)


def test_the_spread_of_one_value_is_that_value_and_of_none_there_is_none() -> None:
    assert spread([]) is None
    found = spread([7.5])
    assert found is not None
    assert (found.mean, found.lower, found.median, found.upper, found.lowest) == (7.5,) * 5


def test_a_bin_includes_its_start_and_the_last_one_its_end() -> None:
    assert histogram([0, 0.5, 1, 1.5, 1.5, 2], 2) == [
        Bin(0, 0.5, 1),
        Bin(0.5, 1, 1),
        Bin(1, 1.5, 1),
        Bin(1.5, 2, 3),
    ]


@pytest.mark.parametrize(
    ("highest", "width", "number"),
    [
        pytest.param(1, 0.5, 2, id="half points"),
        pytest.param(6, 0.5, 12, id="as many as may be"),
        pytest.param(10.5, 1.5, 7, id="wider, to end at the maximum"),
        pytest.param(42, 3.5, 12, id="42"),
        pytest.param(25, 2.5, 10, id="25"),
        pytest.param(100, 10, 10, id="100"),
        pytest.param(47, 4, 12, id="beyond the maximum, where none ends at it"),
    ],
)
def test_bins_have_a_round_width(highest: float, width: float, number: int) -> None:
    bins = histogram([], highest)
    assert len(bins) == number
    assert [(bin.start, bin.end) for bin in bins] == [(width * i, width * (i + 1)) for i in range(number)]


def test_no_value_is_lost_between_bins() -> None:
    values = [points / 2 for points in range(-2, 90)]
    assert sum(bin.count for bin in histogram(values, 42)) == len(values)


def test_nothing_to_be_had_makes_no_histogram() -> None:
    assert histogram([0, 0], 0) == []
