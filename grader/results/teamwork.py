"""The store's part about how people share the work: what they have taken apart, flagged, dealt out, looked up.

And what is kept for them: answers of earlier hand-ins, and when something was exported. Rows are only added; what
counts is the last one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from grader.results.rows import Rows, now


class Place(msgspec.Struct, kw_only=True, frozen=True):
    """An answer of one submission."""

    question: str
    submission: str
    answer: str
    """`QuestionResult.answer`."""


class Flag(msgspec.Struct, kw_only=True, frozen=True):
    """Somebody is to look at an answer."""

    place: Place
    for_whom: str = ""
    """Empty for anybody else."""
    note: str = ""
    open: bool = True
    who: str = ""
    """Who has raised it, or has put it down."""
    when: str = ""


class Share(msgspec.Struct, kw_only=True, frozen=True):
    """What somebody is to mark."""

    who: str
    question: str = ""
    """Empty for all questions."""
    submission: str = ""
    """Empty for all submissions."""
    second: bool = False
    """It is to be marked a second time, unseen."""


class NameShown(msgspec.Struct, kw_only=True, frozen=True):
    submission: str
    who: str
    when: str


class Cell(msgspec.Struct, kw_only=True, frozen=True):
    """A cell of an answer, as it was handed in."""

    cell_type: str
    source: str


class Earlier(msgspec.Struct, kw_only=True, frozen=True):
    """An answer that was replaced by a later hand-in."""

    question: str
    answer: str
    """`QuestionResult.answer`."""
    cells: list[Cell]
    when: str
    """When it was replaced: ISO 8601, UTC."""


class Export(msgspec.Struct, kw_only=True, frozen=True):
    """A file that was made from the marks, for somewhere else."""

    path: str
    """Absolute."""
    when: str
    last: int
    """`Change.id` of the last decision in it."""
    since: int
    """How many decisions were taken since: where there are any, the file is older than the marks."""


class Teamwork(Rows):
    # Taken apart

    def split(self, places: Sequence[Place], *, who: str, when: str, op: str = "", apart: bool = True) -> None:
        """Take answers out of the groups of equal ones, each to be marked by itself; or put them back."""
        with self._writing():
            if self._operation(who, op) is None:
                operation = self._begin_operation("split", who, when, op)
                sql = "INSERT INTO splits (operation, folder, question, answer, apart) VALUES (?, ?, ?, ?, ?)"
                rows = [(operation, each.submission, each.question, each.answer, apart) for each in places]
                self._db.executemany(sql, rows)

    def unsplit(self, places: Sequence[Place], *, who: str, when: str, op: str = "") -> None:
        """Put answers back into their groups."""
        self.split(places, who=who, when=when, op=op, apart=False)

    def splits(self) -> set[Place]:
        """The answers that are apart now."""
        rows = self._all(f"SELECT {_PLACE} FROM splits WHERE id IN ({_LAST.format('splits')}) AND apart")
        return {_place(row) for row in rows}

    # Flags

    def flag(self, flags: Sequence[Flag], *, who: str, when: str, op: str = "") -> None:
        """Raise flags, or put them down (`open` false)."""
        with self._writing():
            if self._operation(who, op) is None:
                operation = self._begin_operation("flag", who, when, op)
                sql = (
                    "INSERT INTO flags (operation, folder, question, answer, for_whom, note, open) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)"
                )
                rows = [
                    (operation, at.submission, at.question, at.answer, flag.for_whom, flag.note, flag.open)
                    for flag, at in ((flag, flag.place) for flag in flags)
                ]
                self._db.executemany(sql, rows)

    def unflag(self, places: Sequence[Place], *, who: str, when: str, op: str = "") -> None:
        """Put the flags at these answers down."""
        self.flag([Flag(place=place, open=False) for place in places], who=who, when=when, op=op)

    def flags(self) -> list[Flag]:
        """The flags that are up, the oldest first."""
        rows = self._all(
            f"SELECT {_PLACE}, for_whom, note, who, at FROM flags JOIN operations ON operations.id = operation "
            f"WHERE flags.id IN ({_LAST.format('flags')}) AND open ORDER BY flags.id"
        )
        return [
            Flag(place=_place(row), for_whom=str(row[3]), note=str(row[4]), who=str(row[5]), when=str(row[6]))
            for row in rows
        ]

    # Shares

    def deal(self, shares: Sequence[Share], *, who: str, when: str, op: str = "") -> None:
        """Deal the work out anew: these shares, and no others, count from now on."""
        with self._writing():
            if self._operation(who, op) is None:
                operation = self._begin_operation("shares", who, when, op)
                sql = "INSERT INTO shares (operation, folder, question, who, second) VALUES (?, ?, ?, ?, ?)"
                rows = [(operation, each.submission, each.question, each.who, each.second) for each in shares]
                self._db.executemany(sql, rows)

    def shares(self) -> list[Share]:
        last = "SELECT max(id) FROM operations WHERE kind = 'shares'"
        rows = self._all(f"SELECT who, question, folder, second FROM shares WHERE operation = ({last}) ORDER BY id")
        return [
            Share(who=str(who), question=str(question), submission=str(folder), second=bool(second))
            for who, question, folder, second in rows
        ]

    # Names

    def name_shown(self, submission: str, *, who: str, when: str, op: str = "") -> None:
        """Log that somebody has looked up whose a submission is."""
        with self._writing():
            if self._operation(who, op) is None:
                operation = self._begin_operation("name shown", who, when, op)
                sql = "INSERT INTO names_shown (operation, folder) VALUES (?, ?)"
                self._db.execute(sql, (operation, submission))

    def names_shown(self) -> list[NameShown]:
        sql = "SELECT folder, who, at FROM names_shown JOIN operations ON operations.id = operation ORDER BY operation"
        return [NameShown(submission=str(folder), who=str(who), when=str(at)) for folder, who, at in self._all(sql)]

    # Answers of earlier hand-ins

    def keep_answers(self, submission: str, answers: Mapping[str, tuple[str, Sequence[Cell]]], when: str) -> None:
        """Keep what a new hand-in replaces: by question, the answer's digest and its cells."""
        with self._writing():
            last = {earlier.question: earlier.answer for earlier in self.earlier_answers(submission)}
            new = {id: kept for id, kept in answers.items() if last.get(id) != kept[0]}
            if new:
                operation = self._begin_operation("hand in", "", when)
                sql = "INSERT INTO answers (operation, folder, question, answer, cells) VALUES (?, ?, ?, ?, ?)"
                rows = [
                    (operation, submission, id, answer, msgspec.json.encode(list(cells)).decode())
                    for id, (answer, cells) in new.items()
                ]
                self._db.executemany(sql, rows)

    def earlier_answers(self, submission: str, question: str | None = None) -> list[Earlier]:
        """What was handed in before, the oldest first."""
        sql = "SELECT question, answer, cells, at FROM answers JOIN operations ON operations.id = operation"
        where, values = "folder = ?", [submission]
        if question is not None:
            where, values = f"{where} AND question = ?", [submission, question]
        return [
            Earlier(
                question=str(id),
                answer=str(answer),
                cells=msgspec.json.decode(str(cells), type=list[Cell]),
                when=str(at),
            )
            for id, answer, cells, at in self._all(f"{sql} WHERE {where} ORDER BY answers.id", values)
        ]

    # Exports

    def note_exports(self, paths: Iterable[str], *, last: int, who: str = "", when: str = "") -> None:
        """Remember that files were made from the marks. last: `Change.id` of the last decision in them."""
        with self._writing():
            operation = self._begin_operation("export", who, when or now())
            sql = "INSERT INTO exports (operation, path, last) VALUES (?, ?, ?)"
            self._db.executemany(sql, [(operation, path, last) for path in paths])

    def exports(self) -> list[Export]:
        """For each file, the last time that it was made."""
        with self._explained():
            return exports_in(self._db)

    # Whose a name is

    def owner(self, submission: str) -> tuple[str, str] | None:
        """The folder (from the results) and the path below it that the submission of that name was handed in as.

        None where that is not known; ("", "") where an earlier version graded it.
        """
        rows = self._all("SELECT root, source FROM owners WHERE folder = ?", (submission,))
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def note_owners(self, owners: Mapping[str, tuple[str, str]]) -> None:
        """Remember whose names are, by submission."""
        known = {str(folder): (root, source) for folder, root, source in self._all("SELECT * FROM owners")}
        new = {folder: place for folder, place in owners.items() if known.get(folder) != place}
        if new:
            with self._writing():
                sql = "INSERT OR REPLACE INTO owners (folder, root, source) VALUES (?, ?, ?)"
                self._db.executemany(sql, [(folder, root, source) for folder, (root, source) in new.items()])


def exports_in(connection: sqlite3.Connection) -> list[Export]:
    """For each file, the last time that it was made."""
    sql = (
        "SELECT path, at, last, (SELECT count(*) FROM decisions WHERE decisions.id > last AND NOT second) "
        "FROM exports JOIN operations ON operations.id = operation "
        "WHERE exports.id IN (SELECT max(id) FROM exports GROUP BY path) ORDER BY exports.id"
    )
    return [Export(path=path, when=at, last=last, since=since) for path, at, last, since in connection.execute(sql)]


_PLACE = "question, folder, answer"
_LAST = "SELECT max(id) FROM {} GROUP BY folder, question, answer"


def _place(row: Sequence[object]) -> Place:
    question, folder, answer, *_ = map(str, row)
    return Place(question=question, submission=folder, answer=answer)
