"""Properties tried on examples: mistakes are found, shrunk and told in a line; right answers cost little."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from notebooks import code_notebook

from grader.assignment import Limits
from grader.execution.checkpoints import Checkpoints
from grader.execution.namespace import Namespace
from grader.execution.probe import CheckpointLost, Crashed, MissingName, StudentError, TimedOut
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox
from grader.rubric import properties
from grader.rubric.compare import CheckFailed, expect
from grader.rubric.properties import (
    Failure,
    about,
    arrays,
    call_text,
    examples_of,
    expect_calls,
    floats,
    integers,
    smallest_failure,
    tensors,
    value_fault,
    value_text,
)

SEEDS = range(3)

ANSWERS = """\
import os, time
import numpy as np
import torch

def right(x):
    return torch.sigmoid(x)

def overflows(x):
    return torch.exp(x) / (1 + torch.exp(x))

def wrong_sign(x):
    return 1 / (1 + torch.exp(x))

def mean(x):
    return torch.sigmoid(x).mean()

def tail(x):
    return torch.sigmoid(x) if x.numel() < 100 else x

def in_place(x):
    x[x < 0] = 0
    return torch.sigmoid(x)

def misspelt(x):
    y = -x
    return 1 / (1 + touch.exp(y))

def refuses_whole_numbers(x):
    if not x.is_floating_point():
        raise ValueError("no\\nwhole numbers, please")
    return torch.sigmoid(x)

calls = 0

def tires(x):
    global calls
    calls += 1
    return torch.sigmoid(x) if calls % 40 else x + 1

def leaves(x):
    if x.numel() > 1:
        os._exit(0)
    return torch.sigmoid(x)

def hangs(x):
    while True:
        pass

def is_slow(x):
    end = time.process_time() + 0.02
    while time.process_time() < end:
        pass
    return x.sum() if x.numel() > 50 else torch.sigmoid(x)

def nothing(x):
    pass

def of_two(x, y):
    return x - y

