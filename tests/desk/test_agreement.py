"""Cohen's kappa, compared with scikit-learn's."""

from __future__ import annotations

import random

import pytest

from grader.desk.agreement import agreement


def test_agreement_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = random.Random(1)
    # All classes are there and evenly spaced, so its weights by rank are those by points.
    pairs = [(points, points) for points in (0.0, 0.5, 1.0, 1.5, 2.0)]
    pairs += [
        (first, min(max(first + rng.choice([0, 0, 0.5, -0.5]), 0), 2))
        for first in rng.choices([0, 0.5, 1, 1.5, 2], k=60)
    ]
    found = agreement(pairs)
    firsts, seconds = [round(2 * first) for first, _ in pairs], [round(2 * second) for _, second in pairs]
    assert found.count == 65
    assert found.equal == sum(first == second for first, second in pairs)
    assert found.kappa == pytest.approx(cohen_kappa_score(firsts, seconds))
    assert found.weighted == pytest.approx(cohen_kappa_score(firsts, seconds, weights="quadratic"))


@pytest.mark.parametrize("pairs", [[], [(1.0, 1.0)], [(1.0, 1.0)] * 5])
def test_where_nothing_could_disagree_there_is_no_kappa(pairs: list[tuple[float, float]]) -> None:
    assert agreement(pairs).kappa is None
    assert agreement(pairs).weighted is None


def test_agreement_by_chance_is_zero_and_its_opposite_below() -> None:
    assert agreement([(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]).kappa == 0
    assert agreement([(0.0, 1.0), (1.0, 0.0)]).kappa == -1
