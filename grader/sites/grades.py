"""What each hand-in's grade is: a number where everything is decided, and else the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.results.classlist import ClassList, HandIn, SiteError
from grader.results.results import QuestionResult, SubmissionResult


@dataclass(frozen=True)
class Grade:
    """`points` is None where there is no grade; `why` says so in a line, and `open` lists questions to decide."""

    hand_in: HandIn
    points: float | None
    why: str = ""
    open: tuple[str, ...] = ()
    has_report: bool = False


def grade_class(
    classlist: ClassList, results: Sequence[SubmissionResult], missing_as_zero: bool = False
) -> tuple[list[Grade], float]:
    """The grades in the order of the class list, and the rubric's maximum. Raises SiteError."""
    by_name = {result.submission: result for result in results}
    maxima = {round(result.max_points, 6) for result in results if result.status == "graded"}
    if not maxima:
        raise SiteError(["nothing in these results has been graded; run grader grade first"])
    if len(maxima) > 1:
        shown = " and ".join(f"{maximum:g}" for maximum in sorted(maxima))
        raise SiteError([f"these results were graded with different rubrics, out of {shown} points; grade all again"])
    grades = [_grade(hand_in, by_name.get(hand_in.submission), missing_as_zero) for hand_in in classlist.hand_ins]
    return grades, maxima.pop()


def not_in_class(classlist: ClassList, results: Sequence[SubmissionResult]) -> list[str]:
    """Submissions that were graded and that nobody of the download handed in."""
    known = {hand_in.submission for hand_in in classlist.hand_ins}
    return [result.submission for result in results if result.submission not in known]


def _grade(hand_in: HandIn, result: SubmissionResult | None, missing_as_zero: bool) -> Grade:
    if result is None:
        return Grade(hand_in, None, "has not been graded; run grader grade again")
    if result.status == "missing":
        if missing_as_zero:
            return Grade(hand_in, 0.0, "no notebook: gets 0, as you asked", has_report=True)
        return Grade(hand_in, None, "no notebook was handed in", has_report=True)
    if result.status != "graded":
        return Grade(hand_in, None, f"{result.status}: {result.message}", has_report=result.status == "unreadable")
    open = tuple(f"{question.id} ({why})" for question in result.questions if (why := _why_open(question)))
    if open:
        return Grade(hand_in, None, f"not decided: {', '.join(open)}", open)
    return Grade(hand_in, result.points, has_report=True)


def _why_open(question: QuestionResult) -> str:
    if question.status == "marked" and question.points is not None:
        return ""
    if question.status == "review" or any(check.points is None for check in question.checks):
        return "in review"
    return "to be marked" if question.points is None else ""
