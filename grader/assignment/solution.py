"""The solution in a reference notebook: where it stands, and the notebook that students get instead.

Nothing is given away by a mark that is not understood: whatever looks like one, and is none, is an error.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from nbformat import NotebookNode

from grader.assignment.cutmarks import OF_CELLS, looks_like_a_mark, read_mark
from grader.assignment.cuts import TODO, Cut, CutError, cuts, without

SOLUTION_TAG = "solution"
"""The tag of a cell that is a solution as a whole: the answer to a text question."""
SOLUTION_TAGS = frozenset((SOLUTION_TAG, "solutions", "otter-assign-solution-cell"))
HIDDEN_TAGS = frozenset(
    (
        "hidden",
        "hide",
        "hidden-test",
        "hidden-tests",
        "hidden-cell",
        "instructor",
        "instructor-only",
        "instructors-only",
    )
)
"""Tags of cells that students do not get. All tags are read without regard to capitals, and `_` as `-`."""
_SHOWN = re.compile(
    r"question:.*|(?:hide|remove)-(?:input|output|cell)s?|otter-.*|raises-exception|parameters", re.DOTALL
)
"""Tags that say how a cell is shown, or where it belongs, and not that it is a secret."""
_SECRET = (
    "solution",
    "solutions",
    "hidden",
    "hide",
    "instructor",
    "answer-key",
    "secret",
    "mark-scheme",
    "hidden-tests",
)

_BOUNDARY = re.compile(
    r"\s*(?:```otter[ \t]*\n)?\s*#[ \t]*(?:(?P<edge>begin|end)[ \t]+(?P<block>question|prompt|solution|tests?)"
    r"|(?P<config>assignment[ \t]+config))[ \t]*(?:\n(?P<rest>.*))?",
    re.IGNORECASE | re.DOTALL,
)
"""otter's raw cells, and text cells that stand for one, which begin and end parts of the notebook."""
_FENCED = re.compile(r"^```.*\n[ \t]*BEGIN[ \t]+(?:QUESTION|ASSIGNMENT)[ \t]*\n(?:.*\n)*?```[ \t]*$\n?", re.MULTILINE)
"""otter's and ok's older form of the same: a block of code in a text cell."""

Whole = Literal["solution", "hidden", "config"]


class SolutionError(Exception):
    """The marks of a cell do not make sense: one line that says why."""


class Part(NamedTuple):
    """A cell, as far as students get it."""

    source: str
    secrets: tuple[str, ...]
    """Lines that they do not get."""


def solution_lines(source: str) -> list[range]:
    """The lines of each solution in a code cell, counted from 1, without the marks around it. Raises SolutionError."""
    try:
        found = cuts(source, is_code=True)
    except CutError as error:
        raise SolutionError(str(error)) from None
    if not found and _first_line(source) == "solution":
        return [range(2, source.count("\n") + 2)]
    return [cut.within for cut in found if cut.what == "solution"]


def student_version(notebook: NotebookNode) -> NotebookNode:
    """A copy without its solutions and outputs: in the place of each stands `TODO`. Raises SolutionError.

    What else students do not get is gone; a cell of which nothing is left is empty, and keeps its place.
    """
    stripped = copy.deepcopy(notebook)
    for cell, part in zip(stripped.cells, _parts(notebook), strict=True):
        cell.source = part.source
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return stripped


def secret_lines(notebook: NotebookNode) -> Iterator[str]:
    """All lines that are cut. Raises SolutionError."""
    for part in _parts(notebook):
        yield from part.secrets


def is_cut_tag(tag: str) -> bool:
    """Whether it says that students do not get the cell."""
    return _normal(tag) in SOLUTION_TAGS | HIDDEN_TAGS


def _parts(notebook: NotebookNode) -> Iterator[Part]:
    blocks = _Blocks()
    for number, cell in enumerate(notebook.cells, start=1):
        try:
            yield _part(cell, blocks.whole(number, cell))
        except (SolutionError, CutError) as error:
            raise SolutionError(f"cell {number}: {error}") from None
    blocks.end()


def _part(cell: NotebookNode, block: Whole | Literal["prompt", ""]) -> Part:
    """A cell in a block of otter's, or in none."""
    source, is_code = cell.source, cell.cell_type == "code"
    if block == "config":
        return Part("", ())
    fenced = "" if is_code else _FENCED.sub("", source)
    kept = source if is_code or fenced == source else fenced
    found: list[Cut] = [] if _tagged(cell) else cuts(kept, is_code=is_code)
    whole = _whole(cell, block, found)
    if whole is not None:
        todo = f"# {TODO}" if is_code else TODO
        return Part(todo if whole == "solution" else "", tuple(source.split("\n")))
    lines = kept.split("\n")
    text = without(kept, found, is_code=is_code)
    _require_no_mark_left(lines, found, is_code)
    secrets = [lines[number - 1] for cut in found for number in cut.within]
    return Part(text, tuple(secrets))


