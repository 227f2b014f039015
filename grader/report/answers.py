"""A student's answer, taken from the executed notebook, as pieces of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from markupsafe import Markup

from grader.report.budget import CELLS, CODE_CHARACTERS, CODE_LINES, OUTPUTS, OUTPUTS_OPEN, Budget
from grader.report.highlight import highlighted
from grader.report.markdown import render_markdown
from grader.report.outputs import TOO_MUCH, OutputView, views
from grader.report.text import clean, excerpt, joined


@dataclass(frozen=True)
class CellView:
    """One cell. `lines` is set where its code is so long that it is folded."""

    number: int
    """Counted from 1, as people count."""
    kind: Literal["code", "markdown", "raw"]
    body: Markup | str
    lines: int = 0
    outputs: list[OutputView] = field(default_factory=list)
    """The outputs that are open."""
    more_outputs: list[OutputView] = field(default_factory=list)
    remark: str = ""


@dataclass(frozen=True)
class AnswerView:
    cells: list[CellView]
    remark: str = ""


def answer_view(cells: Sequence[int], notebook: Mapping[str, Any] | None, budget: Budget) -> AnswerView:
    """The cells with these indices. An index that the notebook does not have is passed over."""
    all_cells = notebook.get("cells", []) if notebook is not None else []
    there = [index for index in cells if 0 <= index < len(all_cells)]
    shown = [_cell_view(all_cells[index], index + 1, budget) for index in there[:CELLS]]
    remark = f"{len(there) - CELLS} more cells are not shown." if len(there) > CELLS else ""
    return AnswerView(shown, remark)


def cell_ranges(cells: Sequence[int]) -> str:
    """Indices counted from 0 as people name cells: "cell 11", "cells 11–12 and 15"."""
    ranges: list[tuple[int, int]] = []
    for number in sorted({index + 1 for index in cells}):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    names = [str(first) if first == last else f"{first}–{last}" for first, last in ranges]
    word = "cell" if len(cells) == 1 else "cells"
    return f"{word} {enumeration(names)}" if names else ""


def enumeration(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1] if names else "") if part)


def _cell_view(cell: Mapping[str, Any], number: int, budget: Budget) -> CellView:
    source = joined(cell.get("source"))
    match cell.get("cell_type"):
        case "code":
            return _code_view(cell, source, number, budget)
        case "markdown":
            attachments = cell.get("attachments")
            body = render_markdown(source, budget, attachments if isinstance(attachments, Mapping) else None)
            return CellView(number, "markdown", body)
        case _:
            return CellView(number, "raw", _plain(source, budget))


def _code_view(cell: Mapping[str, Any], source: str, number: int, budget: Budget) -> CellView:
    source = clean(source).strip("\n")
    lines = source.count("\n") + 1
    fits = len(source) <= CODE_CHARACTERS and budget.spend("parsed", len(source))
    body = highlighted(source) if fits else _plain(source, budget)
    listed = cell.get("outputs")
    outputs = list(islice(views(listed if isinstance(listed, list) else [], budget, f"cell {number}"), OUTPUTS + 1))
    return CellView(
        number,
        "code",
        body,
        lines=lines if lines > CODE_LINES else 0,
        outputs=outputs[:OUTPUTS_OPEN],
        more_outputs=outputs[OUTPUTS_OPEN:OUTPUTS],
        remark="Further outputs of this cell are not shown." if len(outputs) > OUTPUTS else "",
    )


def _plain(source: str, budget: Budget) -> str:
    text = clean(excerpt(source, CODE_CHARACTERS).text)
    return text if budget.spend("plain", len(text)) else TOO_MUCH
