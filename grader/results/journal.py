"""What people decided about one submission: kept beside what the checks found, and merged with it on reading."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from grader.faults import Faults, shown
from grader.results.results import Change, QuestionResult, SubmissionResult, total, write_atomically

FILE = "marks.json"


class MarksError(Faults):
    """Marks cannot be read or used."""


def read_changes(folder: Path) -> list[Change]:
    """All decisions about the submission of this folder, oldest first; MarksError where they cannot be read."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Change])
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise MarksError([f"{shown(path)}: cannot be read ({error.strerror}); the marks in it are needed"]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = f"is damaged ({error}); correct it, or move it away and mark again"
        raise MarksError([f"{shown(path)}: {why}"]) from None


def write_changes(folder: Path, changes: Sequence[Change]) -> None:
    """Store all decisions about the submission of this folder. Whoever adds to them holds the lock (`locked`)."""
    write_atomically(folder / FILE, msgspec.json.format(msgspec.json.encode(list(changes)), indent=1) + b"\n")


@contextlib.contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keep others from changing marks in these results meanwhile: of two who add at once, neither is lost.

    MarksError where there is no such folder.
    """
    try:
        handle = os.open(output, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        why = f"cannot be read ({error.strerror}); name the folder that `grader grade` has written"
        raise MarksError([f"{shown(output)}: {why}"]) from None
    try:
        # Some network file systems lock no folders. There, marks are still written whole.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def merged(result: SubmissionResult, changes: Sequence[Change]) -> SubmissionResult:
    """A new result, in which people's decisions take the place of what the checks found in `result`.

    Of the decisions about a question, the last one about the very answer in `result` counts. Decisions about another
    answer, handed in earlier, do not: this one is to be marked again. Nor do those about another submission.
    """
    own = [change for change in changes if is_about(change, result)]
    questions = [_decided(question, own) for question in result.questions]
    new = msgspec.structs.replace(result, questions=questions)
    total(new)
    return new


def is_about(change: Change, result: SubmissionResult) -> bool:
    """Whether a decision is about this submission, whichever of its answers it was.

    Those of an earlier version do not say. They count beside a result of such a version; once it is graded anew, only
    those do that were found to be its own then.
    """
    return change.submission == result.submission if change.submission else not result.root


def _decided(question: QuestionResult, changes: Sequence[Change]) -> QuestionResult:
    own = [change for change in changes if change.question == question.id and change.answer == question.answer]
    points = own[-1].points if own else None
    # The rubric may have come to give the question fewer points since: then the mark says nothing any more.
    if points is None or points > question.max_points:
        return msgspec.structs.replace(question, changes=own)
    return msgspec.structs.replace(
        question, points=points, automatic_points=question.points, status="marked", changes=own
    )
