"""Where hand-ins come from: the files to grade, the folder that each one's name is made from, and the names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path

import msgspec

from grader.faults import Faults, shown
from grader.grading.batch.finding import Found, in_words, look_through
from grader.grading.batch.names import name_of, text_of
from grader.results.classlist import ClassList, SiteError, read_class_list
from grader.results.names import key

NBGRADER = "submitted"
"""What nbgrader calls the folder with a folder for each student."""
SHOWN_FAULTS = 20


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One hand-in: where it lies, and what it is called."""

    name: str
    path: Path
    """As given."""
    root: Path
    """The folder that its name is made from; absolute, without links."""
    below: str
    """The path below that. Empty where the folder itself stands for a hand-in."""

    @property
    def place(self) -> str:
        """One text for each place, however it was named."""
        return place(text_of(self.root), self.below)


class Handed(msgspec.Struct, kw_only=True):
    """All that is to be graded together."""

    sources: list[Source] = []
    """In the order given; what lies in a folder, by its path."""
    missing: list[Source] = []
    """Those of whom a class list says that they handed in no notebook."""
    class_lists: dict[Path, ClassList] = {}
    searched: list[str] = []
    """Folders that were read with all below them, but for the next ones: what is not found there is gone."""
    unread: list[str] = []
    notes: list[str] = []


def place(root: str, below: str) -> str:
    return f"{root.rstrip('/')}/{below}" if below else root


def lies_in(where: str, folder: str) -> bool:
    return where == folder or where.startswith(folder.rstrip("/") + "/")


def find_hand_ins(
    paths: Sequence[Path], output: Path, remembered: Set[str] = frozenset(), root: Path | None = None
) -> Handed:
    """Everything that is handed in at `paths`, each once. Raises Faults where two would have one name, SiteError.

    A folder stands for the notebooks in it and in the folders below, any other path for itself. A folder without any
    stands for itself too, and is reported as unreadable like any other bad file; but not one of which a class list says
    who handed in nothing. remembered: folders that names were made from before. root: make all names from this one.
    """
    roots = _Roots(paths, remembered, root)
    handed = Handed()
    found: dict[str, Source] = {}
    read: list[tuple[str, Found]] = []
    lists: dict[Path, ClassList | None] = {}
    for path in paths:
        folder, parts = roots.of(path)
        lists[folder] = lists[folder] if folder in lists else _class_list(folder)
        class_list = lists[folder]
        if not is_folder(path):
            there, below = [path], [parts]
        else:
            if class_list is not None and not parts:
                handed.class_lists[folder] = class_list
            inside = look_through(path, len(parts), output)
            read.append((text_of(path), inside))
            handed.searched.append(place(text_of(folder), _joined(parts)))
            handed.unread += [place(text_of(folder), _joined((*parts, *each))) for each in inside.unread]
            there = [path.joinpath(*each) for each in inside.notebooks]
            below = [(*parts, *each) for each in inside.notebooks]
            if not there and folder not in handed.class_lists:
                there, below = [path], [parts]
        for file, own in zip(there, below, strict=True):
            source = _source(folder, own, file, class_list)
            found.setdefault(source.place, source)
    handed.sources = list(found.values())
    handed.missing = list(_missing(handed))
    handed.notes += in_words(read)
    _require_names_of_their_own([*handed.sources, *handed.missing])
    return handed


def _joined(parts: tuple[str, ...]) -> str:
    return "/".join(map(text_of, parts))


def _source(root: Path, parts: tuple[str, ...], path: Path, class_list: ClassList | None) -> Source:
    below = _joined(parts)
    name = name_of(parts or (root.name,))
    if class_list is not None:
        listed = (each.submission for each in class_list.hand_ins if each.notebook == below)
        name = next(listed, name)
    return Source(name=name, path=path, root=root, below=below)


def _missing(handed: Handed) -> Iterator[Source]:
    there = {source.place for source in handed.sources}
    for root, class_list in handed.class_lists.items():
        for hand_in in class_list.hand_ins:
            source = Source(
                name=hand_in.submission,
                path=root / hand_in.submission,
                root=root,
                # Where its notebook would lie: one that is put there later is the same hand-in.
                below=f"{hand_in.submission}.ipynb",
            )
            if hand_in.notebook is None and source.place not in there:
                yield source


class _Roots:
    """The folder that the names are made from, for each path: as wide as it was ever given.

    So it is the same one for a class, for a student's folder in it, and for a file, once the class has been graded.
    """

    def __init__(self, paths: Iterable[Path], remembered: Set[str], root: Path | None) -> None:
        self.only = None if root is None else text_of(os.path.realpath(root))
        self.known = set(remembered)
        self.known |= {text_of(self._own(path)[0]) for path in paths if is_folder(path)}

    def of(self, path: Path) -> tuple[Path, tuple[str, ...]]:
        """That folder, and the path below it in parts. Raises Faults."""
        wanted = self.known if self.only is None else {self.only}
        for folder, parts in _lineage(path):
            real = Path(os.path.realpath(folder))
            if text_of(real) in wanted and (parts or is_folder(path)):
                return real, parts
        if self.only is not None:
            raise Faults([f"{shown(path)}: is not in {self.only}, the folder given with --root"])
        return self._own(path)

    def _own(self, path: Path) -> tuple[Path, tuple[str, ...]]:
        """Where nothing is known of it: the folder itself, or the one that the file lies in; and with nbgrader's
        folders, that which holds the students."""
        *above, nearest = [(Path(os.path.realpath(folder)), folder, parts) for folder, parts in _lineage(path)]
        for real, folder, parts in above:
            if NBGRADER in (folder.name, real.name):
                return real, parts
        real, _, parts = nearest if is_folder(path) or not above else above[-1]
        return real, parts


def _lineage(path: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """All folders that a path lies in, the outermost first, and the rest of the path; at last the path itself."""
    parts = Path(os.path.abspath(path)).parts  # noqa: PTH100 - not resolved: a link has its own name
    return [(Path(*parts[:count]), parts[count:]) for count in range(1, len(parts) + 1)]


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and os.access(path, os.R_OK | os.X_OK)
    except (OSError, ValueError):
        return False


def _class_list(root: Path) -> ClassList | None:
    return read_class_list(root) if is_folder(root) else None


def class_list_of(handed: Handed) -> ClassList | None:
    """The class list that is graded. Raises SiteError where there are several."""
    if len(handed.class_lists) > 1:
        folders = " and ".join(map(shown, handed.class_lists))
        raise SiteError([f"{folders}: each is a class of its own; grade each into a folder of its own (--output)"])
    return next(iter(handed.class_lists.values()), None)


def _require_names_of_their_own(sources: Iterable[Source]) -> None:
    """Also where a file system would take two names for one. Raises Faults, with a line for each two."""
    named: dict[str, Source] = {}
    faults: list[str] = []
    for source in sources:
        first = named.setdefault(key(source.name), source)
        if first is not source:
            faults.append(_alike(first, source))
    if faults:
        more = [f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
        raise Faults([*faults[:SHOWN_FAULTS], *more])


def _alike(first: Source, second: Source) -> str:
    what = f"{first.place} and {second.place}: both would be called {second.name!r}"
    if first.root == second.root:
        return f"{what}; rename one of them"
    common = os.path.commonpath([first.root, second.root])
    return f"{what}; name a folder that holds both (--root {shown(Path(common))}), or rename one of them"
