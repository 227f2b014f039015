"""From a course site's bulk download to a folder of notebooks, one for each person, and the list of who is who.

A folder can be imported into again, say with a second download after the late deadline. Everybody keeps their name in
it, what has not changed is not touched, and what is replaced goes to `kept/`: nothing is ever deleted or overwritten.
The class list is written last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from grader.assignment.assignment import Assignment
from grader.report.store import OWN_NAMES
from grader.results.classlist import ClassList, HandIn, Site, SiteError, read_class_list, write_class_list
from grader.results.names import Taken, file_name, numbered, same_person, slug
from grader.sites.archive import LIMITS, Limits, unpack
from grader.sites.brightspace import BRIGHTSPACE
from grader.sites.canvas import CANVAS
from grader.sites.choosing import choose_notebook, is_notebook
from grader.sites.dates import read_date
from grader.sites.handins import Format, Found, Given, Person, Sorted, sort_by_hand_in
from grader.sites.keeping import Kept, copy_whole, same_content
from grader.sites.known import find_known
from grader.sites.moodle import MOODLE

FORMATS: Mapping[Site, Format] = {format.site: format for format in (BRIGHTSPACE, CANVAS, MOODLE)}

MAX_REFUSED = 500
"""Lines about entries that were refused: a hostile zip must not make the list unreadable."""
_MIND = "check whose hand-in this is"
_UNPACKED = ".import-"
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_NOT_HERE = "not in the latest download; what was imported before is kept"
# What a person has to open, and put the notebook of it into the folder.
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")


@dataclass
class Imported:
    """What an import did."""

    classlist: ClassList
    new: list[str] = field(default_factory=list)
    """Names of submissions."""
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def import_download(
    site: Site,
    download: Path,
    folder: Path,
    *,
    assignment: Assignment | None = None,
    due: datetime | None = None,
    limits: Limits = LIMITS,
) -> Imported:
    """Bring a download into `folder`. Raises SiteError where it cannot be used as a whole, OSError for the disk.

    assignment: of several notebooks in one hand-in, take that which answers most of its questions. due: what came
    later is late, where the download has times and does not say so itself; in the site's own time zone.
    """
    format = FORMATS[site]
    if not download.exists():
        raise SiteError([f"{download}: there is no such file or folder"])
    if download.is_dir() and folder.resolve().is_relative_to(download.resolve()):
        raise SiteError([f"{folder}: lies in the download itself; choose another folder with --output"])
    folder.mkdir(parents=True, exist_ok=True)
    with _reserved(folder), tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=folder) as staging:
        before = read_class_list(folder)
        if before is not None and before.site != site:
            title = FORMATS[before.site].title
            raise SiteError([f"{folder}: holds an import from {title} already; choose another folder with --output"])
        contents = unpack(download, Path(staging), limits)
        found = sort_by_hand_in(contents, format)
        if not found.hand_ins:
            other = next((other for other in FORMATS.values() if sort_by_hand_in(contents, other).hand_ins), None)
            raise SiteError([_unlike(download, format, other, found.refused)])
        importing = _Importing(folder, Path(staging), format, before, assignment, due)
        return importing.run(found, _assignment_name(found, download))


@contextlib.contextmanager
def _reserved(folder: Path) -> Iterator[None]:
    """Have the folder for one import alone, and clear away what one that was killed left unpacked."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SiteError([f"{folder}: another import writes there; wait until it ends"]) from None
        except OSError:
            pass  # a network file system that has no locks
        else:
            for left in folder.glob(f"{_UNPACKED}*"):
                shutil.rmtree(left)
        yield
    finally:
        os.close(handle)


def _unlike(download: Path, format: Format, other: Format | None, refused: Sequence[str]) -> str:
    hint = f"; it looks like one from {other.title}" if other else ""
    first = f" (the first entry that was refused: {refused[0]})" if refused and not other else ""
    what = f"nothing in it is called like “{format.examples[0]}”"
    return f"{download}: is no download from {format.title}: {what}{hint}{first}"


def _assignment_name(found: Sorted, download: Path) -> str:
    # Brightspace calls the file `HW1 Download Oct 11, 2025 1022 AM.zip`.
    return found.assignment or (download.stem.partition(" Download ")[0] if " Download " in download.stem else "")


