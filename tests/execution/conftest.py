"""A sandbox for the tests of a module, and notebooks run in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import pytest
from notebooks import code_notebook

from grader.assignment.assignment import Limits
from grader.execution.checkpoints import Checkpoints
from grader.execution.forkserver import ForkServer
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox, SandboxMode

LIMITS = Limits(
    cell_cpu_seconds=2,
    cell_wall_seconds=20,
    check_cpu_seconds=1,
    check_wall_seconds=20,
    rerun_cpu_seconds=5,
    memory_bytes=3_000_000_000,
    processes=64,
    disk_bytes=64 * 2**20,
    output_bytes=20_000,
    display_bytes=200_000,
    restarts=2,
)

MODE: SandboxMode = "none" if os.environ.get("GRADER_TEST_SANDBOX") == "none" else "require"
"""With GRADER_TEST_SANDBOX=none, the tests of notebooks and checks run without bubblewrap: nothing may differ."""

Run = Callable[..., Checkpoints]


@pytest.fixture(scope="session")
def limits() -> Limits:
    return LIMITS


@pytest.fixture(scope="session")
def fork_server(limits: Limits) -> Iterator[ForkServer | None]:
    """Sandboxes are started by it wherever several are needed, as for a class."""
    if MODE != "require":
        yield None
        return
    server = ForkServer(["numpy"], limits)
    server.begin()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sandbox(limits: Limits, fork_server: ForkServer | None) -> Iterator[Sandbox]:
    """One sandbox for all tests of a module: what one notebook does must not harm the next."""
    with Sandbox(["numpy"], limits, MODE, server=fork_server) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def run(sandbox: Sandbox, limits: Limits) -> Run:
    """Runs cells, with a stop after each that is named by the cell's number."""

    def run(*sources: str, stops: Sequence[Stop] | None = None, limits: Limits = limits, seed: int = 1) -> Checkpoints:
        if stops is None:
            stops = [Stop(questions=(str(index),), cells=(index,)) for index in range(len(sources))]
        execution = run_notebook(sandbox, code_notebook(*sources), stops, (), limits, seed)
        return Checkpoints(sandbox, execution, limits)

    return run
