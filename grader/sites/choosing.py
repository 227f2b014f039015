"""Which file of a hand-in is the notebook to grade: mostly there is one, and where not, a person should look."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from grader.assignment.assignment import Assignment
from grader.sites.handins import Given

_NOTEBOOK = re.compile(r".+\.ipynb", re.IGNORECASE | re.DOTALL)
# `hw1.ipynb.txt`, `hw1.ipynb (1)`, `hw1.ipynb.json`: what browsers and mail programs make of a name.
_RENAMED = re.compile(r".+\.ipynb(?:\.(?:txt|json)|[ _-]?\(?\d{1,3}\)?)(?:\.(?:txt|json))?", re.IGNORECASE | re.DOTALL)
MAX_COMPARED = 20
"""Notebooks of one hand-in that are read to choose between them."""


def is_notebook(given: Given) -> bool:
    return _NOTEBOOK.fullmatch(given.name) is not None or _RENAMED.fullmatch(given.name) is not None


def choose_notebook(files: Sequence[Given], assignment: Assignment | None) -> tuple[Given | None, list[str]]:
    """The notebook that counts, None where there is none; and what a person should know of the choice."""
    notebooks = [given for given in files if _NOTEBOOK.fullmatch(given.name)]
    notes = []
    if not notebooks:
        notebooks = [given for given in files if is_notebook(given)]
        notes = [f"{notebooks[0].name} is read as a notebook, because of its name"] if notebooks else []
    if not notebooks:
        return None, []
    different = {_digest(given.unpacked.file): given for given in sorted(notebooks, key=_depth, reverse=True)}
    if len(different) == 1:
        (chosen,) = different.values()
        if len(notebooks) > 1:
            notes.append(f"the same notebook is there {len(notebooks)} times")
    else:
        ranked = sorted(different.values(), key=_depth)[:MAX_COMPARED]
        scores = {given.name: _score(given.unpacked.file, assignment) for given in ranked}
        # max takes the first of equals: that which lies least deep.
        chosen = max(ranked, key=lambda given: scores[given.name])
        answered, code = scores[chosen.name]
        what = (
            f"answers {answered} of {len(assignment.questions)} questions"
            if assignment
            else f"{code} characters of code"
        )
        notes.append(
            f"{len(different)} notebooks: {chosen.name} is graded ({what}), a person should look; the others are kept"
        )
    if chosen.unpacked.nested:
        notes.append(f"the notebook was in a zip: {chosen.name}")
    return chosen, notes


def _depth(given: Given) -> tuple[int, int, str]:
    return given.unpacked.nested, len(given.path), given.name


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _score(file: Path, assignment: Assignment | None) -> tuple[int, int]:
    """Questions that are answered, and characters of code; a file that is no notebook has the least of both."""
    from grader.assignment.assignment import Limits
    from grader.assignment.notebook import UnreadableNotebook, read_file
    from grader.assignment.reading import read_submission

    limits = assignment.limits if assignment else Limits()
    try:
        content = read_file(file, limits.notebook_bytes)
        read = read_submission(content, assignment.questions if assignment else (), limits)
        code = sum(len(str(cell.source).strip()) for cell in read.notebook.cells if cell.cell_type == "code")
        return len(read.answered), code
    except UnreadableNotebook:
        return -1, 0
    except Exception:  # whatever one notebook does to its reader, the others are still to be imported
        return -1, 0
