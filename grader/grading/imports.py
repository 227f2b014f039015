"""Imports that failed in a notebook: most often, the package is not there for anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nbformat import NotebookNode

from grader.results.results import CheckResult

MOST = 20
ERRORS = ("ModuleNotFoundError", "ImportError")
_NAME = r"[A-Za-z_][\w.]{0,99}"
_NO_MODULE = re.compile(rf"No module named '({_NAME})'")
_NO_NAME = re.compile(rf"cannot import name '({_NAME})' from '({_NAME})'")


def failed_imports(notebook: NotebookNode, checks: Mapping[str, Sequence[CheckResult]]) -> list[str]:
    """The imports that failed in the cells of an executed notebook or when its functions were called, `MOST` at most.

    As lines of code, each once. All that they are made of is the notebook's to say, so nothing rests on them.
    """
    found: dict[str, None] = {}
    for error, message in (*_raised_by_cells(notebook), *_told_by_checks(checks)):
        line = _line(message) if error in ERRORS else ""
        if line and len(found) < MOST:
            found[line] = None
    return list(found)


def _raised_by_cells(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield str(output.ename), str(output.evalue)[:1000]


def _told_by_checks(checks: Mapping[str, Sequence[CheckResult]]) -> Iterator[tuple[str, str]]:
    for check in (check for of_question in checks.values() for check in of_question):
        if check.status == "failed":
            error, _, message = check.message[:1000].partition(": ")
            yield error, message


def _line(message: str) -> str:
    if match := _NO_NAME.search(message):
        return f"from {match[2]} import {match[1]}"
    match = _NO_MODULE.search(message)
    return f"import {match[1]}" if match else ""
