"""Who of a download is who among those imported before: by the site's numbers, or by name where it has none."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from grader.results.classlist import HandIn
from grader.sites.handins import Person


def find_known(people: Sequence[Person], old: list[HandIn]) -> list[tuple[Person, HandIn | None]]:
    """Who is who among those who were imported before, and are taken out of `old`. The surest signs come first."""
    known: dict[int, HandIn] = {}
    for is_same in (_has_same_numbers, _is_same):
        for index, person in enumerate(people):
            hand_in = next((hand_in for hand_in in old if index not in known and is_same(person, hand_in)), None)
            if hand_in is not None:
                old.remove(hand_in)
                known[index] = hand_in
    return [(person, known.get(index)) for index, person in enumerate(people)]


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
    return unicodedata.normalize("NFC", person.name) == unicodedata.normalize("NFC", old.person)
