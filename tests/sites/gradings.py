"""Results of a grading, made without grading."""

from __future__ import annotations

from pathlib import Path

from grader.results.classlist import read_class_list, write_class_list
from grader.results.results import CheckResult, QuestionResult, SubmissionResult, total, write_result


def result_for(submission: str, points: float | None = 3.5, **options: object) -> SubmissionResult:
    """A graded submission of two questions, out of 5.5; points None: the text is to be marked."""
    text = QuestionResult(
        id="1.2.a",
        title="Explain",
        kind="text",
        points=None if points is None else points - 1,
        max_points=4.5,
        status="to be marked" if points is None else "marked",
        cells=[1],
    )
    code = QuestionResult(
        id="1.1.a",
        title="Double",
        kind="code",
        points=1,
        max_points=1,
        status="passed",
        cells=[0],
        checks=[CheckResult(name="a", title="A", points=1, max_points=1, status="passed")],
    )
    result = SubmissionResult(submission=submission, file=f"{submission}.ipynb", questions=[code, text])
    total(result)
    for name, value in options.items():
        setattr(result, name, value)
    return result


def in_review(submission: str) -> SubmissionResult:
    result = result_for(submission)
    result.questions[0].points = None
    result.questions[0].status = "review"
    result.questions[0].checks[0].points = None
    total(result)
    return result


def of_status(submission: str, status: str) -> SubmissionResult:
    return SubmissionResult(submission=submission, file="", status=status, message="why")  # type: ignore[arg-type]


def write_results(submissions: Path, results: Path) -> Path:
    """What grading leaves: everybody has 3.5 of 5.5 points, or is missing."""
    classlist = read_class_list(submissions)
    assert classlist is not None
    for one in classlist.hand_ins:
        result = result_for(one.submission) if one.notebook else of_status(one.submission, "missing")
        write_result(results / one.submission, result)
        (results / one.submission / "report.html").write_text("<p>report</p>")
    write_class_list(results, classlist)
    return results
