"""How a check ends, and what a student is told about it."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from grader.assignment.assignment import RubricError
from grader.execution.probe import CheckpointLost, Frame, MissingName, StudentError
from grader.execution.runfolder import SandboxError
from grader.results.results import CheckStatus

MAX_MESSAGE = 4000
MAX_LINE = 300

PYTEST_WORDS = ("assert ", "DID NOT RAISE", "Regex pattern did not match")
"""How messages begin that pytest makes up where the check's author wrote none."""


class Review(Exception):
    """Raised by a check whose evidence is not conclusive: a person decides."""


def review(why: str) -> NoReturn:
    """End the check as *review*: neither passed nor failed, a person must look. `why` is shown to both."""
    raise Review(why)


class ReferenceFailed(Exception):
    """The reference raised an exception where a check asked it: nothing is known about the student's answer."""


class Outcome(msgspec.Struct, frozen=True):
    status: CheckStatus
    message: str = ""
    detail: str = ""
    broken: str = ""


NameCell = Callable[[str], str]
"""From a file name in a student's traceback to what the student calls it: `cell 12`."""


def outcome_of(error: BaseException | None, promise: str, name_cell: NameCell, folder: Path) -> Outcome:
    """The outcome of a check that ended with `error`. SandboxError and RubricError are raised again: no outcomes.

    `promise` is the check's docstring, which is what failed where the check says nothing more; `folder` the rubric's.
    """
    match error:
        case None:
            return Outcome("passed")
        case SandboxError() | RubricError() | KeyboardInterrupt():
            raise error
        case MissingName():
            return Outcome("failed", f"`{error.name}` is not defined after the cells of this question have run.")
        case StudentError():
            return Outcome("failed", explain(error, name_cell))
        case AssertionError() | pytest.fail.Exception():
            return Outcome("failed", _short(assertion_message(error) or f"This does not hold: {promise}"))
        case Review():
            return Outcome("review", _short(str(error)))
        case CheckpointLost():
            return Outcome("review", "A person must look at this answer: its check could not be run.", str(error))
    return Outcome(
        "review",
        "A person must look at this answer: its check could not be completed.",
        "".join(traceback.format_exception(error))[-20_000:],
        what_broke(error, folder),
    )


def what_broke(error: BaseException, folder: Path) -> str:
    """What a check raised, and the last line of the rubric's on the way there, on one line for staff."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)
    ]
    raised = _one_line("".join(traceback.format_exception_only(error)))
    if not frames:
        return raised
    last = frames[-1]
    source = f": `{_one_line(last.line)}`" if last.line else ""
    return f"{raised} ({Path(last.filename).relative_to(folder)}, line {last.lineno}{source})"


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}…"


def assertion_message(error: BaseException) -> str:
    """What the check's author wrote, without pytest's analysis of the assert statement."""
    text = str(error)
    if text.startswith(PYTEST_WORDS):
        return ""
    return text.partition("\nassert ")[0].strip()


def explain(error: StudentError, name_cell: NameCell) -> str:
    """A student's exception with its traceback, by cell and line."""
    lines = [_short(str(error))]
    for line, same in itertools.groupby(f"  {_place(frame, name_cell)}" for frame in error.frames):
        # A recursion without end has a thousand lines of it.
        count = len(list(same))
        lines.append(line if count == 1 else f"{line}  (and again, many times)")
    return "\n".join(lines)


def _place(frame: Frame, name_cell: NameCell) -> str:
    function = f", in {frame.function}" if frame.function != "<module>" else ""
    return f"{name_cell(frame.file)}, line {frame.line}{function}: {frame.source}"


def _short(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + " …"
