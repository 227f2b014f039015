"""Grading many submissions: what is not done yet, over whichever workers there are; each result is stored at once."""

from __future__ import annotations

import contextlib
import hashlib
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import nbformat
from nbformat import NotebookNode

from grader.assignment.assignment import Assignment
from grader.assignment.lateness import lateness
from grader.assignment.notebook import UnreadableNotebook, read_file
from grader.execution.floor import shielded
from grader.execution.runfolder import SandboxError
from grader.execution.sandbox import SandboxMode
from grader.faults import Faults
from grader.grading.batch.fingerprint import Fingerprints
from grader.grading.batch.interrupts import interruptible
from grader.grading.batch.observer import Observer
from grader.grading.batch.owners import remembered_roots, settle
from grader.grading.batch.plan import Plan, Submission, make_plan
from grader.grading.batch.sources import class_list_of, find_hand_ins
from grader.grading.batch.tasks import (
    LocalRubric,
    Outcome,
    SentRubric,
    Task,
    grade_task,
    not_graded,
    one_line,
    with_pages,
)
from grader.grading.submission import unreadable
from grader.grading.workers import WorkerDied
from grader.report.store import (
    read_automatic,
    read_notebook,
    read_results,
    require_writable,
    reserved,
    rewrite_report,
    write_overview,
    write_pages,
)
from grader.report.text import joined
from grader.results.classlist import ClassList, SiteError, read_class_list, write_class_list
from grader.results.decisions import Store, read_changes
from grader.results.journal import MarksError, is_older
from grader.results.results import Change, Lateness, SubmissionResult
from grader.results.rows import now
from grader.results.teamwork import Cell
from grader.rubric.overtime import IN_A_ROW, uninterrupted

KEPT = 100_000
"""Characters of a cell that are kept when another hand-in replaces it."""
TRIES = 2
"""A worker that dies is the harness's problem: its submission is given to another."""


class Pool(msgspec.Struct, frozen=True):
    """Workers that are ready, or getting so."""

    executor: Executor
    width: int
    """How many submissions it is worth giving them at once."""
    rubric: LocalRubric | SentRubric


PoolMaker = Callable[[Assignment, int, int, SandboxMode], AbstractContextManager[Pool]]
"""Makes workers for an assignment, a seed, a number of submissions and a kind of sandbox. At the end, what they do is
broken off."""


def grade_all(
    assignment: Assignment,
    paths: Sequence[Path],
    output: Path,
    make_pool: PoolMaker,
    *,
    seed: int | None = None,
    force: bool = False,
    sandbox: SandboxMode = "require",
    observer: Observer | None = None,
    root: Path | None = None,
) -> list[SubmissionResult]:
    """Grade all submissions and write their results into `output`; return those, in order.

    What is stored there and still holds is not graded again, unless `force` says so. Interrupted (KeyboardInterrupt),
    it leaves nothing running, and keeps what is graded with an overview of that.
    root: make names from this folder; None makes them from the folders given, or that they were made from before.
    Raises Faults, SandboxError, OSError.
    """
    observer = observer or Observer()
    with interruptible(), contextlib.nullcontext() if sandbox == "require" else shielded():
        require_writable(output)
        with reserved(output):
            fingerprints = Fingerprints(assignment)
            handed = find_hand_ins(paths, output, remembered_roots(output), root)
            class_list = class_list_of(handed)
            changed = settle(assignment, handed, output)
            for note in [*handed.notes, *changed]:
                observer.noted(note)
            plan = make_plan(assignment, handed, output, fingerprints, seed, force, sandbox)
            people = class_list or _known_class(output)
            batch = _Batch(assignment, output, fingerprints, plan, sandbox, observer, people)
            observer.planned(plan)
            try:
                if plan.todo:
                    with make_pool(assignment, plan.seed, len(plan.todo), sandbox) as workers:
                        batch.grade(workers)
                else:
                    batch.write_known()
            finally:
                if batch.results or changed or not plan.order:
                    batch.write_overview(class_list)
    return [batch.results[name] for name in plan.order]


def _known_class(output: Path) -> ClassList | None:
    """The class list of an earlier grading into the same folder."""
    with contextlib.suppress(SiteError):
        return read_class_list(output)
    return None


