"""Moodle's downloads: `Full Name_<participant>_assignsubmission_file/<file>`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.sites.handins import Format, Found, Person, Place, people_by_id

# Moodle writes no underscore into a name. Older versions end a folder's name with one.
_PREFIX = r"(?P<name>[^_/]+)_(?P<participant>\d{1,19})_assignsubmission_(?P<plugin>file|onlinetext)"
_FOLDER = re.compile(_PREFIX + r"_?")
_FLAT = re.compile(rf"(?P<prefix>{_PREFIX}_)(?P<file>.+)")
# Instead of a name, where the marking is anonymous.
_ANONYMOUS = ("participant", "deelnemer", "teilnehmer/in", "teilnehmer", "participante")


def _read(name: str, is_folder: bool) -> Place | None:
    match = _FOLDER.fullmatch(name) if is_folder else _FLAT.fullmatch(name)
    if match is None:
        return None
    person = " ".join(match["name"].split())
    anonymous = person.casefold() in _ANONYMOUS
    return Place(
        person="" if anonymous else person,
        folder=name if is_folder else match["prefix"],
        # A text that was typed into the site has a folder of its own.
        hand_in=match["participant"],
        flat=not is_folder,
        ids=(("participant", match["participant"]),),
        file="" if is_folder else match["file"],
    )


def _people(hand_ins: Sequence[Found]) -> list[Person]:
    return people_by_id(hand_ins, "participant")


MOODLE = Format(
    site="moodle",
    title="Moodle",
    examples=("Jane Smith_123456_assignsubmission_file/homework.ipynb",),
    read=_read,
    people=_people,
)
