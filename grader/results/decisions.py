"""The store of all that people decide: one SQLite database in the results folder, which only this package opens.

Several processes may have it open at once. Rows are added, and none is ever taken away: what counts is the last one
about an answer. What an earlier version kept in `<submission>/marks.json` comes before everything else.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from grader.results import database, earlier
from grader.results.database import DATABASE
from grader.results.items import Effect, Item, points_of
from grader.results.journal import MarksError
from grader.results.results import Change
from grader.results.rows import now
from grader.results.teamwork import Teamwork


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


class Store(Teamwork):
    """What is decided in one results folder. For one thread; each thread and each process opens its own."""

    def __init__(self, output: Path, connection: sqlite3.Connection) -> None:
        super().__init__(output, connection)
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
            store._find_owners()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open_if_any(cls, output: Path) -> Self | None:
        """The same; None, and nothing is made, where nothing is stored yet and there is nothing to be taken over."""
        return cls.open(output) if (output / DATABASE).exists() or earlier.find(output) else None

    # Reading

    def changes(self, submission: str | None = None) -> dict[str, list[Change]]:
        """The decisions by submission, oldest first; of one submission, or of all of which there are any."""
        with self._explained():
            return _changes(self._db, submission)

    def second_marks(self) -> dict[str, list[Change]]:
        """The marks that were given a second time, unseen, by submission: they are compared, and do not count."""
        with self._explained():
            return _changes(self._db, None, second=True)

    # Deciding

    def decide(
        self, decisions: Sequence[Decision], *, who: str, when: str, op: str = "", second: bool = False
    ) -> list[Change]:
        """Enter decisions, all of them or none; returns them as stored, in their order.

        when: ISO 8601, UTC, to the second. op: the writer's own name for this operation. One that was entered before,
        by the same person, is not entered again: what it wrote then is returned, so a writer whom no reply has reached
        may send it again. second: they are second marks, which do not count and overwrite nobody's.
        Raises Overwritten; MarksError, also for items that are not known.
        """
        with self._writing():
            if (done := self._done(who, op)) is not None:
                return done
            self._require_whole(decision.submission for decision in decisions)
            latest = [self._latest(each, who if second else None) for each in decisions]
            conflicts = [
                last for each, last in zip(decisions, latest, strict=True) if last is not None and last.id > each.seen
            ]
            if conflicts:
                raise Overwritten(conflicts)
            items = {(item.question, item.key): item for item in self.items()} if _have_items(decisions) else {}
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
                        words=_words(items, each.question, each.items),
                    ),
                    second=second,
                )
                for each, last in zip(decisions, latest, strict=True)
            ]

    def undo(self, who: str, when: str, op: str = "") -> list[Change]:
        """Take back the last thing that this person did and that is not taken back yet, by new decisions.

        A decision, a change of an item, what was taken out of its group or put back, a flag. Returns the decisions;
        none where there is nothing to take back (see `undoable`), or where it had none. Raises Overwritten where
        somebody has decided about one of the answers since; MarksError.
        """
        with self._writing():
            if (done := self._done(who, op)) is not None:
                return done
            id, kind = self._undoable(who)
            if id == 0:
                return []
            taken = _rows(self._db, "operation = ?", (id,), second=None)
            conflicts = [last for folder, change in taken if (last := self._by_others_since(folder, change, who))]
            if conflicts:
                raise Overwritten(conflicts)
            operation = self._begin_operation("undo", who, when, op, undoes=id)
            if kind == "item":
                self._restore_items(operation, id)
            elif kind == "split":
                sql = (
                    "INSERT INTO splits (operation, folder, question, answer, apart) "
                    "SELECT ?, folder, question, answer, NOT apart FROM splits WHERE operation = ?"
                )
                self._db.execute(sql, (operation, id))
            elif kind == "flag":
                sql = (
                    "INSERT INTO flags (operation, folder, question, answer, for_whom, note, open) "
                    "SELECT ?, folder, question, answer, for_whom, note, NOT open FROM flags WHERE operation = ?"
                )
                self._db.execute(sql, (operation, id))
            second = bool(taken) and self._is_second(taken[0][1].id)
            return [self._insert(operation, self._restored(each, who, when), second=second) for _, each in taken]

    def undoable(self, who: str) -> str:
        """The kind of what `undo` would take back: "decide", "item", "split" or "flag"; empty where there is none."""
        with self._explained():
            return self._undoable(who)[1]

    def _undoable(self, who: str) -> tuple[int, str]:
        row = self._db.execute(
            "SELECT id, kind FROM operations WHERE who = ? AND kind IN ('decide', 'item', 'split', 'flag') "
            "AND id NOT IN (SELECT undoes FROM operations WHERE undoes IS NOT NULL) ORDER BY id DESC LIMIT 1",
            (who,),
        ).fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def _restored(self, change: Change, who: str, when: str) -> Change:
        """What stood before a decision, as a new one."""
        before = self._change(change.replaces) if change.replaces else None
        new = before or msgspec.structs.replace(
            change, points=None, items=[], words=[], adjustment=0.0, comment="", reason=""
        )
        return msgspec.structs.replace(
            new, before=change.points, who=who, when=when, replaces=change.id, submission=change.submission
        )

    # Items

    def items(self, question: str | None = None) -> list[Item]:
        """The items as they are now, of one question or of all, in their order; also those that are retired."""
        with self._explained():
            return [item for item, _ in self._items(question)]

    def _items(self, question: str | None = None) -> list[tuple[Item, str | None]]:
        """Each with what the rubric said when it was last read, as JSON."""
        names = Item.__struct_fields__
        sql = (
            f"SELECT {', '.join(names)}, rubric FROM items "
            "WHERE id IN (SELECT max(id) FROM items GROUP BY question, key) "
            "AND (? IS NULL OR question = ?) ORDER BY question, position, id"
        )
        found = []
        for *row, rubric in self._db.execute(sql, (question, question)):
            given = dict(zip(names, row, strict=True))
            found.append((Item(**(given | {"retired": bool(given["retired"])})), rubric))
        return found

    def preview_item(self, item: Item, most: float, *, answers: Mapping[str, str] | None = None) -> Effect:
        """What `change_item` would do. most: the question's maximum.

        answers: by submission, the answer that its results have now; where given, decisions about earlier ones are
        changed as well, but not counted.
        """
        with self._explained():
            changed = self._changed_by(item, most)
        return _effect([(old, new) for _, old, new in changed], answers)

    def change_item(
        self,
        item: Item,
        most: float,
        *,
        who: str,
        when: str,
        op: str = "",
        answers: Mapping[str, str] | None = None,
    ) -> tuple[Effect, list[Change]]:
        """Store an item, new or changed, and decide anew about every answer for which it is chosen: all in one.

        `position` of a new one is put at the end where it is taken. Raises MarksError.
        """
        with self._writing():
            if (done := self._done(who, op)) is not None:
                return _effect([(self._change(each.replaces), each) for each in done], answers), done
            operation = self._begin_operation("item", who, when, op)
            changed = self._change_item(operation, item, most, who, when, None)
            return _effect(changed, answers), [new for _, new in changed]

    def save_item(self, item: Item, *, who: str, when: str, op: str = "") -> Item:
        """Add an item that nobody can have chosen yet. Raises MarksError where its key is taken."""
        with self._writing():
            if self._operation(who, op) is None:
                if any(known.key == item.key for known, _ in self._items(item.question)):
                    raise MarksError([f"question {item.question} has an item {item.key!r} already"])
                operation = self._begin_operation("item", who, when, op)
                self._change_item(operation, item, 0.0, who, when, None)
            return next(known for known, _ in self._items(item.question) if known.key == item.key)

    def sync_items(self, items: Sequence[Item], most: Mapping[str, float], *, who: str, when: str) -> list[str]:
        """Take the rubric's items over. most: each question's maximum. Returns a line for what changes marks.

        What was changed while marking stays so, until the rubric says something else than before; then that counts,
        for all answers. One that is not in the rubric any more is retired.
        """
        with self._explained():
            if not self._unlike_the_rubric(items):
                return []
        notes: list[str] = []
        with self._writing():
            operation = self._begin_operation("item", "", when)
            for item, rubric in self._unlike_the_rubric(items):
                old = {known.key: known for known, _ in self._items(item.question)}.get(item.key)
                changed = self._change_item(operation, item, most.get(item.question, 0.0), who, when, rubric)
                if old is not None and not item.retired and (effect := _effect(changed, None)).answers:
                    notes.append(
                        f"rubric.toml: item {item.key!r} of question {item.question} is another one now: "
                        f"{effect.answers} {'answer' if effect.answers == 1 else 'answers'}, {effect.points:+g} points"
                    )
        return notes

    def _unlike_the_rubric(self, items: Sequence[Item]) -> list[tuple[Item, str | None]]:
        """What is to be stored, with what the rubric says."""
        stored = {(item.question, item.key): (item, rubric) for item, rubric in self._items()}
        new: list[tuple[Item, str | None]] = []
        for item in items:
            said = msgspec.json.encode(item).decode()
            if (item.question, item.key) not in stored or stored[item.question, item.key][1] != said:
                new.append((item, said))
        there = {(item.question, item.key) for item in items}
        new += [
            (msgspec.structs.replace(item, retired=True), None)
            for place, (item, rubric) in stored.items()
            if place not in there and rubric is not None and not item.retired
        ]
        return new

    def _change_item(
        self, operation: int, item: Item, most: float, who: str, when: str, rubric: str | None
    ) -> list[tuple[Change, Change]]:
        """Returns each decision that counted with the one that takes its place."""
        known = {each.key: (each, said) for each, said in self._items(item.question)}
        if item.key not in known and any(each.position == item.position for each, _ in known.values()):
            end = max(each.position for each, _ in known.values()) + 1
            item = msgspec.structs.replace(item, position=end)
        if rubric is None and item.key in known and not (item.retired and item.origin == "rubric"):
            rubric = known[item.key][1]
        changed = self._changed_by(item, most)
        values = [*msgspec.structs.astuple(item), rubric]
        names = ["operation", *Item.__struct_fields__, "rubric"]
        sql = f"INSERT INTO items ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self._db.execute(sql, (operation, *values))
        return [
            (old, self._insert(operation, msgspec.structs.replace(new, who=who, when=when), folder=folder))
            for folder, old, new in changed
        ]

    def _changed_by(self, item: Item, most: float) -> list[tuple[str, Change, Change]]:
        """The decisions that an item makes others: folder, as it is, as it would be."""
        items = {(each.question, each.key): each for each, _ in self._items(item.question)}
        items[item.question, item.key] = item
        last = "SELECT max(id) FROM decisions WHERE question = ? AND NOT second GROUP BY folder, answer"
        changed = []
        for folder, old in _rows(self._db, f"id IN ({last})", (item.question,)):
            if old.points is None or item.key not in old.items:
                continue
            new = msgspec.structs.replace(
                old,
                points=points_of(
                    [items[item.question, key].points for key in old.items if (item.question, key) in items],
                    old.adjustment,
                    most,
                ),
                words=_words(items, item.question, old.items),
                before=old.points,
                replaces=old.id,
            )
            if (new.points, new.words) != (old.points, old.words):
                changed.append((folder, old, new))
        return changed

    def _restore_items(self, operation: int, undone: int) -> None:
        """Have the items be what they were before an operation."""
        names = [*Item.__struct_fields__, "rubric"]
        for id, question, key in self._db.execute(
            "SELECT id, question, key FROM items WHERE operation = ?", (undone,)
        ).fetchall():
            before = self._db.execute(
                "SELECT max(id) FROM items WHERE question = ? AND key = ? AND id < ?", (question, key, id)
            ).fetchone()[0]
            # One that was new is not taken away, but offered no more.
            values = [name if before or name != "retired" else "1" for name in names]
            sql = f"INSERT INTO items (operation, {', '.join(names)}) SELECT ?, {', '.join(values)} FROM items"
            self._db.execute(f"{sql} WHERE id = ?", (operation, before or id))

    # Whose they are

    @contextlib.contextmanager
    def renaming(self, old: str, new: str) -> Iterator[None]:
        """Have the decisions about the submission `old` be those about `new`, if what is done meanwhile succeeds.

        What is decided about another submission that was called `new` before is set aside.
        """
        with self._writing():
            self._set_aside(new)
            self._rename(old, new)
            yield

    def set_aside(self, submission: str) -> str:
        """Have nothing that is decided about a submission count for whoever gets its name; returns the name it has now.

        Empty where nothing is decided about it.
        """
        with self._writing():
            return self._set_aside(submission)

    def _set_aside(self, submission: str) -> str:
        if not self._knows(submission):
            return ""
        number = 1
        while self._knows(aside := f"{submission}~{number}"):
            number += 1
        self._rename(submission, aside)
        return aside

    def _rename(self, old: str, new: str) -> None:
        if self._knows(old):
            self._begin_operation("rename", "", now())
            sql = "UPDATE decisions SET submission = ? WHERE folder = ? AND submission = ?"
            self._db.execute(sql, (new, old, old))
            for table in _OF_A_FOLDER:
                self._db.execute(f"UPDATE OR REPLACE {table} SET folder = ? WHERE folder = ?", (new, old))

    def bind(self, submission: str, ids: Sequence[int]) -> None:
        """Have those of its decisions that do not say whose they are, being of an earlier version, be this one's."""
        if not ids:
            return
        with self._writing():
            self._begin_operation("rename", "", now())
            sql = "UPDATE decisions SET submission = ? WHERE folder = ? AND id = ? AND submission = ''"
            self._db.executemany(sql, [(submission, submission, id) for id in ids])

    def _knows(self, folder: str) -> bool:
        return any(
            self._db.execute(f"SELECT 1 FROM {table} WHERE folder = ? LIMIT 1", (folder,)).fetchone()
            for table in ("decisions", "taken_over", "answers", "splits", "flags")
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
            operation = self._begin_operation("take over", "", now())
            for folder, journal in journals.items():
                for change in journal.changes:
                    last = self._latest(msgspec.structs.replace(change, submission=folder))
                    self._insert(
                        operation, msgspec.structs.replace(change, replaces=last.id if last else 0), folder=folder
                    )
                self._db.execute(
                    "INSERT INTO taken_over (folder, operation, size, modified, digest) VALUES (?, ?, ?, ?, ?)",
                    (folder, operation, *journal.stamp),
                )

    def _find_owners(self) -> None:
        """Learn whose the results are that stood here before the store did."""
        known = {str(folder) for (folder,) in self._all("SELECT folder FROM owners")}
        found: dict[str, tuple[str, str]] = {}
        for folder in self.output.iterdir():
            if folder.name not in known and not folder.is_symlink():
                with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                    result = msgspec.json.decode((folder / "result.json").read_bytes(), type=_Owned)
                    found[folder.name] = (result.root, result.source)
        if found:
            self.note_owners(found)

    def _require_whole(self, submissions: Iterable[str]) -> None:
        faults = [self.faults[each] for each in dict.fromkeys(submissions) if each in self.faults]
        if faults:
            raise MarksError(faults)

    # Rows

    def _done(self, who: str, op: str) -> list[Change] | None:
        """What an operation of that name has written; None where there was none."""
        id = self._operation(who, op)
        return None if id is None else [change for _, change in _rows(self._db, "operation = ?", (id,), second=None)]

    def _latest(self, about: Decision | Change, who: str | None = None) -> Change | None:
        """The last decision about an answer; `who`: the last second mark that this person has given it."""
        of = "folder = ? AND question = ? AND answer = ?"
        values = [about.submission, about.question, about.answer]
        if who is not None:
            of, values = f"{of} AND second AND who = ?", [*values, who]
        else:
            of = f"{of} AND NOT second"
        found = _rows(self._db, f"id = (SELECT max(id) FROM decisions WHERE {of})", values, second=None)
        return found[0][1] if found else None

    def _is_second(self, id: int) -> bool:
        return bool(self._db.execute("SELECT second FROM decisions WHERE id = ?", (id,)).fetchone()[0])

    def _by_others_since(self, folder: str, change: Change, who: str) -> Change | None:
        """The last decision about the answer of `change` that another than `who` has taken after it."""
        where = "folder = ? AND question = ? AND answer = ? AND id > ? AND who != ?"
        if self._is_second(change.id):
            return None
        found = _rows(self._db, where, (folder, change.question, change.answer, change.id, who))
        return found[-1][1] if found else None

    def _change(self, id: int) -> Change:
        return _rows(self._db, "id = ?", (id,), second=None)[0][1]

    def _insert(self, operation: int, change: Change, folder: str = "", *, second: bool = False) -> Change:
        values = [
            operation,
            folder or change.submission,
            second,
            *(
                msgspec.json.encode(value).decode() if name in _LISTS else value
                for name, value in msgspec.structs.asdict(change).items()
                if name != "id"
            ),
        ]
        names = ["operation", "folder", "second", *(name for name in _COLUMNS if name != "id")]
        sql = f"INSERT INTO decisions ({', '.join(map(_quoted, names))}) VALUES ({', '.join('?' * len(names))})"
        return msgspec.structs.replace(change, id=int(self._db.execute(sql, values).lastrowid or 0))


class _Owned(msgspec.Struct):
    """Of a stored result, what says whose it is."""

    root: str = ""
    source: str = ""


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
            known = _taken_over(connection, submission)
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
_LISTS = ("items", "words")
_OF_A_FOLDER = ("decisions", "taken_over", "splits", "flags", "shares", "names_shown", "answers", "owners")


def _quoted(name: str) -> str:
    return f'"{name}"'


def _rows(
    connection: sqlite3.Connection, where: str, values: Sequence[Any], *, second: bool | None = False
) -> list[tuple[str, Change]]:
    """Decisions with their folders, oldest first. second: None for first and second marks alike."""
    if second is not None:
        where = f"({where}) AND {'second' if second else 'NOT second'}"
    sql = f"SELECT folder, {', '.join(map(_quoted, _COLUMNS))} FROM decisions WHERE {where} ORDER BY id"
    places = [_COLUMNS.index(name) for name in _LISTS]
    rows = []
    for folder, *row in connection.execute(sql, values):
        for place in places:
            row[place] = msgspec.json.decode(row[place]) if row[place] != "[]" else []
        rows.append((folder, Change(**dict(zip(_COLUMNS, row, strict=True)))))
    return rows


def _changes(
    connection: sqlite3.Connection, submission: str | None, *, second: bool = False
) -> dict[str, list[Change]]:
    where, values = ("1", ()) if submission is None else ("folder = ?", (submission,))
    found: dict[str, list[Change]] = {}
    for folder, change in _rows(connection, where, values, second=second):
        found.setdefault(folder, []).append(change)
    return found


def _have_items(decisions: Iterable[Decision]) -> bool:
    return any(decision.items for decision in decisions)


def _words(items: Mapping[tuple[str, str], Item], question: str, keys: Iterable[str]) -> list[str]:
    """What items tell the student. Raises MarksError where one is not known."""
    for key in keys:
        if (question, key) not in items:
            raise MarksError([f"question {question} has no item {key!r}"])
    return [items[question, key].words for key in keys if items[question, key].words]


def _effect(changed: Iterable[tuple[Change, Change]], answers: Mapping[str, str] | None) -> Effect:
    counted = [(old, new) for old, new in changed if answers is None or answers.get(new.submission) == new.answer]
    return Effect(answers=len(counted), points=sum((new.points or 0.0) - (old.points or 0.0) for old, new in counted))


def _taken_over(connection: sqlite3.Connection, submission: str | None = None) -> dict[str, earlier.Stamp]:
    sql = "SELECT folder, size, modified, digest FROM taken_over WHERE ? IS NULL OR folder = ?"
    rows = connection.execute(sql, (submission, submission))
    return {folder: earlier.Stamp(*stamp) for folder, *stamp in rows}
