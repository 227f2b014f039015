"""What a check can ask of a notebook, and what it gets where the notebook's code misbehaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from notebooks import code_notebook

from grader.assignment.assignment import Limits
from grader.execution import probe
from grader.execution.checkpoints import Checkpoints, Replacement
from grader.execution.namespace import Namespace
from grader.execution.probe import CheckpointLost, Crashed, Handle, MissingName, NotData, StudentError, TimedOut
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox
from grader.inside.cells import cell_file

Run = Callable[..., Checkpoints]

CODE = """\
import os, random, ctypes
import numpy as np

params = {"w": np.eye(2), "name": "x", "act": abs}
counter = 0

def double(x):
    return 2 * x

def quadruple(x):
    return double(double(x))

def count():
    global counter
    counter += 1
    return counter

def adder(n):
    return lambda x: x + n

def apply(function, x):
    return function(x)

def push(items, *, value=9):
    items.append(value)
    return items

def push_twice():
    items = [1]
    push(items)
    push(items, value=8)

def fail(x):
    y = x + 1
    raise ValueError(f"no {y}")

def outer_fail(x):
    return fail(x)

def swallow():
    try:
        fail(1)
    except ValueError:
        pass

def hang():
    while True:
        pass

def leave():
    os._exit(0)

def segfault():
    ctypes.string_at(8, 8)

def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value

def noise():
    return [random.random(), float(np.random.rand())]

def show():
    import matplotlib.pyplot as plt
    plt.plot([1, 2])
    plt.show()
    print("shown")
    return "done"
