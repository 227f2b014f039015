"""Checking a live notebook, start to end: what `%check` does, without what it prints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grader.assignment.assignment import Question
from grader.results.results import QuestionResult, SubmissionResult, status_of
from grader.rubric.session import Checker, CheckSession
from grader.students.bundle.bundle import Bundle, open_bundle
from grader.students.checking.report import CheckReport
from grader.students.checking.summary import questions_asked, report_of
from grader.students.live.clock import uninterrupted
from grader.students.live.definitions import Definitions
from grader.students.live.notebook import LiveNotebook
from grader.students.live.surroundings import surroundings_kept
from grader.students.live.variables import Variables

NOTEBOOK = "this notebook"
"""What reports call it: a kernel does not know the name of the file."""


class LiveChecks:
    """A bundle that stays open: the first check reads it and its checks, the following ones are quick."""

    def __init__(self, path: Path) -> None:
        """Raises BundleError."""
        self.stack = contextlib.ExitStack()
        self.bundle: Bundle = self.stack.enter_context(open_bundle(path))
        self.key = _key(path)
        self.session = CheckSession(self.bundle.assignment)

    def is_of(self, path: Path) -> bool:
        """Whether it is the bundle that the file has now."""
        return self.key is not None and self.key == _key(path)

    def close(self) -> None:
        self.session.close()
        self.stack.close()

    def check(self, shell: Any, definitions: Definitions, questions: Sequence[str] = ()) -> CheckReport:
        """The public checks of all questions, or of `questions`, asked of the kernel's names. Raises UnknownQuestion.

        Whatever the checks do, the names, what they hold, and what is around them are the same afterwards.
        """
        asked = questions_asked(self.bundle, questions)
        notebook = LiveNotebook(shell, self.bundle, definitions)
        with uninterrupted():
            variables = Variables(notebook.names, Path.cwd(), shell.user_ns_hidden)
        faults: dict[str, None] = {}
        results = []
        with self.session.checker() as checker:
            for question in asked:
                results.append(self._result(checker, question, notebook, variables, faults))
        report = report_of(self._submission(results, variables.too_large, list(faults)), self.bundle, asked)
        report.only = [question.id for question in asked] if questions else []
        return report

    def _result(
        self,
        checker: Checker,
        question: Question,
        notebook: LiveNotebook,
        variables: Variables,
        faults: dict[str, None],
    ) -> QuestionResult:
        checks = []
        for check in self.bundle.checks:
            if check.question == question.id:
                with _kept(variables, faults):
                    checks.append(checker.result(check, notebook, self.bundle.seed))
        missing = question.kind == "code" and notebook.is_missing(question.id)
        status = status_of(question.kind, checks, missing=missing)
        return QuestionResult(
            id=question.id,
            title=question.title,
            kind=question.kind,
            points=None,
            max_points=question.points,
            status=status,
            cells=[],
            checks=checks,
            notes=notebook.notes(question.id) if status == "failed" else [],
        )

    def _submission(
        self, results: list[QuestionResult], large: Sequence[str], faults: Sequence[str]
    ) -> SubmissionResult:
        notes = []
        if large:
            notes.append(f"Too large to be restored if the checks changed them: {', '.join(large)}.")
        if faults:
            notes.append(f"Not everything could be restored: {'; '.join(faults)}.")
        return SubmissionResult(
            submission="", file=NOTEBOOK, assignment=self.bundle.assignment.title, questions=results, notes=notes
        )


@contextlib.contextmanager
def _kept(variables: Variables, faults: dict[str, None]) -> Iterator[None]:
    """What a check changes is put back, however it ends."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(surroundings_kept())
        try:
            yield
        finally:
            with uninterrupted():
                faults.update(dict.fromkeys(variables.restore()))
                stack.close()


def _key(path: Path) -> tuple[Path, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return path.resolve(), stat.st_mtime_ns, stat.st_size
