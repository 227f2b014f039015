"""What students wrote, read from the executed notebooks: sources only, so that a class of 1,000 takes seconds."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from grader.assignment.assignment import Assignment
from grader.desk.forms import Cell
from grader.report.store import NOTEBOOK
from grader.report.text import joined
from grader.results.results import QuestionResult, SubmissionResult

KEPT = 20_000
"""Characters of an answer's cell that are kept in memory, and in the store with a decision about it."""

_NUMBERED = re.compile(rb'"execution_count":\s*\d+,?')
_NAMES = re.compile(r"^[\W_]*(?:name|student|group|team)s?[\W_]*:", re.IGNORECASE)


class _Source(msgspec.Struct):
    """A cell without its outputs, which are most of a notebook: they are passed over, not made."""

    cell_type: str = ""
    source: Any = ""


class _Outputs(msgspec.Struct):
    outputs: msgspec.Raw = msgspec.Raw(b"[]")


class _Cells(msgspec.Struct):
    cells: list[msgspec.Raw] = []


class Read(NamedTuple):
    """Cells by their indices."""

    cells: dict[int, Cell]
    shown: dict[int, str]
    """A digest of what a cell that answers talk about has shown: prints, figures. Empty where it has shown nothing."""


def read_sources(assignment: Assignment, output: Path, result: SubmissionResult) -> Read:
    """The cells that answer some question, or are talked about; none where the notebook cannot be read.

    Longer sources than `KEPT` end with a digest of the whole: equal beginnings are not equal answers.
    """
    wanted = {index for question in result.questions for index in question.cells}
    about = {index for question in result.questions for index in context_cells(assignment, result, question)}
    cells = _raw_cells(output / result.submission / NOTEBOOK)
    there = [index for index in {*wanted, *about} if 0 <= index < len(cells)]
    return Read(
        {index: _cell(cells[index]) for index in there}, {index: _shown(cells[index]) for index in about & set(there)}
    )


def _shown(raw: bytes) -> str:
    try:
        outputs = bytes(msgspec.json.decode(raw, type=_Outputs).outputs)
    except msgspec.DecodeError:
        return ""
    outputs = _NUMBERED.sub(b"", outputs)
    return hashlib.sha256(outputs).hexdigest() if len(outputs) > 2 else ""


def _plain(raw: bytes) -> tuple[str, str]:
    """Type and source."""
    try:
        cell = msgspec.json.decode(raw, type=_Source)
    except msgspec.DecodeError:
        cell = _Source(**{name: value for name, value in json.loads(raw).items() if name in ("cell_type", "source")})
    return cell.cell_type, joined(cell.source)


def _cell(raw: bytes) -> Cell:
    cell_type, source = _plain(raw)
    kind: Literal["code", "text"] = "code" if cell_type == "code" else "text"
    if len(source) > KEPT:
        digest = hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()
        source = f"{source[:KEPT]}\n{digest}"
    return kind, source


def context_cells(assignment: Assignment, result: SubmissionResult, question: QuestionResult) -> list[int]:
    """The cells that an answer talks about, as the grading has located them.

    Of results that are older than the rubric's `context`: those of the questions that it names.
    """
    if question.context:
        return question.context
    ids = assignment.question(question.id).context
    return sorted({index for other in result.questions if other.id in ids for index in other.cells})


def read_plain(output: Path, submission: str) -> Mapping[str, Any]:
    """A notebook without the outputs of its cells: all that pages over a whole class show of it."""
    cells = map(_plain, _raw_cells(output / submission / NOTEBOOK))
    return {"cells": [{"cell_type": kind, "source": source} for kind, source in cells]}


def read_cells(output: Path, submission: str, indices: Iterable[int]) -> Mapping[str, Any]:
    """A notebook with these cells whole, outputs included, and the others empty: what a report's pieces ask for."""
    raw = _raw_cells(output / submission / NOTEBOOK)
    wanted = set(indices)
    return {"cells": [json.loads(cell) if index in wanted else {} for index, cell in enumerate(raw)]}


def _raw_cells(path: Path) -> list[bytes]:
    """Each an object in JSON; none where the notebook cannot be read."""
    try:
        data = path.read_bytes()
        return [_object(bytes(cell)) for cell in msgspec.json.decode(data, type=_Cells).cells]
    except OSError:
        return []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Half of a surrogate pair is nothing that can be written, but notebooks have it escaped, and the standard
        # library reads it.
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            return [_object(json.dumps(cell).encode()) for cell in json.loads(data)["cells"]]
        return []


def _object(raw: bytes) -> bytes:
    return raw if raw.startswith(b"{") else b"{}"


def without_names(notebook: Mapping[str, Any], indices: Sequence[int]) -> list[int]:
    """These cells but for those in which students say who they are."""
    cells = notebook.get("cells", [])
    return [index for index in indices if not (0 <= index < len(cells) and _says_names(cells[index]))]


def _says_names(cell: Mapping[str, Any]) -> bool:
    return cell.get("cell_type") == "markdown" and bool(_NAMES.match(joined(cell.get("source"))))