not_a_function = 3
"""


def sigmoid(x: torch.Tensor) -> Any:
    return np.exp(-np.logaddexp(0, -x.numpy().astype(float)))


def sigmoid_fault(result: Any, x: torch.Tensor) -> str:
    return value_fault(result, sigmoid(x))


@pytest.fixture(scope="module")
def open_student() -> Iterator[Callable[[], Namespace]]:
    limits = Limits(check_cpu_seconds=1, check_wall_seconds=20, memory_bytes=3_000_000_000, processes=64)
    with Sandbox(["numpy", "torch"], limits) as sandbox:
        stops = [Stop(questions=("answers",), cells=(0,))]
        execution = run_notebook(sandbox, code_notebook(ANSWERS), stops, (), limits, seed=1)
        assert execution.failures == []
        yield lambda: Checkpoints(sandbox, execution, limits).namespace("answers", seed=1)


@pytest.fixture
def student(open_student: Callable[[], Namespace]) -> Iterator[Namespace]:
    namespace = open_student()
    yield namespace
    namespace._close()


def expect_sigmoid(student: Any, name: str, **options: Any) -> None:
    strategy = tensors().map(lambda x: (x,))
    expect_calls(student, name, strategy, sigmoid_fault, **{"seed": 1, **options})


def fault_of_student(student: Namespace, name: str, **options: Any) -> str:
    with pytest.raises(CheckFailed) as caught:
        expect_sigmoid(student, name, **options)
    return str(caught.value)


def run_python(source: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- the search ---


@pytest.mark.parametrize("seed", SEEDS)
def test_the_smallest_example_is_found_whatever_the_seed(seed: int) -> None:
    failure = smallest_failure(
        st.lists(st.integers(0, 1000)), lambda items: "too much" if sum(items) > 100 else "", seed=seed
    )
    assert failure == Failure([101], "too much")


def test_where_nothing_is_wrong_nothing_is_found() -> None:
    seen: list[int] = []

    def fault_of(example: int) -> str:
        seen.append(example)
        return ""

    assert smallest_failure(st.integers(), fault_of, seed=1, max_examples=25) is None
    assert 0 < len(seen) <= 25


def test_the_same_seed_gives_the_same_examples_and_another_seed_others() -> None:
    first, second, other = (examples_of(st.integers(), seed=seed, count=20) for seed in (3, 3, 4))
    assert first == second != other


def doubled(factor: int) -> SearchStrategy[dict[str, Any]]:
    """Strategies that look the same, and give other examples for each factor."""
    return tensors().map(lambda x: {"x": x, "factor": factor})


def test_remembered_examples_are_those_that_a_new_strategy_gives() -> None:
    strategy = doubled(2)
    fresh, first, second = (examples_of(one, seed=3, count=20) for one in (doubled(2), strategy, strategy))
    assert [repr(example) for example in fresh] == [repr(example) for example in first]
    assert [repr(example) for example in fresh] == [repr(example) for example in second]


def test_examples_are_generated_once_for_a_strategy_a_seed_and_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[tuple[int, int]] = []
    find = properties._find

    def counted(strategy: SearchStrategy[Any], fails: Callable[[Any], bool], seed: int, count: int) -> None:
        searches.append((seed, count))
        find(strategy, fails, seed, count)

    monkeypatch.setattr(properties, "_find", counted)
    strategy = doubled(2)
    for seed, count in [(3, 20), (3, 20), (4, 20), (3, 21), (4, 20)]:
        examples_of(strategy, seed=seed, count=count)
    assert searches == [(3, 20), (4, 20), (3, 21)]


def test_a_check_may_change_its_examples() -> None:
    strategy = doubled(2)
    for _ in range(3):
        examples = examples_of(strategy, seed=3, count=5)
        assert [example["factor"] for example in examples] == [2] * len(examples)
        assert not any((example["x"] == 77).any() for example in examples)
        for example in examples:
            example["factor"] = 0
            example["x"].fill_(77)
        examples.clear()


def test_strategies_that_only_look_the_same_are_not_confused() -> None:
    one, other = doubled(2), doubled(3)
    assert repr(one) == repr(other)
    for strategy, factor in ((one, 2), (other, 3), (one, 2)):
        assert {example["factor"] for example in examples_of(strategy, seed=3, count=5)} == {factor}


def test_examples_that_cannot_be_copied_are_made_anew() -> None:
    strategy = st.integers(0, 9).map(lambda n: torch.tensor(float(n), requires_grad=True) * 2)
    first, second = (examples_of(strategy, seed=3, count=5) for _ in range(2))
    assert list(map(repr, first)) == list(map(repr, second))
    assert not {id(example) for example in first} & {id(example) for example in second}


def test_examples_are_forgotten_with_their_strategy_and_few_are_kept() -> None:
    strategy = st.integers().map(str)
    for seed in range(properties.MAX_REMEMBERED + 3):
        examples_of(strategy, seed=seed, count=2)
    remembered = properties._known_examples[strategy]
    assert [seed for seed, _ in remembered] == list(range(3, properties.MAX_REMEMBERED + 3))
    gone = weakref.ref(strategy)
    del strategy
    gc.collect()
    assert gone() is None
    assert not any(known is remembered for known in properties._known_examples.values())


def test_examples_do_not_depend_on_the_modules_that_are_loaded(tmp_path: Path) -> None:
    # Hypothesis likes numbers from the source of loaded modules.
    (tmp_path / "numerous.py").write_text(f"NUMBERS = {list(range(70_001, 72_000))}\n")
    source = """
