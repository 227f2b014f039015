"""Finding code that its label does not lead to, by the names that its question wants defined."""

from __future__ import annotations

from collections.abc import Sequence

from grader.assignment.locating.answer import Find, has_rival, name_cells
from grader.assignment.locating.cells import Cell
from grader.assignment.locating.labels import Label
from grader.assignment.locating.wanted import fit, wanted_names, wants_function


def find_by_name(cells: Sequence[Cell], labels: Sequence[Label], finds: dict[str, Find]) -> None:
    """Find code that its label does not lead to; a definition serves one question only."""
    code = [find for find in finds.values() if find.question.kind == "code" and find.question.names]
    places = _places_of_names(cells)
    elsewhere = _cells_of_no_question(labels)
    claimed: dict[int, set[str]] = {}
    settled: dict[str, int] = {}
    # A function with quite other parameters gives way to one that fits, if that belongs to no other question.
    for doubtful in (False, True):
        for find in code:
            defining = find.defining(cells)
            if not defining or find.question.id in settled or _is_doubtful(find, cells, defining) is not doubtful:
                continue
            if doubtful and max(_candidates(find, cells, places, claimed, elsewhere).values(), default=0.0) >= 9.0:
                continue
            settled[find.question.id] = defining[0]
            claimed.setdefault(defining[0], set()).update(wanted_names(find.question))
            _claim_rest(find, defining, claimed, finds)
    open_finds = [find for find in code if find.question.id not in settled and _may_stand_elsewhere(find, cells)]
    if not open_finds:
        return
    candidates = {find.question.id: _candidates(find, cells, places, claimed, elsewhere) for find in open_finds}
    chosen = _align(code, settled, candidates)
    for find in open_finds:
        id = find.question.id
        if id not in chosen:
            index = _anywhere(find, cells, candidates[id], chosen, finds)
            if index is None:
                continue
            chosen[id] = index
        claimed.setdefault(chosen[id], set()).update(wanted_names(find.question))
    for find in open_finds:
        # A stub below its own label stays there: nothing better was found.
        if find.question.id in chosen and chosen[find.question.id] not in find.cells:
            _take(find, chosen[find.question.id], cells, claimed, finds)