"""


@pytest.fixture(scope="module")
def sandbox(limits: Limits) -> Iterator[Sandbox]:
    with Sandbox(["numpy", "torch", "matplotlib.pyplot"], limits) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def checkpoints(sandbox: Sandbox, limits: Limits) -> Checkpoints:
    """One notebook: `CODE` (question `code`), a re-definition (`later`), a recorded run (`train`)."""
    cells = [
        CODE,
        "def double(x):\n    return -x",
        "import torch\nw = torch.zeros(2)\ndef step(w, rate):\n    w -= rate\n    return w.sum()",
        "losses = [float(step(w, 0.5)) for _ in range(3)]",
    ]
    stops = [
        Stop(questions=("code",), cells=(0,)),
        Stop(questions=("later",), cells=(1,), before=True),
        Stop(questions=("train",), cells=(3,), before=True, record=("step",)),
    ]
    execution = run_notebook(sandbox, code_notebook(*cells), stops, (), limits, seed=1)
    assert execution.failures == []
    assert all(cell.outputs == [] for cell in execution.notebook.cells)
    return Checkpoints(sandbox, execution, limits)


@pytest.fixture
def ns(checkpoints: Checkpoints) -> Iterator[Namespace]:
    namespace = checkpoints.namespace("code", seed=1)
    yield namespace
    namespace._close()


@pytest.fixture
def open_namespace(checkpoints: Checkpoints) -> Iterator[Callable[..., Namespace]]:
    """Opens namespaces, as different checks would."""
    opened: list[Namespace] = []

    def open_namespace(question: str = "code", seed: int = 1) -> Namespace:
        opened.append(checkpoints.namespace(question, seed=seed))
        return opened[-1]

    yield open_namespace
    for namespace in opened:
        namespace._close()


Open = Callable[..., Namespace]


def test_functions_are_called_with_data_and_return_data(ns: Namespace) -> None:
    assert ns.double(3) == 6
    assert ns.push([1], value=2) == [1, 2]
    assert ns.double(np.ones(2)).tolist() == [2, 2]
    assert ns.double(torch.ones(2)).tolist() == [2, 2]


def test_values_and_names(ns: Namespace) -> None:
    assert ns.counter == ns.get("counter") == 0
    assert ns.has("double")
    assert not ns.has("nothing")
    assert ns.params["w"].tolist() == [[1, 0], [0, 1]]
    assert isinstance(ns.params["act"], Handle)


@pytest.mark.parametrize("ask", [lambda ns: ns.nothing, lambda ns: ns.get("nothing"), lambda ns: ns.calls("nothing")])
def test_a_name_that_is_not_defined_is_missing(ns: Namespace, ask: Callable[[Namespace], Any]) -> None:
    with pytest.raises(MissingName) as caught:
        ask(ns)
    assert caught.value.name == "nothing"


def test_eval_takes_values_along_for_once(ns: Namespace) -> None:
    assert ns.eval("double(counter) + 1", counter=5) == 11
    assert ns.counter == 0
    assert ns.eval("double(fresh)", fresh=2) == 4
    assert not ns.has("fresh")


def test_names_that_exec_assigns_stay(ns: Namespace) -> None:
    ns.exec("made = double(fresh)", fresh=2)
    assert ns.made == 4
    assert not ns.has("fresh")


def test_a_function_is_replaced_for_its_callers(ns: Namespace) -> None:
    ns.replace("double", expression="lambda x: x + 1")
    assert ns.quadruple(0) == 2
    ns.replace("double", returns=np.array([7]))
    assert ns.quadruple(0).tolist() == [7]
    ns.replace("double", ns.params["act"])
    assert ns.quadruple(-3) == 3
    ns.replace("counter", 41)
    assert ns.count() == 42


def test_replace_refuses_an_unknown_argument(ns: Namespace) -> None:
    with pytest.raises(TypeError, match="'return_value'"):
        ns.replace("double", return_value=3)


def test_calls_are_recorded_with_their_arguments_as_they_were(ns: Namespace) -> None:
    calls = ns.calls("push")
    assert len(calls) == 0
    ns.push_twice()
    first, second = calls
    assert (first.args, first.kwargs, first.result) == (([1],), {}, [1, 9])
    assert (second.args, second.kwargs, second.result) == (([1, 9],), {"value": 8}, [1, 9, 8])
    assert calls[-1] == second
    assert first.order < second.order
    with pytest.raises(IndexError):
        calls[2]


def test_an_error_of_a_recorded_call_is_kept(ns: Namespace) -> None:
    calls = ns.calls("fail")
    ns.swallow()
    (call,) = calls
    assert call.error == "ValueError: no 2"


def test_handles_are_called_and_handed_back_in(ns: Namespace) -> None:
    add = ns.adder(3)
    assert add.type_name == "function"
    assert add(1) == 4
    assert ns.apply(add, 2) == 5


USES: dict[str, Callable[[Any], Any]] = {
    "compare": lambda handle: handle == 3,
    "add": lambda handle: handle + 1,
    "float": float,
    "truth": bool,
    "iterate": list,
    "index": lambda handle: handle[0],
    "array": np.asarray,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_a_handle_is_no_data(ns: Namespace, use: Callable[[Any], Any]) -> None:
    with pytest.raises(NotData, match="function"):
        use(ns.adder(3))


def test_an_exception_carries_the_cell_and_its_lines(ns: Namespace) -> None:
    with pytest.raises(StudentError) as caught:
        ns.outer_fail(1)
    error = caught.value
    assert (error.type_name, error.message) == ("ValueError", "no 2")
    assert [frame.function for frame in error.frames] == ["outer_fail", "fail"]
    assert {frame.file for frame in error.frames} == {cell_file(CODE)}
    lines = CODE.splitlines()
    raised = [lines[frame.line - 1].strip() for frame in error.frames]
    assert raised == ["return fail(x)", 'raise ValueError(f"no {y}")']
    assert ns.double(1) == 2


ENDS = {"hang": TimedOut, "leave": Crashed, "segfault": Crashed}


@pytest.mark.parametrize(("function", "kind"), ENDS.items(), ids=ENDS.keys())
def test_code_that_ends_its_probe_harms_no_other(open_namespace: Open, function: str, kind: type[StudentError]) -> None:
    first, second = open_namespace(), open_namespace()
    with pytest.raises(kind):
        first.get(function)()
    with pytest.raises(kind):
        first.double(1)
    assert second.double(1) == 2


def test_probes_do_not_see_the_changes_of_each_other(open_namespace: Open) -> None:
    first, second = open_namespace(), open_namespace()
    assert [first.count(), first.count(), second.count(), first.counter] == [1, 2, 1, 2]


def test_a_checkpoint_keeps_the_definitions_of_its_time(open_namespace: Open) -> None:
    assert open_namespace("code").quadruple(1) == 4
    assert open_namespace("later").quadruple(1) == 1


def test_the_state_before_an_answer_is_kept(checkpoints: Checkpoints) -> None:
    before = checkpoints.namespace_at(checkpoints.execution.before["later"], seed=1)
    assert before.double(1) == 2
    before._close()


def test_calls_by_the_cells_are_recorded_before_and_after(open_namespace: Open) -> None:
    calls = list(open_namespace("train").calls("step"))
    assert [call.args[0].tolist() for call in calls] == [[0, 0], [-0.5, -0.5], [-1, -1]]
    assert [call.args_after[0].tolist() for call in calls] == [[-0.5, -0.5], [-1, -1], [-1.5, -1.5]]
    assert [call.result.item() for call in calls] == [-1, -2, -3]
    assert [call.args[1] for call in calls] == [0.5] * 3


def test_an_answer_is_run_again_with_a_replaced_function(checkpoints: Checkpoints) -> None:
    replacement = Replacement("def step(w, rate):\n    w += rate\n    return w.sum()", ["step"])
    cell = checkpoints.execution.notebook.cells[3].source
    path = checkpoints.rerun("train", 1, replacement, [cell], ["step"])
    namespace = checkpoints.namespace_at(path, seed=1)
    assert namespace.losses == [1, 2, 3]
    assert [call.result.item() for call in namespace.calls("step")] == [1, 2, 3]
    namespace._close()


def test_what_a_check_leaves_behind_takes_no_place_of_the_next_one(checkpoints: Checkpoints) -> None:
    states = (
        "[open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[0] "
        "for pid in os.listdir('/proc') if pid.isdigit()]"
    )
    for _ in range(3):
        namespace = checkpoints.namespace("code", seed=1)
        assert namespace.eval(states).count("Z") <= 1
        assert namespace.eval("len([os.fork() or __import__('time').sleep(1000) for _ in range(30)])") == 30
        namespace._close()


def test_equal_seeds_give_equal_random_numbers(open_namespace: Open) -> None:
    first, second, other = (open_namespace(seed=seed).noise() for seed in (5, 5, 6))
    assert first == second != other


REFUSED = {
    "large": ("np.zeros(200 * 2**20, dtype='u1')", "too large"),
    "object-array": ("np.array([object()])", "dtype object"),
    "deep": ("nested(100)", "deep"),
}


@pytest.mark.parametrize(("expression", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_an_answer_that_is_no_data_is_refused_with_a_reason(ns: Namespace, expression: str, why: str) -> None:
    with pytest.raises(NotData, match=why):
        ns.eval(expression)
    assert ns.double(1) == 2


def test_gradients_are_computed_in_a_probe(open_namespace: Open) -> None:
    ns = open_namespace("train")
    ns.exec("x = torch.ones(3, requires_grad=True)\n(x ** 2).sum().backward()")
    assert ns.eval("x.grad").tolist() == [2, 2, 2]
    given = ns.eval("y * 2", y=torch.ones(1, requires_grad=True))
    assert given.requires_grad


def test_figures_and_prints_in_a_probe_go_nowhere(ns: Namespace) -> None:
    assert ns.show() == "done"


def test_special_floats_cross(ns: Namespace) -> None:
    assert math.isnan(ns.double(math.nan))
    assert ns.double(math.inf) == math.inf


def test_what_many_calls_add_up_to_is_no_fault_of_the_answer(
    run: Callable[..., Checkpoints], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is short; that there are so many is the check's doing."""
    monkeypatch.setattr(probe, "MANY_REQUESTS", 5)
    busy = "end = time.process_time() + 0.1\n    while time.process_time() < end: pass"
    checkpoints = run(f"import time\ndef busy():\n    {busy}")
    namespace = checkpoints.namespace("0", seed=1)
    with pytest.raises(CheckpointLost, match="times by one check"):
        any(namespace.busy() for _ in range(1000))
    namespace._close()
