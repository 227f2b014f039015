"""What a worker does with one submission, wherever that worker is: grade it, and make its pages."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import platform
import shutil
import tempfile
import threading
import time
import traceback
import zipfile
from collections.abc import Sequence
from multiprocessing.util import Finalize
from pathlib import Path

import msgspec
import nbformat

from grader.assignment.assignment import Assignment, load_assignment
from grader.execution.owntime import let_process_end
from grader.execution.sandbox import SandboxMode
from grader.execution.waiting import RUNNING_REFERENCE
from grader.faults import Faults, shown
from grader.grading.batch.fingerprint import Fingerprints, environment, rubric_files
from grader.grading.ready import borrowed_server
from grader.grading.shared import BorrowedReference
from grader.grading.submission import Grader
from grader.grading.workers import at, is_served, is_worker, tell
from grader.report.render import render_submission
from grader.results.journal import final, merged
from grader.results.results import Change, Lateness, SubmissionResult

DOING = {"start": "starting", "read": "reading", "execute": "running its cells", "check": "checking"}
"""The stages of a grading, for those who watch."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One submission to be graded."""

    name: str
    file: str
    content: bytes
    """The notebook's file, as handed in."""
    fingerprint: str
    pages: str
    """The fingerprint of its report."""
    changes: tuple[Change, ...]
    """What people decided about it: the report shows that too."""
    late: Lateness | None = None
    broken: dict[str, str] = {}
    """Checks that are not to be run, and why: others that did have ended their process."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One submission, graded: what is to be written into its folder."""

    result: SubmissionResult
    report: str
    notebook: str | None = None
    """As executed, as JSON; None where it could not be read."""


class LocalRubric(msgspec.Struct, frozen=True):
    """A rubric on a disk that the worker has too."""

    folder: Path
    fingerprint: str
    """Of the rubric as it was when the batch began: a worker that starts later must not grade with another."""

    def load(self) -> Assignment:
        """Raises Faults."""
        assignment = load_assignment(self.folder)
        if Fingerprints(assignment).rubric != self.fingerprint:
            what = "the rubric, its reference or an installed package was changed during the grading"
            raise Faults([f"{shown(self.folder)}: {what}; grade again"])
        return assignment


class SentRubric(msgspec.Struct, frozen=True):
    """A rubric and its reference, packed for workers that have no disk in common with who sends it."""

    archive: bytes
    folder: str
    """The rubric's folder in the archive."""
    environment: str
    """The fingerprint of the sender's environment: grades must not depend on which machine gave them."""

    @staticmethod
    def pack(assignment: Assignment) -> SentRubric:
        base = Path(os.path.commonpath([assignment.folder, assignment.reference]))
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted({*rubric_files(assignment.folder), assignment.reference}):
                # Without dates: workers recognise the same rubric by its bytes.
                archive.writestr(zipfile.ZipInfo(str(path.relative_to(base))), path.read_bytes())
        return SentRubric(file.getvalue(), str(assignment.folder.relative_to(base)), environment())

    def load(self) -> Assignment:
        """Raises Faults where this machine would not grade as the sender's would."""
        if self.environment != environment():
            raise Faults(
                [
                    f"{platform.node()}: this worker of the cluster has another Python, other packages or another "
                    "version of grader than the machine that asks: install the same on both"
                ]
            )
        folder = Path(tempfile.mkdtemp(prefix="grader-rubric-"))
        Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=0)
        with zipfile.ZipFile(io.BytesIO(self.archive)) as archive:
            archive.extractall(folder)
        return load_assignment(folder / self.folder)


