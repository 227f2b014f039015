"""Grading many submissions: which files, under which names, and everything written where it belongs."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import tempfile
import threading
import time
import traceback
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Literal

import nbformat

from grader.assignment import Assignment
from grader.grading import Graded, Grader
from grader.report.render import grades_csv, render_index, render_submission
from grader.results import SubmissionResult, write_atomically, write_result

MAX_NAME_BYTES = 255
"""What common file systems take for one name."""
OWN_FILES = ("index.html", "grades.csv")

NotGraded = Literal["unreadable", "error"]
Progress = Callable[[SubmissionResult], None]


def new_seed() -> int:
    """A fresh seed, short enough to be typed again."""
    return secrets.randbelow(10**9)


# Files and names


def find_submissions(paths: Iterable[Path]) -> list[Path]:
    """The files to grade, each once: a folder stands for the notebooks in it, any other path for itself.

    A folder without notebooks stands for itself too, and is reported as unreadable like any other bad file.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _notebooks_in(path) or [path]:
            found.setdefault(file.absolute(), file)
    return list(found.values())


def _notebooks_in(folder: Path) -> list[Path] | None:
    """None where this is no folder, or one that cannot be read."""
    with contextlib.suppress(OSError):
        if folder.is_dir():
            return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".ipynb")
    return None


def name_submissions(paths: Sequence[Path]) -> list[str]:
    """A name for each file and its folder in the results: its own, and where two are alike, its parent's before it."""
    # A submission named `index.html.ipynb` must not take the place of the overview.
    taken = set(map(_key, OWN_FILES))
    names: list[str] = []
    for path in paths:
        stem = _stem(path)
        parent = _text(path.absolute().parent.name).lstrip(".")
        choices = [_fit(stem), _fit(f"{parent}-{stem}".lstrip("-"))]
        number = 1
        while _key(choices[0]) in taken:
            number += 1
            choices = choices[1:] or [_fit(stem, f"-{number}")]
        taken.add(_key(choices[0]))
        names.append(choices[0])
    return names


def _stem(path: Path) -> str:
    """The name without its suffix; `..ipynb` must not lead out of the results, and `.hw.ipynb` not be hidden there."""
    return _text(path.absolute().stem).lstrip(".") or "submission"


def _text(name: str) -> str:
    """A file's name can be any bytes; a result holds text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _key(name: str) -> str:
    """Some file systems do not tell `HW.ipynb` from `hw.ipynb`, nor the two ways to write `é`."""
    return unicodedata.normalize("NFC", name).casefold()


def _fit(name: str, suffix: str = "") -> str:
    return name.encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


# Grading


def grade_all(
    assignment: Assignment, paths: Sequence[Path], output: Path, seed: int, progress: Progress = lambda result: None
) -> list[SubmissionResult]:
    """Grade all submissions and write their results into `output`. Raises RubricError, SandboxError, OSError.

    Interrupted (KeyboardInterrupt), it leaves nothing running, and keeps what is graded with an overview of that.
    """
    results: list[SubmissionResult] = []
    with interruptible():
        worker = Grader(assignment, seed)
        require_writable(output)
        with worker:
            try:
                for path, name in zip(paths, name_submissions(paths), strict=True):
                    result = write_submission(assignment, _grade_one(worker, path, name), output)
                    results.append(result)
                    progress(result)
            except BaseException:
                if results:
                    write_overview(assignment, results, output)
                raise
    write_overview(assignment, results, output)
    return results


def _grade_one(worker: Grader, path: Path, name: str) -> Graded:
    try:
        if _notebooks_in(path) == []:
            return _not_graded(worker, path, name, "unreadable", "there is no notebook (.ipynb) in this folder")
        graded = worker.grade(path, name)
        graded.result.file = _text(str(path))
        return graded
    except Exception as error:
        # A fault of the harness in one submission must not cost the others their grades.
        graded = _not_graded(worker, path, name, "error", f"the harness failed; a person must look: {_one_line(error)}")
        graded.result.detail = traceback.format_exc()
        return graded


def _not_graded(worker: Grader, path: Path, name: str, status: NotGraded, message: str) -> Graded:
    return Graded(
        SubmissionResult(
            submission=name,
            file=_text(str(path)),
            status=status,
            message=message,
            seed=worker.seed,
            assignment=worker.assignment.title,
        )
    )


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Whatever asks the program to end raises KeyboardInterrupt where the main thread is.

    With Python's own handler, asyncio would only cancel the cell that runs, and the cell would get the blame.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A program started in the background, or by nohup, is to go on ignoring what it was told to ignore.
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number in numbers if before[number] is not signal.SIG_IGN]
    try:
        for number in heard:
            signal.signal(number, interrupt)
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


# Writing


def require_writable(output: Path) -> None:
    """Make the folder for the results. Raises OSError where nothing can be written in it."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output):
        pass


def write_submission(assignment: Assignment, graded: Graded, output: Path) -> SubmissionResult:
    """Write the report, the executed notebook and, last, the result: where it is, all is.

    What cannot be written makes the result an *error*.
    """
    result = graded.result
    try:
        _write(assignment, graded, output / result.submission)
    except Exception as error:
        result.status = "error"
        result.message = f"the results could not be written; a person must look: {_one_line(error)}"
        result.detail = traceback.format_exc()
        with contextlib.suppress(Exception):
            _write(assignment, Graded(result), output / result.submission)
    return result


def _write(assignment: Assignment, graded: Graded, folder: Path) -> None:
    start = time.perf_counter()
    write_atomically(folder / "report.html", render_submission(assignment, graded.result, graded.notebook))
    if graded.notebook is not None:
        write_atomically(folder / "executed.ipynb", nbformat.writes(graded.notebook))
    else:
        # That of an earlier grading would pass for this one's.
        (folder / "executed.ipynb").unlink(missing_ok=True)
    graded.result.timings["report"] = time.perf_counter() - start
    write_result(folder, graded.result)


def write_overview(assignment: Assignment, results: Sequence[SubmissionResult], output: Path) -> None:
    write_atomically(output / "index.html", render_index(assignment, results))
    write_atomically(output / "grades.csv", grades_csv(assignment, results))
