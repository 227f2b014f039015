"""Canvas's downloads: `<name>[_LATE]_<user id>_<attachment id>_<file>`, all in one folder."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.sites.handins import Format, Found, Person, Place, people_by_id

# Canvas leaves no underscore in a name. A text or an address that was typed into the site has no attachment's number.
_NAME = re.compile(
    r"(?P<prefix>(?P<name>[^_/]*)(?P<late>_late)?_(?P<user>\d{1,19})_(?:(?P<attachment>\d{1,19})_)?)(?P<file>.+)",
    re.IGNORECASE,
)
_ANONYMOUS = re.compile(r"anon", re.IGNORECASE)
_OTHER_SITE = re.compile(r"assignsubmission_", re.IGNORECASE)


def _read(name: str, is_folder: bool) -> Place | None:
    match = _NAME.fullmatch(name)
    if is_folder or match is None or _OTHER_SITE.match(match["file"]):
        return None
    ids = [("user", match["user"])]
    if match["attachment"]:
        ids.append(("attachment", match["attachment"]))
    return Place(
        person="" if _ANONYMOUS.fullmatch(match["name"]) else match["name"],
        folder=match["prefix"],
        hand_in=match["user"],
        flat=True,
        ids=tuple(ids),
        late=match["late"] is not None,
        file=match["file"],
    )


def _people(hand_ins: Sequence[Found]) -> list[Person]:
    return people_by_id(hand_ins, "user")


CANVAS = Format(
    site="canvas",
    title="Canvas",
    examples=("smithjane_640693_9876543_homework.ipynb", "smithjane_LATE_640693_9876543_homework.ipynb"),
    read=_read,
    people=_people,
)
