"""The sandbox: a zygote, and the socket by which it is told what to do."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Protocol, TypeVar

from grader.assignment.assignment import Limits
from grader.execution import bubblewrap
from grader.execution.bubblewrap import Bubblewrap, last_line
from grader.execution.floor import Floor
from grader.execution.runfolder import RunFolder, SandboxError
from grader.inside import frames

SandboxMode = Literal["require", "auto", "none"]
"""*require*: bubblewrap or nothing. *auto*: bubblewrap where it works. *none*: what can be had without it."""
START_SECONDS = 300.0
"""Wall time for the zygote's imports: torch from a cold disk on a busy machine takes a minute."""
FIRST_USER = 2_000_000_000
"""Where the harness runs as root, student code runs as a user number from here on, which nobody else has."""
STOP_SECONDS = 3.0
"""Wall time for the control socket of a sandbox that was ended to be closed."""
LOOK_SECONDS = 0.05
NOT_INSTALLED = "bubblewrap is not installed; on Debian: sudo apt-get install bubblewrap"
WITHOUT = "to use another sandbox instead: --sandbox auto (see docs/sandbox.md)"


class Process(Protocol):
    """A zygote, or what it was started by, as seen from outside."""

    @property
    def pid(self) -> int: ...

    @property
    def stderr(self) -> IO[bytes] | None: ...

    def poll(self) -> int | None:
        """None while it lives."""
        ...

    def kill(self) -> None: ...

    def wait(self) -> int: ...


P = TypeVar("P", bound=Process)


class Walls(Protocol[P]):
    """How a zygote is started and ended, and what it needs to know."""

    @property
    def run_folder(self) -> str: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    def start(self, control: int) -> P:
        """Start a zygote that obeys this descriptor's socket. Raises OSError."""
        ...

    def end(self, process: P) -> None:
        """End all that is in the sandbox."""
        ...

    def stop(self, process: P) -> None:
        """The same, and wait for it."""
        ...


class Server(Protocol):
    """Forks zygotes that have imported everything already."""

    preload: list[str]

    def walls_for(self, user: int) -> Walls[Any] | None:
        """None where there can be none: then the zygote is started by itself. Waits until the server is ready."""
        ...


