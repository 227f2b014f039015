"""The folder with a class's results: what stands where in it, written so that nothing is ever half there.

index.html, grades.csv, questions/<id>.html     over all submissions
class.json                                      who handed in what, where the course site's download was imported
marks.sqlite3                                   what people decided (`grader.results.decisions`)
<submission>/result.json                        what the checks found; written last: where it is, all is
<submission>/report.html, executed.ipynb
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import nbformat
from nbformat import NotebookNode

from grader.assignment.assignment import Assignment
from grader.faults import Faults, shown
from grader.report.render import collect_answers, grades_csv, render_index, render_question, render_submission
from grader.results.classlist import CLASS_FILE
from grader.results.database import BESIDE
from grader.results.decisions import read_changes, read_marks
from grader.results.journal import MarksError, final, merged
from grader.results.results import SubmissionResult, read_result, write_atomically, write_result

OWN_NAMES = ("index.html", "grades.csv", "questions", CLASS_FILE, *BESIDE)
"""What no submission's folder may be called."""
RESULT, REPORT, NOTEBOOK = "result.json", "report.html", "executed.ipynb"
_IN_USE = ".grading"


class InUse(Faults):
    """Somebody else is writing into these results."""


def require_writable(output: Path) -> None:
    """Make the folder for the results. Raises OSError where nothing can be written in it."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output):
        pass


@contextlib.contextmanager
def reserved(output: Path) -> Iterator[None]:
    """Have these results for one grading alone, and clear away what one that was killed left half written.

    Raises InUse, OSError. People may go on marking meanwhile.
    """
    path = output / _IN_USE
    descriptor = _lock(path)
    try:
        for left in _half_written(output):
            left.unlink(missing_ok=True)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InUse(
                [f"{shown(path.parent)}: another grading writes its results there; wait until it ends"]
            ) from None
        except OSError:
            return descriptor  # a network file system that has no locks
        with contextlib.suppress(FileNotFoundError):
            # Whoever had it before may have taken the file away in between.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)


def _half_written(output: Path) -> Iterator[Path]:
    """What `write_atomically` had begun."""
    for folder in [output, *_subfolders(output)]:
        for name in (*OWN_NAMES, RESULT, REPORT, NOTEBOOK):
            yield from folder.glob(f".{name}.????????")


def _subfolders(output: Path) -> list[Path]:
    return [path for path in output.iterdir() if path.is_dir() and not path.is_symlink()]


# One submission


def write_pages(output: Path, result: SubmissionResult, report: str, notebook: str | None) -> None:
    """Write the report, the executed notebook and, last, the result. Raises OSError."""
    folder = output / result.submission
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        write_atomically(folder / REPORT, report)
        if notebook is not None:
            write_atomically(folder / NOTEBOOK, notebook)
        else:
            # That of an earlier grading would pass for this one's.
            (folder / NOTEBOOK).unlink(missing_ok=True)
        write_result(folder, result)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others from writing into a submission's folder meanwhile: its files belong together. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems lock no folders. There, each file is still written whole.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_automatic(output: Path, submission: str) -> SubmissionResult | None:
    """What the checks found, as stored; None where that cannot be read, or not all that belongs to it is there."""
    folder = output / submission
    try:
        result = read_result(folder / RESULT)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    whole = (folder / REPORT).is_file() and (result.status != "graded" or (folder / NOTEBOOK).is_file())
    return result if whole and result.submission == submission else None


def read_notebook(output: Path, submission: str) -> NotebookNode | None:
    """The notebook as executed; None where there is none that can be read."""
    try:
        return nbformat.reads((output / submission / NOTEBOOK).read_text(encoding="utf-8"), as_version=4)
    except Exception:  # whatever the parsers say of a file that somebody else has changed
        return None


# All of them


def stored(output: Path) -> dict[str, SubmissionResult | None]:
    """What stands in each submission's folder, also of those that are gone; None where it cannot be read."""
    found: dict[str, SubmissionResult | None] = {}
    for folder in sorted(_subfolders(output)):
        if (folder / RESULT).is_file():
            try:
                found[folder.name] = read_result(folder / RESULT)
            except (OSError, msgspec.DecodeError, UnicodeDecodeError):
                found[folder.name] = None
    return found


def read_results(output: Path) -> tuple[list[SubmissionResult], list[str]]:
    """All results with people's decisions merged in, by name; and a line for each that cannot be read.

    Without those whose submission is gone. Raises MarksError where the store of all decisions cannot be read.
    """
    results: list[SubmissionResult] = []
    faults: list[str] = []
    marks = read_marks(output)
    for folder in sorted(_subfolders(output)) if output.is_dir() else []:
        path = folder / RESULT
        if not path.is_file():
            continue
        try:
            result = read_result(path)
            if not result.gone:
                results.append(merged(result, marks.of(folder.name)))
        except MarksError as error:
            faults += error.faults
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            faults.append(f"{shown(path)}: cannot be read ({error}); grade again")
    return results, faults


def write_overview(assignment: Assignment, results: Sequence[SubmissionResult], output: Path) -> None:
    """Write all that is about more than one submission. Raises OSError."""
    answers = collect_answers(assignment, results, lambda submission: read_notebook(output, submission))
    for question in assignment.questions:
        page = render_question(assignment, question.id, results, answers)
        write_atomically(output / "questions" / f"{question.id}.html", page)
    write_atomically(output / "index.html", render_index(assignment, results))
    write_atomically(output / "grades.csv", grades_csv(assignment, results))


def rewrite_report(assignment: Assignment, output: Path, submission: str) -> None:
    """Make one report anew, with the decisions as they are now. Raises MarksError, OSError."""
    folder = output / submission
    with locked(folder):
        try:
            result = read_result(folder / RESULT)
        except FileNotFoundError:
            return  # it is called otherwise now
        changes = read_changes(folder)
        decided = merged(result, changes)
        write_atomically(folder / REPORT, render_submission(assignment, decided, read_notebook(output, submission)))
        result.final = final(decided, changes)
        write_result(folder, result)


def rewrite(assignment: Assignment, results: Iterable[SubmissionResult], output: Path) -> list[str]:
    """Make the reports of these results anew, and the overview of all on the disk; returns what could not be read.

    Each is read again first: a grading may have written another one meanwhile. Raises MarksError, OSError.
    """
    for result in results:
        rewrite_report(assignment, output, result.submission)
    everybody, faults = read_results(output)
    write_overview(assignment, [each for each in everybody if each.assignment == assignment.title], output)
    return faults