class _Importing:
    def __init__(
        self,
        folder: Path,
        staging: Path,
        format: Format,
        before: ClassList | None,
        assignment: Assignment | None,
        due: datetime | None,
    ) -> None:
        self._folder = folder
        self._staging = staging
        self._format = format
        self._before = before
        self._assignment = assignment
        self._due = due
        self._imported = Imported(ClassList(site=format.site))
        self._taken = self._names_in_use()
        self._numbers: dict[str, int] = {}
        """The last that was given to each name."""

    def run(self, found: Sorted, assignment: str) -> Imported:
        people = self._format.people(found.hand_ins)
        old = list(self._before.hand_ins) if self._before else []
        known = find_known(people, old)
        hand_ins = [self._take(person, earlier) for person, earlier in known if earlier]
        # By name: whoever gets which number does not hang on the order in the download.
        unknown = sorted(
            (person for person, earlier in known if not earlier), key=lambda one: (one.name, *one.ids.values())
        )
        hand_ins += [self._take(person, None) for person in unknown]
        for absent in old:
            absent.notes = [*(note for note in absent.notes if note != _NOT_HERE), _NOT_HERE]
            hand_ins.append(absent)
        for hand_in in hand_ins:
            self._adopt(hand_in)
        _note_same_names(hand_ins)
        more = len(found.refused) - MAX_REFUSED
        self._imported.classlist = ClassList(
            site=self._format.site,
            assignment=assignment or (self._before.assignment if self._before else ""),
            due=self._due.isoformat() if self._due else (self._before.due if self._before else ""),
            hand_ins=sorted(hand_ins, key=lambda hand_in: hand_in.submission),
            refused=found.refused[:MAX_REFUSED] + ([f"… and {more} more"] if more > 0 else []),
        )
        write_class_list(self._folder, self._imported.classlist)
        return self._imported

    def _names_in_use(self) -> Taken:
        taken = Taken(OWN_NAMES)
        for hand_in in self._before.hand_ins if self._before else []:
            taken.add(hand_in.submission)
        return taken

    # One person

    def _take(self, person: Person, old: HandIn | None) -> HandIn:
        ordered, notes = _in_order(person.hand_ins)
        counting = next((one for one in reversed(ordered) if any(map(is_notebook, one.files))), ordered[-1])
        if counting is not ordered[-1]:
            notes.append("the latest hand-in has no notebook, so that of an earlier one counts: a person should look")
        notebook, about = choose_notebook(counting.files, self._assignment)
        place = notebook.place if notebook else counting.place
        new = HandIn(
            submission=old.submission if old else self._name(person, notebook),
            notebook=None,
            person=unicodedata.normalize("NFC", person.name),
            ids={**person.ids, **dict(place.ids)},
            folder=place.folder,
            flat=place.flat,
            submitted=read_date(place.submitted) or place.submitted,
            late=place.late,
            source=notebook.name if notebook else "",
        )
        late = self._late(new)
        new.notes = [*late, *notes, *about, *_other_notes(counting, notebook)]
        stands = old is not None and old.notebook is not None and (notebook is None or _is_older(new, old))
        if old is not None and stands:
            hand_in, notebook = old, None
            hand_in.notes = [*(note for note in old.notes if note != _NOT_HERE)]
            why = "the latest download has no newer notebook; what was imported before is kept"
            hand_in.notes += [why] if why not in hand_in.notes else []
            self._imported.unchanged.append(old.submission)
        else:
            hand_in = new
        kept = Kept(self._folder, self._staging, hand_in.submission)
        for one in ordered:
            if one is not counting or stands:
                kept.put_all(one.files, folder=_folder_name(one))
        if not stands:
            kept.put_all([given for given in counting.files if given is not notebook])
        if notebook is not None:
            hand_in.notebook = f"{hand_in.submission}.ipynb"
            self._place(notebook, self._folder / hand_in.notebook, kept)
        hand_in.kept = kept.listed()
        return hand_in

    def _name(self, person: Person, notebook: Given | None) -> str:
        """A name that is nobody else's, nor that of a file which lies in the folder for another reason."""
        id = next((person.ids[key] for key in ("username", "user", "participant") if key in person.ids), "")
        first = slug(person.name or "anonymous", id)
        number = self._numbers.get(first, 1)
        choice = numbered(first, number) if number > 1 else first
        while choice in self._taken or not self._is_free(choice, notebook):
            number += 1
            choice = numbered(first, number)
        self._taken.add(choice)
        self._numbers[first] = number
        return choice

    def _is_free(self, name: str, notebook: Given | None) -> bool:
        file = self._folder / f"{name}.ipynb"
        if not os.path.lexists(file):
            return True
        # An import that was interrupted left it: it is this one.
        return notebook is not None and same_content(file, notebook.unpacked.file)

    def _late(self, hand_in: HandIn) -> list[str]:
        if hand_in.late:
            return ["late, as the site marked it"]
        if hand_in.late is None and self._due is not None and _ISO.fullmatch(hand_in.submitted):
            hand_in.late = datetime.fromisoformat(hand_in.submitted) > self._due
            if hand_in.late:
                due = self._due.isoformat(sep=" ", timespec="minutes")
                return [f"late: handed in {_spoken(hand_in.submitted)}, due {due}"]
        elif hand_in.late is None and self._due is not None:
            unread = f"“{hand_in.submitted}” cannot be read" if hand_in.submitted else "the download has none"
            return [f"late or not: its time is not known ({unread})"]
        return []

    def _place(self, notebook: Given, target: Path, kept: Kept) -> None:
        name = target.stem
        if not os.path.lexists(target):
            self._imported.new.append(name)
        elif same_content(target, notebook.unpacked.file):
            self._imported.unchanged.append(name)
            return
        else:
            if not kept.holds(target):
                kept.put(target, (target.name,), "replaced")
            self._imported.replaced.append(name)
        copy_whole(notebook.unpacked.file, target, self._staging)

    def _adopt(self, hand_in: HandIn) -> None:
        """Go by what is in the folder: people put a notebook there that they found, or take one away."""
        file = f"{hand_in.submission}.ipynb"
        is_there = (self._folder / file).is_file()
        if is_there and hand_in.notebook is None:
            hand_in.notes.append("the notebook was put into the folder by hand")
        elif not is_there and hand_in.notebook is not None:
            hand_in.notes.append("the notebook is not in the folder any more")
        hand_in.notebook = file if is_there else None
        if not is_there:
            self._imported.missing.append(hand_in.submission)


