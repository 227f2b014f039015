"""The files in which earlier versions kept decisions: `<submission>/marks.json`. They are read, and never written."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from grader.faults import shown
from grader.results.journal import MarksError
from grader.results.results import Change

FILE = "marks.json"


class Stamp(NamedTuple):
    """What a file looked like."""

    size: int
    modified: int
    """In nanoseconds, as the file system has it."""
    digest: str = ""
    """SHA-256; empty where the file was not read."""

    def is_same(self, folder: Path, now: Stamp) -> bool:
        """Whether the file in `folder`, which looks like `now`, is the one that looked like this."""
        if (self.size, self.modified) == (now.size, now.modified):
            return True
        # Copying a folder makes new times.
        with contextlib.suppress(OSError):
            return _digest((folder / FILE).read_bytes()) == self.digest
        return False


class Journal(NamedTuple):
    changes: list[Change]
    """Oldest first."""
    stamp: Stamp


def find(output: Path, submission: str | None = None) -> dict[str, Stamp]:
    """The files below `output`, by the name of their folder; of one submission, or of all."""
    if submission is not None:
        folders = [output / submission]
    else:
        folders = sorted(each for each in output.iterdir() if not each.is_symlink()) if output.is_dir() else []
    found = {}
    for folder in folders:
        try:
            found[folder.name] = _stamp(folder / FILE)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            found[folder.name] = Stamp(-1, -1)  # reading it says why
    return found


def read(folder: Path) -> Journal:
    """All decisions in the file of one folder; MarksError where they cannot be read."""
    path = folder / FILE
    try:
        stamp, data = _stamp(path), path.read_bytes()
        changes = msgspec.json.decode(data, type=list[Change])
    except OSError as error:
        raise MarksError([f"{shown(path)}: cannot be read ({error.strerror}); the marks in it are needed"]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = f"is damaged ({error}); correct it, or move it away and mark again"
        raise MarksError([f"{shown(path)}: {why}"]) from None
    # There were no items: all points are an adjustment.
    changes = [msgspec.structs.replace(change, adjustment=change.points or 0.0) for change in changes]
    return Journal(changes, stamp._replace(digest=_digest(data)))


def was_changed(folder: Path) -> str:
    """The line about a file whose decisions were taken over as it was, and that has become another since."""
    return (
        f"{shown(folder / FILE)}: has been changed since its marks were taken over into the store; move it away, and "
        "enter what is new in it again"
    )


def _stamp(path: Path) -> Stamp:
    state = path.stat()
    return Stamp(state.st_size, state.st_mtime_ns)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
