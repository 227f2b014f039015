"""A notebook's state, frozen: a fork of the kernel that forks a probe for every connection it gets.

The last to ask it can say so: then it answers by itself, without a fork, and is gone with that connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import linecache
import math
import os
import random
import resource
import select
import signal
import socket
import sys
import time
import traceback
from types import TracebackType
from typing import Any, NoReturn

from grader.inside import frames, wire
from grader.inside.cells import PREFIX
from grader.inside.recording import Recorder, message_of

PROBE_LISTEN_BACKLOG = 8
HELLO_SECONDS = 10.0
"""Wall time for the first message of a connection; it is sent with it."""
MAX_TEXT = 20_000
"""Characters of a student's error message or traceback that are handed over."""


class State:
    """The namespace of one notebook, as the probes of a checkpoint see it."""

    def __init__(self, names: dict[str, Any], shell: Any = None) -> None:
        self.names = names
        self.shell = shell
        self.handles: dict[int, Any] = {}
        self.recorder = Recorder(self.keep)
        self.originals: dict[str, tuple[Any, Any]] = {}
        """Functions whose calls are recorded while cells run: the wrapper and the function."""
        self.marks: dict[str, dict[str, int]] = {}
        """For each answer whose cells are being recorded: the functions, and how many calls were before."""

    def keep(self, value: Any) -> tuple[int, str]:
        """Give an object that is not data a number; one object has one number as long as it lives."""
        number = id(value)
        self.handles[number] = value
        return number, wire.type_name(value)

    def find(self, number: int, name: str) -> Any:
        try:
            return self.handles[number]
        except KeyError:
            raise wire.WireError(f"handle {number} is not of this namespace") from None

    def start_recording(self, answer: str, names: list[str]) -> None:
        """Record the calls that the cells of an answer make, with the arguments as they are afterwards."""
        self.marks[answer] = {}
        for name in names:
            function = self.names.get(name)
            self.marks[answer][name] = len(self.recorder.calls.setdefault(name, []))
            recorded = name in self.originals and self.originals[name][0] is function
            if callable(function) and not isinstance(function, type) and not recorded:
                wrapper = self.recorder.wrap(name, function, after=True)
                self.originals[name] = (wrapper, function)
                self.names[name] = wrapper

    def stop_recording(self, answer: str) -> None:
        """Put back the functions that are recorded for this answer alone."""
        self.marks.pop(answer, None)
        self._put_back({name for marks in self.marks.values() for name in marks})
        if not self.marks:
            self.recorder = Recorder(self.keep)

    def keep_recorded(self, answer: str) -> None:
        """Keep only the calls by the cells of this answer; nothing is recorded any more."""
        marks = self.marks.get(answer, {})
        self.recorder.calls = {name: self.recorder.calls[name][before:] for name, before in marks.items()}
        self.marks.clear()
        self._put_back(set())

    def _put_back(self, wanted: set[str]) -> None:
        for name in self.originals.keys() - wanted:
            wrapper, function = self.originals.pop(name)
            # A cell may have defined the name again meanwhile.
            if self.names.get(name) is wrapper:
                self.names[name] = function


def listen(path: str) -> socket.socket:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(PROBE_LISTEN_BACKLOG)
        # Where a cell has closed the standard streams, it has one of their numbers, which `quiet` takes.
        return socket.socket(fileno=fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))


def fork_checkpoint(state: State, path: str, answer: str = "", connection: socket.socket | None = None) -> int:
    """Fork a checkpoint of `state` that listens at `path`; returns its process number, in the caller only.

    It has the calls recorded for `answer`. `connection` is the caller's own, which the checkpoint must not hold open.
    """
    with listen(path) as listener:
        pid = os.fork()
        if pid == 0:
            _be_checkpoint(state, answer, listener, connection)
    return pid


def _be_checkpoint(state: State, answer: str, listener: socket.socket, connection: socket.socket | None) -> NoReturn:
    try:
        if connection is not None:
            connection.close()
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
        setattr(sys, stream, _Sink())
    sys.displayhook = lambda value: None
    shell = state.shell
    if shell is not None:
        shell.display_pub.publish = lambda *args, **kwargs: None
        shell.display_pub.clear_output = lambda *args, **kwargs: None
        shell.displayhook.session = None
        shell._showtraceback = lambda *args, **kwargs: None


