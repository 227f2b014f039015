"""One reference for several workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from notebooks import MINI

from grader.assignment.assignment import RubricError, load_assignment
from grader.execution.probe import StudentError
from grader.execution.runfolder import SandboxError
from grader.grading.expected import LiveReference
from grader.grading.shared import BorrowedReference, SharedReference
from grader.rubric.outcomes import ReferenceFailed

SEED = 1


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedReference]:
    shared = SharedReference(load_assignment(MINI), SEED)
    shared.begin()
    yield shared
    shared.stop()


@pytest.fixture
def workers(shared: SharedReference) -> Iterator[tuple[BorrowedReference, BorrowedReference]]:
    assignment = load_assignment(MINI)
    first, second = (BorrowedReference(assignment, partial(shared.answer, number)) for number in range(2))
    for each in (first, second):
        each.start(SEED)
        each.wait()
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
    inside = psutil.Process(shared.reference.sandbox.process.pid).children(recursive=True)
    inside[0].kill()
    # Until then, a checkpoint may still answer.
    assert psutil.wait_procs(inside, timeout=60)[1] == []
    for each in workers:
        with pytest.raises(SandboxError):
            each.namespace("1.1.b", 1001).quadruple(5)
    runs = [shared.lent]
    for each in workers:
        each.restart(SEED)
        runs.append(shared.lent)
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


def test_whoever_waits_is_told_when_it_is_stopped() -> None:
    shared = SharedReference(load_assignment(MINI), SEED)
    errors: list[Exception] = []

    def borrow() -> None:
        try:
            shared.answer(0, "borrow")
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


def test_what_is_wrong_with_the_reference_is_told_to_each(tmp_path: Path) -> None:
    text = (MINI / "rubric.toml").read_text()
    for file in MINI.rglob("*"):
        if file.is_file():
            to = tmp_path / file.relative_to(MINI)
            to.parent.mkdir(exist_ok=True, parents=True)
            to.write_bytes(file.read_bytes())
    (tmp_path / "rubric.toml").write_text(text.replace('"quadruple(x)"', '"quadruple_of(x)"'))
    shared = SharedReference(load_assignment(tmp_path), SEED)
    shared.begin()
    for number in range(2):
        with pytest.raises(RubricError, match="quadruple_of"):
            shared.answer(number, "borrow")
    shared.stop()
