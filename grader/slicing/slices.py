"""Backward slices: what of a notebook has to run for some of its questions, and in doubt more (Weiser, 1981)."""

from __future__ import annotations

import copy
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec
from nbformat import NotebookNode

from grader.assignment.assignment import Question
from grader.assignment.locating import Answer, code_of
from grader.slicing import purity
from grader.slicing.aliases import AliasAnalysis, all_loads
from grader.slicing.exceptions import cannot_raise
from grader.slicing.statements import StatementGroup, blanked, statement_groups

DROPPED = "output was dropped"
"""What stands in the place of output that was too long; the word of an error may have been in it."""


class Slice(msgspec.Struct, frozen=True):
    """A notebook with nothing left in it but what some questions may depend on."""

    notebook: NotebookNode
    """With the same cells, and the same number of lines in each that is not empty."""
    trusted: frozenset[int]
    """Cells that were taken to run to their end: something was left out since they bind its names anew."""

    def holds(self, executed: NotebookNode) -> bool:
        """Whether all these cells have run to their end."""
        return not any(_has_failed(executed.cells[index]) for index in self.trusted)


def _has_failed(cell: NotebookNode) -> bool:
    outputs = cell.get("outputs", [])
    dropped = any(output.output_type == "stream" and DROPPED in str(output.text) for output in outputs)
    return cell.get("execution_count") is None or dropped or any(out.output_type == "error" for out in outputs)


def backward_slice(
    notebook: NotebookNode,
    answers: Mapping[str, Answer],
    questions: Sequence[Question],
    criterion: Collection[str] = (),
    *,
    trust: bool = False,
) -> Slice:
    """The slice for these questions: all that they may depend on.

    `criterion` are the names that the checks look up beside those that the questions define (`criterion_names`). The
    cells that answer the questions stay whole, with every statement before them that binds a name or may change an
    object that these use, and every statement that may fail and so keep one of those from running.

    A statement that may fail, as nearly all do, leaves what it binds as it was: so what bound it before is kept, too.
    With `trust` it is not, and where `holds` denies the result, all is to be done again without.
    """
    answered = [question for question in questions if answers[question.id].cells]
    retyped = {cell for answer in answers.values() for cell in answer.retyped}
    own = {cell for question in answered for cell in answers[question.id].cells}
    groups = [
        group
        for index, cell in enumerate(notebook.cells[: max(own, default=-1) + 1])
        if cell.cell_type == "code" or index in retyped
        for group in statement_groups(index, code_of(cell))
    ]
    backward = _BackwardSlice(groups, own, trust)
    for question in answered:
        cells = answers[question.id].cells
        backward.after.setdefault(max(cells), set()).update(question.names, criterion)
        backward.before.setdefault(min(cells), set()).update(question.records)
    kept = backward.compute()
    sliced = copy.deepcopy(notebook)
    for index, cell in enumerate(sliced.cells):
        if index not in own and (cell.cell_type == "code" or index in retyped):
            _keep_only(cell, [group for group in groups if group.cell == index], kept)
    return Slice(sliced, frozenset(backward.trusted))


def _keep_only(cell: NotebookNode, groups: Sequence[StatementGroup], kept: Collection[StatementGroup]) -> None:
    dropped = [group for group in groups if group not in kept]
    if len(dropped) == len(groups):
        cell.source = ""
    elif dropped and cell.cell_type == "code":
        cell.source = blanked(cell.source, dropped)