class _Worker:
    """What one process has: the grader of the batch at hand, and of no other."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.key: object = None
        self.grader: Grader | None = None
        self.name = ""
        """The submission at hand."""

    def say(self, stage: str) -> None:
        # The reference is nobody's: every worker runs the same.
        name = "" if stage.startswith(RUNNING_REFERENCE) else self.name
        tell(": ".join(filter(None, [name, DOING.get(stage, stage) or DOING["start"]])))

    def ready(self, rubric: LocalRubric | SentRubric, seed: int, sandbox: SandboxMode) -> Grader:
        """Raises Faults, SandboxError."""
        if self.grader is None or self.key != (rubric, seed, sandbox):
            self.drop()
            self.name = ""
            self.say("start")
            # What libraries log is not for those who grade.
            logging.getLogger().addHandler(logging.NullHandler())
            if is_worker() or isinstance(rubric, SentRubric):
                let_process_end()
            assignment = rubric.load()
            expected = BorrowedReference(assignment) if is_served() else None
            server = borrowed_server(assignment)
            grader = Grader(assignment, seed, self.say, mode=sandbox, announce=at, expected=expected, server=server)
            Finalize(grader, grader.__exit__, args=(None, None, None), exitpriority=1)
            grader.__enter__()
            # What is there by now stays; to look through it again and again for garbage would find none.
            gc.collect()
            gc.freeze()
            self.grader, self.key = grader, (rubric, seed, sandbox)
        return self.grader

    def drop(self) -> None:
        if self.grader is not None:
            self.grader.__exit__(None, None, None)
        self.grader = self.key = None


_worker = _Worker()


def start(rubric: LocalRubric | SentRubric, seed: int, sandbox: SandboxMode) -> None:
    """Get ready before there is anything to do. What is wrong is said when there is."""
    with contextlib.suppress(Exception):
        _worker.ready(rubric, seed, sandbox)


def release() -> None:
    """Let go of what `start` or `grade_task` made, as soon as nothing is graded; returns at once."""

    def drop() -> None:
        with _worker.lock:
            _worker.drop()

    threading.Thread(target=drop, daemon=True).start()


def grade_task(rubric: LocalRubric | SentRubric, seed: int, task: Task, sandbox: SandboxMode) -> Outcome:
    """Grade one submission. Raises Faults, SandboxError where this worker cannot grade at all."""
    # Workers of a cluster may be asked by several threads.
    with _worker.lock:
        grader = _worker.ready(rubric, seed, sandbox)
        _worker.name = task.name
        return grade_with(grader, task)


def grade_with(grader: Grader, task: Task) -> Outcome:
    grader.overtime.broken.update(task.broken)
    try:
        graded = grader.grade_bytes(task.content, task.name, task.file)
        result, notebook = graded.result, graded.notebook
    except Faults:
        # What is wrong with the reference, which has run meanwhile.
        raise
    except Exception as error:
        # A fault of the harness in one submission must not cost the others their grades.
        result, notebook = not_graded(grader.assignment, grader.seed, task.name, task.file, error), None
    result.fingerprint, result.late = task.fingerprint, task.late
    return with_pages(grader.assignment, result, notebook, task.pages, task.changes)


def not_graded(assignment: Assignment, seed: int, name: str, file: str, error: Exception) -> SubmissionResult:
    """The result of a submission that the harness failed to grade."""
    return SubmissionResult(
        submission=name,
        file=file,
        status="error",
        message=f"the harness failed; a person must look: {one_line(error)}",
        detail="".join(traceback.format_exception(error)),
        seed=seed,
        assignment=assignment.title,
    )


def with_pages(
    assignment: Assignment,
    result: SubmissionResult,
    notebook: nbformat.NotebookNode | None,
    pages: str,
    changes: Sequence[Change],
) -> Outcome:
    """The report of a result. One that cannot be made makes the result an *error*, with what is known kept."""
    start = time.perf_counter()
    try:
        decided = merged(result, changes)
        report = render_submission(assignment, decided, notebook)
        text = None if notebook is None else nbformat.writes(notebook)
        result.pages, result.final = pages, final(decided, changes)
        if result.timings:
            result.timings["report"] = time.perf_counter() - start
        return Outcome(result=result, report=report, notebook=text)
    except Exception as error:
        result.status = "error"
        result.message = f"the report could not be made; a person must look: {one_line(error)}"
        result.detail = traceback.format_exc()
        return Outcome(result=result, report=render_submission(assignment, merged(result, changes), None))


def one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
