"""Brightspace's downloads: one folder a hand-in, `39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/<file>`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from grader.sites.dates import looks_like_date, read_date
from grader.sites.handins import Format, Found, Person, Place

_NUMBERS = re.compile(r"(?:(?P<username>[^\s/]+?)(?: - |[-_]))?(?P<numbers>\d{1,12}-\d{1,12}) - (?P<rest>.+)")
_USERNAME_ONLY = re.compile(r"(?P<username>[^\s/]+) - (?P<rest>.+)")
_USERNAME = re.compile(r"(?=.*\d|[^A-Z]*$)\S+")
"""What can be a user name before a full name: it has a digit, or no capital."""


def _read(name: str, is_folder: bool) -> Place | None:
    match = _NUMBERS.fullmatch(name)
    if match is not None:
        return _place(name, is_folder, match["numbers"], match["username"] or "", match["rest"].split(" - "))
    match = _USERNAME_ONLY.fullmatch(name)
    if match is None:
        return None
    parts = match["rest"].split(" - ")
    # Without the numbers, only a time tells that this is a hand-in.
    dates = [index for index, part in enumerate(parts) if index > 0 and looks_like_date(part)]
    return _place(name, is_folder, "", match["username"], parts) if dates else None


def _place(name: str, is_folder: bool, numbers: str, username: str, parts: list[str]) -> Place | None:
    dates = [index for index, part in enumerate(parts) if index > 0 and read_date(part)] or [
        index for index, part in enumerate(parts) if index > 0 and looks_like_date(part)
    ]
    if is_folder:
        # A folder's name ends with its time; all before that is the person's name.
        at = len(parts) - 1 if len(parts) - 1 in dates else len(parts)
        file = ""
    else:
        # A file's name can hold what separates the parts, and so can not a person's.
        at = dates[0] if dates else (2 if len(parts) > 2 and not username and _USERNAME.fullmatch(parts[0]) else 1)
        file = " - ".join(parts[at + 1 :] if dates else parts[at:])
        if not file:
            return None
    person = parts[:at]
    if not username and len(person) > 1 and _USERNAME.fullmatch(person[0]):
        username, *person = person
    prefix = name.removesuffix(file)
    return Place(
        person=" ".join(" - ".join(person).split()),
        folder=prefix,
        hand_in=prefix,
        flat=not is_folder,
        ids=tuple((key, value) for key, value in (("numbers", numbers), ("username", username)) if value),
        submitted=parts[at] if at in dates else "",
        file=file,
    )


def _people(hand_ins: Sequence[Found]) -> list[Person]:
    """One of the two numbers is the person's and the other the assignment's, or the hand-in's; which is which differs.

    A number that two names share is nobody's; of two that may be a person's, it is the one that stays the same from
    hand-in to hand-in of one name. A user name settles it without that.
    """
    column = _column_of_persons(hand_ins)
    people: dict[tuple[str, str], Person] = {}
    for hand_in in hand_ins:
        ids = dict(hand_in.place.ids)
        if column is not None and "numbers" in ids:
            ids["user"] = ids["numbers"].split("-")[column]
        who = ids.get("username") or ids.get("user") or ""
        # The name too: two of the same number are still two.
        person = people.setdefault((who, _name(hand_in)), Person(hand_in.place.person, ids, []))
        person.hand_ins.append(hand_in)
    return list(people.values())


def _column_of_persons(hand_ins: Sequence[Found]) -> int | None:
    numbered = [
        (_name(hand_in), ids["numbers"].split("-"))
        for hand_in in hand_ins
        if "numbers" in (ids := dict(hand_in.place.ids))
    ]
    distinct = [{numbers[column] for _, numbers in numbered} for column in (0, 1)]
    columns = [column for column in (0, 1) if not _shared((numbers[column], person) for person, numbers in numbered)]
    if len({person for person, _ in numbered}) == 1:
        # Nobody else is there to share a number with.
        columns = [column for column in columns if len(distinct[column]) > 1]
    # The most hand-ins to a number: a number that each hand-in has for itself comes last.
    return min(columns, key=lambda column: len(distinct[column]), default=None)


def _name(hand_in: Found) -> str:
    # Two whose names differ by a capital are two.
    return unicodedata.normalize("NFC", hand_in.place.person)


def _shared(pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether a number stands with two different names."""
    names: dict[str, str] = {}
    return any(names.setdefault(number, name) != name for number, name in pairs)


BRIGHTSPACE = Format(
    site="brightspace",
    title="Brightspace",
    examples=(
        "39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/homework.ipynb",
        "39786-640693 - Jane Smith - homework.ipynb",
    ),
    read=_read,
    people=_people,
    leftovers=frozenset({"index.html"}),
)
