"""Which hand-ins lie in a folder, as it stands: flat, one folder a student, or nbgrader's folders."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from grader.faults import Faults, shown
from grader.grading.batch.names import is_notebook, text_of
from grader.results.classlist import CLASS_FILE, ClassList, SiteError, read_class_list

MAX_DEPTH = 12
MAX_ENTRIES = 200_000
"""Of one folder, with all below it: a class with its students' environments in it is still read within seconds."""
SHOWN, SHOWN_CHARACTERS = 8, 80
"""What is passed over is named, but not without end."""

_NO_HAND_INS = frozenset({"__pycache__", "__MACOSX", "node_modules", "site-packages"})
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")
_RESULTS = ("grades.csv", "index.html", "questions")
_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_LIKELY = (".rmd", ".qmd", ".py", ".r", ".html", ".pdf", ".docx", ".txt", ".json", ".zip", ".rar", ".7z", ".tar", ".gz")


class Found(msgspec.Struct):
    """What lies in a folder: paths below it, in parts."""

    notebooks: list[tuple[str, ...]] = []
    passed_over: list[tuple[str, ...]] = []
    """Files that are no notebooks, and folders and links that are not followed."""
    unread: list[tuple[str, ...]] = []
    """Folders that nobody looked into: what they hold is not known."""


def look_through(folder: Path, depth: int, output: Path) -> Found:
    """What there is to grade in `folder`, and in the folders in it. Raises Faults where there is no end to these.

    depth: how far the folder lies below that which names are made from. Links are followed only in that one itself: it
    is the teacher's, and what lies deeper is a student's. output: the results, which are nobody's hand-in.
    """
    found = Found()
    entries = 0
    todo: list[tuple[Path, tuple[str, ...]]] = [(folder, ())]
    while todo:
        path, parts = todo.pop()
        try:
            with os.scandir(path) as inside:
                below = sorted(inside, key=lambda entry: entry.name)
        except OSError:
            found.unread.append(parts)
            continue
        entries += len(below)
        if entries > MAX_ENTRIES:
            raise Faults(
                [f"{shown(folder)}: holds more than {MAX_ENTRIES} files; name the folder with the hand-ins in it"]
            )
        if parts and _is_no_class(path, below):
            found.passed_over.append(parts)
            found.unread.append(parts)
            continue
        if parts and all(entry.name.startswith(".") for entry in below):
            found.passed_over.append(parts)  # an empty folder: somebody who handed in nothing
        is_import = depth == 0 and not parts and _class_list(path) is not None
        for entry in below:
            own = (*parts, entry.name)
            at_top = depth + len(own) == 1
            if not _is_folder(entry):
                if _is_hand_in(entry, at_top):
                    found.notebooks.append(own)
                elif not _is_of_no_interest(entry):
                    found.passed_over.append(own)
            elif entry.name.startswith(".") or entry.name in _NO_HAND_INS or _is_same(entry, output):
                continue
            elif (
                is_import
                or depth + len(own) > MAX_DEPTH
                or (entry.is_symlink() and not _leads_on(entry, folder, at_top))
            ):
                # What an import has kept beside the notebooks, it has told of itself.
                found.unread.append(own)
                if not is_import:
                    found.passed_over.append(own)
            else:
                todo.append((Path(entry.path), own))
    found.notebooks.sort()
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def _is_hand_in(entry: os.DirEntry[str], at_top: bool) -> bool:
    return is_notebook(entry.name) and not entry.name.startswith("._") and (at_top or not entry.is_symlink())


def _is_of_no_interest(entry: os.DirEntry[str]) -> bool:
    """The systems' own files, and what describes the rest. `._x.ipynb` is macOS's, unless it is something else."""
    name = entry.name
    if name.startswith("._"):
        return not is_notebook(name) or _begins_with(entry, _APPLE_DOUBLE)
    return name.startswith(".") or name.startswith("README") or name in (CLASS_FILE, "Thumbs.db", "desktop.ini")


def _begins_with(entry: os.DirEntry[str], start: bytes) -> bool:
    try:
        if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            return False
        with open(entry.path, "rb") as file:  # noqa: PTH123
            return file.read(len(start)) == start
    except OSError:
        return False


def _is_no_class(path: Path, below: Iterable[os.DirEntry[str]]) -> bool:
    """Whether a folder with these files is an environment of Python, results of a grading, or an import of its own."""
    names = {entry.name for entry in below}
    if not names.isdisjoint(_ENVIRONMENT) or names.issuperset(_RESULTS):
        return True
    return CLASS_FILE in names and _class_list(path) is not None


def _class_list(folder: Path) -> ClassList | None:
    """None also where a student's file has the name of one."""
    with contextlib.suppress(SiteError):
        return read_class_list(folder)
    return None


def _is_same(entry: os.DirEntry[str], other: Path) -> bool:
    try:
        return Path(entry.path).samefile(other)
    except OSError:
        return False


def _leads_on(link: os.DirEntry[str], folder: Path, at_top: bool) -> bool:
    """Whether a link to a folder shows what is not read anyway, and is not a student's."""
    if not at_top:
        return False
    target, here = Path(os.path.realpath(link.path)), Path(os.path.realpath(folder))
    return not target.is_relative_to(here) and not here.is_relative_to(target)


def in_words(folders: Iterable[tuple[str, Found]]) -> Iterator[str]:
    """One line about all that was passed over, the likeliest hand-ins first; none where there is nothing to tell."""
    names: list[tuple[tuple[bool, bool, bool], str]] = []
    for folder, found in folders:
        with_notebook = {parts[:-1] for parts in found.notebooks}
        for parts in found.passed_over:
            name = parts[-1].lower()
            rank = (".ipynb" not in name, parts[:-1] in with_notebook, not name.endswith(_LIKELY))
            names.append((rank, "/".join([folder.rstrip("/"), *map(text_of, parts)])))
    if names:
        names.sort()
        some = ", ".join(_end_of(name) for _, name in names[:SHOWN])
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        yield f"not graded, because they are not hand-ins: {some}{more}"


def _end_of(name: str) -> str:
    return name if len(name) <= SHOWN_CHARACTERS else f"…{name[-SHOWN_CHARACTERS:]}"
