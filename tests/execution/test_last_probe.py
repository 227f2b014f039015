"""The last to ask a checkpoint: the checkpoint answers by itself, and ends as any probe does."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import msgspec
import pytest

from grader.assignment.assignment import Limits
from grader.execution.checkpoints import Checkpoints, Replacement
from grader.execution.namespace import Namespace
from grader.execution.probe import CheckpointLost, Crashed, StudentError, TimedOut
from grader.execution.sandbox import Sandbox

Run = Callable[..., Checkpoints]

CODE = """
import os, signal, socket, time
count = 0
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
def stubborn():
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    burn(60)
def hang_up():
    for number in range(3, 64):
        try:
            socket.socket(fileno=number).shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    os._exit(5)
"""
PID = "os.getpid()"


@pytest.fixture
def checkpoints(run: Run) -> Checkpoints:
    """The same code, frozen in two places: `0` and `1`."""
    return run(CODE, "count = 1")


@pytest.fixture
def last(checkpoints: Checkpoints) -> Iterator[Namespace]:
    namespace = checkpoints.namespace("0", seed=1, last=True)
    yield namespace
    namespace._close()


def process_of(checkpoints: Checkpoints, question: str) -> int:
    execution = checkpoints.execution
    return execution.processes[execution.after[question]]


def test_a_checkpoint_answers_the_last_to_ask_without_a_fork(checkpoints: Checkpoints) -> None:
    for last in (False, True):
        namespace = checkpoints.namespace("0", seed=1, last=last)
        assert (namespace.eval(PID) == process_of(checkpoints, "0")) is last
        assert namespace.count == 0
        namespace._close()


def test_it_is_gone_afterwards_and_the_others_are_not(
    checkpoints: Checkpoints, last: Namespace, sandbox: Sandbox
) -> None:
    assert last.count == 0
    assert process_of(checkpoints, "0") in sandbox.kept
    last._close()
    assert process_of(checkpoints, "0") not in sandbox.kept
    sandbox.spare()
    assert process_of(checkpoints, "0") not in sandbox.ask("cpu_seconds")
    with pytest.raises(CheckpointLost):
        checkpoints.namespace("0", seed=1).has("count")
    other = checkpoints.namespace("1", seed=1)
    assert other.count == 1
    other._close()


@pytest.mark.parametrize("last", [False, True], ids=["a fork", "the checkpoint itself"])
@pytest.mark.parametrize(
    ("expression", "kind", "message"),
    [
        ("os._exit(3)", Crashed, "the code ended its process with exit status 3"),
        ("os._exit(0)", Crashed, "the code ended its process"),
        ("os.kill(os.getpid(), 9)", Crashed, "the code ended its process by SIGKILL"),
        ("os.kill(os.getpid(), 11)", Crashed, "the code ended its process by SIGSEGV"),
        ("burn(60)", TimedOut, "the code used more than 1 seconds of CPU time"),
        ("stubborn()", TimedOut, "the code used more than 1 seconds of CPU time"),
    ],
)
def test_its_end_is_told_as_that_of_any_probe(
    checkpoints: Checkpoints, expression: str, kind: type[StudentError], message: str, last: bool
) -> None:
    namespace = checkpoints.namespace("0", seed=1, last=last)
    for again in (expression, "count"):
        with pytest.raises(kind) as caught:
            namespace.eval(again)
        assert caught.value.message == message
    namespace._close()
    other = checkpoints.namespace("1", seed=1)
    assert other.count == 1
    other._close()


def test_its_end_is_known_also_where_it_has_cut_its_connection(last: Namespace) -> None:
    with pytest.raises(Crashed, match="exit status 5"):
        last.eval("hang_up()")


def test_its_wall_time_is_bounded_too(checkpoints: Checkpoints, limits: Limits, sandbox: Sandbox) -> None:
    checkpoints.limits = msgspec.structs.replace(limits, check_wall_seconds=1)
    namespace = checkpoints.namespace("0", seed=1, last=True)
    with pytest.raises(TimedOut, match="did not end within 1 seconds"):
        namespace.eval("time.sleep(60)")
    namespace._close()
    sandbox.spare()
    assert process_of(checkpoints, "0") not in sandbox.ask("cpu_seconds")


def test_what_earlier_probes_have_used_is_not_its_own(checkpoints: Checkpoints) -> None:
    for _ in range(2):
        namespace = checkpoints.namespace("0", seed=1)
        namespace.eval("burn(0.7)")
        namespace._close()
    last = checkpoints.namespace("0", seed=1, last=True)
    with pytest.raises(Crashed, match="by SIGKILL"):
        last.eval("os.kill(os.getpid(), 9)")
    last._close()


def test_no_earlier_probe_is_left_to_it(checkpoints: Checkpoints, last: Namespace) -> None:
    earlier = checkpoints.namespace("0", seed=1)
    assert earlier.count == 0
    with pytest.raises(StudentError) as caught:
        last.eval("os.waitpid(-1, os.WNOHANG)")
    assert caught.value.type_name == "ChildProcessError"
    earlier._close()


def test_a_replacement_is_for_the_last_as_well(checkpoints: Checkpoints) -> None:
    namespace = checkpoints.namespace(
        "0", 1, Replacement("def burn(seconds):\n    return 'quickly'", ["burn"]), last=True
    )
    assert namespace.burn(60) == "quickly"
    assert namespace.eval(PID) == process_of(checkpoints, "0")
    namespace._close()


@pytest.mark.parametrize("sent", [b"", b"\xff\xff\xff\xff", b"\0\0\0\1\x01"], ids=["nothing", "too much", "a number"])
def test_who_says_nothing_of_use_gets_no_answer(checkpoints: Checkpoints, sandbox: Sandbox, sent: bytes) -> None:
    with sandbox.connect(checkpoints.execution.after["0"]) as stranger:
        stranger.sendall(sent)
        stranger.shutdown(socket.SHUT_WR)
        assert stranger.recv(100) == b""
    namespace = checkpoints.namespace("0", seed=1)
    assert namespace.count == 0
    namespace._close()


def test_the_next_notebook_finds_nothing_of_one_that_was_left(run: Run, sandbox: Sandbox) -> None:
    run("x = 1")
    sandbox.leave()
    assert sandbox.kept == set()
    sandbox.sweep()
    assert sandbox.ask("cpu_seconds") == {}
