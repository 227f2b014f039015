"""Questions of section 1.1: gradient descent on f(x, y), and its step size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest

from grader.rubric import StudentError, review
from grader.rubric.compare import as_array, matches, number, show
from grader.rubric.properties import Answer, expect_calls, floats, raise_if_ended

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


def descend(x: float, y: float, step_sizes: Sequence[float]) -> Point:
    for size in step_sizes:
        x, y = x - size * grad_x(x, y), y - size * grad_y(x, y)
    return x, y


@pytest.mark.question("1.1.a", points=1)
def test_gradient_descent_step(student, rng, seed):
    """Each step moves x and y against the gradient at the current point, by step_size times the gradient."""
    expect_calls(
        student,
        "optimize_f",
        st_runs(),
        lambda result, x, y, step_size, steps: _fault_of_run(result, x, y, [[step_size] * steps]),
        seed=seed,
        max_examples=RUNS,
        # Whole numbers too, as in the notebook.
        always=[(3, 2, 0.1, 1), (3, 2, 0.1, 10), (*rng.uniform(-2, 2, 2).tolist(), rng.uniform(0.01, 0.08), 5)],
        reason_of=lambda answers: _reason(answers, MISTAKES),
    )
    _review_histories(student.optimize_f(3, 2, 0.1, 4), _path(3, 2, [0.1] * 4))


@pytest.mark.question("1.1.g", points=1)
def test_step_size_schedule(student, rng, seed):
    """The step size of step t is step_size times decay to the power t."""
    function = _with_decay(student)
    expect_calls(
        student,
        "optimize_f",
        st_runs(with_decay=True),
        # A running product may be updated before the step as well as after it.
        lambda result, x, y, *settings: _fault_of_run(
            result, x, y, [_decayed(*settings), _decayed(*settings, first=1)]
        ),
        seed=seed,
        max_examples=RUNS,
        always=[(3, 2, 0.1, 4, 0.5), (*rng.uniform(-2, 2, 2).tolist(), 0.07, 5, rng.uniform(0.6, 0.9))],
        reason_of=_schedule_reason,
        function=function,
    )
    if _has_default(student):
        expect_calls(
            student,
            "optimize_f",
            st_runs(),
            lambda result, x, y, step_size, steps: _fault_of_run(result, x, y, [[step_size] * steps]),
            seed=seed,
            max_examples=3,
            # In a single step, no decay shows.
            always=[(3, 2, 0.1, 4)],
            reason_of=lambda answers: "without `decay` the step size should not decay: its default is 1",
        )
    settings = (0.1, 4, 0.5)
    result = function(3, 2, *settings)
    _review_histories(result, *(_path(3, 2, _decayed(*settings, first=first)) for first in (0, 1)))


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


@functools.cache
def st_runs(*, with_decay: bool = False) -> Any:
    """Arguments of optimize_f. The steps are few and small, so that rounding cannot grow into a difference."""
    from hypothesis import strategies as st

    start = floats(-3, 3)
    arguments = [start, start, st.integers(1, 10).map(lambda n: n / 100), st.integers(1, 6)]
    return st.tuples(*arguments, *([st.integers(1, 9).map(lambda n: n / 10)] if with_decay else []))


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


def _decayed(step_size: float, steps: int, decay: float, *, first: int = 0) -> list[float]:
    return [step_size * decay ** (first + t) for t in range(steps)]


def _fault_of_run(result: Any, x: float, y: float, schedules: Sequence[Sequence[float]]) -> str:
    """What is wrong with what a run from (x, y) returned, unless it is right for one of these schedules."""
    faults = [_fault_of_path(result, _path(x, y, step_sizes)) for step_sizes in schedules]
    return "" if "" in faults else faults[0]


def _path(x: float, y: float, step_sizes: Sequence[float]) -> list[Point]:
    return list(accumulate(step_sizes, lambda point, size: descend(*point, [size]), initial=(x, y)))


def _fault_of_path(result: Any, path: Sequence[Point]) -> str:
    if not isinstance(result, (tuple, list)) or len(result) < 3:
        return f"gives {show(result)}; it should give five values: x, y, f(x, y), x_hist, y_hist"
    end = _end(result)
    if end is None:
        return "should give the numbers x and y first"
    if not _is_near(end, path[-1]):
        return f"ends at x, y = {_pair(end)}; it should end at {_pair(path[-1])}"
    if not _is_near(result[2], f(*path[-1])):
        return f"gives {show(result[2])} as its third value; f(x, y) is {number(f(*path[-1]))} there"
    return ""


def _review_histories(result: Any, *paths: Sequence[Point]) -> None:
    """What is recorded on the way is given code and earns no point: where it is wrong, a person decides."""
    faults = [_fault_of_histories(result[3:], path) for path in paths]
    if "" not in faults:
        review(f"x, y and f(x, y) are right, but optimize_f(3, 2, 0.1, ...) gives {faults[0]}")


def _fault_of_histories(histories: Sequence[Any], path: Sequence[Point]) -> str:
    if len(histories) != 2:
        return f"{len(histories) + 3} values; it should give x, y, f(x, y), x_hist, y_hist"
    for name, history, right in zip(("x_hist", "y_hist"), histories, zip(*path, strict=True), strict=True):
        points = _numbers(history)
        # Whether the start belongs to it is a matter of taste.
        if points is None or not (_is_near(points, right) or _is_near(points, right[1:])):
            return f"{name} = {_short(points)}; the points on its way are {_short(right)}"
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


def _reason(answers: Sequence[Answer], mistakes: dict[str, Callable[..., Point]]) -> str:
    """The common mistake that explains all end points, if one does."""
    ends = [_end(result) if isinstance(result, (tuple, list)) and len(result) > 1 else None for _, result in answers]
    with np.errstate(all="ignore"):
        for reason, mistake in mistakes.items():
            pairs = zip(answers, ends, strict=True)
            if all(end is not None and _is_near(end, mistake(*answer.arguments)) for answer, end in pairs):
                return reason
    return ""


def _one_after_the_other(x: float, y: float, size: float, steps: int) -> Point:
    for _ in range(steps):
        x = x - size * grad_x(x, y)
        y = y - size * grad_y(x, y)
    return x, y


def _first_gradient_only(x: float, y: float, size: float, steps: int) -> Point:
    dx, dy = grad_x(x, y), grad_y(x, y)
    return x - steps * size * dx, y - steps * size * dy


def _swapped(x: float, y: float, size: float, steps: int) -> Point:
    for _ in range(steps):
        x, y = x - size * grad_y(x, y), y - size * grad_x(x, y)
    return x, y


MISTAKES: dict[str, Callable[[float, float, float, int], Point]] = {
    "x and y do not change": lambda x, y, size, steps: (x, y),
    "the steps go up instead of down (+ gradient)": lambda x, y, size, steps: descend(x, y, [-size] * steps),
    "step_size is not used": lambda x, y, size, steps: descend(x, y, [1.0] * steps),
    "step_size is not used (it is always 0.1)": lambda x, y, size, steps: descend(x, y, [0.1] * steps),
    "the gradient for y is computed with the x that has already moved": _one_after_the_other,
    "the gradients are computed only once, not in each step": _first_gradient_only,
    "the gradients of x and y are exchanged": _swapped,
    "only one step is made": lambda x, y, size, steps: descend(x, y, [size]),
    "one step too few is made": lambda x, y, size, steps: descend(x, y, [size] * (steps - 1)),
    "one step too many is made": lambda x, y, size, steps: descend(x, y, [size] * (steps + 1)),
    "only x changes": lambda x, y, size, steps: _only(x, y, size, steps, 1, 0),
    "only y changes": lambda x, y, size, steps: _only(x, y, size, steps, 0, 1),
}


def _only(x: float, y: float, size: float, steps: int, for_x: int, for_y: int) -> Point:
    for _ in range(steps):
        x, y = x - for_x * size * grad_x(x, y), y - for_y * size * grad_y(x, y)
    return x, y


def _by(step_sizes: Callable[[float, Array, float], Array]) -> Callable[[float, float, float, int, float], Point]:
    """The end of a run by a schedule: step sizes from the first one, the numbers of the steps, and the decay."""
    return lambda x, y, size, steps, decay: descend(x, y, step_sizes(size, np.arange(steps), decay).tolist())


SCHEDULE_MISTAKES: dict[str, Callable[[float, Array, float], Array]] = {
    "the decay is applied to a step size that has already decayed": lambda size, t, d: size * d ** np.cumsum(t),
    "the decay is applied to a step size that has already decayed, and one step too early": lambda size, t, d: (
        size * d ** np.cumsum(t + 1)
    ),
    "the step size does not decay": lambda size, t, d: size + 0 * t,
    "the step size decays only once": lambda size, t, d: np.where(t == 0, size, size * d),
    "the step size is decay**t alone, without step_size": lambda size, t, d: d**t,
    "the step size is multiplied by t * decay": lambda size, t, d: size * d * t,
    "the step size is multiplied by (t + 1) * decay": lambda size, t, d: size * d * (t + 1),
    "the step size is divided by 1 + decay * t": lambda size, t, d: size / (1 + d * t),
    "the step size is divided by the decay, so it grows": lambda size, t, d: size / d**t,
    "the step size is reduced by decay * t": lambda size, t, d: size - d * t,
    "this is exp(-decay * t) for decay**t": lambda size, t, d: size * np.exp(-d * t),
    "the steps go up instead of down (+ gradient)": lambda size, t, d: -size * d**t,
    "x and y do not change": lambda size, t, d: 0.0 * t,
}
"""Step sizes from the first one, the numbers of the steps, and the decay."""


def _schedule_reason(answers: Sequence[Answer]) -> str:
    """The wrong schedule that explains all end points, with its step sizes where they are easy to read."""
    reason = _reason(answers, {reason: _by(step_sizes) for reason, step_sizes in SCHEDULE_MISTAKES.items()})
    if not reason:
        return ""
    right, wrong = (
        ", ".join(f"{size:.4g}" for size in sizes)
        for sizes in (_decayed(0.1, 3, 0.5), SCHEDULE_MISTAKES[reason](0.1, np.arange(3), 0.5))
    )
    return f"{reason}. With step_size = 0.1 and decay = 0.5 the step sizes should be {right}; yours are {wrong}"


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
