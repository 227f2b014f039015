"""Who handed in what: the list that an import leaves beside the notebooks, and that an export reads again."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from grader.faults import Faults
from grader.results.results import write_atomically

CLASS_FILE = "class.json"
KEPT = "kept"
"""The folder, beside the notebooks, with everything that is not graded: `kept/<submission>/...`."""

Site = Literal["brightspace", "canvas", "moodle"]


class SiteError(Faults):
    """A download, a grade book or a class list cannot be used.

    Names in it come from students: what would move a terminal's cursor, or turn its text round, is spelt out.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__(["".join(map(_visible, fault)) for fault in faults])


class HandIn(msgspec.Struct, kw_only=True):
    """One person's hand-in: the notebook that is graded, and all else that came with it."""

    submission: str
    """The name of the notebook's file without its suffix, and of its folder in the results."""
    notebook: str | None
    """The file's name in the folder of the class list; None where no notebook was handed in."""
    person: str
    """The full name as the site shows it; empty where the download is anonymous."""
    ids: dict[str, str] = {}
    """What the download says of the person and the hand-in: `user`, `username`, `participant`, `attachment`, ..."""
    folder: str = ""
    """The name in the download which feedback must bear to be accepted: a folder's, or where `flat` a file's prefix."""
    flat: bool = False
    """The download has no folder for each hand-in: the names of files follow on `folder` directly."""
    submitted: str = ""
    """When it was handed in: ISO 8601 in the site's own time zone, or as the site wrote it; empty where not known."""
    late: bool | None = None
    """None where the download does not say."""
    source: str = ""
    """Where the notebook stood in the download."""
    kept: list[str] = []
    """Other files, and earlier hand-ins: paths below the folder of the class list."""
    notes: list[str] = []
    """What a person should know or look at, one line each."""


class ClassList(msgspec.Struct, kw_only=True):
    """All hand-ins of one download, or of several into the same folder."""

    site: Site
    assignment: str = ""
    """The assignment's name in the download; empty where it does not say."""
    due: str = ""
    """When it was due, as told at the last import: ISO 8601, in the site's own time zone; empty where that was not."""
    hand_ins: list[HandIn] = []
    """Ordered by submission."""
    refused: list[str] = []
    """Entries of the download that were not taken, one line each: which, and why."""

    def hand_in(self, submission: str) -> HandIn | None:
        return next((hand_in for hand_in in self.hand_ins if hand_in.submission == submission), None)


def read_class_list(folder: Path) -> ClassList | None:
    """The list in `folder`; None where there is none. Raises SiteError, one line, where it cannot be read."""
    path = folder / CLASS_FILE
    try:
        classlist = msgspec.json.decode(path.read_bytes(), type=ClassList)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SiteError([f"{path}: cannot be read ({error.strerror})"]) from None
    except msgspec.DecodeError as error:
        raise SiteError([f"{path}: is no class list ({error}); import the download again"]) from None
    names = [hand_in.submission for hand_in in classlist.hand_ins]
    files = [hand_in.notebook for hand_in in classlist.hand_ins if hand_in.notebook is not None]
    if len(set(names)) < len(names) or not all(map(_is_plain_name, [*names, *files])):
        raise SiteError([f"{path}: is no class list (its names are not those of files); import the download again"])
    return classlist


def write_class_list(folder: Path, classlist: ClassList) -> Path:
    """Store `classlist` in `folder`, atomically. Raises OSError."""
    path = folder / CLASS_FILE
    write_atomically(path, msgspec.json.format(msgspec.json.encode(classlist), indent=1))
    return path


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def _is_plain_name(name: str) -> bool:
    """Whether a file of that name lies in the folder itself."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0")
