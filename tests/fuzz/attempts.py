"""One damaged input, tried: its CPU time and its memory are bounded, and only what is documented may be raised."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

CPU_SECONDS = 2.0
"""For one input. What is right takes less than a twentieth of it."""
MEMORY_BYTES = 512 * 2**20
"""What one input of up to 200 kB may add to the process, at its peak."""
ADDRESS_SPACE = 8 * MEMORY_BYTES
"""What one input may ask for at all, so that what fills the memory harms nobody else."""
_PEAK = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Target:
    """A part of the trusted side that reads what others write. `read` raises AssertionError for a broken promise."""

    name: str
    suffix: str
    seeds: Callable[[], Sequence[bytes]]
    damage: Callable[[Random, Sequence[bytes]], bytes]
    read: Callable[[bytes], object]
    documented: tuple[type[Exception], ...]


@dataclass(frozen=True)
class Broken:
    """What went wrong with an input; `number` makes it again, with the same seed."""

    target: str
    number: int
    what: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.target} {self.number} ({len(self.data)} bytes): {self.what}"


class OverBudget(BaseException):
    """No code takes it for an error of its own."""


def made(target: Target, seeds: Sequence[bytes], seed: str, number: int) -> bytes:
    """The input of this number, always the same for the same seed."""
    return target.damage(Random(f"{seed}:{target.name}:{number}"), seeds)


def attempts(target: Target, seed: str, numbers: Iterator[int] | range) -> Iterator[tuple[int, Broken | None]]:
    seeds = target.seeds()
    for number in numbers:
        yield number, attempt(target, made(target, seeds, seed, number), number)


def attempt(target: Target, data: bytes, number: int = -1) -> Broken | None:
    """None where all went as it should."""
    what = ""
    peak = _reset_peak()
    begin = time.process_time()
    try:
        with _cpu_limit(2 * CPU_SECONDS), _memory_limit(ADDRESS_SPACE):
            target.read(data)
    except target.documented as error:
        lines = getattr(error, "faults", None) or [str(error)]
        if not all(line.strip() and len(line.splitlines()) == 1 for line in lines):
            what = f"its message is not one line for each fault: {lines!r:.300}"
    except OverBudget:
        what = "does not end"
    except Exception:
        what = traceback.format_exc(limit=-6)
    took = time.process_time() - begin
    grown = _peak() - peak
    if not what and took > CPU_SECONDS:
        what = f"took {took:.1f} s of CPU"
    if not what and grown > MEMORY_BYTES:
        what = f"took {grown / 2**20:.0f} MiB of memory"
    return Broken(target.name, number, what, data) if what else None


@contextlib.contextmanager
def _cpu_limit(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise OverBudget

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def _memory_limit(more: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _reset_peak() -> int:
    """The memory that is held now, from where the peak is counted."""
    with contextlib.suppress(OSError):
        _PEAK.write_text("5")
    return _peak()


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024
