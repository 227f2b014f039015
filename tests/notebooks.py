"""Notebooks for tests: the mini assignment of `tests/data/mini`, with any answer put in the place of the right one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

MINI = Path(__file__).parent / "data" / "mini"

DOUBLE = "def double(x):\n    return 2 * x"
QUADRUPLE = "def quadruple(x):\n    return double(double(x))"
RESULTS = "results = [quadruple(i) for i in range(5)]"
TEXT = "Doubling twice is quadrupling."


def code_notebook(*sources: str) -> nbformat.NotebookNode:
    """A notebook of code cells only."""
    return new_notebook(cells=[new_code_cell(source) for source in sources])


def mini_notebook(
    double: str = DOUBLE,
    quadruple: str = QUADRUPLE,
    results: str = RESULTS,
    text: str = TEXT,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> nbformat.NotebookNode:
    """A submission to the mini assignment; `before` and `after` are code cells around all questions."""
    answers = [
        new_markdown_cell("## 1.1 Functions"),
        new_markdown_cell("**(a) Double a number (1 point)**"),
        new_code_cell(double),
        new_markdown_cell("**(b) Add four (2 points)**"),
        new_code_cell(quadruple),
        new_markdown_cell("**(c) Use them (1.5 points)**"),
        new_code_cell(results),
        new_markdown_cell("## 1.2 Text"),
        new_markdown_cell("**(a) Explain (1 point)**"),
        new_markdown_cell(text),
        new_markdown_cell("## The end"),
    ]
    return new_notebook(cells=[*map(new_code_cell, before), *answers, *map(new_code_cell, after)])


def write_notebook(path: Path, notebook: nbformat.NotebookNode) -> Path:
    nbformat.write(notebook, path)
    return path


def change(path: Path, old: str, new: str) -> None:
    """Replace the one occurrence of a text in a file."""
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))
