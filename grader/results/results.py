"""What grading one submission yields: plain data, written to disk in one piece."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

CheckStatus = Literal["passed", "failed", "review", "carried forward", "missing"]
QuestionStatus = Literal["passed", "failed", "review", "carried forward", "missing", "to be marked", "marked", "later"]
"""*marked*: a person gave the points. *later*: students cannot check this themselves; it is graded when handed in."""

Feedback = Literal["full", "outcome"]
"""What a student is told of a check. *outcome*: its title and how it came out, but no inputs, values or reasons."""

SubmissionStatus = Literal["graded", "missing", "unreadable", "error"]
"""*missing*: no notebook was handed in. *unreadable*: the file is at fault. *error*: the harness is, and a person must
look."""

WORST_FIRST: tuple[CheckStatus, ...] = ("review", "failed", "missing", "carried forward", "passed")
"""The order in which the statuses of checks decide the status of their question."""


class CheckResult(msgspec.Struct, kw_only=True):
    """The outcome of one check. `points` is None while a person has to look (*review*)."""

    name: str
    title: str
    """The first paragraph of the check's docstring: what the student reads."""
    points: float | None
    max_points: float
    status: CheckStatus
    message: str = ""
    """For the student. Empty where there is nothing to say."""
    detail: str = ""
    """For staff: the traceback of a check that broke, or of a harness error. Never shown to a student."""
    broken: str = ""
    """For staff, on one line: what a check that broke has raised, and where. Empty where it did not break."""
    feedback: Feedback = "full"
    seconds: float = 0.0

    @property
    def for_staff(self) -> str:
        """The message as staff read it."""
        return f"the check is broken: {self.broken}" if self.broken else self.message


def told(check: CheckResult) -> CheckResult:
    """A check as its student may see it: nothing that is for staff, and no message where only the outcome is told."""
    message = "" if check.feedback == "outcome" else check.message
    return msgspec.structs.replace(check, message=message, detail="", broken="")


def status_of(kind: Literal["code", "text"], checks: Sequence[CheckResult], *, missing: bool) -> QuestionStatus:
    """The status of a question by its checks, where no person has decided. `missing`: it has no answer."""
    if missing:
        return "missing"
    if kind == "text":
        return "to be marked"
    if not checks:
        return "later"
    statuses = {check.status for check in checks}
    return next(status for status in WORST_FIRST if status in statuses)


LATE, OTHER = "late", "adjustment"
"""What stands for a question in a decision about a submission as a whole: its lateness, or anything else."""


class Change(msgspec.Struct, kw_only=True, frozen=True):
    """A person's decision about one question of one submission, or about all of it: who, when and why."""

    question: str
    """A question's id; LATE or OTHER where `points` are an adjustment of the whole, negative ones taken off."""
    points: float | None
    """None takes earlier decisions back: what the checks say counts again."""
    before: float | None
    """The points until then; None where they were not known."""
    comment: str = ""
    """For the student."""
    reason: str = ""
    """Why the checks' points were overridden; shown to the student too. Empty for text questions."""
    who: str
    when: str
    """ISO 8601, UTC, to the second."""
    answer: str
    """`QuestionResult.answer` of the answer that was marked: a decision holds for that answer alone. Of lateness
    `Lateness.key`; empty for OTHER."""
    submission: str = ""
    """The submission that was marked: for another, also one with an equal answer, it says nothing. Empty where an
    earlier version wrote it."""
    id: int = 0
    """Its row in the store: later ones have greater numbers. 0 where it stands in an earlier version's file only."""
    items: list[str] = []
    """Keys of the items that were chosen."""
    adjustment: float = 0.0
    """What was added to the sum of the items. `points` is what counts: that sum, cut to 0 and the maximum, plus this,
    cut again."""
    replaces: int = 0
    """`id` of the decision about the same answer that counted until then; 0 for none."""
    words: list[str] = []
    """What the chosen items tell the student, in Markdown: as the items were when this was decided. An item that is
    changed makes new decisions."""

    @property
    def told(self) -> str:
        """All that the student reads, beside the reason: the items' words and the comment."""
        return "\n\n".join(filter(None, [*self.words, self.comment]))


class QuestionResult(msgspec.Struct, kw_only=True):
    """One question: its answer's place in the notebook, and its checks.

    `points` is None where nothing is known yet: a text question to be marked, or a code question
    all of whose checks are in review.
    """

    id: str
    title: str
    kind: Literal["code", "text"]
    points: float | None
    max_points: float
    status: QuestionStatus
    cells: list[int]
    """Indices into the submission's own list of cells, counted from 0."""
    checks: list[CheckResult] = []
    found_by: str = ""
    """How the answer was located: "id", "label", "name", or "" where none was found."""
    notes: list[str] = []
    """For the student: remarks about this answer (cell stopped, answer found in an odd place, ...)."""
    criteria: str = ""
    """Marking criteria, for readers."""
    answer: str = ""
    """SHA-256 of the sources of the answer's cells: equal answers have equal ones. Empty where there is none."""
    automatic_points: float | None = None
    """What the checks gave, where a person decided otherwise (`changes`)."""
    changes: list[Change] = []
    """The decisions about this answer, oldest first; the last one counts. Stored apart from the result."""
    lapsed: Change | None = None
    """A decision that holds no more, where nobody has decided since: it is about an earlier answer, or gave more points
    than there are now."""
    context: list[int] = []
    """Cells that the answer is about, as `context` in the rubric says: indices as in `cells`."""