def _in_order(hand_ins: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """The latest last, as far as can be told, and what to say about that."""
    if len(hand_ins) == 1:
        return list(hand_ins), []
    times = [read_date(hand_in.place.submitted) for hand_in in hand_ins]
    notes = []
    if None in times:
        ordered = sorted(hand_ins, key=lambda hand_in: hand_in.order)
        unread = hand_ins[times.index(None)].place
        notes.append(
            f"the time in “{unread.folder}” cannot be read, so the last of {len(hand_ins)} hand-ins in the download "
            "counts: a person should look"
        )
        return ordered, notes
    ordered = sorted(hand_ins, key=lambda hand_in: (read_date(hand_in.place.submitted) or "", hand_in.order))
    latest = read_date(ordered[-1].place.submitted) or ""
    notes.append(f"handed in {len(ordered)} times: that of {_spoken(latest)} counts, the others are kept")
    if times.count(latest) > 1:
        notes.append("two hand-ins of the same minute: the last one in the download counts, a person should look")
    return ordered, notes


def _other_notes(counting: Found, notebook: Given | None) -> list[str]:
    notes = [f"refused: {line}" for line in counting.refused[:5]]
    notes += dict.fromkeys(given.unpacked.note for given in counting.files if given.unpacked.note)
    if notebook is None:
        names = [given.name for given in counting.files if given.unpacked.nested == 0]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        notes.append(f"no notebook (.ipynb) was handed in, only {shown}" if names else "no notebook was handed in")
        if any(name.lower().endswith(_ARCHIVES) for name in names):
            notes.append("there may be a notebook in the archive: open it by hand, with care")
    return notes


def _note_same_names(hand_ins: Sequence[HandIn]) -> None:
    counts = Counter(same_person(hand_in.person) for hand_in in hand_ins if hand_in.person)
    for hand_in in hand_ins:
        hand_in.notes = [note for note in hand_in.notes if not note.endswith(_MIND)]
        count = counts[same_person(hand_in.person)]
        if count > 1:
            hand_in.notes.append(f"{count} people are called {hand_in.person}, not counting capital letters: {_MIND}")


def _is_older(new: HandIn, old: HandIn) -> bool:
    times = (new.submitted, old.submitted)
    return all(map(_ISO.fullmatch, times)) and new.submitted < old.submitted


def _folder_name(hand_in: Found) -> str:
    submitted = hand_in.place.submitted
    return file_name((read_date(submitted) or submitted or "earlier").replace(":", "."))


def _spoken(time: str) -> str:
    return time.replace("T", " ")
