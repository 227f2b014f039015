"""The grade file of each site, to the letter as that site imports it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.results.classlist import ClassList, SiteError
from grader.sites.gradebook import (
    Matched,
    Row,
    choose_item,
    gradebook_needed,
    match,
    require_columns,
    require_maximum,
)
from grader.sites.grades import Grade
from grader.sites.tables import is_safe, points_text, read_number, read_table, safe

_BRIGHTSPACE_ITEM = re.compile(
    r"(?P<item>.+?) Points Grade(?: ?<Numeric MaxPoints:(?P<maximum>\d+(?:[.,]\d+)?)[^>]*>)?"
)
_CANVAS_ITEM = re.compile(r"(?P<item>.+) \(\d+\)")
_PARTICIPANT = re.compile(r"[^\W\d_][\w /]* \d+")
_LOCKED = ("no", "nee", "nein", "non")


@dataclass
class GradeFile:
    rows: list[list[str]]
    """With the headers."""
    matched: Matched
    item: str
    """The grade item that the grades are for."""
    notes: list[str] = field(default_factory=list)
    """Of what the file has, for a person: one line each."""


@dataclass(frozen=True)
class Wanted:
    """What goes into a grade file."""

    classlist: ClassList
    grades: Sequence[Grade]
    maximum: float
    gradebook: Path | None
    item: str
    """Empty: the one that there is, or that is called as the assignment."""
    people: Mapping[str, Sequence[str]]


def brightspace(wanted: Wanted) -> GradeFile:
    """`OrgDefinedId,Username,<Item> Points Grade,End-of-Line Indicator`, ids with `#` in front."""
    if wanted.gradebook is None:
        return _brightspace_by_username(wanted)
    table = read_table(wanted.gradebook)
    titles = {
        index: found for index, header in enumerate(table.header) if (found := _BRIGHTSPACE_ITEM.fullmatch(header))
    }
    ids = [column for name in ("OrgDefinedId", "Username") if (column := table.column(name)) is not None]
    if not ids:
        require_columns(table, "grade book of Brightspace", ["OrgDefinedId", "Username"])
    at = choose_item(
        table, {index: title["item"] for index, title in titles.items()}, wanted.item, wanted.classlist.assignment
    )
    item, maximum = titles[at]["item"], titles[at]["maximum"]
    _require_safe_title(item)
    require_maximum(table.file, item, read_number(maximum) if maximum else None, wanted.maximum)
    first, last = table.column("First Name"), table.column("Last Name")
    whole = table.column("Name", "Full Name", "Display Name")
    names = [
        " ".join(row[column] for column in (first, last) if column is not None) if whole is None else row[whole]
        for row in table.rows
    ]
    rows = [
        Row(number, name, tuple(cells[column] for column in ids))
        for number, (name, cells) in enumerate(zip(names, table.rows, strict=True))
    ]
    matched = match(wanted.grades, rows, ["username"] if table.column("Username") is not None else [], wanted.people)
    lines = [
        [*(_signed(table.rows[number][column]) for column in ids), _points(grade), "#"]
        for number, grade in sorted(matched.grades.items())
    ]
    unknown = f"{table.file}: does not say what “{item}” is out of; the rubric is out of {wanted.maximum:g}"
    headers = [("OrgDefinedId" if column == table.column("OrgDefinedId") else "Username") for column in ids]
    return GradeFile(
        [[*headers, f"{item} Points Grade", "End-of-Line Indicator"], *lines],
        matched,
        item,
        [] if maximum else [unknown],
    )


def _brightspace_by_username(wanted: Wanted) -> GradeFile:
    """Without a grade book, a download or a --people file that has user names does as well."""
    names = {
        grade.hand_in.submission: list(wanted.people.get(grade.hand_in.submission, ()))
        or [username for key, username in grade.hand_in.ids.items() if key == "username"]
        for grade in wanted.grades
    }
    if not any(names.values()):
        raise gradebook_needed("Brightspace", "the download does not say people's user names")
    item = wanted.item or wanted.classlist.assignment
    if not item:
        raise SiteError(["the download does not say the assignment's name: give the grade item's with --item"])
    _require_safe_title(item)
    matched = Matched()
    lines = []
    for number, grade in enumerate(wanted.grades):
        usernames = names[grade.hand_in.submission]
        if not usernames:
            matched.unmatched.append(
                f"{grade.hand_in.submission}: has no user name; give the grade book with --gradebook"
            )
            continue
        matched.grades[number] = grade
        lines += [[_signed(username), _points(grade), "#"] for username in usernames]
    notes = [f"without a grade book, nobody has checked that “{item}” is out of {wanted.maximum:g} on the site"]
    return GradeFile([["Username", f"{item} Points Grade", "End-of-Line Indicator"], *lines], matched, item, notes)


def canvas(wanted: Wanted) -> GradeFile:
    """`Student,ID,Section,<title> (<id>)` with the row of points possible, from the grade book's own cells."""
    if wanted.gradebook is None:
        raise gradebook_needed("Canvas", "it knows people by ID and section")
    table = read_table(wanted.gradebook)
    student, id, section = require_columns(table, "grade book of Canvas", ["Student", "ID", "Section"])
    titles = {
        index: found["item"] for index, header in enumerate(table.header) if (found := _CANVAS_ITEM.fullmatch(header))
    }
    at = choose_item(table, titles, wanted.item, wanted.classlist.assignment)
    _require_safe_title(table.header[at])
    possible = next((row for row in table.rows if row[student].strip().casefold() == "points possible"), None)
    if possible is not None:
        require_maximum(table.file, titles[at], read_number(possible[at]), wanted.maximum)
    # Rows without an ID are the site's own: points possible, manual posting.
    rows = [
        Row(number, row[student], (row[id],)) for number, row in enumerate(table.rows) if row[id].strip().isdecimal()
    ]
    matched = match(wanted.grades, rows, ["user"], wanted.people, by_name=False)
    notes = [] if possible is not None else [f"{table.file}: has no row of points possible"]
    lines = [["Student", "ID", "Section", table.header[at]]]
    if possible is not None:
        lines.append(["    Points Possible", "", "", possible[at]])
    for row in rows:
        cells, grade = table.rows[row.number], matched.grades.get(row.number)
        points = cells[at].strip()
        if points.casefold() == "ex" and grade is not None:
            notes.append(f"{grade.hand_in.submission}: is excused (EX) on the site, and stays excused")
        elif grade is not None and grade.points is not None:
            points = _points(grade)
        lines.append([safe(cells[student]), cells[id].strip(), safe(cells[section]), points if is_safe(points) else ""])
    return GradeFile(lines, matched, titles[at], notes)