class Lateness(msgspec.Struct, kw_only=True, frozen=True):
    """How late a submission is, and what the rubric takes off for that."""

    submitted: str = ""
    """ISO 8601, in the site's own time zone or with one; empty where it is not known."""
    due: str = ""
    minutes: float | None = None
    """After `due`; None where only the site says that it is late."""
    points: float = 0.0
    """What is taken off: 0 or negative."""
    by: str = ""
    """`1 day 2 h`; empty where it is not known."""
    words: str = ""
    """In plain words, for everybody: `1 day 2 h late`."""

    @property
    def key(self) -> str:
        """What a decision about it holds for: this hand-in, not a later one."""
        return f"{self.submitted} {self.due}".strip()


class Adjustment(msgspec.Struct, kw_only=True, frozen=True):
    """What is added to a submission's points as a whole, or taken off."""

    kind: Literal["late", "adjustment"]
    points: float
    """As decided; a sum is cut to 0 and the maximum."""
    automatic: float | None = None
    """What the rubric's rule for lateness takes off, where a person has decided otherwise."""
    words: str = ""
    """Why, for everybody."""
    who: str = ""
    """The person who decided; empty where the rule did."""
    when: str = ""
    changes: list[Change] = []
    """The decisions about it, oldest first."""


class Final(msgspec.Struct, kw_only=True, frozen=True):
    """The points that count, with people's decisions in them, as they were when the pages were made."""

    points: float
    code_points: float
    points_to_mark: float
    points_in_review: float
    adjustment: float = 0.0
    questions: dict[str, float | None]
    """The points of each question; None where they are not known."""
    decisions: int
    """How many decisions about this submission there were."""
    last: int
    """`Change.id` of the last of them; 0 where there was none."""


class SubmissionResult(msgspec.Struct, kw_only=True):
    """Everything known about one submission after grading."""

    submission: str
    """The submission's name, after its path below the folder that was given; also its folder in the results."""
    file: str
    """The path as given."""
    root: str = ""
    """The folder that the name is made from, as a path from the results; empty where an earlier version wrote this."""
    source: str = ""
    """The path of the file below `root`."""
    content: str = ""
    """SHA-256 of the file; empty where it could not be read."""
    gone: bool = False
    """It was handed in once, and is not in its folder any more: kept, and in no table."""
    status: SubmissionStatus = "graded"
    message: str = ""
    """One line: what is wrong, where the status is not *graded*."""
    points: float = 0.0
    """The sum of all points known so far, adjusted."""
    adjustment: float = 0.0
    """What the adjustments change: `points` are the questions' sum plus this."""
    late: Lateness | None = None
    """None where it was handed in in time, or nobody knows."""
    adjustments: list[Adjustment] = []
    """Where people's decisions are merged in: that for lateness, and any other, where there are such."""
    max_points: float = 0.0
    code_points: float = 0.0
    code_max_points: float = 0.0
    points_to_mark: float = 0.0
    """Points of the text questions that nobody has marked yet."""
    points_in_review: float = 0.0
    """Points of checks that a person must decide."""
    questions: list[QuestionResult] = []
    notes: list[str] = []
    """About the whole notebook: kernel restarted, output cut, ..."""
    seed: int = 0
    """Every random input of every check follows from it: the same seed repeats the grading."""
    assignment: str = ""
    grader_version: str = ""
    sandbox: str = ""
    """What the notebook was kept in while it ran: "bubblewrap", "landlock" or "process"; empty where it did not run."""
    failed_imports: list[str] = []
    """What could not be imported in the notebook, as a line of code: `import pandas`."""
    timings: dict[str, float] = {}
    """Seconds of wall time by stage."""
    detail: str = ""
    """For staff: the traceback, where the status is *error*."""
    fingerprint: str = ""
    """SHA-256 of all that the result follows from; empty where it was not graded by a batch."""
    pages: str = ""
    """The same, of its report."""
    final: Final | None = None
    """All else in a stored result is what the checks found. None where an earlier version wrote it."""
    same_as: str = ""
    """The submission with the very same notebook, whose grading counts for this one too."""

    def question(self, id: str) -> QuestionResult:
        for question in self.questions:
            if question.id == id:
                return question
        raise KeyError(id)


def total(result: SubmissionResult) -> None:
    """Fill in the sums of `result` from its questions."""
    result.points = result.max_points = result.code_points = result.code_max_points = 0.0
    result.points_to_mark = result.points_in_review = 0.0
    for question in result.questions:
        result.max_points += question.max_points
        result.points += question.points or 0.0
        if question.kind == "code":
            result.code_max_points += question.max_points
            result.code_points += question.points or 0.0
        elif question.points is None:
            result.points_to_mark += question.max_points
        if question.status != "marked":
            result.points_in_review += sum(c.max_points for c in question.checks if c.points is None)
    # Not below nothing, nor above what there is to earn.
    adjusted = result.points + sum(adjustment.points for adjustment in result.adjustments)
    adjusted = min(max(adjusted, 0.0), max(result.max_points, result.points))
    result.adjustment = adjusted - result.points
    result.points = adjusted


def format_points(points: float | None) -> str:
    """Points as people write them: `2`, `1.5`, and a dash where they are not known."""
    return "–" if points is None else f"{points:g}"


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a whole file or nothing: a reader, or a crash, never sees half of it."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; results are read by others as any other file is.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_result(folder: Path, result: SubmissionResult) -> Path:
    """Store `result` as `folder/result.json`."""
    path = folder / "result.json"
    write_atomically(path, msgspec.json.format(msgspec.json.encode(result), indent=1))
    return path


def read_result(path: Path) -> SubmissionResult:
    return msgspec.json.decode(path.read_bytes(), type=SubmissionResult)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
