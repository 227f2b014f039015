"""What the status of an answer means, and how it is shown: by a symbol and a word, never by its colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from grader.results.results import QuestionResult, SubmissionStatus


class Status(NamedTuple):
    key: str
    """Its class in the style sheet."""
    symbol: str
    word: str
    meaning: str


STATUSES: Mapping[str, Status] = {
    "passed": Status("passed", "✓", "passed", "every check passed"),
    "partial": Status("partial", "◐", "partial", "a part of the points: at least one check found a mistake"),
    "failed": Status("failed", "✗", "failed", "at least one check found a mistake"),
    "review": Status("review", "?", "in review", "a person will look at this"),
    "carried forward": Status(
        "carried", "→", "carried forward", "right, once the mistake in an earlier answer is corrected: full points"
    ),
    "missing": Status("missing", "∅", "missing", "no answer found"),
    "empty": Status("empty", "∅", "empty, to be marked", "no answer found; a person gives the points"),
    "to be marked": Status("marking", "✎", "to be marked", "a person reads and marks this answer"),
    "marked": Status("marked", "☑", "marked", "a person gave the points"),
    "later": Status("marking", "…", "checked later", "it is checked after it is handed in"),
}
"""Of questions and checks: those of the results, and two that only pages tell apart, *partial* and *empty*."""

SUBMISSION_STATUSES: Mapping[SubmissionStatus, Status] = {
    "graded": Status("graded", "•", "graded", "every question was looked for, and every check was run"),
    "missing": Status("missing", "∅", "not handed in", "no notebook was handed in"),
    "unreadable": Status("failed", "!", "unreadable", "the file could not be graded"),
    "error": Status("review", "!", "grading stopped", "a fault of the grading: a person must look"),
}


def shown_status(question: QuestionResult) -> str:
    """The key in `STATUSES` of how a question is shown: one word for all that came of it."""
    if question.status == "failed" and question.points:
        return "partial"
    if question.status == "missing" and to_mark(question):
        return "empty"
    return question.status


def has_lapsed(question: QuestionResult) -> bool:
    """Whether a person has decided about an answer that is not the last one, and nobody has since."""
    return question.lapsed is not None


def has_lost(question: QuestionResult) -> bool:
    return question.points is not None and question.points < question.max_points


def in_review(question: QuestionResult) -> bool:
    """Whether a person must still decide about a check: also one of a question that failed by another."""
    return question.status != "marked" and (
        question.status == "review" or any(check.status == "review" for check in question.checks)
    )


def to_mark(question: QuestionResult) -> bool:
    """Whether a person must still give points: also where there is no answer, as in the sums."""
    return question.kind == "text" and question.points is None
