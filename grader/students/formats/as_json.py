"""The report as JSON: all that was found, for programs of one's own."""

from __future__ import annotations

import json

import msgspec

from grader.students.checking.report import CheckReport


def as_json(report: CheckReport) -> str:
    """With `passed`, which follows from the rest; in ASCII, so that no terminal and no log takes a part for its own."""
    content = {"passed": report.passed, **msgspec.to_builtins(report)}
    for question in content["questions"]:
        for check in question["checks"]:
            del check["detail"], check["broken"]  # for staff, who find them in the grading
    return json.dumps(content, indent=1) + "\n"
