"""What pages send, as JSON; each field is checked on reading. Every request that writes has a name of its own (`op`):

sent again after a lost reply, it changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Op = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Line = Annotated[str, msgspec.Meta(max_length=300)]
Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Number = Annotated[float, msgspec.Meta(ge=-1000, le=1000)]


class Asked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    op: Op


class Decide(Asked, kw_only=True):
    question: Line
    group: Line
    """Its id; of a single answer on the student desk, `@` and the beginning of its digest."""
    members: list[Line] | None = None
    """Pseudonyms of those that were shown; all where it is not given."""
    seen: int = 0
    items: list[Line] = []
    adjustment: Number = 0.0
    points: Number | None = None
    """Instead of an adjustment: the points that are meant."""
    comment: Text = ""
    reason: Text = ""
    open_only: bool = False
    """Only those that have no decision: an offer is taken."""
    also: list[Line] = []
    """Near-equal groups of which those without a decision get the same."""
    second: bool = False
    """A second mark, which was asked for: given unseen, compared, and never counted."""
    next: bool = True


class Undo(Asked, kw_only=True):
    pass


class Split(Asked, kw_only=True):
    question: Line
    group: Line
    members: list[Line]
    joined: bool = False
    """Put back, instead of taken out."""


class RaiseFlag(Asked, kw_only=True):
    question: Line
    group: Line
    members: list[Line] | None = None
    to: Line = ""
    note: Text = ""
    on: bool = True


class ChangeItem(Asked, kw_only=True):
    op: Annotated[str, msgspec.Meta(max_length=100)] = ""
    question: Line
    key: Line = ""
    """Empty for a new one."""
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    words: Text = ""
    points: Number
    retired: bool = False


class ShowName(Asked, kw_only=True):
    alias: Line


class Adjust(Asked, kw_only=True):
    """Points for a submission as a whole: lateness lifted or set, or anything else."""

    alias: Line
    kind: Literal["late", "adjustment"]
    points: Number | None
    """Added; negative ones are taken off. None gives lateness back to the rubric's rule, and ends any other."""
    reason: Text = ""
    seen: int = 0


class DealOut(Asked, kw_only=True):
    by: Literal["question", "random", "nobody"]
    people: Annotated[list[Line], msgspec.Meta(max_length=100)] = []


class AskSecond(Asked, kw_only=True):
    question: Line
    share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """How much of the question's groups."""
