"""A notebook's state, frozen: a fork of the kernel that forks a probe for every connection it gets.

The last to ask it can say so: then it answers by itself, without a fork, and is gone with that connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

from grader.inside import forks, frames
from grader.inside.operations import Operations, State, seed_libraries
from grader.inside.pools import Survey
from grader.inside.sink import Sink

if not TYPE_CHECKING:
    modules = (fcntl, os, resource, select, signal, socket, time)
    fcntl, os, resource, select, signal, socket, time = map(forks.unpatched, modules)

PROBE_LISTEN_BACKLOG = 8
HELLO_SECONDS = 10.0
"""Wall time for the first message of a connection; it is sent with it."""
TRIAL_SECONDS = 5.0
"""Wall time for a fork that only ends again."""


def listen(path: str) -> socket.socket:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(PROBE_LISTEN_BACKLOG)
        # Where a cell has closed the standard streams, it has one of their numbers, which `quiet` takes.
        return socket.socket(fileno=fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))


def fork_checkpoint(
    state: State,
    path: str,
    answer: str = "",
    connection: socket.socket | None = None,
    pools: Survey | None = None,
) -> int:
    """Fork a checkpoint of `state` that listens at `path`; returns its process number, in the caller only.

    It has the calls recorded for `answer`, and the pools that its probes make anew. `connection` is the caller's own,
    which the checkpoint must not hold open. Raises OSError.
    """
    with forks.reserve(), listen(path) as listener:
        pid = forks.fork()
        if pid == 0:
            _be_checkpoint(state, answer, listener, connection, pools)
    return pid


def try_to_fork() -> None:
    """Raises OSError where no checkpoint could be made now."""
    with forks.reserve():
        pid = forks.fork()
        if pid == 0:
            os._exit(0)
    process = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(process, select.POLLIN)
    ended = poller.poll(TRIAL_SECONDS * 1000)
    os.close(process)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not ended:
        raise OSError("what is forked does not go on")


def _be_checkpoint(
    state: State,
    answer: str,
    listener: socket.socket,
    connection: socket.socket | None,
    pools: Survey | None,
) -> NoReturn:
    try:
        if connection is not None:
            connection.close()
        if pools is not None:
            state.pools = pools
        state.keep_recorded(answer)
        quiet(state)
        serve(state, listener)
    finally:
        os._exit(70)


def quiet(state: State) -> None:
    """Cut the forked process off from the notebook's front end, before anything is run in it.

    IPython's own streams write to threads that do not exist after a fork: a print would hang.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for stream in ("stdout", "__stdout__", "stderr", "__stderr__"):
        setattr(sys, stream, Sink())
    sys.displayhook = lambda value: None
    shell = state.shell
    if shell is not None:
        shell.display_pub.publish = lambda *args, **kwargs: None
        shell.display_pub.clear_output = lambda *args, **kwargs: None
        shell.displayhook.session = None
        shell._showtraceback = lambda *args, **kwargs: None


def serve(state: State, listener: socket.socket) -> NoReturn:
    """Fork a probe for each connection; when it dies unasked, tell the other side how."""
    poller = select.poll()
    poller.register(listener.fileno(), select.POLLIN)
    probes: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == listener.fileno():
                connection = _accept(listener)
                hello = _first_message(connection)
                if hello is None:
                    connection.close()
                    continue
                if hello.get("last"):
                    _end_probes(probes)
                    _run_probe(state, listener, connection, {}, hello)
                try:
                    pid = forks.fork()
                except OSError as error:
                    _close_with(connection, ["no probe", str(error)])
                    continue
                if pid == 0:
                    _run_probe(state, listener, connection, probes, hello)
                watch = os.pidfd_open(pid)
                poller.register(watch, select.POLLIN)
                probes[watch] = (pid, connection)
            else:
                pid, connection = probes.pop(descriptor)
                poller.unregister(descriptor)
                os.close(descriptor)
                _, status, usage = os.wait4(pid, 0)
                _close_with(connection, ["died", os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime])


def _accept(listener: socket.socket) -> socket.socket:
    """As `accept`, which would look for the class in its module again: a notebook may have another there."""
    descriptor, _ = listener._accept()  # type: ignore[attr-defined]
    return socket.socket(fileno=descriptor)


def _first_message(connection: socket.socket) -> dict[str, Any] | None:
    """What a new connection says first; None where it says nothing of use, and is not the harness's then."""
    try:
        message = frames.receive(connection, time.monotonic() + HELLO_SECONDS)
    except (frames.ConnectionLost, TimeoutError):
        return None
    connection.settimeout(None)
    return message if isinstance(message, dict) else None


def _end_probes(probes: dict[int, tuple[int, socket.socket]]) -> None:
    """End what is left of earlier probes: a checkpoint that answers by itself has no children."""
    for watch, (pid, connection) in probes.items():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(watch)
        connection.close()


def _close_with(connection: socket.socket, message: list[Any]) -> None:
    """Send a last message; after a probe that ended as asked, nobody listens any more."""
    connection.settimeout(1)
    with connection, contextlib.suppress(frames.ConnectionLost, TimeoutError):
        frames.send(connection, message)


def _run_probe(
    state: State,
    listener: socket.socket,
    connection: socket.socket,
    others: dict[int, tuple[int, socket.socket]],
    hello: dict[str, Any],
) -> NoReturn:
    status = 70
    try:
        listener.close()
        for watch, (_, other) in others.items():
            os.close(watch)
            other.close()
        Probe(state, connection).answer_all(hello)
        status = 0
    finally:
        os._exit(status)


class Probe(Operations):
    """A checkpoint or a fork of it: answers the questions of one check, then is gone."""

    def __init__(self, state: State, connection: socket.socket) -> None:
        super().__init__(state)
        self.connection = connection

    def answer_all(self, request: dict[str, Any]) -> None:
        """Answer this request, and those that come after it until the connection is closed."""
        while True:
            frames.send(self.connection, self.answer(request))
            try:
                request = frames.receive(self.connection)
            except frames.ConnectionLost:
                return

    def do_hello(self, cpu_seconds: int, seed: int, last: bool = False) -> int:
        """Set this probe's limits and random state. RLIMIT_CPU counts this process from its start."""
        if last:
            # A checkpoint has spent some on its earlier probes, which is none of this check's.
            used = resource.getrusage(resource.RUSAGE_SELF)
            cpu_seconds += math.ceil(used.ru_utime + used.ru_stime)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        if hard == resource.RLIM_INFINITY or hard > cpu_seconds + 2:
            hard = cpu_seconds + 2
        resource.setrlimit(resource.RLIMIT_CPU, (min(cpu_seconds, hard), hard))
        forks.give_back()
        if self.state.pools is not None:
            self.state.pools.restart()
        seed_libraries(seed)
        if "matplotlib.pyplot" in sys.modules:
            # The notebook's backend would send every figure to the front end.
            sys.modules["matplotlib.pyplot"].switch_backend("agg")
        return os.getpid()

    def do_checkpoint(self, path: str) -> int:
        """Freeze this probe's state as a checkpoint of its own."""
        self.state.marks[""] = dict.fromkeys(self.state.recorder.calls, 0)
        return fork_checkpoint(self.state, path, "", self.connection)
