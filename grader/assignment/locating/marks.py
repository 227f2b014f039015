"""Reading the headings and question labels in the text of a cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from grader.assignment.assignment import Question
from grader.assignment.locating.lines import MAX_SCANNED, read_lines


@dataclass(frozen=True, slots=True)
class Mark:
    """A heading or a label in a text cell; `line` is where it stands, `end` where what follows it begins."""

    kind: Literal["section", "label", "heading"]
    line: int
    end: int
    section: str = ""
    letter: str = ""
    given: bool = False
    """Looks like the course's own (it states points, or is a heading), not like a student's enumeration."""


FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)")
# Possessive: runs of asterisks must not be tried in every division.
_MARKUP = re.compile(r"(?:[\s>#*_]|</?[a-z][^<>]{0,200}>)*+", re.IGNORECASE)
_WORD = r"(?:(?:question|exercise|assignment|problem|task|part|section|chapter|vraag|opgave|opdracht|deel)[ \t]{1,3})?"
_SECTION = re.compile(_WORD + r"(?P<section>\d{1,3}(?:\.\d{1,3}){0,4})(?=[\s:.,*_)<–—-]|$)", re.IGNORECASE)
_LABEL = re.compile(
    _WORD + r"(?:(?P<section>\d{1,3}(?:\.\d{1,3}){0,4})(?P<gap>[\s.:,–-]{0,3}))?"
    r"(?P<open>[*_]{0,3}[(\[]?[*_]{0,3})(?P<letter>[a-z])(?P<close>[*_]{0,3}[)\]]|\.(?=[\s*_<]|$)|(?=[\s:*_<]|$))",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*|__|<(?:b|strong)\b", re.IGNORECASE)
_BOLD_ENDS = ("**", "__", "</b>", "</strong>")
_POINTS = re.compile(
    r"\(\s{0,3}(?:\d{1,3}(?:[.,]\d{1,2})?|no)\s{1,3}(?:points?|pts?\.?|punt(?:en)?)\s{0,3}\)", re.IGNORECASE
)
_HTML_HEADING = re.compile(r"\s*<h[1-6]\b", re.IGNORECASE)
_UNDERLINE = re.compile(r"\s{0,3}(?:={3,}|-{3,})\s*")
_ANSWER_HEADING = re.compile(
    r"(?:(?:my|our|your|the)\s)?(?:answers?|solutions?|explanation|conclusion|discussion|observations?|remarks?|"
    r"antwoord(?:en)?|uitwerking|todo)\b",
    re.IGNORECASE,
)
_HINT = re.compile(r"[\s(*_>]*(?:hint|note|tip)\b", re.IGNORECASE)


def read_marks(text: str, sections: frozenset[str], last_letter: str) -> list[Mark]:
    """Headings and labels of a text, in order. Fenced code is skipped: its comments look like headings."""
    lines = read_lines(text)
    ends = _ends_of_bold(lines)
    marks: list[Mark] = []
    fence = ""
    for number, line in enumerate(lines):
        if found := FENCE.match(line):
            if not fence:
                fence = found["mark"]
            elif found["mark"].startswith(fence):
                fence = ""
        elif not fence and (mark := _mark(lines, ends, number, sections, last_letter)):
            marks.append(mark)
    return marks


def states_points(text: str) -> bool:
    """Whether a line of a text states points, as the course's own questions do."""
    return any(_POINTS.search(line) for line in read_lines(text))


def typed_below_label(text: str, question: Question) -> str:
    """What stands below a question's label in the label's own cell, without the course's hints."""
    marks = read_marks(text, frozenset((question.section,)), "z")
    lines = text[:MAX_SCANNED].split("\n")
    for mark, following in pairwise((*marks, None)):
        if mark and mark.kind == "label" and mark.letter == question.letter:
            below = "\n".join(lines[mark.end : following.line if following else None])
            return "\n\n".join(part for part in re.split(r"\n[ \t]*\n", below) if not _HINT.match(part)).strip("\n")
    return ""


def _mark(lines: list[str], ends: list[int], number: int, sections: frozenset[str], last_letter: str) -> Mark | None:
    line = lines[number]
    start = line.lstrip()[:1]
    if not start or (start not in "#*_<>([" and not start.isdigit()):
        return None
    markup = _MARKUP.match(line)
    begin = markup.end() if markup else 0
    is_heading = (start == "#" and line.startswith(("#", " #", "  #", "   #"))) or bool(_HTML_HEADING.match(line))
    points = bool(_POINTS.search(line))
    label = _LABEL.match(line, begin)
    if label and _is_label(label, last_letter):
        bold = is_heading or bool(_BOLD.search(line, 0, min(len(line), label.end() + 4)))
        if bold or points:
            end = number + 1 if is_heading else _label_end(lines, ends, number, label.end())
            return Mark("label", number, end, label["section"] or "", label["letter"].lower(), is_heading or points)
    is_underlined = number + 1 < len(lines) and bool(_UNDERLINE.fullmatch(lines[number + 1]))
    section = _SECTION.match(line, begin)
    if section and (is_heading or is_underlined or (points and bool(_BOLD.search(line, 0, begin)))):
        known = _known_section(section["section"], sections)
        if known is not None:
            return Mark("section", number, number + 1, known, "", True)
    if is_heading and line[begin:].strip() and not _ANSWER_HEADING.match(line, begin):
        return Mark("heading", number, number + 1)
    return None


def _is_label(label: re.Match[str], last_letter: str) -> bool:
    """Tell `(a)`, `a)`, `a.`, `1.3a` and `1.3 (a)` from "A neural network" and "**I** think"."""
    if label["letter"].lower() > last_letter:
        return False
    opened, closed = label["open"].strip("*_"), label["close"].strip("*_")
    if label["section"] is None:
        return bool(closed) and not (opened and closed not in ")]")
    return bool(closed) or ("." in label["section"] and label["gap"] in ("", ".") and label["letter"].islower())


def _known_section(number: str, sections: frozenset[str]) -> str | None:
    """`1.3.2` belongs to section 1.3; "2 layers" is a section only where the rubric numbers so."""
    parts = number.split(".")
    for length in range(len(parts), 0, -1):
        if (known := ".".join(parts[:length])) in sections:
            return known
    depths = {section.count(".") for section in sections}
    return number if number.count(".") in depths else None


def _label_end(lines: list[str], ends: list[int], number: int, column: int) -> int:
    """The line after the label and its question: where its bold print ends, or its paragraph."""
    line = lines[number].rstrip()
    return number + 1 if line.endswith(_BOLD_ENDS) and len(line) > column + 2 else ends[number + 1]


def _ends_of_bold(lines: list[str]) -> list[int]:
    """For each line, and for the end: where bold print that is open there ends, or its paragraph."""
    ends = [len(lines)]
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number].rstrip()
        ends.append(number if not line else number + 1 if line.endswith(_BOLD_ENDS) else ends[-1])
    return ends[::-1]
