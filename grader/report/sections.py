"""What the sections of an assignment are called: by the headings of its reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from grader.assignment.assignment import Assignment
from grader.assignment.notebook import UnreadableNotebook, read_notebook
from grader.report.text import clean, joined

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+[^\d\n]{0,20}?(?P<id>\d{1,3}(?:\.\d{1,3}){0,4})[.:]?[ \t]+(?P<title>[^\n]+)")
_POINTS = re.compile(r"\s*\([^()]*\b(?:points?|pts?|punt(?:en)?)\b[^()]*\)\s*$", re.IGNORECASE)


def section_titles(assignment: Assignment) -> Mapping[str, str]:
    """By section, as "1.1". A section whose heading is not found has no title; without the reference, none has."""
    try:
        state = assignment.reference.stat()
    except OSError:
        return {}
    sections = frozenset(question.section for question in assignment.questions)
    return _titles(assignment.reference, state.st_mtime_ns, state.st_size, assignment.limits.notebook_bytes, sections)


@lru_cache(maxsize=8)
def _titles(path: Path, changed: int, size: int, limit: int, sections: frozenset[str]) -> Mapping[str, str]:
    try:
        reference = read_notebook(path, limit)
    except (OSError, UnreadableNotebook):
        return {}
    found: dict[str, str] = {}
    for cell in reference.cells:
        if cell.get("cell_type") == "markdown":
            for line in joined(cell.get("source")).split("\n"):
                match = _HEADING.match(line)
                if match and match["id"] in sections:
                    found.setdefault(match["id"], _POINTS.sub("", clean(match["title"])).strip(" #"))
    return found