class _Sink(io.TextIOBase):
    """Where print goes in a checkpoint and its probes."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def fileno(self) -> int:
        return 1


def serve(state: State, listener: socket.socket) -> NoReturn:
    """Fork a probe for each connection; when it dies unasked, tell the other side how."""
    poller = select.poll()
    poller.register(listener.fileno(), select.POLLIN)
    probes: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == listener.fileno():
                connection, _ = listener.accept()
                hello = _first_message(connection)
                if hello is None:
                    connection.close()
                    continue
                if hello.get("last"):
                    _end_probes(probes)
                    _run_probe(state, listener, connection, {}, hello)
                try:
                    pid = os.fork()
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


class Probe:
    """A checkpoint or a fork of it: answers the questions of one check, then is gone."""

    def __init__(self, state: State, connection: socket.socket) -> None:
        self.state = state
        self.connection = connection

    def answer_all(self, request: dict[str, Any]) -> None:
        """Answer this request, and those that come after it until the connection is closed."""
        while True:
            frames.send(self.connection, self.answer(request))
            try:
                request = frames.receive(self.connection)
            except frames.ConnectionLost:
                return

    def answer(self, request: dict[str, Any]) -> list[Any]:
        """One of `["value", bytes]`, `["error", {...}]` (the student's), `["refused", text]` (the wire's)."""
        operation = getattr(self, f"do_{request['do']}")
        arguments = {key: value for key, value in request.items() if key != "do"}
        try:
            result = operation(**arguments)
            return ["value", wire.pack(result, self.state.keep)]
        except wire.WireError as error:
            return ["refused", str(error)]
        except Missing as error:
            return ["missing", str(error)]
        except BaseException as error:
            return ["error", describe(error)]

    def unpack(self, data: bytes) -> Any:
        return wire.unpack(data, self.state.find)

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
        seed_libraries(seed)
        if "matplotlib.pyplot" in sys.modules:
            # The notebook's backend would send every figure to the front end.
            sys.modules["matplotlib.pyplot"].switch_backend("agg")
        return os.getpid()

    def do_has(self, name: str) -> bool:
        return name in self.state.names

    def do_get(self, name: str) -> Any:
        return self.lookup(name)

    def do_call(self, name: str, args: list[bytes], kwargs: dict[str, bytes]) -> Any:
        return self.apply(self.lookup(name), args, kwargs)

    def do_call_handle(self, handle: int, args: list[bytes], kwargs: dict[str, bytes]) -> Any:
        return self.apply(self.state.find(handle, ""), args, kwargs)

    def do_eval(self, source: str, values: dict[str, bytes]) -> Any:
        with _Values(self.state.names, {name: self.unpack(value) for name, value in values.items()}):
            return eval(compile(source.strip(), "<check>", "eval"), self.state.names)

    def do_exec(self, source: str, values: dict[str, bytes]) -> None:
        with _Values(self.state.names, {name: self.unpack(value) for name, value in values.items()}):
            exec(compile(source, "<check>", "exec"), self.state.names)

    def do_replace(self, name: str, value: bytes) -> None:
        self.state.names[name] = self.unpack(value)

    def do_replace_by_expression(self, name: str, source: str) -> None:
        self.state.names[name] = eval(compile(source.strip(), "<check>", "eval"), self.state.names)

    def do_replace_by_constant(self, name: str, value: bytes) -> None:
        self.state.names[name] = lambda *args, **kwargs: self.unpack(value)

    def do_record(self, name: str) -> bool:
        """Start recording `name`, unless its calls by the question's cells were recorded already."""
        recorder = self.state.recorder
        if name in recorder.calls:
            return False
        self.state.names[name] = recorder.wrap(name, self.lookup(name))
        return True

    def do_count_calls(self, name: str) -> int:
        return len(self.state.recorder.calls.get(name, []))

    def do_calls(self, name: str, start: int, stop: int) -> list[dict[str, Any]]:
        return self.state.recorder.calls.get(name, [])[start:stop]

    def do_recorded_value(self, number: int) -> Any:
        return self.unpack(self.state.recorder.values[number])

    def do_define(self, source: str, names: list[str]) -> list[str]:
        """Run definitions apart from the notebook and take `names` over into it; returns those not defined."""
        apart: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
        exec(compile(source, "<reference>", "exec"), apart)
        for name in names:
            if name in apart:
                self.state.names[name] = apart[name]
        return [name for name in names if name not in apart]

    def do_run_cells(self, sources: list[str], record: list[str]) -> list[str]:
        """Run cells as the notebook would, each whatever the one before did; returns their error messages."""
        self.state.start_recording("", record)
        errors = []
        try:
            for source in sources:
                outcome = self.state.shell.run_cell(source, store_history=False)
                error = outcome.error_before_exec or outcome.error_in_exec
                if error is not None:
                    errors.append(f"{type(error).__name__}: {message_of(error)}"[:500])
        finally:
            self.state.keep_recorded("")
        return errors

    def do_checkpoint(self, path: str) -> int:
        """Freeze this probe's state as a checkpoint of its own."""
        self.state.marks[""] = dict.fromkeys(self.state.recorder.calls, 0)
        return fork_checkpoint(self.state, path, "", self.connection)

    def lookup(self, name: str) -> Any:
        try:
            return self.state.names[name]
        except KeyError:
            raise Missing(name) from None

    def apply(self, function: Any, args: list[bytes], kwargs: dict[str, bytes]) -> Any:
        values = [self.unpack(value) for value in args]
        return function(*values, **{name: self.unpack(value) for name, value in kwargs.items()})


class Missing(Exception):
    """The notebook does not define the name."""


class _Values:
    """Names that a check brings along for one request, over the notebook's own."""

    def __init__(self, names: dict[str, Any], values: dict[str, Any]) -> None:
        self.names = names
        self.values = values

    def __enter__(self) -> None:
        self.hidden = {name: self.names[name] for name in self.values if name in self.names}
        self.names.update(self.values)

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        for name in self.values:
            self.names.pop(name, None)
        self.names.update(self.hidden)


def seed_libraries(seed: int) -> None:
    """Seed every random generator that a notebook commonly uses."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def describe(error: BaseException) -> dict[str, Any]:
    """A student's exception as data: type, message, and the traceback through the student's own lines."""
    frames_ = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_student_file(frame.filename)]
    return {
        "type": type(error).__name__[:200],
        "message": message_of(error)[:MAX_TEXT],
        "frames": [
            {
                "file": frame.filename[:500],
                "line": frame.lineno or 0,
                "function": frame.name[:200],
                "source": (linecache.getline(frame.filename, frame.lineno or 0).strip())[:500],
            }
            for frame in frames_[-30:]
        ],
    }


def _is_student_file(filename: str) -> bool:
    """Cells only (`cells.cell_file`): not this package, not libraries, not the check's own expression."""
    return filename.startswith(PREFIX)
