"""The page of a validation: every case by every check of its question."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from grader.assignment.assignment import Assignment
from grader.report.highlight import highlighted
from grader.report.page import render_page
from grader.report.render import STATUSES
from grader.validation.matrix import CAUGHT, GOOD, Trial, Validation, total_of


class Row(NamedTuple):
    trial: Trial
    good: bool
    source: Markup


class Group(NamedTuple):
    """The matrix of one question."""

    id: str
    title: str
    points: float
    checks: list[str]
    rows: list[Row]

    @property
    def off(self) -> int:
        return sum(not row.good for row in self.rows)


def render_validation(assignment: Assignment, validation: Validation) -> str:
    """One self-contained page with the matrix, what is off, the survivors, and the equivalents with their reasons."""
    return render_page(
        "validation.html.j2",
        assignment=assignment,
        validation=validation,
        faults=validation.faults(),
        groups=[_group(assignment, validation, id) for id in validation.questions],
        statuses=STATUSES,
        caught_target=CAUGHT,
        total=total_of(validation.repeated),
    )


def _group(assignment: Assignment, validation: Validation, id: str) -> Group:
    question = assignment.question(id)
    trials = [trial for trial in validation.trials if trial.question == id]
    checks = list(dict.fromkeys(said.check for trial in trials for said in trial.said))
    rows = [
        Row(trial, trial.verdict in GOOD or validation.is_tolerated(trial), highlighted(trial.source))
        for trial in trials
    ]
    return Group(id, question.title, question.points, checks, rows)
