"""Locating the answer to each question in a notebook, whatever the student did to its cells.

In this order: a tag on the cell (`question:1.3.a`), the section headings and question labels in the text,
the names that the question defines, the place of a text between other answers. What students do to a
notebook is not known beforehand, so each step takes the reading that explains most of it, and says in a
note where it had to guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grader.assignment.assignment import Question
from grader.assignment.locating.answer import Answer, Find
from grader.assignment.locating.answered import is_answered
from grader.assignment.locating.by_label import find_by_label
from grader.assignment.locating.by_name import find_by_name
from grader.assignment.locating.by_place import find_text_by_place
from grader.assignment.locating.by_tag import find_by_tag
from grader.assignment.locating.cells import read_cells
from grader.assignment.locating.labels import read_labels
from grader.assignment.locating.typed_code import code_of

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["Answer", "code_of", "is_answered", "locate"]


def locate(notebook: NotebookNode, questions: Sequence[Question]) -> dict[str, Answer]:
    """Find the cells that answer each question; an id of `questions` without an answer has no cells."""
    cells = read_cells(notebook, questions)
    finds = {question.id: Find(question) for question in questions}
    labels = read_labels(cells, questions)
    find_by_label(cells, labels, finds)
    find_by_tag(cells, finds)
    find_by_name(cells, labels, finds)
    find_text_by_place(cells, finds)
    return {id: find.answer(cells) for id, find in finds.items()}
