"""The notebook that students are given: the reference's, with the solutions cut out."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence

from nbformat import NotebookNode

from grader.assignment.assignment import Question
from grader.assignment.locating import Answer
from grader.assignment.solution import is_cut_tag, student_version
from grader.results.results import format_points
from grader.students.bundle.bundle import METADATA

_POINTS = re.compile(r"\bpoints?\b", re.IGNORECASE)


def released_notebook(
    reference: NotebookNode, name: str, questions: Sequence[Question], answers: Mapping[str, Answer]
) -> NotebookNode:
    """Cells keep their ids and tags, so that answers are found again; every question shows its points.

    Raises SolutionError.
    """
    notebook = student_version(reference)
    for question in questions:
        heading = answers[question.id].heading
        if heading is not None and not _POINTS.search(notebook.cells[heading].source):
            unit = "point" if question.points == 1 else "points"
            notebook.cells[heading].source += f"\n\n*({format_points(question.points)} {unit})*"
    for cell in notebook.cells:
        cell.pop("attachments", None)
        tags = [tag for tag in cell.metadata.get("tags", ()) if not is_cut_tag(tag)]
        # Whatever else an editor noted down of a cell is about the reference: when it ran, how it was folded.
        cell.metadata = {"tags": tags} if tags else {}
    kernel = notebook.metadata.get("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, METADATA: {"assignment": name}}
    return notebook


def without_cut_cells(notebook: NotebookNode, reference: NotebookNode) -> NotebookNode:
    """A copy without the cells of which nothing is left."""
    kept = copy.copy(notebook)
    kept.cells = [
        cell
        for cell, before in zip(notebook.cells, reference.cells, strict=True)
        if cell.source.strip() or not before.source.strip()
    ]
    return kept
