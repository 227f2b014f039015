"""The names that a rubric states, held against the reference: whether its answers define them, as far as code tells."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nbformat import NotebookNode

from grader.assignment.assignment import Assignment, Definition, Question
from grader.assignment.locating import Answer
from grader.assignment.locating.answer import name_cells
from grader.assignment.locating.parsing import blocks, parse_code
from grader.faults import did_you_mean

BINDS_AS_IT_RUNS = frozenset(("exec", "eval", "globals", "locals", "vars", "setattr", "__import__", "get_ipython"))
"""Whoever calls one of these may give a name a value without its standing in the code."""
_MAGIC = re.compile(r"^[ \t]*[%!]|=[ \t]*[%!]", re.MULTILINE)
_LITERALS = (
    ast.Constant,
    ast.List,
    ast.Dict,
    ast.Set,
    ast.Tuple,
    ast.ListComp,
    ast.DictComp,
    ast.SetComp,
    ast.JoinedStr,
)

Parameters = list[tuple[str, bool]]
"""The names of a function's parameters, in order, and whether a call needs them."""


class Bound(NamedTuple):
    """What a piece of code gives names to, at its top level."""

    names: frozenset[str]
    functions: Mapping[str, list[Parameters | None]]
    """By name; None for one whose parameters the code does not tell. A value that is no function is not in it."""
    values: frozenset[str]
    """Names that are given a literal, and so can be no function."""
    later: frozenset[str]
    """Names that functions bind outside of themselves, when they are called."""
    is_open: bool
    """Whether it may give values to other names as it runs."""


class Open(NamedTuple):
    """A name of which only the state after a run can tell whether it is defined."""

    question: str
    key: str
    name: str
    near: str


