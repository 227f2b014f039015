"""Numbers about a whole class: totals, how hard a question was, and how well it separates."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

from grader.report.statuses import shown_status
from grader.results.results import QuestionResult, SubmissionResult

FEWEST = 3
"""Submissions that a correlation is computed for: through two points there is always a straight line."""

BINS = 12
"""Bars of a histogram, at most."""

_WIDTHS = (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4)
"""In points, which come in halves."""


@dataclass(frozen=True)
class Spread:
    """A distribution in a few numbers; quartiles by linear interpolation, the ends included."""

    count: int
    mean: float
    median: float
    lower: float
    """First quartile: a quarter of the values is not above it."""
    upper: float
    """Third quartile."""
    lowest: float
    highest: float


@dataclass(frozen=True)
class Bin:
    """A bar of a histogram: values from `start` up to, but not including, `end`. The last bin includes its end."""

    start: float
    end: float
    count: int


@dataclass(frozen=True)
class QuestionStatistics:
    """One question over all graded submissions.

    difficulty: the item difficulty index of classical test theory: the mean share of the points that was earned, 0
        to 1, so a high one means an easy question (Crocker and Algina, Introduction to Classical and Modern Test
        Theory, 1986, chapter 14). None where no points are known.
    discrimination: the corrected item-total correlation, -1 to 1: Pearson's, of the question's points with the rest
        score, which leaves the question itself out, or else it would correlate with itself (Henrysson, Correction of
        item-total correlations in item analysis, Psychometrika 28, 1963, 211-218). The rest score is the share of the
        points of the other questions that are known by now, so that an answer not yet marked counts neither way; where
        all are known this is the correlation with their sum. None where it is not defined: fewer than `FEWEST`
        submissions, or all have the same points or the same rest score.
    """

    id: str
    max_points: float
    known: int
    """Submissions in which the points of this question are known."""
    difficulty: float | None
    discrimination: float | None
    statuses: Mapping[str, int]
    """How many answers are shown with which status, by the keys of `STATUSES`."""
    points: Mapping[float, int]
    """How many answers have which points, the fewest points first."""


def spread(values: Sequence[float]) -> Spread | None:
    """None for no values."""
    if not values:
        return None
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return Spread(len(values), math.fsum(values) / len(values), median, lower, upper, min(values), max(values))


def histogram(values: Sequence[float], highest: float) -> list[Bin]:
    """Bins of one width, `BINS` at most, over 0 to at least `highest`; a value beyond the ends counts at that end.

    The width is one of `_WIDTHS` or a power of ten times that: the smallest that makes few enough bins, or a little
    more where the bins then end at `highest`.
    """
    if highest <= 0:
        return []
    fitting = list(islice((width for width in _widths() if highest / width <= BINS), 3))
    width = next((width for width in fitting if highest % width == 0), fitting[0])
    counts = [0] * math.ceil(highest / width)
    for value in values:
        counts[min(max(math.floor(value / width), 0), len(counts) - 1)] += 1
    return [Bin(width * index, width * (index + 1), count) for index, count in enumerate(counts)]


def _widths() -> Iterator[float]:
    return (width * power for power in (10**exponent for exponent in count()) for width in _WIDTHS)


def question_statistics(ids: Sequence[str], results: Sequence[SubmissionResult]) -> dict[str, QuestionStatistics]:
    """For each question of `ids`, over the submissions that could be graded."""
    answers = [{question.id: question for question in result.questions} for result in results if is_graded(result)]
    sums = [_known_sums(own.values()) for own in answers]
    return {id: _one(id, answers, sums) for id in ids}


def is_graded(result: SubmissionResult) -> bool:
    return result.status == "graded"


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's r of pairs; None where it is not defined: fewer than `FEWEST` pairs, or one side is constant."""
    if len(first) < FEWEST or _constant(first) or _constant(second):
        return None
    return max(-1.0, min(1.0, statistics.correlation(first, second)))


def _constant(values: Sequence[float]) -> bool:
    # Shares of points that are equal may differ in their last digit.
    return max(values) - min(values) < 1e-9


def _known_sums(questions: Iterable[QuestionResult]) -> tuple[float, float]:
    known = [(question.points, question.max_points) for question in questions if question.points is not None]
    return math.fsum(points for points, _ in known), math.fsum(most for _, most in known)


def _one(
    id: str, answers: Sequence[Mapping[str, QuestionResult]], sums: Sequence[tuple[float, float]]
) -> QuestionStatistics:
    asked = [(own[id], total) for own, total in zip(answers, sums, strict=True) if id in own]
    known = [(q.points, q.max_points, total) for q, total in asked if q.points is not None and q.max_points > 0]
    possible = math.fsum(most for _, most, _ in known)
    pairs = [
        (points / most, (earned - points) / (all_points - most))
        for points, most, (earned, all_points) in known
        if all_points > most
    ]
    return QuestionStatistics(
        id=id,
        max_points=max((question.max_points for question, _ in asked), default=0.0),
        known=len(known),
        difficulty=math.fsum(points for points, _, _ in known) / possible if possible else None,
        discrimination=correlation([item for item, _ in pairs], [rest for _, rest in pairs]),
        statuses=Counter(shown_status(question) for question, _ in asked),
        points=dict(sorted(Counter(points for points, _, _ in known).items())),
    )
