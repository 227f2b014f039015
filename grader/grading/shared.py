"""What the workers of a machine share: the fork server of their sandboxes, and one reference, which all of them ask."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec
from nbformat.v4 import new_notebook

from grader.assignment.assignment import Assignment
from grader.execution.borrowed import BorrowedSandbox
from grader.execution.checkpoints import Checkpoints
from grader.execution.forkserver import ForkServer
from grader.execution.remembered import Memory
from grader.execution.runfolder import SandboxError
from grader.execution.runner import Execution
from grader.grading.expected import LiveReference, RunReference
from grader.grading.workers import ask

ASKED = ("poll", "signal", "end_of")
"""What workers may ask of the sandbox: what concerns a probe of their own."""
STOP_SECONDS = 2.0


class Lent(msgspec.Struct, frozen=True):
    """The reference as it ran: where its checkpoints are."""

    keeper: int
    """The process that keeps the sandbox, and the descriptor of the run folder there."""
    folder: int
    execution: Execution
    """Without the notebook, which nobody asks for."""


class SharedReference:
    """Runs the reference in a thread of this process, and answers the workers: see `Serves`."""

    def __init__(
        self,
        assignment: Assignment,
        seed: int,
        server: ForkServer,
        tell: Callable[[str], None] = lambda doing: None,
    ) -> None:
        """`server`: for the sandbox of the reference, and those of the workers. It has begun."""
        self.assignment = assignment
        self.seed = seed
        self.tell = tell
        self.server = server
        self.lock = threading.Lock()
        self.reference: LiveReference | None = None
        self.lent: Future[Lent] = Future()
        self.probes: Counter[int] = Counter()
        """How many each worker has open."""
        self.stopped = False
        self.thread = threading.Thread(target=self._start, args=(self.lent,), daemon=True)

    def begin(self) -> None:
        self.thread.start()

    def _start(self, lent: Future[Lent]) -> None:
        try:
            reference = LiveReference(self.assignment, "require", self.tell, self.server)
            with self.lock:
                if self.stopped:
                    raise SandboxError("the grading has ended")
                self.reference = reference
                # In a thread of its own: it may be stopped before it has started.
                reference.begin(self.seed)
            reference.start(self.seed)
            assert reference.checkpoints is not None
            assert reference.sandbox.folder is not None
            execution = msgspec.structs.replace(reference.checkpoints.execution, notebook=new_notebook())
            lent.set_result(Lent(os.getpid(), reference.sandbox.folder, execution))
        except BaseException as error:
            lent.set_exception(SandboxError("the grading has ended") if self.stopped else error)

    def answer(self, worker: int, *request: Any) -> Any:
        """Raises SandboxError, RubricError."""
        match request:
            case ("fork server",):
                return self.server.lend()
            case ("borrow",):
                return self.lent.result()
            case ("borrow again",):
                return self._again()
            case ("open",):
                self._sandbox()
                with self.lock:
                    self.probes[worker] += 1
            case ("close",):
                with self.lock:
                    self.probes[worker] -= 1
                    self._clear()
            case ("ask", str(do), dict(arguments)) if do in ASKED:
                return self._sandbox().ask(do, **arguments)
            case ("over_memory", float(since)):
                return self._sandbox().over_memory(since)
            case ("path", str(name)):
                with self.lock:
                    return self._sandbox().path(name)
            case _:
                raise ValueError(f"nothing is known of {request[:1]}")
        return None

    def forget(self, worker: int) -> None:
        with self.lock:
            self.probes.pop(worker, None)
            self._clear()

    def _sandbox(self) -> Any:
        if self.reference is None or self.stopped:
            raise SandboxError("the sandbox of the reference is not running")
        return self.reference.sandbox

    def _clear(self) -> None:
        """End what probes have left behind, when none is in use."""
        if not any(self.probes.values()) and self.reference is not None and not self.stopped:
            try:
                self.reference.sandbox.spare(dying=1)
            except SandboxError:
                # Whoever wants something of it next is told.
                return

    def _again(self) -> Lent:
        """The reference, in a new sandbox where its own has broken: once, whoever asks first."""
        with self.lock:
            if self._is_broken() and not self.stopped:
                before, lent = self.reference, Future[Lent]()
                self.lent, self.reference = lent, None
                self.probes.clear()
                if before is not None:
                    before.stop()
                self.thread = threading.Thread(target=self._start, args=(lent,), daemon=True)
                self.thread.start()
            else:
                lent = self.lent
        return lent.result()

    def _is_broken(self) -> bool:
        if not self.lent.done():
            return False
        try:
            self.lent.result()
            self._sandbox().check_alive()
        except Exception:
            return True
        return False

    def stop(self) -> None:
        """End the sandbox, whatever is going on in it. Who waits for an answer is told."""
        with self.lock:
            self.stopped = True
            reference = self.reference
        if reference is not None:
            reference.stop()
        if self.thread.is_alive():
            self.thread.join(STOP_SECONDS)
        if reference is not None:
            # Where the thread was about to start it, it has done so since.
            reference.stop()


class BorrowedReference(RunReference):
    """The reference that the process which started this worker runs, for this worker and the others."""

    def __init__(self, assignment: Assignment, ask_keeper: Callable[..., Any] = ask) -> None:
        """Read the reference. Raises RubricError."""
        super().__init__(assignment)
        self.ask_keeper = ask_keeper
        self.limits = assignment.limits
        self.lent: Lent | None = None
        self.sandbox: BorrowedSandbox | None = None

    def begin(self, seed: int) -> None:
        """It has begun to run before this worker was started."""

    def start(self, seed: int) -> None:
        """The first notebook is executed meanwhile."""

    def wait(self) -> None:
        """Wait until it has run. Raises SandboxError, RubricError."""
        if self.lent is None:
            self._take(self.ask_keeper("borrow"))

    def restart(self, seed: int) -> None:
        self.stop()
        self._take(self.ask_keeper("borrow again"))

    def _take(self, lent: Lent) -> None:
        self.lent = lent
        self.memory = Memory()
        self.sandbox = BorrowedSandbox(lent.keeper, lent.folder, self.ask_keeper)
        self.checkpoints = Checkpoints(self.sandbox, lent.execution, self.limits)

    def stop(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close_folder()
        self.lent = self.sandbox = self.checkpoints = None
