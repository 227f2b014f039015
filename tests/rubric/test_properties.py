"""Functions tried beside the reference's: the simplest wrong call is told in a line; right answers cost little."""

from __future__ import annotations

import contextlib
import gc
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

from grader.assignment.assignment import Limits
from grader.execution.checkpoints import Checkpoints
from grader.execution.namespace import Namespace
from grader.execution.probe import Crashed, MissingName, StudentError, TimedOut
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox
from grader.rubric import properties
from grader.rubric.compare import CheckFailed
from grader.rubric.properties import (
    Answer,
    Known,
    about,
    arrays,
    call_text,
    examples_of,
    expect_calls,
    expect_known,
    floats,
    integers,
    known_calls,
    made,
    once,
    tensors,
    value_fault,
    value_text,
)

ANSWERS = """\
import os
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

def nothing(x):
    pass

def minus(x, y):
    return x - y

def plus(x, y):
    return x + y

def drifts(x):
    x += 1e-9
    return torch.sigmoid(x)

not_a_function = 3
"""


SIMPLE = [(torch.tensor(value),) for value in (0.0, 1.0, -1.0, 2.0, 89.0)]
CALLS = [
    *SIMPLE,
    (torch.tensor([1.0, -2.0]),),
    (torch.tensor([]),),
    (torch.tensor(3),),
    (torch.tensor([-1e4, 1e4], dtype=torch.float64),),
    (torch.linspace(-3, 3, 12).reshape(3, 4),),
]
NUMBERS = [(torch.tensor(float(number)),) for number in range(45)]


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


@pytest.fixture
def reference(open_student: Callable[[], Namespace]) -> Iterator[Namespace]:
    """Another probe of the same notebook, where the function that is asked for is the right one."""
    namespace = open_student()
    yield namespace
    namespace._close()


def expect_sigmoid(student: Namespace, reference: Namespace, name: str, calls: Any = CALLS, **options: Any) -> None:
    reference.exec(f"{name} = right")
    expect_calls(student, reference, f"{name}(x)", calls, **options)


def message_of(student: Namespace, reference: Namespace, name: str, calls: Any = CALLS, **options: Any) -> str:
    with pytest.raises(CheckFailed) as caught:
        expect_sigmoid(student, reference, name, calls, **options)
    return str(caught.value)


