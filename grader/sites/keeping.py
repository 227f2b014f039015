"""What was handed in besides the notebooks: kept beside them, whole, and never overwritten."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.results.classlist import KEPT
from grader.results.names import file_name, key, numbered
from grader.sites.choosing import is_notebook
from grader.sites.handins import Given


class Kept:
    """The folder with what one person handed in besides the notebook. Nothing in it is ever overwritten."""

    def __init__(self, folder: Path, staging: Path, submission: str) -> None:
        self._top = folder
        self._staging = staging
        self._folder = folder / KEPT / submission
        self._paths: list[str] = []
        self._folders: dict[Path, dict[str, Path]] = {}
        self._numbered: dict[Path, _Numbered] = {}

    def put_all(self, files: Sequence[Given], folder: str = "") -> None:
        for given in files:
            # What was in a zip is in it still; only a notebook is to be seen at once.
            if given.unpacked.nested == 0 or is_notebook(given):
                self.put(given.unpacked.file, given.path, folder)

    def holds(self, file: Path) -> bool:
        """Whether a file like it was kept in this import."""
        return any(same_content(self._top / path, file) for path in self._paths)

    def put(self, file: Path, path: Sequence[str], folder: str = "") -> None:
        """Copy a file below `folder`, unless one like it is there already."""
        within = self._folder / folder
        name = file_name("_".join(path) or file.name)
        there = self._there(within)
        numbers = self._numbered.setdefault(within / key(name), _Numbered())
        digest = _digest(file) if key(name) in there else ""
        target = numbers.by_digest.get(digest)
        while target is None:
            choice = within / (numbered(name, numbers.next) if numbers.next > 1 else name)
            other = there.get(key(choice.name))
            if other is None:
                copy_whole(file, choice, self._staging)
                there[key(choice.name)] = target = choice
            else:
                numbers.next += 1
                numbers.by_digest.setdefault(_digest(other), other)
                target = numbers.by_digest.get(digest)
        self._paths.append(target.relative_to(self._top).as_posix())

    def _there(self, within: Path) -> dict[str, Path]:
        """What is in a folder, by a key: not all file systems tell `A.csv` from `a.csv`. Only this puts more there."""
        if within not in self._folders:
            self._folders[within] = {key(other.name): other for other in within.iterdir()} if within.is_dir() else {}
        return self._folders[within]

    def listed(self) -> list[str]:
        """All that is there, whichever import kept it: also one that was cut off before it could say so."""
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self._top).as_posix() for path in files)


@dataclass
class _Numbered:
    """The files of one name, told apart by numbers: which are known, and the number to look at next."""

    by_digest: dict[str, Path] = field(default_factory=dict)
    next: int = 1


def _digest(file: Path) -> str:
    """Equal for what holds the same; where it is no plain file, nobody else's."""
    if file.is_symlink() or not file.is_file():
        return str(file)
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def same_content(one: Path, other: Path) -> bool:
    """Whether two files hold the same; False where one of them is no plain file."""
    if one.is_symlink() or not one.is_file():
        return False
    return filecmp.cmp(one, other, shallow=False)


def copy_whole(source: Path, target: Path, staging: Path) -> None:
    """Write a whole file or nothing. Copied, not moved: one file of a download can be wanted in two places.

    staging: a folder on the same file system, which is cleared away whatever happens.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=staging)
    with os.fdopen(handle, "wb") as file, source.open("rb") as content:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())
    # mkstemp makes files private; what was unpacked has the mode of any other file.
    shutil.copymode(source, name)
    os.replace(name, target)
