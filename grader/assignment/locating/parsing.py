"""Parsing Python as it stands in notebooks: among IPython's magics, and with gaps left to fill in."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator

from grader.assignment.locating.lines import MAX_LINE

# Longer code is read line by line: a submission must not stop the grader.
MAX_PARSED = 100_000
_PYTHON_MAGICS = frozenset(("time", "timeit", "capture", "prun", "debug", "python", "python3", "memit", "mprun"))
_MAGIC = re.compile(r"(?P<indent>[ \t]*)%(?P<name>\w+)(?P<rest>.*)", re.DOTALL)
_HELP = re.compile(r"[ \t]*[\w.]+\?{1,2}[ \t]*")
_ASSIGNED_MAGIC = re.compile(r"(?P<target>[ \t]*[A-Za-z_][\w, \t]*=)[ \t]*[!%][^\s=].*")
_MISSING_VALUE = re.compile(r"(?P<target>[ \t]*[A-Za-z_][\w.]*[ \t]*=)[ \t]*(?:#.*)?")


def parse_code(source: str) -> ast.Module | None:
    if len(source) > MAX_PARSED:
        return None
    versions: tuple[Callable[[str], str], ...] = (str, without_magics, lambda text: _filled(without_magics(text)))
    with warnings.catch_warnings():
        # An invalid escape in a student's string is no concern of ours.
        warnings.simplefilter("ignore")
        for version in versions:
            try:
                return ast.parse(version(source))
            except (SyntaxError, ValueError):
                continue
            except (RecursionError, MemoryError):
                return None
    return None


def without_magics(source: str) -> str:
    """Code with what only IPython understands taken out, line by line, so that the rest can be parsed."""
    lines = source.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        name = re.match(r"%%(\w*)", lines[first])
        if name is None or name[1] not in _PYTHON_MAGICS:
            return ""
        lines[first] = ""
    return "\n".join(_without_magic(line) for line in lines)


def _without_magic(line: str) -> str:
    stripped = line.lstrip()
    indent = line[: len(line) - len(stripped)]
    if magic := _MAGIC.match(line):
        runs_python = magic["name"] in _PYTHON_MAGICS and not magic["rest"].lstrip().startswith("-")
        return indent + (magic["rest"].strip() or "pass" if runs_python else "pass")
    if stripped.startswith(("!", "?", "%")) or _HELP.fullmatch(line[:MAX_LINE]):
        return f"{indent}pass"
    if assigned := _ASSIGNED_MAGIC.match(line):
        return f"{assigned['target']} None"
    return line


def _filled(source: str) -> str:
    """A skeleton with its gaps filled by placeholders: `return ???`, `y = # TODO`, a body of comments only."""
    lines = []
    for line in source.split("\n"):
        stripped = line.lstrip()
        if stripped.startswith("#"):
            line = f"{line[: len(line) - len(stripped)]}pass"
        elif gap := _MISSING_VALUE.fullmatch(line):
            line = f"{gap['target']} ..."
        lines.append(re.sub(r"\?{2,}|\u2026", "...", line))
    return "\n".join(lines)


def blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(statement, name, None)
        if isinstance(block, list):
            yield block
    for handler in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield handler.body
