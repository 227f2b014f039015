"""What a check can ask of a notebook's names, each request answered in the process where they are.

Nothing here needs more than Python itself: the names are those of a checkpoint, or of a student's own kernel.
"""

from __future__ import annotations

import linecache
import random
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from grader.inside import wire
from grader.inside.cells import PREFIX
from grader.inside.recording import Recorder, message_of

if TYPE_CHECKING:
    # Only for Linux, as all that forks; this module is also for a student's own kernel.
    from grader.inside.pools import Survey

MAX_TEXT = 20_000
"""Characters of a student's error message or traceback that are handed over."""


class State:
    """The namespace of one notebook, as the probes of a checkpoint see it."""

    def __init__(self, names: dict[str, Any], shell: Any = None) -> None:
        self.names = names
        self.shell = shell
        self.handles: dict[int, Any] = {}
        self.pools: Survey | None = None
        """In a checkpoint: the pools that each of its probes makes anew."""
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


class Operations:
    """Answers the requests of one check; whatever it changes stays for the next request."""

    comes_out: tuple[type[BaseException], ...] = ()
    """Exceptions that are not the answer to a request, but end it."""

    def __init__(self, state: State) -> None:
        self.state = state

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
        except self.comes_out:
            raise
        except BaseException as error:
            return ["error", describe(error, self.is_students)]

    def is_students(self, file: str) -> bool:
        """Whether a line of a traceback is the student's: of a cell, not of this package, a library or the check."""
        return file.startswith(PREFIX)

    def unpack(self, data: bytes) -> Any:
        return wire.unpack(data, self.state.find)

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


def describe(error: BaseException, is_students: Callable[[str], bool]) -> dict[str, Any]:
    """A student's exception as data: type, message, and the traceback through the student's own lines."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if is_students(frame.filename)]
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
            for frame in lines[-30:]
        ],
    }
