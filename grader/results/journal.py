"""What people decided about one submission, merged with what the checks found: on reading, never on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from grader.faults import Faults
from grader.results.results import (
    LATE,
    OTHER,
    Adjustment,
    Change,
    Final,
    QuestionResult,
    SubmissionResult,
    format_points,
    total,
)


class MarksError(Faults):
    """Marks cannot be read or used."""


def merged(result: SubmissionResult, changes: Sequence[Change]) -> SubmissionResult:
    """A new result, in which people's decisions take the place of what the checks found in `result`.

    Of the decisions about a question, the last one about the very answer in `result` counts. Decisions about another
    answer, handed in earlier, do not: this one is to be marked again. Nor do those about another submission.
    """
    own = [change for change in changes if is_about(change, result)]
    questions = [_decided(question, own) for question in result.questions]
    new = msgspec.structs.replace(result, questions=questions, adjustments=_adjustments(result, own))
    total(new)
    return new


def final(result: SubmissionResult, changes: Sequence[Change]) -> Final:
    """What counts in the end. `result`: with `changes` merged in."""
    own = [change for change in changes if is_about(change, result)]
    return Final(
        points=result.points,
        code_points=result.code_points,
        points_to_mark=result.points_to_mark,
        points_in_review=result.points_in_review,
        adjustment=result.adjustment,
        questions={question.id: question.points for question in result.questions},
        decisions=len(own),
        last=own[-1].id if own else 0,
    )


def adjusted(result: SubmissionResult) -> str:
    """A sentence that says why a submission has other points than the sum of its questions; empty where it has not."""
    parts = [
        f"{format_points(abs(each.points))} {'taken off' if each.points < 0 else 'added'}"
        + (f": {' '.join(each.words.split())}" if each.words else "")
        for each in result.adjustments
        if each.points
    ]
    return f"Adjusted: {'; '.join(parts)}." if parts else ""


def is_older(result: SubmissionResult, changes: Sequence[Change]) -> bool:
    """Whether a submission's pages, stored with `result`, were made before the last of the decisions about it."""
    own = [change for change in changes if is_about(change, result)]
    if result.final is None:
        return bool(own)
    return (result.final.decisions, result.final.last) != (len(own), own[-1].id if own else 0)


def is_about(change: Change, result: SubmissionResult) -> bool:
    """Whether a decision is about this submission, whichever of its answers it was.

    Those of an earlier version do not say. They count beside a result of such a version; once it is graded anew, only
    those do that were found to be its own then.
    """
    return change.submission == result.submission if change.submission else not result.root


def _decided(question: QuestionResult, changes: Sequence[Change]) -> QuestionResult:
    own = [change for change in changes if change.question == question.id and change.answer == question.answer]
    points = own[-1].points if own else None
    if points is None:
        lapsed = None if own else _lapsed(question, changes)
        return msgspec.structs.replace(question, changes=own, lapsed=lapsed)
    # The rubric may have come to give the question fewer points since: then the mark says nothing any more.
    if points > question.max_points:
        return msgspec.structs.replace(question, changes=own, lapsed=own[-1])
    return msgspec.structs.replace(
        question, points=points, automatic_points=question.points, status="marked", changes=own
    )


def _lapsed(question: QuestionResult, changes: Sequence[Change]) -> Change | None:
    """The last decision about another answer to the question that was not taken back."""
    about = [change for change in changes if change.question == question.id]
    last = {change.answer: change for change in about}
    return next((each for each in reversed(about) if each is last[each.answer] and each.points is not None), None)


def _adjustments(result: SubmissionResult, changes: Sequence[Change]) -> list[Adjustment]:
    found: list[Adjustment] = []
    late = result.late
    if late is not None:
        own = [change for change in changes if change.question == LATE and change.answer == late.key]
        if own and own[-1].points is not None:
            found.append(_decided_adjustment("late", own, late.points))
        else:
            found.append(Adjustment(kind="late", points=late.points, words=late.words, changes=own))
    own = [change for change in changes if change.question == OTHER]
    if own and own[-1].points is not None:
        found.append(_decided_adjustment("adjustment", own, None))
    return found


def _decided_adjustment(
    kind: Literal["late", "adjustment"], changes: list[Change], automatic: float | None
) -> Adjustment:
    last = changes[-1]
    return Adjustment(
        kind=kind,
        points=last.points or 0.0,
        automatic=automatic,
        words=last.reason or last.comment,
        who=last.who,
        when=last.when,
        changes=changes,
    )
