"""Tables as course sites and spreadsheets write them: read leniently, written exactly, and never run as formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from grader.results.classlist import SiteError

MAX_BYTES = 64 * 2**20
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
# Of a size that a number of points can have: an exponent could stand for a number of any length.
_POINTS = re.compile(r"[+-]?(?:\d{1,12}(?:[.,]\d{0,12})?|[.,]\d{1,12})", re.ASCII)
# A spreadsheet takes what begins so for a formula, and runs it.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True)
class Table:
    """A table with a row of headers; all rows have as many cells."""

    file: str
    header: list[str]
    rows: list[list[str]]

    def column(self, *names: str) -> int | None:
        """The column of one of these names, whatever their case, blanks and signs: `OrgDefinedId`, `Org Defined ID`."""
        wanted = [_bare(name) for name in names]
        found = (index for name in wanted for index, header in enumerate(self.header) if _bare(header) == name)
        return next(found, None)


def read_table(path: Path) -> Table:
    """Read a CSV file, whatever its delimiter (comma, semicolon, tab) and with or without a BOM. Raises SiteError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SiteError([f"{path}: cannot be read ({error.strerror})"]) from None
    if len(data) > MAX_BYTES:
        raise SiteError([f"{path}: is too large for a grade book (over {MAX_BYTES // 2**20} MB)"])
    if data.startswith(b"PK\3\4"):
        raise SiteError([f"{path}: is an Excel file; save it as CSV"])
    text = _decoded(data)
    if not text.strip() or "\0" in text:
        raise SiteError([f"{path}: is {'not text' if text else 'empty'}; export it as CSV again"])
    told, text = _told_delimiter(text)
    delimiter = told or _delimiter(text)
    try:
        rows = [row for row in _rows(text, delimiter) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise SiteError([f"{path}: is no CSV file ({error}); export it again"]) from None
    if not rows:
        raise SiteError([f"{path}: has no rows; export it as CSV again"])
    header, *rest = rows
    width = len(header)
    # Some programs leave empty cells at the end of a row out, others add some.
    return Table(str(path), [cell.strip() for cell in header], [(row + [""] * width)[:width] for row in rest])


def write_table(rows: Sequence[Sequence[str]]) -> str:
    """CSV as RFC 4180 has it. What must be safe in a spreadsheet has been through `safe`."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows(rows)
    return file.getvalue()


def safe(text: str) -> str:
    """A text for a cell: one that a spreadsheet would take for a formula gets an apostrophe in front.

    Not for ids and user names: the site would not know them again (see `is_safe`).
    """
    return text if is_safe(text) else f"'{text}"


def is_safe(text: str) -> bool:
    """Whether no spreadsheet takes the text for a formula. A number is none, nor is a dash for "nothing"."""
    return text == "-" or _NUMBER.fullmatch(text) is not None or _FORMULA.match(text) is None


def points_text(points: float) -> str:
    """Points with a decimal point, no exponent and no more digits than needed: `38.5`, `2`, `0.3`."""
    # Sums of halves and tenths are not exact in binary.
    text = f"{points:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def read_number(text: str) -> Decimal | None:
    """A number of points, with a decimal point or comma; None where it is none."""
    text = text.strip()
    return Decimal(text.replace(",", ".")) if _POINTS.fullmatch(text) else None


def read_people(path: Path) -> Mapping[str, list[str]]:
    """A table of people's names on the site by submission: `submission,username` or `submission,id`.

    A submission can have several rows, for a group.
    """
    table = read_table(path)
    submission = table.column("submission")
    who = table.column("username", "id", "OrgDefinedId", "participant", "identifier")
    if submission is None or who is None:
        raise SiteError([f"{path}: needs the columns submission and username (or id) in its first line"])
    people: dict[str, list[str]] = {}
    for row in table.rows:
        if row[who].strip():
            people.setdefault(row[submission].strip(), []).append(row[who].strip())
    return people


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Excel saves so on Windows.
        return data.decode("cp1252", "replace")


def _told_delimiter(text: str) -> tuple[str, str]:
    """What Excel's own first line says, and the text after it."""
    match = re.match(r'"?sep=([,;\t])"?\r?\n', text, re.IGNORECASE)
    return (match[1], text[match.end() :]) if match else ("", text)


def _delimiter(text: str) -> str:
    header = re.sub(r'"[^"]*"', "", text.lstrip()).splitlines()[:1]
    return max(",;\t", key=header[0].count) if header else ","


def _rows(text: str, delimiter: str) -> list[list[str]]:
    limit = csv.field_size_limit(MAX_BYTES)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    finally:
        csv.field_size_limit(limit)


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()
