"""What was handed in besides the notebooks: kept beside them, whole, and never overwritten."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Sequence
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
        # Not all file systems tell `A.csv` from `a.csv`.
        there = {key(other.name): other for other in within.iterdir()} if within.is_dir() else {}
        number, target = 1, within / name
        while key(target.name) in there and not same_content(there[key(target.name)], file):
            number += 1
            target = within / numbered(name, number)
        if key(target.name) in there:
            target = there[key(target.name)]
        else:
            copy_whole(file, target, self._staging)
        self._paths.append(target.relative_to(self._top).as_posix())

    def listed(self) -> list[str]:
        """All that is there, whichever import kept it: also one that was cut off before it could say so."""
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self._top).as_posix() for path in files)


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
