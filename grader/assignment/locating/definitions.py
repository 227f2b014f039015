"""What code defines and uses, as far as one can tell without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from grader.assignment.locating.lines import MAX_SCANNED, read_lines
from grader.assignment.locating.parsing import blocks, parse_code
from grader.assignment.locating.placeholders import does_something, is_placeholder


@dataclass(frozen=True, slots=True)
class Defined:
    name: str
    parameters: tuple[str, ...] | None
    stub: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """What a piece of code defines and uses; `tree` is None where Python cannot read it."""

    tree: ast.Module | None
    defined: tuple[Defined, ...]
    used: frozenset[str]

    def find(self, names: Collection[str]) -> list[Defined]:
        return [defined for defined in self.defined if defined.name in names]


NO_CODE = Code(None, (), frozenset())
DEF_LINE = re.compile(r"[ \t]*(?:async[ \t]+)?def[ \t]+(?P<name>\w+)[ \t]*\((?P<parameters>[^()]*)")
_ASSIGN_LINE = re.compile(r"[ \t]*(?P<name>[A-Za-z_]\w*)[ \t]*=(?!=)")
_PARAMETER = re.compile(r"[ \t*]*(?P<name>[A-Za-z_]\w*)")


def read_code(source: str, parse: bool = True) -> Code:
    if not source.strip():
        return NO_CODE
    tree = parse_code(source) if parse else None
    if tree is None:
        words = frozenset(re.findall(r"[A-Za-z_]\w*", source[:MAX_SCANNED]))
        return Code(None, tuple(_defined_in_lines(source)), words)
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    used = frozenset(node.id for node in names if isinstance(node.ctx, ast.Load))
    return Code(tree, tuple(_defined_in(tree.body)), used)


def _defined_in(body: Sequence[ast.stmt]) -> Iterator[Defined]:
    """Names that running `body` defines, also inside `if`, `for`, `with` and `try`."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield Defined(statement.name, _parameters(statement.args), not does_something(statement.body))
            case ast.ClassDef():
                yield Defined(statement.name, None)
            case ast.Import() | ast.ImportFrom():
                yield from (Defined(alias.asname or alias.name.partition(".")[0], None) for alias in statement.names)
            case ast.Assign(value=value):
                for target in statement.targets:
                    yield from _assigned(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _assigned(target, value)
            case _:
                for block in blocks(statement):
                    yield from _defined_in(block)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[Defined]:
    if isinstance(target, ast.Name):
        parameters = _parameters(value.args) if isinstance(value, ast.Lambda) else None
        yield Defined(target.id, parameters, is_placeholder(value))
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            if isinstance(element, ast.Name):
                yield Defined(element.id, None)


def _parameters(arguments: ast.arguments) -> tuple[str, ...]:
    return tuple(arg.arg for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))


def _defined_in_lines(source: str) -> Iterator[Defined]:
    for line in read_lines(source):
        if found := DEF_LINE.match(line):
            parameters = (_PARAMETER.match(part) for part in found["parameters"].split(","))
            yield Defined(found["name"], tuple(match["name"] for match in parameters if match))
        elif found := _ASSIGN_LINE.match(line):
            yield Defined(found["name"], None)
