"""The pages: one for each submission, and one over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath
from typing import Any, NamedTuple

from markupsafe import Markup

from grader.assignment import Assignment
from grader.report.answers import AnswerView, answer_view, cell_ranges
from grader.report.budget import OUTPUT_LINES, TEXT_CHARACTERS, Budget
from grader.report.grades import grades_csv
from grader.report.markdown import render_markdown
from grader.report.page import render_page
from grader.report.text import excerpt, printed
from grader.results import CheckResult, QuestionResult, SubmissionResult

__all__ = ["grades_csv", "render_index", "render_submission"]


class Status(NamedTuple):
    """How a status is shown: never by its colour alone."""

    key: str
    symbol: str
    word: str
    meaning: str


STATUSES: Mapping[str, Status] = {
    "passed": Status("passed", "✓", "passed", "every check passed"),
    "failed": Status("failed", "✗", "failed", "at least one check found a mistake"),
    "review": Status("review", "?", "in review", "a person will look at this"),
    "carried forward": Status(
        "carried", "→", "carried forward", "right, once the mistake in an earlier answer is mended: full points"
    ),
    "missing": Status("missing", "∅", "missing", "no answer found"),
    "to be marked": Status("marking", "✎", "to be marked", "a person reads and marks this answer"),
}


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


@dataclass(frozen=True)
class SectionView:
    id: str
    questions: list[QuestionView]

    @property
    def points(self) -> float:
        return sum(question.result.points or 0 for question in self.questions)

    @property
    def max_points(self) -> float:
        return sum(question.result.max_points for question in self.questions)


def render_submission(assignment: Assignment, result: SubmissionResult, notebook: Mapping[str, Any] | None) -> str:
    """One self-contained page, for the student and for whoever marks.

    notebook: as executed, with its outputs, and with the cells that `result.questions[].cells` counts.
    """
    budget = Budget()
    questions = [_question_view(assignment, question, notebook, budget) for question in result.questions]
    by_section = groupby(questions, key=lambda view: view.result.id.rpartition(".")[0])
    used = {view.status for view in questions} | {check.status for view in questions for check in view.checks}
    return render_page(
        "submission.html.j2",
        assignment=assignment,
        result=result,
        file_name=PurePath(result.file).name,
        sections=[SectionView(id, list(group)) for id, group in by_section],
        lost=[view.result for view in questions if _lost(view.result)],
        legend=[status for status in STATUSES.values() if status in used],
    )


def render_index(assignment: Assignment, results: Sequence[SubmissionResult]) -> str:
    """One page over all submissions; it links to `<submission>/report.html`."""
    graded = [result for result in results if result.status == "graded"]
    by_section = groupby(assignment.questions, key=lambda question: question.section)
    return render_page(
        "index.html.j2",
        assignment=assignment,
        results=[*graded, *(result for result in results if result.status != "graded")],
        graded=graded,
        sections=[(section, list(group)) for section, group in by_section],
        questions=[{question.id: question for question in result.questions} for result in graded],
        averages={question.id: _average(question.id, graded) for question in assignment.questions},
        statuses=STATUSES,
    )


def _question_view(
    assignment: Assignment, result: QuestionResult, notebook: Mapping[str, Any] | None, budget: Budget
) -> QuestionView:
    defines = next((question.defines for question in assignment.questions if question.id == result.id), ())
    return QuestionView(
        result=result,
        status=STATUSES[result.status],
        checks=[_check_view(check) for check in result.checks],
        cells=cell_ranges(result.cells),
        found="Found by the name that it defines, not by the question’s label." if result.found_by == "name" else "",
        defines=defines,
        answer=answer_view(result.cells, notebook, budget),
        # The rubric's text is trusted; it has a budget of its own, so that no answer can crowd it out.
        criteria=render_markdown(result.criteria, Budget()) if result.criteria else Markup(),
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


def _lost(question: QuestionResult) -> bool:
    return question.points is not None and question.points < question.max_points


def _average(id: str, graded: Sequence[SubmissionResult]) -> float | None:
    """The share of the points that was earned, over the submissions where it is known."""
    questions = [question for result in graded for question in result.questions if question.id == id]
    known = [question for question in questions if question.points is not None and question.max_points]
    if not known:
        return None
    return sum(question.points or 0 for question in known) / sum(question.max_points for question in known)
