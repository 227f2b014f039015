"""The same batch on a Dask cluster: an optional part, `grader[dask]`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from grader.assignment.assignment import Assignment
from grader.execution.sandbox import SandboxMode
from grader.faults import Faults
from grader.grading.batch.run import Pool, PoolMaker
from grader.grading.batch.tasks import SentRubric, release
from grader.grading.workers import cores, keep_out_the_working_folder

LOCAL = "local"
CONNECT_SECONDS = 30


def cluster_pool(scheduler: str, jobs: int = 0) -> PoolMaker:
    """The workers of a cluster. `scheduler`: its address, or "local" for one of `jobs` processes on this machine.

    Workers need this package and the rubric's packages in the same versions, bubblewrap, and no disk in common with
    this machine. Raises Faults where the cluster cannot be had.
    """

    @contextlib.contextmanager
    def make(assignment: Assignment, seed: int, submissions: int, sandbox: SandboxMode = "require") -> Iterator[Pool]:
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            raise Faults(["--scheduler needs Dask, which is not installed: pip install 'grader[dask]'"]) from None
        with contextlib.ExitStack() as stack:
            address: Any = scheduler
            if scheduler == LOCAL:
                count = max(1, min(jobs or cores(), submissions))
                keep_out_the_working_folder()
                address = stack.enter_context(
                    LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None)
                )
            try:
                client = stack.enter_context(Client(address, timeout=CONNECT_SECONDS, set_as_default=False))
            except (OSError, TimeoutError, ValueError) as error:
                why = f"no Dask scheduler answers at {scheduler} ({' '.join(str(error).split()) or 'timeout'})"
                raise Faults([f"{why}; start one with: dask scheduler"]) from None
            width = sum(client.nthreads().values())
            if not width:
                raise Faults([f"the Dask scheduler at {scheduler} has no workers; start some: dask worker {scheduler}"])
            executor = client.get_executor(pure=False)
            try:
                # Sent with each submission: data that is left with a worker is lost with it.
                yield Pool(executor, 2 * width, SentRubric.pack(assignment))
            finally:
                # To Dask, not to wait means to cancel.
                executor.shutdown(wait=False)
                # The workers live on; the sandboxes that they have for this batch need not.
                with contextlib.suppress(Exception):
                    client.run(release)

    return make
