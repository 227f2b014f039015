"""The results folder as it is now: read once, and followed while a grading writes into it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from grader.assignment.assignment import Assignment
from grader.faults import shown
from grader.marks.markable import fits
from grader.report.store import RESULT
from grader.results.classlist import CLASS_FILE, ClassList, SiteError, read_class_list
from grader.results.results import Final, QuestionResult, SubmissionResult, read_result

Stamp = tuple[int, int, int]
Stamps = dict[str, Stamp]
"""By submission."""


class Followed(NamedTuple):
    """What has changed on the disk since the last look."""

    changed: set[str]
    """Submissions that are new, or were graded anew."""
    gone: set[str]


class Folder:
    """All results of this rubric, as the checks left them: without people's decisions."""

    def __init__(self, assignment: Assignment, output: Path) -> None:
        self.assignment = assignment
        self.output = output
        self.results: dict[str, SubmissionResult] = {}
        """By submission; those that were graded, and not with another rubric."""
        self.answers: dict[str, dict[str, QuestionResult]] = {question.id: {} for question in assignment.questions}
        """By question and submission."""
        self.faults: dict[str, str] = {}
        """A line for each submission that cannot be shown."""
        self.finals: dict[str, Final | None] = {}
        """The points that count, by the pages as they are on the disk."""
        self.late: dict[str, bool] = {}
        self.names: dict[str, str] = {}
        """What the course site calls people."""
        self._stamps: dict[str, Stamp] = {}
        self._class_stamp: Stamp | None = None

    def follow(self, found: Stamps) -> Followed:
        """Read what has changed since. Results are replaced whole, so nothing half written is read. Raises OSError."""
        changed: set[str] = set()
        for submission, stamp in found.items():
            if self._stamps.get(submission) != stamp and self._read(submission):
                changed.add(submission)
        gone = set(self._stamps) - set(found)
        for submission in gone:
            self._forget(submission)
        self._stamps = found
        self._read_class_list()
        return Followed(changed, gone)

    def stamps(self) -> Stamps:
        """When each result was written. Only looks at the disk, so another thread may ask. Raises OSError."""
        found: Stamps = {}
        with os.scandir(self.output) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and (stamp := _stamp(f"{entry.path}/{RESULT}")) is not None:
                    found[entry.name] = stamp
        return found

    def _read(self, submission: str) -> bool:
        """Whether there is something new."""
        path = self.output / submission / RESULT
        self.faults.pop(submission, None)
        try:
            result = read_result(path)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self.faults[submission] = f"{shown(path)}: cannot be read ({error}); grade again"
            return self._forget(submission)
        if result.gone or result.status != "graded":
            return self._forget(submission)
        if not fits(self.assignment, result):
            self.faults[submission] = (
                f"{shown(self.output / submission)}: was graded with another rubric, or an earlier state of this one "
                f"({result.assignment}); grade it again"
            )
            return self._forget(submission)
        self.finals[submission] = result.final
        # Pages that are made anew change what a result says of the final points, and nothing that is marked.
        result = msgspec.structs.replace(result, final=None)
        if self.results.get(submission) == result:
            return False
        self.results[submission] = result
        for question in result.questions:
            self.answers[question.id][submission] = question
        return True

    def _forget(self, submission: str) -> bool:
        for answers in self.answers.values():
            answers.pop(submission, None)
        return self.results.pop(submission, None) is not None

    def _read_class_list(self) -> None:
        stamp = _stamp(self.output / CLASS_FILE)
        if stamp == self._class_stamp:
            return
        self._class_stamp = stamp
        try:
            classlist = read_class_list(self.output) or ClassList(site="canvas")
        except SiteError:
            return  # marking goes on without names; the export says what is wrong
        self.late = {hand_in.submission: bool(hand_in.late) for hand_in in classlist.hand_ins}
        self.names = {hand_in.submission: hand_in.person for hand_in in classlist.hand_ins if hand_in.person}


def _stamp(path: str | Path) -> Stamp | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a class has a thousand of them, every second
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
