"""The sequential test stops as soon as it knows, and errs no more often than it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from grader.rubric.sequential import SequentialTest

RUNS = 10_000
FALSE_FAIL = 0.05
FALSE_PASS = 0.02
"""Rates that can be measured."""

HYPOTHESES = [(0.5, 0.04), (0.9, 0.5), (0.3, 0.2), (0.99, 0.01)]


def new_test(p_good: float, p_bad: float) -> SequentialTest:
    return SequentialTest(p_good=p_good, p_bad=p_bad, false_fail=FALSE_FAIL, false_pass=FALSE_PASS)


def simulate(p_good: float, p_bad: float, truth: float, *, at_most: int = 10**6) -> tuple[dict[str, int], float]:
    """How often each verdict came, and after how many outcomes on average."""
    rng = np.random.default_rng(30)
    verdicts, outcomes = {"reached": 0, "below": 0, "open": 0}, 0
    for _ in range(RUNS):
        test = new_test(p_good, p_bad)
        while test.verdict == "open" and test.successes + test.failures < at_most:
            test.update(rng.random() < truth)
        verdicts[test.verdict] += 1
        outcomes += test.successes + test.failures
    return verdicts, outcomes / RUNS


@pytest.mark.parametrize(("p_good", "p_bad"), HYPOTHESES, ids=str)
def test_what_is_good_fails_no_more_often_than_stated(p_good: float, p_bad: float) -> None:
    verdicts, _ = simulate(p_good, p_bad, p_good)
    assert verdicts["below"] <= binom.isf(1e-9, RUNS, FALSE_FAIL)
    assert verdicts["open"] == 0


@pytest.mark.parametrize(("p_good", "p_bad"), HYPOTHESES, ids=str)
def test_what_is_bad_passes_no_more_often_than_stated(p_good: float, p_bad: float) -> None:
    verdicts, _ = simulate(p_good, p_bad, p_bad)
    assert verdicts["reached"] <= binom.isf(1e-9, RUNS, FALSE_PASS)
    assert verdicts["open"] == 0


@pytest.mark.parametrize("at_most", [1, 4, 10])
def test_stopping_early_leaves_it_open_and_errs_no_more_often(at_most: int) -> None:
    good, _ = simulate(0.5, 0.04, 0.5, at_most=at_most)
    bad, _ = simulate(0.5, 0.04, 0.04, at_most=at_most)
    assert good["below"] <= binom.isf(1e-9, RUNS, FALSE_FAIL)
    assert bad["reached"] <= binom.isf(1e-9, RUNS, FALSE_PASS)
    assert min(good["open"], bad["open"]) > 0


def test_what_is_better_than_good_fails_hardly_ever() -> None:
    verdicts, outcomes = simulate(0.5, 0.04, 0.98)
    assert verdicts["below"] == 0
    assert outcomes < 2.2


def test_it_takes_fewer_outcomes_than_a_fixed_number() -> None:
    # The smallest number of outcomes for which some border keeps both rates.
    fixed = next(
        n for n in range(1, 100) if binom.cdf(binom.isf(FALSE_PASS, n, 0.04), n, 0.5) <= FALSE_FAIL
    )  # fmt: skip
    assert simulate(0.5, 0.04, 0.5)[1] < fixed
    assert simulate(0.5, 0.04, 0.04)[1] < fixed


def test_it_stops_when_it_knows_and_stays_with_what_it_found() -> None:
    test = SequentialTest(p_good=0.5, p_bad=0.04, false_fail=1e-4, false_pass=1e-3)
    assert test.needed == (3, 15)
    assert [test.update(True) for _ in range(3)] == ["open", "open", "reached"]
    assert [test.update(False) for _ in range(40)] == ["reached"] * 40
    assert (test.successes, test.failures) == (3, 0)


def test_failures_alone_end_it_below() -> None:
    test = SequentialTest(p_good=0.5, p_bad=0.04, false_fail=1e-4, false_pass=1e-3)
    verdicts = [test.update(False) for _ in range(15)]
    assert verdicts == ["open"] * 14 + ["below"]
    assert test.needed[1] == 0


def test_a_success_outweighs_some_failures() -> None:
    test = SequentialTest(p_good=0.5, p_bad=0.04, false_fail=1e-4, false_pass=1e-3)
    test.update(True)
    assert test.needed == (2, 18)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"p_good": 0.04}, "needs 0 < p_bad < p_good < 1"),
        ({"p_good": 1.0}, "needs 0 < p_bad < p_good < 1"),
        ({"p_bad": 0.0}, "needs 0 < p_bad < p_good < 1"),
        ({"false_fail": 0.0}, "both lie between 0 and 1"),
        ({"false_pass": 1.0}, "both lie between 0 and 1"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_hypotheses_that_cannot_be_told_apart_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SequentialTest(**({"p_good": 0.5, "p_bad": 0.04, "false_fail": 0.01, "false_pass": 0.01} | wrong))
