"""Checks whose own code does not end: each costs its time once or twice, and then no more."""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from grader.assignment.assignment import Assignment
from grader.execution.owntime import OwnTime
from grader.rubric.outcomes import Outcome

IN_A_ROW = 2
"""Answers for which a check does not end, with none in between for which it does: then it is *broken*."""
UNINTERRUPTED = "did not end in its time, {seconds:g} seconds of CPU, and could not be interrupted"


class Overtime:
    """The time of the checks of one rubric, over as many submissions as one process is given."""

    def __init__(self, assignment: Assignment, announce: Callable[[str], None] = lambda check: None) -> None:
        """`announce` is told which check begins: nothing in here may be able to tell, should it never end."""
        self.limits = assignment.limits
        self.folder = assignment.folder
        self.announce = announce
        self.broken: dict[str, str] = {}
        """Checks that are not run any more, and why."""
        self.in_a_row: Counter[str] = Counter()
        self.why = ""
        """Of the check at hand, once it is over its time."""

    @contextlib.contextmanager
    def of_check(self, check: str) -> Iterator[None]:
        """For all cases of a check on one answer: where one does not end, the others are not run."""
        self.why = ""
        known = self.broken.get(check)
        self.announce(check)
        yield
        if self.why:
            self.in_a_row[check] += 1
            if self.in_a_row[check] < IN_A_ROW:
                self.broken.pop(check, None)
        elif known is None:
            del self.in_a_row[check]

    def run(self, check: str, code: Callable[[], None]) -> bool:
        """Whether the code has ended in its time."""
        own = OwnTime(self.limits.rubric_cpu_seconds, self.limits.rubric_wall_seconds)
        with own.within():
            code()
        if own.reason and not self.why:
            self.why = self.broken[check] = own.reason
        return not own.reason

    def outcome(self, check: str, error: BaseException | None = None) -> Outcome:
        """*Review*, with the reason; `error` is what has ended the check."""
        why = self.broken[check]
        line = _line(error, self.folder)
        if line:
            why = self.broken[check] = f"{why} (line {line})"
        return Outcome(
            "review",
            f"A person must look at this answer: its check {why}.",
            f"the check {check} {why}\n" + ("".join(traceback.format_exception(error))[-20_000:] if error else ""),
            broken=f"it {why}",
        )


def uninterrupted(assignment: Assignment) -> str:
    """Why a check is broken that has ended its process."""
    return UNINTERRUPTED.format(seconds=assignment.limits.rubric_cpu_seconds)


def _line(error: BaseException | None, folder: Path) -> int | None:
    """Where in the rubric's files the code was when it was broken off."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return next((one.lineno for one in reversed(frames) if Path(one.filename).is_relative_to(folder)), None)
