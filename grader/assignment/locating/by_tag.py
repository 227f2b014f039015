"""Finding answers by the tags on their cells, which say more than any label."""

from __future__ import annotations

from collections.abc import Sequence

from grader.assignment.locating.answer import Find
from grader.assignment.locating.cells import Cell

TAG_PREFIX = "question:"
"""A cell with the metadata tag `question:1.3.a` answers question 1.3.a; any number of cells may have it."""


def find_by_tag(cells: Sequence[Cell], finds: dict[str, Find]) -> None:
    owner = {
        cell.index: tag.removeprefix(TAG_PREFIX).strip()
        for cell in cells
        for tag in sorted(cell.tags)
        if tag.startswith(TAG_PREFIX) and tag.removeprefix(TAG_PREFIX).strip() in finds
    }
    for id, find in finds.items():
        tagged = [index for index, tagged_id in owner.items() if tagged_id == id and not cells[index].is_empty]
        # Cells that a student added beside the tagged ones have no tag, but stand below the label.
        find.cells = [*tagged, *(index for index in find.cells if owner.get(index, id) == id)]
        if tagged:
            find.found_by = "id"
