"""The words that all formats share: what a status is called, what was found in all, and what is not checked here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from grader.report.text import clean, excerpt
from grader.results.results import CheckResult, format_points
from grader.students.checking.report import CheckedQuestion, CheckedStatus, CheckReport

MESSAGE_CHARACTERS = 4000
"""Of one message; what stands between its beginning and its end is left out."""
LINE_CHARACTERS = 500
"""Of a name, or of anything else that is to stand on one line."""


class Word(NamedTuple):
    symbol: str
    style: str
    """In a terminal, as rich names it."""


WORDS: Mapping[CheckedStatus, Word] = {
    "done": Word("✓", "green"),
    "not yet": Word("✗", "red"),
    "not started": Word("–", "dim"),
    "unsure": Word("?", "yellow"),
    "later": Word("…", "cyan"),
    "by a person": Word("✎", "cyan"),
}
SANDBOXES: Mapping[str, str] = {
    "bubblewrap": "a container of its own",
    "landlock": "no container, but the kernel's file rules",
    "process": "no container and no file rules",
}
"""What the levels of the sandbox mean."""


def one_line(text: str) -> str:
    line = " ".join(clean(text).split())
    return line if len(line) <= LINE_CHARACTERS else f"{line[: LINE_CHARACTERS - 1]}…"


def bounded(text: str) -> str:
    """A text of others, without control characters and of a length that one can read."""
    return clean(excerpt(text, MESSAGE_CHARACTERS).text).strip("\n")


def first_line(text: str) -> str:
    return bounded(text).partition("\n")[0].strip()


def heading(report: CheckReport) -> str:
    return f"{one_line(report.assignment)}: {one_line(report.notebook)}"


def code_questions(report: CheckReport) -> list[CheckedQuestion]:
    return [question for question in report.questions if question.kind == "code"]


def faults(question: CheckedQuestion) -> list[CheckResult]:
    """The checks that found a mistake, or could not be completed."""
    return [check for check in question.checks if check.status in ("failed", "review")]


def remarks(question: CheckedQuestion) -> list[CheckResult]:
    """All checks that have something to say: also those that only an earlier mistake makes come out wrong."""
    return [check for check in question.checks if check.status not in ("passed", "missing")]


def title(check: CheckResult) -> str:
    """What a check asks for."""
    return one_line(check.title) or one_line(check.name)


def explained(check: CheckResult) -> str:
    """What a check says; one that says nothing is named by what it asks for."""
    return bounded(check.message) or title(check)


def cells(indices: Sequence[int]) -> str:
    """Cells as people count them: "cell 4" or "cells 4, 7"."""
    if not indices:
        return ""
    return ("cell " if len(indices) == 1 else "cells ") + ", ".join(str(index + 1) for index in indices)


def points_of(question: CheckedQuestion) -> str:
    """Empty where no check gives points here."""
    return f"{format_points(question.points)} of {format_points(question.max_points)}" if question.max_points else ""


def counted(report: CheckReport) -> str:
    """`14 of 16 code questions done, 12.5 of 15 points of the checks that run here.`"""
    questions = [question for question in code_questions(report) if question.checks]
    done = sum(question.status == "done" for question in questions)
    only = f"Only {', '.join(report.only)}: " if report.only else ""
    earned = f"{format_points(report.points)} of {_points(report.max_points)} of the checks that run here"
    return f"{only}{done} of {_count(len(questions), 'code question')} done, {earned}."


def not_checked(report: CheckReport) -> str:
    """What is not checked here, as a sentence; empty where all is."""
    parts = []
    if report.text_points:
        parts.append(f"{_points(report.text_points)} {_are(report.text_points)} marked by a person")
    if report.hidden_checks:
        worth = f" ({_points(report.hidden_points)})" if report.hidden_points else ""
        verb = "runs" if report.hidden_checks == 1 else "run"
        parts.append(f"{_count(report.hidden_checks, 'check')}{worth} {verb} only after the deadline")
    return f"Not checked here: {', '.join(parts)}." if parts else ""


def unwritten(report: CheckReport) -> str:
    """The text questions without an answer, as a sentence; empty where there are none."""
    ids = [question.id for question in report.questions if question.kind == "text" and question.status == "not started"]
    return f"No text yet for {', '.join(ids)}." if ids else ""


def sandbox(report: CheckReport) -> str:
    """How the notebook was run, as a sentence; empty where that is not known."""
    if not report.sandbox:
        return ""
    meaning = SANDBOXES.get(report.sandbox)
    return f"Sandbox: {report.sandbox}{f' ({meaning})' if meaning else ''}."


def _points(points: float) -> str:
    return f"{format_points(points)} {'point' if points == 1 else 'points'}"


def _are(number: float) -> str:
    return "is" if number == 1 else "are"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
