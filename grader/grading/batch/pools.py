"""The workers of a batch: processes of this machine, or a cluster's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from grader.assignment.assignment import Assignment
from grader.execution.forkserver import ForkServer
from grader.execution.sandbox import SandboxMode
from grader.grading.batch.fingerprint import Fingerprints
from grader.grading.batch.run import Pool, PoolMaker
from grader.grading.batch.tasks import LocalRubric, start
from grader.grading.ready import getting_ready
from grader.grading.shared import SharedReference
from grader.grading.workers import Tell, Workers, cores

REFERENCE = -1
"""Who tells that the reference is run."""


def _nobody(doing: str) -> None: ...


def local_pool(jobs: int = 0, tell: Tell | None = None, server: ForkServer | None = None) -> PoolMaker:
    """`jobs` worker processes, but no more than there are submissions; 0: one a core.

    tell: called from other threads with a worker's number and what it does. server: one that is `getting_ready`.
    """

    @contextlib.contextmanager
    def make(assignment: Assignment, seed: int, submissions: int, sandbox: SandboxMode = "require") -> Iterator[Pool]:
        rubric = LocalRubric(assignment.folder, Fingerprints(assignment).rubric)
        count = max(1, min(jobs or cores(), submissions))
        with contextlib.ExitStack() as stack:
            ready = server or stack.enter_context(getting_ready(assignment, sandbox))
            # Without bubblewrap, a process that has a sandbox is that sandbox's keeper: each worker has its own two.
            shared: SharedReference | None = None
            if ready is not None:
                told = partial(tell, REFERENCE) if tell is not None else _nobody
                shared = SharedReference(assignment, seed, ready, told)
                shared.begin()
            workers = Workers(count, partial(start, rubric, seed, sandbox), tell, shared)
            stack.callback(workers.shutdown, cancel_futures=True)
            if shared is not None:
                # First: a worker may wait for it.
                stack.callback(shared.stop)
            # One more for each, so that none waits for the results of another to be written.
            yield Pool(workers, 2 * count, rubric)
            if shared is not None:
                shared.finish()

    return make
