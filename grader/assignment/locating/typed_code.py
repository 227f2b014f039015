"""The code of a cell, also where a student typed it into a text cell."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import TYPE_CHECKING

from grader.assignment.locating.definitions import DEF_LINE
from grader.assignment.locating.lines import MAX_SCANNED, read_lines
from grader.assignment.locating.marks import FENCE, read_marks, states_points
from grader.assignment.locating.parsing import parse_code

if TYPE_CHECKING:
    from nbformat import NotebookNode

_PYTHON_FENCES = ("", "python", "python3", "py", "ipython", "ipython3")
_CODE_SIGN = re.compile(r"[=(\[]|\b(?:import|assert)\b")


def code_of(cell: NotebookNode) -> str:
    """The code in a cell: of a text cell, what stands in its fences, or after its label, or all of it."""
    if cell.cell_type == "code":
        return str(cell.source)
    return code_in_text(str(cell.source))


def code_in_text(text: str) -> str:
    """The code in a text cell; empty where there is none."""
    if len(text) > MAX_SCANNED:
        return ""
    if _has_fences(text):
        fenced, _ = _fenced(text)
        return textwrap.dedent(fenced) if fenced.strip() else ""
    if _is_whole_code(text):
        return textwrap.dedent(text)
    marks = read_marks(text, frozenset(), "z")
    if marks:
        below = textwrap.dedent("\n".join(text[:MAX_SCANNED].split("\n")[marks[-1].end :]))
        if _is_whole_code(below):
            return below
    return ""


def is_only_code(text: str) -> bool:
    """Whether a text that has code in it has nothing else, so that it can be run as a code cell."""
    return not _fenced(text)[1] if _has_fences(text) else _is_whole_code(text)


def _has_fences(text: str) -> bool:
    return "```" in text or "~~~" in text


def _fenced(text: str) -> tuple[str, str]:
    """The Python code in a text's fences, and the text around them."""
    inside: list[str] = []
    outside: list[str] = []
    fence, wanted = "", False
    for line in text[:MAX_SCANNED].split("\n"):
        found = FENCE.match(line)
        if found and not fence:
            fence, wanted = found["mark"], found["language"].lower() in _PYTHON_FENCES
        elif found and found["mark"].startswith(fence):
            fence = ""
        elif not fence:
            outside.append(line)
        elif wanted:
            inside.append(line)
    return "\n".join(inside), "\n".join(outside).strip()


def _is_whole_code(text: str) -> bool:
    """Whether a text is code and nothing else. "Steps: 10" and "Yes" are Python too: it must do something."""
    if not _CODE_SIGN.search(text):
        return False
    tree = parse_code(textwrap.dedent(text))
    if tree is not None:
        return any(not isinstance(s, (ast.Expr, ast.Pass, ast.AnnAssign)) or _is_call(s) for s in tree.body)
    lines = [line for line in read_lines(text) if line.strip()]
    return (
        any(DEF_LINE.match(line) for line in lines)
        and not states_points(text)
        and (DEF_LINE.match(lines[0]) is not None or lines[0].lstrip().startswith(("#", "%", "import ", "from ", "@")))
    )


def _is_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
