"""The class at a glance: totals, questions, mistakes that recur, what needs a person, and a row for each submission."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from grader.assignment.assignment import Assignment, Question
from grader.report.alarms import alarms
from grader.report.budget import CHECKS_LISTED, MESSAGES_LISTED, NAMES_LISTED
from grader.report.class_statistics import (
    Bin,
    QuestionStatistics,
    Spread,
    histogram,
    is_graded,
    question_statistics,
    spread,
)
from grader.report.page import render_page
from grader.report.recurring import CheckCounts, check_counts
from grader.report.sections import section_titles
from grader.report.statuses import (
    STATUSES,
    SUBMISSION_STATUSES,
    Status,
    has_lapsed,
    has_lost,
    in_review,
    shown_status,
    to_mark,
)
from grader.results.results import QuestionResult, SubmissionResult, format_points

JUDGED_FROM = 20
"""Answers from which on a correlation is put into words: of so few, its standard error is still 0.2."""

NOTHING = "nothing"
"""What a submission needs that needs no person."""

NEEDS: Mapping[str, str] = {
    "error": "grading stopped",
    "unreadable": "file unreadable",
    "missing": "not handed in",
    "review": "an answer in review",
    "mark": "an answer to mark",
    NOTHING: "nobody",
}


@dataclass(frozen=True)
class Plot:
    """A histogram of points, and its numbers in words."""

    title: str
    bins: list[Bin]
    spread: Spread
    highest: float

    @property
    def tallest(self) -> int:
        return max(bin.count for bin in self.bins)

    def bin_name(self, bin: Bin) -> str:
        """The last bin may reach beyond the points that there are."""
        return f"{format_points(bin.start)}–{format_points(min(bin.end, self.highest))}"


@dataclass(frozen=True)
class Todo:
    """One question's answers that wait for a person."""

    question: Question
    submissions: list[str]
    done: int
    """Answers that somebody has decided on already."""
    empty: int
    """Of those that wait, how many have no answer."""


@dataclass(frozen=True)
class QuestionRow:
    question: Question
    numbers: QuestionStatistics
    judgement: str
    """What the discrimination means; empty where it is not known, or by too few answers."""
    parts: list[tuple[Status, int]]
    """The answers by status, none left out."""


@dataclass(frozen=True)
class Row:
    """One submission in the table of all."""

    result: SubmissionResult
    status: Status
    answers: Mapping[str, QuestionResult]
    needs: list[str]
    lost: list[str]
    """Questions in which points were lost."""
    messages: list[int]


def render_index(assignment: Assignment, results: Sequence[SubmissionResult]) -> str:
    """One page over all submissions, for staff. It links to `<submission>/report.html` and `questions/<id>.html`."""
    graded = [result for result in results if is_graded(result)]
    numbers = question_statistics([question.id for question in assignment.questions], results)
    checks = numbered_checks(check_counts(results))
    messages = _messages_by_submission(checks)
    rows = [_row(result, messages.get(result.submission, [])) for result in results]
    by_section = groupby(assignment.questions, key=lambda question: question.section)
    return render_page(
        "index.html.j2",
        assignment=assignment,
        results=results,
        graded=graded,
        alarms=alarms(results),
        most=assignment.max_points,
        code_most=sum(question.points for question in assignment.questions if question.kind == "code"),
        plots=_plots(graded),
        rows=rows,
        questions=[_question_row(question, numbers[question.id]) for question in assignment.questions],
        checks=checks,
        titles=section_titles(assignment),
        read=sum(question.kind == "text" for result in graded for question in result.questions),
        left=sum(to_mark(question) for result in graded for question in result.questions),
        reviewed=sum(in_review(question) for result in graded for question in result.questions),
        shown_status=shown_status,
        troubles=[(SUBMISSION_STATUSES[key], _of_status(results, key)) for key in ("error", "unreadable", "missing")],
        reviews=list(_todos(assignment, graded, in_review)),
        marking=list(_todos(assignment, graded, to_mark)),
        lapsed=list(_todos(assignment, graded, has_lapsed)),
        sections=[(section, list(group)) for section, group in by_section],
        statuses=STATUSES,
        submission_statuses={
            key: status for key, status in SUBMISSION_STATUSES.items() if any(row.result.status == key for row in rows)
        },
        needs={key: words for key, words in NEEDS.items() if any(key in row.needs for row in rows)},
        names_listed=NAMES_LISTED,
        judged_from=JUDGED_FROM,
    )


