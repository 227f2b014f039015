"""The checks of "Statistics with NumPy, assignment 1"."""

import functools

import numpy as np
import pytest

from grader.rubric import expect, stats
from grader.rubric.properties import arrays, expect_calls, once, value_fault


def random_columns(rng):
    """A few rows of columns whose means and spreads differ."""
    return rng.normal([5, 170, 0], [2, 10, 1], size=(rng.integers(4, 7), 3)).round(2)


@pytest.mark.question("1.1.a", points=1, public=True)
def test_standardise_columns(student, reference, examples, rng):
    """Each column of standardise(x) has mean 0 and standard deviation 1."""
    [x] = examples(once(lambda: random_columns(rng)))
    right = reference.standardise(x)
    expect(student.standardise(x), right, what="standardise(x)", given=f"x = {x.tolist()}")


@functools.cache
def two_rows():
    return arrays(dtypes=["int64"], shapes=[(2, 1), (2, 2)]).map(lambda x: (x.astype(float),))


@pytest.mark.question("1.1.a", points=0.5, public=True)
def test_standardise_odd_cases(student, reference, examples):
    """A constant column becomes zeros, and no other column does; x itself stays as it is."""
    simple = [(np.array([[1.0], [2.0]]),), (np.array([[3.0, -1.0], [3.0, 1.0]]),)]
    expect_calls(student, reference, "standardise(x)", [*simple, *examples(two_rows)], fault_of=fault_of_signs)


def fault_of_signs(z, right, x):
    if np.shape(z) != x.shape:
        return f"has the shape {np.shape(z)}; it should have {x.shape}"
    return value_fault(np.sign(z), np.sign(right))


@pytest.mark.question("1.1.b", points=1, public=True)
def test_correlations(student, reference, examples, rng):
    """correlations(x) holds the correlation of every column with every other."""
    [x] = examples(once(lambda: random_columns(rng)))
    right = reference.correlations(x)
    expect(student.correlations(x), right, what="correlations(x)", given=f"x = {x.tolist()}")


@pytest.mark.question("1.2.a", points=1)
def test_bootstrap_distribution(student, rng):
    """The means are those of samples of the same size as x, drawn from x with replacement."""
    x = rng.integers(150, 200, size=60).astype(float)
    means = student.bootstrap_means(x, 2000)
    if np.size(means) != 2000:
        pytest.fail("bootstrap_means(x, 2000) does not give 2000 means")
    stats.expect_normal(means, mean=x.mean(), std=x.std() / 60**0.5, what="means")
    # All values of x are whole numbers, and so are the sums of samples.
    sums = np.multiply(means, 60)
    expect(sums, np.round(sums), what="sums of the samples", given="x of 60 whole numbers")


@pytest.mark.question("1.2.a", points=0.5, public=True)
def test_bootstrap_repeats(student, rng):
    """bootstrap_means(x, repeats) gives as many means as asked for, and new ones at each call."""
    x = rng.normal(size=20)
    means = student.bootstrap_means(x, 30)
    if np.shape(means) != (30,):
        pytest.fail(f"bootstrap_means(x, 30) has the shape {np.shape(means)}; it should have (30,)")
    if np.allclose(means, student.bootstrap_means(x, 30)):
        pytest.fail("two calls of bootstrap_means(x, 30) give the same means: are the samples drawn at random?")
