"""Finding answers by the labels of their questions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.assignment.assignment import Question
from grader.assignment.locating.answer import Find, has_rival, name_cells
from grader.assignment.locating.cells import Cell
from grader.assignment.locating.labels import Label
from grader.assignment.locating.marks import typed_below_label
from grader.assignment.locating.placeholders import says_something
from grader.assignment.locating.wanted import fit, wanted_names


def find_by_label(cells: Sequence[Cell], labels: Sequence[Label], finds: dict[str, Find]) -> None:
    shared: dict[int, list[Label]] = {}
    for label in labels:
        shared.setdefault(label.cell, []).append(label)
    for cell, group in shared.items():
        questions = list(dict.fromkeys(label.question.id for label in group if label.question))
        for id in questions:
            if finds[id].heading is None:
                finds[id].heading = cell
            finds[id].label_found = True
        region = [cells[index] for index in group[0].region if not cells[index].is_empty]
        for id, chosen in _shares([finds[id] for id in questions], region).items():
            finds[id].cells.extend(chosen)
    # Once for all the labels of a question that stand in one cell.
    ends = {(label.question.id, label.cell): label.region.stop for label in labels if label.question}
    for (id, _), end in ends.items():
        _add_later_attempts(finds[id], end, cells, finds)
    for find in finds.values():
        _add_repeated_label_cells(find, labels, cells)
        if find.label_found and not find.cells:
            _look_into_label_cell(find, cells)
        if find.cells:
            find.found_by = "label"


def _shares(group: list[Find], region: list[Cell]) -> dict[str, list[int]]:
    """Divide the cells of a region among the questions whose labels stand together above it."""
    if len(group) == 1:
        return {group[0].question.id: _pick(group[0].question, region)}
    code = [find.question for find in group if find.question.kind == "code"]
    text = [find.question for find in group if find.question.kind == "text"]
    shares: dict[str, list[int]] = {find.question.id: [] for find in group}
    codes = [cell for cell in region if cell.whole_code]
    proses = [cell for cell in region if not cell.whole_code]
    owner = 0
    for cell in codes if code else ():
        later = next((i for i in range(owner, len(code)) if cell.defines(code[i]) and not shares[code[i].id]), None)
        if later is None and not cell.code.find(wanted_names(code[owner])):
            # Nothing says whose it is: without names to go by, the answers stand in the order of the questions.
            nameless = owner + 1 < len(code) and not code[owner + 1].names and bool(shares[code[owner].id])
            later = owner + 1 if nameless else None
        owner = owner if later is None else later
        shares[code[owner].id].append(cell.index)
    if text:
        prose = proses if code else region
        parts = _divide(prose, text)
        for question, part in zip(text, parts, strict=True):
            shares[question.id] = part
        if len({tuple(part) for part in parts}) < len(parts) and prose:
            for find in group:
                if find.question.kind == "text":
                    others = ", ".join(question.id for question in text)
                    find.notes.append(
                        f"The answers to {others} stand together ({name_cells([c.index for c in prose])})."
                    )
    return shares


def _divide(proses: list[Cell], questions: list[Question]) -> list[list[int]]:
    """Text cells for several questions: by the letter they begin with, else one each, else all for all."""
    letters = {question.letter: number for number, question in enumerate(questions)}
    begins = [re.match(r"[\s*_]{0,5}\(?([a-z])[).:]", cell.source[:50], re.IGNORECASE) for cell in proses]
    owners = [letters.get(begin[1].lower()) if begin else None for begin in begins]
    parts: list[list[int]] = [[] for _ in questions]
    if owners and owners[0] is not None and len(set(owners) - {None}) == len(questions):
        owner = 0
        for cell, said in zip(proses, owners, strict=True):
            owner = owner if said is None else said
            parts[owner].append(cell.index)
    elif len(proses) == len(questions):
        parts = [[cell.index] for cell in proses]
    else:
        parts = [[cell.index for cell in proses] for _ in questions]
    return parts


def _pick(question: Question, region: list[Cell]) -> list[int]:
    """The answer among the cells of a question's region: all for a text, the code for code."""
    if question.kind == "text":
        return [cell.index for cell in region]
    chosen = [cell.index for cell in region if cell.is_code]
    if any(cell.is_code and cell.defines(question) for cell in region):
        return _before_what_follows(question, region)
    if chosen:
        return [cell.index for cell in region if cell.is_code or cell.defines(question)]
    return [cell.index for cell in region if cell.whole_code or cell.defines(question)]


def _before_what_follows(question: Question, region: list[Cell]) -> list[int]:
    """The code up to where, after the answer, the course's text leads to something else: code that has nothing to do
    with the answer's names."""
    names = wanted_names(question)
    chosen: list[int] = []
    answered = text_since = False
    for cell in region:
        if not cell.is_code:
            text_since = text_since or answered
            continue
        if text_since and not (cell.code.used & names or cell.code.find(names)):
            break
        chosen.append(cell.index)
        answered = answered or cell.defines(question)
        text_since = False
    return chosen


def _add_later_attempts(find: Find, end: int, cells: Sequence[Cell], finds: dict[str, Find]) -> None:
    """A student's own "### Second attempt" ends the region as any heading does; what defines the same function again
    before the next label belongs to the answer nevertheless."""
    if find.question.kind == "text" or has_rival(find, finds):
        return
    for index in range(end, len(cells)):
        cell = cells[index]
        if any(mark.kind != "heading" for mark in cell.marks):
            return
        again = [found for found in cell.code.find(wanted_names(find.question)) if found.parameters is not None]
        if cell.is_code and any(not found.stub and fit(found, find.question) >= 7.0 for found in again):
            find.cells.append(index)


def _add_repeated_label_cells(find: Find, labels: Sequence[Label], cells: Sequence[Cell]) -> None:
    """A student who begins the answer with the label again has put the answer into a label's cell."""
    if find.question.kind != "text" or find.heading is None:
        return
    first = cells[find.heading].source
    for label in labels:
        repeats = label.question is find.question and label.cell != find.heading and not label.given
        if repeats and cells[label.cell].source != first:
            find.cells.append(label.cell)


def _look_into_label_cell(find: Find, cells: Sequence[Cell]) -> None:
    heading = find.heading
    if heading is None:
        return
    cell = cells[heading]
    if find.question.kind == "code":
        if not cell.is_code and cell.defines(find.question):
            find.cells.append(heading)
        return
    if says_something(typed_below_label(cell.source, find.question)):
        find.cells.append(heading)
        find.notes.append(f"The answer was found in the cell of the question itself ({name_cells([heading])}).")
    elif heading + 1 < len(cells) and [mark.kind for mark in cells[heading + 1].marks] == ["heading"]:
        # "# It does not converge", or "## My thoughts": a heading only by its looks, straight after the question.
        find.cells.append(heading + 1)
        find.notes.append(f"Nothing but a heading was found below this question ({name_cells([heading + 1])}).")
