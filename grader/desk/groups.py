"""Groups: equal answers to a question, which get one decision."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from grader.results.results import QuestionResult

EMPTY = ""
"""The normal form of no answer."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One submission's answer, as far as it decides with which others it is equal."""

    submission: str
    digest: str = ""
    """Of the answer as it was handed in: `QuestionResult.answer`."""
    form: str
    """Its normal form, or a digest of it; `EMPTY` where there is no answer."""
    verdicts: tuple[tuple[str, str, float | None], ...] = ()
    """The checks' names, statuses and points."""
    about: str = ""
    """The same of what the answer talks about: the same words about another run may be right or wrong."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Members in the order in which they are shown; the first one's answer stands for all."""

    id: str
    question: str
    members: tuple[str, ...]
    empty: bool = False
    origin: str = ""
    """The group that this one was taken out of."""


Key = tuple[str, tuple[tuple[str, str, float | None], ...], str]


def verdicts_of(result: QuestionResult) -> tuple[tuple[str, str, float | None], ...]:
    """What the checks have found, as far as equal answers must have it in common."""
    return tuple((check.name, check.status, check.points) for check in result.checks)


def key_of(member: Member) -> Key:
    """Equal for members of one group. All who wrote nothing are equal, whatever it would have been about."""
    return (member.form, member.verdicts, "" if member.form == EMPTY else member.about)


def by_key(members: Iterable[Member]) -> dict[Key, list[Member]]:
    """Equal answers together, in the order of the first of each."""
    found: dict[Key, list[Member]] = {}
    for member in members:
        found.setdefault(key_of(member), []).append(member)
    return found


def groups_of(question: str, alike: Mapping[Key, Sequence[Member]], split: Collection[str] = ()) -> dict[str, Group]:
    """All groups of a question, by id. split: submissions that were taken out of theirs; each is a group of its own.

    The id follows from the answer, so it stays the same when others hand in the same, or the server starts anew.
    """
    found: dict[str, Group] = {}
    for key, members in alike.items():
        together = [member.submission for member in members if member.submission not in split]
        id = group_id(question, key)
        if together:
            found[id] = Group(id=id, question=question, members=tuple(together), empty=key[0] == EMPTY)
        for member in members:
            if member.submission in split:
                own = group_id(question, key, member.submission)
                found[own] = Group(
                    id=own, question=question, members=(member.submission,), empty=key[0] == EMPTY, origin=id
                )
    return found


def group_id(question: str, key: Key, submission: str = "") -> str:
    """Of the group of all who answered so, or of a submission that was taken out of it."""
    whole = msgspec.json.encode([question, *key, submission.encode(errors="surrogateescape").hex()])
    return hashlib.sha256(whole).hexdigest()[:16]
