"""Items: what markers choose from at a question, each with its points and its words for the student."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Origin = Literal["rubric", "added"]


class Item(msgspec.Struct, kw_only=True, frozen=True):
    """One item of a question, as it is now."""

    question: str
    key: str
    """Names it among the question's items, for ever: what was chosen is stored by it."""
    text: str
    """For markers: short."""
    points: float
    """What it adds; negative where it takes points off."""
    words: str = ""
    """For the student, in Markdown; empty where nothing is to be said."""
    position: int = 0
    """Its place among the question's items, counted from 0."""
    origin: Origin = "added"
    """*rubric*: it stands in `rubric.toml`. *added*: while marking."""
    retired: bool = False
    """It is offered no more; where it was chosen it counts as before."""


class Effect(msgspec.Struct, kw_only=True, frozen=True):
    """What changing an item does, or has done."""

    answers: int
    """Answers about which the decision that counts becomes another one."""
    points: float
    """By how much all of them together gain; negative where they lose."""


def points_of(items: Iterable[float], adjustment: float, most: float) -> float:
    """What counts: the items' sum, cut to 0 and the maximum, plus the adjustment, cut again."""
    return min(max(min(max(sum(items), 0.0), most) + adjustment, 0.0), most)
