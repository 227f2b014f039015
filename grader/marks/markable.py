"""Which of the results can be marked with a rubric."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from grader.assignment.assignment import Assignment
from grader.faults import shown
from grader.marks.scorefile import ScoreFile, brief
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
        if result.status == "graded" and not fits(assignment, result)
    }
    fitting = {result.submission: result for result in results if result.submission not in unfit}
    return Markable(fitting, unfit, faults)


def fits(assignment: Assignment, result: SubmissionResult) -> bool:
    """Whether a result was graded with this rubric, as far as its questions and their points go."""
    asked = [(question.id, question.points) for question in assignment.questions]
    graded = [(question.id, question.max_points) for question in result.questions]
    return result.assignment == assignment.title and asked == graded


def place_of(output: Path, result: SubmissionResult) -> str:
    """A digest of where a submission was handed in: nobody else's. Empty where an earlier version graded it."""
    if not result.root:
        return ""
    root = os.path.normpath(output.resolve() / result.root)
    return brief(hashlib.sha256(f"{root}/{result.source}".encode()).hexdigest())


Answers = Counter[tuple[str, str]]
"""How many have each answer: by question, and digest."""


def answers_of(results: Iterable[SubmissionResult]) -> Answers:
    return Counter((question.id, question.answer) for result in results for question in result.questions)


def is_made_from(file: ScoreFile, result: SubmissionResult, place: str, answers: Answers) -> bool:
    """Whether a score file is about this submission, and not about another that was called so.

    Where it does not say so by its place, it must know an answer that is this submission's, and nobody else's.
    """
    made = file.made_from
    if made is None or (made.place and made.place == place):
        return True
    return any(
        question.answer
        and question.id in made.questions
        and made.questions[question.id].answer == brief(question.answer)
        and answers[question.id, question.answer] == 1
        for question in result.questions
    )
