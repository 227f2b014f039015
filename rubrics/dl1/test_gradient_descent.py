"""Questions of section 1.1: gradient descent on f(x, y), and its step size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from grader.rubric import StudentError, expect, review
from grader.rubric.compare import as_array, matches, number

Point = tuple[float, float]

GLOBAL_MINIMUM = -2.28
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
def test_gradient_descent_step(student, rng):
    """Each step moves x and y against the gradient at the current point, by step_size times the gradient."""
    cases = [(3.0, 2.0, 0.1, 1), (3.0, 2.0, 0.1, 10)]
    cases += [(*map(float, rng.uniform(-2, 2, 2)), float(rng.uniform(0.01, 0.08)), int(rng.integers(3, 7)))]
    ends = [_end(student.optimize_f(*case)) for case in cases]
    for (x, y, step_size, steps), end in zip(cases, ends, strict=True):
        right = descend(x, y, [step_size] * steps)
        if not matches(end[:2], right):
            given = f"x = {x:.6g}, y = {y:.6g}, step_size = {step_size:.6g}, steps = {steps}"
            shown = f"expected x, y = {_pair(right)}, got {_pair(end)}, for {given}"
            reason = _reason_of_wrong_step(cases, ends)
            pytest.fail(f"{reason}: {shown}" if reason else shown)
        expect(end[2], f(*right), what="the third value, f(x, y)", given=f"x, y = {_pair(end)}")


@pytest.mark.question("1.1.g", points=1)
def test_step_size_schedule(student, rng):
    """The step size of step t is step_size times decay to the power t."""
    cases = [(3.0, 2.0, 0.1, 0.5)]
    cases += [(*map(float, rng.uniform(-2, 2, 2)), float(rng.uniform(0.03, 0.08)), float(rng.uniform(0.6, 0.9)))]
    steps = 5
    paths = [[(x, y), *(_decayed_end(student, x, y, size, n, decay) for n in range(1, steps + 1))]
             for x, y, size, decay in cases]  # fmt: skip
    for (x, y, size, decay), path in zip(cases, paths, strict=True):
        from_zero = [size * decay**t for t in range(steps)]
        from_one = [size * decay ** (t + 1) for t in range(steps)]
        # A running product may be updated before the step as well as after it.
        if not any(_is_path(path, sizes) for sizes in (from_zero, from_one)):
            pytest.fail(_wrong_schedule(x, y, size, decay, path))


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
    value, fault = best
    if len(student.calls("optimize_f")) > MOST_RUNS:
        review(f"the last {MOST_RUNS} runs do not come below -2 as asked; those before them were not looked at")
    if value < -2:
        pytest.fail(f"a run reaches f(x, y) = {number(value)}, but {fault}")
    pytest.fail(
        f"the best of {runs} run(s) ends at f(x, y) = {number(value)}; it should come below -2 "
        f"(the global minimum is about {GLOBAL_MINIMUM})"
    )


def _end(result: Any) -> tuple[float, float, Any]:
    """x, y and f(x, y) as returned."""
    if not isinstance(result, (tuple, list)) or len(result) < 3:
        pytest.fail("optimize_f should return five values: x, y, f(x, y), x_hist, y_hist")
    x, y = as_array(result[0]), as_array(result[1])
    if x is None or y is None or x.size != 1 or y.size != 1:
        pytest.fail("the first two values that optimize_f returns should be the numbers x and y")
    return float(x.item()), float(y.item()), result[2]


def _decayed_end(student: Any, x: float, y: float, step_size: float, steps: int, decay: float) -> Point:
    try:
        result = student.optimize_f(x, y, step_size, steps, decay=decay)
    except StudentError as error:
        if error.type_name != "TypeError" or "decay" not in error.message:
            raise
        # The parameter has another name.
        result = student.optimize_f(x, y, step_size, steps, decay)
    return _end(result)[:2]


def _pair(values: Sequence[Any]) -> str:
    return f"{number(values[0])}, {number(values[1])}"


def _reason_of_wrong_step(cases: list[Any], ends: list[Any]) -> str:
    """The common mistake that explains all results, if one does."""
    for reason, mistake in MISTAKES.items():
        with np.errstate(all="ignore"):
            if all(matches(end[:2], mistake(*case)) for case, end in zip(cases, ends, strict=True)):
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


def _is_path(path: list[Point], sizes: Sequence[float]) -> bool:
    return all(matches(point, descend(*path[0], sizes[:n])) for n, point in enumerate(path))


def _wrong_schedule(x: float, y: float, size: float, decay: float, path: list[Point]) -> str:
    """What the steps were in fact, and which mistake makes such steps."""
    t = np.arange(len(path) - 1)
    mistakes = {
        "the decay is applied to a step size that has already decayed": size * decay ** np.cumsum(t),
        "the decay is applied to a step size that has already decayed, and one step too early": size
        * decay ** np.cumsum(t + 1),
        "the step size does not decay": size * np.ones(len(t)),
        "the step size decays only once": np.where(t == 0, size, size * decay),
        "the step size is decay**t alone, without step_size": decay**t,
        "the step size is multiplied by t * decay": size * decay * t,
        "the step size is divided by 1 + decay * t": size / (1 + decay * t),
        "the step size is divided by the decay, so it grows": size / decay**t,
        "the steps go up instead of down (+ gradient)": -size * decay**t,
        "x and y do not change": 0 * t,
    }
    with np.errstate(all="ignore"):
        reason = next((why for why, sizes in mistakes.items() if _is_path(path, sizes)), "")
    should = ", ".join(f"{s:.6g}" for s in size * decay ** t[:3])
    given = f"for x = {x:.6g}, y = {y:.6g}, step_size = {size:.6g}"
    measured = _step_sizes(path)[:3]
    if measured is None or len(measured) < 3:
        right = descend(x, y, size * decay ** t[:3])
        return f"after 3 steps with decay {decay:.4g}, expected x, y = {_pair(right)}, got {_pair(path[3])}, {given}"
    yours = ", ".join(f"{s:.4g}" for s in measured)
    return (
        f"after 3 steps with decay {decay:.4g} the step sizes should be {should}; yours are {yours}"
        f"{f': {reason}' if reason else ''} ({given})"
    )


def _step_sizes(path: list[Point]) -> list[float]:
    """The step sizes that lead along `path`, up to the first step that no step size explains."""
    sizes = []
    for (x, y), (next_x, next_y) in pairwise(path):
        gradient = np.array([grad_x(x, y), grad_y(x, y)])
        move = np.array([x - next_x, y - next_y])
        size = float(move @ gradient / (gradient @ gradient))
        if not np.allclose(move, size * gradient, rtol=1e-4, atol=1e-7):
            break
        sizes.append(size)
    return sizes


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
    """Without a recorded run, `results` says where it ended but not how."""
    results = student.get("results")
    point = as_array(list(results[:2])) if isinstance(results, (tuple, list)) else None
    if point is None or point.shape != (2,):
        pytest.fail("no run of optimize_f was found in the cells of this question")
    value = f(float(point[0]), float(point[1]))
    if value < -2:
        review(f"`results` ends at f(x, y) = {number(value)}, but no run of optimize_f was seen: step size and decay?")
    pytest.fail(f"`results` ends at f(x, y) = {number(value)}; it should come below -2")
