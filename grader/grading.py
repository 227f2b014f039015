"""Grading one submission, start to end: read, locate, execute, check, award."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import msgspec
from nbformat import NotebookNode

import grader
from grader.assignment import Assignment, Question
from grader.execution.checkpoints import Checkpoints, Replacement
from grader.execution.namespace import Namespace
from grader.execution.plan import plan_stops
from grader.execution.probe import StudentError
from grader.execution.reference import Reference, defined_names
from grader.execution.remembered import Memory
from grader.execution.runner import Execution, run_notebook
from grader.execution.sandbox import Sandbox, SandboxError
from grader.inside.cells import cell_file
from grader.locating import Answer, code_of, is_answered, locate
from grader.notebook import UnreadableNotebook, read_notebook
from grader.results import WORST_FIRST, CheckResult, QuestionResult, QuestionStatus, SubmissionResult, total
from grader.rubric.checks import Check, load_checks
from grader.rubric.reference import reference_namespace
from grader.rubric.session import run_checks

TRIES = 2
"""A sandbox that breaks is the harness's problem: the submission is graded again in a new one."""


class Graded(msgspec.Struct):
    """A result with the notebook as executed; None where it could not be read."""

    result: SubmissionResult
    notebook: NotebookNode | None = None


class Grader:
    """One worker: a sandbox for submissions, and another in which the reference stays ready for all of them."""

    def __init__(self, assignment: Assignment, seed: int) -> None:
        """Load the rubric's checks and the reference. RubricError names what is wrong with them."""
        self.assignment = assignment
        self.seed = seed
        self.checks: tuple[Check, ...] = load_checks(assignment)
        self.reference = Reference(assignment)
        self.sandbox = Sandbox(assignment.preload, assignment.limits)
        self.reference_sandbox = Sandbox(assignment.preload, assignment.limits)
        self.reference_checkpoints: Checkpoints | None = None
        self.memory = Memory()

    def __enter__(self) -> Grader:
        """Start both sandboxes at once and run the reference. Raises SandboxError, RubricError."""
        try:
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(self.sandbox.start)
                self.reference_sandbox.start()
                self.reference_checkpoints = self.reference.run(self.reference_sandbox, self.seed)
                other.result()
            return self
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self.sandbox.stop()
        self.reference_sandbox.stop()

    def grade(self, path: Path, name: str) -> Graded:
        """Grade the submission at `path`. Whatever is wrong with it is in the result; nothing is raised for it."""
        result = SubmissionResult(
            submission=name,
            file=str(path),
            seed=self.seed,
            assignment=self.assignment.title,
            grader_version=grader.__version__,
        )
        timings = result.timings
        try:
            with _timed(timings, "read"):
                notebook = read_notebook(path, self.assignment.limits.notebook_bytes)
                answers = locate(notebook, self.assignment.questions)
        except UnreadableNotebook as error:
            result.status, result.message = "unreadable", str(error)
            return Graded(result)
        for attempt in range(TRIES):
            try:
                if attempt:
                    self.restart()
                return self.grade_notebook(result, notebook, answers)
            except SandboxError as error:
                result.message = f"the harness failed, twice; a person must look: {error}"
                result.detail = traceback.format_exc()
        result.status = "error"
        return Graded(result, notebook)

    def grade_notebook(self, result: SubmissionResult, notebook: NotebookNode, answers: Mapping[str, Answer]) -> Graded:
        with _timed(result.timings, "execute"):
            execution = self.execute(notebook, answers)
        notebooks = _Notebooks(self, notebook, answers, execution)
        with _timed(result.timings, "check"):
            checked = run_checks(self.assignment, self.checks, notebooks, self.seed)
        result.questions = [
            self.award(question, answers[question.id], execution, notebooks, checked[question.id])
            for question in self.assignment.questions
        ]
        result.notes = list(execution.notes)
        result.notes += [f"Cell {failure.cell + 1}: {failure.why}." for failure in execution.failures]
        result.message = result.detail = ""
        total(result)
        return Graded(result, execution.notebook)

    def execute(self, notebook: NotebookNode, answers: Mapping[str, Answer]) -> Execution:
        stops = plan_stops(self.assignment.questions, answers)
        retyped = sorted({cell for answer in answers.values() for cell in answer.retyped})
        return run_notebook(self.sandbox, notebook, stops, retyped, self.assignment.limits, self.seed)

    def award(
        self,
        question: Question,
        answer: Answer,
        execution: Execution,
        notebooks: _Notebooks,
        checks: list[CheckResult],
    ) -> QuestionResult:
        """The points of one question: the sum of its checks' where they are known."""
        known = [check.points for check in checks if check.points is not None]
        return QuestionResult(
            id=question.id,
            title=question.title,
            kind=question.kind,
            points=sum(known) if known else None,
            max_points=question.points,
            status=_status(question, checks, notebooks.is_missing(question.id)),
            cells=list(answer.cells),
            checks=checks,
            found_by=answer.found_by,
            notes=[*answer.notes, *_cell_notes(answer, execution)],
            criteria=question.criteria,
        )

    def restart(self) -> None:
        """Replace whichever sandbox has broken."""
        for sandbox in (self.sandbox, self.reference_sandbox):
            sandbox.stop()
            sandbox.start()
        self.reference_checkpoints = self.reference.run(self.reference_sandbox, self.seed)


