"""The store of all that people decide: one SQLite database in the results folder, which only this module opens.

Several processes may have it open at once. Rows are added, and none is ever changed or taken away: what counts is the
last one about an answer. What an earlier version kept in `<submission>/marks.json` comes before everything else.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from grader.results import database, earlier
from grader.results.journal import MarksError
from grader.results.results import Change

Kind = Literal["decide", "undo", "take over", "rename"]


class Decision(msgspec.Struct, kw_only=True, frozen=True):
    """What a person decides about one answer of one submission; the store adds who, when, and what it replaces."""

    question: str
    submission: str
    answer: str
    """`QuestionResult.answer` of the answer that was marked."""
    points: float | None
    """What counts from now on; None takes earlier decisions back."""
    before: float | None = None
    """The points until then; None where they were not known."""
    items: list[str] = []
    """Keys of the chosen items."""
    adjustment: float = 0.0
    """Added to the sum of the items."""
    comment: str = ""
    reason: str = ""
    seen: int = 0
    """`Change.id` of the last decision about this answer that the writer has seen; 0 for none."""


class Overwritten(Exception):
    """Somebody has decided about these answers since the writer looked: nothing was written."""

    def __init__(self, conflicts: list[Change]) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts
        """The decisions that the writer has not seen: for each answer the last one."""


class Store:
    """The decisions in one results folder. For one thread; each thread and each process opens its own."""

    def __init__(self, output: Path, connection: sqlite3.Connection) -> None:
        self.output = output
        self._db = connection
        self.faults: dict[str, str] = {}
        """Submissions whose `marks.json` could not be taken over, with a line for each; nothing can be decided about
        them until it is mended."""

    @classmethod
    def open(cls, output: Path) -> Self:
        """Open the store, and make it where there is none; takes over what earlier versions have left.

        Raises MarksError, one line, where that cannot be done.
        """
        store = cls(output, database.connect(output))
        try:
            store._take_over()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Reading

    def revision(self) -> int:
        """Grows with whatever is written, by any process."""
        with self._explained():
            return int(self._db.execute("SELECT coalesce(max(id), 0) FROM operations").fetchone()[0])

    def changes(self, submission: str | None = None) -> dict[str, list[Change]]:
        """The decisions by submission, oldest first; of one submission, or of all of which there are any."""
        with self._explained():
            return _changes(self._db, submission)

    # Deciding

    def decide(self, decisions: Sequence[Decision], *, who: str, when: str, op: str = "") -> list[Change]:
        """Enter decisions, all of them or none; returns them as stored, in their order.

        when: ISO 8601, UTC, to the second. op: the writer's own name for this operation. One that was entered before,
        by the same person, is not entered again: what it wrote then is returned, so a writer whom no reply has reached
        may send it again. Raises Overwritten; MarksError.
        """
        with self._writing():
            if (done := self._done(who, op)) is not None:
                return done
            self._require_whole(decision.submission for decision in decisions)
            latest = [self._latest(each.submission, each.question, each.answer) for each in decisions]
            conflicts = [
                last for each, last in zip(decisions, latest, strict=True) if last is not None and last.id > each.seen
            ]
            if conflicts:
                raise Overwritten(conflicts)
            operation = self._begin_operation("decide", who, when, op)
            return [
                self._insert(
                    operation,
                    Change(
                        question=each.question,
                        points=each.points,
                        before=each.before,
                        items=list(each.items),
                        adjustment=each.adjustment,
                        comment=each.comment,
                        reason=each.reason,
                        who=who,
                        when=when,
                        answer=each.answer,
                        submission=each.submission,
                        replaces=last.id if last else 0,
                    ),
                )
                for each, last in zip(decisions, latest, strict=True)
            ]

    def undo(self, who: str, when: str, op: str = "") -> list[Change]:
        """Take back the last thing that this person did and that is not taken back yet, by new decisions.

        Returns those; none where there is nothing to take back. Raises Overwritten where somebody has decided about
        one of the answers since; MarksError.
        """
        with self._writing():
            if (done := self._done(who, op)) is not None:
                return done
            row = self._db.execute(
                "SELECT max(id) FROM operations WHERE who = ? AND kind = 'decide' "
                "AND id NOT IN (SELECT undoes FROM operations WHERE undoes IS NOT NULL)",
                (who,),
            ).fetchone()
            if row[0] is None:
                return []
            taken = _rows(self._db, "operation = ?", (row[0],))
            conflicts = [last for folder, change in taken if (last := self._by_others_since(folder, change, who))]
            if conflicts:
                raise Overwritten(conflicts)
            operation = self._begin_operation("undo", who, when, op, undoes=row[0])
            return [self._insert(operation, self._restored(change, who, when)) for _, change in taken]

    def _restored(self, change: Change, who: str, when: str) -> Change:
        """What stood before a decision, as a new one."""
        before = self._change(change.replaces) if change.replaces else None
        new = before or msgspec.structs.replace(change, points=None, items=[], adjustment=0.0, comment="", reason="")
        return msgspec.structs.replace(
            new, before=change.points, who=who, when=when, replaces=change.id, submission=change.submission
        )

    # Whose they are

    @contextlib.contextmanager
    def renaming(self, old: str, new: str) -> Iterator[None]:
        """Have the decisions about the submission `old` be those about `new`, if what is done meanwhile succeeds."""
        with self._writing():
            if self._knows(old):
                self._begin_operation("rename", "", _now(), "")
                sql = "UPDATE decisions SET submission = ? WHERE folder = ? AND submission = ?"
                self._db.execute(sql, (new, old, old))
                for table in ("decisions", "taken_over"):
                    self._db.execute(f"UPDATE {table} SET folder = ? WHERE folder = ?", (new, old))
            yield

    def bind(self, submission: str, ids: Sequence[int]) -> None:
        """Have those of its decisions that do not say whose they are, being of an earlier version, be this one's."""
        if not ids:
            return
        with self._writing():
            self._begin_operation("rename", "", _now(), "")
            sql = "UPDATE decisions SET submission = ? WHERE folder = ? AND id = ? AND submission = ''"
            self._db.executemany(sql, [(submission, submission, id) for id in ids])

    def _knows(self, folder: str) -> bool:
        return any(
            self._db.execute(f"SELECT 1 FROM {table} WHERE folder = ? LIMIT 1", (folder,)).fetchone()
            for table in ("decisions", "taken_over")
        )

    # Earlier versions

    def _take_over(self) -> None:
        """Enter what stands in the `marks.json` of earlier versions, each file whole, and once."""
        with self._explained():
            known = _taken_over(self._db)
        found = earlier.find(self.output)
        for folder, stamp in found.items():
            if folder in known and not known[folder].is_same(self.output / folder, stamp):
                self.faults[folder] = earlier.was_changed(self.output / folder)
        new = {folder: stamp for folder, stamp in found.items() if folder not in known}
        journals: dict[str, earlier.Journal] = {}
        for folder in new:
            try:
                journals[folder] = earlier.read(self.output / folder)
            except MarksError as error:
                self.faults[folder] = str(error)
        if not journals:
            return
        with self._writing():
            # Another process may have been faster.
            known = _taken_over(self._db)
            journals = {folder: journal for folder, journal in journals.items() if folder not in known}
            if not journals:
                return
            operation = self._begin_operation("take over", "", _now(), "")
            for folder, journal in journals.items():
                for change in journal.changes:
                    last = self._latest(folder, change.question, change.answer)
                    self._insert(
                        operation, msgspec.structs.replace(change, replaces=last.id if last else 0), folder=folder
                    )
                self._db.execute(
                    "INSERT INTO taken_over (folder, operation, size, modified, digest) VALUES (?, ?, ?, ?, ?)",
                    (folder, operation, *journal.stamp),
                )

    def _require_whole(self, submissions: Iterable[str]) -> None:
        faults = [self.faults[each] for each in dict.fromkeys(submissions) if each in self.faults]
        if faults:
            raise MarksError(faults)

    # Rows

    def _begin_operation(self, kind: Kind, who: str, when: str, op: str, undoes: int | None = None) -> int:
        cursor = self._db.execute(
            "INSERT INTO operations (kind, who, at, op, undoes) VALUES (?, ?, ?, ?, ?)",
            (kind, who, when, op or None, undoes),
        )
        return int(cursor.lastrowid or 0)

    def _done(self, who: str, op: str) -> list[Change] | None:
        """What an operation of that name has written; None where there was none."""
        if not op:
            return None
        row = self._db.execute("SELECT id FROM operations WHERE who = ? AND op = ?", (who, op)).fetchone()
        return None if row is None else [change for _, change in _rows(self._db, "operation = ?", (row[0],))]

    def _latest(self, folder: str, question: str, answer: str) -> Change | None:
        """The last decision about an answer."""
        found = _rows(
            self._db,
            "id = (SELECT max(id) FROM decisions WHERE folder = ? AND question = ? AND answer = ?)",
            (folder, question, answer),
        )
        return found[0][1] if found else None

    def _by_others_since(self, folder: str, change: Change, who: str) -> Change | None:
        """The last decision about the answer of `change` that another than `who` has taken after it."""
        where = "folder = ? AND question = ? AND answer = ? AND id > ? AND who != ?"
        found = _rows(self._db, where, (folder, change.question, change.answer, change.id, who))
        return found[-1][1] if found else None

    def _change(self, id: int) -> Change:
        return _rows(self._db, "id = ?", (id,))[0][1]

    def _insert(self, operation: int, change: Change, folder: str = "") -> Change:
        values = [
            operation,
            folder or change.submission,
            *(
                msgspec.json.encode(value).decode() if name == "items" else value
                for name, value in msgspec.structs.asdict(change).items()
                if name != "id"
            ),
        ]
        names = ["operation", "folder", *(name for name in _COLUMNS if name != "id")]
        sql = f"INSERT INTO decisions ({', '.join(map(_quoted, names))}) VALUES ({', '.join('?' * len(names))})"
        return msgspec.structs.replace(change, id=int(self._db.execute(sql, values).lastrowid or 0))

    # Transactions

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, of which all is stored or nothing; nobody else writes meanwhile."""
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        with database.explained(self.output):
            yield


# Reading without a store


class Marks(msgspec.Struct, kw_only=True):
    """What is decided in a results folder."""

    changes: dict[str, list[Change]] = {}
    """By submission, oldest first."""
    faults: dict[str, str] = {}
    """A line for each submission whose marks cannot be read."""

    def of(self, submission: str) -> list[Change]:
        """Raises MarksError where the marks of this submission cannot be read."""
        if submission in self.faults:
            raise MarksError([self.faults[submission]])
        return self.changes.get(submission, [])


def read_marks(output: Path) -> Marks:
    """All decisions in a results folder. Writes nothing, so also where nothing can be written.

    Raises MarksError where the store itself cannot be read.
    """
    return _read(output, None)


def read_changes(folder: Path) -> list[Change]:
    """All decisions about the submission of this folder, oldest first; MarksError where they cannot be read."""
    return _read(folder.parent, folder.name).of(folder.name)


def _read(output: Path, submission: str | None) -> Marks:
    known: dict[str, earlier.Stamp] = {}
    marks = Marks()
    connection = database.connect_to_read(output)
    if connection is not None:
        with contextlib.closing(connection), database.explained(output):
            known = _taken_over(connection)
            marks.changes = _changes(connection, submission)
    # What is not taken over yet is older than everything in the store.
    for folder, stamp in earlier.find(output, submission).items():
        if folder in known:
            if not known[folder].is_same(output / folder, stamp):
                marks.faults[folder] = earlier.was_changed(output / folder)
            continue
        try:
            marks.changes[folder] = [*earlier.read(output / folder).changes, *marks.changes.get(folder, [])]
        except MarksError as error:
            marks.faults[folder] = str(error)
    return marks


_COLUMNS = tuple(Change.__struct_fields__)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _rows(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[tuple[str, Change]]:
    sql = f"SELECT folder, {', '.join(map(_quoted, _COLUMNS))} FROM decisions WHERE {where} ORDER BY id"
    place = _COLUMNS.index("items")
    rows = []
    for folder, *row in connection.execute(sql, values):
        row[place] = msgspec.json.decode(row[place])
        rows.append((folder, Change(**dict(zip(_COLUMNS, row, strict=True)))))
    return rows


def _changes(connection: sqlite3.Connection, submission: str | None) -> dict[str, list[Change]]:
    rows = _rows(connection, "1", ()) if submission is None else _rows(connection, "folder = ?", (submission,))
    found: dict[str, list[Change]] = {}
    for folder, change in rows:
        found.setdefault(folder, []).append(change)
    return found


def _taken_over(connection: sqlite3.Connection) -> dict[str, earlier.Stamp]:
    rows = connection.execute("SELECT folder, size, modified, digest FROM taken_over")
    return {folder: earlier.Stamp(*stamp) for folder, *stamp in rows}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
