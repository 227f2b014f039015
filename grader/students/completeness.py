"""Whether a notebook can be handed in: names filled in, nothing left to do, and run from top to bottom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nbformat import NotebookNode

from grader.assignment.assignment import Limits, Question
from grader.assignment.locating.placeholders import says_something
from grader.assignment.notebook import read_file
from grader.assignment.reading import Read, read_submission
from grader.report.text import clean
from grader.students.bundle.bundle import BundleError, assignment_of, find_bundle, open_bundle

_LABEL = re.compile(
    r"\s*(?:[-*+] +)?(?:\*\*|__)(?P<name>[^*_:\n]{1,60})(?::\s*(?:\*\*|__)|(?:\*\*|__)\s*:)(?P<value>.*)"
)
_TODO = re.compile(r"\bTODO\b")
_TODO_FIRST = re.compile(r"\W*TODO\b")
_AGAIN = "restart the kernel, run all cells and save"
_MAY_FAIL = "raises-exception"
"""Jupyter's own tag for a cell that is to show an error."""
_ERROR_CHARACTERS = 200


def incompleteness(path: Path) -> list[str]:
    """What is still to be done in a notebook: a line for each thing. Raises UnreadableNotebook, BundleError."""
    limits = Limits()
    content = read_file(path, limits.notebook_bytes)
    # Which questions there are, it says itself.
    notebook = read_submission(content, (), limits).notebook
    questions = _questions(path, notebook)
    return [
        *_missing_names(notebook),
        *(_unanswered(read_submission(content, questions, limits)) if questions else _left_to_do(notebook)),
        *_errors_and_order(notebook),
    ]


def _questions(path: Path, notebook: NotebookNode) -> Sequence[Question]:
    """Those of the assignment; none, where it is not known which checks beside the notebook are its own."""
    try:
        bundle_file = find_bundle(path, assignment_of(notebook.metadata))
    except BundleError:
        return ()
    with open_bundle(bundle_file) as bundle:
        return bundle.assignment.questions


# Names


def _missing_names(notebook: NotebookNode) -> Iterator[str]:
    """The labels such as `**Names:**` with nothing after them, in the texts above all code."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            return
        for label, value in _labels(str(cell.source)) if cell.cell_type == "markdown" else ():
            if not says_something(value):
                yield f"cell {index + 1}: nothing is written after “{label}”: fill it in"


def _labels(source: str) -> list[tuple[str, str]]:
    """Each label of a text with what stands after it, down to the next one."""
    labels: list[tuple[str, list[str]]] = []
    for line in source.split("\n"):
        if found := _LABEL.match(line):
            labels.append((f"{clean(found['name']).strip()}:", [found["value"]]))
        elif labels:
            labels[-1][1].append(line)
    return [(label, "\n".join(value)) for label, value in labels]


# Answers


def _unanswered(read: Read) -> Iterator[str]:
    for id, answer in read.answers.items():
        if not answer.cells:
            yield f"{id} has no answer, and no place for one: write it below its label"
        elif id not in read.answered:
            yield f"cell {answer.cells[0] + 1}: {id} has no answer yet: write it there"
        else:
            yield from _todos(read.notebook, answer.cells, f" in the answer to {id}")


def _left_to_do(notebook: NotebookNode) -> Iterator[str]:
    return _todos(notebook, range(len(notebook.cells)), "")


def _todos(notebook: NotebookNode, cells: Iterable[int], where: str) -> Iterator[str]:
    for index in cells:
        cell = notebook.cells[index]
        for number, line in enumerate(str(cell.source).split("\n"), start=1):
            # In code only comments count; and a text may well speak of the places marked `TODO`.
            if _TODO.search(line.partition("#")[2]) if cell.cell_type == "code" else _TODO_FIRST.match(line):
                yield f"cell {index + 1}, line {number}: TODO is left{where}: do it, or take the line out"


# Running


def _errors_and_order(notebook: NotebookNode) -> Iterator[str]:
    """Each error that is shown; and the first cell that was not run in its turn, unless an error kept it from that."""
    failed = []
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()) if _MAY_FAIL not in cell.metadata.get("tags", ()) else ():
            if output.get("output_type") == "error":
                failed.append(index)
                yield f"cell {index + 1}: raised {_error(output)}: correct it, {_AGAIN}"
    fault = _out_of_order(notebook)
    if fault and not (failed and failed[0] < fault[0]):
        yield fault[1]


def _out_of_order(notebook: NotebookNode) -> tuple[int, str] | None:
    """The first cell whose number is not the one that it has after all cells were run in a fresh kernel."""
    # A cell without code has no number.
    cells = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and str(cell.source).strip()]
    counts = [notebook.cells[index].execution_count for index in cells]
    if cells and not any(counts):
        return cells[0], f"no cell was run: {_AGAIN}"
    for expected, (index, count) in enumerate(zip(cells, counts, strict=True), start=1):
        if count is None:
            return index, f"cell {index + 1}: was not run: {_AGAIN}"
        if count != expected:
            return index, f"cell {index + 1}: was not run in order, it is [{count}] and not [{expected}]: {_AGAIN}"
    return None


def _error(output: NotebookNode) -> str:
    text = f"{output.get('ename', '')}: {output.get('evalue', '')}"
    return " ".join(clean(text).split())[:_ERROR_CHARACTERS].strip(": ")