def moodle(wanted: Wanted) -> GradeFile:
    """The grading worksheet with its grades filled in, all else as it was; without one, the columns that are needed."""
    if wanted.gradebook is None:
        return _moodle_without_worksheet(wanted)
    table = read_table(wanted.gradebook)
    identifier, grade_at, _ = require_columns(
        table, "grading worksheet of Moodle", ["Identifier", "Grade", "Last modified (grade)"]
    )
    name, maximum, changeable = (
        table.column(title) for title in ("Full name", "Maximum Grade", "Grade can be changed")
    )
    rows = [
        Row(number, cells[name] if name is not None else "", (cells[identifier],))
        for number, cells in enumerate(table.rows)
    ]
    matched = match(wanted.grades, rows, ["participant"], wanted.people, by_name=False)
    lines, notes = [table.header], []
    for row in rows:
        cells, grade = list(table.rows[row.number]), matched.grades.get(row.number)
        if not _PARTICIPANT.fullmatch(cells[identifier].strip()):
            notes.append(f"{table.file}: a row is left out: “{cells[identifier][:50]}” is no identifier of Moodle's")
            continue
        if grade is not None and grade.points is not None:
            if maximum is not None:
                require_maximum(table.file, "Grade", read_number(cells[maximum]), wanted.maximum)
            if changeable is not None and cells[changeable].strip().casefold() in _LOCKED:
                notes.append(f"{grade.hand_in.submission}: this grade is locked on the site, and stays as it was")
            else:
                cells[grade_at] = _points(grade)
        lines.append([cell if index == identifier else safe(cell) for index, cell in enumerate(cells)])
    return GradeFile([list(map(safe, lines[0])), *lines[1:]], matched, "Grade", notes)


def _moodle_without_worksheet(wanted: Wanted) -> GradeFile:
    lines = [["Identifier", "Full name", "Grade", "Last modified (grade)"]]
    matched = Matched()
    for number, grade in enumerate(wanted.grades):
        participant = grade.hand_in.ids.get("participant", "")
        if not participant.isdecimal():
            matched.unmatched.append(f"{grade.hand_in.submission}: the download has no participant's number")
            continue
        matched.grades[number] = grade
        lines.append([f"Participant {participant}", safe(grade.hand_in.person), _points(grade), "-"])
    unchecked = f"without a worksheet, nobody has checked that the grade is out of {wanted.maximum:g}"
    return GradeFile(lines, matched, "Grade", [unchecked])


def _signed(id: str) -> str:
    """With the sign in front that keeps spreadsheets from taking an id for a number or a formula."""
    id = id.strip().removeprefix("#")
    return f"#{id}" if id else ""


def _points(grade: Grade) -> str:
    return "" if grade.points is None else points_text(grade.points)


def _require_safe_title(title: str) -> None:
    # It must stand there as it is, or the site makes a new item of it.
    if not is_safe(title):
        raise SiteError([f"the grade item “{title}” looks like a formula to a spreadsheet: rename it on the site"])
