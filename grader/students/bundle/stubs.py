"""Telling an answer from what stood in its place when the notebook was given out, which may be a good part of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from grader.assignment.assignment import Question
from grader.assignment.locating import Answer, is_answered

if TYPE_CHECKING:
    from nbformat import NotebookNode


def stubs_of(
    notebook: NotebookNode, questions: Sequence[Question], answers: Mapping[str, Answer]
) -> dict[str, tuple[str, ...]]:
    """For each question, digests of the cells in which its answer is to be written."""
    return {q.id: tuple(digest(notebook.cells[index].source) for index in answers[q.id].cells) for q in questions}


def is_begun(notebook: NotebookNode, question: Question, answer: Answer, stubs: Collection[str]) -> bool:
    """Whether a student put anything there that was not given out."""
    untouched = bool(answer.cells) and all(digest(notebook.cells[index].source) in stubs for index in answer.cells)
    return not untouched and is_answered(notebook, question, answer)


def digest(source: str) -> str:
    """The same for the same lines, whatever blanks an editor left at their ends."""
    lines = [line.rstrip() for line in source.strip().split("\n")]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest()
