"""The report for GitHub Actions: annotations at the answers, a step summary with a table, and outputs of the step."""

from __future__ import annotations

from collections.abc import Mapping

from grader.results.results import format_points
from grader.students.checking.report import CheckedQuestion, CheckedStatus, CheckReport
from grader.students.formats.actions import append, escaped, escaped_property
from grader.students.formats.markdown import markdown
from grader.students.formats.place import Places
from grader.students.formats.words import cells, code_questions, explained, faults, one_line

_LEVELS: Mapping[CheckedStatus, str] = {"not yet": "error", "unsure": "warning", "not started": "notice"}
"""Ten of each level are shown, so questions that nobody has begun do not crowd the mistakes out."""


def github(report: CheckReport) -> str:
    """Workflow commands, to be printed: an annotation for each question that is not done."""
    places = Places(report)
    if report.status != "checked":
        return _command("error", places.path, 1, "The notebook could not be checked", one_line(report.message))
    return "".join(
        _command(_LEVELS[question.status], places.path, places.line(question.cells), _title(question), _said(question))
        for question in code_questions(report)
        if question.status in _LEVELS
    )


def append_to_step(report: CheckReport) -> None:
    """Add the summary and the outputs to the files that GitHub's environment names. Raises OSError."""
    append("GITHUB_STEP_SUMMARY", markdown(report))
    outputs = {
        "points": format_points(report.points),
        "max-points": format_points(report.max_points),
        "passed": "true" if report.passed else "false",
    }
    append("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in outputs.items()))


def _title(question: CheckedQuestion) -> str:
    where = f" ({cells(question.cells)})" if question.cells else ""
    return f"{question.id} {one_line(question.title)}: {question.status}{where}"


def _said(question: CheckedQuestion) -> str:
    return "\n\n".join(explained(check) for check in faults(question)) or f"There is no answer to {question.id} yet."


def _command(level: str, path: str, line: int, title: str, message: str) -> str:
    properties = f"file={escaped_property(path)},line={line},title={escaped_property(title)}"
    return f"::{level} {properties}::{escaped(message)}\n"
