"""Workers for tests that look into the grading, or break it: in this very process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any

from grader.assignment.assignment import Assignment
from grader.execution.sandbox import SandboxMode
from grader.grading.batch import tasks
from grader.grading.batch.fingerprint import Fingerprints
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
    """The worker of this process, which lives on: grading the same assignment again costs no start."""
    yield Pool(Here(), 1, LocalRubric(assignment.folder, Fingerprints(assignment).rubric))
