"""Generated mutants: the source of an answer with one small change, by the usual operators."""

from __future__ import annotations

import ast
import contextlib
import copy
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
from IPython.core.inputtransformer2 import TransformerManager

from grader.assignment.solution import solution_lines
from grader.validation.commuting import Names, commutes, is_idle

MAX_HEAD = 60
"""Characters of a statement that are shown beside the change in it."""


class Mutation(msgspec.Struct, frozen=True):
    operator: str
    change: str
    """`32 -> 33 in: fit(params, 32)`, and a number where the answer has this change several times."""
    source: str


def mutate(source: str) -> list[Mutation]:
    """All mutations of the solution in a cell's source; of the whole source where no solution is marked in it.

    Raises SyntaxError, SolutionError.
    """
    tree = ast.parse(TransformerManager().transform_cell(source))
    lines = {line for block in solution_lines(source) for line in block}
    names = Names(tree)
    original = ast.unparse(tree)
    seen: set[str] = {original}
    counts: Counter[str] = Counter()
    mutations = []
    for statement in _statements(tree, lines):
        for operator, change, changed in _changes(statement, names):
            text = _with(tree, statement, changed)
            if text in seen:
                continue
            seen.add(text)
            counts[change] += 1
            number = f" [{counts[change]}]" if counts[change] > 1 else ""
            mutations.append(Mutation(operator, change + number, text))
    return mutations


def _statements(tree: ast.Module, lines: set[int]) -> Iterator[ast.stmt]:
    """The statements of the solution, outermost first. Docstrings are none."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or (lines and node.lineno not in lines):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        yield node


def _changes(statement: ast.stmt, names: Names) -> Iterator[tuple[str, str, ast.stmt | None]]:
    """The operator, the change in words, and the changed statement; None where it is deleted."""
    head = _head(statement)
    if not isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)):
        yield "deletion", f"deleted: {head}", None
    if isinstance(statement, ast.AugAssign):
        assigned = ast.Assign([statement.target], statement.value, lineno=statement.lineno)
        yield "assignment", f"{head} -> {_head(assigned)}", assigned
        whole = ast.BinOp(statement.target, statement.op, statement.value)
        for other in OPERATORS.get(type(statement.op), ()):
            if is_idle(whole, other):
                continue
            changed = _replaced(statement, statement, "op", other())
            yield "arithmetic", f"{head} -> {_head(changed)}", changed
    for node in _own_nodes(statement):
        old = ast.unparse(node)
        for operator, field, value in _mutants_of(node, names):
            with _field(node, field, value):
                new, changed = ast.unparse(node), copy.deepcopy(statement)
            yield operator, f"{old} -> {new}" + (f" in: {head}" if old != head else ""), changed


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement, without those of the statements in it; f-strings are only words."""
    todo: list[ast.AST] = [
        child
        for child in ast.iter_child_nodes(statement)
        if isinstance(child, (ast.expr, ast.withitem)) and not isinstance(statement, (ast.FunctionDef, ast.ClassDef))
    ]
    while todo:
        node = todo.pop(0)
        if isinstance(node, ast.JoinedStr):
            continue
        yield node
        todo.extend(ast.iter_child_nodes(node))


OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
}

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
"""One for the boundary, one for the opposite."""


def _mutants_of(node: ast.AST, names: Names) -> Iterator[tuple[str, str, object]]:
    """The operator's name, and which field of the node gets which other value. None that yields the same is made."""
    match node:
        case ast.BinOp(op=op):
            for other in OPERATORS.get(type(op), ()):
                if not is_idle(node, other):
                    yield "arithmetic", "op", other()
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not (
            isinstance(operand, ast.Constant) and operand.value == 0
        ):
            yield "arithmetic", "op", ast.UAdd()
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "comparison", "operand", ast.UnaryOp(ast.Not(), operand)
        case ast.Compare(ops=[op]):
            for other_comparison in COMPARISONS[type(op)]:
                yield "comparison", "ops", [other_comparison()]
        case ast.BoolOp(op=op):
            yield "comparison", "op", ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.Constant(value=bool(value)):
            yield "constant", "value", not value
        case ast.Constant(value=int(value)):
            yield "constant", "value", value + 1
        case ast.Constant(value=float(value)):
            yield "constant", "value", value * 2 if value else 1.0
        case ast.Call(args=args) if len(args) > 1 and not any(isinstance(arg, ast.Starred) for arg in args):
            for place in range(len(args) - 1):
                if not commutes(node, place, names):
                    yield "argument swap", "args", _swapped(args, place)


def _swapped(args: Sequence[ast.expr], place: int) -> list[ast.expr]:
    return [*args[:place], args[place + 1], args[place], *args[place + 2 :]]


def _replaced(statement: ast.stmt, node: ast.AST, field: str, value: object) -> ast.stmt:
    """A copy of the statement in which one field of one node has another value."""
    with _field(node, field, value):
        return copy.deepcopy(statement)


@contextlib.contextmanager
def _field(node: ast.AST, field: str, value: object) -> Iterator[None]:
    before = getattr(node, field)
    setattr(node, field, value)
    try:
        yield
    finally:
        setattr(node, field, before)


def _with(tree: ast.Module, statement: ast.stmt, changed: ast.stmt | None) -> str:
    """The source of the whole cell with another statement in the place of one."""

    class Exchange(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if node is statement:
                return ast.Pass() if changed is None else changed
            return self.generic_visit(node)

    memo: dict[int, ast.stmt] = {}
    copied = copy.deepcopy(tree, memo)
    statement = memo[id(statement)]
    return ast.unparse(ast.fix_missing_locations(Exchange().visit(copied)))


def _head(statement: ast.stmt) -> str:
    """A statement on one line, short; of a compound one only the first."""
    line = ast.unparse(statement).partition("\n")[0]
    return line if len(line) <= MAX_HEAD else f"{line[: MAX_HEAD - 1]}…"
