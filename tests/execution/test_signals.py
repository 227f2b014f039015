"""No signal that code in the sandbox sends reaches the zygote, by whatever way; those to a kernel do what they do."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from notebooks import code_notebook

from grader.assignment.assignment import Limits
from grader.execution.checkpoints import Checkpoints
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox

HELPERS = """
import contextlib, ctypes, fcntl, os, signal, socket, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
ZYGOTE = os.getppid()
NUMBERS = [number for number in range(1, 65)]
CALLS = {"x86_64": (62, 200, 129, 297, 56), "aarch64": (129, 130, 138, 240, 220)}[os.uname().machine]
KILL, TKILL, QUEUE, QUEUE_TO_THREAD, CLONE = CALLS
def attempt(action):
    with contextlib.suppress(OSError, ValueError):
        action()
def each(send):
    for number in NUMBERS:
        attempt(lambda: send(number))
def information(number, code=-1):
    return ctypes.create_string_buffer(struct.pack("=iii4xii", number, 0, code, os.getpid(), os.getuid()), 128)
def at_input(number, owner):
    "The signal that is to tell the owner of a pipe that there is something in it."
    one, other = socket.socketpair()
    attempt(lambda: fcntl.fcntl(one, fcntl.F_SETOWN, owner))
    attempt(lambda: fcntl.fcntl(one, 15, struct.pack("ii", 1, owner)))
    attempt(lambda: fcntl.ioctl(one, 0x8901, struct.pack("i", owner)))
    attempt(lambda: fcntl.fcntl(one, 10, number))
    fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    other.send(b"x")
def child(flags):
    "A child that is to tell its parent of its end by another signal, and its parent is the zygote."
    if libc.syscall(CLONE, flags, 0, 0, 0, 0) == 0:
        os._exit(0)
def orphan(number):
    "The same of one whose parent ends before it."
    pid = os.fork()
    if pid == 0:
        if libc.syscall(CLONE, number, 0, 0, 0, 0) == 0:
            while os.getppid() != ZYGOTE:
                pass
            os._exit(0)
        os._exit(0)
    os.waitpid(pid, 0)
def when_parent_ends(number):
    pid = os.fork()
    if pid == 0:
        libc.prctl(1, number, 0, 0, 0)
        if os.fork():
            os._exit(0)
        libc.prctl(1, number, 0, 0, 0)
        os._exit(0)
    os.waitpid(pid, 0)
