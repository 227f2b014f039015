"""The time of a check's own code, on the trusted side: what it asks of a sandbox counts for nothing here.

Code that does not end is broken off by an exception. Where that does not help, for it catches whatever comes or is
in a call that Python cannot interrupt, it ends with its process, if that is one that can be replaced.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

LOOK_SECONDS = 0.25
"""Wall time from one look at the clock to the next, and from one interrupt to the next."""
INTERRUPTS = 12
"""So often code is interrupted before its process is ended."""
DEAF_CPU_SECONDS = 5.0
"""Over its budget by so much, code that does not even let others look at the clock ends with its process."""
SIGNAL = signal.SIGRTMIN + 5 if hasattr(signal, "SIGRTMIN") else 0
BURST = 40
"""In a thread that gets no signals, what catches one exception gets so many, a millisecond apart."""


class OverTime(BaseException):
    """The check's own code did not end in its time. No Exception: checks catch those."""


class _Here(threading.local):
    running: OwnTime | None = None


_here = _Here()
_replaceable = False


def let_process_end() -> None:
    """From now on, code that nothing else ends ends this process, by SIGPROF: whoever started it starts another."""
    global _replaceable
    _replaceable = True


class OwnTime:
    """A budget for the code that a thread runs `within` it: CPU seconds, and wall seconds as a backstop."""

    def __init__(self, cpu_seconds: float, wall_seconds: float) -> None:
        self.budget = cpu_seconds, wall_seconds
        self.reason = ""
        """Once it is over: what the code did not do."""
        self.thread = threading.get_ident()
        self.in_main_thread = threading.current_thread() is threading.main_thread()
        self.clock = time.pthread_getcpuclockid(self.thread)
        self.lock = threading.Lock()
        self.away = 1
        """How deep the thread is in what does not count and must not be broken off."""
        self.used = 0.0, 0.0
        self.since = 0.0, 0.0
        self.interrupts = 0
        self.sent = False
        """Whether an exception was sent to the thread."""

    @contextlib.contextmanager
    def within(self) -> Iterator[None]:
        """Run code in its time. Where it is over, OverTime ends the code, and has ended when this does."""
        _watch()
        if self.in_main_thread and signal.getsignal(SIGNAL) is not _break_off:
            signal.signal(SIGNAL, _break_off)
        if _replaceable:
            signal.setitimer(signal.ITIMER_PROF, self.budget[0] + DEAF_CPU_SECONDS)
        outer, _here.running = _here.running, self
        tracing = sys.gettrace()
        _running.add(self)
        try:
            with self.counting():
                yield
        except OverTime:
            # Nothing more is broken off from here on: this comes before anything that could be.
            self.away = 1
        finally:
            self.away = 1
            _running.discard(self)
            if sys.gettrace() is not tracing:
                sys.settrace(tracing)
            if self.sent:
                self.take_what_was_sent()
            if _replaceable:
                signal.setitimer(signal.ITIMER_PROF, 0)
            _here.running = outer

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        self.back()
        try:
            yield
        finally:
            self.leave()

    def leave(self) -> None:
        """From here on, it is not the check's own code."""
        with self.lock:
            self.used = self.now()
            self.away += 1

    def back(self) -> None:
        with self.lock:
            if self.away == 1:
                self.since = time.clock_gettime(self.clock), time.monotonic()
            self.away -= 1

    def now(self) -> tuple[float, float]:
        """CPU and wall seconds so far."""
        if self.away:
            return self.used
        cpu, wall = time.clock_gettime(self.clock), time.monotonic()
        return self.used[0] + cpu - self.since[0], self.used[1] + wall - self.since[1]

    def look(self) -> None:
        """Called by another thread, again and again."""
        with self.lock:
            (cpu, wall), (most_cpu, most_wall) = self.now(), self.budget
        if _replaceable and self in _running:
            signal.setitimer(signal.ITIMER_PROF, max(most_cpu - cpu, 0.0) + DEAF_CPU_SECONDS)
        if not self.reason and cpu > most_cpu:
            self.reason = f"did not end within {most_cpu:g} seconds of its own CPU time"
        elif not self.reason and wall > most_wall:
            self.reason = f"did not end within {most_wall:g} seconds of its own"
        if self.reason and not self.away:
            if self.interrupts == INTERRUPTS and _replaceable:
                signal.raise_signal(signal.SIGPROF)
            self.interrupt(self.interrupts)
            self.interrupts += 1

    def take_what_was_sent(self) -> None:
        """An exception that may still be on its way comes here, and nowhere else.

        It is not called back: Python 3.11 would look for it at each step ever after, and so for ever in code that is
        traced.
        """
        with contextlib.suppress(OverTime):
            self.send()
            for _ in range(1000):
                # Somewhere in here it comes.
                pass

    def send(self) -> None:
        self.sent = True
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(OverTime))

    def interrupt(self, before: int) -> None:
        """Break the code off; harder where that was tried `before`."""
        if self.in_main_thread:
            # A signal also wakes code that sleeps.
            signal.pthread_kill(self.thread, SIGNAL)
            return
        for _ in range(BURST if before else 1):
            with self.lock:
                if self.away:
                    return
                self.send()
            if before:
                time.sleep(0.001)


_running: set[OwnTime] = set()
_watcher: threading.Thread | None = None


def _watch() -> None:
    """Have a thread that looks at all clocks. One for good: starting one would cost more than most checks do."""

    def watch() -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            for own in tuple(_running):
                own.look()

    global _watcher
    if _watcher is None or not _watcher.is_alive():
        _watcher = threading.Thread(target=watch, daemon=True)
        _watcher.start()


def _break_off(number: int, frame: FrameType | None) -> None:
    running = _here.running
    if running is None or not running.reason or running.away:
        return
    if running.interrupts > 1:
        # Whatever catches this one gets another where it has caught it: on its next line.
        sys.settrace(_break_off_again)
        while frame is not None and not frame.f_globals.get("__name__", "").startswith(("_pytest.", "pluggy.")):
            frame.f_trace = _break_off_again
            frame = frame.f_back
    raise OverTime


def _break_off_again(frame: FrameType, event: str, value: object) -> Any:
    running = _here.running
    if event == "line" and running is not None and not running.away:
        raise OverTime
    return _break_off_again


class Elsewhere:
    """What a check waits for, and what must not be broken off: talking to a sandbox, above all."""

    def __enter__(self) -> None:
        self.running = _here.running
        if self.running is not None:
            self.running.leave()

    def __exit__(self, *error: object) -> None:
        if self.running is not None:
            self.running.back()
