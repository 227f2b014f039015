"""Workers for tests that look into the grading, or break it: in this very process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from notebooks import MINI

from grader.assignment.assignment import Assignment
from grader.execution.sandbox import SandboxMode
from grader.grading.batch import tasks
from grader.grading.batch.fingerprint import Fingerprints, rubric_files
from grader.grading.batch.run import Pool
from grader.grading.batch.tasks import LocalRubric


class Here(Executor):
    """Does at once, here, whatever it is asked."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def end_worker() -> None:
    """As if the worker had died: the next submission needs a new one."""
    tasks._worker.drop()


@contextlib.contextmanager
def here(assignment: Assignment, seed: int, submissions: int, sandbox: SandboxMode = "require") -> Iterator[Pool]:
    """The worker of this process, which lives on: grading the same assignment again costs no start.

    Nor does grading with a copy of the mini rubric: who does that looks at what becomes of the results.
    """
    folder = MINI if _files(assignment.folder) == _files(MINI) else assignment.folder
    yield Pool(Here(), 1, LocalRubric(folder, Fingerprints(assignment).rubric))


def _files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in rubric_files(folder)}
