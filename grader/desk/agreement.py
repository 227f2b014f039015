"""How far two people who marked the same answers, unseen by each other, agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

Distance = Callable[[float, float], float]


class Agreement(msgspec.Struct, kw_only=True, frozen=True):
    """Of the points that two people gave for the same answers."""

    count: int
    """Answers that were marked twice."""
    equal: int
    """Of those, with the same points."""
    kappa: float | None
    """Cohen's kappa, with each number of points as a category. None where it is not defined: there are no answers, or
    both gave all of them the same points."""
    weighted: float | None
    """The same with quadratic weights: half a point apart is less than three."""


def agreement(pairs: Sequence[tuple[float, float]]) -> Agreement:
    """pairs: points of the first and of the second marker for one answer.

    Cohen's kappa is (observed - expected agreement) / (1 - expected agreement): Cohen, A coefficient of agreement for
    nominal scales, 1960; with weights: Cohen, Weighted kappa, 1968. It is computed here, since scikit-learn would take
    seconds to load for two sums; a test compares.
    """
    return Agreement(
        count=len(pairs),
        equal=sum(first == second for first, second in pairs),
        kappa=_kappa(pairs, lambda first, second: float(first != second)),
        weighted=_kappa(pairs, lambda first, second: (first - second) ** 2),
    )


def _kappa(pairs: Sequence[tuple[float, float]], distance: Distance) -> float | None:
    """1 - observed / expected disagreement, both weighted by the distance of two categories."""
    if not pairs:
        return None
    firsts, seconds = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    observed = sum(distance(first, second) for first, second in pairs) / len(pairs)
    expected = (
        sum(distance(first, second) * firsts[first] * seconds[second] for first in firsts for second in seconds)
        / len(pairs) ** 2
    )
    return None if expected == 0 else 1 - observed / expected
