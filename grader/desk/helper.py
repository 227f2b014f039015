"""A process beside the server, for work that takes long: so that no key waits for it, and that ends with the server.

    python -m grader.desk.helper order     puts answers in order; scikit-learn is loaded there, and nowhere else
    python -m grader.desk.helper pages     makes reports and tables anew

It reads requests from standard input, a line of JSON each, and answers each with a line on standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Literal

from grader.desk.order import load
from grader.faults import Faults
from grader.light import leave_out_unused

Job = Literal["order", "pages"]


class HelperError(Exception):
    """The process has ended, or could not do what it was asked."""


class Helper:
    """The server's side: started when it is first asked, and again where it has ended. For several threads."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def start(self) -> None:
        """So that it has loaded what it needs when it is asked. Raises OSError."""
        with self._lock:
            self._running()

    def ask(self, request: Any) -> Any:
        """Waits for the answer. Raises HelperError."""
        with self._lock:
            if self._closed:
                raise HelperError("it is closed")
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(_line(request))
                process.stdin.flush()
                line = process.stdout.readline()
            except OSError as error:
                raise HelperError(str(error)) from None
            if not line:
                raise HelperError(f"the process for {self._job} has ended with status {process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise HelperError(answer["error"])
        return answer["done"]

    def leave(self, request: Any) -> None:
        """Ask for something that nobody waits for any more, and close: it is done after all that was asked before."""
        with contextlib.suppress(OSError):
            process = self._running()
            assert process.stdin is not None
            process.stdin.write(_line(request))
            process.stdin.flush()
        self.close()

    def close(self) -> None:
        """Without waiting: what it has begun, it ends, and then itself."""
        self._closed = True
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                # -P: the working folder may be the one of the hand-ins, and Python would import what lies there.
                [sys.executable, "-P", "-m", "grader.desk.helper", self._job],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Ctrl-C is for the server, which closes this one.
                start_new_session=True,
            )
        return self._process


def main(job: Job) -> None:
    """Answers requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_out_unused()
    with contextlib.suppress(OSError):
        os.nice(10)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What a library prints is no answer.
    os.dup2(2, 1)
    work = _order if job == "order" else _Pages()
    if job == "order":
        load()
    for line in requests:
        try:
            answer = {"done": work(json.loads(line))}
        except Faults as error:
            answer = {"error": str(error)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(BrokenPipeError):
            answers.write(_line(answer))
            answers.flush()


def _line(message: Any) -> bytes:
    # All that is not ASCII is escaped, also what cannot be encoded: students write it, and names of files have it.
    return json.dumps(message).encode() + b"\n"


def _order(request: Any) -> Any:
    from grader.desk.order import leaf_order, near_groups

    if not request["sources"]:
        return [], []
    sources, kind = request["sources"], request["kind"]
    return leaf_order(sources, kind), near_groups(sources, kind)


class _Pages:
    """Keeps what it has read of the class between two requests."""

    def __init__(self) -> None:
        self._rewriter: Any = None

    def __call__(self, request: Any) -> Any:
        from grader.desk.rewriting import Rewriter

        if self._rewriter is None:
            self._rewriter = Rewriter(Path(request["rubric"]), Path(request["output"]))
        return self._rewriter.rewrite(request["submissions"], request["questions"])


if __name__ == "__main__":
    main("order" if sys.argv[1:] == ["order"] else "pages")
