"""What of a notebook has to run for some of its questions: all that they may depend on, and in doubt more."""

from __future__ import annotations

import copy
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec
from nbformat import NotebookNode

from grader.assignment.assignment import Question
from grader.assignment.locating import Answer, code_of
from grader.slicing import purity
from grader.slicing.aliases import Meanings, all_loads
from grader.slicing.exceptions import cannot_fail
from grader.slicing.statements import Unit, blanked, units_of

DROPPED = "output was dropped"
"""What stands in the place of output that was too long; the word of an error may have been in it."""


class Needed(msgspec.Struct, frozen=True):
    """A notebook with nothing left in it but what some questions depend on."""

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


def needed(
    notebook: NotebookNode,
    answers: Mapping[str, Answer],
    questions: Sequence[Question],
    asked: Collection[str] = (),
    *,
    trust: bool = False,
) -> Needed:
    """What these questions depend on. In doubt it is more than that.

    `asked` are the names that the checks ask for beside those that the questions define (`asked_names`). The cells
    that answer the questions stay whole, with every statement before them that binds a name or may change an object
    that these use, and every statement that may fail and so keep one of those from running.

    A statement that may fail, as nearly all do, leaves what it binds as it was: so what bound it before is kept, too.
    With `trust` it is not, and where `holds` denies the result, all is to be done again without.
    """
    answered = [question for question in questions if answers[question.id].cells]
    retyped = {cell for answer in answers.values() for cell in answer.retyped}
    own = {cell for question in answered for cell in answers[question.id].cells}
    units = [
        unit
        for index, cell in enumerate(notebook.cells[: max(own, default=-1) + 1])
        if cell.cell_type == "code" or index in retyped
        for unit in units_of(index, code_of(cell))
    ]
    way = _Way(units, own, trust)
    for question in answered:
        cells = answers[question.id].cells
        way.after.setdefault(max(cells), set()).update(question.names, asked)
        way.before.setdefault(min(cells), set()).update(question.records)
    kept = way.back()
    sliced = copy.deepcopy(notebook)
    for index, cell in enumerate(sliced.cells):
        if index not in own and (cell.cell_type == "code" or index in retyped):
            _keep_only(cell, [unit for unit in units if unit.cell == index], kept)
    return Needed(sliced, frozenset(way.trusted))


def _keep_only(cell: NotebookNode, units: Sequence[Unit], kept: Collection[Unit]) -> None:
    dropped = [unit for unit in units if unit not in kept]
    if len(dropped) == len(units):
        cell.source = ""
    elif dropped and cell.cell_type == "code":
        cell.source = blanked(cell.source, dropped)


class _Way:
    """The way back through a notebook, from what is asked to all that it comes from."""

    def __init__(self, units: Sequence[Unit], own: Collection[int], trust: bool) -> None:
        self.units = units
        self.own = own
        """The cells of the answers, of which everything is kept."""
        self.trust = trust
        self.trusted: set[int] = set()
        self.after: dict[int, set[str]] = {}
        """Names that are asked for after a cell."""
        self.before: dict[int, set[str]] = {}
        """Names that are looked up before a cell."""
        self.meanings = Meanings(units)
        self.certain = set(self.units_that_run())
        """Units that surely run, and to their end."""
        self.live: set[str] = set()
        """Names that are needed here, whether or not the cell comes to its end."""
        self.live_in_cell: set[str] = set()
        """Names that are needed by what follows in the same cell, and only if that is reached."""
        self.packages: set[str] = set()
        """Packages that what follows uses."""
        self.everything = False
        """Whether all from here back is kept, since something that follows may use anything."""

    def back(self) -> set[Unit]:
        """Go the whole way; returns what is to be kept."""
        kept: set[Unit] = set()
        cell = sys.maxsize
        followed = False
        for unit in reversed(self.units):
            if unit.cell != cell:
                self.live |= self.live_in_cell
                self.live_in_cell.clear()
                self.leave_cells(unit.cell)
                cell, followed = unit.cell, False
            if self.is_needed(unit, followed):
                kept.add(unit)
                followed = True
                self.need(unit)
        return kept

    def units_that_run(self) -> Iterator[Unit]:
        cell, failed = -1, False
        for unit in self.units:
            if unit.cell != cell:
                cell, failed = unit.cell, False
            failed = failed or not self.cannot_fail(unit)
            if not failed:
                yield unit

    def leave_cells(self, cell: int) -> None:
        """Go back to the end of a cell: what is asked after it, or before a later one, is needed."""
        names: set[str] = set()
        for index in [index for index in self.after if index >= cell]:
            names |= self.after.pop(index)
        for index in [index for index in self.before if index > cell]:
            names |= self.before.pop(index)
        if names:
            self.use(names, self.live)
            self.everything |= any(
                function.code.unsure
                for name in self.meanings.reachable(names)
                for unit in self.meanings.binders.get(name, ())
                for function in unit.code.functions
            )

    def is_needed(self, unit: Unit, followed: bool) -> bool:
        meanings, changes = self.meanings, self.meanings.changes[unit]
        live = self.live | self.live_in_cell
        if self.everything or unit.cell in self.own or meanings.is_unsure(unit) or changes.patches:
            return True
        if not live.isdisjoint(unit.code.binds | changes.binds | meanings.sharing(changes.objects)):
            return True
        if any(self.is_in_use(package) for package in meanings.packages_of(changes.settings)):
            return True
        if not unit.code.exposed.isdisjoint(meanings.from_nowhere):
            return True
        if "__future__" in {what.partition(".")[0] for all_ in unit.code.imports.values() for what in all_}:
            return True
        return followed and not self.cannot_fail(unit)

    def is_in_use(self, package: str) -> bool:
        if package in self.packages or package in purity.PROCESS_WIDE:
            return True
        others = self.packages - sys.stdlib_module_names
        return (package == "numpy" and bool(others)) or (package == "torch" and bool(others - purity.WITHOUT_TORCH))

    def need(self, unit: Unit) -> None:
        """Make what a kept unit uses live, and what it surely binds no more."""
        if self.meanings.is_unsure(unit):
            self.everything = True
        if unit.plain and not self.meanings.changes[unit].binds:
            # If the unit fails, nothing that follows in its cell runs; but what follows the cell does.
            self.live_in_cell -= unit.code.surely
            if unit in self.certain:
                self.live -= unit.code.surely
            elif self.trust and not self.live.isdisjoint(unit.code.surely):
                self.live -= unit.code.surely
                self.trusted.add(unit.cell)
        self.use(unit.code.exposed, self.live_in_cell)
        if purity.FILES in all_loads(unit.code):
            self.live.add(purity.FILES)

    def use(self, names: Iterable[str], live: set[str]) -> None:
        used = {*names} | self.meanings.used_when_called(names)
        live |= used
        self.packages |= self.meanings.packages_of(used)

    def cannot_fail(self, unit: Unit) -> bool:
        return unit.plain and cannot_fail(unit.statements, frozenset(self.meanings.packages))
