"""Grading one submission, start to end: read, locate, execute, check, award."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from nbformat import NotebookNode

import grader
from grader.assignment.assignment import Assignment, Check, Question
from grader.assignment.locating import Answer, code_of
from grader.assignment.notebook import UnreadableNotebook, read_file
from grader.assignment.reading import read_submission
from grader.execution.checkpoints import Checkpoints, Replacement
from grader.execution.forkserver import ForkServer
from grader.execution.namespace import Namespace
from grader.execution.plan import plan_stops
from grader.execution.probe import StudentError
from grader.execution.reference import defined_names
from grader.execution.runfolder import SandboxError
from grader.execution.runner import Execution, run_notebook
from grader.execution.sandbox import Sandbox, SandboxMode, Server
from grader.grading.expected import Expected, LiveReference
from grader.grading.imports import failed_imports
from grader.inside.cells import cell_file
from grader.results.results import CheckResult, QuestionResult, SubmissionResult, status_of, total
from grader.rubric.checks import files_of, load_checks
from grader.rubric.overtime import Overtime
from grader.rubric.session import CheckSession

TRIES = 2
"""A sandbox that breaks is the harness's problem: the submission is graded again in a new one."""


class Graded(msgspec.Struct):
    """A result with the notebook as executed; None where it could not be read."""

    result: SubmissionResult
    notebook: NotebookNode | None = None


def new_result(assignment: Assignment, seed: int, name: str, file: str) -> SubmissionResult:
    """The result of a submission of which nothing is known yet."""
    return SubmissionResult(
        submission=name, file=file, seed=int(seed), assignment=assignment.title, grader_version=grader.__version__
    )


def unreadable(assignment: Assignment, seed: int, name: str, file: str, why: str) -> SubmissionResult:
    """The result of a file that is no notebook."""
    return msgspec.structs.replace(new_result(assignment, seed, name, file), status="unreadable", message=why)


