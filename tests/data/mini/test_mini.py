import numpy as np
import pytest

from grader.rubric import review


@pytest.mark.question("1.1.a", points=1)
@pytest.mark.parametrize("x", [0, 3, -2.5])
def test_double(student, reference, x):
    """Your function returns twice its argument."""
    got, expected = student.double(x), reference.double(x)
    assert got == expected, f"expected {expected}, got {got}, for x = {x}"


@pytest.mark.question("1.1.b", points=1.5)
def test_quadruple(student, rng):
    """Your function returns four times its argument."""
    x = rng.integers(1, 100, size=3)
    got = student.quadruple(x)
    assert np.array_equal(got, 4 * x), f"expected {4 * x}, got {got}, for x = {x}"


@pytest.mark.question("1.1.b", points=0.5)
def test_quadruple_uses_double(student):
    """Your function calls `double`."""
    calls = student.calls("double")
    student.quadruple(1)
    assert len(calls) > 0


@pytest.mark.question("1.1.c", points=1.5)
def test_results(student):
    """`results` holds what `quadruple` returned."""
    results = student.results
    if results == "ask a person":
        review("a person decides")
    assert results == [call.result for call in student.calls("quadruple")], f"got {results}"
