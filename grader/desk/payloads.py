"""What the pages are told: plain records, as JSON."""

from __future__ import annotations

from typing import Literal

import msgspec


class ItemView(msgspec.Struct, kw_only=True):
    key: str
    text: str
    words: str
    """For the student, as written."""
    words_html: str
    points: float
    digit: str
    """The key on the keyboard: "1" to "9", or none."""
    origin: str = "rubric"


class QuestionView(msgspec.Struct, kw_only=True):
    id: str
    title: str
    kind: Literal["code", "text"]
    max_points: float
    criteria_html: str
    items: list[ItemView] = []
    before: str = ""
    """The question before this one, in the rubric's order; empty for the first."""
    after: str = ""


class DecisionView(msgspec.Struct, kw_only=True):
    id: int
    points: float | None
    items: list[str]
    adjustment: float
    comment: str
    comment_html: str
    reason: str
    who: str
    when: str
    count: int = 1
    """Of how many members of the group."""


class LapsedView(msgspec.Struct, kw_only=True):
    """A decision about an answer that was handed in before this one."""

    member: str
    decision: DecisionView
    answer_html: str
    """Empty where the old answer is not known any more."""


class NearView(msgspec.Struct, kw_only=True):
    id: str
    size: int
    excerpt: str
    decided: DecisionView | None = None


class FlagView(msgspec.Struct, kw_only=True):
    who: str
    when: str
    to: str = ""
    note: str = ""


class GroupView(msgspec.Struct, kw_only=True):
    id: str
    size: int
    members: list[str]
    """Their pseudonyms: a decision is about those that were shown."""
    empty: bool
    answer_html: str
    context_html: str
    checks_html: str
    notes_html: str
    outputs_html: str = ""
    status: str = ""
    automatic_points: float | None = None
    """What the checks gave, where they could decide."""
    decision: DecisionView | None = None
    """That of all its members; where they have unequal ones, the most common."""
    differing: list[DecisionView] = []
    """Where they have unequal ones: all of those."""
    offered: DecisionView | None = None
    """Where some members have a decision, and others, who handed in the same later, have none."""
    open: int = 0
    """Members that wait for a decision."""
    late: int = 0
    lapsed: LapsedView | None = None
    near: list[NearView] = []
    flags: list[FlagView] = []
    split: bool = False
    """It was taken out of its group."""
    second: bool = False
    """It is marked a second time, unseen."""
    seen: int = 0
    """To be sent back with a decision: what the marker has seen."""
    names: list[str] = []
    """Of the members; empty unless somebody has asked for them."""


class Place(msgspec.Struct, kw_only=True):
    index: int
    """Counted from 1."""
    of: int
    left: int
    """Groups that wait."""
    answers_left: int


class LeaseView(msgspec.Struct, kw_only=True):
    who: str
    question: str
    group: str


class GroupPayload(msgspec.Struct, kw_only=True):
    question: QuestionView
    group: GroupView | None
    """None where nothing is left."""
    place: Place
    leases: list[LeaseView] = []
    held: int = 0
    """Groups that wait and that others are at."""
    who: str = ""


class QueueRow(msgspec.Struct, kw_only=True):
    id: str
    title: str
    kind: Literal["code", "text"]
    max_points: float
    answers: int
    left: int
    mine: int = 0
    others: int = 0
    review: int = 0
    """Of those that are left: checks that could not decide."""
    lapsed: int = 0
    late: int = 0
    """Of those that are left: handed in late."""
    disagreeing: int = 0
    """Groups of equal answers with unequal points."""
    offered: int = 0
    """Of those that are left: others with an equal answer have a mark."""
    flagged: int = 0
    share: int = 0
    """Of those that are left: dealt out to whoever asks."""
    second: int = 0
    """To be marked a second time by whoever asks; counted once the question was opened."""
    at: list[str] = []
    """Who is at it."""


class QueuePayload(msgspec.Struct, kw_only=True):
    title: str
    who: str
    questions: list[QueueRow]
    left: int
    answers: int
    start: str
    """The question where "Continue" leads; empty where nothing is left."""
    people: list[str]
    """Who has a page open."""
    faults: list[str] = []
    """A line for each submission that cannot be marked here."""
    names: bool = False


