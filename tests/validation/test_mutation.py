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
