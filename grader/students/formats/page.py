"""The report as the page that `grader grade` makes of a submission: with answers, outputs and figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from grader.assignment.assignment import Assignment, Limits
from grader.report.render import render_submission
from grader.results.results import QuestionResult, SubmissionResult, total
from grader.students.checking.report import CheckReport
from grader.students.formats.words import not_checked

if TYPE_CHECKING:
    from grader.students.checking.check import Checked


def page(checked: Checked) -> str:
    """Of the questions that were asked for. Its points are those of the public checks."""
    report, result = checked.report, checked.graded.result
    return render_submission(_assignment(report), _as_checked(report, result), checked.graded.notebook)


def _as_checked(report: CheckReport, result: SubmissionResult) -> SubmissionResult:
    questions = {question.id: question for question in result.questions}
    shown = msgspec.structs.replace(
        result,
        questions=list(_questions(report, questions)),
        notes=[*result.notes, *filter(None, [not_checked(report)])],
    )
    total(shown)
    return shown


def _questions(report: CheckReport, results: dict[str, QuestionResult]) -> Iterator[QuestionResult]:
    for question in report.questions:
        if result := results.get(question.id):
            points = question.max_points if question.kind == "code" else result.max_points
            yield msgspec.structs.replace(result, max_points=points)


def _assignment(report: CheckReport) -> Assignment:
    """As much of it as the page shows."""
    nowhere = Path()
    return Assignment(
        name=report.assignment,
        folder=nowhere,
        title=report.assignment,
        reference=nowhere,
        preload=(),
        limits=Limits(),
        questions=(),
    )
