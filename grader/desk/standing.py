"""How one answer stands: the decision that counts, one that has lapsed, and whether a person still has to look."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from grader.report.statuses import in_review, to_mark
from grader.results.results import Change, QuestionResult


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    decision: Change | None = None
    """The last one about this very answer, unless it was taken back."""
    lapsed: Change | None = None
    """The last one about an earlier answer, where none about this one counts."""
    seen: int = 0
    """`Change.id` of the last decision about this answer, also of one that takes another back."""
    waits: bool = False
    """Whether a person must decide: nobody has, and the checks have not."""


def standing_of(answer: QuestionResult, changes: Sequence[Change]) -> Standing:
    """answer: as graded. changes: those about this submission, oldest first, to whichever question."""
    own = [change for change in changes if change.question == answer.id]
    current = [change for change in own if change.answer == answer.answer]
    last = current[-1] if current else None
    # The rubric may have come to give the question fewer points since: then the mark says nothing any more.
    counts = last is not None and last.points is not None and last.points <= answer.max_points
    lapsed = next((change for change in reversed(own) if change.answer != answer.answer), None)
    return Standing(
        decision=last if counts else None,
        lapsed=lapsed if last is None and lapsed is not None and lapsed.points is not None else None,
        seen=last.id if last is not None else 0,
        waits=not counts and (to_mark(answer) or in_review(answer)),
    )