class Grader:
    """One worker: a sandbox for submissions, and what they are compared with, which stays ready for all of them."""

    def __init__(
        self,
        assignment: Assignment,
        seed: int,
        tell: Callable[[str], None] = lambda doing: None,
        *,
        checks: Sequence[Check] | None = None,
        expected: Expected | None = None,
        mode: SandboxMode = "require",
        sandbox: Sandbox | None = None,
        server: Server | None = None,
        announce: Callable[[str], None] = lambda check: None,
    ) -> None:
        """Load the rubric's checks and the reference. RubricError names what is wrong with them.

        `tell` is told what is being done. Where not all of the rubric is at hand, `checks` and `expected` take the
        place of its checks and of the reference. `sandbox` is one that has begun to start. `server`: see Sandbox; where
        there is none, the sandboxes of submissions and reference have one of their own. `announce`: see Overtime.
        """
        self.assignment = assignment
        self.seed = seed
        self.tell = tell
        self.checks = load_checks(assignment) if checks is None else tuple(checks)
        self.own_server: ForkServer | None = None
        if expected is None and server is None and mode == "require":
            server = self.own_server = ForkServer(assignment.preload, assignment.limits)
        self.expected = LiveReference(assignment, mode, tell, server) if expected is None else expected
        self.sandbox = sandbox or Sandbox(assignment.preload, assignment.limits, mode, server=server)
        self.overtime = Overtime(assignment, announce)
        self.session = CheckSession(assignment, () if checks is None else files_of(self.checks), self.overtime)

    def __enter__(self) -> Grader:
        """Start both sandboxes at once. Raises SandboxError, RubricError."""
        try:
            if self.own_server is not None:
                self.own_server.begin()
            self.sandbox.start_meanwhile()
            self.expected.begin(self.seed)
            # The checks import as much as the notebook does, at the same time.
            self.session.open()
            self.expected.start(self.seed)
            self.sandbox.start()
            return self
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self.sandbox.stop()
        self.expected.stop()
        if self.own_server is not None:
            self.own_server.stop()
        self.session.close()

    def grade(self, path: Path, name: str) -> Graded:
        """Grade the submission at `path`. Whatever is wrong with it is in the result; nothing is raised for it."""
        try:
            content = read_file(path, self.assignment.limits.notebook_bytes)
        except UnreadableNotebook as error:
            return Graded(unreadable(self.assignment, self.seed, name, str(path), str(error)))
        return self.grade_bytes(content, name, str(path))

    def grade_bytes(self, content: bytes, name: str, file: str) -> Graded:
        """The same, of a file's content."""
        result = new_result(self.assignment, self.seed, name, file)
        try:
            with self.timed(result.timings, "read"):
                read = read_submission(content, self.assignment.questions, self.assignment.limits)
        except UnreadableNotebook as error:
            return Graded(unreadable(self.assignment, self.seed, name, file, str(error)))
        answered = [question for question in self.assignment.questions if question.id in read.answered]
        graded = self.grade_notebook(result, read.notebook, read.answers, answered)
        for asked in graded.result.questions:
            asked.context = read.context.get(asked.id, [])
        return graded

    def grade_notebook(
        self,
        result: SubmissionResult,
        notebook: NotebookNode,
        answers: Mapping[str, Answer],
        answered: Sequence[Question],
    ) -> Graded:
        """Grade a notebook that was read: fill `result` with what comes of it. The questions `answered` are asked."""
        for attempt in range(TRIES):
            try:
                if attempt:
                    self.restart()
                return self.grade_once(result, notebook, answers, answered)
            except SandboxError as error:
                result.message = f"the harness failed, twice; a person must look: {error}"
                result.detail = traceback.format_exc()
        result.status = "error"
        return Graded(result, notebook)

    def grade_once(
        self,
        result: SubmissionResult,
        notebook: NotebookNode,
        answers: Mapping[str, Answer],
        answered: Sequence[Question],
    ) -> Graded:
        with self.timed(result.timings, "execute"):
            execution = self.execute(notebook, answered, answers)
        result.sandbox = self.sandbox.level
        self.expected.wait()
        notebooks = _Notebooks(self, notebook, answered, answers, execution)
        with self.timed(result.timings, "check"):
            checked = self.session.grade(self.checks, notebooks, self.seed)
        with contextlib.suppress(SandboxError):
            # The notebook's processes end while its report is written. The next notebook waits for that, or finds out.
            self.sandbox.leave()
        result.questions = [
            self.award(
                question,
                answers[question.id],
                execution,
                notebooks,
                _judged(checked[question.id], execution.doubts.get(question.id, "")),
            )
            for question in self.assignment.questions
        ]
        result.notes = list(execution.notes)
        result.notes += [f"Cell {failure.cell + 1}: {failure.why}." for failure in execution.failures]
        result.failed_imports = failed_imports(execution.notebook, checked)
        result.message = result.detail = ""
        total(result)
        return Graded(result, execution.notebook)

    def execute(self, notebook: NotebookNode, answered: Sequence[Question], answers: Mapping[str, Answer]) -> Execution:
        """Run the notebook, with a checkpoint for each answer: nothing is asked about a question without one."""
        stops = plan_stops(answered, answers, run_again=self.runs_to_carry)
        retyped = sorted({cell for answer in answers.values() for cell in answer.retyped})
        return run_notebook(self.sandbox, notebook, stops, retyped, self.assignment.limits, self.seed)

    @functools.cached_property
    def runs_to_carry(self) -> frozenset[str]:
        """The questions whose answer is a run that is repeated where an earlier answer is wrong."""
        assignment = self.assignment
        runs = [question.id for question in assignment.questions if question.kind == "code" and question.run]
        return frozenset(run for run in runs if self.carried_names(run, assignment.ancestors(run)))

    def carried_names(self, question: str, lost: Sequence[Question]) -> list[str]:
        """What the reference defines before `question`. Never what it is to define itself: that would be its answer."""
        own = self.assignment.question(question).names
        names = dict.fromkeys(name for earlier in lost for name in earlier.names if name not in own)
        defined = defined_names(self.expected.definitions(question)) if names else frozenset()
        return [name for name in names if name in defined]

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
            status=status_of(question.kind, checks, missing=notebooks.is_missing(question.id)),
            cells=list(answer.cells),
            checks=checks,
            found_by=answer.found_by,
            notes=[
                *answer.notes,
                *_cell_notes(answer, execution),
                *self.why_unasked(question.id, notebooks, execution),
            ],
            criteria=question.criteria,
            answer=_digest(notebooks.notebook.cells[index].source for index in answer.cells) if answer.cells else "",
        )

    def why_unasked(self, question: str, notebooks: _Notebooks, execution: Execution) -> list[str]:
        """For an answer that the notebook was not run up to."""
        return [] if notebooks.is_missing(question) or question in execution.after else execution.notes

    @contextlib.contextmanager
    def timed(self, timings: dict[str, float], stage: str) -> Iterator[None]:
        self.tell(stage)
        start = time.perf_counter()
        try:
            yield
        finally:
            timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - start

    def restart(self) -> None:
        """Replace whichever sandbox has broken."""
        self.sandbox.stop()
        self.sandbox.start()
        self.expected.restart(self.seed)


