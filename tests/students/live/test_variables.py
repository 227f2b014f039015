"""Variables are put back as they were, whatever was done to what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grader.students.live import variables
from grader.students.live.variables import Variables

FOLDER = Path("/nowhere")


def changed(source: str, change: str) -> tuple[dict[str, Any], list[str]]:
    """The names that `source` defines, after `change` was run and undone; and what was not kept."""
    names: dict[str, Any] = {"__name__": "__main__", "np": np, "torch": torch}
    exec(source, names)  # noqa: S102
    kept = Variables(names, FOLDER)
    exec(change, names)  # noqa: S102
    assert kept.restore() == []
    return names, kept.too_large


CASES = [
    ("a = 1", "a = 2; b = 3", "(a, 'b' in globals())", (1, False)),
    ("a = 1", "del a", "a", 1),
    ("a = [1, [2]]", "a.append(3); a[1].append(4)", "a", [1, [2]]),
    ("a = {'x': {'y': 1}}", "a['x']['y'] = 2; a['z'] = 3; del a['x']", "a", {"x": {"y": 1}}),
    ("a = {2: 1, 1: 2}", "a[2] = a.pop(2)", "list(a)", [2, 1]),
    ("a = {1, 2}", "a.clear()", "a", {1, 2}),
    ("a = ([1], {2: [3]})", "a[0].clear(); a[1][2].append(4)", "a", ([1], {2: [3]})),
    ("a = bytearray(b'ab')", "a += b'c'", "bytes(a)", b"ab"),
    ("from collections import deque\na = deque([1, 2], 2)", "a.append(3)", "(list(a), a.maxlen)", ([1, 2], 2)),
    ("from collections import Counter\na = Counter('aab')", "a['a'] = 9", "a['a']", 2),
    ("from collections import OrderedDict\na = OrderedDict(x=1, y=2)", "a.move_to_end('x')", "list(a)", ["x", "y"]),
    ("a = np.arange(3)", "a[:] = 0", "a.tolist()", [0, 1, 2]),
    ("a = np.arange(6).reshape(2, 3); v = a[0]", "v += 1; v.sort()", "a.tolist()", [[0, 1, 2], [3, 4, 5]]),
    ("a = np.arange(2)", "a.resize(3, refcheck=False)", "a.tolist()", [0, 1]),
    ("a = np.array([[1], [2, 3]], dtype=object)", "a[0].append(4); a[1] = 5", "a.tolist()", [[1], [2, 3]]),
    ("a = torch.arange(3.)", "a += 1", "a.tolist()", [0.0, 1.0, 2.0]),
    ("a = torch.arange(3.)", "a.data = torch.zeros(2)", "a.tolist()", [0.0, 1.0, 2.0]),
    ("a = torch.arange(3.)", "a.data.numpy()[:] = 7", "a.tolist()", [0.0, 1.0, 2.0]),
    ("a = torch.ones(2)", "a.requires_grad_()", "a.requires_grad", False),
    ("a = torch.ones(2, requires_grad=True)", "a.sum().backward()", "a.grad", None),
    (
        "a = torch.ones(2, requires_grad=True); a.sum().backward(); g = a.grad",
        "(3 * a).sum().backward(); a.grad = a.grad + 1",
        "(a.grad is g, g.tolist())",
        (True, [1.0, 1.0]),
    ),
    (
        "a = torch.ones(2); w = torch.ones(2, requires_grad=True)",
        "a *= w",
        "(a.is_leaf, a.tolist())",
        (True, [1.0, 1.0]),
    ),
    (
        "a = torch.nn.Linear(2, 1); before = a.weight.tolist()",
        "a.weight.data.zero_(); a.eval(); a.extra = 1",
        "(a.weight.tolist() == before, a.training, hasattr(a, 'extra'))",
        (True, True, False),
    ),
    (
        "w = torch.ones(2, requires_grad=True); a = torch.optim.Adam([w]); w.sum().backward()",
        "a.step()",
        "(w.tolist(), len(a.state))",
        ([1.0, 1.0], 0),
    ),
    ("class A:\n    n = 0\na = A()", "a.x = 1; A.n += 1; A.m = 2", "(vars(a), A.n, hasattr(A, 'm'))", ({}, 0, False)),
    ("class A:\n    __slots__ = ('x',)\na = A(); a.x = [1]", "a.x.append(2); a.x = 3", "a.x", [1]),
    ("def a(x=[]):\n    x.append(1); return len(x)", "a(); a()", "a()", 1),
    ("def a():\n    a.calls += 1\na.calls = 0", "a(); a()", "a.calls", 0),
    (
        "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1; return n\n    return g\na = f()",
        "a(); a()",
        "a()",
        1,
    ),
    ("import random\na = random.Random(1); b = random.Random(1)", "a.random()", "a.random() == b.random()", True),
    ("a = np.random.default_rng(1); b = np.random.default_rng(1)", "a.random()", "a.random() == b.random()", True),
    (
        "a = torch.Generator().manual_seed(1)",
        "torch.rand(1, generator=a)",
        "torch.equal(torch.rand(1, generator=a), torch.rand(1, generator=torch.Generator().manual_seed(1)))",
        True,
    ),
    ("a = []\na.append(a)", "a.append(1)", "len(a)", 1),
]


@pytest.mark.parametrize(("source", "change", "expression", "value"), CASES, ids=[f"{a}; {b}" for a, b, _, _ in CASES])
def test_what_was_changed_is_put_back(source: str, change: str, expression: str, value: object) -> None:
    names, too_large = changed(source, change)
    assert eval(expression, names) == value  # noqa: S307
    assert too_large == []


def test_an_object_stays_the_same_object() -> None:
    names, _ = changed("a = [1]; b = {'a': a}", "a.append(1); a = [9]; b['a'] = None")
    assert names["a"] is names["b"]["a"]


def test_putting_back_can_be_done_again() -> None:
    names: dict[str, Any] = {"a": [1]}
    kept = Variables(names, FOLDER)
    for _ in range(2):
        names["a"].append(2)
        kept.restore()
        assert names == {"a": [1]}


def test_what_is_too_large_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "MAX_BYTES", 1000)
    names, too_large = changed("small = np.zeros(10); large = np.zeros(1000)", "small += 1; large += 1")
    assert too_large == ["large"]
    assert names["small"].max() == 0


def test_what_is_too_many_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "MAX_OBJECTS", 100)
    _, too_large = changed("a = [[n] for n in range(200)]", "")
    assert too_large == ["a"]


def test_objects_of_a_running_program_are_left_alone() -> None:
    """A queue between threads, set back in time, would lose what is on its way."""
    source = "import queue\nq = queue.Queue()"
    names, _ = changed(source, "q.put(1)")
    assert names["q"].qsize() == 1


def test_a_million_numbers_are_no_million_objects() -> None:
    names: dict[str, Any] = {"a": list(range(1_000_000)), "b": dict.fromkeys(range(100_000), 0.5)}
    kept = Variables(names, FOLDER)
    assert len(kept.seen) == 2
    assert kept.too_large == []


def test_a_sparse_tensor_is_no_obstacle() -> None:
    names, too_large = changed("a = torch.eye(2).to_sparse(); b = [1]", "b.append(2)")
    assert (names["b"], too_large) == ([1], ["a"])
