"""The course site's own list of people and grades, and who in it handed in what: found out, never guessed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from grader.results.classlist import HandIn, SiteError
from grader.results.names import same_person
from grader.sites.grades import Grade
from grader.sites.tables import Table


@dataclass(frozen=True)
class Row:
    """One person in the grade book. `number` counts rows from 0."""

    number: int
    name: str
    ids: tuple[str, ...]
    """All that identifies the person on the site, without signs in front."""


@dataclass
class Matched:
    """Whose grade stands in which row."""

    grades: dict[int, Grade] = field(default_factory=dict)
    """By the row's number."""
    unmatched: list[str] = field(default_factory=list)
    """A line for each hand-in that is left out."""


def match(
    grades: Sequence[Grade],
    rows: Sequence[Row],
    ids: Sequence[str],
    people: Mapping[str, Sequence[str]],
    by_name: bool = True,
) -> Matched:
    """Find each hand-in's row: by `people` (which a person wrote), by the ids of the download, or by a name that is
    unique on both sides.

    ids: the keys of `HandIn.ids` that the grade book has too.
    """
    found: dict[int, list[Grade]] = defaultdict(list)
    matched = Matched()
    by_id, by_person = _by_id(rows), _by_name(rows)
    namesakes: dict[str, int] = defaultdict(int)
    for grade in grades:
        namesakes[same_person(grade.hand_in.person)] += 1
    for grade in grades:
        name = same_person(grade.hand_in.person)
        here, why = _rows_of(grade.hand_in, by_id, by_person if by_name else {}, ids, people, namesakes[name])
        for row in here:
            found[row.number].append(grade)
        if why:
            matched.unmatched.append(f"{_who(grade.hand_in)}: {why}")
    for number, candidates in found.items():
        if len(candidates) == 1:
            matched.grades[number] = candidates[0]
            continue
        names = ", ".join(grade.hand_in.submission for grade in candidates)
        matched.unmatched.append(f"{names}: all belong to one row of the grade book; say in --people which one counts")
    unknown = sorted(set(people) - {grade.hand_in.submission for grade in grades})
    matched.unmatched += [
        f"{submission}: is in the --people file, but there is no such submission" for submission in unknown
    ]
    return matched


def _rows_of(
    hand_in: HandIn,
    by_id: Mapping[str, Sequence[Row]],
    by_person: Mapping[str, Sequence[Row]],
    ids: Sequence[str],
    people: Mapping[str, Sequence[str]],
    namesakes: int,
) -> tuple[list[Row], str]:
    """The hand-in's rows (several for a group, by `people`), or why there are none."""
    if hand_in.submission in people:
        rows = [row for id in people[hand_in.submission] for row in by_id.get(bare_id(id), ())]
        lost = [id for id in people[hand_in.submission] if len(by_id.get(bare_id(id), ())) != 1]
        return ([], f"{', '.join(lost)} (from --people) is not one person in the grade book") if lost else (rows, "")
    for id in ids:
        if id in hand_in.ids:
            rows = list(by_id.get(bare_id(hand_in.ids[id]), ()))
            return (rows, "") if len(rows) == 1 else ([], f"{id} {hand_in.ids[id]} is not in the grade book")
    rows = list(by_person.get(same_person(hand_in.person), ())) if hand_in.person else []
    if namesakes > 1 or len(rows) > 1:
        return [], "more than one person has this name; say in a --people file who it is"
    return (rows, "") if rows else ([], "is not in the grade book; say in a --people file who it is")


def _who(hand_in: HandIn) -> str:
    return f"{hand_in.submission} ({hand_in.person})" if hand_in.person else hand_in.submission


def _by_id(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for id in dict.fromkeys(map(bare_id, row.ids)):
            if id:
                found[id].append(row)
    return found


def _by_name(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[same_person(row.name)].append(row)
    return found


def bare_id(id: str) -> str:
    """Brightspace puts `#` before ids, so that spreadsheets leave them alone; Moodle a word: `Participant 123`."""
    return re.sub(r"^(?:#|[^\W\d_]+\s+(?=\d+$))", "", id.strip()).casefold()


def choose_item(table: Table, items: Mapping[int, str], item: str, guess: str) -> int:
    """The column of the grade: `item` if given, else the one that is called as the assignment, else the only one."""
    wanted = [index for index, title in items.items() if _title(title) == _title(item or guess)]
    if len(wanted) == 1:
        return wanted[0]
    if not item and len(items) == 1:
        return next(iter(items))
    names = ", ".join(f"“{title}”" for title in items.values()) or "none"
    if item:
        what = f"has no grade item “{item}”" if not wanted else f"has “{item}” more than once"
        raise SiteError([f"{table.file}: {what}; it has {names}"])
    raise SiteError([f"{table.file}: say which grade item is meant with --item; it has {names}"])


def require_maximum(file: str, item: str, theirs: Decimal | None, ours: float) -> None:
    """A grade out of 42 is another one out of 100: nothing is scaled in silence. Raises SiteError."""
    if theirs is not None and abs(float(theirs) - ours) > 1e-6:
        what = f"“{item}” is out of {theirs.normalize():f} points on the site, and the rubric is out of {ours:g}"
        raise SiteError([f"{file}: {what}; change the maximum on the site, and export the file again"])


def _title(text: str) -> str:
    return " ".join(text.split()).casefold()


def require_columns(table: Table, site: str, names: Sequence[str]) -> list[int]:
    """The columns of these names. Raises SiteError, one line with all that is missing."""
    columns = [table.column(name) for name in names]
    missing = [name for name, column in zip(names, columns, strict=True) if column is None]
    if missing:
        what = f"is no {site} file: it has no column {', '.join(missing)}"
        raise SiteError([f"{table.file}: {what}; export it from the site again, in English"])
    return [column for column in columns if column is not None]


def gradebook_needed(site: str, why: str) -> SiteError:
    return SiteError([f"{site} needs the file that it exports: {why}; give it with --gradebook"])
