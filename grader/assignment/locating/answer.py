"""Where an answer stands: as it is told in the end, and as far as it is known while it is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from grader.assignment.assignment import Question
from grader.assignment.locating.cells import Cell
from grader.assignment.locating.wanted import wanted_names


class Answer(msgspec.Struct, frozen=True):
    """Where a question's answer stands. Cells are counted from 0 here, and from 1 in the notes."""

    cells: tuple[int, ...] = ()
    found_by: str = ""
    """"id": by a tag. "label": by headings and labels, or by its place among them (a note says so).
    "name": by the names it defines. "": no answer was found."""
    notes: tuple[str, ...] = ()
    """For the student: what was found in an odd place."""
    retyped: tuple[int, ...] = ()
    """Text cells among `cells` that are really code: `code_of` gives what is to be run."""
    heading: int | None = None
    """The cell with the question's label. It is among `cells` if the answer was typed into it."""


@dataclass(slots=True, eq=False)
class Find:
    """What is known so far about the place of one answer."""

    question: Question
    cells: list[int] = field(default_factory=list)
    found_by: str = ""
    notes: list[str] = field(default_factory=list)
    heading: int | None = None
    label_found: bool = False

    def defining(self, cells: Sequence[Cell]) -> list[int]:
        return [index for index in self.cells if cells[index].defines(self.question)]

    def answer(self, cells: Sequence[Cell]) -> Answer:
        chosen = sorted(set(self.cells))
        retyped = [i for i in chosen if not cells[i].is_code] if self.question.kind == "code" else []
        notes = [*self.notes, *(_retyped_note(cells[index]) for index in retyped)]
        if self.question.kind == "text" and chosen and all(cells[i].is_code for i in chosen):
            notes.append(f"This question asks for text; the answer was found in a code cell ({name_cells(chosen)}).")
        return Answer(
            cells=tuple(chosen),
            found_by=self.found_by if chosen else "",
            notes=tuple(dict.fromkeys(notes)),
            retyped=tuple(retyped),
            heading=self.heading,
        )


def has_rival(find: Find, finds: dict[str, Find]) -> bool:
    """Whether another question, nowhere found yet, asks for the same name."""
    names = wanted_names(find.question)
    return any(
        other is not find and not other.label_found and not other.cells and names & wanted_names(other.question)
        for other in finds.values()
    )


def name_cells(indices: Sequence[int]) -> str:
    """Cells as the notes call them: "cell 4" or "cells 4, 7", counted from 1."""
    shown = ", ".join(str(index + 1) for index in indices[:10])
    return ("cell " if len(indices) == 1 else "cells ") + shown + (", ..." if len(indices) > 10 else "")


def _retyped_note(cell: Cell) -> str:
    kind = "a markdown cell" if cell.kind == "markdown" else "a raw cell"
    return f"This code stood in {kind} (cell {cell.index + 1}); it was run as code."