import sys; sys.path.insert(0, "."); import {module}
from hypothesis import strategies as st
from grader.rubric.properties import examples_of
print(examples_of(st.integers(0, 10**6), seed=1, count=200))
"""
    assert run_python(source.format(module="numerous"), tmp_path) == run_python(source.format(module="os"), tmp_path)
    assert not (tmp_path / ".hypothesis").exists()


def test_an_error_of_the_students_code_is_a_fault() -> None:
    def fault_of(x: int) -> str:
        if x >= 7:
            raise StudentError("ValueError", "too\n  large")
        return ""

    assert smallest_failure(st.integers(), fault_of, seed=1) == Failure(7, "raises ValueError: too large")


def test_a_failed_expect_is_a_fault() -> None:
    failure = smallest_failure(st.integers(0, 99), lambda x: expect(x, min(x, 9)) or "", seed=1)
    assert failure == Failure(10, "expected 9, got 10")


@pytest.mark.parametrize(
    "error",
    [
        TimedOut("Timeout", "too long"),
        Crashed("Crash", "gone"),
        MissingName("sigmoid"),
        CheckpointLost("lost"),
        ZeroDivisionError("the check is broken"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_ends_the_check_is_raised_at_once(error: BaseException) -> None:
    calls = 0

    def fault_of(x: int) -> str:
        nonlocal calls
        calls += 1
        raise error

    with pytest.raises(type(error)) as caught:
        smallest_failure(st.integers(), fault_of, seed=1)
    assert caught.value is error
    assert calls == 1


def test_what_ends_the_check_while_it_shrinks_is_raised_at_once() -> None:
    failing: list[int] = []

    def fault_of(x: int) -> str:
        if x <= 100:
            return ""
        failing.append(x)
        if len(failing) > 1:
            raise TimedOut("Timeout", "too long")
        return "too much"

    with pytest.raises(TimedOut):
        smallest_failure(st.integers(0, 10**6), fault_of, seed=1)
    assert len(failing) == 2


def test_shrinking_ends_with_its_budget_and_keeps_the_smallest_so_far() -> None:
    failing: list[list[int]] = []
    tried = 0

    def fault_of(items: list[int]) -> str:
        nonlocal tried
        tried += bool(failing)
        if sum(items) < 5000:
            return ""
        failing.append(items)
        return "too much"

    strategy = st.lists(st.integers(0, 1000), min_size=20)
    failure = smallest_failure(strategy, fault_of, seed=1, max_shrinks=10)
    assert failure == Failure(failing[-1], "too much")
    assert tried == 10
    tried = 0
    failing.clear()
    assert smallest_failure(strategy, fault_of, seed=1, max_seconds=0) == Failure(failing[0], "too much")
    assert len(failing) == 1


def test_an_example_that_fails_only_once_is_kept() -> None:
    fresh = iter(["too much"])
    failure = smallest_failure(st.integers(), lambda x: next(fresh, ""), seed=1)
    assert failure is not None
    assert failure.fault == "too much"


def test_a_search_within_a_search_is_possible() -> None:
    def fault_of(x: int) -> str:
        inner = smallest_failure(st.integers(0, 50), lambda y: "large" if y >= x else "", seed=1)
        return f"{inner.example} is too large" if inner is not None and x > 3 else ""

    assert smallest_failure(st.integers(0, 40), fault_of, seed=1) == Failure(4, "4 is too large")


# --- the strategies ---


def test_arrays_have_the_dtypes_shapes_and_range_that_are_asked_for() -> None:
    strategy = arrays(dtypes=["float32", "uint8"], shapes=[(2,), (0, 3), ()], largest=9)
    examples = examples_of(strategy, seed=1, count=100)
    assert {array.dtype.name for array in examples} == {"float32", "uint8"}
    assert {array.shape for array in examples} == {(2,), (0, 3), ()}
    for array in examples:
        assert isinstance(array, np.ndarray)
        assert np.isfinite(array).all()
        assert (abs(array.astype(float)) <= 9).all()


def test_tensors_of_all_sorts_are_tried() -> None:
    examples = examples_of(tensors(), seed=1, count=300)
    assert {str(x.dtype).removeprefix("torch.") for x in examples} == set(properties.DTYPES)
    assert {tuple(x.shape) for x in examples} == set(properties.SHAPES)
    largest = [float(x.abs().max()) for x in examples if x.numel()]
    # Small numbers, numbers where exp overflows, and extremes.
    for low, high in [(0.1, 4), (30, 101), (2000, 10_000)]:
        assert sum(low <= value <= high for value in largest) >= 20


def test_floats_stay_within_bounds_that_are_no_float32() -> None:
    assert all(0.1 <= x <= 0.7 for x in examples_of(floats(0.1, 0.7), seed=1, count=200))
    assert all(0 <= n <= 3 for n in examples_of(integers(3, signed=False), seed=1, count=20))


def test_importing_is_light_and_arrays_need_no_torch(tmp_path: Path) -> None:
    heavy = 'print([name for name in ("hypothesis", "numpy", "torch") if sys.modules.get(name)])'
    source = f"""
