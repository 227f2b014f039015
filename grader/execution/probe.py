"""The trusted end of one probe: questions go in, plain data or the student's error comes back."""

from __future__ import annotations

import contextlib
import math
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from grader.execution.owntime import Elsewhere
from grader.execution.runfolder import SandboxError
from grader.execution.seeds import seed_inside
from grader.inside import frames, wire

MAX_TRACEBACK = 30
IN_VAIN_SECONDS = 20.0
"""Wall time for a probe of a checkpoint where something may be missed that it waits for."""
MANY_REQUESTS = 1000
"""So many of one check: that their CPU time adds up to its limit may be the check's fault."""
LAST_WORDS_SECONDS = 1.0
"""Wall time from the end of a probe's connection to the word of why it ended."""


def is_pid(number: object) -> bool:
    """Whether what came from the sandbox can be the number of a process other than the zygote."""
    return type(number) is int and 1 < number < 2**31


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Frame:
    """One line of a student's traceback."""

    def __init__(self, file: str, line: int, function: str, source: str) -> None:
        self.file = file
        self.line = line
        self.function = function
        self.source = source


class StudentError(Exception):
    """The notebook's code raised an exception, or ended its process, or took too long.

    `type_name` and `message` are those of the student's exception; `frames` its traceback through the
    student's cells, outermost first.
    """

    def __init__(self, type_name: str, message: str, frames: list[Frame] | None = None) -> None:
        super().__init__(f"{type_name}: {message}" if message else type_name)
        self.type_name = type_name
        self.message = message
        self.frames = frames or []


class TimedOut(StudentError):
    """The notebook's code used up its time."""


class Crashed(StudentError):
    """The notebook's code ended its process."""


class NotData(StudentError):
    """A value of the notebook cannot be handed over, or is used as if it were data."""


class MissingName(StudentError):
    """The notebook does not define the name."""

    def __init__(self, name: str) -> None:
        super().__init__("NameError", f"`{name}` is not defined")
        self.name = name


class CheckpointLost(Exception):
    """The checkpoint does not answer: nothing can be said about the answer, so a person must look."""


class Handle:
    """An object that is not data and stays in the sandbox. It can be called and handed in again."""

    __slots__ = ("_probe", "handle_id", "type_name")

    def __init__(self, probe: Answers, handle_id: int, type_name: str) -> None:
        self._probe = probe
        self.handle_id = handle_id
        self.type_name = type_name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._probe.ask("call_handle", handle=self.handle_id, **packed_arguments(args, kwargs))

    def __repr__(self) -> str:
        return f"<{self.type_name}>"

    def _no_data(self, *args: object) -> Any:
        raise NotData("TypeError", f"a {self.type_name} was given where a value is expected")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __float__ = __int__ = __len__ = _no_data
    __iter__ = __getitem__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = _no_data
    __truediv__ = __rtruediv__ = __array__ = __abs__ = __contains__ = __index__ = __complex__ = _no_data
    __hash__ = object.__hash__


def packed_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return {
        "args": [wire.pack(value) for value in args],
        "kwargs": {name: wire.pack(value) for name, value in kwargs.items()},
    }


class Keeper(Protocol):
    """What keeps the checkpoints: a Sandbox, or what stands for one in another process."""

    kept: set[int]

    def path(self, name: str) -> Path: ...

    def connect(self, path: Path) -> socket.socket: ...

    def check_alive(self) -> None: ...

    def ask(self, do: str, **arguments: Any) -> Any: ...

    def over_memory(self, since: float) -> str | None: ...

    def spare(self, dying: int = 0) -> None: ...


