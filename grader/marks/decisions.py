"""What a filled-in score file decides, question by question: plain data in, changes and faults out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from grader.marks.scorefile import (
    Entered,
    Lines,
    ScoreFile,
    brief,
    entered,
    enumerated,
    shown_id,
    tidied,
)
from grader.results.journal import is_about
from grader.results.results import Change, QuestionResult, SubmissionResult, format_points


class Decided(NamedTuple):
    changes: list[Change]
    faults: list[str]
    """What is wrong with the file; where there is anything, nothing of it counts."""
    notes: list[str]
    """What the person should know: an entry that was not understood as one."""
    outdated: list[str]
    """A line where entries are for answers that are not those of the results any more. The others count."""


class _Fault(Exception):
    """One question's entry cannot be used."""


class _Words(NamedTuple):
    """What is decided about a question."""

    points: float | None
    comment: str
    reason: str


class _Entry(NamedTuple):
    """What a file says of one question."""

    question: QuestionResult
    said: _Words
    entered: Entered
    earlier: Change | None
    """The decision that counted when the file was made."""
    later: Change | None
    """The last decision since."""
    who: str

    @property
    def last(self) -> Change | None:
        """The decision that counts now."""
        return self.question.changes[-1] if self.question.status == "marked" else None

    @property
    def before(self) -> _Words:
        """What counts now; of a person's words only. None is known of a question in review."""
        if self.last is not None:
            return _Words(self.last.points, self.last.comment, self.last.reason)
        return _Words(self.question.points if self.question.status != "review" else None, "", "")

    @property
    def later_is_own(self) -> bool:
        return self.later is not None and self.later.who == self.who

    @property
    def meant(self) -> _Words:
        """What has been entered; and where a person decided before, the file's other words too: they are a person's.

        Otherwise those are what the checks found.
        """
        said, new, old = self.said, self.entered, self.before
        persons = self.earlier is not None or self.later_is_own
        return _Words(
            points=said.points if new.points or persons else old.points,
            comment=said.comment if new.comment or persons else old.comment,
            reason=said.reason if new.reason or persons else old.reason,
        )


def decide(
    file: ScoreFile, lines: Lines, result: SubmissionResult, journal: Sequence[Change], who: str, when: str
) -> Decided:
    """The decisions in `file` that are not in the journal yet.

    result: with the journal merged in. who: for files that do not name the person.
    when: ISO 8601, UTC, to the second.
    """
    who = " ".join(file.marked_by.split()) or who
    # Places in the journal count: a file says how long it was.
    journal = [
        change if is_about(change, result) else msgspec.structs.replace(change, question="") for change in journal
    ]
    questions = {question.id: question for question in result.questions}
    decided = Decided([], [], [], [])
    for id in dict.fromkeys([*file.points, *file.reasons, *file.comments]):
        where = _where(lines, id)
        if id not in questions:
            decided.faults.append(f"{where}there is no question {shown_id(id)}")
            continue
        entry = _entry(file, questions[id], journal, who)
        try:
            if not any(entry.entered):
                decided.notes.extend(f"{where}{shown_id(id)}: {note}" for note in _notes(entry))
            elif (change := _change(entry, when)) is not None:
                decided.changes.append(msgspec.structs.replace(change, submission=result.submission))
        except _Fault as fault:
            decided.faults.append(f"{where}{shown_id(id)}: {fault}")
    if others := list(_about_another_answer(file, decided.changes)):
        why = (
            f"its marks for {enumerated(others)} are for an earlier hand-in, and the answer is another one now; "
            "make a new file with `grader marks template`, and mark the new answer"
        )
        decided.outdated.append(why)
        decided.changes[:] = [change for change in decided.changes if change.question not in others]
    return decided._replace(changes=[]) if decided.faults else decided