def _whole(cell: NotebookNode, block: str, found: list[Cut]) -> Literal["solution", "hidden"] | None:
    """Whether students get nothing of a cell: by its tags, its place, its first line, or what nbgrader says of it."""
    tagged = _tagged(cell)
    if tagged is not None:
        return tagged
    if block == "hidden":
        return "hidden"
    first = _first_line(cell.source)
    if first == "hidden" and cell.cell_type == "code":
        return "hidden"
    if any(cut.what == "solution" for cut in found):
        # What is around a marked solution is for the students.
        return None
    if block == "solution" or first == "solution" or _is_solution_of_nbgrader(cell):
        return "solution"
    return None


def _tagged(cell: NotebookNode) -> Literal["solution", "hidden"] | None:
    tags = {_normal(tag) for tag in cell.metadata.get("tags", ())}
    if tags & SOLUTION_TAGS:
        return "solution"
    if tags & HIDDEN_TAGS:
        return "hidden"
    for tag in sorted(tags):
        if _SHOWN.fullmatch(tag):
            continue
        if set(tag.split("-")) & set(_SECRET) or difflib.get_close_matches(tag, _SECRET, n=1, cutoff=0.8):
            raise SolutionError(
                f"the tag {tag!r} looks as if students should not get this cell: call it `solution` to put "
                f"{TODO} in its place, `hidden` to remove the cell, or something else if students get it"
            )
    return None


def _normal(tag: object) -> str:
    return re.sub(r"[\s_]+", "-", str(tag).strip().lower())


def _first_line(source: str) -> Literal["solution", "hidden"] | None:
    """What the first line says of the whole cell."""
    first = source.lstrip("\n").partition("\n")[0]
    found = OF_CELLS.fullmatch(first)
    if found is None:
        return None
    if not found["solution"]:
        return "hidden"
    # A heading alone is about the cells below it, of which it does not say where they end.
    return "solution" if re.sub(r"[\W_]|solutions?|strong", "", source, flags=re.IGNORECASE) else None


def _is_solution_of_nbgrader(cell: NotebookNode) -> bool:
    own = cell.metadata.get("nbgrader")
    return bool(isinstance(own, dict) and own.get("solution") and not own.get("task"))


def _require_no_mark_left(lines: list[str], found: list[Cut], is_code: bool) -> None:
    cut = {number for one in found for number in one.lines}
    for number, line in enumerate(lines, start=1):
        if number not in cut and looks_like_a_mark(line, is_code=is_code):
            raise SolutionError(
                f"line {number}: {line.strip()[:80]!r} looks like a mark of what students must not see, but is not a "
                "known one: write `### BEGIN SOLUTION` or `### BEGIN HIDDEN TESTS`, and the same with END, on lines of "
                "their own; if it is no mark, use other words"
            )


class _Blocks:
    """otter's parts of a notebook, which raw cells begin and end."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}
        """What has begun, and in which cell."""

    def whole(self, number: int, cell: NotebookNode) -> Whole | Literal["prompt", ""]:
        """What a cell is by its place. Raises SolutionError."""
        found = _BOUNDARY.fullmatch(cell.source) if cell.cell_type == "raw" or _is_fenced(cell) else None
        if found is None or _ends_itself(cell):
            return self.inner
        if found["edge"]:
            self.turn(number, found["edge"].lower() == "begin", found["block"].lower().rstrip("s"))
        return "config"

    @property
    def inner(self) -> Whole | Literal["prompt", ""]:
        if "test" in self.open:
            return "hidden"
        if "solution" in self.open:
            return "solution"
        return "prompt" if "prompt" in self.open else ""

    def turn(self, number: int, begins: bool, block: str) -> None:
        inner = [one for one in self.open if one != "question"]
        if not begins:
            if block not in self.open:
                raise SolutionError(f"a {block} ends here, but none has begun")
            if block == "question" and inner:
                raise SolutionError(f"the question ends in the {inner[0]} of cell {self.open[inner[0]]}")
            del self.open[block]
            return
        within = block if block in self.open else inner[0] if inner else None
        if within is not None:
            raise SolutionError(f"a {block} begins in the {within} of cell {self.open[within]}")
        self.open[block] = number

    def end(self) -> None:
        for block, number in self.open.items():
            raise SolutionError(f"cell {number}: this {block} does not end")


def _is_fenced(cell: NotebookNode) -> bool:
    text: str = cell.source.strip()
    return cell.cell_type == "markdown" and text.startswith("```otter") and text.endswith("```")


def _ends_itself(cell: NotebookNode) -> bool:
    """Whether what begins in the first line of a raw cell is over within the cell."""
    _, *others = cell.source.strip("\n").split("\n")
    return any((mark := read_mark(line, is_code=False)) is not None and not mark.begins for line in others)