class Probe:
    """A fork of the checkpoint that listens at `path` in the run folder.

    It has a budget of CPU seconds, and a backstop of wall seconds, for its whole life. Where `checkpoint` is the
    number of the checkpoint's process, the checkpoint is the probe itself, and ends with it. `beside` is what ran
    beside the notebook and may be missing: code that waits for it shows nothing about the answer.
    """

    def __init__(
        self,
        sandbox: Keeper,
        path: Path,
        cpu_seconds: float,
        wall_seconds: float,
        seed: int,
        checkpoint: int = 0,
        beside: str = "",
    ) -> None:
        self.sandbox = sandbox
        self.cpu_seconds = cpu_seconds
        self.wall_seconds = min(wall_seconds, IN_VAIN_SECONDS) if beside else wall_seconds
        self.deadline = time.monotonic() + self.wall_seconds
        self.beside = beside
        self.requests = 0
        self.checkpoint = checkpoint
        self.pid = checkpoint
        with Elsewhere():
            self.connection = self._connect(path)
        self.error: StudentError | None = None
        """What ended this probe."""
        try:
            pid = self.ask("hello", cpu_seconds=math.ceil(cpu_seconds), seed=seed_inside(seed), last=bool(checkpoint))
        except StudentError as error:
            self.close()
            raise CheckpointLost(f"a probe did not start: {error}") from None
        except BaseException:
            self.close()
            raise
        if is_pid(pid) and not checkpoint:
            self.pid = pid
            sandbox.kept.add(pid)

    def _connect(self, path: Path) -> socket.socket:
        try:
            return self.sandbox.connect(path)
        except OSError as error:
            self.sandbox.check_alive()
            raise CheckpointLost(f"the notebook's state at this question is lost ({error})") from None

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have the probe do one thing; returns data, raises StudentError."""
        with Elsewhere():
            return self._ask(do, arguments)

    def _ask(self, do: str, arguments: dict[str, Any]) -> Any:
        if self.error is not None:
            # Also for a check that goes on after its probe has ended: the same reason again, and no other one.
            raise self.error.with_traceback(None)
        try:
            remaining = self.deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self.connection.settimeout(remaining)
            self.requests += 1
            frames.send(self.connection, {"do": do, **arguments})
            answer = frames.receive(self.connection, self.deadline)
        except TimeoutError:
            self.kill()
            why = f"the code did not end within {self.wall_seconds:g} seconds"
            over_memory = self._over_memory()
            if self.beside and over_memory is None:
                raise CheckpointLost(f"{why}; it may have waited for {self.beside}, which is not there") from None
            self.error = over_memory or TimedOut("Timeout", why)
            raise self.error from None
        except frames.ConnectionLost as lost:
            raise self._end(self._last_words() or self._ended(None, 0.0)) from lost
        return self._read(answer)

    def _end(self, error: StudentError) -> StudentError | CheckpointLost:
        """What is to be raised where the probe has ended by an error."""
        self.error = error
        if isinstance(error, TimedOut) and self.requests > MANY_REQUESTS:
            return CheckpointLost(f"{error.message}, asked {self.requests:,} times by one check")
        return error

    def _last_words(self) -> StudentError | None:
        """Why the probe ended, as the checkpoint says, where the connection broke before that was read."""
        if self.checkpoint:
            return self._end_of_checkpoint()
        try:
            match frames.receive(self.connection, min(self.deadline, time.monotonic() + LAST_WORDS_SECONDS)):
                case ["died", int(code), float() | int() as cpu]:
                    return self._ended(code, float(cpu))
        except (frames.ConnectionLost, TimeoutError):
            pass
        return None

    def _end_of_checkpoint(self) -> StudentError | None:
        """Why the checkpoint ended that was the probe itself: it is an orphan, so the zygote knows."""
        deadline = min(self.deadline, time.monotonic() + LAST_WORDS_SECONDS)
        while time.monotonic() < deadline:
            match self.sandbox.ask("end_of", pid=self.checkpoint):
                case [int(code), float() | int() as cpu]:
                    return self._ended(code, float(cpu))
            time.sleep(0.005)
        return None

    def _read(self, answer: Any) -> Any:
        match answer:
            case ["died", int(code), float() | int() as cpu]:
                raise self._end(self._ended(code, float(cpu)))
            case ["no probe", str(why)]:
                raise CheckpointLost(f"the sandbox has no process left for a check ({why[:200]})")
        return read_answer(answer, self)

    def _ended(self, code: int | None, cpu: float) -> StudentError:
        self.sandbox.check_alive()
        if over := self._over_memory():
            return over
        if code == -signal.SIGXCPU or (code == -signal.SIGKILL and cpu >= self.cpu_seconds):
            return TimedOut("Timeout", f"the code used more than {self.cpu_seconds:g} seconds of CPU time")
        if code is not None and code < 0:
            return Crashed("Crash", f"the code ended its process by {signal_name(-code)}")
        return Crashed("Crash", "the code ended its process" + (f" with exit status {code}" if code else ""))

    def _over_memory(self) -> StudentError | None:
        """The error, where something was ended since this probe began as there was too much memory in use."""
        too_much = self.sandbox.over_memory(self.deadline - self.wall_seconds)
        return Crashed("MemoryError", f"the code used more than {too_much}") if too_much else None

    def kill(self) -> None:
        if self.pid:
            self.sandbox.ask("signal", pid=self.pid, number=int(signal.SIGKILL))

    def close(self) -> None:
        """End the probe, and whatever processes it has left behind."""
        # A sandbox that is gone says so to the next who wants something of it.
        with Elsewhere(), contextlib.suppress(SandboxError):
            self.connection.close()
            self.sandbox.kept.discard(self.pid)
            # Itself alone may die meanwhile: what it has left behind would count among the processes of the next one.
            self.sandbox.spare(dying=1)


def read_answer(answer: Any, asked: Answers) -> Any:
    """The four forms of `Operations.answer`; whatever else comes is the work of student code."""
    match answer:
        case ["value", bytes(data)]:
            try:
                return wire.unpack(data, lambda number, name: Handle(asked, number, name))
            except wire.WireError as error:
                raise NotData("TypeError", str(error)) from None
        case ["refused", str(why)]:
            raise NotData("TypeError", why[:2000])
        case ["missing", str(name)]:
            raise MissingName(name[:200])
        case ["error", dict(error)]:
            raise _student_error(error)
    raise Crashed("Crash", "the code answered with something unreadable")


def _student_error(error: dict[str, Any]) -> StudentError:
    """An error as the probe describes it, where every part may be anything."""
    lines: list[Frame] = []
    frames = error.get("frames")
    for frame in frames[:MAX_TRACEBACK] if isinstance(frames, list) else []:
        match frame:
            case {"file": str(file), "line": int(line), "function": str(function), "source": str(source)}:
                lines.append(Frame(file[:500], line, function[:200], source[:500]))
    name, message = error.get("type"), error.get("message")
    return StudentError(
        name[:200] if isinstance(name, str) else "Error", message[:20_000] if isinstance(message, str) else "", lines
    )


class Answers(Protocol):
    """What a namespace asks: a Probe, or what stands for one."""

    def ask(self, do: str, **arguments: Any) -> Any: ...

    def close(self) -> None: ...


OpenProbe = Callable[[], Answers]
