"""What the names of a download say, alike for every site: whose file it is, when it came, where feedback goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from grader.results.classlist import Site
from grader.sites.archive import Contents, Refusal, Unpacked

MAX_OUTER = 2
"""Folders around the hand-ins: the site's own for the assignment, and one that unpacking made."""


@dataclass(frozen=True)
class Place:
    """What one name of a download says."""

    person: str
    """The full name, or as much of it as the site gives; empty where it is anonymous."""
    folder: str
    """What the name of the hand-in's feedback begins with."""
    hand_in: str
    """Equal for the files of one hand-in."""
    flat: bool = False
    ids: tuple[tuple[str, str], ...] = ()
    submitted: str = ""
    """As the site wrote it; empty where it does not say."""
    late: bool | None = None
    file: str = ""
    """What remains of the name, where there is no folder for each hand-in."""


class Given(NamedTuple):
    """A file of a hand-in, with its path below that."""

    path: tuple[str, ...]
    unpacked: Unpacked
    place: Place

    @property
    def name(self) -> str:
        return "/".join(self.path)


@dataclass
class Found:
    """One hand-in of a download, in the download's order; a person can have several."""

    place: Place
    order: int
    files: list[Given] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass
class Person:
    """All hand-ins of one person."""

    name: str
    ids: dict[str, str]
    hand_ins: list[Found]


@dataclass(frozen=True)
class Format:
    """How one site writes its downloads."""

    site: Site
    title: str
    examples: tuple[str, ...]
    read: Callable[[str, bool], Place | None]
    """Reads one part of a path; the flag tells a folder. None where it is no name of the site's."""
    people: Callable[[Sequence[Found]], list[Person]]
    leftovers: frozenset[str] = frozenset()
    """Files of the site's own, which nobody handed in."""


class Sorted(NamedTuple):
    assignment: str
    hand_ins: list[Found]
    refused: list[str]


def sort_by_hand_in(contents: Contents, format: Format) -> Sorted:
    """Give each file of a download to its hand-in."""
    outer = _outer(contents, format)
    found: dict[str, Found] = {}
    refused: list[str] = []

    def find(path: tuple[str, ...], is_folder: bool) -> tuple[Found, Place, tuple[str, ...]] | None:
        at = len(outer)
        if len(path) <= at or path[:at] != outer:
            return None
        place = format.read(path[at], is_folder or at < len(path) - 1)
        if place is None:
            return None
        hand_in = found.setdefault(place.hand_in, Found(place, len(found)))
        return hand_in, place, ((place.file,) if place.file else ()) + path[at + 1 :]

    for path in contents.folders:
        find(path, True)
    for unpacked in contents.files:
        place = find(unpacked.path, False)
        if place is not None:
            place[0].files.append(Given(place[2], unpacked, place[1]))
        elif unpacked.nested == 0 and unpacked.path[-1] not in format.leftovers:
            refused.append(str(Refusal(unpacked.path, "is not part of any hand-in")))
    for refusal in contents.refused:
        # Only its name is read: who handed in nothing else is in the list all the same.
        place = find(_plain(refusal.path), False)
        if place is not None:
            place[0].refused.append(str(Refusal(place[2][-1:] or refusal.path[-1:], refusal.why)))
        refused.append(str(refusal))
    return Sorted(outer[-1] if outer else "", list(found.values()), refused)


def _outer(contents: Contents, format: Format) -> tuple[str, ...]:
    """The folder in which the hand-ins lie: one for all, or a student's own folder could pass for another's hand-in."""
    counts: Counter[tuple[str, ...]] = Counter()
    names = [(path, True) for path in contents.folders] + [(unpacked.path, False) for unpacked in contents.files]
    names += [(_plain(refusal.path), False) for refusal in contents.refused]
    for path, is_folder in names:
        for at, part in enumerate(path[: MAX_OUTER + 1]):
            if format.read(part, is_folder or at < len(path) - 1) is not None:
                counts[path[:at]] += 1
                break
    return max(counts, key=lambda outer: (counts[outer], -len(outer)), default=())


def _plain(path: tuple[str, ...]) -> tuple[str, ...]:
    parts = "/".join(path).replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", ".", ".."))


def people_by_id(hand_ins: Sequence[Found], id: str) -> list[Person]:
    """Persons, where the site's own number for each stands in every name."""
    people: dict[str, Person] = {}
    for hand_in in hand_ins:
        ids = dict(hand_in.place.ids)
        person = people.setdefault(ids[id], Person(hand_in.place.person, {id: ids[id]}, []))
        person.hand_ins.append(hand_in)
    return list(people.values())
