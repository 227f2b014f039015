"""Reports for tests, made by hand: every status, and what people write to be taken for something else."""

from __future__ import annotations

from typing import Any

from grader.results.results import CheckResult
from grader.students.checking.report import CheckedQuestion, CheckReport

COUNTEREXAMPLE = "sigmoid(tensor(89.)) is nan; it should be 1.0: exp overflows\n  input   yours\n  89.0    nan"
HOSTILE = {
    "set-output": "\n::set-output name=points::25",
    "add-mask": "  ::add-mask::points",
    "stop-commands": "::stop-commands::mine\n::mine::",
    "error": "x\r::error file=a,line=1::made up",
    "old command": "text ##[add-mask]points",
    "end of a summary": "</pre></code>\n# 25 of 25\n| all | right |\n|---|---|",
    "link": "[all right](https://example.org) ![](https://example.org/a.png) www.example.org <a href=x>",
    "mention": "@everybody #1 GH-1 owner/name#1",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;b&gt;",
    "xml": "]]></failure><testcase name='made up'/><!-- &x; <?x ?>",
    "control characters": "\x1b[2J\x1b]0;title\x07\x00\x9b1A\x08\x7f",
    "backwards": "\u202e5 fo 5",
    "half a character": "\ud83d",
    "percent": "%0A::set-output name=passed::true%25",
}


def checked(name: str, status: str = "passed", message: str = "", points: float = 1, **more: Any) -> CheckResult:
    earned = {"passed": points, "carried forward": points, "review": None}.get(status, 0.0)
    values = {"title": f"What {name} asks for", "seconds": 0.25, **more}
    return CheckResult(name=name, points=earned, max_points=points, status=status, message=message, **values)


def question(id: str, status: str, *checks: CheckResult, **more: Any) -> CheckedQuestion:
    values: dict[str, Any] = {
        "title": f"Question {id}",
        "kind": "code",
        "full_points": 2,
        "hidden_checks": 0,
        "cells": [] if status == "not started" else [3],
        **more,
    }
    points = sum(check.points or 0 for check in checks)
    max_points = sum(check.max_points for check in checks)
    return CheckedQuestion(id=id, status=status, points=points, max_points=max_points, checks=list(checks), **values)


def every_status() -> CheckReport:
    """3 of 6 points; 17 are marked by a person, and 9 checks run later."""
    questions = [
        question("1.1.a", "done", checked("test_a"), checked("test_b", points=0.5), cells=[2]),
        question(
            "1.3.a", "not yet", checked("test_sigmoid", "failed", COUNTEREXAMPLE), checked("test_shape"), cells=[5, 7]
        ),
        question("1.3.b", "not started", checked("test_relu", "missing")),
        question("1.3.c", "unsure", checked("test_c", "review", "the check stopped after 10 s"), cells=[9]),
        question("1.3.d", "done", checked("test_d", "carried forward", "right, once 1.3.a is corrected", points=0.5)),
        question("1.6.d", "later", hidden_checks=1, cells=[11], title="Train a network"),
        question("1.7.a", "by a person", kind="text", cells=[13]),
        question("1.7.b", "not started", kind="text"),
    ]
    return CheckReport(
        notebook="hand-in.ipynb",
        assignment="Deep Learning: Assignment 1",
        sandbox="landlock",
        points=sum(q.points for q in questions),
        max_points=sum(q.max_points for q in questions),
        text_points=17,
        hidden_checks=9,
        hidden_points=10,
        questions=questions,
        notes=["Cell 20: stopped after 120 s."],
        grader_version="0.1.0",
    )


def unreadable(message: str = "the file is empty: save the notebook and hand in again") -> CheckReport:
    return CheckReport(notebook="hand-in.ipynb", assignment="Statistics", status="unreadable", message=message)


def hostile(text: str) -> CheckReport:
    """The same, with a text in every place that is not ours."""
    report = every_status()
    # What a file can be called: most, but not all of it.
    report.notebook = text.replace("/", "∕").replace("\0", "").encode("utf-8", "replace").decode()
    report.notes = [text]
    for each in report.questions:
        each.notes = [text]
        for check in each.checks:
            if check.status not in ("passed", "missing"):
                check.message = f"{text}\n{text}"
    return report
