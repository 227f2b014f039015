"""Telling what a student wrote from what only holds its place: a stub in code, "your answer here" in text."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from grader.assignment.locating.lines import read_lines
from grader.assignment.locating.parsing import blocks

_PLACEHOLDER = re.compile(
    r"(?:(?:please )?(?:write|type|put|enter|give|add|fill in|insert|edit) )?(?:your |my |our |an? |the |this )?"
    r"(?:(?:own )?(?:answers?|solutions?|texts?|code|explanations?|response|antwoord|cell|question)"
    r"(?: (?:goes|comes))?(?: in)?(?: here| below| hier)?|here|hier)"
    r"|type markdown and latex.{0,20}|fill in|fill me in|to ?do|tbd|fixme|xxx+|n/?a|pass|not answered|no answer"
)
_TODO = re.compile(r"(?:to ?do|tbd|fixme|xxx)\b[\s:.,–-]*")
_NOT_WORDS = re.compile(r"<!--.*?(?:-->|$)|</?[a-z][^<>]{0,200}>|[#*_`~>\\|]", re.IGNORECASE)
_BLANKS = " \t.,:;?!-–—_…()[]{}\"'"


def does_something(body: Sequence[ast.stmt]) -> bool:
    """False for a stub: docstring, `pass`, `...`, NotImplementedError, and placeholders given names and returned."""
    blank: set[str] = set()
    return any(_is_real(statement, blank) for statement in body)


def _is_real(statement: ast.stmt, blank: set[str]) -> bool:
    match statement:
        case ast.Pass() | ast.Import() | ast.ImportFrom() | ast.Global() | ast.Nonlocal() | ast.Expr(ast.Constant()):
            return False
        case ast.Expr(ast.Call(func=ast.Name("print"), args=args)):
            return not all(isinstance(arg, ast.Constant) for arg in args)
        case ast.Raise(exc=ast.Name("NotImplementedError") | ast.Call(func=ast.Name("NotImplementedError"))):
            return False
        case ast.Return(value=None):
            return False
        case ast.Return(value=ast.expr() as value):
            return not (is_placeholder(value) or any(_name(node) in blank for node in ast.walk(value)))
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if is_placeholder(value):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            blank.update(name for target in targets for node in ast.walk(target) if (name := _name(node)))
            return False
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return does_something(statement.body)
        case ast.For() | ast.While() | ast.If() | ast.With() | ast.Try():
            return any(_is_real(inner, blank) for block in blocks(statement) for inner in block)
        case _:
            return True


def is_placeholder(value: ast.expr) -> bool:
    if isinstance(value, ast.Tuple):
        return bool(value.elts) and all(is_placeholder(element) for element in value.elts)
    return isinstance(value, ast.Constant) and (value.value is None or value.value is Ellipsis)


def _name(node: ast.AST) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def says_something(text: str) -> bool:
    """Whether a text says anything beyond placeholders."""
    return any(not _is_placeholder_line(line) for line in read_lines(text))


def _is_placeholder_line(line: str) -> bool:
    if "![" in line or "<img" in line.lower():
        return False
    words = " ".join(_NOT_WORDS.sub(" ", line).lower().split()).strip(_BLANKS)
    words = _TODO.sub("", words, count=1).strip(_BLANKS) if words.startswith(("to", "tbd", "fixme", "xxx")) else words
    return not words or _PLACEHOLDER.fullmatch(words) is not None
