"""One question made ready to be marked: its groups, in their order, with those that are nearly equal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import msgspec

from grader.desk.groups import EMPTY, Group, Key, Member, by_key, group_id, groups_of

Order = Callable[[Sequence[str], Literal["code", "text"]], tuple[list[int], list[list[int]]]]
"""From sources to their order, and to the places of those that are nearly equal."""


NEAR = 12
"""Groups that are offered beside one, at most."""


class Alike(msgspec.Struct, kw_only=True):
    """The equal answers of a question, ordered; independent of decisions and of who was split off."""

    keys: dict[Key, list[Member]]
    """Empty answers first, then like ones after each other."""
    near: dict[Key, list[Key]]
    """The others that a group resembles; all with the same verdicts."""


class Prepared:
    """A question's groups as they are shown. Not changed: made anew when somebody is split off."""

    def __init__(self, question: str, alike: Alike, split: Collection[str]) -> None:
        self.question = question
        self.alike = alike
        self.groups: dict[str, Group] = groups_of(question, alike.keys, split)
        self.order: list[str] = list(self.groups)
        self.place: dict[str, int] = {id: place for place, id in enumerate(self.order)}
        self.group_of: dict[str, str] = {
            submission: id for id, group in self.groups.items() for submission in group.members
        }
        self.digests: dict[str, str] = {
            member.submission: member.digest for members in alike.keys.values() for member in members
        }
        """Of the answers that were grouped: whoever has handed in another one since is in no group yet."""
        self._keys = {group_id(question, key): key for key in alike.keys}

    def near(self, id: str) -> list[Group]:
        """Groups that are nearly equal to this one, with the same verdicts of checks."""
        others = self.alike.near.get(self._keys[id], []) if id in self._keys else []
        ids = [group_id(self.question, key) for key in others]
        return [self.groups[id] for id in ids if id in self.groups]


def alike_of(
    kind: Literal["code", "text"], members: Sequence[Member], sources: Mapping[str, str], order: Order
) -> Alike:
    """members: in the order in which submissions are shown. sources: of each member, by submission."""
    keys = by_key(members)
    ordered = sorted((key for key in keys if key[0] != EMPTY), key=lambda key: -len(keys[key]))
    places, near = order([sources[keys[key][0].submission] for key in ordered], kind)
    found: dict[Key, list[Key]] = {}
    for places_of_group in near:
        verdicts: dict[object, list[Key]] = {}
        for one in places_of_group:
            verdicts.setdefault(ordered[one][1], []).append(ordered[one])
        for same in verdicts.values():
            for number, key in enumerate(same):
                # Those around it: a thousand that resemble each other are not a thousand offers each.
                start = max(0, min(number - NEAR // 2, len(same) - NEAR - 1))
                found[key] = [other for other in same[start : start + NEAR + 1] if other != key]
    empty = [key for key in keys if key[0] == EMPTY]
    return Alike(keys={key: keys[key] for key in [*empty, *(ordered[place] for place in places)]}, near=found)
