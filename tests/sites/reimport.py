"""What each course site does with a grade file and a feedback zip, as its documentation has it.

Written apart from the code that writes these files, and shares nothing with it.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

DECIMAL = re.compile(r"\d+(\.\d+)?")


class Rejected(Exception):
    """The site would not take the file, or a spreadsheet would run what is in it."""


def table(data: bytes) -> list[list[str]]:
    text = data.decode("utf-8")
    if text.startswith("\ufeff"):
        raise Rejected("a BOM")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if any(len(row) != len(rows[0]) for row in rows):
        raise Rejected("rows of different lengths")
    for cell in (cell for row in rows for cell in row):
        if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and cell != "-":
            raise Rejected(f"a formula: {cell}")
    return rows


def points(cell: str, maximum: float) -> float | None:
    if cell == "":
        return None
    if not DECIMAL.fullmatch(cell) or float(cell) > maximum:
        raise Rejected(f"no grade out of {maximum}: {cell}")
    return float(cell)


def brightspace(
    path: Path, item: str, maximum: float, users: Mapping[str, str] | Collection[str]
) -> dict[str, float | None]:
    """Points by user name. `users`: user names, with their OrgDefinedIds where the file has both."""
    header, *rows = table(path.read_bytes())
    ids = header[: header.index("Username") + 1] if "Username" in header else []
    if ids not in (["OrgDefinedId", "Username"], ["Username"]):
        raise Rejected(f"does not say who: {header}")
    if header[len(ids) :] != [f"{item} Points Grade", "End-of-Line Indicator"]:
        raise Rejected(f"another grade item, or none: {header}")
    grades: dict[str, float | None] = {}
    for row in rows:
        if row[-1] != "#" or not all(cell.startswith("#") for cell in row[: len(ids)]):
            raise Rejected(f"signs are missing: {row}")
        username = row[len(ids) - 1][1:]
        if username not in users or username in grades:
            raise Rejected(f"unknown, or twice: {username}")
        if len(ids) == 2 and isinstance(users, Mapping) and users[username] != row[0][1:]:
            raise Rejected(f"user name and id are not of one person: {row}")
        grades[username] = points(row[-2], maximum)
    return grades


def canvas(path: Path, title: str, users: Collection[str]) -> dict[str, float | str | None]:
    """Points by ID; `EX` is excused."""
    header, possible, *rows = table(path.read_bytes())
    if header[:3] != ["Student", "ID", "Section"] or header[3:] != [title]:
        raise Rejected(f"columns: {header}")
    if possible[0].strip() != "Points Possible" or not DECIMAL.fullmatch(possible[3]):
        raise Rejected(f"points possible: {possible}")
    grades: dict[str, float | str | None] = {}
    for _, id, _, grade in rows:
        if id not in users or id in grades:
            raise Rejected(f"unknown, or twice: {id}")
        grades[id] = grade if grade == "EX" else points(grade, float(possible[3]))
    return grades


def moodle(path: Path, maximum: float, users: Collection[str]) -> dict[str, float | None]:
    """Points by participant."""
    header, *rows = table(path.read_bytes())
    grades: dict[str, float | None] = {}
    columns = [header.index(name) for name in ("Identifier", "Grade", "Last modified (grade)")]
    for row in rows:
        identifier, grade, modified = (row[column] for column in columns)
        match = re.fullmatch(r"Participant (\d+)", identifier)
        if match is None or match[1] not in users or match[1] in grades or modified == "":
            raise Rejected(f"unknown, twice, or of no time: {row}")
        grades[match[1]] = points(grade, maximum)
    return grades


def feedback(path: Path) -> dict[str, str]:
    """The text of each file by its name."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(set(names)) < len(names) or archive.testzip():
            raise Rejected("names twice, or damaged")
        for entry in archive.infolist():
            if not entry.filename.isascii() and not entry.flag_bits & 0x800:
                raise Rejected(f"not marked as UTF-8: {entry.filename}")
        return {name: archive.read(name).decode() for name in names}


def brightspace_feedback(path: Path, download: Path) -> dict[str, dict[str, str]]:
    """Feedback by the folder of the hand-in, which must be one of the download's."""
    with zipfile.ZipFile(download) as archive:
        folders = {name.split("/")[-2] for name in archive.namelist() if name.count("/") > 1}
    found: dict[str, dict[str, str]] = {}
    for name, text in feedback(path).items():
        folder, file = name.split("/")
        if folder not in folders:
            raise Rejected(f"no hand-in: {folder}")
        found.setdefault(folder, {})[file] = text
    return found


def canvas_feedback(path: Path, download: Path) -> dict[str, dict[str, str]]:
    """Feedback by user; the numbers of user and attachment must be those of a file in the download."""
    pattern = re.compile(r"[^_]*(?:_LATE)?_(\d+)_(?:(\d+)_)?(.+)")
    with zipfile.ZipFile(download) as archive:
        known = {match.groups()[:2] for name in archive.namelist() if (match := pattern.fullmatch(name))}
    found: dict[str, dict[str, str]] = {}
    for name, text in feedback(path).items():
        match = pattern.fullmatch(name)
        if match is None or match.groups()[:2] not in known:
            raise Rejected(name)
        found.setdefault(match[1], {})[match[3]] = text
    return found


def moodle_feedback(path: Path) -> dict[str, dict[str, str]]:
    """Feedback by participant: Moodle takes a path apart at its first underscores."""
    found: dict[str, dict[str, str]] = {}
    for name, text in feedback(path).items():
        parts = re.split(r"[_/]", name, maxsplit=4)
        if len(parts) < 5 or not parts[1].isdecimal() or parts[2:4] != ["assignsubmission", "file"] or "/." in name:
            raise Rejected(name)
        found.setdefault(parts[1], {})[parts[4].lstrip("/")] = text
    return found