class _Batch:
    """One run over the submissions of a plan."""

    def __init__(
        self,
        assignment: Assignment,
        output: Path,
        fingerprints: Fingerprints,
        plan: Plan,
        sandbox: SandboxMode,
        observer: Observer,
        class_list: ClassList | None,
    ) -> None:
        self.class_list = class_list
        self.assignment = assignment
        self.output = output
        self.fingerprints = fingerprints
        self.plan = plan
        self.sandbox = sandbox
        self.observer = observer
        self.results: dict[str, SubmissionResult] = {}
        self.hung: dict[str, set[str]] = {}
        """The submissions for which a check has ended its worker, by check."""

    def grade(self, pool: Pool) -> None:
        """Have the workers grade what is to be graded. Raises Faults; SandboxError where they cannot even begin."""
        todo = deque(self.plan.todo)
        tries: Counter[str] = Counter()
        running: dict[Future[Outcome], Submission] = {}
        begun = False
        while todo or running:
            while todo and len(running) < pool.width:
                submission = todo.popleft()
                task = self.task(submission)
                if task is not None:
                    future = pool.executor.submit(grade_task, pool.rubric, self.plan.seed, task, self.sandbox)
                    running[future] = submission
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                submission = running.pop(future)
                try:
                    outcome = future.result()
                except Exception as error:
                    if isinstance(error, Faults) or (not begun and isinstance(error, SandboxError)):
                        raise
                    if isinstance(error, WorkerDied) and self.has_hung(submission, error.overtime):
                        todo.appendleft(submission)
                        continue
                    tries[submission.name] += 1
                    if tries[submission.name] < TRIES:
                        self.observer.noticed(f"{submission.file}: is graded again, because its worker ended ({error})")
                        todo.appendleft(submission)
                        continue
                    outcome = self.failed(submission, error)
                if not begun:
                    begun = True
                    # Not before: a rubric that cannot be used leaves the results of another day as they were.
                    self.write_known()
                self.write(outcome)
                if outcome.result.status == "error":
                    # Not the notebook's fault: the others who handed it in get a grading of their own.
                    todo.extend(self.part_from(submission))
                else:
                    self.write_copies(outcome.result, outcome.notebook)
        if not begun:
            self.write_known()

    def has_hung(self, submission: Submission, check: str) -> bool:
        """Whether it was a check that its worker has ended for, and this submission is to be graded without it."""
        if not check or submission.name in self.hung.get(check, ()):
            return False
        self.hung.setdefault(check, set()).add(submission.name)
        self.observer.noticed(f"{submission.file}: is graded again, without the check {check}, which did not end")
        return True

    def broken(self, submission: Submission) -> dict[str, str]:
        """The checks that are left out for a submission: it is known that they end the worker."""
        why = uninterrupted(self.assignment)
        return {check: why for check, of in self.hung.items() if submission.name in of or len(of) >= IN_A_ROW}

    def part_from(self, submission: Submission) -> Iterator[Submission]:
        """The next submission with the same notebook, which is now to be graded for the rest of them."""
        others = self.plan.same.pop(submission.name, [])
        if others:
            self.plan.same[others[0].name] = others[1:]
            yield others[0]

    def task(self, submission: Submission) -> Task | None:
        """None where the file cannot be read any more; then that is its result."""
        try:
            content = read_file(submission.path, self.assignment.limits.notebook_bytes)
        except UnreadableNotebook as error:
            # It was the same notebook as the others' when the batch began; now nobody can tell.
            for each in (submission, *self.plan.same.pop(submission.name, [])):
                why = f"it was there when the grading began, but now {error}"
                self.write_anew(unreadable(self.assignment, self.plan.seed, each.name, each.file, why), None)
            return None
        # The file may have been saved since the plan was made.
        now = msgspec.structs.replace(submission, content=hashlib.sha256(content).hexdigest())
        self.plan.submissions[submission.name] = now
        changes = self.changes(submission.name)
        return Task(
            name=submission.name,
            file=submission.file,
            content=content,
            fingerprint=self.fingerprints.of_result(content),
            pages=self.fingerprints.pages,
            changes=tuple(changes),
            late=self.late(submission.name),
            broken=self.broken(submission),
        )

    def changes(self, name: str) -> list[Change]:
        try:
            return read_changes(self.output / name)
        except MarksError as error:
            for fault in error.faults:
                self.observer.noticed(fault)
            return []

    def late(self, name: str) -> Lateness | None:
        return lateness(self.assignment, self.class_list, name)

    def failed(self, submission: Submission, error: Exception) -> Outcome:
        result = not_graded(self.assignment, self.plan.seed, submission.name, submission.file, error)
        result.late = self.late(submission.name)
        return with_pages(self.assignment, result, None, self.fingerprints.pages, self.changes(submission.name))

    # Writing

    def write(self, outcome: Outcome) -> None:
        """Store a result. What cannot be written is an *error*."""
        submission = self.plan.submissions[outcome.result.submission]
        result = msgspec.structs.replace(
            outcome.result, root=submission.root, source=submission.source, content=submission.content
        )
        try:
            self.keep_answers(result)
            write_pages(self.output, result, outcome.report, outcome.notebook)
        except OSError as error:
            why = f"the results could not be written; a person must look: {one_line(error)}"
            result = msgspec.structs.replace(
                result, status="error", message=why, detail="".join(traceback.format_exception(error))
            )
            with contextlib.suppress(OSError):
                write_pages(self.output, result, outcome.report, outcome.notebook)
        self.results[result.submission] = result
        self.observer.ended(result)

    def keep_answers(self, result: SubmissionResult) -> None:
        """Keep the answers that a new hand-in replaces: people may have marked them."""
        before = read_automatic(self.output, result.submission)
        if before is None:
            return
        new = {question.id: question.answer for question in result.questions}
        old = [each for each in before.questions if each.answer and new.get(each.id) != each.answer]
        notebook = read_notebook(self.output, result.submission) if old else None
        if notebook is None:
            return
        answers = {each.id: (each.answer, [_cell(notebook, index) for index in each.cells]) for each in old}
        try:
            with Store.open(self.output) as store:
                store.keep_answers(result.submission, answers, now())
        except MarksError as error:
            for fault in error.faults:
                self.observer.noticed(fault)

    def write_copies(self, result: SubmissionResult, notebook: str | None) -> None:
        """Store a result for all who handed in the same notebook."""
        others = self.plan.same.get(result.submission, [])
        executed = nbformat.reads(notebook, as_version=4) if others and notebook is not None else None
        for other in others:
            copy = msgspec.structs.replace(
                result, submission=other.name, file=other.file, same_as=result.submission, timings={}
            )
            self.write_anew(copy, executed)

    def write_known(self) -> None:
        """Store what is known without grading, and mend what has become stale about what is done."""
        for result in self.plan.known:
            self.write_anew(result, None)
        for name, result in self.plan.done.items():
            self.refresh(result)
            if self.plan.same.get(name):
                notebook = read_notebook(self.output, name)
                self.write_copies(result, None if notebook is None else nbformat.writes(notebook))

    def write_anew(self, result: SubmissionResult, notebook: NotebookNode | None) -> None:
        """Make the report of a result, and store both."""
        result.late = self.late(result.submission)
        changes = self.changes(result.submission)
        self.write(with_pages(self.assignment, result, notebook, self.fingerprints.pages, changes))

    def refresh(self, result: SubmissionResult) -> None:
        """Make the report of a result that holds anew, where it would not be the same."""
        file, late = self.plan.submissions[result.submission].file, self.late(result.submission)
        are_so = (result.pages, result.file, result.late) == (self.fingerprints.pages, file, late)
        if not are_so or is_older(result, self.changes(result.submission)):
            for question in result.questions:
                asked = self.assignment.question(question.id)
                question.title, question.criteria = asked.title, asked.criteria
            result.file = file
            self.write_anew(result, read_notebook(self.output, result.submission))
        else:
            self.results[result.submission] = result
            self.observer.ended(result)

    def write_overview(self, class_list: ClassList | None) -> None:
        """Over all results of this assignment that are stored here, of this run or of an earlier one."""
        results, faults = read_results(self.output)
        for fault in faults:
            self.observer.noticed(fault)
        for result in results:
            # Somebody has decided while its report was made.
            if result.submission in self.results and is_older(result, self.changes(result.submission)):
                rewrite_report(self.assignment, self.output, result.submission)
        write_overview(
            self.assignment, [each for each in results if each.assignment == self.assignment.title], self.output
        )
        if class_list is not None:
            write_class_list(self.output, class_list)


def _cell(notebook: NotebookNode, index: int) -> Cell:
    cell = notebook.cells[index] if index < len(notebook.cells) else {}
    return Cell(cell_type=cell.get("cell_type", "raw"), source=joined(cell.get("source"))[:KEPT])
