"""The store's file: where it lies, how it is opened on every kind of file system, and the versions of its tables."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from grader.faults import shown
from grader.results.journal import MarksError

DATABASE = "marks.sqlite3"
BESIDE = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", f"{DATABASE}.lock")
"""Names of files that SQLite may have in the results folder."""
SECONDS = 30.0
"""How long one process waits for another that writes; a transaction takes milliseconds."""

MIGRATIONS = (
    # 1
    """
    CREATE TABLE operations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        who TEXT NOT NULL,
        at TEXT NOT NULL,
        op TEXT,
        undoes INTEGER REFERENCES operations (id)
    );
    CREATE UNIQUE INDEX operations_by_op ON operations (who, op) WHERE op IS NOT NULL;
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL REFERENCES operations (id),
        folder TEXT NOT NULL,
        submission TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        points REAL,
        before REAL,
        items TEXT NOT NULL,
        adjustment REAL NOT NULL,
        comment TEXT NOT NULL,
        reason TEXT NOT NULL,
        who TEXT NOT NULL,
        "when" TEXT NOT NULL,
        replaces INTEGER NOT NULL
    );
    CREATE INDEX decisions_by_answer ON decisions (folder, question, answer);
    CREATE INDEX decisions_by_operation ON decisions (operation);
    CREATE TABLE taken_over (
        folder TEXT PRIMARY KEY,
        operation INTEGER NOT NULL REFERENCES operations (id),
        size INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        digest TEXT NOT NULL
    );
    """,
    # 2
    """
    ALTER TABLE decisions ADD COLUMN words TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE decisions ADD COLUMN second INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE items (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL REFERENCES operations (id),
        question TEXT NOT NULL,
        key TEXT NOT NULL,
        text TEXT NOT NULL,
        points REAL NOT NULL,
        words TEXT NOT NULL,
        position INTEGER NOT NULL,
        origin TEXT NOT NULL,
        retired INTEGER NOT NULL,
        rubric TEXT
    );
    CREATE INDEX items_by_key ON items (question, key);
    CREATE TABLE splits (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL REFERENCES operations (id),
        folder TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        apart INTEGER NOT NULL
    );
    CREATE TABLE flags (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL REFERENCES operations (id),
        folder TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        for_whom TEXT NOT NULL,
        note TEXT NOT NULL,
        open INTEGER NOT NULL
    );
    CREATE TABLE shares (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL REFERENCES operations (id),
        folder TEXT NOT NULL,
        question TEXT NOT NULL,
        who TEXT NOT NULL,
        second INTEGER NOT NULL
    );
    CREATE TABLE names_shown (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL REFERENCES operations (id),
        folder TEXT NOT NULL
    );
    CREATE TABLE answers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL REFERENCES operations (id),
        folder TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        cells TEXT NOT NULL
    );
    CREATE INDEX answers_by_question ON answers (folder, question);
    CREATE TABLE exports (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL REFERENCES operations (id),
        path TEXT NOT NULL,
        last INTEGER NOT NULL
    );
    CREATE TABLE owners (
        folder TEXT PRIMARY KEY,
        root TEXT NOT NULL,
        source TEXT NOT NULL
    );
    """,
)
"""What brings the tables from each version to the next. One that was released is never changed."""

# With a write-ahead log, readers and a writer do not wait for each other. It needs memory that all processes share, so
# it is only for file systems of which all processes are known to be on this machine.
_LOCAL = {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}


def connect(output: Path) -> sqlite3.Connection:
    """The store's database, made or brought to this version where need be. Raises MarksError."""
    if not output.is_dir():
        why = "is no folder; name the folder that `grader grade` has written"
        raise MarksError([f"{shown(output)}: {why}"])
    with explained(output):
        is_new = not (output / DATABASE).exists()
        connection = _open(output / DATABASE, "rwc")
        try:
            if is_new:
                _share(output)
            _prepare(connection, output)
        except BaseException:
            connection.close()
            raise
        return connection


