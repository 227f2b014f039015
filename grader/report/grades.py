"""The table of all grades, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from grader.assignment.assignment import Assignment
from grader.report.text import clean
from grader.results.results import SubmissionResult

_SUMS = ("code_points", "code_max_points", "points", "max_points", "points_to_mark", "points_in_review", "adjustment")

# A spreadsheet takes what begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def grades_csv(assignment: Assignment, results: Sequence[SubmissionResult]) -> str:
    """One line a submission. A question whose points are not known is left empty, and so is all of a submission that
    could not be graded. The questions and the adjustment add up to the points."""
    ids = [question.id for question in assignment.questions]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["submission", "file", "status", *_SUMS, "late", *ids, "message"])
    for result in results:
        graded = result.status == "graded"
        points = {question.id: question.points for question in result.questions}
        writer.writerow(
            [
                _text(result.submission),
                _text(result.file),
                result.status,
                *(_number(getattr(result, name) if graded else None) for name in _SUMS),
                (result.late.by or "late") if result.late else "",
                *(_number(points.get(id)) for id in ids),
                _text(result.message),
            ]
        )
    return file.getvalue()


def _number(points: float | None) -> str:
    return "" if points is None else f"{points:g}"


def _text(text: str) -> str:
    text = f"'{text}" if text.startswith(_FORMULA) else text
    return clean(text)
