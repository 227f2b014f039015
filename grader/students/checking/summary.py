"""What the checks found, summed up for the student: from the results of a run, or of a live notebook."""

from __future__ import annotations

from collections.abc import Sequence

import grader
from grader.assignment.assignment import Question
from grader.faults import Faults
from grader.results.results import QuestionResult, SubmissionResult, told
from grader.students.bundle.bundle import Bundle, Hidden
from grader.students.checking.report import CheckedQuestion, CheckedStatus, CheckReport


class UnknownQuestion(Faults):
    """A question was asked for that the assignment does not have."""


def questions_asked(bundle: Bundle, questions: Sequence[str]) -> list[Question]:
    """The questions with these ids, or all where there are none. Raises UnknownQuestion."""
    known = bundle.assignment.questions
    unknown = [id for id in questions if id not in [question.id for question in known]]
    if unknown:
        ids = ", ".join(question.id for question in known)
        raise UnknownQuestion([f"there is no question {id}; there are {ids}" for id in unknown])
    return [question for question in known if question.id in questions or not questions]


def report_of(result: SubmissionResult, bundle: Bundle, asked: Sequence[Question]) -> CheckReport:
    """What the student is told: the questions `asked`, and what is not checked here."""
    report = CheckReport(
        notebook=result.file,
        assignment=result.assignment,
        message=result.message,
        sandbox=result.sandbox,
        notes=result.notes,
        grader_version=grader.__version__,
    )
    if result.status != "graded":
        report.status = "error" if result.status == "error" else "unreadable"
        return report
    checked: dict[str, CheckedQuestion] = {}
    for question in asked:
        checked[question.id] = _checked(result.question(question.id), bundle.hidden.get(question.id, Hidden(0, 0)))
    for question in asked:
        if checked[question.id].status == "not yet":
            earlier = [q.id for q in bundle.assignment.ancestors(question.id) if q.id in checked]
            wrong = [id for id in earlier if checked[id].status in ("not yet", "not started")]
            if wrong:
                checked[question.id].notes.append(f"This builds on {', '.join(wrong)}: correct that first.")
    report.questions = list(checked.values())
    report.points = sum(question.points for question in report.questions)
    report.max_points = sum(question.max_points for question in report.questions)
    report.text_points = sum(question.points for question in asked if question.kind == "text")
    hidden = [bundle.hidden[question.id] for question in asked if question.id in bundle.hidden]
    report.hidden_checks = sum(one.checks for one in hidden)
    report.hidden_points = sum(one.points for one in hidden)
    return report


def _checked(question: QuestionResult, hidden: Hidden) -> CheckedQuestion:
    return CheckedQuestion(
        id=question.id,
        title=question.title,
        kind=question.kind,
        status=_status(question),
        points=sum(check.points or 0.0 for check in question.checks),
        max_points=sum(check.max_points for check in question.checks),
        full_points=question.max_points,
        hidden_checks=hidden.checks,
        checks=[told(check) for check in question.checks],
        cells=question.cells,
        notes=list(question.notes),
    )


def _status(question: QuestionResult) -> CheckedStatus:
    if question.status == "missing":
        return "not started"
    if question.kind == "text":
        return "by a person"
    statuses = {check.status for check in question.checks}
    if not statuses:
        return "later"
    # What is known to be wrong comes first: it can be mended.
    if "failed" in statuses:
        return "not yet"
    return "unsure" if "review" in statuses else "done"