class _Notebooks:
    """The namespaces that the checks of one submission see."""

    def __init__(
        self, worker: Grader, notebook: NotebookNode, answers: Mapping[str, Answer], execution: Execution
    ) -> None:
        self.worker = worker
        self.assignment = worker.assignment
        self.notebook = notebook
        self.answers = answers
        self.checkpoints = Checkpoints(worker.sandbox, execution, worker.assignment.limits)
        self.cells = {cell_file(cell.source): index for index, cell in enumerate(execution.notebook.cells)}
        self.missing = {
            question.id
            for question in worker.assignment.questions
            if not is_answered(notebook, question, answers[question.id])
        }
        self.rerun: dict[tuple[str, ...], Path | StudentError] = {}

    def student(self, question: str, seed: int, carry: Sequence[Question]) -> Namespace:
        if not carry:
            return self.checkpoints.namespace(question, seed)
        names = self.carried_names(question, carry)
        replacement = Replacement(self.worker.reference.definitions(question), names)
        if not self.assignment.question(question).run:
            return self.checkpoints.namespace(question, seed, replacement)
        return self.checkpoints.namespace_at(self.run_again(question, carry, replacement), seed)

    def carried_names(self, question: str, lost: Sequence[Question]) -> list[str]:
        """What the reference defines before `question`. Never what it is to define itself: that would be its answer."""
        own = self.assignment.question(question).names
        names = dict.fromkeys(name for earlier in lost for name in earlier.names if name not in own)
        defined = defined_names(self.worker.reference.definitions(question)) if names else set()
        return [name for name in names if name in defined]

    def run_again(self, question: str, carry: Sequence[Question], replacement: Replacement) -> Path:
        """The frozen state after a second run of the question's cells; they are run again only once."""
        key = (question, *(earlier.id for earlier in carry))
        if key not in self.rerun:
            cells = [self.notebook.cells[index] for index in self.answers[question].cells]
            retyped = self.answers[question].retyped
            sources = [
                code_of(cell) if index in retyped else cell.source
                for index, cell in zip(self.answers[question].cells, cells, strict=True)
                if cell.cell_type == "code" or index in retyped
            ]
            records = self.assignment.question(question).records
            try:
                self.rerun[key] = self.checkpoints.rerun(question, self.worker.seed, replacement, sources, records)
            except StudentError as error:
                self.rerun[key] = error
        outcome = self.rerun[key]
        if isinstance(outcome, StudentError):
            raise outcome
        return outcome

    def reference(self, question: str, seed: int) -> Namespace:
        assert self.worker.reference_checkpoints is not None
        return reference_namespace(self.worker.reference_checkpoints, self.worker.memory, question, seed)

    def is_missing(self, question: str) -> bool:
        return question in self.missing

    def name_cell(self, file: str) -> str:
        index = self.cells.get(file)
        return "your code" if index is None else f"cell {index + 1}"


def _status(question: Question, checks: Sequence[CheckResult], missing: bool) -> QuestionStatus:
    if missing:
        return "missing"
    if question.kind == "text":
        return "to be marked"
    statuses = {check.status for check in checks}
    return next(status for status in WORST_FIRST if status in statuses)


def _cell_notes(answer: Answer, execution: Execution) -> Iterator[str]:
    """What happened when the cells of this answer were run, beyond what the checks say."""
    for failure in execution.failures:
        if failure.cell in answer.cells:
            yield f"Cell {failure.cell + 1}: {failure.why}."
    for index in answer.cells:
        for output in execution.notebook.cells[index].get("outputs", []):
            if output.output_type == "error":
                yield f"Cell {index + 1} raised {output.ename}: {output.evalue}"[:500]


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - start