def _places_of_names(cells: Sequence[Cell]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for cell in cells:
        for name in {defined.name for defined in cell.code.defined}:
            places.setdefault(name, []).append(cell.index)
    return places


def _is_doubtful(find: Find, cells: Sequence[Cell], defining: list[int]) -> bool:
    if not wants_function(find.question):
        return False
    fits = [
        fit(found, find.question) for index in defining for found in cells[index].code.find(wanted_names(find.question))
    ]
    return max(fits, default=0.0) < 7.0


def _claim_rest(find: Find, defining: list[int], claimed: dict[int, set[str]], finds: dict[str, Find]) -> None:
    """A second definition below the same label is a second attempt, unless a later question with that name has lost
    its label: then it is that question's answer."""
    if has_rival(find, finds):
        return
    for index in defining[1:]:
        claimed.setdefault(index, set()).update(wanted_names(find.question))


def _may_stand_elsewhere(find: Find, cells: Sequence[Cell]) -> bool:
    """A function that isn't below its label has been moved. A value has another name there, if there is any code."""
    return wants_function(find.question) or not any(cells[index].is_code for index in find.cells)


def _cells_of_no_question(labels: Sequence[Label]) -> frozenset[int]:
    """Cells below a label that is no question of the rubric, such as "(b) Run the code below"."""
    mine = {label.cell for label in labels if label.question}
    return frozenset(i for label in labels if not label.question and label.cell not in mine for i in label.region)


def _candidates(
    find: Find,
    cells: Sequence[Cell],
    places: dict[str, list[int]],
    claimed: dict[int, set[str]],
    elsewhere: frozenset[int],
) -> dict[int, float]:
    """Cells that could answer a question, with how well they fit."""
    question = find.question
    scores: dict[int, float] = {}
    for index in sorted({index for name in wanted_names(question) for index in places.get(name, ())}):
        free = [d for d in cells[index].code.find(wanted_names(question)) if d.name not in claimed.get(index, ())]
        functions = [found for found in free if found.parameters is not None]
        if not functions and index in elsewhere:
            continue
        # Each name once: a cell that assigns `results` three times is no better than one that does it once.
        best = {found.name: fit(found, question) for found in sorted(free, key=lambda found: fit(found, question))}
        score = sum(best.values())
        if score > 0:
            scores[index] = score * (0.9 if index in elsewhere or not cells[index].is_code else 1.0)
    return scores


def _align(code: list[Find], settled: dict[str, int], candidates: dict[str, dict[int, float]]) -> dict[str, int]:
    """Choose cells for the open questions such that answers stand in the order of the questions, as far as they do.

    The same alignment as of two sequences: the best total over all choices of cells that never go back.
    """
    columns = sorted({*settled.values(), *(index for scores in candidates.values() for index in scores)})
    column_of = {index: number for number, index in enumerate(columns)}
    best = [0.0] * (len(columns) + 1)
    history: list[dict[int, bool]] = []
    rows: list[list[float]] = [best]
    for find in code:
        id = find.question.id
        options = {settled[id]: 100.0} if id in settled else candidates.get(id, {})
        by_column = {column_of[index]: score for index, score in options.items()}
        row = [0.0]
        taken: dict[int, bool] = {}
        for column in range(len(columns)):
            without = max(rows[-1][column + 1], row[column])
            with_it = rows[-1][column] + by_column[column] if column in by_column else -1.0
            if with_it > without:
                taken[column] = True
            row.append(max(without, with_it))
        history.append(taken)
        rows.append(row)
    chosen: dict[str, int] = {}
    column = len(columns)
    for number in range(len(code) - 1, -1, -1):
        id = code[number].question.id
        while column and rows[number + 1][column] == rows[number + 1][column - 1] and column - 1 not in history[number]:
            column -= 1
        if column and column - 1 in history[number]:
            if id not in settled:
                chosen[id] = columns[column - 1]
            column -= 1
    return chosen


def _anywhere(
    find: Find, cells: Sequence[Cell], scores: dict[int, float], chosen: dict[str, int], finds: dict[str, Find]
) -> int | None:
    """The best place for a function out of order: moved to the imports, or all functions together in one cell."""
    names = wanted_names(find.question)
    taken = {index for id, index in chosen.items() if names & wanted_names(finds[id].question)}
    functions = {
        index: score
        for index, score in scores.items()
        if index not in taken and any(found.parameters is not None for found in cells[index].code.find(names))
    }
    if functions:
        return max(functions, key=lambda index: (functions[index], -index))
    imports = [index for index in scores if index not in taken and scores[index] >= 2.0]
    return imports[0] if imports and wants_function(find.question) else None


def _take(find: Find, index: int, cells: Sequence[Cell], claimed: dict[int, set[str]], finds: dict[str, Find]) -> None:
    """Give a cell to a question, with the cells that belong to it, and take it from answers that don't need it."""
    question = find.question
    names = wanted_names(question)
    owner = next((other for other in finds.values() if other is not find and index in other.cells), None)
    # The cells below the label that use the answer, such as its tests, stay; unless a stub stands there, which would
    # replace the answer before they run.
    overwritten = any(cells[i].code.find(names) for i in find.cells)
    taken = [index, *(i for i in find.cells if cells[i].code.used & names and not overwritten)]
    if not find.label_found:
        rest = [i for i in owner.cells if i > index] if owner else range(index + 1, len(cells))
        for following in rest:
            cell = cells[following]
            if not cell.is_code or cell.marks or cell.is_empty or claimed.get(following):
                break
            if owner is None and not (cell.code.used & names):
                break
            taken.append(following)
    gone = frozenset(taken)
    for other in finds.values():
        if other is not find and (other.question.kind == "text" or _can_spare(other, gone, cells)):
            other.cells = [i for i in other.cells if i not in gone]
            if not other.cells:
                other.found_by = ""
    find.cells = taken
    find.found_by = "name"
    names_shown = ", ".join(dict.fromkeys(f"`{found.name}`" for found in cells[index].code.find(names)))
    find.notes.append(f"This answer was found by its name ({names_shown}), in {name_cells([index])}.")


def _can_spare(find: Find, taken: frozenset[int], cells: Sequence[Cell]) -> bool:
    defining = find.defining(cells)
    return not defining or any(index not in taken for index in defining)
