"""What asks a program to end, as one exception; and that it ends, whatever becomes of the exception."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from grader.grading.workers import keep_quiet_where_lost

NUMBERS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
END_SECONDS = 4.0
"""Wall time from the signal to the end of the program, done or not."""
DEAF_SECONDS = 0.5
"""And so much more until a program is killed that does not even see that its time is up."""
INTERRUPTED = 130
"""The exit status: 128 and the number of SIGINT."""

_active = False


@contextlib.contextmanager
def interruptible(last_words: Callable[[], str] | None = None) -> Iterator[None]:
    """Whatever asks the program to end raises KeyboardInterrupt where the main thread is, once.

    With Python's own handler, asyncio would only cancel the cell that runs, and the cell would get the blame.
    With `last_words` (a line for standard error, or none), there is no way back: the program has ended after
    `END_SECONDS`, even if something has caught the exception, waits, or does not let Python run at all. Within
    another one, it changes nothing.
    """
    global _active
    asked = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        # A second one would hit what puts things in order after the first.
        if not asked.is_set():
            asked.set()
            raise KeyboardInterrupt

    if _active or threading.current_thread() is not threading.main_thread():
        yield
        return
    # A program started in the background, or by nohup, is to go on ignoring what it was told to ignore.
    before = {number: signal.getsignal(number) for number in NUMBERS}
    heard = [number for number in NUMBERS if before[number] is not signal.SIG_IGN]
    call_off = _end_when(asked, last_words) if last_words is not None else _nothing
    _active = True
    try:
        for number in heard:
            signal.signal(number, interrupt)
        yield
    finally:
        _active = False
        if last_words is None or not asked.is_set():
            for number in heard:
                signal.signal(number, before[number])
            call_off()


def _nothing() -> None: ...


def _end_when(asked: threading.Event, last_words: Callable[[], str]) -> Callable[[], None]:
    """Have this process end `END_SECONDS` after it is `asked` to, unless that is called off before."""
    called_off = threading.Event()
    before = sys.unraisablehook
    keep_quiet_where_lost()

    def end() -> None:
        asked.wait()
        if not called_off.wait(END_SECONDS):
            _say(last_words())
            os._exit(INTERRUPTED)

    dismiss = _set_guard()
    thread = threading.Thread(target=end, daemon=True)
    thread.start()

    def call_off() -> None:
        called_off.set()
        asked.set()
        thread.join()
        dismiss()
        sys.unraisablehook = before

    return call_off


def _set_guard() -> Callable[[], None]:
    """A process beside this one, to kill it where a call into a library keeps all of its threads from running."""
    if not hasattr(os, "fork"):
        return _nothing
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    main = os.getpid()
    # What comes to the whole group would end the guard as well, until it ignores it.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    guard = os.fork()
    if guard == 0:
        os.close(writer)
        _guard(main, reader)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    os.close(reader)
    # Python writes the number of each signal here as soon as it comes, before anything of Python is run.
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def dismiss() -> None:
        signal.set_wakeup_fd(before)
        os.close(writer)
        os.waitpid(guard, 0)

    return dismiss


def _guard(main: int, reader: int) -> NoReturn:
    try:
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)
        # Whoever reads what the program prints is not to wait for this one.
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        deadline: float | None = None
        while True:
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([reader], [], [], remaining)[0]:
                _say("error: interrupted; it did not end by itself, and was killed")
                os.kill(main, signal.SIGKILL)
                break
            signals = os.read(reader, 512)
            if not signals:
                break
            if deadline is None and any(number in NUMBERS for number in signals):
                deadline = time.monotonic() + END_SECONDS + DEAF_SECONDS
    finally:
        os._exit(0)


def _say(line: str) -> None:
    """Straight to where it goes: what is in between may be held by whoever does not end."""
    if not line:
        return
    # A display that goes on is cut off: the cursor that it has hidden is shown again, on a line of its own.
    text = f"\r\x1b[?25h\x1b[K{line}\n" if os.isatty(2) else f"{line}\n"
    with contextlib.suppress(OSError):
        os.write(2, text.encode(errors="backslashreplace"))
