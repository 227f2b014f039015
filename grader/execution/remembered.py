"""The reference's answers, remembered: the same question is asked for every submission of a class."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from grader.execution.probe import Handle, Probe
from grader.inside import wire

MAX_BYTES = 128 * 2**20


class Memory:
    """Answers by what was asked, up to a number of bytes; then it starts anew."""

    def __init__(self) -> None:
        self.answers: dict[bytes, bytes] = {}
        self.size = 0

    def store(self, key: bytes, answer: bytes) -> None:
        if self.size + len(answer) > MAX_BYTES:
            self.answers.clear()
            self.size = 0
        self.answers[key] = answer
        self.size += len(answer)


class RememberedProbe:
    """Answers as the probe would that `open_probe` opens; it is opened only for what was not asked before.

    An answer depends on the checkpoint, the seed and all that the probe was asked before, so all of that is the
    key (`about` stands for the first two). An answer with a handle is never remembered, since the handle's object
    lives in one probe.
    """

    def __init__(self, open_probe: Callable[[], Probe], memory: Memory, about: str) -> None:
        self.open_probe = open_probe
        self.memory = memory
        self.key = hashlib.sha256(about.encode()).digest()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.probe: Probe | None = None

    def ask(self, do: str, **arguments: Any) -> Any:
        self.key = hashlib.sha256(self.key + msgspec.msgpack.encode([do, arguments])).digest()
        known = self.memory.answers.get(self.key)
        if self.probe is None:
            if known is not None:
                self.asked.append((do, arguments))
                return wire.unpack(known)
            self.probe = self.open_probe()
            for earlier, with_arguments in self.asked:
                self.probe.ask(earlier, **with_arguments)
        answer = self.probe.ask(do, **arguments)
        if known is None and not has_handle(answer):
            self.memory.store(self.key, wire.pack(answer))
        return answer

    def close(self) -> None:
        if self.probe is not None:
            self.probe.close()


def has_handle(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_handle(item) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(has_handle, value))
    return isinstance(value, Handle)