import sys; sys.modules["torch"] = None
from grader.rubric import properties
{heavy}
print(properties.value_text(properties.examples_of(properties.arrays(), seed=1, count=1)[0]))
print(properties.value_fault(1.0, 2.0))
"""
    assert run_python(source, tmp_path).splitlines() == ["[]", "array(0., dtype=float32)", "is 1.0; it should be 2.0"]


# --- the words ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor(-89.0), "tensor(-89.)"),
        (torch.tensor(-89), "tensor(-89)"),
        (torch.tensor([0.0, 0.5, 1e-7]), "tensor([0., 0.5, 1e-07])"),
        (torch.tensor([[1.0], [2.0]], dtype=torch.float64), "tensor([[1.], [2.]], dtype=torch.float64)"),
        (torch.tensor([1], dtype=torch.int32), "tensor([1], dtype=torch.int32)"),
        (torch.tensor([]), "tensor([])"),
        (torch.tensor([], dtype=torch.int64), "tensor([], dtype=torch.int64)"),
        (torch.tensor([True, False]), "tensor([True, False])"),
        (np.array([1.0, 2.5]), "array([1. , 2.5])"),
        (0.1, "0.1"),
        (3, "3"),
        ("text", "'text'"),
    ],
)
def test_values_are_shown_as_one_would_type_them(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_long_values_are_cut() -> None:
    text = call_text("f", torch.linspace(0, 1, 500), "x" * 1000)
    assert "\n" not in text
    assert len(text) < 2 * properties.MAX_LINE + 10


@pytest.mark.parametrize(
    ("actual", "expected", "fault"),
    [
        (0.5, 0.5, ""),
        (torch.tensor(0.5), np.float64(0.5), ""),
        (float("nan"), 2.2227e-39 + 1, "is nan; it should be 1.0"),
        (1.0, 2.2227e-39, "is 1.0; it should be about 2.2e-39"),
        (0.268941, 0.731059, "is 0.268941; it should be about 0.73"),
        (0.73, 0.731059, "is 0.73; it should be about 0.7311"),
        (0.7310, 0.731059, "is 0.731; it should be 0.731059"),
        (np.array([1.0, 2.0]), np.array([1.0, 3.0]), "is [1.0, 2.0]; it should be [1.0, 3.0]"),
        (1.0, np.array([1.0]), "is a single number (shape ()); it should have the shape (1,)"),
        (np.array([1.0]), 1.0, "has the shape (1,); it should be a single number (shape ())"),
        (None, 1.0, "gives None; it should give a number"),
        ("one", np.zeros(2), "gives 'one'; it should give an array of numbers"),
        ("one", "two", "is wrong: expected 'two', got 'one'"),
    ],
)
def test_faults_are_told_in_few_words(actual: Any, expected: Any, fault: str) -> None:
    assert value_fault(actual, expected) == fault


def test_a_large_array_is_told_by_its_worst_value() -> None:
    fault = value_fault(np.zeros(50), np.eye(1, 50)[0] / 3)
    assert fault.startswith("is wrong: expected 0.333333, got 0.0 at position [0]")


def test_about_shows_as_many_digits_as_tell_two_numbers_apart() -> None:
    assert about(1 / 3) == "about 0.33"
    assert about(1 / 3, 0.33) == "about 0.3333"
    assert about(1 / 3, 0.333333) == "0.3333333333333333"
    assert about(0.25) == "0.25"
    assert about(float("inf")) == "inf"


# --- calls of the student's functions ---


def test_a_right_answer_takes_two_requests(student: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    probe = student._probe
    ask = probe.ask
    monkeypatch.setattr(probe, "ask", lambda do, **arguments: asked.append(do) or ask(do, **arguments))
    expect_sigmoid(student, "right", always=[(torch.tensor([-1e4, 1e4]),)])
    assert asked == ["get", "eval"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("overflows", r"overflows\(tensor\(89\.?\)\) is nan; it should be 1\.0"),
        ("wrong_sign", r"wrong_sign\(tensor\(1\.?\)\) is 0\.268941; it should be about 0\.73"),
        ("mean", r"mean\(tensor\(\[0?\.?\].*\) is a single number \(shape \(\)\); it should have the shape \([01],\)"),
        ("in_place", r"in_place\(tensor\(-1\.?\)\) is 0\.5; it should be about 0\.27"),
        ("nothing", r"nothing\(tensor\(0\.\)\) gives None; it should give a number"),
        ("not_a_function", r"not_a_function\(tensor\(0\.\)\) raises TypeError: 'int' object is not callable"),
        ("of_two", r"of_two\(tensor\(0\.\)\) raises TypeError: of_two\(\) missing 1 required .*: 'y'"),
        (
            "misspelt",
            r"misspelt\(tensor\(0\.\)\) raises NameError: name 'touch' is not defined, "
            r"in the line `return 1 / \(1 \+ touch\.exp\(y\)\)`",
        ),
        (
            "refuses_whole_numbers",
            r"refuses_whole_numbers\(tensor\(0\)\) raises ValueError: no whole numbers, please, "
            r"in the line `raise ValueError\(.*\)`",
        ),
    ],
)
def test_a_mistake_is_told_by_its_smallest_call(student: Namespace, name: str, fault: str, seed: int) -> None:
    message = fault_of_student(student, name, seed=seed)
    assert re.fullmatch(fault, message), message


def test_a_changed_argument_is_a_mistake(student: Namespace) -> None:
    strategy = tensors().map(lambda x: (x,))
    with pytest.raises(CheckFailed, match=r"in_place\(tensor\(-1\.?\)\) changes its argument in place: -1.* became 0"):
        expect_calls(student, "in_place", strategy, lambda result, x: "", seed=1)


def test_a_mistake_that_examples_do_not_meet_is_told_as_it_was_met(student: Namespace) -> None:
    message = fault_of_student(student, "tail", always=[(torch.ones(100),)])
    assert message.startswith("tail(tensor([1., 1., 1.,")
    assert "expected 0.731059, got 1.0 at position" in message


def test_a_mistake_is_told_also_where_there_is_no_time_to_make_it_smaller(student: Namespace) -> None:
    message = fault_of_student(student, "is_slow", always=[(torch.ones(100),)])
    assert (
        message
        == "is_slow(" + value_text(torch.ones(100)) + ") is a single number (shape ()); it should have the shape (100,)"
    )


def test_an_answer_that_depends_on_earlier_calls_is_a_mistake(student: Namespace) -> None:
    message = fault_of_student(student, "tires", max_examples=45)
    assert message.startswith("tires(tensor(")


def test_the_reason_is_found_from_all_answers(student: Namespace) -> None:
    def reason_of(answers: list[properties.Answer]) -> str:
        same = all(not value_fault(result, sigmoid(-x)) for (x,), result in answers)
        return "the minus sign in the exponent is missing" if same else ""

    message = fault_of_student(student, "wrong_sign", reason_of=reason_of)
    assert message.endswith("it should be about 0.73: the minus sign in the exponent is missing")
    assert "minus" not in fault_of_student(student, "mean", reason_of=reason_of)
    # There are no answers where a call raises an error.
    assert "minus" not in fault_of_student(student, "misspelt", reason_of=reason_of)


def test_a_wrapper_is_called_under_the_name_of_the_function(student: Namespace) -> None:
    swapped = student.eval("lambda x, y: of_two(y, x)")
    pairs = st.tuples(st.integers(0, 9), st.integers(0, 9))
    expect_calls(student, "of_two", pairs, lambda result, x, y: value_fault(result, y - x), seed=1, function=swapped)
    with pytest.raises(CheckFailed, match=r"of_two\(0, 1\) is 1; it should be -1"):
        expect_calls(
            student, "of_two", pairs, lambda result, x, y: value_fault(result, x - y), seed=1, function=swapped
        )


@pytest.mark.parametrize(("name", "error"), [("hangs", TimedOut), ("leaves", Crashed), ("undefined", MissingName)])
def test_where_the_process_ends_or_the_name_is_missing_no_example_is_told(
    student: Namespace, name: str, error: type[StudentError]
) -> None:
    with pytest.raises(error):
        expect_sigmoid(student, name)
