"""Which of the results can be marked with a rubric."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from grader.assignment.assignment import Assignment, shown
from grader.report.store import read_results
from grader.results.journal import MarksError
from grader.results.results import SubmissionResult


class Markable(NamedTuple):
    results: dict[str, SubmissionResult]
    """By submission, with people's decisions merged in; also those that could not be graded."""
    unfit: dict[str, str]
    """Submissions that were graded with another rubric: a line for each."""
    faults: list[str]
    """A line for each result that cannot be read."""


def find_markable(assignment: Assignment, output: Path) -> Markable:
    """Raises MarksError where there are no results at all."""
    results, faults = read_results(output)
    if not results and not faults:
        raise MarksError([f"{shown(output)}: holds no results; grade first, with `grader grade`"])
    unfit = {
        result.submission: f"{shown(output / result.submission)}: was graded with another rubric, or an earlier state "
        f"of this one ({result.assignment}); grade it again, or name its own rubric"
        for result in results
        if result.status == "graded" and not _fits(assignment, result)
    }
    fitting = {result.submission: result for result in results if result.submission not in unfit}
    return Markable(fitting, unfit, faults)


def _fits(assignment: Assignment, result: SubmissionResult) -> bool:
    asked = [(question.id, question.points) for question in assignment.questions]
    graded = [(question.id, question.max_points) for question in result.questions]
    return result.assignment == assignment.title and asked == graded
