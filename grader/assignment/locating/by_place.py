"""Finding text whose label is lost, by its place between the answers before and after it."""

from __future__ import annotations

from collections.abc import Sequence

from grader.assignment.locating.answer import Find, name_cells
from grader.assignment.locating.cells import Cell


def find_text_by_place(cells: Sequence[Cell], finds: dict[str, Find]) -> None:
    """A text whose label is lost has no name: take the unclaimed text between the answers before and after it."""
    order = list(finds.values())
    used = {index for find in order for index in find.cells}
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and _is_lost_text(order[end]):
            end += 1
        if end > start:
            _fill_gap(cells, order, start, end, used)
        start = end + 1


def _is_lost_text(find: Find) -> bool:
    return find.question.kind == "text" and not find.cells and not find.label_found


def _fill_gap(cells: Sequence[Cell], order: list[Find], start: int, end: int, used: set[int]) -> None:
    lost = order[start:end]
    before = [_last_place(find) for find in order[:start]]
    after = [_first_place(find) for find in order[end:]]
    if not any(place is not None for place in (*before, *after)):
        return
    low = max((place for place in before if place is not None), default=-1)
    high = min((place for place in after if place is not None and place > low), default=len(cells))
    free = [
        index
        for index in range(low + 1, high)
        if index not in used and not (cells[index].whole_code or cells[index].marks or cells[index].is_empty)
    ]
    if not free and start and order[start - 1].question.kind == "text":
        # The last label that is left has swallowed the answers after it: its own answer comes first.
        free = [index for index in order[start - 1].cells if not cells[index].is_code][1:]
    if not free or len(free) > 6 * len(lost):
        return
    parts = [[index] for index in free] if len(free) == len(lost) else [free for _ in lost]
    for find, part in zip(lost, parts, strict=True):
        find.cells = list(part)
        find.found_by = "label"
        find.notes.append(
            f"The label of this question was not found; its answer should be in {name_cells(part)}, "
            "between the answers before and after it."
        )


def _last_place(find: Find) -> int | None:
    return max(find.cells) if find.cells else find.heading


def _first_place(find: Find) -> int | None:
    if find.heading is not None:
        return find.heading
    return min(find.cells) if find.cells else None
