"""The fork server of a machine, seen from outside: sandboxes whose imports are there from the start."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from grader.assignment.assignment import Limits
from grader.execution import bubblewrap
from grader.execution.bubblewrap import Bubblewrap
from grader.execution.runfolder import RunFolder, SandboxError
from grader.execution.sandbox import NOT_INSTALLED, Sandbox
from grader.inside import frames
from grader.inside.forkserver import LISTENER

PID = re.compile(r"^Pid:\s*(-?\d+)$", re.MULTILINE)
ANSWER_SECONDS = 60.0
"""Wall time for a zygote to be forked, on a busy machine."""


class ForkedZygote:
    """A zygote that a fork server has started, by its pidfd: no other process can come to be meant."""

    stderr = None

    def __init__(self, pidfd: int) -> None:
        self.pidfd = pidfd
        self.pid = int(PID.findall(Path(f"/proc/self/fdinfo/{pidfd}").read_text())[0])
        """Its number, for people: what is done to it goes by the pidfd."""
        self.ended = False

    def poll(self) -> int | None:
        return self._look(0.0)

    def wait(self) -> int:
        code = self._look(None)
        assert code is not None
        return code

    def kill(self) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if not self.ended and select.select([self.pidfd], [], [], timeout)[0]:
            self.ended = True
            os.close(self.pidfd)
        # How it ended is known to the server alone.
        return 0 if self.ended else None


class Forked:
    """How a zygote is started by a fork server, and what it needs to know."""

    run_folder = Bubblewrap.run_folder
    settings = Bubblewrap.settings

    def __init__(self, server: RunFolder, user: int) -> None:
        """`server`: its run folder."""
        self.server = server
        self.user = user

    def start(self, control: int) -> ForkedZygote:
        """Raises OSError. The zygote ends when the other end of its socket is closed, as it is with this process."""
        try:
            with self.server.connect(Path(LISTENER)) as connection:
                connection.settimeout(ANSWER_SECONDS)
                frames.send(connection, {"user": self.user})
                socket.send_fds(connection, [b"\0"], [control])
                return ForkedZygote(socket.recv_fds(connection, 1, 1)[1][0])
        except (frames.ConnectionLost, SandboxError, IndexError) as error:
            raise OSError(f"the fork server started no zygote ({error})") from None

    def end(self, zygote: ForkedZygote) -> None:
        """All in its namespace die with it."""
        zygote.kill()

    def stop(self, zygote: ForkedZygote) -> None:
        self.end(zygote)
        zygote.wait()


class Lent(NamedTuple):
    """Where other processes find a fork server."""

    keeper: int
    """The process that has started it, and the descriptor of the run folder there."""
    folder: int


class ForkServer(Sandbox):
    """Started once, in a sandbox of its own; any thread may ask it for zygotes."""

    def __init__(self, preload: Iterable[str], limits: Limits) -> None:
        super().__init__(preload, limits)
        self.ready: Future[None] | None = None

    def begin(self) -> None:
        """Start in a thread."""
        self.start_meanwhile()
        self.ready = self.starting

    def lend(self) -> Lent | None:
        """Wait until it is ready; None where there can be none here, or it has ended."""
        assert self.ready is not None
        try:
            self.ready.result()
        except SandboxError:
            return None
        return Lent(os.getpid(), self.folder) if self.alive and self.folder is not None else None

    def walls_for(self, user: int) -> Forked | None:
        """See `Server`."""
        return Forked(self, user) if self.lend() is not None else None

    def _choose(self) -> Bubblewrap:
        if bubblewrap.program() is None:
            raise SandboxError(NOT_INSTALLED)
        return Bubblewrap(self.limits, self.user, "forkserver")


class BorrowedForkServer(RunFolder):
    """The fork server of another process of this machine."""

    def __init__(self, preload: Iterable[str], ask_keeper: Callable[..., Any]) -> None:
        self.preload = list(preload)
        self.ask_keeper = ask_keeper

    def walls_for(self, user: int) -> Forked | None:
        """See `Server`."""
        lent = self.ask_keeper("fork server")
        if lent is None:
            return None
        try:
            self.close_folder()
            self.take_folder(os.open(f"/proc/{lent.keeper}/fd/{lent.folder}", os.O_RDONLY | os.O_DIRECTORY))
        except OSError:
            return None
        return Forked(self, user)
