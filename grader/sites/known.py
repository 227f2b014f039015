"""Who of a download is who among those imported before: by the site's numbers, or by name where it has none."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from grader.results.classlist import HandIn
from grader.sites.handins import Person

_ENOUGH = frozenset(("participant", "username"))
_IDS = _ENOUGH | {"user", "numbers"}


def find_known(people: Sequence[Person], old: list[HandIn]) -> list[tuple[Person, HandIn | None]]:
    """Who is who among those who were imported before, and are taken out of `old`. The surest signs come first."""
    known: dict[int, HandIn] = {}
    candidates = _Candidates(old)
    for is_same in (_has_same_numbers, _is_same):
        for index, person in enumerate(people):
            found = candidates.of(person) if index not in known else ()
            place = next((place for place in found if is_same(person, old[place])), None)
            if place is not None:
                candidates.left.discard(place)
                known[index] = old[place]
    old[:] = [old[place] for place in sorted(candidates.left)]
    return [(person, known.get(index)) for index, person in enumerate(people)]


class _Candidates:
    """Who among those before may be somebody: not all, since everybody is looked for among them."""

    def __init__(self, old: Sequence[HandIn]) -> None:
        self.left = set(range(len(old)))
        self._by_id: dict[tuple[str, str], list[int]] = {}
        self._by_name: dict[tuple[str, frozenset[str]], list[int]] = {}
        self._kinds: set[frozenset[str]] = set()
        for place, hand_in in enumerate(old):
            kinds = frozenset(hand_in.ids) & _IDS
            self._kinds.add(kinds)
            self._by_name.setdefault((_composed(hand_in.person), kinds), []).append(place)
            for id in kinds:
                self._by_id.setdefault((id, hand_in.ids[id]), []).append(place)

    def of(self, person: Person) -> list[int]:
        """Their places, in order: those that `_is_same` can hold for, or `_has_same_numbers`."""
        found = {place for id in _IDS & person.ids.keys() for place in self._by_id.get((id, person.ids[id]), ())}
        for kinds in self._kinds:
            # Where both have such an id, the name alone says nothing.
            if not kinds & person.ids.keys() or ("numbers" in kinds and not kinds & person.ids.keys() & _ENOUGH):
                found.update(self._by_name.get((_composed(person.name), kinds), ()))
        for hand_in in person.hand_ins:
            found.update(self._by_id.get(("numbers", dict(hand_in.place.ids).get("numbers", "")), ()))
        return sorted(found & self.left)


def _has_same_numbers(person: Person, old: HandIn) -> bool:
    numbers = [dict(hand_in.place.ids).get("numbers") for hand_in in person.hand_ins]
    return _same_name(person, old) and "numbers" in old.ids and old.ids["numbers"] in numbers


def _is_same(person: Person, old: HandIn) -> bool:
    for id in ("participant", "username"):
        if id in person.ids and id in old.ids:
            return person.ids[id] == old.ids[id]
    if "numbers" in person.ids and "numbers" in old.ids:
        # Which of the two is the person's may show only in a larger download.
        pairs = zip(person.ids["numbers"].split("-"), old.ids["numbers"].split("-"), strict=False)
        user = person.ids.get("user") or old.ids.get("user")
        return _same_name(person, old) and any(new == before == user for new, before in pairs)
    if "user" in person.ids and "user" in old.ids:
        return person.ids["user"] == old.ids["user"]
    return _same_name(person, old)


def _same_name(person: Person, old: HandIn) -> bool:
    return _composed(person.name) == _composed(old.person)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