def check_names(
    assignment: Assignment, notebook: NotebookNode, answers: Mapping[str, Answer]
) -> tuple[list[str], list[Open]]:
    """What `defines` and `records` state and the reference does not define: faults; and what is to be seen in a run."""
    read = {index: bound(cell.source) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
    faults: list[str] = []
    left: list[Open] = []
    for question in assignment.questions:
        cells = [index for index in answers[question.id].cells if index in read]
        if question.kind == "code" and cells:
            for fault in _of_question(question, cells, read):
                if isinstance(fault, Open):
                    left.append(fault)
                else:
                    faults.append(f"question {question.id}: {fault}")
    return faults, left


def undefined(open_name: Open) -> str:
    """The fault of a name that a run did not define either."""
    what = "answer does" if open_name.key == "defines" else "cells up to this answer do"
    return (
        f"question {open_name.question}: {open_name.key}: the reference's {what} not define {open_name.name}"
        f"{open_name.near}"
    )


def _of_question(question: Question, cells: Sequence[int], read: Mapping[int, Bound]) -> Iterator[str | Open]:
    own = [read[index] for index in cells]
    before = [one for index, one in read.items() if index <= cells[-1]]
    # Functions of earlier cells may bind it when this answer calls them.
    later = frozenset().union(*(one.later for one in before))
    for definition in question.definitions:
        if not _binds(own, definition.name):
            yield from _missing(question, "defines", definition.name, own, read, later)
        elif definition.parameters is not None:
            yield from _of_parameters(definition, own)
    for name in question.records:
        if not _binds(before, name):
            yield from _missing(question, "records", name, before, read, later)


def _binds(code: Iterable[Bound], name: str) -> bool:
    return any(name in one.names for one in code)


def _missing(
    question: Question, key: str, name: str, code: Sequence[Bound], read: Mapping[int, Bound], later: frozenset[str]
) -> Iterator[str | Open]:
    known = sorted(frozenset().union(*(one.names for one in code)))
    found = Open(question.id, key, name, did_you_mean(name, known))
    if name in later or any(one.is_open for one in code):
        yield found
        return
    elsewhere = [index for index, one in read.items() if name in one.names]
    if elsewhere:
        which = "another cell does" if len(elsewhere) == 1 else "other cells do"
        found = found._replace(near=f"; {which} ({name_cells(elsewhere)})")
    yield undefined(found).removeprefix(f"question {question.id}: ")


def _of_parameters(definition: Definition, code: Sequence[Bound]) -> Iterator[str]:
    assert definition.parameters is not None
    stated = [name for name in definition.parameters if name not in ("*", "/")]
    text = f"defines: {definition.name}({', '.join(stated)})"
    stated = [name.lstrip("*").partition(":")[0].strip() for name in stated]
    kinds = [kind for one in code for kind in one.functions.get(definition.name, ())]
    if not kinds:
        if all(definition.name in one.values for one in code if definition.name in one.names):
            yield f"{text}: in the reference, {definition.name} is a value, and no function"
        return
    known = [kind for kind in kinds if kind is not None]
    if len(known) < len(kinds) or not all(map(str.isidentifier, stated)):
        return
    if not any(_fits(stated, parameters) for parameters in known):
        has = ", ".join(name for name, _ in known[-1]) or "none"
        yield f"{text}: the parameters of the reference's {definition.name} are {has}"


def _fits(stated: Sequence[str], parameters: Parameters) -> bool:
    """Whether these are its parameters, in order; those that a call can do without may be left out."""
    names = iter(stated)
    wanted = next(names, None)
    for name, needed in parameters:
        if name == wanted:
            wanted = next(names, None)
        elif needed:
            return False
    return wanted is None


def bound(source: str) -> Bound:
    """What the code of a cell gives names to, without running it."""
    tree = parse_code(source)
    if tree is None:
        return Bound(frozenset(), {}, frozenset(), frozenset(), is_open=True)
    try:
        top = symtable.symtable(ast.unparse(tree), "<reference>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return Bound(frozenset(), {}, frozenset(), frozenset(), is_open=True)
    assigned = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    declared = {
        symbol.get_name()
        for table in _tables(top)
        for symbol in table.get_symbols()
        if symbol.is_declared_global() and symbol.is_assigned()
    }
    statements = list(_statements(tree.body))
    # `x: int` alone binds nothing, and what is deleted is gone: only a run tells.
    bare = {
        s.target.id
        for s in statements
        if isinstance(s, ast.AnnAssign) and not s.value and isinstance(s.target, ast.Name)
    }
    deleted = {t.id for s in statements if isinstance(s, ast.Delete) for t in s.targets if isinstance(t, ast.Name)}
    changed = {name for s in statements for name in _changed(s)}
    functions: dict[str, list[Parameters | None]] = {}
    values: set[str] = set()
    for statement in statements:
        _sort(statement, functions, values)
    surely = {target for s in statements for target in _bound_by(s)} if bare else set()
    names = (assigned - deleted - (bare - surely)) | changed
    nodes = list(ast.walk(tree))
    is_open = (
        bool(deleted)
        or _MAGIC.search(source) is not None
        or any(isinstance(node, ast.Name) and node.id in BINDS_AS_IT_RUNS for node in nodes)
        or any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes)
    )
    walrus = {n.target.id for s in statements for n in _of_top_level(s) if isinstance(n, ast.NamedExpr)}
    return Bound(frozenset(names | walrus), functions, frozenset(values), frozenset(declared), is_open)


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _tables(child)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements that run when the cell does: not those in functions and classes."""
    for statement in body:
        yield statement
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for block in blocks(statement):
                yield from _statements(block)


def _of_top_level(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement, without what is in functions and lambdas, and without the statements in it."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            todo += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def _targets(statement: ast.stmt) -> list[ast.expr]:
    match statement:
        case ast.Assign(targets=targets):
            return targets
        case ast.AugAssign(target=target):
            return [target]
        case ast.AnnAssign(target=target, value=ast.expr()):
            return [target]
    return []


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    for target in _targets(statement):
        yield from (
            node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )


def _changed(statement: ast.stmt) -> Iterator[str]:
    """Names whose items or attributes a statement sets: an answer may fill what was given."""
    for target in _targets(statement):
        for node in [*target.elts] if isinstance(target, (ast.Tuple, ast.List)) else [target]:
            inner: ast.expr = node
            while isinstance(inner, (ast.Subscript, ast.Attribute, ast.Starred)):
                inner = inner.value
            if inner is not node and isinstance(inner, ast.Name):
                yield inner.id


def _sort(statement: ast.stmt, functions: dict[str, list[Parameters | None]], values: set[str]) -> None:
    """Note down what is known of the names that a statement binds: functions, values, or neither."""
    match statement:
        case ast.FunctionDef(name=name, args=args) | ast.AsyncFunctionDef(name=name, args=args):
            functions.setdefault(name, []).append(None if statement.decorator_list else _parameters(args))
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Name):
                    _sort_value(target.id, value, functions, values)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            _sort_value(name, value, functions, values)


def _sort_value(name: str, value: ast.expr, functions: dict[str, list[Parameters | None]], values: set[str]) -> None:
    if isinstance(value, ast.Lambda):
        functions.setdefault(name, []).append(_parameters(value.args))
    elif isinstance(value, _LITERALS):
        values.add(name)
    else:
        # A class, a partial, what a decorator returns: it may be called with anything.
        functions.setdefault(name, []).append(None)


def _parameters(args: ast.arguments) -> Parameters:
    positional = [*args.posonlyargs, *args.args]
    needed = len(positional) - len(args.defaults)
    found = [(arg.arg, place < needed) for place, arg in enumerate(positional)]
    if args.vararg is not None:
        found.append((args.vararg.arg, False))
    found += [(arg.arg, default is None) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if args.kwarg is not None:
        found.append((args.kwarg.arg, False))
    return found