def asked_of(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What this namespace is asked from now on."""
    asked: list[str] = []
    probe = namespace._probe
    ask = probe.ask

    def overheard(do: str, **arguments: Any) -> Any:
        asked.append(" ".join([do, *(value for value in arguments.values() if isinstance(value, str))]))
        return ask(do, **arguments)

    monkeypatch.setattr(probe, "ask", overheard)
    return asked


def run_python(source: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- examples ---


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
    new_examples = properties._new_examples

    def counted(strategy: SearchStrategy[Any], seed: int, count: int) -> list[Any]:
        searches.append((seed, count))
        return new_examples(strategy, seed, count)

    monkeypatch.setattr(properties, "_new_examples", counted)
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


def test_examples_are_different_and_as_many_as_asked_for() -> None:
    examples = examples_of(st.integers(0, 10**6), seed=1, count=25)
    assert len(examples) == len(set(examples)) == 25
    assert sorted(examples_of(st.integers(0, 3), seed=1, count=25)) == [0, 1, 2, 3]


def test_an_error_of_a_strategy_is_raised() -> None:
    def broken(n: int) -> int:
        return 1 // n

    with pytest.raises(ZeroDivisionError):
        examples_of(st.integers(0, 5).map(broken), seed=1, count=5)


def test_once_makes_a_single_example() -> None:
    rng, same = np.random.default_rng(3), np.random.default_rng(3)
    [drawn] = examples_of(once(lambda: rng.normal(size=4))(), seed=1, count=30)
    assert np.array_equal(drawn, same.normal(size=4))
    assert rng.normal() == same.normal()


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
        (torch.zeros(0, 2), "torch.zeros(0, 2)"),
        (torch.zeros(2, 0, dtype=torch.int32), "torch.zeros(2, 0, dtype=torch.int32)"),
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


# --- what the reference is asked ---


def test_the_reference_is_asked_once_about_all_calls(reference: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of(reference, monkeypatch)
    known = known_calls(
        reference,
        "minus(x, y)",
        [(5, 2), (1, 1)],
        right="[minus(x, y), minus(y, x)]",
        mistakes={"y is added": "minus(x, -y)", "y is not used": "x if y != 1 else None"},
    )
    assert len(asked) == 1
    assert known == Known(
        "minus",
        [(5, 2), (1, 1)],
        [[3, -3], [0, 0]],
        {"y is added": [7, 2], "y is not used": [5, None]},
        ("x", "y"),
    )


def test_without_calls_nothing_is_known(reference: Namespace) -> None:
    assert known_calls(reference, "minus(x, y)", [], mistakes={"no": "x"}) == Known(
        "minus", [], [], {"no": []}, ("x", "y")
    )


@pytest.mark.parametrize("name", ["right", "wrong_sign", "misspelt", "hangs", "undefined"])
def test_the_reference_is_asked_the_same_whatever_the_student_answers(
    student: Namespace, reference: Namespace, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    student.exec(f"student_function = {name}" if name != "undefined" else "")
    reference.exec("student_function = right")
    asked = asked_of(reference, monkeypatch)
    with contextlib.suppress(CheckFailed, StudentError):
        expect_calls(student, reference, "student_function(x)", CALLS, mistakes={"x comes back": "x"})
    source = "[(lambda x: [(student_function(x)), (x)])(*arguments) for arguments in check_calls]"
    assert asked == [f"eval {source}"]


# --- calls of the student's functions ---


def test_a_right_answer_takes_two_requests(
    student: Namespace, reference: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_of(student, monkeypatch)
    expect_sigmoid(student, reference, "right")
    assert [request.partition(" ")[0] for request in asked] == ["get", "eval"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("overflows", "overflows(tensor(89.)) is nan; it should be 1.0"),
        ("wrong_sign", "wrong_sign(tensor(3)) is 0.0474259; it should be about 0.95"),
        ("mean", "mean(tensor([1., -2.])) is a single number (shape ()); it should have the shape (2,)"),
        ("in_place", "in_place(tensor(-1.)) is 0.5; it should be about 0.27"),
        ("nothing", "nothing(tensor(3)) gives None; it should give a number"),
        ("not_a_function", "not_a_function(tensor(3)) raises TypeError: 'int' object is not callable"),
        ("minus", "minus(tensor(3)) raises TypeError: minus() missing 1 required positional argument: 'y'"),
        (
            "misspelt",
            "misspelt(tensor(3)) raises NameError: name 'touch' is not defined, "
            "in the line `return 1 / (1 + touch.exp(y))`",
        ),
        (
            "refuses_whole_numbers",
            "refuses_whole_numbers(tensor(3)) raises ValueError: no whole numbers, please, "
            'in the line `raise ValueError("no\\nwhole numbers, please")`',
        ),
    ],
)
def test_a_mistake_is_told_by_the_simplest_call(
    student: Namespace, reference: Namespace, name: str, message: str
) -> None:
    assert message_of(student, reference, name) == message


def test_which_call_is_the_simplest_does_not_depend_on_their_order(student: Namespace, reference: Namespace) -> None:
    messages = {message_of(student, reference, "wrong_sign", CALLS[start:] + CALLS[:start]) for start in range(4)}
    assert len(messages) == 1


def test_an_empty_argument_is_told_only_where_nothing_simple_is_wrong(student: Namespace, reference: Namespace) -> None:
    empty, five = (torch.zeros(0, 2),), (torch.ones(5),)
    student.exec("def fails(x):\n    return right(x) if x.numel() == 1 else None")
    assert message_of(student, reference, "fails", [empty, five, *SIMPLE]).startswith(
        "fails(tensor([1., 1., 1., 1., 1.]))"
    )
    assert message_of(student, reference, "fails", [empty, *SIMPLE]).startswith("fails(torch.zeros(0, 2)) gives None")


def test_a_change_too_small_to_be_shown_is_told(student: Namespace, reference: Namespace) -> None:
    message = message_of(student, reference, "drifts", [(torch.tensor([1.5], dtype=torch.float64),)])
    assert message == "drifts(tensor([1.5], dtype=torch.float64)) changes its argument x in place: by a little"


IN_PLACE = {
    "a dict of arrays": (
        "p",
        "p['W'] -= 1",
        ({"W": np.array([1.0, 2.0])},),
        "p['W'] in place: [1.0, 2.0] became [0.0, 1.0]",
    ),
    "a new key": ("p", "p['V'] = 3", ({"W": np.zeros(2)},), "p['V'] in place: nothing became 3"),
    "a key less": ("p", "del p['W']", ({"W": "text"},), "p['W'] in place: 'text' became nothing"),
    "a list of arrays": (
        "xs",
        "xs[1] *= 2",
        ([np.ones(1), np.ones(2)],),
        "xs[1] in place: [1.0, 1.0] became [2.0, 2.0]",
    ),
    "a tuple of tensors": (
        "xs",
        "xs[0][0] = 5",
        ((torch.ones(1), torch.ones(2)),),
        "xs[0] in place: [1.0] became [5.0]",
    ),
    "far down": (
        "net",
        "net['layers'][1]['b'][()] = 7",
        ({"layers": [{}, {"b": np.array(0)}]},),
        "net['layers'][1]['b'] in place: 0 became 7",
    ),
    "a list of words": ("words", "words.sort()", (["b", "a"],), "words[0] in place: 'b' became 'a'"),
    "a list of numbers": ("x", "x.append(4)", ([1, 2],), "x in place: [1, 2] became [1, 2, 4]"),
    "an item of a list of numbers": ("x", "x[1] = 4", ([1, 2],), "x[1] in place: 2 became 4"),
    "a set": ("x", "x.add(4)", ({1},), "x in place: {1} became {1, 4}"),
    "an array of text": ("x", "x[0] = 'z'", (np.array(["a"]),), "x in place: ['a'] became ['z']"),
    "the second argument": ("a, p", "p.clear()", (1, {"W": 1}), "p['W'] in place: 1 became nothing"),
    "an attribute": (
        "layer",
        "layer.w -= 1",
        (made("Layer(w)", w=np.array([3.0])),),
        "layer.w in place: [3.0] became [2.0]",
    ),
    "another object in its place": (
        "layer",
        "layer.w = layer.w - 1",
        (made("Layer(w)", w=np.array([3.0])),),
        "layer.w in place: [3.0] became [2.0]",
    ),
    "a list of objects": (
        "net",
        "net[1].inner['v'][0] = 9",
        (made("[Layer(w), Layer(w)]", w=np.array([3.0])),),
        "net[1].inner['v'][0] in place: 0 became 9",
    ),
    "a data class": ("p", "p.x = 2", (made("Point(1, [2])"),), "p.x in place: 1 became 2"),
    "slots": ("p", "p.x.append(2)", (made("Slotted([1])"),), "p.x in place: [1] became [1, 2]"),
    "a network of torch": (
        "net",
        "net.weight.data.zero_()",
        (made("torch.nn.Linear(1, 1)"),),
        "net._parameters['weight'] in place: ",
    ),
}
CLASSES = """
import dataclasses, functools, numpy as np, torch
class Layer:
    def __init__(self, w):
        self.w, self.inner = w, {"v": [0]}
    @functools.cached_property
    def size(self):
        return len(self.w)
@dataclasses.dataclass
class Point:
    x: int
    y: list
class Slotted:
    __slots__ = ("x",)
    def __init__(self, x):
        self.x = x
"""


def changing(name: str, parameters: str, statement: str) -> str:
    return f"{CLASSES}\ndef {name}({parameters}):\n    {statement}\n    return 0"


@pytest.mark.parametrize(("parameters", "statement", "call", "told"), IN_PLACE.values(), ids=IN_PLACE.keys())
def test_a_change_within_an_argument_is_told_with_its_place(
    student: Namespace, reference: Namespace, parameters: str, statement: str, call: tuple[Any, ...], told: str
) -> None:
    student.exec(changing("f", parameters, statement))
    reference.exec(changing("f", parameters, "pass"))
    with pytest.raises(CheckFailed) as caught:
        expect_calls(student, reference, f"f({parameters})", [call])
    assert f" changes its argument {told}" in str(caught.value)
    # The right one changes nothing.
    expect_calls(reference, reference, f"f({parameters})", [call])


@pytest.mark.parametrize(
    ("parameters", "statement", "call", "told"),
    [
        case
        for name, case in IN_PLACE.items()
        if name not in ("a list of numbers", "an item of a list of numbers", "an array of text")
    ],
)
def test_what_the_reference_changes_too_is_what_the_function_is_for(
    student: Namespace, reference: Namespace, parameters: str, statement: str, call: tuple[Any, ...], told: str
) -> None:
    for namespace in (student, reference):
        namespace.exec(changing("f", parameters, statement))
    expect_calls(student, reference, f"f({parameters})", [call])
    # Who leaves them alone and gives the same is not wrong either.
    student.exec(changing("f", parameters, "pass"))
    expect_calls(student, reference, f"f({parameters})", [call])


LEFT_ALONE = {
    "what crosses as another type": (range(3), {"a": (1, float("nan")), float("nan"): 2}, np.float64("nan")),
    "text that cannot be sent": ("half a character \ud83d", ["\ud83d"]),
    "large and small numbers": ([2**70, 1e-300, True, None, 1j, b"x"], frozenset({1, float("nan")})),
    "arrays of times and text": (np.array(["2020-01-01"], dtype="M8[D]"), [np.array(["a", "bc"])]),
    "an object that remembers": (made("Layer(w)", w=np.zeros(3)),),
    "an object that holds itself": (made("(lambda p: (setattr(p, 'y', [p]), p)[1])(Point(1, []))"),),
    "a table": (made("np.ma.array([1, 2], mask=[0, 1])"), {}),
    "nothing": (),
}


@pytest.mark.parametrize("call", LEFT_ALONE.values(), ids=LEFT_ALONE.keys())
def test_what_is_left_alone_is_no_change(student: Namespace, reference: Namespace, call: tuple[Any, ...]) -> None:
    for namespace in (student, reference):
        namespace.exec(changing("f", "*xs", "[getattr(x, 'size', 0) for x in xs]"))
    expect_calls(student, reference, "f(*xs)", [call, call])


def test_a_long_argument_is_cut(student: Namespace, reference: Namespace) -> None:
    message = message_of(student, reference, "tail", [*SIMPLE, (torch.ones(100),)])
    assert message.startswith("tail(tensor([1., 1., 1.,")
    assert "expected 0.731059, got 1.0 at position" in message


def test_a_mistake_is_told_also_where_there_is_no_time_to_make_sure(
    student: Namespace, reference: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(properties, "MAX_SECONDS", 0.0)
    assert message_of(student, reference, "tires", NUMBERS) == "tires(tensor(39.)) is 40.0; it should be 1.0"


def test_a_mistake_that_comes_from_other_calls_is_told_as_such(student: Namespace, reference: Namespace) -> None:
    message = message_of(student, reference, "tires", NUMBERS)
    assert message == (
        "tires(tensor(39.)) is 40.0; it should be 1.0, but only after other calls (does it use a global variable?)"
    )


def test_a_mistake_explains_the_answers_if_it_gives_them_all(student: Namespace, reference: Namespace) -> None:
    mistakes = {"x comes back": "x", "the minus sign is missing": "1 - wrong_sign(x)"}
    message = message_of(student, reference, "wrong_sign", mistakes=mistakes)
    assert message == "wrong_sign(tensor(3)) is 0.0474259; it should be about 0.95: the minus sign is missing"
    mistakes = {"the minus sign is missing": "1 - mean(x)"}
    assert "minus" not in message_of(student, reference, "mean", mistakes=mistakes)
    # There are no answers where a call raises an error.
    mistakes = {"the minus sign is missing": "1 - misspelt(x)"}
    assert "minus" not in message_of(student, reference, "misspelt", mistakes=mistakes)


def test_a_mistake_says_nothing_of_calls_for_which_it_is_none(student: Namespace, reference: Namespace) -> None:
    student.exec("def doubles(x):\n    return 2 * right(x) if (x > 0).all() else right(x) + 1")
    mistakes = {"nothing": "None", "it is doubled": "2 * doubles(x) if (x > 0).all() else None"}
    message = message_of(student, reference, "doubles", SIMPLE, mistakes=mistakes)
    assert message.endswith(": it is doubled")


def test_a_mistake_is_the_same_as_an_answer_as_the_check_says(student: Namespace, reference: Namespace) -> None:
    options = {"mistakes": {"as wrong as it can be": "0"}, "same": lambda result, mistaken: True}
    assert message_of(student, reference, "wrong_sign", **options).endswith(": as wrong as it can be")


def test_a_reason_can_be_found_from_all_answers(student: Namespace, reference: Namespace) -> None:
    def reason_of(answers: list[Answer]) -> str:
        wrong = [answer for answer in answers if value_fault(answer.result, answer.right)]
        return f"{len(wrong)} of {len(answers)} are wrong, {[len(answer.arguments) for answer in wrong]}"

    message = message_of(student, reference, "overflows", SIMPLE, reason_of=reason_of)
    assert message == "overflows(tensor(89.)) is nan; it should be 1.0: 1 of 5 are wrong, [1]"
    mistakes = {"exp overflows": "overflows(x) if x != 89 else torch.nan * x"}
    message = message_of(student, reference, "overflows", SIMPLE, mistakes=mistakes, reason_of=reason_of)
    assert message == "overflows(tensor(89.)) is nan; it should be 1.0: exp overflows"


def test_a_check_judges_by_its_own_fault(student: Namespace, reference: Namespace) -> None:
    def fault_of(result: Any, right: Any, x: torch.Tensor) -> str:
        return "" if result.shape == right[0].shape == x.shape else f"is {right[1]}"

    expect_sigmoid(student, reference, "wrong_sign", right="[wrong_sign(x), 'odd']", fault_of=fault_of)
    message = message_of(student, reference, "mean", right="[mean(x), 'odd']", fault_of=fault_of)
    assert message == "mean(tensor([1., -2.])) is odd"


def test_a_wrapper_is_called_under_the_name_of_the_function(student: Namespace, reference: Namespace) -> None:
    swapped = student.eval("lambda x, y: minus(y, x)")
    known = known_calls(reference, "minus(x, y)", [(1, 1), (0, 1)], right="minus(y, x)")
    expect_known(student, known, function=swapped)
    with pytest.raises(CheckFailed, match=r"^minus\(0, 1\) is -1; it should be 1$"):
        expect_known(student, known)
    with pytest.raises(CheckFailed, match=r"^minus\(0, 1\) is 1; it should be -1$"):
        expect_known(student, known._replace(right=[0, -1]), function=swapped)


@pytest.mark.parametrize(("name", "error"), [("hangs", TimedOut), ("leaves", Crashed), ("undefined", MissingName)])
def test_where_the_process_ends_or_the_name_is_missing_no_call_is_told(
    student: Namespace, reference: Namespace, name: str, error: type[StudentError]
) -> None:
    with pytest.raises(error):
        expect_sigmoid(student, reference, name)


@pytest.mark.parametrize("end", ["os._exit(0)", "hangs(x)"])
def test_a_function_that_ends_when_it_is_asked_again_is_told_by_what_was_found(
    student: Namespace, reference: Namespace, end: str
) -> None:
    student.exec(
        "asked = 0\n"
        "def once_only(x):\n"
        "    global asked\n"
        "    asked += 1\n"
        f"    return x if asked <= {len(SIMPLE)} else {end}"
    )
    message = message_of(student, reference, "once_only", SIMPLE)
    assert message == "once_only(tensor(0.)) is 0.0; it should be 0.5"
