"""Whose the results are that stand in a folder: nobody gets what was found, or decided, about somebody else."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePath

import msgspec

from grader.assignment.assignment import Assignment
from grader.assignment.notebook import UnreadableNotebook, read_file
from grader.assignment.notebook import read_notebook as read_hand_in
from grader.faults import Faults, shown
from grader.grading.batch.names import text_of
from grader.grading.batch.sources import Handed, Source, lies_in, place
from grader.report.store import read_notebook, stored
from grader.results.classlist import ClassList, SiteError, read_class_list
from grader.results.decisions import Store
from grader.results.names import key
from grader.results.results import Change, SubmissionResult, write_result

_PERSON = ("user", "username", "participant")
"""The ids of a class list that are a person's, and not one hand-in's."""
SHOWN = 12


def remembered_roots(output: Path) -> frozenset[str]:
    """The folders that names were made from when these results were written."""
    return frozenset(
        _root(output, result.root)
        for result in stored(output).values()
        if result is not None and result.root and not result.gone
    )


def root_of(source: Source, output: Path) -> str:
    """As it stands in a result: results and hand-ins can be moved together."""
    return os.path.relpath(text_of(source.root), text_of(os.path.realpath(output)))


def _root(output: Path, root: str) -> str:
    """The folder that is called `root` in a result, from anywhere."""
    return os.path.normpath(f"{text_of(os.path.realpath(output))}/{root}")


def settle(assignment: Assignment, handed: Handed, output: Path) -> list[str]:
    """See to it that what stands under each hand-in's name is its own; returns what a person should know.

    Results that are its own under another name are brought there, with their marks; so are those of earlier versions,
    where it is certain whose they are. Those of hand-ins that are not in their folder any more are set aside.
    Raises Faults where what stands there is somebody else's, before anything is changed; MarksError, OSError.
    """
    settling = _Settling(assignment, handed, output)
    moves = settling.moves()
    with contextlib.ExitStack() as stack:
        store = Store.open_if_any(output)
        if store is not None:
            stack.enter_context(store)
        notes = [settling.take_over(store, source, name) for source, name in moves]
        notes += settling.set_aside()
        if store is not None:
            notes += [*settling.part_from_strangers(store), *settling.uncertain_marks(store)]
            store.note_owners({source.name: (root_of(source, output), source.below) for source in settling.sources})
        return list(filter(None, notes))


class _Settling:
    def __init__(self, assignment: Assignment, handed: Handed, output: Path) -> None:
        self.assignment = assignment
        self.handed = handed
        self.output = output
        self.sources = [*handed.sources, *handed.missing]
        self.stored = stored(output)
        self.by_key = {key(name): name for name in self.stored}
        self.earlier = self.find_earlier()
        self.file_names = self.count_file_names()

    # Whose is it

    def moves(self) -> list[tuple[Source, str]]:
        """Which results are to be taken over, for whom; in an order in which each finds its place empty."""
        wanted: dict[str, tuple[Source, str]] = {}
        for source in self.sources:
            name = self.standing(source)
            result = None if name is None else self.stored[name]
            owned = name if name and result and self.is_own(source, name, result) else self.elsewhere(source)
            if owned is not None:
                wanted[source.name] = (source, owned)
        self.require_no_other(wanted)
        return self.in_order(wanted)

    def standing(self, source: Source) -> str | None:
        """The name of the results that stand where this hand-in's are to be."""
        return source.name if source.name in self.stored else self.by_key.get(key(source.name))

    def is_own(self, source: Source, name: str, result: SubmissionResult) -> bool:
        if not result.root:
            return self.earlier.get(source.name) == name
        if result.source == source.below and (
            result.root == root_of(source, self.output) or self.same_person(source) or self.has_moved(source, result)
        ):
            return True
        return self.place(result) == source.place

    def elsewhere(self, source: Source) -> str | None:
        """The name under which this very hand-in's results stand, where they are called otherwise."""
        return self.by_place.get(source.place) or self.earlier.get(source.name)

    @cached_property
    def by_place(self) -> dict[str, str]:
        return {
            self.place(result): name
            for name, result in self.stored.items()
            if result is not None and result.root and name == result.submission
        }

    def place(self, result: SubmissionResult) -> str:
        return place(_root(self.output, result.root), result.source)

    def same_person(self, source: Source) -> bool:
        """Whether the class list that is handed in and that of the results say so: two downloads of one class."""
        new = self.handed.class_lists.get(source.root)
        old = self.class_list
        one = new.hand_in(source.name) if new else None
        other = old.hand_in(source.name) if old else None
        if one is None or other is None or new is None or old is None or new.site != old.site:
            return False
        ids = {id: one.ids[id] for id in _PERSON if id in one.ids}
        return bool(ids) and ids == {id: other.ids[id] for id in _PERSON if id in other.ids}

    @cached_property
    def class_list(self) -> ClassList | None:
        with contextlib.suppress(SiteError):
            return read_class_list(self.output)
        return None

    def has_moved(self, source: Source, result: SubmissionResult) -> bool:
        """Whether the folder of all hand-ins has: it is not where it was, and most of them are the same, here."""
        old = _root(self.output, result.root)
        if Path(old).is_dir():
            return False
        return self.moved(old, text_of(source.root))

    def moved(self, old: str, new: str) -> bool:
        known = self._moved.get((old, new))
        if known is None:
            below = {source.below: source for source in self.handed.sources if text_of(source.root) == new}
            both = [
                (below[result.source], result)
                for result in self.stored.values()
                if result is not None
                and result.root
                and _root(self.output, result.root) == old
                and result.source in below
            ]
            same = sum(
                self.has_answers_of_its_own(result) and result.content == self.content(source)
                for source, result in both
            )
            known = self._moved[old, new] = 2 * same > len(both)
        return known

    @cached_property
    def _moved(self) -> dict[tuple[str, str], bool]:
        return {}

    def content(self, source: Source) -> str:
        try:
            return hashlib.sha256(read_file(source.path, self.assignment.limits.notebook_bytes)).hexdigest()
        except UnreadableNotebook:
            return "unreadable"

    @cached_property
    def answers(self) -> Counter[tuple[str, str]]:
        """How many have each answer."""
        return Counter(
            (question.id, question.answer)
            for result in self.stored.values()
            if result is not None
            for question in result.questions
        )

    def has_answers_of_its_own(self, result: SubmissionResult) -> bool:
        return any(self.is_nobody_elses(question.id, question.answer) for question in result.questions)

    def is_nobody_elses(self, question: str, answer: str) -> bool:
        return bool(answer) and self.answers[question, answer] <= 1

    # Results of earlier versions, which were named by their position

    def find_earlier(self) -> dict[str, str]:
        """Whose they are, where that is certain: from hand-ins' names to those of results, one to one."""
        old = {name: result for name, result in self.stored.items() if result is not None and not result.root}
        pairs: list[tuple[str, str]] = []
        by_file: dict[str, list[Source]] = {}
        for source in self.handed.sources:
            by_file.setdefault(PurePath(source.place).name, []).append(source)
        for name, result in old.items():
            for source in by_file.get(PurePath(result.file).name, []):
                if self.is_certain(source, name, result):
                    pairs.append((source.name, name))
        # Whatever stands under a hand-in's own name, and was made from its own file, is its own before any other.
        own = {new: name for new, name in pairs if new == name}
        left = [(new, name) for new, name in pairs if new not in own and name not in own.values()]
        news, olds = Counter(new for new, _ in left), Counter(name for _, name in left)
        return own | {new: name for new, name in left if news[new] == 1 and olds[name] == 1}

    def is_certain(self, source: Source, name: str, result: SubmissionResult) -> bool:
        there = _place_of(result.file)
        if there in (source.place, _place_of(text_of(source.path))):
            return name == source.name or self.same_cells(name, source)
        if Path(there).exists():
            return False
        if not self.could_be(source, name, result) or not self.same_cells(name, source):
            return False
        return self.has_answers_of_its_own(result)

    def could_be(self, source: Source, name: str, result: SubmissionResult) -> bool:
        """Whether the file may be the same one, seen from another folder, or moved: of the same person, or name."""
        there = _named_parts(result.file)
        here = PurePath(source.place).parts
        if len(there) > 1 and list(here[-len(there) :]) == there:
            return True
        person, *more = PurePath(source.below).parts or (source.name,)
        return person in there if more else name == source.name

    def same_cells(self, name: str, source: Source) -> bool:
        """Whether the notebook that was run then is the one that is handed in."""
        executed = read_notebook(self.output, name)
        if executed is None:
            return False
        try:
            handed_in = read_hand_in(source.path, self.assignment.limits.notebook_bytes)
        except UnreadableNotebook:
            return False
        return [cell.get("source") for cell in executed.cells] == [cell.get("source") for cell in handed_in.cells]

    # Bringing it there

    def require_no_other(self, wanted: Mapping[str, tuple[Source, str]]) -> None:
        leaving = {name for new, (_, name) in wanted.items() if new != name}
        faults = []
        for source in self.sources:
            name = self.standing(source)
            if name is None or name in leaving or wanted.get(source.name, (source, ""))[1] == name:
                continue
            result = self.stored[name]
            where = shown(self.output / name)
            if result is None or not (result.root or result.questions):
                continue  # nothing in it that could be somebody's; marks beside it say themselves whose they are
            if result.root:
                faults.append(
                    f"{where} holds the results of {self.place(result)}, and {source.place} would get that name; "
                    "grade into another folder (--output), or name the folder that holds both with --root"
                )
            else:
                faults.append(
                    f"{where} holds results that an earlier version made from {result.file}, and {source.place} would "
                    "get that name; it is not certain that they are the same: name it as you did then, grade into "
                    "another folder (--output), or move those results away"
                )
        if faults:
            more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
            raise Faults([*faults[:SHOWN], *more])

    def in_order(self, wanted: Mapping[str, tuple[Source, str]]) -> list[tuple[Source, str]]:
        """Raises Faults where results would have to change places."""
        staying = [(source, name) for new, (source, name) in wanted.items() if new == name]
        moving = {new: pair for new, pair in wanted.items() if new != pair[1]}
        ordered: list[tuple[Source, str]] = []
        occupied = {name for _, name in moving.values()}
        while moving:
            free = [new for new in moving if new not in occupied]
            if not free:
                both = " and ".join(shown(self.output / name) for _, name in moving.values())
                raise Faults([f"{both}: would have to swap names; grade into another folder (--output)"])
            for new in free:
                ordered.append(moving.pop(new))
                occupied.discard(ordered[-1][1])
        return [*staying, *ordered]

    def take_over(self, store: Store | None, source: Source, name: str) -> str:
        """Have the results called `name` be this hand-in's. Returns what is to be told."""
        result = self.stored[name]
        root = root_of(source, self.output)
        if result is None:
            return ""
        now = (result.root, result.source, result.submission, result.gone, name)
        if now == (root, source.below, source.name, False, source.name):
            return ""
        folder = self.output / source.name
        # Where an earlier run was killed in between, the folder has its new name already, and the marks have not.
        former = result.submission if name == source.name and not (self.output / result.submission).exists() else name
        if former != source.name:
            with store.renaming(former, source.name) if store is not None else contextlib.nullcontext():
                if name != source.name:
                    (self.output / name).rename(folder)
        if store is not None:
            unbound = [change for change in store.changes(source.name).get(source.name, []) if not change.submission]
            certain = [change.id for change in unbound if self.is_certainly_about(change, result, source)]
            store.bind(source.name, certain)
        new = msgspec.structs.replace(
            result, submission=source.name, root=root, source=source.below, gone=False, pages=""
        )
        write_result(folder, new)
        for other, each in self.stored.items():
            if each is not None and each.same_as == name != source.name:
                self.stored[other] = msgspec.structs.replace(each, same_as=source.name)
        del self.stored[name]
        self.stored[source.name] = new
        return (
            f"{source.place}: its results were called {name}, and are {source.name} now" if name != source.name else ""
        )

    def is_certainly_about(self, change: Change, result: SubmissionResult, source: Source) -> bool:
        """Whether a decision that does not say which submission it is about is certain to be about this one.

        In earlier versions others could have had this name before, where files of several folders are called alike.
        Then an empty answer, or one that somebody else has too, does not tell whose decision it is.
        """
        return not result.root and (
            self.has_a_file_name_of_its_own(source) or self.is_nobody_elses(change.question, change.answer)
        )

    def has_a_file_name_of_its_own(self, source: Source) -> bool:
        return self.file_names[PurePath(source.place).name] <= 1

    def count_file_names(self) -> Counter[str]:
        """In how many places each name of a file is known: where it is handed in, and where it was, still unclaimed."""
        taken = set(self.earlier.values())
        old = {result.file for name, result in self.stored.items() if result and not result.root and name not in taken}
        return Counter(PurePath(place).name for place in [*(source.place for source in self.handed.sources), *old])

    def part_from_strangers(self, store: Store) -> Iterator[str]:
        """See to it that who gets a name whose results were thrown away does not get the marks that were given then."""
        for source in self.sources:
            owner = store.owner(source.name)
            if self.standing(source) is not None or owner is None or not owner[0]:
                continue
            if place(_root(self.output, owner[0]), owner[1]) == source.place:
                continue
            if aside := store.set_aside(source.name):
                yield (
                    f"{source.place}: another submission was called {source.name} before; what was decided about that "
                    f"one does not count for this one, and is kept as {aside}"
                )

    # What nobody hands in any more

    def set_aside(self) -> Iterator[str]:
        """Take out of the tables what is gone; lines about that."""
        names, places = {source.name for source in self.sources}, {source.place for source in self.sources}
        gone, left = [], []
        for name, result in self.stored.items():
            if result is None or name in names:
                continue
            if not result.root:
                if self.may_be_handed_in(result):
                    left.append(name)
                    self.mark_gone(name, result)
            elif self.is_looked_for(self.place(result)) or self.place(result) in places:
                gone.append(name)
                self.mark_gone(name, result)
        if gone:
            yield f"not handed in any more, and in no table; results and marks are kept: {_listed(gone)}"
        if left:
            yield (
                "results of an earlier version, and it is not certain whose they are; they are kept, and are in no "
                f"table: {_listed(left)}"
            )

    def is_looked_for(self, place: str) -> bool:
        return any(lies_in(place, folder) for folder in self.handed.searched) and not any(
            lies_in(place, folder) for folder in self.handed.unread
        )

    def may_be_handed_in(self, result: SubmissionResult) -> bool:
        """Whether a result of an earlier version may be that of a file which is handed in, or was to be found there."""
        there = _place_of(result.file)
        if self.is_looked_for(there) or any(source.place == there for source in self.sources):
            return True
        if Path(there).exists():
            return False
        parts = _named_parts(result.file)
        if len(parts) < 2 and not self.handed.searched:
            return False
        return any(list(PurePath(source.place).parts[-len(parts) :]) == parts for source in self.handed.sources)

    def mark_gone(self, name: str, result: SubmissionResult) -> None:
        if not result.gone:
            write_result(self.output / name, msgspec.structs.replace(result, gone=True))

    def uncertain_marks(self, store: Store) -> Iterator[str]:
        names = []
        journals = store.changes()
        for source in self.sources:
            changes = journals.get(source.name, [])
            known = {(change.question, change.answer) for change in changes if change.submission}
            if any(not c.submission and (c.question, c.answer) not in known for c in changes):
                names.append(source.name)
        if names:
            yield (
                "marks of an earlier version do not count where it is not certain for whom they were given; mark these "
                f"answers again: {_listed(names)}"
            )


def _place_of(file: str) -> str:
    """Where a file of that name lies, seen from here: in one form, without links to folders."""
    folder, name = os.path.split(os.path.abspath(file))  # noqa: PTH100
    return place(text_of(os.path.realpath(folder)), name)


def _named_parts(file: str) -> list[str]:
    return [part for part in PurePath(os.path.normpath(file)).parts if part not in ("..", "/")]


def _listed(names: list[str]) -> str:
    some = ", ".join(sorted(names)[:SHOWN])
    return f"{some} and {len(names) - SHOWN} more" if len(names) > SHOWN else some
