"""The cells of a notebook, each read once: its code, its headings and labels, its tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader.assignment.assignment import Question
from grader.assignment.locating.definitions import NO_CODE, Code, read_code
from grader.assignment.locating.marks import Mark, read_marks, states_points
from grader.assignment.locating.parsing import MAX_PARSED
from grader.assignment.locating.typed_code import code_in_text, is_only_code
from grader.assignment.locating.wanted import wanted_names

if TYPE_CHECKING:
    from nbformat import NotebookNode

# When this much of a notebook has been parsed, its other cells are read line by line. Empty cells cost time, too.
_MAX_PARSED_IN_ALL = 3_000_000
_PARSING_OVERHEAD = 500


@dataclass(slots=True, eq=False)
class Cell:
    index: int
    kind: str
    source: str
    code: Code
    """What its code defines and uses; for a text cell, of the code typed into it."""
    marks: list[Mark]
    tags: frozenset[str]
    whole_code: bool
    """A code cell, or a text cell with code and nothing else in it."""

    @property
    def is_code(self) -> bool:
        return self.kind == "code"

    @property
    def is_empty(self) -> bool:
        return not self.source or self.source.isspace()

    def defines(self, question: Question) -> bool:
        return any(not defined.stub for defined in self.code.find(wanted_names(question)))


def read_cells(notebook: NotebookNode, questions: Sequence[Question]) -> list[Cell]:
    sections = frozenset(question.section for question in questions)
    last_letter = chr(min(ord("z"), max((ord(question.letter) for question in questions), default=ord("a")) + 2))
    budget = _MAX_PARSED_IN_ALL
    cells = []
    for index, node in enumerate(notebook.cells):
        source = str(node.source)
        cells.append(_read_cell(index, node, source, sections, last_letter, budget > 0))
        budget -= min(len(source), MAX_PARSED) + _PARSING_OVERHEAD
    return cells


def _read_cell(
    index: int, node: NotebookNode, source: str, sections: frozenset[str], last_letter: str, parse: bool
) -> Cell:
    tags = node.metadata.get("tags")
    tags = frozenset(tag.strip() for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()
    cell = Cell(index, node.cell_type, source, NO_CODE, [], tags, False)
    if cell.is_code:
        cell.code = read_code(source, parse)
        cell.whole_code = True
        if (cell.code.tree is None or not cell.code.tree.body) and states_points(source):
            # A text cell that became a code cell: only what is surely a heading or label of the course counts.
            marks = read_marks(source, sections, last_letter)
            cell.marks = [mark for mark in marks if mark.given and (mark.kind == "section" or not mark.section)]
        return cell
    if parse and (code := code_in_text(source)):
        cell.code = read_code(code)
        cell.whole_code = is_only_code(source)
    if not cell.whole_code:
        cell.marks = read_marks(source, sections, last_letter)
    return cell
