"""What all parts of the store share: its connection, its transactions, and the operations that its rows belong to."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from grader.results import database

Kind = Literal[
    "decide", "undo", "take over", "rename", "item", "split", "flag", "shares", "name shown", "hand in", "export"
]


class Rows:
    """The store's database, for one thread."""

    def __init__(self, output: Path, connection: sqlite3.Connection) -> None:
        self.output = output
        self._db = connection

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def revision(self) -> int:
        """Grows with whatever is written, by any process."""
        with self._explained():
            return int(self._db.execute("SELECT coalesce(max(id), 0) FROM operations").fetchone()[0])

    def _begin_operation(self, kind: Kind, who: str, when: str, op: str = "", undoes: int | None = None) -> int:
        sql = "INSERT INTO operations (kind, who, at, op, undoes) VALUES (?, ?, ?, ?, ?)"
        return int(self._db.execute(sql, (kind, who, when, op or None, undoes)).lastrowid or 0)

    def _operation(self, who: str, op: str) -> int | None:
        """The operation of that name, where the same person has done it before."""
        row = self._db.execute("SELECT id FROM operations WHERE who = ? AND op = ?", (who, op)).fetchone()
        return None if row is None or not op else int(row[0])

    def _all(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._explained():
            return self._db.execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, of which all is stored or nothing; nobody else writes meanwhile."""
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        with database.explained(self.output):
            yield


def now() -> str:
    """ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
