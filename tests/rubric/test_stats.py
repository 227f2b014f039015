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

TRIALS = 1000


def normal(rng: np.random.Generator, size: int = SIZE) -> np.ndarray[Any, Any]:
    return rng.normal(0, 0.3, size)


JUDGEMENTS: dict[str, Any] = {
    "std_is": lambda rng: stats.std_is(normal(rng, 200), 0.3, false_fail=OFTEN),
    "mean_is": lambda rng: stats.mean_is(normal(rng, 200), 0, false_fail=OFTEN),
    "is_normal": lambda rng: stats.is_normal(normal(rng, 200), false_fail=OFTEN),
    "is_uniform": lambda rng: stats.is_uniform(rng.uniform(2, 5, 200), false_fail=OFTEN),
    "expect_normal": lambda rng: not _fails(normal(rng, 200), mean=0, std=0.3, false_fail=OFTEN),
    "proportion": lambda rng: stats.proportion(rng.binomial(200, 0.9), 200, 0.9, false_fail=OFTEN) != "below",
}


@pytest.mark.parametrize("judgement", JUDGEMENTS.values(), ids=JUDGEMENTS.keys())
def test_a_right_answer_fails_no_more_often_than_stated(judgement: Any) -> None:
    rng = np.random.default_rng(20)
    failures = sum(not judgement(rng) for _ in range(TRIALS))
    # One run of this test in 10^9 would exceed this, were its numbers not the same in each.
    assert failures <= binom.isf(1e-9, TRIALS, OFTEN)


@pytest.mark.parametrize("judgement", ["std_is", "mean_is", "is_uniform"])
def test_the_stated_rate_is_used_up(judgement: str) -> None:
    rng = np.random.default_rng(21)
    failures = sum(not JUDGEMENTS[judgement](rng) for _ in range(TRIALS))
    assert failures >= binom.ppf(1e-9, TRIALS, OFTEN)


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


def _fails(sample: Any, **options: Any) -> bool:
    try:
        stats.expect_normal(sample, **options)
    except CheckFailed:
        return True
    return False
