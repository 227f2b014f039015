"""The report as Gradescope's autograder has it: `results.json`, a test for each check."""

from __future__ import annotations

import json
from typing import Any

from grader.results.results import CheckResult
from grader.students.checking.report import CheckedQuestion, CheckReport
from grader.students.formats.words import bounded, counted, not_checked, one_line, title, unwritten


def gradescope(report: CheckReport) -> str:
    """A check that a person must look at scores nothing yet; its output says so."""
    return json.dumps(_results(report), indent=1) + "\n"


def _results(report: CheckReport) -> dict[str, Any]:
    # Text, everywhere: as HTML or Markdown, an answer could make up a result of its own.
    results: dict[str, Any] = {"score": report.points, "output_format": "text", "stdout_visibility": "hidden"}
    if report.status != "checked":
        return {**results, "score": 0.0, "output": bounded(report.message), "tests": []}
    sentences = [*map(one_line, report.notes), counted(report), not_checked(report), unwritten(report)]
    return {
        **results,
        "output": "\n".join(filter(None, sentences)),
        "tests": [_test(question, check) for question in report.questions for check in question.checks],
    }


def _test(question: CheckedQuestion, check: CheckResult) -> dict[str, Any]:
    passed = check.status in ("passed", "carried forward")
    return {
        "name": title(check),
        "name_format": "text",
        "number": question.id,
        "score": check.points or 0.0,
        "max_score": check.max_points,
        "status": "passed" if passed else "failed",
        "output": bounded(check.message) or ("" if passed else question.status),
        "output_format": "text",
        "visibility": "visible",
    }
