"""Judging what chance had a hand in: random weights, accuracies. Each judgement states how often it wrongs an answer.

`false_fail` is the probability that a right answer is found wrong: by default once in a million checks. How many values
it takes to see a mistake of a given size as well, the `size_for_...` functions tell: `power` is the probability that
it is seen.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Literal

from grader.rubric.compare import CheckFailed, as_array, number

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

FALSE_FAIL = 1e-6

POWER = 1 - 1e-6

Proportion = Literal["reached", "just below", "below"]


def std_is(sample: Any, std: float, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether a normal sample can have this standard deviation: its variance is chi-squared distributed.

    A sample of less heavy tails than the normal distribution (uniform, truncated) is judged more leniently
    than `false_fail` says, one of heavier tails more strictly.
    """
    values = _flat(sample)
    if not std > 0:
        return bool((values == values.mean()).all())
    freedom = values.size - 1
    low, high = _chi_squared_range(false_fail, freedom)
    return bool(low <= freedom * (values.std(ddof=1) / std) ** 2 <= high)


def mean_is(sample: Any, mean: float, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether a sample can come from a distribution with this mean (Student's t)."""
    values = _flat(sample)
    spread = values.std(ddof=1) / values.size**0.5
    if spread == 0:
        return bool(values[0] == mean)
    return bool(abs(values.mean() - mean) / spread <= _largest_t(false_fail, values.size - 1))


def is_normal(sample: Any, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether a sample can be normal, of whatever mean and spread (Kolmogorov-Smirnov).

    Mean and spread are fitted to the sample, which brings the statistic closer to 0 than its distribution
    assumes: a normal sample fails even less often than `false_fail`.
    """
    import numpy as np
    from scipy.special import ndtr

    values = np.sort(_flat(sample))
    spread = values.std(ddof=1)
    if spread == 0:
        return False
    distance = _largest_gap(ndtr((values - values.mean()) / spread))
    return bool(distance <= _largest_distance(false_fail, values.size))


def is_uniform(sample: Any, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether a sample can be uniform, between whatever bounds (Kolmogorov-Smirnov).

    Between its smallest and its largest value, the rest of a uniform sample is uniform again.
    """
    import numpy as np

    values = np.sort(_flat(sample))
    low, high = values[0], values[-1]
    if low == high:
        return False
    distance = _largest_gap((values[1:-1] - low) / (high - low))
    return bool(distance <= _largest_distance(false_fail, values.size - 2))


def is_uncorrelated(one: Any, other: Any, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether two samples of the same size, value by value, can be independent of each other: two draws, say.

    Pearson's r of independent normal samples, turned into Student's t, which is its exact distribution.
    """
    if len(_flat(one)) != len(_flat(other)):
        raise ValueError(f"{len(_flat(one))} values cannot be paired with {len(_flat(other))}")
    r, freedom = _correlation(one, other), len(_flat(one)) - 2
    return r < 1 and bool(r * math.sqrt(freedom / (1 - r * r)) <= _largest_t(false_fail, freedom))


def is_independent(sample: Any, *, false_fail: float = FALSE_FAIL) -> bool:
    """Whether the values of a normal sample, or of a matrix of them, can be independent of one another.

    Neighbours must be uncorrelated, and in a matrix, rows and columns must differ in their means as chance
    lets them (analysis of variance, an F test). Pairs of neighbours do not overlap, which keeps the tests exact. A
    matrix needs two rows and two columns, or it is taken as a row of values.
    """
    return not _dependence(sample, false_fail)


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


def expect_independent(
    sample: Any, another: Any = None, *, what: str = "values", false_fail: float = FALSE_FAIL
) -> None:
    """Raise CheckFailed unless the values can be independent of one another, and of those of `another` draw."""
    share = false_fail if another is None else false_fail / 2
    if another is not None and not is_uncorrelated(sample, another, false_fail=share):
        same = "the same" if bool((_flat(sample) == _flat(another)).all()) else "related"
        raise CheckFailed(f"the {what} of two draws are {same}; each should be drawn again")
    found = _dependence(sample, share)
    if found:
        raise CheckFailed(f"the {what} are not independent: {found}")


def proportion(correct: int, total: int, target: float, *, false_fail: float = FALSE_FAIL) -> Proportion:
    """How `correct` out of `total` stands to a `target` proportion.

    *reached*: it is there. *just below*: it is not, but something that truly has the target proportion gives
    so few in a sample of this size more often than `false_fail`. *below*: only less often than that.
    """
    if correct >= target * total:
        return "reached"
    return "just below" if _up_to(correct, total, target) > false_fail else "below"


def lowest_proportion(total: int, target: float, *, false_fail: float = FALSE_FAIL) -> float:
    """The smallest proportion of a sample that is not *below* the target."""
    return _least_count(false_fail, total, target) / total


def size_for_mean(shift: float, *, power: float = POWER, false_fail: float = FALSE_FAIL) -> int:
    """How many values `mean_is` needs to see that the mean is off by `shift` standard deviations.

    (z_a + z_b)^2 / shift^2 + z_a^2 / 2 with the normal quantiles z_a of false_fail / 2 and z_b of 1 - power:
    W. C. Guenther, Sample size formulas for normal theory t tests, The American Statistician 35 (1981).
    """
    two_sided, one_sided = _quantile(false_fail / 2), _quantile(1 - power)
    return math.ceil(((two_sided + one_sided) / shift) ** 2 + two_sided**2 / 2)


def size_for_std(ratio: float, *, power: float = POWER, false_fail: float = FALSE_FAIL) -> int:
    """How many values `std_is` needs to see a standard deviation that is `ratio` times what it should be.

    The smallest n for which chi-squared, with n - 1 degrees of freedom, leaves its range between the quantiles of
    false_fail / 2 with the stated power when it is multiplied by ratio^2: the power function of the test for a
    variance, as in any textbook (Lehmann and Romano, Testing Statistical Hypotheses, example 3.9.2).
    """
    from scipy.special import chdtr, chdtrc

    def seen(size: int) -> bool:
        low, high = _chi_squared_range(false_fail, size - 1)
        return bool(chdtr(size - 1, low / ratio**2) + chdtrc(size - 1, high / ratio**2) >= power)

    if not 0 < ratio != 1:
        raise ValueError(f"a standard deviation {ratio:g} times as large is no mistake to be seen")
    return _smallest(seen, 3)


def size_for_correlation(r: float, *, power: float = POWER, false_fail: float = FALSE_FAIL) -> int:
    """How many pairs `is_uncorrelated` needs to see a correlation of r.

    ((z_a + z_b) / artanh(r))^2 + 3, since artanh of a sample's r is nearly normal with variance 1 / (n - 3):
    R. A. Fisher, On the "probable error" of a coefficient of correlation deduced from a small sample, Metron 1 (1921).
    """
    return math.ceil(((_quantile(false_fail / 2) + _quantile(1 - power)) / math.atanh(r)) ** 2 + 3)


def size_for_shape(distance: float, *, power: float = POWER, false_fail: float = FALSE_FAIL) -> int:
    """How many values `is_normal` and `is_uniform` need to see another distribution.

    `distance` is the largest gap between its distribution function and the nearest one of the right kind: 0.057
    between the uniform distribution and the normal one with its mean and spread. From
    P(gap to the true distribution > d) <= 2 exp(-2 n d^2): P. Massart, The tight constant in the
    Dvoretzky-Kiefer-Wolfowitz inequality, The Annals of Probability 18 (1990).
    """
    gaps = math.sqrt(math.log(2 / false_fail) / 2) + math.sqrt(math.log(2 / (1 - power)) / 2)
    return math.ceil((gaps / distance) ** 2)


def size_for_proportion(target: float, truth: float, *, power: float = POWER, false_fail: float = FALSE_FAIL) -> int:
    """How many samples `proportion` needs to find something *below* the target whose proportion is `truth`.

    The power function of the binomial test itself, from the normal approximation upwards: J. L. Fleiss, Statistical
    Methods for Rates and Proportions, chapter 2.
    """
    if not 0 <= truth < target <= 1:
        raise ValueError(f"a proportion of {truth:g} is not below {target:g}")

    def seen(size: int) -> bool:
        # The largest count that is below, one less than the smallest that is not.
        return _up_to(_least_count(false_fail, size, target) - 1, size, truth) >= power

    spread = _quantile(false_fail) * math.sqrt(target * (1 - target))
    spread += _quantile(1 - power) * math.sqrt(truth * (1 - truth))
    size = max(3, math.floor(0.8 * (spread / (target - truth)) ** 2))
    while not seen(size):
        size += 1
    return size


def _dependence(sample: Any, false_fail: float) -> str:
    """What shows that the values depend on one another, or ""."""
    values = _matrix(sample)
    if len(values) == 1:
        pairs = {"neighbours are related": values}
        groups: dict[str, np.ndarray[Any, Any]] = {}
    else:
        pairs = {"neighbouring columns are related": values, "neighbouring rows are related": values.T}
        groups = {
            "the means of the rows differ by more, or less, than chance": values,
            "the means of the columns differ by more, or less, than chance": values.T,
        }
    share = false_fail / (len(pairs) + len(groups))
    related: dict[str, float] = {}
    for found, matrix in pairs.items():
        even = matrix.shape[1] // 2 * 2
        one, other = matrix[:, 0:even:2], matrix[:, 1:even:2]
        if one.size >= 3 and not is_uncorrelated(one, other, false_fail=share):
            related[found] = _correlation(one, other)
    if related:
        # What repeats rows relates columns as well, by chance and less.
        return max(related, key=lambda found: related[found])
    return next((found for found, matrix in groups.items() if not _same_means(matrix, share)), "")


def _correlation(one: Any, other: Any) -> float:
    """The size of Pearson's r; 1 for values without spread, which tell nothing apart."""
    first, second = _flat(one), _flat(other)
    first, second = first - first.mean(), second - second.mean()
    size = math.sqrt(float(first @ first) * float(second @ second))
    return min(1.0, abs(float(first @ second)) / size) if size else 1.0


def _same_means(groups: np.ndarray[Any, Any], false_fail: float) -> bool:
    """Whether all rows can have the same mean; both tails, since means that differ too little are no chance either."""
    number, size = groups.shape
    between = size * groups.mean(axis=1).var(ddof=1)
    within = groups.var(axis=1, ddof=1).mean()
    if within == 0:
        return False
    low, high = _f_range(false_fail, number - 1, number * (size - 1))
    return bool(low <= between / within <= high)


def _smallest(holds: Callable[[int], bool], start: int) -> int:
    """The smallest number from `start` on for which something holds that goes on to hold from there."""
    high = start
    while not holds(high):
        high *= 2
    low = max(start, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


# Quantiles by the functions that scipy.stats itself calls: to import all of that takes longer than many checks.
def _quantile(tail: float) -> float:
    """Of the normal distribution, from above."""
    from scipy.special import ndtri

    return -float(ndtri(tail))


def _chi_squared_range(tails: float, freedom: int) -> tuple[float, float]:
    from scipy.special import chdtri, gammaincinv

    return 2 * float(gammaincinv(freedom / 2, tails / 2)), float(chdtri(freedom, tails / 2))


def _f_range(tails: float, freedom: int, others: int) -> tuple[float, float]:
    from scipy.special import fdtri

    # The inverse of a variable with this distribution has it too, with the degrees of freedom changed over.
    return float(fdtri(freedom, others, tails / 2)), 1 / float(fdtri(others, freedom, tails / 2))


def _largest_t(tails: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return -float(stdtrit(freedom, tails / 2))


def _up_to(count: int, total: int, probability: float) -> float:
    """The binomial distribution function."""
    from scipy.special import bdtr

    return float(bdtr(count, total, probability)) if count >= 0 else 0.0


def _least_count(tail: float, total: int, probability: float) -> int:
    """The smallest count at which the binomial distribution function reaches `tail`, but for rounding."""
    reached = tail * (1 - 1e-12)
    if _up_to(0, total, probability) >= reached:
        return 0
    return _smallest(lambda count: count >= total or _up_to(count, total, probability) >= reached, 1)


@functools.cache
def _largest_distance(tail: float, size: int) -> float:
    from scipy.stats import kstwo

    return float(kstwo.isf(tail, size))


def _matrix(sample: Any) -> np.ndarray[Any, Any]:
    """The values as rows and columns; a single row, unless they are a matrix."""
    values = _flat(sample)
    array = as_array(sample)
    if array is None or array.ndim != 2 or min(array.shape) < 2:
        return values.reshape(1, -1)
    return values.reshape(array.shape)


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
