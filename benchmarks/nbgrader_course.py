"""A course as nbgrader wants it: the assignment with its tests in cells, and a folder for each student."""

from __future__ import annotations

import copy
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nbformat
from checks import CHECKS, source
from nbformat import NotebookNode
from workloads import Material, Submission, Workload, material

ASSIGNMENT = "assignment"
NOTEBOOK = "notebook"
GRADEBOOK = "gradebook.db"

# Only the limit for a cell is not nbgrader's own: 30 s would end a cell that trains a network.
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "benchmark"
c.Execute.timeout = 600
"""

# Anything that is printed to stderr counts as a failure, a warning of a library's too.
TEST = """\
{function}


import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    {name}(globals())
"""


def build(course: Path, workload: Workload, submissions: Sequence[Submission]) -> None:
    """Write the course's files. What nbgrader makes of the source, `release` lets it make."""
    made = material(workload.rubric_folder)
    course.mkdir(parents=True)
    (course / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    _write(course / "source" / ASSIGNMENT, with_tests(workload, made, made.solved))
    for submission in submissions:
        notebook = with_tests(workload, made, submission.notebook)
        _write(course / "submitted" / submission.name / ASSIGNMENT, notebook)


def with_tests(workload: Workload, made: Material, notebook: NotebookNode) -> NotebookNode:
    """A copy whose answers are marked as such, each with its tests in a cell after it."""
    marked = copy.deepcopy(notebook)
    after: dict[int, NotebookNode] = {}
    for question, check in CHECKS[workload.rubric].items():
        if question in workload.left_out:
            continue
        cells = made.cells[question]
        for part, index in enumerate(cells):
            marked.cells[index].metadata["nbgrader"] = _mark(f"answer-{question}-{part}", solution=True)
        test = TEST.format(function=source(check).rstrip(), name=check.__name__)
        cell = nbformat.v4.new_code_cell(test, id=f"test-{question.replace('.', '-')}")
        points = made.assignment.question(question).points
        cell.metadata["nbgrader"] = _mark(f"test-{question}", solution=False, points=points)
        after[max(cells)] = cell
    marked.cells = list(_woven(marked.cells, after))
    return marked


def _woven(cells: Sequence[NotebookNode], after: Mapping[int, NotebookNode]) -> Iterator[NotebookNode]:
    for index, cell in enumerate(cells):
        yield cell
        if index in after:
            yield after[index]


def _mark(name: str, *, solution: bool, points: float | None = None) -> dict[str, object]:
    mark: dict[str, object] = {
        "schema_version": 3,
        "grade_id": name.replace(".", "-"),
        "solution": solution,
        "grade": points is not None,
        "locked": not solution,
        "task": False,
    }
    if points is not None:
        mark["points"] = points
    return mark


def _write(folder: Path, notebook: NotebookNode) -> None:
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{NOTEBOOK}.ipynb")


def release(environment: Path, courses: Sequence[Path], env: Mapping[str, str]) -> None:
    """Let nbgrader put the assignment into the gradebook of each course, before anything is timed."""
    first, *others = courses
    command = [str(environment / "bin" / "nbgrader"), "generate_assignment", ASSIGNMENT]
    ran = subprocess.run(command, cwd=first, env=dict(env), capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"nbgrader generate_assignment failed:\n{ran.stdout}{ran.stderr}")
    for course in others:
        # All have the same source, so they have the same gradebook as long as nobody has handed in.
        shutil.copyfile(first / GRADEBOOK, course / GRADEBOOK)


def autograde(environment: Path) -> list[str]:
    """The command for all submissions of a course, to be run in its folder."""
    return [str(environment / "bin" / "nbgrader"), "autograde", ASSIGNMENT]


def graded_at(course: Path, name: str) -> float | None:
    """When (seconds since the epoch) a submission was done; None where it was not."""
    path = course / "autograded" / name / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    return path.stat().st_mtime if path.exists() else None


def points(course: Path) -> dict[str, float]:
    """The points of each student, from the gradebook."""
    with sqlite3.connect(course / GRADEBOOK) as database:
        rows = database.execute(
            "SELECT submitted_assignment.student_id, SUM(grade.auto_score) FROM grade "
            "JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id "
            "JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id "
            "GROUP BY submitted_assignment.student_id"
        )
        return {student: float(score or 0) for student, score in rows}
