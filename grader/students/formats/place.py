"""Where an answer stands in a repository: the notebook's path there, and the lines of its cells in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.assignment.notebook import UnreadableNotebook, read_file
from grader.report.text import clean
from grader.students.checking.report import CheckReport

MAX_BYTES = 50 * 2**20
_BLANKS = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class Places:
    """The places of a notebook's answers. A file that has changed meanwhile has them all at its beginning."""

    def __init__(self, report: CheckReport) -> None:
        path = Path(report.notebook)
        self.path = clean(repository_path(path))
        try:
            self._lines = cell_lines(read_file(path, MAX_BYTES))
        except (UnreadableNotebook, ValueError, RecursionError):
            self._lines = []

    def line(self, cells: Sequence[int]) -> int:
        """The line on which the source of the first of `cells` begins, counted from 1."""
        index = cells[0] if cells else -1
        return self._lines[index] if 0 <= index < len(self._lines) else 1


def repository_path(path: Path) -> str:
    """The path from the root of the repository that it is in; where it is in none, from the current folder."""
    whole = path.resolve()
    roots = [folder for folder in whole.parents if (folder / ".git").exists()]
    root = next((folder for folder in (*roots, Path.cwd()) if whole.is_relative_to(folder)), None)
    return whole.relative_to(root).as_posix() if root else path.name


def cell_lines(content: bytes) -> list[int]:
    """The line of each cell's source in a notebook's file, counted from 1. ValueError where it is no notebook."""
    text = content.decode(json.detect_encoding(content))
    starts = dict(_members(text, _skip(text, 0)))
    lines, line, position = [], 1, 0
    for cell in _elements(text, starts.get("cells", len(text))):
        begin = dict(_members(text, cell)).get("source", cell)
        if text.startswith("[", begin):
            begin = next(_elements(text, begin), begin)
        line += text.count("\n", position, begin)
        position = begin
        lines.append(line)
    return lines


def _members(text: str, start: int) -> Iterator[tuple[str, int]]:
    """The keys of the object at `start`, each with the place of its value; none where there is no object."""
    for place in _parts(text, start, "{"):
        key, end = _DECODER.raw_decode(text, place)
        value = _skip(text, _expect(text, end, ":"))
        yield key, value


def _elements(text: str, start: int) -> Iterator[int]:
    """The places of the elements of the list at `start`; none where there is no list."""
    return _parts(text, start, "[")


def _parts(text: str, start: int, bracket: str) -> Iterator[int]:
    if not text.startswith(bracket, start):
        return
    place = _skip(text, start + 1)
    while not text.startswith(("]", "}"), place):
        yield place
        _, end = _DECODER.raw_decode(text, place)
        if bracket == "{":
            _, end = _DECODER.raw_decode(text, _skip(text, _expect(text, end, ":")))
        place = _skip(text, end)
        if text.startswith(",", place):
            place = _skip(text, place + 1)


def _expect(text: str, place: int, sign: str) -> int:
    place = _skip(text, place)
    if not text.startswith(sign, place):
        raise ValueError(f"{sign} expected at {place}")
    return place + 1


def _skip(text: str, place: int) -> int:
    blanks = _BLANKS.match(text, place)
    return blanks.end() if blanks else place
