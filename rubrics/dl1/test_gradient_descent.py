"""Questions of section 1.1: gradient descent on f(x, y), and its step size."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from grader.rubric import StudentError, review
from grader.rubric.compare import as_array, matches, number, show
from grader.rubric.properties import expect_calls, expect_known, floats, known_calls, raise_if_ended

Array = np.ndarray[Any, Any]
Point = tuple[float, float]

GLOBAL_MINIMUM = -2.28
RUNS = 15
"""How many runs of optimize_f are tried: some draw a plot in each, which takes its time."""
FIRST_LOOK = 1
MOST_RUNS = 2000
"""Runs of a sweep that are looked at, latest first."""


def f(x: float, y: float) -> float:
    return x**2 + y**2 + x * (y + 2) + float(np.cos(3 * x))


def grad_x(x: float, y: float) -> float:
    return 2 * x - 3 * float(np.sin(3 * x)) + y + 2


def grad_y(x: float, y: float) -> float:
    return x + 2 * y


@pytest.mark.question("1.1.a", points=1, public=True)
def test_gradient_descent_step(student, reference, examples):
    """Each step moves x and y against the gradient at the current point, by step_size times the gradient."""
    reference.exec(RUNS_OF_THE_REFERENCE)
    whole_run = reference.eval("optimize_f(3, 2, 0.1, 4)")
    expect_calls(
        student,
        reference,
        "optimize_f(x, y, step_size, steps)",
        [*SIMPLE_RUNS, *examples(st_runs, RUNS)],
        mistakes=MISTAKES,
        fault_of=lambda result, right, *settings: _fault_of_run(result, [right]),
        same=_is_end,
    )
    _review_histories(student.optimize_f(3, 2, 0.1, 4), [whole_run])


@pytest.mark.question("1.1.g", points=1, public=True)
def test_step_size_schedule(student, reference, examples):
    """The step size of step t is step_size times decay to the power t."""
    reference.exec(RUNS_OF_THE_REFERENCE)
    whole_runs = reference.eval("check_schedules(3, 2, 0.1, 4, 0.5)")
    decaying = known_calls(
        reference,
        "optimize_f(x, y, step_size, steps, decay)",
        [*SIMPLE_DECAYING_RUNS, *examples(st_decaying_runs, RUNS)],
        right="check_schedules(x, y, step_size, steps, decay)",
        mistakes=_schedule_mistakes(reference),
    )
    constant = known_calls(reference, "optimize_f(x, y, step_size, steps)", [*SIMPLE_RUNS, *examples(st_runs, 3)])
    function = _with_decay(student)
    expect_known(
        student,
        decaying,
        fault_of=lambda result, right, *settings: _fault_of_run(result, right),
        same=_is_end,
        function=function,
    )
    if _has_default(student):
        expect_known(
            student,
            constant,
            fault_of=lambda result, right, *settings: _fault_of_run(result, [right]),
            reason_of=lambda answers: "without `decay` the step size should not decay: its default is 1",
        )
    _review_histories(function(3, 2, 0.1, 4, 0.5), whole_runs)


@pytest.mark.question("1.1.h", points=1)
def test_tuned_run(student):
    """A run with decay below 1 and an initial step size above 0.1 comes below -2."""
    best: tuple[float, str] | None = None
    runs = 0
    for settings, (x, y) in _runs(student):
        runs += 1
        value = f(x, y)
        fault = _fault_of_settings(settings)
        if value < -2 and not fault:
            return
        # NaN, of a run that diverged, is better than nothing only.
        if best is None or (value < -2, -value) > (best[0] < -2, -best[0]):
            best = (value, fault)
    if best is None:
        _judge_results_alone(student)
        return
    value, fault = best
    if len(student.calls("optimize_f")) > MOST_RUNS:
        review(f"the last {MOST_RUNS} runs do not come below -2 as asked; those before them were not looked at")
    if value < -2:
        pytest.fail(f"a run reaches f(x, y) = {number(value)}, but {fault}")
    pytest.fail(
        f"the best of {runs} run(s) ends at f(x, y) = {number(value)}; it should come below -2 "
        f"(the global minimum is about {GLOBAL_MINIMUM})"
    )


SIMPLE_RUNS = [(3, 2, 0.1, 1), (0, 1, 0.1, 1), (1, 0, 0.1, 1), (3, 2, 0.1, 2), (3, 2, 0.1, 4), (3, 2, 0.1, 10)]
"""Whole numbers too, as in the notebook. In a single step, not every mistake shows."""

SIMPLE_DECAYING_RUNS = [(3, 2, 0.1, 1, 0.5), (3, 2, 0.1, 2, 0.5), (3, 2, 0.1, 3, 0.5), (3, 2, 0.1, 4, 0.5)]


@functools.cache
def st_runs() -> Any:
    """Arguments of optimize_f. The steps are few and small, so that rounding cannot grow into a difference."""
    from hypothesis import strategies as st

    start = floats(-3, 3)
    return st.tuples(start, start, st.integers(1, 10).map(lambda n: n / 100), st.integers(1, 6))


@functools.cache
def st_decaying_runs() -> Any:
    from hypothesis import strategies as st

    return st.tuples(st_runs(), st.integers(1, 9).map(lambda n: n / 10)).map(lambda drawn: (*drawn[0], drawn[1]))


def _with_decay(student: Any) -> Any:
    """The student's function of x, y, step_size, steps and decay, whatever its last parameter is called."""
    function = student.optimize_f
    try:
        student.optimize_f(3.0, 2.0, 0.1, 1, decay=0.5)
    except StudentError as error:
        raise_if_ended(error)
        if error.type_name == "TypeError" and "decay" in error.message:
            return function
    return student.eval("lambda x, y, size, steps, decay: optimize_f(x, y, size, steps, decay=decay)")