class Sandbox(RunFolder):
    """One zygote. Not shared between threads that grade, but its requests may come from any thread."""

    def __init__(
        self,
        preload: Iterable[str],
        limits: Limits,
        mode: SandboxMode = "require",
        *,
        lasting: bool = True,
        server: Server | None = None,
    ) -> None:
        """With `lasting`, it takes longer to start, and less for each of the many notebooks that it is for.

        With a `server` of the same `preload`, it takes no time to start. Only for the mode *require*.
        """
        self.preload = list(preload)
        self.limits = limits
        self.mode = mode
        self.lasting = lasting
        self.server = server
        self.level = ""
        """What student code is kept in, once started: "bubblewrap", "landlock" or "process" (docs/sandbox.md)."""
        self.begun: Future[None] | None = None
        self.starting: Future[None] | None = None
        self.user = _new_user()
        self.lock = threading.Lock()
        self.walls: Walls[Any] | None = None
        self.process: Process | None = None
        self.control: socket.socket | None = None
        self.started = 0
        self.asked_meanwhile = False
        """Whether checkpoints are asked while the notebook is run."""
        self.kept: set[int] = set()
        """The processes of the current notebook that are to stay: its checkpoints and the probes in use."""

    def begin(self) -> None:
        """Begin to start, in a thread: with all that does not depend on `preload`, which is to be set before `start`.

        What goes wrong is told by `start`.
        """
        self.begun = _in_a_thread(self._begin)

    def start_meanwhile(self) -> None:
        """Start in a thread; `start` waits until that is done, and raises what comes of it."""
        if self.starting is None:
            self.starting = _in_a_thread(self._start)

    def start(self) -> None:
        """Start the zygote and wait until everything is imported. Raises SandboxError."""
        if self.starting is None:
            self._start()
            return
        starting = self.starting
        try:
            starting.result()
        finally:
            # Interrupted, it is still there to be stopped.
            if starting.done():
                self.starting = None

    def _start(self) -> None:
        if self.begun is None:
            self._begin()
        else:
            begun = self.begun
            try:
                begun.result()
            finally:
                if begun.done():
                    self.begun = None
        self._import()

    def _begin(self) -> None:
        """Start the zygote, and tell it all but `preload`: it imports what every kernel needs meanwhile."""
        walls = self.walls = self._choose()
        ours, theirs = socket.socketpair()
        try:
            self.process = _starter.submit(walls.start, theirs.fileno()).result()
        except OSError as error:
            ours.close()
            raise SandboxError(f"the sandbox did not start: {error}") from None
        finally:
            theirs.close()
        self.control = ours
        ours.settimeout(START_SECONDS)
        # Where it has ended already, it is `_import` that says why.
        with contextlib.suppress(frames.ConnectionLost, OSError):
            frames.send(ours, self._settings(walls))

    def _import(self) -> None:
        """Have the zygote import the rest, and wait until it is ready."""
        assert self.control is not None
        try:
            with contextlib.suppress(frames.ConnectionLost, OSError):
                frames.send(self.control, {"preload": self.preload})
            answer = frames.receive(self.control)
            if "error" not in answer:
                # Through this descriptor alone can anybody outside reach the run folder, by /proc/self/fd.
                self.take_folder(socket.recv_fds(self.control, 1, 1)[1][0])
        except (frames.ConnectionLost, OSError, IndexError):
            why = self._last_words()
            self._stop()
            hint = f"; {WITHOUT}" if why.startswith("bwrap:") else ""
            raise SandboxError(f"the sandbox did not start: {why}{hint}") from None
        if "error" in answer:
            self._stop()
            raise SandboxError(f"the sandbox could not import what the rubric's `preload` names: {answer['error']}")
        self.level = answer["level"]

    def _choose(self) -> Walls[Any]:
        """Raises SandboxError where there has to be bubblewrap, and there is none."""
        if self.server is not None and self.server.preload == self.preload:
            walls = self.server.walls_for(self.user)
            if walls is not None:
                return walls
        if self.mode == "none" or (self.mode == "auto" and not bubblewrap.works(self.limits, self.user)):
            return Floor(self.user)
        if bubblewrap.program() is None:
            raise SandboxError(f"{NOT_INSTALLED}; {WITHOUT}")
        return Bubblewrap(self.limits, self.user)

    def _last_words(self) -> str:
        assert self.process is not None
        self.process.kill()
        if self.process.stderr is None:
            return "it has ended"
        # Whatever may still hold it open, this does not wait for.
        os.set_blocking(self.process.stderr.fileno(), False)
        self.process.wait()
        return last_line(self.process.stderr.read() or b"")

    def _settings(self, walls: Walls[Any]) -> dict[str, Any]:
        return {
            **walls.settings,
            "lasting": self.lasting,
            "memory_bytes": self.limits.memory_bytes,
            "total_memory_bytes": self.limits.total_memory_bytes,
            "processes": self.limits.processes,
            "disk_bytes": self.limits.disk_bytes,
            "output_bytes": self.limits.output_bytes,
            "display_bytes": self.limits.display_bytes,
        }

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have the zygote do something; raises SandboxError when it is gone or cannot."""
        with self.lock:
            if self.control is None:
                raise SandboxError("the sandbox is not running")
            try:
                frames.send(self.control, {"do": do, **arguments})
                answer = frames.receive(self.control)
            except (frames.ConnectionLost, TimeoutError) as error:
                raise SandboxError(f"the sandbox is gone ({error})") from None
        if "error" in answer:
            raise SandboxError(f"the sandbox could not {do}: {answer['error']}")
        return answer["value"]

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def path(self, name: str) -> Path:
        """A new path in the run folder, as it is called inside."""
        self.started += 1
        if self.walls is None:
            raise SandboxError("the sandbox is not running")
        self.reopen()
        return Path(self.walls.run_folder, f"{name}-{self.started}")

    def cpu_seconds(self) -> dict[int, float]:
        """CPU time of each process of the notebook, with that of its dead children. Raises SandboxError."""
        kept = sorted(self.kept)
        seconds: dict[int, float] = self.ask("cpu_seconds", kept=kept, of_kernel=self.asked_meanwhile)
        return seconds

    def over_memory(self, since: float = 0.0) -> str | None:
        """Where a process of this notebook was ended, as all together had too much memory: how much is too much.

        After a time of `time.monotonic()`. Raises SandboxError.
        """
        if not self.ask("over_memory", since=since):
            return None
        return f"{self.limits.total_memory_bytes / 2**30:.3g} GiB of memory"

    def sweep(self) -> None:
        """Make it as if no notebook had been here, in a new sandbox where need be. Raises SandboxError."""
        self.kept.clear()
        if not self.ask("sweep"):
            self.stop()
            self.start()

    def leave(self) -> None:
        """Have all processes of the notebook end, without waiting for it. It is `sweep` that makes sure."""
        self.kept.clear()
        self.spare(dying=10**6)

    def spare(self, dying: int = 0) -> None:
        """End all processes in here but those that are to stay; no more than `dying` may live a moment longer."""
        self.ask("spare", pids=sorted(self.kept), dying=dying)

    def check_alive(self) -> None:
        """Raises SandboxError if the zygote does not answer; `alive` becomes False only a moment after its death."""
        self.ask("poll", pid=0)

    def stop(self) -> None:
        """End everything in the sandbox, and wait until it has ended."""
        for start in (self.starting, self.begun):
            # What it is importing is not waited for.
            while start is not None and not start.done():
                process, walls = self.process, self.walls
                if process is not None and walls is not None:
                    walls.end(process)
                wait([start], LOOK_SECONDS)
        self.starting = self.begun = None
        self._stop()

    def _stop(self) -> None:
        if self.process is not None:
            assert self.walls is not None
            self.walls.stop(self.process)
            if self.process.stderr is not None:
                self.process.stderr.close()
            self.process = None
        with self.lock:
            if self.control is not None:
                _wait_until_closed(self.control)
                self.control.close()
                self.control = None
        self.close_folder()
        self.kept.clear()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self.stop()


_starter = ThreadPoolExecutor(1)
"""The thread that starts processes which end with it: it lasts as long as this process."""


def _in_a_thread(function: Callable[[], None]) -> Future[None]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(function)
    pool.shutdown(wait=False)
    return future


_numbers = itertools.count()


def _new_user() -> int:
    """A user number that no other sandbox on this machine has, so that their process limits count apart.

    0 where this process is not root, or is root only in a container that has no such users.
    """
    if os.geteuid() != 0:
        return 0
    user = FIRST_USER + os.getpid() % 2**20 * 64 + next(_numbers) % 64
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= user < first + count:
            return user
    return 0


def _wait_until_closed(control: socket.socket) -> None:
    control.settimeout(STOP_SECONDS)
    with contextlib.suppress(OSError):
        control.shutdown(socket.SHUT_WR)
        while control.recv(2**16):
            pass