class StudentAnswer(msgspec.Struct, kw_only=True):
    question: QuestionView
    group: GroupView


class AdjustmentView(msgspec.Struct, kw_only=True):
    """What is added to one person's points as a whole, or taken off."""

    kind: Literal["late", "adjustment"]
    points: float
    automatic: float | None = None
    """What the rubric's rule takes off, where a person has decided otherwise."""
    words: str = ""
    who: str = ""
    """Empty where the rule has decided."""
    when: str = ""
    seen: int = 0
    """To be sent back with a decision about it."""


class StudentPayload(msgspec.Struct, kw_only=True):
    alias: str
    name: str
    """Empty unless somebody has asked for it."""
    late: bool
    points: float
    """Those that are known, adjusted."""
    max_points: float
    adjustments: list[AdjustmentView]
    """Of lateness where there is any, and for another reason where somebody has decided so."""
    answers: list[StudentAnswer]
    before: str = ""
    after: str = ""
    who: str = ""


class Saved(msgspec.Struct, kw_only=True):
    """A decision was stored, on the disk, before this is said."""

    group: str
    question: str
    count: int
    """Answers that it is about."""
    left_alone: list[str] = []
    """Members that were sent and are not marked: they have handed in another answer, or are in another group now."""
    decision: DecisionView | None = None


class Decided(msgspec.Struct, kw_only=True):
    saved: Saved
    next: GroupPayload | None = None


class Undone(msgspec.Struct, kw_only=True):
    said: str
    question: str = ""
    group: str = ""
    next: GroupPayload | None = None
    """The group that it was about."""


class ItemEffect(msgspec.Struct, kw_only=True):
    """What changing an item does, or has done."""

    answers: int
    points_change: float
    items: list[ItemView] = []
    """The question's items after it."""


class Adjusted(msgspec.Struct, kw_only=True):
    points: float
    """All that are known of the submission, adjusted."""


class ShownName(msgspec.Struct, kw_only=True):
    name: str


class CommentView(msgspec.Struct, kw_only=True):
    comment: str
    comment_html: str
    count: int


class Comments(msgspec.Struct, kw_only=True):
    comments: list[CommentView]


class EarlierAnswer(msgspec.Struct, kw_only=True):
    answer_html: str
    """Empty where there was none, or it is not kept."""
    changes_html: str = ""
    """The answer as it is now, with `<ins>` and `<del>`; empty where it is too long to be compared."""
    when: str = ""
    """When it was replaced."""


PointCount = tuple[float, int]
ItemCount = tuple[str, str, int]
"""Key, text, how many answers."""


class MarkerView(msgspec.Struct, kw_only=True):
    who: str
    count: int
    mean: float
    points: list[PointCount]
    items: list[ItemCount]


class Disagreeing(msgspec.Struct, kw_only=True):
    """Equal answers with unequal points."""

    group: str
    decisions: list[DecisionView]


class OverviewRow(msgspec.Struct, kw_only=True):
    id: str
    title: str
    kind: Literal["code", "text"]
    max_points: float
    known: int
    """Answers with points."""
    left: int
    points: list[PointCount]
    items: list[ItemCount]
    markers: list[tuple[str, int, float]]
    """Who, how many answers, their mean."""
    by_marker: list[MarkerView]
    disagreeing: list[Disagreeing]
    kappa: float | None
    """Cohen's kappa between first and second marks; None where there are none, or it is not defined."""
    weighted_kappa: float | None
    twice: int
    """Answers that were marked twice."""
    equal: int
    """Of those, with the same points."""


class OverviewPayload(msgspec.Struct, kw_only=True):
    title: str
    who: str
    questions: list[OverviewRow]
    stale: list[str]
    """Reports and exports that are older than the marks, a line each."""


class Conflict(msgspec.Struct, kw_only=True):
    """Somebody has decided since the page was shown; nothing was stored."""

    theirs: DecisionView
    yours: DecisionView
    seen: int
    """To be sent instead, to go on nevertheless."""


class Refused(msgspec.Struct, kw_only=True):
    error: str
    """One line: what is wrong, what to do."""
