"""Workers for tests that look into the grading, or break it: in this very process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any

from grader.assignment import Assignment
from grader.batch import tasks
from grader.batch.fingerprint import Fingerprints
from grader.batch.run import Pool
from grader.batch.tasks import LocalRubric
from grader.execution.sandbox import SandboxMode


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
