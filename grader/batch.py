"""Grading many submissions: which files, under which names, and everything written where it belongs."""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import nbformat

from grader.assignment import Assignment
from grader.grading import Graded, Grader
from grader.report.render import grades_csv, render_index, render_submission
from grader.results import SubmissionResult, write_atomically, write_result

Progress = Callable[[SubmissionResult], None]


def new_seed() -> int:
    """A fresh seed, short enough to be typed again."""
    return secrets.randbelow(10**9)


def find_submissions(paths: Iterable[Path]) -> list[Path]:
    """The files to grade: a folder stands for the notebooks in it, any other path for itself.

    A folder without notebooks stands for itself too, and is reported as unreadable like any other bad file.
    """
    found: list[Path] = []
    for path in paths:
        notebooks = sorted(path.glob("*.ipynb")) if path.is_dir() else []
        found += notebooks or [path]
    return list(dict.fromkeys(found))


def name_submissions(paths: Sequence[Path]) -> list[str]:
    """A name for each file and its folder in the results: its own, and where two are alike, its parent's before it."""
    names: list[str] = []
    # Compared without case: some file systems do not tell `HW.ipynb` from `hw.ipynb`.
    taken: set[str] = set()
    for path in paths:
        # A name such as `..ipynb` or `index.html` must not lead out of the results or onto one of its files.
        stem = path.stem.lstrip(".") or "submission"
        parent = path.absolute().parent.name
        number = 1
        name = stem
        while name.lower() in taken or name.lower() in ("index.html", "grades.csv"):
            number += 1
            name = f"{parent}-{stem}" if number == 2 and parent else f"{stem}-{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def grade_all(
    assignment: Assignment, paths: Sequence[Path], output: Path, seed: int, progress: Progress = lambda result: None
) -> list[SubmissionResult]:
    """Grade all submissions and write their results into `output`. Raises RubricError, SandboxError."""
    results: list[SubmissionResult] = []
    with Grader(assignment, seed) as worker:
        for path, name in zip(paths, name_submissions(paths), strict=True):
            graded = _grade_one(worker, path, name)
            write_submission(assignment, graded, output)
            results.append(graded.result)
            progress(graded.result)
    write_overview(assignment, results, output)
    return results


def _grade_one(worker: Grader, path: Path, name: str) -> Graded:
    try:
        return worker.grade(path, name)
    except Exception as error:
        # A fault of the harness in one submission must not cost the others their grades.
        return Graded(
            SubmissionResult(
                submission=name,
                file=str(path),
                status="error",
                message=f"the harness failed; a person must look: {type(error).__name__}: {error}",
                detail=traceback.format_exc(),
                seed=worker.seed,
            )
        )


def write_submission(assignment: Assignment, graded: Graded, output: Path) -> None:
    """Write the report, the executed notebook and, last, the result: where it is, all is."""
    result = graded.result
    folder = output / result.submission
    start = time.perf_counter()
    write_atomically(folder / "report.html", render_submission(assignment, result, graded.notebook))
    if graded.notebook is not None:
        write_atomically(folder / "executed.ipynb", nbformat.writes(graded.notebook))
    result.timings["report"] = time.perf_counter() - start
    write_result(folder, result)


def write_overview(assignment: Assignment, results: Sequence[SubmissionResult], output: Path) -> None:
    write_atomically(output / "index.html", render_index(assignment, results))
    write_atomically(output / "grades.csv", grades_csv(assignment, results))
