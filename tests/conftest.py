"""What all tests share: where the repository is, and the material that is kept beside it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from grader.light import leave_out_unused

if TYPE_CHECKING:
    from grader.assignment.assignment import Assignment
    from grader.execution.forkserver import ForkServer
    from grader.grading.submission import Grader
    from grader.students.bundle.release import Released

ROOT = Path(__file__).resolve().parent.parent

# Rubrics that the tests grade with: their checks are for the grader to run.
collect_ignore = ["data"]

# As in the program: two seconds of each process that runs tests. Before anything imports nbformat.
leave_out_unused()

# A shell starts what runs in the background with interrupts ignored, nohup with hang-ups; and so would be all that the
# tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# On a busy machine, an example that takes long says nothing about the code.
settings.register_profile("grader", deadline=None)
settings.load_profile("grader")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from scheduling import Scheduling

    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    from scheduling import processes

    return processes()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        from scheduling import place

        items.sort(key=place)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real course material, which is kept beside the repository and is no part of it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the course material in ../shared, which is not part of the repository")
    return folder


@pytest.fixture(scope="session")
def server_of() -> Iterator[Callable[[Sequence[str]], ForkServer]]:
    """The fork server for what is preloaded: one for all tests whose sandboxes import the same."""
    from grader.assignment.assignment import Limits
    from grader.execution.forkserver import ForkServer

    servers: dict[tuple[str, ...], ForkServer] = {}

    def server_of(preload: Sequence[str]) -> ForkServer:
        key = tuple(preload)
        if key not in servers:
            # Of the limits, each sandbox is told its own.
            servers[key] = ForkServer(preload, Limits())
            servers[key].begin()
        return servers[key]

    yield server_of
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def worker_of(server_of: Callable[[Sequence[str]], ForkServer]) -> Callable[[Path, int], Grader]:
    """A worker for a rubric, which starts as those of a class do: its sandboxes are forked."""
    from grader.assignment.assignment import load_assignment
    from grader.grading.submission import Grader

    def worker_of(rubric: Path, seed: int) -> Grader:
        assignment = load_assignment(rubric)
        return Grader(assignment, seed, server=server_of(assignment.preload))

    return worker_of


@pytest.fixture(scope="session")
def mini(worker_of: Callable[[Path, int], Grader]) -> Iterator[Grader]:
    """A running worker for the mini assignment. A test that breaks its sandboxes leaves it to mend itself."""
    from notebooks import MINI

    with worker_of(MINI, 1) as worker:
        yield worker


@pytest.fixture(scope="session")
def dl1() -> Assignment:
    """The first assignment of the course."""
    from grader.assignment.assignment import load_assignment

    return load_assignment(ROOT / "rubrics" / "dl1")


@pytest.fixture(scope="session")
def released_dl1(dl1: Assignment, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """What students get of it, in a folder that is not to be changed."""
    from grader.students.bundle.release import release

    return release(dl1, tmp_path_factory.mktemp("released"), seed=20261123)
