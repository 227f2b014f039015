"""The solution in a reference notebook: where it stands, and the notebook that students get instead."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

from nbformat import NotebookNode

BEGIN = re.compile(r"(\s*)### BEGIN SOLUTION\s*")
END = re.compile(r"\s*### END SOLUTION\s*")
SOLUTION_TAG = "solution"
"""The tag of a cell that is a solution as a whole: the answer to a text question."""
TODO = "TODO"


class SolutionError(Exception):
    """The marks of a cell do not make sense: one line that says why."""


def solution_lines(source: str) -> list[range]:
    """The lines of each solution in a cell, counted from 1, without the marks around it. Raises SolutionError."""
    return [range(begin + 1, end) for begin, end in _blocks(source)]


def student_version(notebook: NotebookNode) -> NotebookNode:
    """A copy without its solutions and outputs: in the place of each stands `TODO`. Raises SolutionError."""
    stripped = copy.deepcopy(notebook)
    for number, cell in enumerate(stripped.cells, start=1):
        if SOLUTION_TAG in cell.metadata.get("tags", ()):
            cell.source = TODO
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        try:
            cell.source = _without_solutions(cell.source)
        except SolutionError as error:
            raise SolutionError(f"cell {number}: {error}") from None
    return stripped


def _without_solutions(source: str) -> str:
    lines = source.split("\n")
    for begin, end in reversed(list(_blocks(source))):
        mark = BEGIN.fullmatch(lines[begin - 1])
        assert mark is not None
        # `pass`, or a function or loop with nothing else in it would be no Python.
        indent = mark[1]
        lines[begin - 1 : end] = [f"{indent}# {TODO}", *([f"{indent}pass"] if indent else [])]
    return "\n".join(lines)


def _blocks(source: str) -> Iterator[tuple[int, int]]:
    """The lines of the two marks of each solution, counted from 1."""
    begin = None
    for number, line in enumerate(source.split("\n"), start=1):
        if BEGIN.fullmatch(line):
            if begin is not None:
                raise SolutionError(f"line {number}: a solution begins in the solution of line {begin}")
            begin = number
        elif END.fullmatch(line):
            if begin is None:
                raise SolutionError(f"line {number}: a solution ends that has not begun")
            yield begin, number
            begin = None
    if begin is not None:
        raise SolutionError(f"line {begin}: this solution does not end")