class _Notebooks:
    """The namespaces that the checks of one submission see."""

    def __init__(
        self,
        worker: Grader,
        notebook: NotebookNode,
        answered: Sequence[Question],
        answers: Mapping[str, Answer],
        execution: Execution,
    ) -> None:
        self.worker = worker
        self.assignment = worker.assignment
        self.notebook = notebook
        self.answers = answers
        self.checkpoints = Checkpoints(worker.sandbox, execution, worker.assignment.limits)
        self.cells = {cell_file(cell.source): index for index, cell in enumerate(execution.notebook.cells)}
        self.answered = {question.id for question in answered}
        self.at_their_last: set[str] = set()
        self.rerun: dict[tuple[str, ...], Path | StudentError] = {}

    def student(self, question: str, seed: int, carry: Sequence[Question]) -> Namespace:
        if not carry:
            return self.checkpoints.namespace(question, seed, last=self.is_last(question))
        names = self.carried_names(question, carry)
        replacement = Replacement(self.worker.expected.definitions(question), names)
        if not self.assignment.question(question).run:
            return self.checkpoints.namespace(question, seed, replacement, last=self.is_last(question))
        return self.checkpoints.namespace_at(self.run_again(question, carry, replacement), seed)

    def expect_last(self, question: str, lost: Sequence[Question]) -> None:
        # Where an error may be carried forward to it, the question is asked again: a run in another place.
        if self.assignment.question(question).run or not self.carried_names(question, lost):
            self.at_their_last.add(question)

    def is_last(self, question: str) -> bool:
        """Whether nobody asks the checkpoint of this question again: none of those that share it."""
        after = self.checkpoints.execution.after
        sharing = {other for other, path in after.items() if path == after.get(question)}
        return question in sharing <= self.at_their_last

    def carried_names(self, question: str, lost: Sequence[Question]) -> list[str]:
        return self.worker.carried_names(question, lost)

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
        return self.worker.expected.namespace(question, seed)

    def is_missing(self, question: str) -> bool:
        return question not in self.answered

    def drawn(self, case: str, number: int, draw: Callable[[], list[Any]]) -> list[Any]:
        return self.worker.expected.drawn(case, number, draw)

    def name_cell(self, file: str) -> str:
        index = self.cells.get(file)
        return "your code" if index is None else f"cell {index + 1}"


def _judged(checks: Sequence[CheckResult], doubt: str) -> list[CheckResult]:
    """Where there is a doubt whether a check fails for the answer's fault, it shows nothing: a person decides."""
    return [_in_review(check, doubt) if doubt and check.status == "failed" else check for check in checks]


def _in_review(check: CheckResult, doubt: str) -> CheckResult:
    message = f"A person must look at this answer: {doubt}. The check says: {check.message}"
    return msgspec.structs.replace(check, status="review", points=None, message=message)


def _digest(sources: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps(list(sources)).encode()).hexdigest()


def _cell_notes(answer: Answer, execution: Execution) -> Iterator[str]:
    """What happened when the cells of this answer were run, beyond what the checks say."""
    for failure in execution.failures:
        if failure.cell in answer.cells:
            yield f"Cell {failure.cell + 1}: {failure.why}."
    for index in answer.cells:
        for output in execution.notebook.cells[index].get("outputs", []):
            if output.output_type == "error":
                yield f"Cell {index + 1} raised {output.ename}: {output.evalue}"[:500]