def numbered_checks(counts: Iterable[CheckCounts]) -> list[CheckCounts]:
    """The checks that found something, as many as a page lists, their messages numbered over the whole page."""
    listed = [one for one in counts if one.failed or one.review][:CHECKS_LISTED]
    messages = [message for one in listed for message in one.messages[:MESSAGES_LISTED]]
    for number, message in enumerate(messages, start=1):
        message.number = number
    return listed


def needs(result: SubmissionResult) -> list[str]:
    """What a person has to do about this submission, as keys of `NEEDS`."""
    if not is_graded(result):
        return [result.status]
    waits = (("review", in_review), ("mark", to_mark))
    return [key for key, waiting in waits if any(map(waiting, result.questions))] or [NOTHING]


def judgement(numbers: QuestionStatistics) -> str:
    """By the steps of Ebel and Frisbie (Essentials of Educational Measurement, 5th edition, 1991): from 0.4 on very
    good, from 0.3 reasonably good, from 0.2 marginal, poor below. They are for the index D, and are in use for
    correlations as a rule of thumb. Empty where there are too few answers.

    Below zero by less than two standard errors (of a correlation that is none: 1 / sqrt(n)), it may be chance."""
    discrimination = numbers.discrimination
    if discrimination is None or numbers.known < JUDGED_FROM:
        return ""
    steps = (
        (0.4, "separates very well"),
        (0.3, "separates well"),
        (0.2, "separates a little"),
        (-2 / math.sqrt(numbers.known), "hardly separates"),
    )
    return next((word for least, word in steps if discrimination >= least), "separates in the wrong direction")


def _plots(graded: Sequence[SubmissionResult]) -> list[Plot]:
    """Of the totals, and of the points for code where these are not the same."""
    most = max((result.max_points for result in graded), default=0.0)
    most_code = max((result.code_max_points for result in graded), default=0.0)
    shown = [("Points so far, all together", [result.points for result in graded], most)]
    if 0 < most_code < most:
        shown.append(("Points for code", [result.code_points for result in graded], most_code))
    plots = []
    for title, values, highest in shown:
        bins, numbers = histogram(values, highest), spread(values)
        if bins and numbers is not None:
            plots.append(Plot(title, bins, numbers, highest))
    return plots


def _row(result: SubmissionResult, messages: list[int]) -> Row:
    return Row(
        result=result,
        status=SUBMISSION_STATUSES[result.status],
        answers={question.id: question for question in result.questions},
        needs=needs(result),
        lost=[question.id for question in result.questions if has_lost(question)],
        messages=messages,
    )


def _question_row(question: Question, numbers: QuestionStatistics) -> QuestionRow:
    parts = [(status, numbers.statuses.get(key, 0)) for key, status in STATUSES.items()]
    return QuestionRow(question, numbers, judgement(numbers), [part for part in parts if part[1]])


def _of_status(results: Sequence[SubmissionResult], status: str) -> list[SubmissionResult]:
    return [result for result in results if result.status == status]


def _todos(
    assignment: Assignment, graded: Sequence[SubmissionResult], waits: Callable[[QuestionResult], bool]
) -> Iterator[Todo]:
    for question in assignment.questions:
        answers = [(result, own) for result in graded for own in result.questions if own.id == question.id]
        waiting = [result.submission for result, own in answers if waits(own)]
        if waiting:
            done = sum(own.status == "marked" for _, own in answers)
            empty = sum(shown_status(own) == "empty" for _, own in answers if waits(own))
            yield Todo(question, waiting, done, empty)


def _messages_by_submission(checks: Sequence[CheckCounts]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for message in (message for one in checks for message in one.messages if message.number):
        for submission in message.submissions:
            found[submission].append(message.number)
    return found