def connect_to_read(output: Path) -> sqlite3.Connection | None:
    """The same where there is one, changing nothing; None where there is none. Raises MarksError."""
    path = output / DATABASE
    if not path.is_file():
        return None
    with explained(output):
        # Of the ways to open it, the first that the folder's permissions allow.
        for options in ("rw", "ro", "ro&immutable=1"):
            connection = _open(path, options)
            try:
                version = _version(connection)
            except sqlite3.OperationalError as error:
                connection.close()
                if options.endswith("immutable=1") or "locked" in str(error):
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                if version == len(MIGRATIONS):
                    return connection
                connection.close()
                if version == 0:
                    return None  # another process is making it just now: nothing is decided yet
                _require_known(version, output)
                connect(output).close()
                return _open(path, options)
    return None


@contextlib.contextmanager
def explained(output: Path) -> Iterator[None]:
    """Have what SQLite finds wrong raised as MarksError, with one line."""
    where = shown(output / DATABASE)
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            why = "another process has been writing into it for too long; wait until that ends"
            if (output / f"{DATABASE}.lock").exists():
                why += f", and delete {shown(output / f'{DATABASE}.lock')} if no grader is running"
        elif "readonly" in str(error):
            why = "may not be written by you; ask its owner for the permission (chmod g+w), or mark as its owner"
        else:
            why = f"cannot be used ({error}); the marks in it are needed"
        raise MarksError([f"{where}: {why}"]) from None
    except sqlite3.DatabaseError as error:
        why = f"is damaged ({error}); put a copy back that is whole, or move it away and mark again"
        raise MarksError([f"{where}: {why}"]) from None


def _open(path: Path, options: str) -> sqlite3.Connection:
    vfs = "" if _has_locks(path.parent) else "&vfs=unix-dotfile"
    # No transaction that is not asked for.
    return sqlite3.connect(
        f"file:{quote(os.fspath(path.absolute()))}?mode={options}{vfs}", uri=True, timeout=SECONDS, isolation_level=None
    )


def _share(output: Path) -> None:
    """Let all who may write into the folder write into the new database, whatever this user's mask is."""
    path = output / DATABASE
    path.touch()
    with contextlib.suppress(OSError):
        path.chmod(path.stat().st_mode & 0o777 | output.stat().st_mode & 0o066)


def _prepare(connection: sqlite3.Connection, output: Path) -> None:
    _choose_journal(connection, output)
    connection.execute("PRAGMA foreign_keys = ON")
    # What was acknowledged is on the disk, also where the machine loses its power.
    connection.execute("PRAGMA synchronous = EXTRA")
    version = _version(connection)
    _require_known(version, output)
    if version < len(MIGRATIONS):
        _migrate(connection)


def _choose_journal(connection: sqlite3.Connection, output: Path) -> None:
    """The kind of journal is kept in the file, which may have come here from another file system."""
    if _file_system(output) in _LOCAL and _has_locks(output):
        # Where it cannot be had after all, the journal that SQLite has by default is as safe.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        return
    if not _has_locks(output):
        # Without shared memory, a write-ahead log can only be read by one process.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA locking_mode = NORMAL")


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        for number, script in enumerate(MIGRATIONS[_version(connection) :], _version(connection) + 1):
            for statement in script.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _require_known(version: int, output: Path) -> None:
    if version > len(MIGRATIONS):
        why = "a later version of grader has written it; use that one"
        raise MarksError([f"{shown(output / DATABASE)}: {why}"])


def _has_locks(folder: Path) -> bool:
    """Whether the folder's file system locks files. Where it does not, SQLite locks with a folder of its own.

    Not tried with the database itself: to close a file gives up all locks that this process has on it.
    """
    device = folder.stat().st_dev
    if device not in _locking:
        _locking[device] = _can_lock_in(folder)
    return _locking[device]


_locking: dict[int, bool] = {}
"""By file system, as far as it was asked for."""


def _can_lock_in(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
    except OSError:
        return True  # nothing can be written here, so nobody does
    return True


def _file_system(folder: Path) -> str:
    """The type of the folder's file system, as Linux calls it; empty where that is not known."""
    path = os.path.realpath(folder)
    best, found = -1, ""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        place = before.split()[4].encode().decode("unicode_escape")
        if len(place) >= best and (path == place or path.startswith(place.rstrip("/") + "/")):
            best, found = len(place), after.split()[0]
    return found
