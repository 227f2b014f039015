"""The statements at the top level of a notebook's cells, in groups that a slice keeps or leaves out."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.slicing.effects import Code, effects_of
from grader.slicing.purity import EXTENSIONS, NO_EFFECT_MAGICS, SHOWN_CELLS, TIMED_CELLS, TIMED_LINES

MAX_PARSED = 100_000
"""Characters of a cell. A longer one is not analysed."""

UNSURE_CODE = "get_ipython()"
"""Stands for a line that only IPython understands and that may do anything."""

_CELL_MAGIC = re.compile(r"\s*%%(?P<name>\w+)(?P<rest>[^\n]*)")
_LINE_MAGIC = re.compile(r"(?P<indent>[ \t]*)%(?P<name>\w+)(?P<rest>.*)")
_HELP = re.compile(r"[ \t]*(?:\?{1,2}[\w.]+|[\w.]+\?{1,2})[ \t]*")
_ASSIGNED = re.compile(r"(?P<target>[ \t]*[A-Za-z_][\w, \t]*=)[ \t]*[!%][^\s=].*")
_ONLY_IPYTHON = re.compile(r"[%!?$]|^\s*(?:>>>|\.\.\.|In \[|[,;/])", re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class StatementGroup:
    """Statements that are kept or left out together: one, or those that share a line."""

    cell: int
    first: int
    """The first of its lines, from 1, and the last."""
    last: int
    statements: tuple[ast.stmt, ...]
    code: Code
    plain: bool = True
    """Whether it is Python and nothing else, so that its statements run as they stand."""


def statement_groups(cell: int, source: str) -> list[StatementGroup]:
    """The statements of a cell's code, in order. Those that have no effect at all are left out."""
    if not source.strip():
        return []
    if len(source) > MAX_PARSED:
        return [_unsure(cell, source)]
    try:
        magic = _CELL_MAGIC.match(source)
        if magic is not None:
            return _cell_magic(cell, source, magic)
        return _statements(cell, source)
    except (RecursionError, MemoryError):
        return [_unsure(cell, source)]


def _unsure(cell: int, source: str) -> StatementGroup:
    return StatementGroup(cell, 1, source.count("\n") + 1, (), Code(unsure=True), plain=False)


def _cell_magic(cell: int, source: str, magic: re.Match[str]) -> list[StatementGroup]:
    if magic["name"] in SHOWN_CELLS:
        return []
    body = "\n" * source[: magic.end()].count("\n") + source[magic.end() :]
    tree = _parsed(_without_magics(body)) if magic["name"] in TIMED_CELLS else None
    if tree is None:
        return [_unsure(cell, source)]
    code = effects_of(tree.body)
    # `%%capture shown` and `%%timeit x = f(y)` have more on their first line.
    more = _parsed(re.sub(r"(?:^|\s)-\S+", " ", magic["rest"]).strip()) if magic["rest"].strip() else ast.Module([], [])
    if more is None:
        return [_unsure(cell, source)]
    words = effects_of(more.body)
    code.binds |= words.binds | words.loads
    code.exposed |= words.exposed
    code.loads |= words.loads
    code.calls += words.calls
    return [StatementGroup(cell, 1, source.count("\n") + 1, tuple(tree.body), code, plain=False)]


def _statements(cell: int, source: str) -> list[StatementGroup]:
    dedented = textwrap.dedent(source)
    magics: set[int] = set()
    tree = _parsed(source) or _parsed(dedented)
    if tree is None:
        replaced = [_without_magic(line) for line in dedented.split("\n")]
        tree = _parsed("\n".join(replaced))
        lines = enumerate(zip(dedented.split("\n"), replaced, strict=True), start=1)
        magics = {number for number, (line, other) in lines if line != other and other.strip() != "pass"}
    if tree is None:
        # Python refuses such a cell as a whole, so that it does nothing; unless there is anything for IPython in it.
        return [_unsure(cell, source)] if _ONLY_IPYTHON.search(source) else []
    groups = []
    for group in _sharing_lines(tree.body):
        first, last = _first_line(group[0]), _last_line(group)
        plain = magics.isdisjoint(range(first, last + 1))
        groups.append(StatementGroup(cell, first, last, tuple(group), effects_of(group), plain))
    return groups


def _parsed(source: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError):
            return None


def _without_magics(source: str) -> str:
    """The code with a Python line in the place of each that only IPython understands."""
    return "\n".join(map(_without_magic, source.split("\n")))


def _without_magic(line: str) -> str:
    stripped = line.lstrip()
    indent = line[: len(line) - len(stripped)]
    if magic := _LINE_MAGIC.match(line):
        name, rest = magic["name"], magic["rest"].strip()
        if name in TIMED_LINES and rest and not rest.startswith("-"):
            return indent + rest
        if name in NO_EFFECT_MAGICS or (name in ("load_ext", "reload_ext") and rest in EXTENSIONS):
            return f"{indent}pass"
        return indent + UNSURE_CODE
    if _HELP.fullmatch(line[:500]):
        return f"{indent}pass"
    if stripped.startswith(("!", "%")):
        return indent + UNSURE_CODE
    if assigned := _ASSIGNED.match(line):
        return f"{assigned['target']} {UNSURE_CODE}"
    return line


def _sharing_lines(statements: Iterable[ast.stmt]) -> list[list[ast.stmt]]:
    groups: list[list[ast.stmt]] = []
    for statement in statements:
        if groups and _first_line(statement) <= _last_line(groups[-1]):
            groups[-1].append(statement)
        else:
            groups.append([statement])
    return groups


def _first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _last_line(group: Sequence[ast.stmt]) -> int:
    return max(statement.end_lineno or statement.lineno for statement in group)


def blanked(source: str, groups: Iterable[StatementGroup]) -> str:
    """The source with the lines of these groups made empty, so that all others keep their numbers."""
    lines = source.split("\n")
    start = next((number for number, line in enumerate(lines) if line.strip()), 0)
    for group in groups:
        lines[group.first - 1 : group.last] = [""] * (group.last - group.first + 1)
    # IPython takes empty lines at the beginning away.
    lines[start] = lines[start] or "#"
    return "\n".join(lines)