"""
WAYS = {
    "kill": "each(lambda n: os.kill(ZYGOTE, n))",
    "kill-by-the-call": "each(lambda n: libc.syscall(KILL, ZYGOTE, n))",
    "kill-many-times": "[each(lambda n: os.kill(ZYGOTE, n)) for _ in range(50)]",
    "kill-its-group": "each(lambda n: os.killpg(os.getpgid(ZYGOTE), n))",
    "kill-a-group-by-its-number": "each(lambda n: os.kill(-ZYGOTE, n))",
    "tgkill": "each(lambda n: libc.tgkill(ZYGOTE, ZYGOTE, n))",
    "tkill": "each(lambda n: libc.syscall(TKILL, ZYGOTE, n))",
    "sigqueue": "each(lambda n: libc.sigqueue(ZYGOTE, n, ctypes.c_void_p(7)))",
    "queue-as-if-from-linux": "each(lambda n: libc.syscall(QUEUE, ZYGOTE, n, information(n, 128)))",
    "queue-to-its-thread": "each(lambda n: libc.syscall(QUEUE_TO_THREAD, ZYGOTE, ZYGOTE, n, information(n)))",
    "by-descriptor": "each(lambda n: signal.pidfd_send_signal(os.pidfd_open(ZYGOTE), n))",
    "by-input": "each(lambda n: at_input(n, ZYGOTE))",
    "by-input-to-its-group": "each(lambda n: at_input(n, -os.getpgid(ZYGOTE)))",
    "by-a-child-of-its-own": "each(lambda n: child(0x8000 | n))",
    "by-an-orphan": "each(orphan)",
    "by-the-end-of-a-parent": "each(when_parent_ends)",
    "by-a-limit": "attempt(lambda: __import__('resource').prlimit(ZYGOTE, 0, (0, 1)))",
    "everybody": "os.fork() or each(lambda n: os.kill(-1, n))",
}


@pytest.fixture(scope="module", params=["require", "none"])
def sandbox(request: pytest.FixtureRequest, limits: Limits) -> Iterator[Sandbox]:
    with Sandbox([], limits, request.param) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def inside(sandbox: Sandbox, limits: Limits) -> Callable[..., Any]:
    """Runs cells, and evaluates an expression after the last of them."""

    def inside(*cells: str, expression: str) -> Any:
        stops = [Stop(questions=("0",), cells=(len(cells) - 1,))]
        execution = run_notebook(sandbox, code_notebook(*cells), stops, (), limits, 1)
        namespace = Checkpoints(sandbox, execution, limits).namespace("0", seed=1)
        try:
            return namespace.eval(expression)
        finally:
            namespace._close()

    return inside


def processes_of(sandbox: Sandbox) -> list[tuple[int, float]]:
    assert sandbox.process is not None
    ours = psutil.Process(sandbox.process.pid)
    return [(each.pid, each.create_time()) for each in (ours, *ours.children()[:1])]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_signal_to_the_zygote_changes_nothing(sandbox: Sandbox, inside: Callable[..., Any], way: str) -> None:
    before = processes_of(sandbox)
    # The kernel itself may come to harm by it; the notebook after it must not.
    inside(HELPERS, way, "x = 1", expression="x")
    assert sandbox.alive
    assert processes_of(sandbox) == before
    assert inside("x = 2", expression="x") == 2
    assert processes_of(sandbox) == before


def test_a_kernel_and_its_programs_react_to_signals_as_python_does(inside: Callable[..., Any]) -> None:
    cell = """
def ended_by(number):
    program = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"], stdout=-1)
    program.stdout.read(1)
    program.send_signal(number)
    return program.wait()
def forked_ended_by(number):
    pid = os.fork()
    if pid == 0:
        while True:
            time.sleep(600)
    os.kill(pid, number)
    return os.waitpid(pid, 0)[1]
ENDED = [ended_by(number) for number in (1, 2, 3, 9, 10, 15, 40)]
FORKED = [forked_ended_by(number) for number in (1, 3, 9, 10, 15, 40)]
ignored = subprocess.run(["cat", "/proc/self/status"], stdout=-1, text=True).stdout.split("SigIgn:")[1].split()[0]
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(600)
except KeyboardInterrupt:
    interrupted = True
"""
    found = inside(HELPERS, cell, expression="[ENDED, FORKED, ignored, interrupted]")
    # Whoever started the tests may ignore signals that Python does not name.
    outside = re.search(r"SigIgn:\s*(\w+)", subprocess.run(["cat", "/proc/self/status"], stdout=-1, text=True).stdout)
    assert outside is not None
    assert found == [[-1, -2, -3, -9, -10, -15, -40], [1, 3, 9, 10, 15, 40], outside[1], True]


def test_an_endless_cell_is_interrupted(sandbox: Sandbox, limits: Limits) -> None:
    endless = "try:\n    while True: sum(range(99))\nexcept KeyboardInterrupt:\n    interrupted = True"
    stops = [Stop(questions=("0",), cells=(1,))]
    execution = run_notebook(sandbox, code_notebook(endless, "x = interrupted"), stops, (), limits, 1)
    assert [(failure.cell, failure.why.split(":")[0]) for failure in execution.failures] == [(0, "stopped")]
    namespace = Checkpoints(sandbox, execution, limits).namespace("0", seed=1)
    assert namespace.x is True
    namespace._close()


def test_the_zygote_listens_to_no_signal_that_can_be_ignored(sandbox: Sandbox) -> None:
    assert sandbox.process is not None
    zygote = psutil.Process(sandbox.process.pid).children()[0].pid
    lines = Path(f"/proc/{zygote}/status").read_text().splitlines()
    ignored = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
    heard = {number for number in signal.valid_signals() if not ignored >> (number - 1) & 1}
    assert heard == {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
