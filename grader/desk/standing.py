"""How one answer stands: the decision that counts, one that has lapsed, and whether a person still has to look."""

from __future__ import annotations

import msgspec

from grader.report.statuses import in_review, to_mark
from grader.results.results import Change, QuestionResult


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    decision: Change | None = None
    """The one that counts."""
    lapsed: Change | None = None
    """One that does not any more, where none counts: mostly since it is about an earlier answer."""
    seen: int = 0
    """`Change.id` of the last decision about this answer, also of one that takes another back."""
    waits: bool = False
    """Whether a person must decide: nobody has, and the checks have not."""


def standing_of(answer: QuestionResult, decided: QuestionResult) -> Standing:
    """answer: as graded. decided: with all decisions merged in (`grader.results.journal.merged`)."""
    last = decided.changes[-1] if decided.changes else None
    decision = last if decided.status == "marked" else None
    return Standing(
        decision=decision,
        lapsed=decided.lapsed,
        seen=last.id if last is not None else 0,
        waits=decision is None and (to_mark(answer) or in_review(answer)),
    )
