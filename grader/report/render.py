"""All pages, and the table of grades: what the rest of the package asks for."""

from __future__ import annotations

from grader.report.class_answers import ClassAnswers, collect_answers
from grader.report.class_page import render_index
from grader.report.grades import grades_csv
from grader.report.question_page import render_question
from grader.report.statuses import STATUSES
from grader.report.submission_page import render_submission

__all__ = [
    "STATUSES",
    "ClassAnswers",
    "collect_answers",
    "grades_csv",
    "render_index",
    "render_question",
    "render_submission",
]
