"""One reference for all workers of a machine: one process runs it, and all of them ask its checkpoints."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from nbformat.v4 import new_notebook

from grader.assignment.assignment import Assignment, Limits, RubricError
from grader.execution.borrowed import BorrowedSandbox
from grader.execution.checkpoints import Checkpoints, Replacement
from grader.execution.forkserver import ForkServer
from grader.execution.probe import Probe
from grader.execution.remembered import Memory
from grader.execution.runfolder import SandboxError
from grader.execution.runner import Execution
from grader.grading.expected import LiveReference, RunReference
from grader.grading.ready import LendsServer
from grader.grading.workers import ask

ASKED = ("poll", "signal", "end_of")
"""What workers may ask of the sandbox: what concerns a probe of their own."""
STOP_SECONDS = 2.0


class Lent(msgspec.Struct, frozen=True):
    """The reference, as far as it has run: where its checkpoints are."""

    keeper: int
    """The process that keeps the sandbox, and the descriptor of the run folder there."""
    folder: int
    execution: Execution
    """Without the notebook, which nobody asks for."""
    whole: bool = False
    """Whether it has run to its end."""


class SharedReference(LendsServer):
    """Runs the reference in a thread of this process, and answers the workers: see `Serves`.

    They ask what it has reached, while it runs on: whoever asks for more waits until it is reached.
    """

    def __init__(
        self,
        assignment: Assignment,
        seed: int,
        server: ForkServer,
        tell: Callable[[str], None] = lambda doing: None,
    ) -> None:
        """`server`: for the sandbox of the reference, and those of the workers. It has begun."""
        super().__init__(server)
        self.assignment = assignment
        self.seed = seed
        self.tell = tell
        self.lock = threading.Lock()
        self.reached = threading.Condition(self.lock)
        self.reference: LiveReference | None = None
        self.lent: Lent | None = None
        self.error: BaseException | None = None
        """Why there is nothing to be lent, or no more than that."""
        self.probes: Counter[int] = Counter()
        """How many each worker has open."""
        self.stopped = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        self.thread.start()

    def _run(self) -> None:
        reference: LiveReference | None = None
        try:
            reference = LiveReference(self.assignment, "require", self.tell, self.server)
            with self.lock:
                if self.stopped:
                    raise SandboxError("the grading has ended")
                self.reference = reference
                # In a thread of its own: it may be stopped before it has started.
                reference.begin(self.seed)
            reference.start(self.seed, lambda execution: self._lend(reference, execution))
            assert reference.checkpoints is not None
            self._lend(reference, reference.checkpoints.execution, whole=True)
        except BaseException as error:
            with self.lock:
                if self.reference is reference:
                    self.error = SandboxError("the grading has ended") if self.stopped else error
                    self.reached.notify_all()

    def _lend(self, reference: LiveReference | None, execution: Execution, whole: bool = False) -> None:
        with self.lock:
            # One that is given up may run for a moment more.
            if reference is None or self.reference is not reference or reference.sandbox.folder is None:
                return
            so_far = msgspec.structs.replace(
                execution,
                notebook=new_notebook(),
                after=dict(execution.after),
                beside=dict(execution.beside),
                processes=dict(execution.processes),
            )
            self.lent = Lent(os.getpid(), reference.sandbox.folder, so_far, whole)
            self.reached.notify_all()

    def _borrow(self, question: str) -> Lent:
        """What there is, as soon as `question` is reached; without one, as soon as there is anything."""
        with self.lock:
            self.reached.wait_for(lambda: self.error is not None or self._has(question))
            if self.lent is not None and self._has(question):
                return self.lent
            assert self.error is not None
            raise self.error

    def _has(self, question: str) -> bool:
        lent = self.lent
        return lent is not None and (lent.whole or not question or question in lent.execution.after)

    def answer(self, worker: int, *request: Any) -> Any:
        """Raises SandboxError, RubricError."""
        match request:
            case ("borrow", str(question)):
                return self._borrow(question)
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
                return super().answer(worker, *request)
        return None

    def finish(self) -> None:
        """Wait until it has run to its end, also where nobody asks for that. RubricError: a cell of it fails.

        So whether a rubric is at fault does not depend on how far the checks of a class have asked.
        """
        with self.lock:
            self.reached.wait_for(lambda: self.error is not None or (self.lent is not None and self.lent.whole))
            if isinstance(self.error, RubricError):
                raise self.error

    def forget(self, worker: int) -> None:
        with self.lock:
            self.probes.pop(worker, None)
            self._clear()

    def _sandbox(self) -> Any:
        if self.reference is None or self.stopped:
            raise SandboxError("the sandbox of the reference is not running")
        return self.reference.sandbox

    def _clear(self) -> None:
        """End what probes have left behind, when none is in use. While the reference runs, that may be its own."""
        whole = self.lent is not None and self.lent.whole
        if whole and not any(self.probes.values()) and self.reference is not None and not self.stopped:
            try:
                self.reference.sandbox.spare(dying=1)
            except SandboxError:
                # Whoever wants something of it next is told.
                return

    def _again(self) -> Lent:
        """The reference, in a new sandbox where its own has broken: once, whoever asks first."""
        with self.lock:
            if self._is_broken() and not self.stopped:
                before = self.reference
                self.reference = self.lent = self.error = None
                self.probes.clear()
                if before is not None:
                    before.stop()
                self.thread = threading.Thread(target=self._run, daemon=True)
                self.thread.start()
        return self._borrow("")

    def _is_broken(self) -> bool:
        if self.error is not None:
            return True
        if self.lent is None:
            return False
        try:
            self._sandbox().check_alive()
        except SandboxError:
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


class _Reached(Checkpoints):
    """The checkpoints that there are by now, and those to come."""

    def __init__(self, sandbox: BorrowedSandbox, lent: Lent, limits: Limits, ask_keeper: Callable[..., Any]) -> None:
        super().__init__(sandbox, lent.execution, limits)
        self.whole = lent.whole
        self.ask_keeper = ask_keeper

    def probe(self, question: str, seed: int, replacement: Replacement | None = None) -> Probe:
        if not self.whole and question not in self.execution.after:
            lent: Lent = self.ask_keeper("borrow", question)
            self.execution, self.whole = lent.execution, lent.whole
        return super().probe(question, seed, replacement)


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
        """Wait until it can be asked something. Raises SandboxError, RubricError."""
        if self.lent is None:
            self._take(self.ask_keeper("borrow", ""))

    def restart(self, seed: int) -> None:
        self.stop()
        self._take(self.ask_keeper("borrow again"))

    def _take(self, lent: Lent) -> None:
        self.lent = lent
        self.memory = Memory()
        self.sandbox = BorrowedSandbox(lent.keeper, lent.folder, self.ask_keeper)
        self.checkpoints = _Reached(self.sandbox, lent, self.limits, self.ask_keeper)

    def stop(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close_folder()
        self.lent = self.sandbox = self.checkpoints = None
