"""What a check sees of a notebook: its names, as they were right after a question's cells."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

import msgspec

from grader.execution.probe import Answers, Crashed, Handle, OpenProbe, StudentError
from grader.inside import wire

CALLS_AT_ONCE = 500
MAX_ERROR = 20_000
"""Characters of what a recorded call raised."""
T = TypeVar("T")


class Call(msgspec.Struct, frozen=True):
    """One recorded call. `args_after` are the arguments as they were when the call had ended, where recorded."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    error: str | None
    """The exception that ended the call, as `Type: message`."""
    order: int
    """A running number over all recorded calls of the notebook: which came first."""
    args_after: tuple[Any, ...] = ()
    kwargs_after: dict[str, Any] = {}


class Calls(Sequence[Call]):
    """The calls of a function so far, oldest first; values are fetched when they are looked at."""

    def __init__(self, probe: Answers, name: str) -> None:
        self._probe = probe
        self._name = name
        self._value = functools.lru_cache(maxsize=64)(lambda number: probe.ask("recorded_value", number=number))

    def _raw(self, start: int, stop: int) -> list[Any]:
        return _checked(self._probe.ask("calls", name=self._name, start=start, stop=stop), list)

    def __len__(self) -> int:
        count = _checked(self._probe.ask("count_calls", name=self._name), int)
        if not 0 <= count <= wire.MAX_ITEMS:
            raise Crashed("Crash", "the code answered with something unreadable")
        return count

    @overload
    def __getitem__(self, index: int) -> Call: ...
    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...
    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        if isinstance(index, slice):
            return list(self)[index]
        length = len(self)
        position = index + length if index < 0 else index
        if not 0 <= position < length:
            raise IndexError(f"call {index} of {length} recorded calls to {self._name}")
        raw = self._raw(position, position + 1)
        return self._call(raw[0] if raw else None)

    def __iter__(self) -> Iterator[Call]:
        for start in range(0, len(self), CALLS_AT_ONCE):
            yield from map(self._call, self._raw(start, start + CALLS_AT_ONCE))

    def _call(self, raw: Any) -> Call:
        match raw:
            case {"args": list(args), "kwargs": dict(kwargs), "result": result, "error": error, "order": int(order)}:
                return Call(
                    args=self._values(args),
                    kwargs=dict(zip(kwargs, self._values(kwargs.values()), strict=True)),
                    result=None if result is None else self._value(result),
                    error=None if error is None else str(error)[:MAX_ERROR],
                    order=order,
                    args_after=self._values(_checked(raw.get("args_after", []), list)),
                    kwargs_after={
                        name: self._value(number)
                        for name, number in _checked(raw.get("kwargs_after", {}), dict).items()
                    },
                )
        raise Crashed("Crash", "the code answered with something unreadable")

    def _values(self, numbers: Iterable[int]) -> tuple[Any, ...]:
        return tuple(map(self._value, numbers))


def _checked(value: Any, kind: type[T]) -> T:
    """What the probe answers for itself has a known type, unless student code has taken the probe over."""
    if not isinstance(value, kind):
        raise Crashed("Crash", "the code answered with something unreadable")
    return value


class Namespace:
    """A notebook's names at a checkpoint. All requests of one check go to the same probe, which starts at the first.

    `namespace.sigmoid(x)` calls the notebook's function, `namespace.params` is the notebook's value. Data comes
    back as data: None, bool, numbers, str, bytes, lists, tuples, sets, dicts, NumPy arrays, torch tensors
    (detached). Any other object comes back as a Handle.
    """

    def __init__(self, open_probe: OpenProbe) -> None:
        self._open_probe = open_probe
        self._functions: frozenset[str] = frozenset()
        self._opened: Answers | None = None

    @property
    def _probe(self) -> Answers:
        if self._opened is None:
            self._opened = self._open_probe()
        return self._opened

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            # Asked for by libraries that look for a protocol, never by a check.
            raise AttributeError(name)
        return self.get(name)

    def get(self, name: str) -> Any:
        """The value of a global name; raises MissingName."""
        value = self._probe.ask("get", name=name)
        if name in self._functions and not isinstance(value, Handle):
            # A check would call it, and break instead of failing.
            raise StudentError("TypeError", f"`{name}` should be a function, and is a value ({type(value).__name__})")
        return value

    def has(self, name: str) -> bool:
        """Whether the notebook defines the name."""
        return _checked(self._probe.ask("has", name=name), bool)

    def eval(self, expression: str, **values: Any) -> Any:
        """The value of a Python expression there, with `values` as further global names."""
        return self._probe.ask("eval", source=expression, values=_pack_all(values))

    def exec(self, statements: str, **values: Any) -> None:
        """Run statements there; the names that they assign stay for the rest of the check."""
        self._probe.ask("exec", source=statements, values=_pack_all(values))

    def replace(self, name: str, value: Any = None, *, expression: str | None = None, **options: Any) -> None:
        """Put another value in the place of a global name, for the rest of the check.

        One of: `value` (data or a Handle), `expression` (evaluated there, such as `"lambda x: x"`), or
        `returns=...` (a function that always returns this).
        """
        if options.keys() - {"returns"}:
            raise TypeError(f"replace() has no argument {next(iter(options))!r}")
        if expression is not None:
            self._probe.ask("replace_by_expression", name=name, source=expression)
        elif "returns" in options:
            self._probe.ask("replace_by_constant", name=name, value=wire.pack(options["returns"]))
        else:
            self._probe.ask("replace", name=name, value=wire.pack(value))

    def calls(self, name: str) -> Calls:
        """The calls to a global function: from now on, or by the question's own cells where the rubric records it."""
        self._probe.ask("record", name=name)
        return Calls(self._probe, name)

    def _require_functions(self, names: Iterable[str]) -> None:
        """From now on, it is the notebook's error if one of these names is a plain value."""
        self._functions = frozenset(names)

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _pack_all(values: dict[str, Any]) -> dict[str, bytes]:
    return {name: wire.pack(value) for name, value in values.items()}