class _BackwardSlice:
    """Goes back through a notebook, from the names of the criterion to all that their values come from."""

    def __init__(self, groups: Sequence[StatementGroup], own: Collection[int], trust: bool) -> None:
        self.groups = groups
        self.own = own
        """The cells of the answers, of which everything is kept."""
        self.trust = trust
        self.trusted: set[int] = set()
        self.after: dict[int, set[str]] = {}
        """Names that are looked up after a cell."""
        self.before: dict[int, set[str]] = {}
        """Names that are looked up before a cell."""
        self.aliases = AliasAnalysis(groups)
        self.must_execute = set(self.groups_that_run())
        """Groups that run to their end whenever the notebook is run."""
        self.live: set[str] = set()
        """Names that are needed here, whether or not the cell comes to its end."""
        self.live_in_cell: set[str] = set()
        """Names that are needed by what follows in the same cell, and only if that is reached."""
        self.packages: set[str] = set()
        """Packages that what follows uses."""
        self.everything = False
        """Whether all from here back is kept, since something that follows may use anything."""

    def compute(self) -> set[StatementGroup]:
        """Go back to the first cell; returns the slice."""
        kept: set[StatementGroup] = set()
        cell = sys.maxsize
        followed = False
        for group in reversed(self.groups):
            if group.cell != cell:
                self.live |= self.live_in_cell
                self.live_in_cell.clear()
                self.leave_cells(group.cell)
                cell, followed = group.cell, False
            if self.belongs(group, followed):
                kept.add(group)
                followed = True
                self.include(group)
        return kept

    def groups_that_run(self) -> Iterator[StatementGroup]:
        cell, failed = -1, False
        for group in self.groups:
            if group.cell != cell:
                cell, failed = group.cell, False
            failed = failed or not self.cannot_raise(group)
            if not failed:
                yield group

    def leave_cells(self, cell: int) -> None:
        """Go back to the end of a cell: what is looked up after it, or before a later one, is needed."""
        names: set[str] = set()
        for index in [index for index in self.after if index >= cell]:
            names |= self.after.pop(index)
        for index in [index for index in self.before if index > cell]:
            names |= self.before.pop(index)
        if names:
            self.use(names, self.live)
            self.everything |= any(
                function.code.unsure
                for name in self.aliases.reachable(names)
                for group in self.aliases.binders.get(name, ())
                for function in group.code.functions
            )

    def belongs(self, group: StatementGroup, followed: bool) -> bool:
        aliases, changes = self.aliases, self.aliases.changes[group]
        live = self.live | self.live_in_cell
        if self.everything or group.cell in self.own or aliases.is_unsure(group) or changes.patches:
            return True
        if not live.isdisjoint(group.code.binds | changes.binds | aliases.sharing(changes.objects)):
            return True
        if any(self.is_in_use(package) for package in aliases.packages_of(changes.settings)):
            return True
        if not group.code.exposed.isdisjoint(aliases.from_nowhere):
            return True
        if "__future__" in {what.partition(".")[0] for all_ in group.code.imports.values() for what in all_}:
            return True
        return followed and not self.cannot_raise(group)

    def is_in_use(self, package: str) -> bool:
        if package in self.packages or package in purity.PROCESS_WIDE:
            return True
        others = self.packages - sys.stdlib_module_names
        return (package == "numpy" and bool(others)) or (package == "torch" and bool(others - purity.WITHOUT_TORCH))

    def include(self, group: StatementGroup) -> None:
        """Make what a kept group uses live; what it must bind is live no more."""
        if self.aliases.is_unsure(group):
            self.everything = True
        if group.plain and not self.aliases.changes[group].binds:
            # If the group fails, nothing that follows in its cell runs; but what follows the cell does.
            self.live_in_cell -= group.code.must_bind
            if group in self.must_execute:
                self.live -= group.code.must_bind
            elif self.trust and not self.live.isdisjoint(group.code.must_bind):
                self.live -= group.code.must_bind
                self.trusted.add(group.cell)
        self.use(group.code.exposed, self.live_in_cell)
        if purity.FILES in all_loads(group.code):
            self.live.add(purity.FILES)

    def use(self, names: Iterable[str], live: set[str]) -> None:
        used = {*names} | self.aliases.used_when_called(names)
        live |= used
        self.packages |= self.aliases.packages_of(used)

    def cannot_raise(self, group: StatementGroup) -> bool:
        return group.plain and cannot_raise(group.statements, frozenset(self.aliases.packages))
