"""Worker processes as an Executor. Unlike in the standard library's, one that dies costs only what it was doing."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, ParamSpec, Protocol, TypeVar

from grader.execution.owntime import Elsewhere

STOP_SECONDS = 2.0
"""Wall time for a worker to put its things in order before it is killed. Its sandboxes end with it in any case."""
INTERRUPT = signal.SIGUSR1
"""How a worker is told to end. What a whole process group is sent, by a terminal or by `timeout`, it leaves to those
who started it."""
LEFT_TO_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
F_SETSIG = 10

P = ParamSpec("P")
T = TypeVar("T")
Tell = Callable[[int, str], None]
"""Told, from any thread, what a worker (counted from 0) is doing."""


class Serves(Protocol):
    """What workers can ask those who started them; from any thread."""

    def answer(self, worker: int, *request: Any) -> Any:
        """The answer to a request of a worker (counted from 0). It may raise what can be pickled."""
        ...

    def forget(self, worker: int) -> None:
        """A worker is gone; another takes its place."""
        ...


# Not forked from this process, which may have threads and sandboxes of its own, but from one that only has imported
# what they need: then it is imported once, and its memory is shared.
_context = multiprocessing.get_context("forkserver")
_preparing = threading.Lock()
PARENT, IMPORTS = "grader.grading.parent", "GRADER_IMPORTS"
"""The module that it imports, and where it finds what else it is to import."""


def keep_out_the_working_folder() -> None:
    """In the Python processes to come: they would look there first, and it may be the folder of the hand-ins."""
    os.environ["PYTHONSAFEPATH"] = "1"


def prepare(modules: Iterable[str] = ()) -> None:
    """Start the process that workers are forked from, and import these in it. Of several calls, the first counts.

    Returns at once. What cannot be imported is left to the workers.
    """
    with _preparing:
        _context.set_forkserver_preload([PARENT])
        keep_out_the_working_folder()
        # What a process is born with, it keeps until it says otherwise: Ctrl-C in a terminal reaches the workers too,
        # and must not find one that is not ready for it. To start its tracker, multiprocessing would unblock signals.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {*LEFT_TO_PARENT, INTERRUPT})
        os.environ[IMPORTS] = " ".join(modules)
        try:
            forkserver.ensure_running()
        finally:
            del os.environ[IMPORTS]
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


class WorkerDied(Exception):
    """The process that was to do this has ended. Another takes its place for what comes next.

    `overtime`: what it was `at`, where it ended itself because that did not end.
    """

    def __init__(self, why: str, overtime: str = "") -> None:
        super().__init__(why)
        self.overtime = overtime


class Workers(Executor):
    """`count` processes, each doing one thing at a time; `start` is called in each before anything else."""

    def __init__(
        self,
        count: int,
        start: Callable[[], object] | None = None,
        tell: Tell | None = None,
        serves: Serves | None = None,
    ) -> None:
        self._queue: queue.SimpleQueue[tuple[Future[Any], tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._closed = False
        self._cancelled = threading.Event()
        self._slots = [_Slot(number, start, tell, serves, self._cancelled) for number in range(count)]
        self._threads = [threading.Thread(target=slot.work, args=(self._queue,), daemon=True) for slot in self._slots]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a worker call `function`, which it must be able to import. The future may raise WorkerDied."""
        if self._closed:
            raise RuntimeError("these workers have been shut down")
        future: Future[T] = Future()
        self._queue.put((future, (function, args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers finish; with `cancel_futures`, what they are at is broken off too."""
        if not self._closed:
            self._closed = True
            for _ in self._slots:
                self._queue.put(None)
        if cancel_futures:
            self._cancelled.set()
            for slot in self._slots:
                slot.interrupt()
            deadline = time.monotonic() + STOP_SECONDS
            for slot in self._slots:
                slot.kill_at(deadline)
        if wait:
            for thread in self._threads:
                thread.join()

    @property
    def pids(self) -> list[int]:
        """The processes as of now."""
        return [slot.process.pid for slot in self._slots if slot.process is not None and slot.process.pid is not None]


class _Slot:
    """The place of one worker, and the thread that speaks to whichever process has it."""

    def __init__(
        self,
        number: int,
        start: Callable[[], object] | None,
        tell: Tell | None,
        serves: Serves | None,
        cancelled: threading.Event,
    ) -> None:
        self.number = number
        self.start = start
        self.tell = tell
        self.serves = serves
        self.cancelled = cancelled
        self.lock = threading.Lock()
        self.process: BaseProcess | None = None
        self.connection: Connection | None = None
        self.fresh = False
        """Whether the process has not been told yet to `start`."""
        self.at = ""
        """What the worker has last said that it is at."""

    def work(self, todo: queue.SimpleQueue[tuple[Future[Any], tuple[Any, ...]] | None]) -> None:
        # Should the process that they are forked from have to be started again.
        signal.pthread_sigmask(signal.SIG_BLOCK, {*LEFT_TO_PARENT, INTERRUPT})
        # What goes wrong here goes wrong again when there is something to do, and is told to whoever asks for that.
        with contextlib.suppress(Exception):
            prepare()
            self._ready()
        while (item := todo.get()) is not None:
            future, call = item
            if not self.cancelled.is_set() and future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._call(call))
                except BaseException as error:
                    future.set_exception(error)
            else:
                future.cancel()
        self._stop()

    def _call(self, call: tuple[Any, ...]) -> Any:
        process, connection = self._ready()
        return self._exchange(process, connection, call)

    def _ready(self) -> tuple[BaseProcess, Connection]:
        """A process that has done what it is to do first."""
        process, connection = self._ensure_process()
        if self.fresh:
            self._exchange(process, connection, self.start)
            self.fresh = False
        return process, connection

    def _exchange(self, process: BaseProcess, connection: Connection, message: Any) -> Any:
        """Have the process do something; answer meanwhile what it asks."""
        try:
            self.at = ""
            connection.send(message)
            while True:
                # What it said before it ended is still to be read.
                if connection not in wait([connection, process.sentinel]):
                    raise EOFError
                kind, value = connection.recv()
                if kind == "result":
                    return value
                if kind == "error":
                    raise value
                if kind == "at":
                    self.at = value
                elif kind == "ask":
                    connection.send(self._answer(value))
                elif self.tell is not None:
                    self.tell(self.number, value)
        except (EOFError, ConnectionError):
            why, code = self._bury(process)
            raise WorkerDied(why, self.at if code == -signal.SIGPROF else "") from None

    def _answer(self, request: tuple[Any, ...]) -> tuple[str, Any]:
        if self.serves is None:
            return "error", RuntimeError("there is nobody to ask")
        try:
            return "result", self.serves.answer(self.number, *request)
        except Exception as error:
            return "error", error

    def _ensure_process(self) -> tuple[BaseProcess, Connection]:
        with self.lock:
            if self.cancelled.is_set():
                raise WorkerDied("it was told to end")
            if self.process is None or self.connection is None or not self.process.is_alive():
                self.connection, theirs = _context.Pipe()
                arguments = theirs, self.serves is not None
                self.process = _context.Process(target=_serve, args=arguments, name=f"grader-{self.number}")
                self.process.start()
                theirs.close()
                self.fresh = True
            return self.process, self.connection

    def _bury(self, process: BaseProcess) -> tuple[str, int | None]:
        process.join(STOP_SECONDS)
        code = process.exitcode
        if self.serves is not None:
            self.serves.forget(self.number)
        with self.lock:
            if self.connection is not None:
                self.connection.close()
            self.process = self.connection = None
        killed = code is not None and code < 0
        return f"killed by {signal.Signals(-code).name}" if code and killed else f"exit status {code}", code

    def interrupt(self) -> None:
        with self.lock:
            process = self.process
            # Where it has ended without anybody knowing, its number is not yet another's.
            if process is not None and process.pid is not None and process.exitcode is None:
                os.kill(process.pid, INTERRUPT)

    def kill_at(self, deadline: float) -> None:
        """Wait until it has ended, and kill it where it has not by then."""
        process = self.process
        if process is not None and not wait([process.sentinel], max(0.0, deadline - time.monotonic())):
            process.kill()

    def _stop(self) -> None:
        with self.lock:
            if self.process is None or self.connection is None:
                return
            self.connection.close()
            self.process.join(STOP_SECONDS)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
            self.process = self.connection = None


# In the worker


_connection: Connection | None = None
_served = False
_asking = threading.Lock()


def tell(what: str) -> None:
    """Let those who started this worker know what it does now; elsewhere than in a worker, nobody is told."""
    if _connection is not None:
        _connection.send(("tell", what))


def at(what: str) -> None:
    """Let those who started this worker know what may not come to its end: see WorkerDied."""
    if _connection is not None:
        _connection.send(("at", what))


def ask(*request: Any) -> Any:
    """Ask those who started this worker, as they serve it. Waits for the answer; raises what they raise, EOFError.

    From any thread, while the worker does something that it was told to.
    """
    assert _connection is not None
    # An answer that nobody has waited for would be taken for the next one.
    with Elsewhere(), _asking:
        _connection.send(("ask", request))
        kind, value = _connection.recv()
    if kind == "error":
        raise value
    return value


def is_served() -> bool:
    """Whether this process is a worker that can `ask`."""
    return _served


def is_worker() -> bool:
    """Whether this process is a worker, in whose place another is started where it ends."""
    return _connection is not None


def _serve(connection: Connection, served: bool) -> None:
    global _connection, _served
    # What is there by now stays, and stays shared.
    gc.freeze()
    # With the process that it was forked from: then nobody would hear of its end.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    die_with_parent()
    # A handler of its own, for a signal that is ignored would be ignored by all that is started from here.
    for number in LEFT_TO_PARENT:
        signal.signal(number, lambda number, frame: None)
    keep_quiet_where_lost()
    signal.signal(INTERRUPT, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*LEFT_TO_PARENT, INTERRUPT})
    _connection, _served = connection, served
    # The end of it all: what was begun is put in order by whoever began it, and by multiprocessing's finalizers.
    with contextlib.suppress(KeyboardInterrupt, EOFError, ConnectionError):
        # Only now, for with this comes what it imports.
        start = connection.recv()
        if start is not None:
            start()
        connection.send(("result", None))
        while True:
            function, args, kwargs = connection.recv()
            try:
                answer = ("result", function(*args, **kwargs))
            except Exception as error:
                answer = ("error", error)
            connection.send(answer)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def keep_quiet_where_lost() -> None:
    """No traceback of a KeyboardInterrupt that Python drops, in a destructor or at a fork: time sees to the end."""
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)

    sys.unraisablehook = hook


def die_with_parent() -> None:
    """Have Linux kill this process when its parent ends, also while a call into a library holds up all of Python.

    A parent that is killed can tell nobody. The sandboxes of this process end with its sockets.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        assert isinstance(sentinel, int)
        fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(sentinel, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)
        if wait([sentinel], 0):
            os._exit(1)
