"""All that the store has ever been told, in order: for people to read, and for a repository to keep."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from grader.results import database
from grader.results.decisions import read_marks
from grader.results.results import Change
from grader.results.teamwork import Export, exports_in

_PARTS = {
    "item": ("items", "question, key, text, words, points, position, origin, retired"),
    "split": ("splits", "folder AS submission, question, answer, apart"),
    "flag": ("flags", "folder AS submission, question, answer, for_whom, note, open"),
    "share": ("shares", "folder AS submission, question, shares.who AS marker, second"),
    "name shown": ("names_shown", "folder AS submission"),
    "export": ("exports", "path, last"),
}
_TRUTHS = ("apart", "open", "second", "retired")


class Entry(msgspec.Struct, kw_only=True, frozen=True):
    """One thing that was stored."""

    kind: str
    """"decision", or what else: "item", "split", "flag", "share", "name shown", "export"."""
    operation: int
    """Entries of one operation were stored together; 0 where it stands in an earlier version's file only."""
    who: str
    when: str
    undoes: int | None = None
    """The operation that this one takes back."""
    said: dict[str, Any]

    @property
    def change(self) -> Change | None:
        """The decision, where it is one."""
        if self.kind != "decision":
            return None
        known = Change.__struct_fields__
        return msgspec.convert({name: value for name, value in self.said.items() if name in known}, Change)

    def as_json(self) -> bytes:
        """In one line."""
        head = {"kind": self.kind, "operation": self.operation, "who": self.who, "when": self.when}
        return msgspec.json.encode(head | ({"undoes": self.undoes} if self.undoes else {}) | self.said)


def read_history(output: Path, submission: str | None = None) -> list[Entry]:
    """Everything, the oldest first; or what is about one submission. Raises MarksError."""
    marks = read_marks(output)
    entries = [
        _decision(change, folder, 0, None, False)
        for folder, changes in sorted(marks.changes.items())
        for change in changes
        if change.id == 0
    ]
    connection = database.connect_to_read(output)
    if connection is not None:
        with contextlib.closing(connection), database.explained(output):
            operations = {id: rest for id, *rest in connection.execute("SELECT id, who, at, undoes FROM operations")}
            stored: list[tuple[int, Entry]] = []
            names = list(Change.__struct_fields__)
            columns = ", ".join(f'"{name}"' for name in names)
            for folder, operation, second, *row in connection.execute(
                f"SELECT folder, operation, second, {columns} FROM decisions ORDER BY id"
            ):
                given = dict(zip(names, row, strict=True))
                given |= {name: msgspec.json.decode(given[name]) for name in ("items", "words")}
                entry = _decision(Change(**given), folder, operation, operations[operation][2], bool(second))
                stored.append((operation, entry))
            for kind, (table, columns) in _PARTS.items():
                cursor = connection.execute(f"SELECT operation, {columns} FROM {table} ORDER BY id")
                keys = [column[0] for column in cursor.description][1:]
                for operation, *row in cursor:
                    who, at, undoes = operations[operation]
                    said = dict(zip(keys, row, strict=True))
                    said |= {name: bool(said[name]) for name in _TRUTHS if name in said}
                    entry = Entry(kind=kind, operation=operation, who=who, when=at, undoes=undoes, said=said)
                    stored.append((operation, entry))
        entries += [entry for _, entry in sorted(stored, key=lambda pair: pair[0])]
    return [entry for entry in entries if submission in (None, entry.said.get("submission"))]


def read_exports(output: Path) -> list[Export]:
    """What was exported, without a store: nothing is written. Raises MarksError."""
    connection = database.connect_to_read(output)
    if connection is None:
        return []
    with contextlib.closing(connection), database.explained(output):
        return exports_in(connection)


def _decision(change: Change, folder: str, operation: int, undoes: int | None, second: bool) -> Entry:
    said = {name: getattr(change, name) for name in Change.__struct_fields__ if name not in ("who", "when")}
    said |= {"submission": folder, "said_of": change.submission} if change.submission != folder else {}
    said |= {"second": True} if second else {}
    said |= {"who": change.who, "when": change.when}
    return Entry(kind="decision", operation=operation, who=change.who, when=change.when, undoes=undoes, said=said)
