"""The report for people at a terminal: each question, what is wrong with its answer, and what is not checked here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from grader.students.checking.report import CheckedQuestion, CheckReport
from grader.students.formats.words import (
    WORDS,
    bounded,
    cells,
    code_questions,
    counted,
    faults,
    heading,
    not_checked,
    one_line,
    points_of,
    remarks,
    sandbox,
    title,
    unwritten,
)

if TYPE_CHECKING:
    from rich.console import Console

_INDENT = 4


class Line(NamedTuple):
    indent: int
    parts: tuple[tuple[str, str], ...]
    """Text and its style."""


def text(report: CheckReport) -> str:
    return "".join(
        f"{' ' * line.indent}{''.join(words for words, _ in line.parts)}".rstrip() + "\n" for line in _lines(report)
    )


def print_text(report: CheckReport, console: Console) -> None:
    """The same in colours; what is too long for the terminal goes on below its own beginning."""
    from rich.padding import Padding
    from rich.text import Text

    for line in _lines(report):
        console.print(Padding(Text.assemble(*line.parts), (0, 0, 0, line.indent)), highlight=False)


def _lines(report: CheckReport) -> Iterator[Line]:
    yield _line(0, heading(report), "bold")
    if report.status != "checked":
        yield _line(0, one_line(report.message), "red")
        return
    yield _line(0, "")
    width = max((len(one_line(question.title)) for question in code_questions(report)), default=0)
    for question in code_questions(report):
        yield from _question(question, width)
    yield _line(0, "")
    for note in report.notes:
        yield _line(0, f"Note: {one_line(note)}")
    yield _line(0, counted(report), "bold")
    for sentence in (not_checked(report), unwritten(report), sandbox(report)):
        if sentence:
            yield _line(0, sentence)


def _question(question: CheckedQuestion, width: int) -> Iterator[Line]:
    symbol, style = WORDS[question.status]
    state = f"{question.status:<13}"
    name = f"{one_line(question.title):<{width}}"
    yield Line(
        0,
        (
            (f"{symbol} ", style),
            (f"{question.id:<8}", "bold"),
            (f"{name}  ", ""),
            (state, style),
            (points_of(question), ""),
        ),
    )
    for check in remarks(question):
        yield _line(_INDENT, title(check))
        for line in bounded(check.message).split("\n"):
            yield _line(_INDENT + 2, line)
    for note in question.notes:
        yield _line(_INDENT, one_line(note), "dim")
    if faults(question) and question.cells:
        yield _line(_INDENT, f"Your answer: {cells(question.cells)}", "dim")


def _line(indent: int, words: str, style: str = "") -> Line:
    return Line(indent, ((words, style),))
