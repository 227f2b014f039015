"""Checking a notebook with the public checks, start to end: what a student does before handing in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from grader.execution.sandbox import Sandbox, SandboxMode
from grader.students.bundle.bundle import Bundle
from grader.students.checking.report import CheckReport
from grader.students.checking.summary import questions_asked, report_of

if TYPE_CHECKING:
    from grader.grading.submission import Graded


class Checked(msgspec.Struct):
    """What a check found, with the notebook as executed."""

    report: CheckReport
    graded: Graded


def check(
    notebook: Path,
    bundle: Bundle,
    questions: Sequence[str] = (),
    sandbox: SandboxMode = "auto",
    tell: Callable[[str], None] = lambda doing: None,
) -> Checked:
    """Run the notebook, and the public checks of all questions, or of `questions`: then just what these depend on.

    Raises UnknownQuestion, SandboxError.
    """
    asked = questions_asked(bundle, questions)
    walls = Sandbox(bundle.assignment.preload, bundle.assignment.limits, sandbox, lasting=False)
    walls.begin()
    try:
        # Only now, as it takes its time, too. So does reading the notebook, which says what is to be imported in there.
        from grader.students.checking.run import Run

        graded = Run(bundle, asked, walls, tell).run(notebook, only=bool(questions))
    finally:
        walls.stop()
    report = report_of(graded.result, bundle, asked)
    report.only = [question.id for question in asked] if questions else []
    return Checked(report, graded)
