"""Judging what chance had a hand in: random weights, accuracies. Each judgement states how often it wrongs an answer.

`false_fail` is the probability that a right answer is found wrong: by default once in a million checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from grader.rubric.compare import CheckFailed, as_array, number

if TYPE_CHECKING:
    import numpy as np

FALSE_FAIL = 1e-6

Proportion = Literal["reached", "just below", "below"]


def std_is(sample: Any, std: float, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether a normal sample can have this standard deviation: its variance is chi-squared distributed.

    A sample of less heavy tails than the normal distribution (uniform, truncated) is judged more leniently
    than `false_fail` says, one of heavier tails more strictly.
    """
    from scipy.stats import chi2

    values = _flat(sample)
    if not std > 0:
        return bool((values == values.mean()).all())
    freedom = values.size - 1
    low, high = chi2.ppf([false_fail / 2, 1 - false_fail / 2], freedom)
    return bool(low <= freedom * (values.std(ddof=1) / std) ** 2 <= high)


def mean_is(sample: Any, mean: float, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether a sample can come from a distribution with this mean (Student's t)."""
    from scipy.stats import t

    values = _flat(sample)
    spread = values.std(ddof=1) / values.size**0.5
    if spread == 0:
        return bool(values[0] == mean)
    return bool(abs(values.mean() - mean) / spread <= t.isf(false_fail / 2, values.size - 1))


def is_normal(sample: Any, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether a sample can be normal, of whatever mean and spread (Kolmogorov-Smirnov).

    Mean and spread are fitted to the sample, which brings the statistic closer to 0 than its distribution
    assumes: a normal sample fails even less often than `false_fail`.
    """
    import numpy as np
    from scipy.special import ndtr
    from scipy.stats import kstwo

    values = np.sort(_flat(sample))
    spread = values.std(ddof=1)
    if spread == 0:
        return False
    distance = _largest_gap(ndtr((values - values.mean()) / spread))
    return bool(distance <= kstwo.isf(false_fail, values.size))


def is_uniform(sample: Any, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether a sample can be uniform, between whatever bounds (Kolmogorov-Smirnov).

    Between its smallest and its largest value, the rest of a uniform sample is uniform again.
    """
    import numpy as np
    from scipy.stats import kstwo

    values = np.sort(_flat(sample))
    low, high = values[0], values[-1]
    if low == high:
        return False
    distance = _largest_gap((values[1:-1] - low) / (high - low))
    return bool(distance <= kstwo.isf(false_fail, values.size - 2))


def expect_normal(
    sample: Any,
    *,
    mean: float | None = None,
    std: float | None = None,
    what: str = "values",
    false_fail: float = FALSE_FAIL,
) -> None:
    """Raise CheckFailed unless the sample can be normal, with this mean and standard deviation where they are given.

    All judgements together wrong an answer no more often than `false_fail`.
    """
    values = _flat(sample)
    share = false_fail / (1 + (mean is not None) + (std is not None))
    if std is not None and not std_is(values, std, false_fail=share):
        got = number(values.std(ddof=1))
        raise CheckFailed(f"the standard deviation of the {what} is {got}, expected {number(std)}")
    if mean is not None and not mean_is(values, mean, false_fail=share):
        raise CheckFailed(f"the mean of the {what} is {number(values.mean())}, expected {number(mean)}")
    if not is_normal(values, false_fail=share):
        kind = "uniformly" if is_uniform(values) else "otherwise"
        raise CheckFailed(f"the {what} are not normally distributed, but {kind}")


def proportion(correct: int, total: int, target: float, *, false_fail: float = FALSE_FAIL) -> Proportion:
    """How `correct` out of `total` stands to a `target` proportion.

    *reached*: it is there. *just below*: it is not, but something that truly has the target proportion gives
    so few in a sample of this size more often than `false_fail`. *below*: only less often than that.
    """
    from scipy.stats import binom

    if correct >= target * total:
        return "reached"
    return "just below" if binom.cdf(correct, total, target) > false_fail else "below"


def lowest_proportion(total: int, target: float, *, false_fail: float = FALSE_FAIL) -> float:
    """The smallest proportion of a sample that is not *below* the target."""
    from scipy.stats import binom

    # The smallest k for which the distribution function exceeds false_fail.
    return float(binom.ppf(false_fail, total, target)) / total


def _flat(sample: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    array = as_array(sample)
    if array is None or array.dtype.kind == "c":
        raise CheckFailed("expected numbers, got something else")
    values = array.astype(np.float64).ravel()
    if values.size < 3:
        raise ValueError(f"{values.size} values are too few to judge a distribution")
    if not np.isfinite(values).all():
        raise CheckFailed("some values are nan or infinite")
    return values


def _largest_gap(probabilities: np.ndarray[Any, Any]) -> float:
    """The Kolmogorov-Smirnov statistic of sorted values, given their distribution function."""
    import numpy as np

    size = probabilities.size
    steps = np.arange(size + 1) / size
    return float(max((steps[1:] - probabilities).max(), (probabilities - steps[:-1]).max()))
