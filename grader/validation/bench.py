"""Where answers are tried: the reference's notebook in a sandbox, frozen before and after each question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from grader.assignment.assignment import Assignment, Check, Question
from grader.execution.checkpoints import Checkpoints
from grader.execution.namespace import Namespace
from grader.execution.probe import StudentError
from grader.execution.reference import Reference
from grader.execution.remembered import Memory
from grader.execution.sandbox import Sandbox, Server
from grader.results.results import CheckResult
from grader.rubric.reference import reference_namespace
from grader.rubric.session import Checker
from grader.validation.cases import Case

CPU_SECONDS = 60.0
"""For the cells of one answer: a mutant may loop for ever."""


class Bench:
    """A sandbox in which any answer to any question can be tried, from the reference's state before it."""

    def __init__(
        self,
        assignment: Assignment,
        checks: Sequence[Check],
        tell: Callable[[str], None] = lambda doing: None,
        server: Server | None = None,
    ) -> None:
        """server: see `Sandbox`."""
        self.assignment = assignment
        self.tell = tell
        self.checks = checks
        self.reference = Reference(assignment)
        limits = assignment.limits
        self.limits = msgspec.structs.replace(limits, rerun_cpu_seconds=min(limits.rerun_cpu_seconds, CPU_SECONDS))
        self.sandbox = Sandbox(assignment.preload, limits, server=server)
        self.memory = Memory()
        self.seed: int | None = None

    def prepare(self, seed: int) -> None:
        """Run the reference with this seed, unless that is what is ready. Raises SandboxError, RubricError."""
        if self.seed == seed:
            return
        if self.seed is None:
            self.sandbox.start()
        self.seed = None
        self.memory = Memory()
        ran = self.reference.run(self.sandbox, seed, before=True, tell=self.tell)
        self.checkpoints = Checkpoints(self.sandbox, ran.execution, self.limits)
        self.kept = set(self.sandbox.kept)
        self.seed = seed

    def stop(self) -> None:
        self.sandbox.stop()
        self.seed = None

    def run(self, case: Case, seed: int) -> Answer:
        """Run a case's cells in the place of the question's own. Raises SandboxError."""
        records = self.assignment.question(case.question).records
        try:
            path = self.checkpoints.rerun(case.question, seed, None, case.sources, records)
        except StudentError as error:
            return Answer(self, error)
        return Answer(self, path)

    def check(self, checker: Checker, case: Case, answer: Answer, seed: int) -> list[CheckResult]:
        """What the question's checks say of an answer. Raises SandboxError."""
        return [checker.result(check, answer, seed) for check in self.checks if check.question == case.question]

    def clear(self) -> None:
        """End what the answers tried so far have left."""
        self.sandbox.kept &= self.kept
        self.sandbox.spare()


class Answer:
    """The state after an answer's cells, as the notebook of the checks."""

    def __init__(self, bench: Bench, state: Path | StudentError) -> None:
        self.bench = bench
        self.state = state

    def student(self, question: str, seed: int, carry: Sequence[Question]) -> Namespace:
        if isinstance(self.state, StudentError):
            raise self.state.with_traceback(None)
        return self.bench.checkpoints.namespace_at(self.state, seed)

    def reference(self, question: str, seed: int) -> Namespace:
        return reference_namespace(self.bench.checkpoints, self.bench.memory, question, seed)

    def carried_names(self, question: str, lost: Sequence[Question]) -> list[str]:
        return []

    def is_missing(self, question: str) -> bool:
        return False

    def drawn(self, case: str, number: int, draw: Callable[[], list[Any]]) -> list[Any]:
        return draw()

    def name_cell(self, file: str) -> str:
        return "the answer"
