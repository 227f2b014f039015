"""How markers share the work: shares, flags, second marks, what was taken out of its group. As the store has it now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from grader.results.decisions import Store
from grader.results.results import Change
from grader.results.teamwork import Flag, Place, Share

Key = tuple[str, str, str]
"""Question, submission, and the answer's digest."""

By = Literal["question", "random", "nobody"]


class Teamwork:
    """What the store says; not changed, but read anew."""

    def __init__(
        self,
        split: Iterable[Place] = (),
        flags: Iterable[Flag] = (),
        shares: Iterable[Share] = (),
        seconds: Iterable[Change] = (),
    ) -> None:
        self.split = frozenset(split)
        self.shares = list(shares)
        self.flags: dict[Key, list[Flag]] = {}
        for flag in flags:
            self.flags.setdefault(_key(flag.place), []).append(flag)
        self.seconds: dict[Key, list[Change]] = {}
        for change in seconds:
            self.seconds.setdefault((change.question, change.submission, change.answer), []).append(change)
        self._dealt = {(share.question, share.submission): share.who for share in self.shares if not share.second}
        self._second = {(share.question, share.submission): share.who for share in self.shares if share.second}

    @property
    def is_dealt(self) -> bool:
        """Whether shares were dealt out."""
        return bool(self._dealt)

    def holder(self, question: str, submission: str) -> str:
        """Whose share an answer is; empty for nobody's."""
        for place in ((question, submission), ("", submission), (question, ""), ("", "")):
            if place in self._dealt:
                return self._dealt[place]
        return ""

    def is_for(self, question: str, submission: str, who: str) -> bool:
        """Whether somebody is handed an answer: it is theirs, or nobody's."""
        return not self._dealt or self.holder(question, submission) in ("", who)

    def twice(self, question: str) -> bool:
        """Whether a part of a question is to be marked twice."""
        return any(place[0] in (question, "") for place in self._second)

    def is_for_second(self, question: str, submission: str, who: str) -> bool:
        """Whether somebody may give an answer its second mark, as far as that was dealt out."""
        for place in ((question, submission), ("", submission), (question, ""), ("", "")):
            if place in self._second:
                return self._second[place] in ("", who)
        return False


def read_teamwork(store: Store) -> Teamwork:
    """Raises MarksError."""
    seconds = [change for changes in store.second_marks().values() for change in changes]
    return Teamwork(store.splits(), store.flags(), store.shares(), seconds)


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What is there to be dealt out."""

    questions: Sequence[str]
    """Those with something left."""
    submissions: Sequence[str]
    """In the order of their pseudonyms, which is random."""


def dealt(parts: Parts, by: By, people: Sequence[str], shares: Sequence[Share]) -> list[Share]:
    """New shares, as equal as can be. Those for second marks stay as they are.

    by: whole questions, so that one person marks all answers to it alike; or submissions by chance, with all answers.
    """
    kept = [share for share in shares if share.second]
    if by == "nobody" or not people:
        return kept
    if by == "question":
        return kept + [
            Share(who=people[place % len(people)], question=question) for place, question in enumerate(parts.questions)
        ]
    return kept + [
        Share(who=people[place % len(people)], submission=submission)
        for place, submission in enumerate(parts.submissions)
    ]


def _key(place: Place) -> Key:
    return place.question, place.submission, place.answer
