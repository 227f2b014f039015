"""Generated mutants: every operator, each mutant once, and only of the solution."""

from __future__ import annotations

import ast

import pytest

from grader.validation.mutation import mutate


def changes(source: str) -> dict[str, str]:
    return {mutation.change: mutation.source for mutation in mutate(source)}


@pytest.mark.parametrize(
    ("source", "change", "expected"),
    [
        ("y = a + b", "a + b -> a - b in: y = a + b", "y = a - b"),
        ("y = a @ b", "a @ b -> a * b in: y = a @ b", "y = a * b"),
        ("y = a ** 2", "a ** 2 -> a * 2 in: y = a ** 2", "y = a * 2"),
        ("y = -a", "-a -> +a in: y = -a", "y = +a"),
        ("y = a < b", "a < b -> a <= b in: y = a < b", "y = a <= b"),
        ("y = a < b", "a < b -> a >= b in: y = a < b", "y = a >= b"),
        ("y = a == b", "a == b -> a != b in: y = a == b", "y = a != b"),
        ("y = a and b", "a and b -> a or b in: y = a and b", "y = a or b"),
        ("y = 3", "3 -> 4 in: y = 3", "y = 4"),
        ("y = 0.5", "0.5 -> 1.0 in: y = 0.5", "y = 1.0"),
        ("y = 0.0", "0.0 -> 1.0 in: y = 0.0", "y = 1.0"),
        ("y = True", "True -> False in: y = True", "y = False"),
        ("g(a, b, c)", "g(a, b, c) -> g(a, c, b)", "g(a, c, b)"),
        ("y += g(a)", "y += g(a) -> y = g(a)", "y = g(a)"),
        ("y += g(a)", "y += g(a) -> y -= g(a)", "y -= g(a)"),
        ("y = 1\nz = y", "deleted: z = y", "y = 1\npass"),
        ("def f(x):\n    return x", "deleted: return x", "def f(x):\n    pass"),
        ("for i in r:\n    g(i)", "deleted: for i in r:", "pass"),
        ("def f(x):\n    return x + x", "x + x -> x - x in: return x + x", "def f(x):\n    return x - x"),
    ],
)
def test_an_operator_makes_its_mutant(source: str, change: str, expected: str) -> None:
    assert changes(source)[change] == expected


COMMUTE = {
    "built-in": "max(a, b)",
    "built-in, of three": "min(a, b, c)",
    "of NumPy": "np.add(a, b)",
    "with an output": "np.maximum(a, b, out=c)",
    "of torch": "torch.mul(a, b)",
    "of a module as it is called here": "import numpy as n\nn.minimum(a, b)",
    "imported": "from math import gcd\ngcd(a, b)",
    "imported under another name": "from operator import mul as times\ntimes(a, b)",
    "a sum of numbers": "import operator\noperator.add(a, 2)",
    "sets": "set.union(a, b)",
    "a set's": "{1}.union(a, b)",
    "equal by value": "g(1, 1.0)",
    "the same twice": "g(a, a)",
}
DO_NOT = {
    "not known": "g(a, b)",
    "an own function": "def max(a, b):\n    return a - b\nmax(a, b)",
    "an own name": "np = mine\nnp.add(a, b)",
    "a parameter": "def f(max):\n    return max(a, b)",
    "by a key": "max(a, b, key=len)",
    "a difference": "np.subtract(a, b)",
    "lists, perhaps": "import operator\noperator.add(a, b)",
    "lists": "import operator\noperator.add([1], b)",
    "text": "import operator\noperator.add(a, 'b')",
    "dicts, perhaps": "import operator\noperator.or_(a, b)",
    "a method of an unknown object": "shapes.union(a, b)",
    "not symmetric": "np.allclose(a, b)",
    "matrices": "np.dot(a, b)",
}


@pytest.mark.parametrize("source", COMMUTE.values(), ids=COMMUTE.keys())
def test_arguments_that_may_change_places_are_not_swapped(source: str) -> None:
    assert not [change for mutation in mutate(source) if (change := mutation.operator) == "argument swap"]


@pytest.mark.parametrize("source", DO_NOT.values(), ids=DO_NOT.keys())
def test_arguments_whose_order_may_matter_are_swapped(source: str) -> None:
    assert [mutation for mutation in mutate(source) if mutation.operator == "argument swap"]


def test_an_output_is_no_operand() -> None:
    assert "np.add(a, b, c) -> np.add(a, c, b)" in changes("np.add(a, b, c)")
    assert "np.add(a, b, c) -> np.add(b, a, c)" not in changes("np.add(a, b, c)")


@pytest.mark.parametrize(
    "source", ["y = x + 0", "y = x - 0", "y = x * 1", "y = x / 1.0", "y = x * -1", "y = x ** 1", "y = 2 ** 2", "y += 0"]
)
def test_an_operation_that_does_the_same_is_no_mutant(source: str) -> None:
    assert not [
        mutation
        for mutation in mutate(source)
        if mutation.operator == "arithmetic" and "->" in mutation.change and not mutation.change.startswith(("-1", "1"))
    ]


@pytest.mark.parametrize("source", ["y = 0 + x", "y = 0 - x", "y = 1 * x", "y = 1 / x", "y = x * 2", "y = 3 ** 2"])
def test_an_operation_that_does_another_is_one(source: str) -> None:
    assert [mutation for mutation in mutate(source) if mutation.operator == "arithmetic"]


def test_only_what_is_marked_as_solution_is_mutated() -> None:
    source = "def f(x):\n    a = 1\n    ### BEGIN SOLUTION\n    b = 2\n    ### END SOLUTION\n    return a + b"
    assert set(changes(source)) == {"deleted: b = 2", "2 -> 3 in: b = 2"}


def test_the_same_change_twice_is_told_apart() -> None:
    assert set(changes("y = g(1, a, 1)")) >= {"1 -> 2 in: y = g(1, a, 1)", "1 -> 2 in: y = g(1, a, 1) [2]"}


def test_each_mutant_is_another_program_and_can_be_parsed() -> None:
    source = (
        "def f(x, n):\n    '''Doc'''\n    for i in range(n):\n        x = x[1:] + i * -2\n    return x, n, f'{n + 1}'"
    )
    sources = [mutation.source for mutation in mutate(source)]
    assert len(set(sources)) == len(sources) >= 8
    for mutant in sources:
        assert ast.unparse(ast.parse(mutant)) != ast.unparse(ast.parse(source))


def test_words_are_left_alone() -> None:
    assert set(changes("def f():\n    '''Doc 1'''\n    g('text', f'{1 + 2}')")) == {
        "deleted: g('text', f'{1 + 2}')",
        "g('text', f'{1 + 2}') -> g(f'{1 + 2}', 'text')",
    }


def test_magic_commands_are_understood() -> None:
    assert "3 -> 4 in: y = 3" in changes("%matplotlib inline\ny = 3")
