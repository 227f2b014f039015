"""The page of one submission, for the student and for whoever marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath
from typing import Any

from markupsafe import Markup

from grader.assignment.assignment import Assignment
from grader.report.answers import AnswerView, answer_view, cell_ranges
from grader.report.budget import OUTPUT_LINES, TEXT_CHARACTERS, Budget
from grader.report.markdown import render_criteria
from grader.report.page import render_page
from grader.report.sections import section_titles
from grader.report.statuses import STATUSES, SUBMISSION_STATUSES, Status, has_lost, shown_status
from grader.report.text import excerpt, printed
from grader.results.results import Change, CheckResult, QuestionResult, SubmissionResult, told


@dataclass(frozen=True)
class CheckView:
    title: str
    points: float | None
    max_points: float
    status: Status
    message: str
    """The message's first line."""
    more: str
    """Its other lines: a table of values, or a traceback."""
    lines: int
    """The number of those lines, where they are folded."""


@dataclass(frozen=True)
class QuestionView:
    result: QuestionResult
    status: Status
    checks: list[CheckView]
    cells: str
    found: str
    defines: tuple[str, ...]
    answer: AnswerView
    criteria: Markup

    @property
    def missing(self) -> bool:
        return self.result.status == "missing" or not self.result.cells

    @property
    def decision(self) -> Change | None:
        """The person's decision that counts."""
        return self.result.changes[-1] if self.result.status == "marked" and self.result.changes else None

    @property
    def history(self) -> list[Change]:
        """All decisions, oldest first, where there is more to tell than the one that counts."""
        changes = self.result.changes
        return list(changes) if len(changes) > 1 or self.decision is None else []


@dataclass(frozen=True)
class SectionView:
    id: str
    title: str
    questions: list[QuestionView]

    @property
    def points(self) -> float | None:
        """Those that are known by now; None where none are."""
        known = [question.result.points for question in self.questions if question.result.points is not None]
        return sum(known) if known else None

    @property
    def is_open(self) -> bool:
        """Whether more points may come."""
        return any(question.result.points is None for question in self.questions)

    @property
    def max_points(self) -> float:
        return sum(question.result.max_points for question in self.questions)


def render_submission(assignment: Assignment, result: SubmissionResult, notebook: Mapping[str, Any] | None) -> str:
    """One self-contained page, for the student and for whoever marks.

    notebook: as executed, with its outputs, and with the cells that `result.questions[].cells` counts.
    """
    budget = Budget()
    questions = [_question_view(assignment, question, notebook, budget) for question in result.questions]
    titles = section_titles(assignment)
    by_section = groupby(questions, key=lambda view: view.result.id.rpartition(".")[0])
    used = {view.status for view in questions} | {check.status for view in questions for check in view.checks}
    return render_page(
        "submission.html.j2",
        assignment=assignment,
        result=result,
        submission_status=SUBMISSION_STATUSES[result.status],
        file_name=PurePath(result.file).name,
        sections=[SectionView(id, titles.get(id, ""), list(group)) for id, group in by_section],
        lost=[view.result for view in questions if has_lost(view.result)],
        legend=[status for status in STATUSES.values() if status in used],
    )


def _question_view(
    assignment: Assignment, result: QuestionResult, notebook: Mapping[str, Any] | None, budget: Budget
) -> QuestionView:
    defines = next((question.defines for question in assignment.questions if question.id == result.id), ())
    return QuestionView(
        result=result,
        status=STATUSES[shown_status(result)],
        checks=[_check_view(told(check)) for check in result.checks],
        cells=cell_ranges(result.cells),
        found="Found by the name that it defines, not by the question’s label." if result.found_by == "name" else "",
        defines=defines,
        answer=answer_view(result.cells, notebook, budget),
        criteria=render_criteria(result.criteria) if result.criteria else Markup(),
    )


def _check_view(check: CheckResult) -> CheckView:
    first, _, more = printed(excerpt(check.message, TEXT_CHARACTERS).text).strip("\n").partition("\n")
    lines = more.count("\n") + 1
    return CheckView(
        title=check.title or check.name,
        points=check.points,
        max_points=check.max_points,
        status=STATUSES[check.status],
        message=first.rstrip(),
        more=more.strip("\n"),
        lines=lines if lines > OUTPUT_LINES else 0,
    )
