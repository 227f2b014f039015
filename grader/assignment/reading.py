"""Reading submissions and locating their answers, in a process of its own that ends when the time for one is up."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from grader.assignment.assignment import Limits, Question
from grader.assignment.locating import Answer, is_answered, locate
from grader.assignment.locating.context import locate_context
from grader.assignment.notebook import UnreadableNotebook, parse_notebook
from grader.inside import frames

if TYPE_CHECKING:
    from nbformat import NotebookNode

WALL = 15
"""Seconds of wall time to one of CPU time: a backstop, on a machine that is busy with other things."""
MEMORY = 4 * 2**30
"""Address space for reading, beside what this process has."""
MOST = 200
"""How many submissions one process reads: whatever they leave in its memory goes with it."""

_PR_SET_PDEATHSIG = 1


class Read(msgspec.Struct):
    """A submission as read."""

    notebook: NotebookNode
    answers: dict[str, Answer]
    """By the question's id; one without an answer has no cells."""
    answered: list[str]
    """The questions to which there is more than a placeholder."""
    context: dict[str, list[int]] = {}
    """By the question's id, the cells that its answer is about; only where the rubric names such."""


class _Found(msgspec.Struct):
    """What comes back from the process that reads."""

    notebook: bytes = b""
    answers: dict[str, Answer] = {}
    answered: list[str] = []
    context: dict[str, list[int]] = {}
    unreadable: str = ""
    fault: str = ""
    """A traceback: the fault is ours."""


class _Asked(msgspec.Struct):
    """What is sent to the process that reads."""

    content: bytes
    questions: list[Question]
    cpu_seconds: float


class _OutOfTime(Exception):
    pass


class _Ended(Exception):
    """The process that reads has ended, before it has begun or with a request."""


def read_submission(content: bytes, questions: Sequence[Question], limits: Limits) -> Read:
    """Read a file's content as a notebook, and find in it the answer to each question.

    Raises UnreadableNotebook, also where that takes more than `limits.reading_cpu_seconds`, and RuntimeError for a
    fault of ours. Where a process cannot be copied safely, which is everywhere but on Linux, nothing ends it.
    """
    seconds = limits.reading_cpu_seconds
    if sys.platform != "linux":
        return _read(content, questions)
    try:
        found = _read_apart(_Asked(content, list(questions), seconds))
    except _OutOfTime:
        raise UnreadableNotebook(
            f"reading it takes more than {seconds:g} seconds of CPU time (reading_cpu_seconds): clear the outputs of "
            "all cells, remove what was pasted into them and is no answer, save and hand in again"
        ) from None
    if found.unreadable:
        raise UnreadableNotebook(found.unreadable)
    if found.fault:
        raise RuntimeError(f"reading failed:\n{found.fault}")
    import nbformat

    return Read(nbformat.from_dict(json.loads(found.notebook)), found.answers, found.answered, found.context)


def _read(content: bytes, questions: Sequence[Question]) -> Read:
    try:
        notebook = parse_notebook(content)
        answers = locate(notebook, questions)
        answered = [question.id for question in questions if is_answered(notebook, question, answers[question.id])]
        context = locate_context(notebook, questions, answers)
    except RecursionError:
        raise UnreadableNotebook(
            "its code is nested too deep to be read: split the longest expressions, save and hand in again"
        ) from None
    except MemoryError:
        raise UnreadableNotebook(
            "reading it takes too much memory: clear the outputs of all cells, save and hand in again"
        ) from None
    return Read(notebook, answers, answered, context)


def _report(content: bytes, questions: Sequence[Question]) -> bytes:
    try:
        read = _read(content, questions)
        found = _Found(json.dumps(read.notebook).encode(), read.answers, read.answered, read.context)
    except UnreadableNotebook as error:
        found = _Found(unreadable=str(error))
    except Exception:
        found = _Found(fault=traceback.format_exc())
    return msgspec.msgpack.encode(found)


# The process

_lock = threading.Lock()
_reader: _Reader | None = None


def _read_apart(asked: _Asked) -> _Found:
    """What is found in another process. Raises _OutOfTime, or RuntimeError where that process dies."""
    global _reader
    with _lock:
        for _ in range(2):
            if _reader is None or not _reader.is_ours():
                _reader = _Reader()
            reader, fresh = _reader, not _reader.requests
            try:
                return msgspec.msgpack.decode(reader.ask(asked), type=_Found)
            except _Ended as error:
                # One that has waited may have been ended by what is not this submission's doing; a new one was not.
                if fresh:
                    raise RuntimeError(str(error)) from None
            finally:
                if reader.ended or reader.requests >= MOST:
                    end_reader()
    raise AssertionError


def end_reader() -> None:
    """End the process that reads; another is started for the next submission."""
    global _reader
    reader, _reader = _reader, None
    if reader is not None:
        reader.end()


class _Reader:
    """A copy of this process that reads one submission after the other.

    It has one thread and takes nothing with it that others wait for: it only computes. To copy a process for each
    submission would take several times as long as to read one.
    """

    def __init__(self) -> None:
        # What the copy would import, once for all copies.
        import nbformat.validator  # noqa: F401

        libc = ctypes.CDLL(None)
        self.connection, theirs = socket.socketpair()
        self.owner, self.requests, self.ended = os.getpid(), 0, False
        with warnings.catch_warnings():
            # Python warns of other threads, whose locks the copy would wait for: it uses nothing that they do.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            try:
                _serve(theirs, libc)
            finally:
                os._exit(1)
        theirs.close()

    def is_ours(self) -> bool:
        """Not that of a process from which this one was forked."""
        return self.owner == os.getpid()

    def ask(self, asked: _Asked) -> bytes:
        """The answer to a request. Raises _OutOfTime or _Ended; this process serves nobody after either."""
        self.requests += 1
        deadline = time.monotonic() + WALL * asked.cpu_seconds + 60
        done = False
        try:
            try:
                self.connection.settimeout(None)
                frames.send(self.connection, asked)
                answer = frames.receive_body(self.connection, deadline)
            except TimeoutError:
                raise _OutOfTime from None
            except frames.ConnectionLost:
                code = self._wait()
                if code == -signal.SIGPROF:
                    raise _OutOfTime from None
                raise _Ended(f"the process that was to read the notebook ended with {code}") from None
            done = True
            return answer
        finally:
            self.ended = not done

    def _wait(self) -> int:
        with contextlib.suppress(ChildProcessError):
            pid, self.pid = self.pid, 0
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return 0

    def end(self) -> None:
        self.connection.close()
        if self.pid and self.is_ours():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._wait()


def _serve(connection: socket.socket, libc: ctypes.CDLL) -> NoReturn:
    # With this process's parent, and by nothing else that a terminal sends: its parent ends it.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The kernel counts, and ends it: also in the middle of a regular expression or of a parser written in C.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF, signal.SIGTERM})
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = used + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    # Else others would not see the end of what this process's parent closes.
    os.closerange(3, connection.fileno())
    os.closerange(connection.fileno() + 1, 2**20)
    # To look for garbage among what was there before would copy the memory that is shared until then.
    gc.freeze()
    while True:
        try:
            request = frames.receive_body(connection)
        except frames.ConnectionLost:
            os._exit(0)
        asked = msgspec.msgpack.decode(request, type=_Asked)
        signal.setitimer(signal.ITIMER_PROF, asked.cpu_seconds)
        answer = _report(asked.content, asked.questions)
        signal.setitimer(signal.ITIMER_PROF, 0)
        frames.send_body(connection, answer)