def _has_default(student: Any) -> bool:
    """Whether `decay` may be left out, as the notebook's own signature says."""
    try:
        student.optimize_f(3.0, 2.0, 0.1, 1)
    except StudentError as error:
        raise_if_ended(error)
        return False
    return True


def _fault_of_run(result: Any, right: Sequence[Any]) -> str:
    """What is wrong with what a run returned, unless it is the same as one of these."""
    faults = [_fault_of_result(result, one) for one in right]
    return "" if "" in faults else faults[0]


def _fault_of_result(result: Any, right: Any) -> str:
    if not isinstance(result, (tuple, list)) or len(result) < 3:
        return f"gives {show(result)}; it should give five values: x, y, f(x, y), x_hist, y_hist"
    end = _end(result)
    if end is None:
        return "should give the numbers x and y first"
    if not _is_near(end, right[:2]):
        return f"ends at x, y = {_pair(end)}; it should end at {_pair(right)}"
    if not _is_near(result[2], right[2]):
        return f"gives {show(result[2])} as its third value; f(x, y) is {number(right[2])} there"
    return ""


def _review_histories(result: Any, right: Sequence[Any]) -> None:
    """What is recorded on the way is given code and earns no point: where it is wrong, a person decides."""
    faults = [_fault_of_histories(result[3:], one[3:]) for one in right]
    if "" not in faults:
        review(f"x, y and f(x, y) are right, but optimize_f(3, 2, 0.1, ...) gives {faults[0]}")


def _fault_of_histories(histories: Sequence[Any], right: Sequence[Any]) -> str:
    if len(histories) != 2:
        return f"{len(histories) + 3} values; it should give x, y, f(x, y), x_hist, y_hist"
    for name, history, way in zip(("x_hist", "y_hist"), histories, right, strict=True):
        points = _numbers(history)
        # Whether the start belongs to it is a matter of taste.
        if points is None or not (_is_near(points, way) or _is_near(points, way[1:])):
            return f"{name} = {_short(points)}; the points on its way are {_short(way)}"
    return ""


def _end(result: Any) -> Point | None:
    """x and y as returned."""
    values = _numbers(result[:2])
    return None if values is None else (values[0], values[1])


def _numbers(values: Any) -> list[float] | None:
    """Numbers of whatever kind, also arrays and tensors of one element each."""
    arrays = [as_array(value) for value in values] if isinstance(values, (list, tuple)) else as_array(values)
    if arrays is None or any(array is None or array.size != 1 or array.dtype.kind == "c" for array in arrays):
        return None
    return [float(array.item()) for array in arrays if array is not None]


