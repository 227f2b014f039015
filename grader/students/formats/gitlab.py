"""The report as GitLab's Code Quality has it: each fault beside its answer in a merge request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from grader.students.checking.report import CheckedStatus, CheckReport
from grader.students.formats.place import Places
from grader.students.formats.words import code_questions, explained, faults, first_line, one_line

_SEVERITIES: Mapping[CheckedStatus, str] = {"not yet": "major", "unsure": "minor", "not started": "info"}


def gitlab(report: CheckReport) -> str:
    return json.dumps(list(_issues(report)), indent=1) + "\n"


def _issues(report: CheckReport) -> Iterator[dict[str, Any]]:
    places = Places(report)
    if report.status != "checked":
        yield _issue(places.path, 1, "notebook", "blocker", one_line(report.message))
        return
    for question in code_questions(report):
        if question.status not in _SEVERITIES:
            continue
        line, severity = places.line(question.cells), _SEVERITIES[question.status]
        for check in faults(question):
            said = f"{question.id} {one_line(question.title)}: {first_line(explained(check))}"
            yield _issue(places.path, line, f"{question.id}/{check.name}", severity, said)
        if not faults(question):
            said = f"{question.id} {one_line(question.title)}: {question.status}"
            yield _issue(places.path, line, question.id, severity, said)


def _issue(path: str, line: int, check: str, severity: str, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "check_name": check,
        # The same from commit to commit, wherever the answer moves: so GitLab can tell what is new.
        "fingerprint": hashlib.sha256(f"{path}\0{check}".encode("utf-8", "replace")).hexdigest(),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    }
