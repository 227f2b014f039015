"""Recording the calls to a function of the notebook: arguments and results, copied when they pass by."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from grader.inside import wire

MAX_CALLS = 20_000
MAX_STORED = 256 * 2**20

Keep = Callable[[Any], tuple[int, str]]


class Recorder:
    """All recorded calls of one process. Values are kept encoded, so later changes in place do not reach them."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self.calls: dict[str, list[dict[str, Any]]] = {}
        self.values: list[bytes] = []
        self.numbers: dict[bytes, int] = {}
        self.stored = 0
        self.order = 0

    def wrap(self, name: str, function: Callable[..., Any], after: bool = False) -> Callable[..., Any]:
        """A function that does as `function` and records each call under `name`.

        With `after`, the arguments are encoded once more when the call has ended.
        """
        calls = self.calls.setdefault(name, [])

        @functools.wraps(function, updated=())
        def recorded(*args: Any, **kwargs: Any) -> Any:
            if len(calls) >= MAX_CALLS:
                return function(*args, **kwargs)
            call: dict[str, Any] = {"order": self.order, "error": None, "result": None}
            self.order += 1
            call["args"] = [self.store(value) for value in args]
            call["kwargs"] = {key: self.store(value) for key, value in kwargs.items()}
            calls.append(call)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                call["error"] = f"{type(error).__name__}: {message_of(error)}"[:2000]
                raise
            finally:
                if after:
                    call["args_after"] = [self.store(value) for value in args]
                    call["kwargs_after"] = {key: self.store(value) for key, value in kwargs.items()}
            call["result"] = self.store(result)
            return result

        return recorded

    def store(self, value: Any) -> int:
        """Encode and keep `value`; equal encodings are kept once (a data set that every call gets)."""
        try:
            content = wire.pack(value, self.keep)
        except Exception as error:
            content = wire.pack(f"<not recorded: {message_of(error)}>"[:500])
        number = self.numbers.get(content)
        if number is None:
            if self.stored + len(content) > MAX_STORED:
                content = wire.pack("<not recorded: too much>")
            self.stored += len(content)
            number = self.numbers[content] = len(self.values)
            self.values.append(content)
        return number


def message_of(error: BaseException) -> str:
    """An exception's message, which is made by code of the student's."""
    try:
        return str(error)
    except BaseException:
        return "<the message could not be read>"