def _entry(file: ScoreFile, question: QuestionResult, journal: Sequence[Change], who: str) -> _Entry:
    made = len(journal) if file.made_from is None else file.made_from.changes
    new = entered(file, question.id)
    earlier = _last(journal[:made], question)
    if earlier is not None and earlier.points is None:
        earlier = None
    # A comment that stood there at first, where nobody had decided yet, is what the checks found.
    comment = file.comments.get(question.id, "") if new.comment or earlier else ""
    entry = _Entry(
        question=question,
        said=_Words(file.points.get(question.id), tidied(comment), tidied(file.reasons.get(question.id, ""))),
        entered=new,
        earlier=earlier,
        later=_last(journal[made:], question),
        who=who,
    )
    if question.id not in file.points:
        return entry._replace(said=entry.said._replace(points=entry.before.points))
    return entry


def _last(journal: Sequence[Change], question: QuestionResult) -> Change | None:
    """The last decision about this very answer."""
    own = [change for change in journal if (change.question, change.answer) == (question.id, question.answer)]
    return own[-1] if own else None


def _notes(entry: _Entry) -> Iterator[str]:
    """Somebody who goes back to what stood in the file at first has entered nothing, as far as one can tell."""
    if entry.later_is_own and entry.meant != entry.before:
        now = "nothing" if entry.last is None else f"{format_points(entry.before.points)} points"
        yield (
            f"this is as it was when the file was made, but {entry.who} has decided since then ({now}), and "
            "that counts; to change it, make a new file with `grader marks template`"
        )


def _change(entry: _Entry, when: str) -> Change | None:
    """None where the entry says what is so already."""
    question, meant = entry.question, entry.meant
    if meant.points is None:
        if (entry.entered.comment and meant.comment) or (entry.entered.reason and meant.reason):
            raise _Fault("has a text, but no points; give points, or take the text out")
        if entry.last is None:
            return None
        meant = _Words(None, "", "")
    else:
        _require_fit(question, meant.points, meant.reason)
    if meant == entry.before:
        return None
    if entry.later is not None and not entry.later_is_own:
        # Two who marked the same question from the same file are not to undo each other's marks unseen.
        later = entry.later
        did = "took a mark back" if later.points is None else f"gave {format_points(later.points)}"
        raise _Fault(
            f"{later.who} {did} on {later.when}, after this file was made; "
            "agree on the points, and enter them in a new file"
        )
    last, given = entry.last, meant.points or 0.0
    # Who changes only the words leaves the items as they were chosen.
    items, adjustment = (last.items, last.adjustment) if last and last.points == meant.points else ([], given)
    return Change(
        question=question.id,
        points=meant.points,
        items=items,
        adjustment=adjustment,
        before=question.points,
        comment=meant.comment,
        reason=meant.reason,
        who=entry.who,
        when=when,
        answer=question.answer,
    )


def _require_fit(question: QuestionResult, points: float, reason: str) -> None:
    if not 0 <= points <= question.max_points:
        raise _Fault(f"{format_points(points)} is not between 0 and {format_points(question.max_points)}")
    if (points * 2) % 1:
        raise _Fault(f"{format_points(points)} is not a multiple of half a point")
    if question.kind == "text":
        if reason:
            raise _Fault("a reason is for points that checks gave; put this text under `Comments`")
        return
    low, high = automatic_range(question)
    if low <= points <= high:
        if reason and low == high:
            raise _Fault(
                f"has a reason, but {format_points(points)} is what the checks gave; change the points, or take it out"
            )
    elif not reason:
        gave = format_points(low) if low == high else f"between {format_points(low)} and {format_points(high)}"
        raise _Fault(f"the checks gave {gave}; to give {format_points(points)}, say why under `Reasons`")


def automatic_range(question: QuestionResult) -> tuple[float, float]:
    """What the checks gave, at least and at most: those in review may come to give their points or not."""
    known = sum(check.points for check in question.checks if check.points is not None)
    return known, known + sum(check.max_points for check in question.checks if check.points is None)


def _about_another_answer(file: ScoreFile, changes: Sequence[Change]) -> Iterator[str]:
    if file.made_from is None:
        return
    for change in changes:
        origin = file.made_from.questions.get(change.question)
        if origin is None or origin.answer != brief(change.answer):
            yield change.question


def _where(lines: Lines, id: str) -> str:
    places: list[Mapping[str, int]] = [lines.points, lines.comments, lines.reasons]
    return next((f"line {numbers[id]}: " for numbers in places if id in numbers), "")