def _is_near(actual: Any, expected: Any) -> bool:
    """Equal up to what the steps make of rounding to float32."""
    return matches(actual, expected, rtol=2e-5, atol=2e-5)


def _short(values: Sequence[float] | None) -> str:
    if values is None:
        return "something that is no list of numbers"
    return f"[{', '.join(f'{value:.5g}' for value in values)}]"


def _pair(values: Sequence[Any]) -> str:
    return f"{number(values[0])}, {number(values[1])}"


def _is_end(result: Any, end: Any) -> bool:
    """Whether a run ends there."""
    found = _end(result) if isinstance(result, (tuple, list)) and len(result) > 1 else None
    return found is not None and _is_near(found, end)


# What comes of common mistakes, made of right runs with other settings.

RUNS_OF_THE_REFERENCE = """
import numpy as np

def check_end(x, y, step_size, steps, *decay):
    return optimize_f(x, y, step_size, steps, *decay)[:2]

def check_steps(step, x, y, sizes):
    for size in sizes:
        x, y = step(x, y, size)
    return x, y

def check_one_after_the_other(x, y, size):
    x = check_end(x, y, size, 1)[0]
    return x, check_end(x, y, size, 1)[1]

def check_exchanged(x, y, size):
    next_x, next_y = check_end(x, y, size, 1)
    return x + next_y - y, y + next_x - x

def check_first_only(x, y, size, steps):
    next_x, next_y = check_end(x, y, size, 1)
    return x + steps * (next_x - x), y + steps * (next_y - y)

def check_single(x, y, size):
    return check_end(x, y, size, 1)

def check_schedules(x, y, size, steps, decay):
    # A running product may be updated before the step as well as after it.
    return [optimize_f(x, y, first, steps, decay) for first in (size, size * decay)]
"""

MISTAKES = {
    "x and y do not change": "(x, y)",
    "the steps go up instead of down (+ gradient)": "check_end(x, y, -step_size, steps)",
    "step_size is not used": "check_end(x, y, 1.0, steps)",
    "step_size is not used (it is always 0.1)": "check_end(x, y, 0.1, steps)",
    "the gradient for y is computed with the x that has already moved": (
        "check_steps(check_one_after_the_other, x, y, [step_size] * steps)"
    ),
    "the gradients are computed only once, not in each step": "check_first_only(x, y, step_size, steps)",
    "the gradients of x and y are exchanged": "check_steps(check_exchanged, x, y, [step_size] * steps)",
    "only one step is made": "check_end(x, y, step_size, 1)",
    "one step too few is made": "check_end(x, y, step_size, steps - 1)",
    "one step too many is made": "check_end(x, y, step_size, steps + 1)",
    "only x changes": "check_steps(lambda x, y, size: (check_end(x, y, size, 1)[0], y), x, y, [step_size] * steps)",
    "only y changes": "check_steps(lambda x, y, size: (x, check_end(x, y, size, 1)[1]), x, y, [step_size] * steps)",
}

WRONG_STEP_SIZES = {
    "the decay is applied to a step size that has already decayed": "size * d ** np.cumsum(t)",
    "the decay is applied to a step size that has already decayed, and one step too early": (
        "size * d ** np.cumsum(t + 1)"
    ),
    "the step size does not decay": "size + 0 * t",
    "the step size decays only once": "np.where(t == 0, size, size * d)",
    "the step size is multiplied by t * decay": "size * d * t",
    "the step size is multiplied by (t + 1) * decay": "size * d * (t + 1)",
    "the step size is divided by 1 + decay * t": "size / (1 + d * t)",
    "the step size is divided by the decay, so it grows": "size / d ** t",
    "the step size is reduced by decay * t": "size - d * t",
    "this is exp(-decay * t) for decay**t": "size * np.exp(-d * t)",
}
"""By the first one, the numbers of the steps, and the decay."""

SCHEDULE_MISTAKES = {
    "x and y do not change": "(x, y)",
    "the steps go up instead of down (+ gradient)": "check_end(x, y, -step_size, steps, decay)",
    "the step size is decay**t alone, without step_size": "check_end(x, y, 1.0, steps, decay)",
}


