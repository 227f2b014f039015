"""Judgements about chance: they wrong an answer as rarely as they say, and see what is really wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom

from grader.rubric import stats
from grader.rubric.compare import CheckFailed

SIZE = 4000
OFTEN = 0.05
"""A false-fail rate that can be measured."""

RARELY = 0.01
"""A false-pass rate that can be measured: what is wrong is seen with a power of 0.99."""

TRIALS = 10_000


def normal(rng: np.random.Generator, size: int = SIZE) -> np.ndarray[Any, Any]:
    return rng.normal(0, 0.3, size)


JUDGEMENTS: dict[str, Any] = {
    "std_is": lambda rng: stats.std_is(normal(rng, 200), 0.3, false_fail=OFTEN),
    "mean_is": lambda rng: stats.mean_is(normal(rng, 200), 0, false_fail=OFTEN),
    "is_normal": lambda rng: stats.is_normal(normal(rng, 200), false_fail=OFTEN),
    "is_uniform": lambda rng: stats.is_uniform(rng.uniform(2, 5, 200), false_fail=OFTEN),
    "is_uncorrelated": lambda rng: stats.is_uncorrelated(normal(rng, 200), normal(rng, 200), false_fail=OFTEN),
    "is_independent, in a row": lambda rng: stats.is_independent(normal(rng, 200), false_fail=OFTEN),
    "is_independent, in a matrix": lambda rng: stats.is_independent(matrix(rng, 20, 11), false_fail=OFTEN),
    "expect_normal": lambda rng: not _fails(normal(rng, 200), mean=0, std=0.3, false_fail=OFTEN),
    "proportion": lambda rng: stats.proportion(rng.binomial(200, 0.9), 200, 0.9, false_fail=OFTEN) != "below",
}


def matrix(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray[Any, Any]:
    return normal(rng, rows * columns).reshape(rows, columns)


@pytest.mark.parametrize("judgement", JUDGEMENTS.values(), ids=JUDGEMENTS.keys())
def test_a_right_answer_fails_no_more_often_than_stated(judgement: Any) -> None:
    rng = np.random.default_rng(20)
    failures = sum(not judgement(rng) for _ in range(TRIALS))
    # One run of this test in 10^9 would exceed this, were its numbers not the same in each.
    assert failures <= binom.isf(1e-9, TRIALS, OFTEN)


@pytest.mark.parametrize(
    "judgement", ["std_is", "mean_is", "is_uniform", "is_uncorrelated", "is_independent, in a row"]
)
def test_the_stated_rate_is_used_up(judgement: str) -> None:
    rng = np.random.default_rng(21)
    failures = sum(not JUDGEMENTS[judgement](rng) for _ in range(TRIALS))
    assert failures >= binom.ppf(1e-9, TRIALS, OFTEN)


ASKED: dict[str, float] = {"power": 1 - RARELY, "false_fail": OFTEN}

MISTAKES: dict[str, tuple[int, Any]] = {
    "mean": (
        stats.size_for_mean(0.3, **ASKED),
        lambda rng, size: stats.mean_is(rng.normal(0.3, 1, size), 0, false_fail=OFTEN),
    ),
    "mean, few values": (
        stats.size_for_mean(1.5, **ASKED),
        lambda rng, size: stats.mean_is(rng.normal(-1.5, 1, size), 0, false_fail=OFTEN),
    ),
    "spread too wide": (
        stats.size_for_std(1.25, **ASKED),
        lambda rng, size: stats.std_is(rng.normal(0, 1.25, size), 1, false_fail=OFTEN),
    ),
    "spread too narrow": (
        stats.size_for_std(0.5, **ASKED),
        lambda rng, size: stats.std_is(rng.normal(0, 0.5, size), 1, false_fail=OFTEN),
    ),
    "correlation": (
        stats.size_for_correlation(0.3, **ASKED),
        lambda rng, size: stats.is_uncorrelated(*correlated(rng, size, 0.3), false_fail=OFTEN),
    ),
    "uniform for normal": (
        stats.size_for_shape(0.057, **ASKED),
        lambda rng, size: stats.is_normal(rng.uniform(0, 1, size), false_fail=OFTEN),
    ),
    "normal for uniform": (
        stats.size_for_shape(0.2, **ASKED),
        lambda rng, size: stats.is_uniform(rng.normal(0, 1, size), false_fail=OFTEN),
    ),
    "proportion": (
        stats.size_for_proportion(0.95, 0.9, **ASKED),
        lambda rng, size: stats.proportion(rng.binomial(size, 0.9), size, 0.95, false_fail=OFTEN) != "below",
    ),
}


def correlated(rng: np.random.Generator, size: int, r: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    one = rng.normal(size=size)
    return one, r * one + (1 - r * r) ** 0.5 * rng.normal(size=size)


@pytest.mark.parametrize(("size", "judgement"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_wrong_answer_passes_no_more_often_than_stated(size: int, judgement: Any) -> None:
    rng = np.random.default_rng(22)
    passes = sum(judgement(rng, size) for _ in range(TRIALS))
    assert passes <= binom.isf(1e-9, TRIALS, RARELY)


@pytest.mark.parametrize("mistake", ["mean", "spread too wide", "spread too narrow", "correlation", "proportion"])
def test_no_more_values_are_asked_for_than_the_power_takes(mistake: str) -> None:
    size, judgement = MISTAKES[mistake]
    rng = np.random.default_rng(23)
    passes = sum(judgement(rng, round(0.7 * size)) for _ in range(TRIALS))
    assert passes > binom.isf(1e-9, TRIALS, RARELY)


def test_smaller_mistakes_and_stricter_rates_take_more_values() -> None:
    assert stats.size_for_mean(0.1) > stats.size_for_mean(0.2) > stats.size_for_mean(0.2, **ASKED)
    assert stats.size_for_std(1.1) > stats.size_for_std(1.2) > stats.size_for_std(1.2, **ASKED)
    assert stats.size_for_correlation(0.1) > stats.size_for_correlation(-0.2) > stats.size_for_correlation(0.2, **ASKED)
    assert stats.size_for_shape(0.05) > stats.size_for_shape(0.1) > stats.size_for_shape(0.1, **ASKED)
    assert stats.size_for_proportion(0.9, 0.8) > stats.size_for_proportion(0.9, 0.7) > 3


def test_what_is_no_mistake_has_no_size() -> None:
    with pytest.raises(ValueError, match="no mistake to be seen"):
        stats.size_for_std(1)
    with pytest.raises(ValueError, match=r"0\.9 is not below 0\.8"):
        stats.size_for_proportion(0.8, 0.9)


DEPENDENT: dict[str, tuple[Any, str]] = {
    "each value twice": (lambda rng: np.repeat(rng.normal(size=2000), 2), "neighbours are related"),
    "a running mean": (lambda rng: np.convolve(rng.normal(size=4000), [0.6, 0.8]), "neighbours are related"),
    "one column for all": (lambda rng: np.tile(rng.normal(size=(50, 1)), 80), "neighbouring columns are related"),
    "one row for all": (lambda rng: np.tile(rng.normal(size=80), (50, 1)), "neighbouring rows are related"),
    "rows of different height": (
        lambda rng: rng.normal(size=(50, 80)) + np.tile([[0.0], [0.0], [0.5], [-0.5], [-0.5]], (10, 1)),
        "means of the rows|rows are related|columns are related",
    ),
    "every column centred": (lambda rng: _centred(rng.normal(size=(50, 80))), "the means of the columns"),
}


@pytest.mark.parametrize(("draw", "message"), DEPENDENT.values(), ids=DEPENDENT.keys())
def test_values_that_depend_on_one_another_fail(draw: Any, message: str) -> None:
    with pytest.raises(CheckFailed, match=f"the weights are not independent: .*({message})"):
        stats.expect_independent(draw(np.random.default_rng(4)), what="weights")


def test_two_draws_must_differ_and_have_nothing_to_do_with_each_other() -> None:
    rng = np.random.default_rng(5)
    first, second = matrix(rng, 40, 30), matrix(rng, 40, 30)
    stats.expect_independent(first, second)
    with pytest.raises(CheckFailed, match="the weights of two draws are the same"):
        stats.expect_independent(first, torch.tensor(first), what="weights")
    with pytest.raises(CheckFailed, match="the values of two draws are related"):
        stats.expect_independent(first, second - 0.4 * first)
    with pytest.raises(ValueError, match="1200 values cannot be paired with 1170"):
        stats.expect_independent(first, second[1:])


def test_values_without_spread_are_not_independent() -> None:
    assert not stats.is_independent(np.ones(10))
    assert not stats.is_independent(np.ones((5, 4)))


@pytest.mark.parametrize("seed", range(5))
def test_normal_values_pass_by_default(seed: int) -> None:
    values = normal(np.random.default_rng(seed))
    stats.expect_normal(values, mean=0, std=0.3)
    stats.expect_normal(torch.tensor(values, dtype=torch.float32).reshape(40, -1), mean=0, std=0.3)


WRONG: dict[str, tuple[Any, str]] = {
    "twice as wide": (lambda rng: rng.normal(0, 0.6, SIZE), "standard deviation of the weights is 0."),
    "a fifth wider": (lambda rng: rng.normal(0, 0.36, SIZE), "expected 0.3"),
    "narrower": (lambda rng: rng.normal(0, 0.25, SIZE), "expected 0.3"),
    "shifted": (lambda rng: rng.normal(0.1, 0.3, SIZE), "the mean of the weights is"),
    "uniform with the same spread": (
        lambda rng: rng.uniform(-0.3, 0.3, SIZE) * 3**0.5,
        "not normally distributed, but uniformly",
    ),
    "two values": (lambda rng: rng.choice([-0.3, 0.3], SIZE), "not normally distributed, but otherwise"),
    "few values": (lambda rng: np.tile(rng.normal(0, 0.3, 8), SIZE // 8), "expected 0.3"),
    "all the same": (lambda rng: np.full(SIZE, 0.25), "standard deviation of the weights is 0.0"),
    "nan among them": (lambda rng: np.append(rng.normal(0, 0.3, SIZE), np.nan), "nan or infinite"),
    "no numbers": (lambda rng: ["a", "b", "c"], "expected numbers"),
}


@pytest.mark.parametrize(("draw", "message"), WRONG.values(), ids=WRONG.keys())
def test_other_values_fail(draw: Any, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        stats.expect_normal(draw(np.random.default_rng(3)), mean=0, std=0.3, what="weights")


def test_constant_values_have_no_spread() -> None:
    assert stats.std_is([2.0, 2.0, 2.0], 0)
    assert not stats.std_is([2.0, 2.0, 2.1], 0)
    assert stats.mean_is([2.0, 2.0, 2.0], 2)
    assert not stats.mean_is([2.0, 2.0, 2.0], 3)
    assert not stats.is_normal([2.0, 2.0, 2.0])
    assert not stats.is_uniform([2.0, 2.0, 2.0])


def test_too_few_values_are_the_mistake_of_the_check() -> None:
    with pytest.raises(ValueError, match="2 values are too few"):
        stats.is_normal([1.0, 2.0])


@pytest.mark.parametrize(
    ("correct", "verdict"),
    [
        (900, "reached"),
        (855, "reached"),
        (854, "just below"),
        (830, "just below"),
        (823, "just below"),
        (818, "below"),
        (0, "below"),
    ],
    ids=str,
)
def test_a_proportion_just_below_its_target_is_told_from_one_far_below(correct: int, verdict: str) -> None:
    # 900 samples of true proportion 0.95 give fewer than 822 once in a million times.
    assert stats.proportion(correct, 900, 0.95) == verdict


@pytest.mark.parametrize("target", [0.5, 0.89, 0.97])
def test_the_lowest_proportion_is_the_border_to_below(target: float) -> None:
    border = round(stats.lowest_proportion(900, target) * 900)
    assert stats.proportion(border, 900, target) == "just below"
    assert stats.proportion(border - 1, 900, target) == "below"
    assert binom.cdf(border - 1, 900, target) <= stats.FALSE_FAIL < binom.cdf(border, 900, target)


def _centred(values: np.ndarray[Any, Any]) -> Any:
    return values - values.mean(axis=0)


def _fails(sample: Any, **options: Any) -> bool:
    try:
        stats.expect_normal(sample, **options)
    except CheckFailed:
        return True
    return False
