"""Repeating what chance has a hand in until it is known whether it succeeds often enough, and no longer."""

from __future__ import annotations

import math
from typing import Literal

Verdict = Literal["reached", "below", "open"]


class SequentialTest:
    """Wald's sequential probability ratio test: does something succeed as often as it should, or hardly ever?

    What succeeds with a probability of `p_good` or more is found *below* with a probability of at most
    `false_fail`; what succeeds with `p_bad` or less is *reached* with at most `false_pass`. In between, either may
    happen. The test is *open* until it knows; how long that may take is for the caller to say.

    A. Wald, Sequential Analysis (1947), chapter 3. His bounds on the likelihood ratio,
    (1 - false_fail) / false_pass and false_fail / (1 - false_pass), keep what is stated only up to a factor near 1.
    Those used here, 1 / false_pass and false_fail, are a little wider and keep it exactly, wherever the test is
    stopped: under the one hypothesis, the ratio is a martingale of mean 1, and comes to a bound k with a probability
    of at most 1 / k (Ville's inequality).
    """

    def __init__(self, *, p_good: float, p_bad: float, false_fail: float, false_pass: float) -> None:
        if not 0 < p_bad < p_good < 1:
            raise ValueError(f"p_bad = {p_bad:g} and p_good = {p_good:g}: needs 0 < p_bad < p_good < 1")
        if not (0 < false_fail < 1 and 0 < false_pass < 1):
            raise ValueError(f"false_fail = {false_fail:g}, false_pass = {false_pass:g}: both lie between 0 and 1")
        self.verdict: Verdict = "open"
        self.successes = 0
        self.failures = 0
        self._of_success = math.log(p_good / p_bad)
        self._of_failure = math.log((1 - p_good) / (1 - p_bad))
        self._upper = -math.log(false_pass)
        self._lower = math.log(false_fail)

    def update(self, success: bool) -> Verdict:
        """Take one more outcome into account. Once the test knows, later outcomes change nothing."""
        if self.verdict == "open":
            self.successes += success
            self.failures += not success
            ratio = self.successes * self._of_success + self.failures * self._of_failure
            if ratio >= self._upper:
                self.verdict = "reached"
            elif ratio <= self._lower:
                self.verdict = "below"
        return self.verdict

    @property
    def needed(self) -> tuple[int, int]:
        """How many more successes in a row would be *reached*, and how many failures in a row *below*."""
        ratio = self.successes * self._of_success + self.failures * self._of_failure
        return (
            max(0, math.ceil((self._upper - ratio) / self._of_success)),
            max(0, math.ceil((self._lower - ratio) / self._of_failure)),
        )