def _schedule_mistakes(reference: Any) -> dict[str, str]:
    """Where wrong schedules end; where the reason is one of WRONG_STEP_SIZES, it tells some of them."""
    functions = [f"(lambda size, t, d: {sizes})" for sizes in WRONG_STEP_SIZES.values()]
    told = reference.eval(f"[sizes(0.1, np.arange(3), 0.5).tolist() for sizes in [{', '.join(functions)}]]")
    mistakes = dict(SCHEDULE_MISTAKES)
    for reason, function, sizes in zip(WRONG_STEP_SIZES, functions, told, strict=True):
        yours = ", ".join(f"{size:.4g}" for size in sizes)
        example = f"With step_size = 0.1 and decay = 0.5 the step sizes should be 0.1, 0.05, 0.025; yours are {yours}"
        mistakes[f"{reason}. {example}"] = (
            f"check_steps(check_single, x, y, {function}(step_size, np.arange(steps), decay).tolist())"
        )
    return mistakes


def _runs(student: Any) -> Iterator[tuple[dict[str, Any], Point]]:
    """Settings and end point of each run by the question's cells, latest first."""
    calls = student.calls("optimize_f")
    end, size = min(len(calls), MOST_RUNS), FIRST_LOOK
    total = len(calls)
    seen = 0
    while seen < end:
        # One look at the last run is mostly enough; a sweep is fetched in ever larger parts.
        part = calls[total - min(seen + size, end) : total - seen]
        seen += len(part)
        size *= 10
        for call in reversed(part):
            names = ("x", "y", "step_size", "steps", "decay")
            settings = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
            if call.error is None and isinstance(call.result, (tuple, list)) and len(call.result) >= 2:
                point = as_array(list(call.result[:2]))
                if point is not None and point.shape == (2,):
                    yield settings, (float(point[0]), float(point[1]))


def _fault_of_settings(settings: dict[str, Any]) -> str:
    values = {name: as_array(settings.get(name, default)) for name, default in (("decay", 1.0), ("step_size", 0.0))}
    if any(value is None or value.size != 1 for value in values.values()):
        return "its decay and step_size are not numbers"
    decay, step_size = (float(value.item()) for value in values.values() if value is not None)
    if not decay < 1:
        return f"its decay is {number(decay)}; the step size should decrease, so the decay should be below 1"
    if not step_size > 0.1:
        return f"its step size is {number(step_size)}; it should be large at the beginning, above 0.1"
    return ""


def _judge_results_alone(student: Any) -> None:
    """Without a recorded run, of a function with another name for example, `results` says how it went."""
    results = student.get("results")
    point = _end(results) if isinstance(results, (tuple, list)) and len(results) >= 2 else None
    if point is None:
        pytest.fail("no run of optimize_f was found in the cells of this question")
    value = f(*point)
    if not value < -2:
        pytest.fail(f"`results` ends at f(x, y) = {number(value)}; it should come below -2")
    if len(results) == 5:
        step_sizes = _step_sizes(results[3], results[4])
        if not step_sizes:
            pytest.fail("no run of optimize_f was found in the cells of this question, and `results` is not of one")
        if len(step_sizes) > 1 and step_sizes[0] > 0.1 and step_sizes[1] < step_sizes[0] * (1 - 1e-6):
            return
    review(f"`results` ends at f(x, y) = {number(value)}, but no run of optimize_f was seen: step size and decay?")


def _step_sizes(x_hist: Any, y_hist: Any, most: int = 3) -> list[float]:
    """The step sizes that lead along a path, up to the first step that no step size explains."""
    xs, ys = _numbers(x_hist), _numbers(y_hist)
    sizes: list[float] = []
    for (x, y), (next_x, next_y) in pairwise(zip(xs or [], ys or [], strict=False)):
        gradient = np.array([grad_x(x, y), grad_y(x, y)])
        move = np.array([x - next_x, y - next_y])
        size = float(move @ gradient / (gradient @ gradient))
        if len(sizes) == most or not np.allclose(move, size * gradient, rtol=1e-4, atol=1e-6):
            break
        sizes.append(size)
    return sizes
