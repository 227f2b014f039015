"""One reference, and one fork server, for several workers."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell
from notebooks import MINI
from sandboxes import zygote_of

from grader.assignment.assignment import RubricError, load_assignment
from grader.execution.forkserver import ForkServer
from grader.execution.probe import StudentError
from grader.execution.reference import Reference
from grader.execution.runfolder import SandboxError
from grader.grading.expected import LiveReference
from grader.grading.shared import BorrowedReference, SharedReference
from grader.rubric.outcomes import ReferenceFailed

SEED = 1
WAITS = """
import os, time
os.mkdir("/tmp/waits")
while os.path.exists("/tmp/waits"):
    time.sleep(0.01)
"""
"""A cell that runs until a probe, which sees the same folder, lets it end."""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    assignment = load_assignment(MINI)
    server = ForkServer(assignment.preload, assignment.limits)
    server.begin()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared(server: ForkServer) -> Iterator[SharedReference]:
    shared = SharedReference(load_assignment(MINI), SEED, server)
    shared.begin()
    yield shared
    shared.stop()


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """A rubric to change."""
    return shutil.copytree(MINI, tmp_path / "mini")


@pytest.fixture
def workers(shared: SharedReference) -> Iterator[tuple[BorrowedReference, BorrowedReference]]:
    assignment = load_assignment(MINI)
    first, second = (BorrowedReference(assignment, partial(shared.answer, number)) for number in range(2))
    for each in (first, second):
        each.start(SEED)
        each.wait()
    # What is left running is told from what the reference itself runs.
    shared.answer(0, "borrow", "no question")
    yield first, second
    for number, each in enumerate((first, second)):
        each.stop()
        shared.forget(number)


def processes(shared: SharedReference) -> set[int]:
    assert shared.reference is not None
    return set(shared.reference.sandbox.cpu_seconds())


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_answers_each_as_a_reference_of_its_own_would(workers: tuple[BorrowedReference, BorrowedReference]) -> None:
    own = LiveReference(load_assignment(MINI))
    try:
        own.start(SEED)
        for question, name, value in (("1.1.a", "double", 21), ("1.1.b", "quadruple", -3)):
            expected = getattr(own.namespace(question, 7), name)(value)
            assert [getattr(each.namespace(question, 7), name)(value) for each in workers] == [expected, expected]
    finally:
        own.stop()


def test_a_probe_lives_while_others_are_closed_and_nothing_stays_after_the_last(
    shared: SharedReference, workers: tuple[BorrowedReference, BorrowedReference]
) -> None:
    first, second = workers
    before = processes(shared)
    assert first.checkpoints is not None
    assert second.checkpoints is not None
    one = first.checkpoints.probe("1.1.a", 3)
    assert one.ask("has", name="double") is True
    for _ in range(5):
        other = second.checkpoints.probe("1.1.a", 3)
        assert other.ask("has", name="nothing") is False
        other.close()
        assert one.ask("has", name="double") is True
    one.close()
    wait_until(lambda: processes(shared) <= before)


def test_the_probes_of_a_worker_that_died_do_not_stay(
    shared: SharedReference, workers: tuple[BorrowedReference, BorrowedReference]
) -> None:
    before = processes(shared)
    assert workers[0].checkpoints is not None
    probe = workers[0].checkpoints.probe("1.1.a", 3)
    assert processes(shared) > before
    probe.connection.close()
    shared.forget(0)
    wait_until(lambda: processes(shared) <= before)


def test_its_errors_are_the_references(workers: tuple[BorrowedReference, BorrowedReference]) -> None:
    with pytest.raises(ReferenceFailed, match="the reference raised"):
        workers[0].namespace("1.1.a", 5).eval("1 / 0")
    assert workers[0].checkpoints is not None
    probe = workers[0].checkpoints.probe("1.1.a", 5)
    with pytest.raises(StudentError, match="by SIGKILL"):
        probe.ask("eval", source="__import__('os').kill(__import__('os').getpid(), 9)", values={})
    probe.close()
    assert workers[0].namespace("1.1.a", 5).double(4) == 8


def test_nothing_else_can_be_asked_of_its_sandbox(shared: SharedReference) -> None:
    for request in (("ask", "sweep", {}), ("ask", "kernel", {}), ("stop",), ()):
        with pytest.raises(ValueError, match="nothing is known of"):
            shared.answer(0, *request)


def test_a_sandbox_that_breaks_is_replaced_once_for_all(
    shared: SharedReference, workers: tuple[BorrowedReference, BorrowedReference]
) -> None:
    assert shared.reference is not None
    assert shared.reference.sandbox.process is not None
    zygote = zygote_of(shared.reference.sandbox)
    inside = [zygote, *zygote.children(recursive=True)]
    zygote.kill()
    # Until then, a checkpoint may still answer.
    assert psutil.wait_procs(inside, timeout=60)[1] == []
    for each in workers:
        with pytest.raises(SandboxError):
            each.namespace("1.1.b", 1001).quadruple(5)
    runs = [shared.reference]
    for each in workers:
        each.restart(SEED)
        runs.append(shared.reference)
        assert each.namespace("1.1.b", 1001).quadruple(5) == 20
    assert runs[0] is not runs[1] is runs[2]


def test_a_worker_whose_own_sandbox_breaks_leaves_the_reference_to_the_others(
    shared: SharedReference, workers: tuple[BorrowedReference, BorrowedReference]
) -> None:
    first, second = workers
    assert second.checkpoints is not None
    probe = second.checkpoints.probe("1.1.a", 3)
    run = shared.lent
    first.restart(SEED)
    assert first.namespace("1.1.b", 1002).quadruple(6) == 24
    assert probe.ask("has", name="double") is True
    probe.close()
    assert shared.lent is run


def test_whoever_waits_is_told_when_it_is_stopped(server: ForkServer) -> None:
    shared = SharedReference(load_assignment(MINI), SEED, server)
    errors: list[Exception] = []

    def borrow() -> None:
        try:
            shared.answer(0, "borrow", "1.1.b")
        except SandboxError as error:
            errors.append(error)

    waiting = threading.Thread(target=borrow)
    waiting.start()
    shared.begin()
    wait_until(lambda: shared.reference is not None)
    shared.stop()
    waiting.join(60)
    assert len(errors) == 1
    with pytest.raises(SandboxError, match="is not running"):
        shared.answer(0, "open")


def test_what_is_wrong_with_the_reference_is_told_to_each(mini: Path, server: ForkServer) -> None:
    text = (mini / "rubric.toml").read_text()
    (mini / "rubric.toml").write_text(text.replace('"quadruple(x)"', '"quadruple_of(x)"'))
    shared = SharedReference(load_assignment(mini), SEED, server)
    shared.begin()
    for number in range(2):
        with pytest.raises(RubricError, match="quadruple_of"):
            shared.answer(number, "borrow", "")
    shared.stop()


def add_cell(rubric: Path, place: int, source: str) -> None:
    path = load_assignment(rubric).reference
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(place, new_code_cell(source))
    nbformat.write(notebook, path)


def second_answer(rubric: Path) -> int:
    """Where it begins."""
    return min(Reference(load_assignment(rubric)).answers["1.1.b"].cells)


@contextlib.contextmanager
def running(rubric: Path, server: ForkServer) -> Iterator[tuple[SharedReference, BorrowedReference]]:
    """A shared reference that has begun to run, and one who asks it."""
    assignment = load_assignment(rubric)
    shared = SharedReference(assignment, SEED, server)
    shared.begin()
    try:
        reference = BorrowedReference(assignment, partial(shared.answer, 0))
        reference.wait()
        yield shared, reference
    finally:
        shared.stop()


def test_it_is_asked_while_it_runs(mini: Path, server: ForkServer) -> None:
    add_cell(mini, second_answer(mini), WAITS)
    with running(mini, server) as (shared, reference):
        assert reference.namespace("1.1.a", 7).double(4) == 8
        assert shared.lent is not None
        assert not shared.lent.whole
        # A probe of that question ends what the next one waits for; an earlier one's end does not end the run.
        ending = reference.namespace("1.1.a", 8)
        wait_until(lambda: ending.eval("__import__('os').path.exists('/tmp/waits')") is True)
        ending.eval("__import__('os').rmdir('/tmp/waits')")
        assert reference.namespace("1.1.b", 7).quadruple(4) == 16


def test_a_cell_that_fails_is_told_to_those_who_ask_for_more_and_to_nobody_before(
    mini: Path, server: ForkServer
) -> None:
    add_cell(mini, second_answer(mini), "raise ValueError('later')")
    with running(mini, server) as (shared, reference):
        assert reference.namespace("1.1.a", 7).double(4) == 8
        asked = reference.namespace("1.1.b", 7)
        with pytest.raises(RubricError, match="raised ValueError: later"):
            asked.quadruple(4)
        with pytest.raises(RubricError, match="raised ValueError: later"):
            shared.finish()


def test_whoever_has_no_fork_server_starts_sandboxes_of_their_own(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "lend", lambda: None)
    with running(MINI, server) as (shared, reference):
        assert shared.answer(0, "fork server") is None
        assert reference.namespace("1.1.b", 7).quadruple(4) == 16
