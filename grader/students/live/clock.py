"""The time that the student's code may take in a live check: when it is up, the code is interrupted."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
import time
from collections.abc import Iterator

STEP = 0.1
"""Seconds from one look at the time to the next."""
AGAIN = 1.0
"""Seconds after which code that goes on all the same is interrupted once more."""


class Clock:
    """Counts the time of one check, and ends with KeyboardInterrupt what takes longer; then `is_up`.

    The limits are those of the grading, where libraries compute with one thread: here both the processor's time and
    that on the wall must have passed. Where code cannot be interrupted from outside, there is no limit.
    """

    def __init__(self, cpu_seconds: float, wall_seconds: float) -> None:
        self.cpu_seconds = cpu_seconds
        self.wall_seconds = wall_seconds
        self.cpu = 0.0
        self.wall = 0.0
        self.is_up = False

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """For as long as code of the student's runs."""
        if not _can_interrupt():
            yield
            return
        ended = threading.Event()
        start = time.process_time(), time.monotonic()
        watch = threading.Thread(target=self._watch, args=(*start, ended), daemon=True)
        watch.start()
        try:
            yield
        finally:
            _join(watch, ended)
            self.cpu += time.process_time() - start[0]
            self.wall += time.monotonic() - start[1]

    def _watch(self, cpu_start: float, wall_start: float, ended: threading.Event) -> None:
        pause = STEP
        while not ended.wait(pause):
            cpu = self.cpu + time.process_time() - cpu_start
            wall = self.wall + time.monotonic() - wall_start
            if min(cpu, wall) > self.cpu_seconds or wall > self.wall_seconds:
                self.is_up = True
                _interrupt()
                pause = AGAIN


def _can_interrupt() -> bool:
    """An interrupt comes to the main thread, and only where it is not ignored."""
    here = threading.current_thread() is threading.main_thread()
    return here and callable(signal.getsignal(signal.SIGINT))


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):
        # A real signal also wakes code that sleeps.
        number = threading.main_thread().ident
        assert number is not None
        signal.pthread_kill(number, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _join(watch: threading.Thread, ended: threading.Event) -> None:
    """End the watch before anything else is done, however often it interrupts until then."""
    interrupt: KeyboardInterrupt | None = None
    while watch.is_alive():
        try:
            ended.set()
            watch.join()
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """An interrupt waits until the end: what is half put back would be worse than to wait a moment."""
    if not _can_interrupt():
        yield
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
