"""What student answers are compared with: the reference solution, alive in a sandbox of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from grader.assignment.assignment import Assignment
from grader.execution.checkpoints import Checkpoints
from grader.execution.namespace import Namespace
from grader.execution.reference import Reference
from grader.execution.remembered import Memory
from grader.execution.runner import Execution
from grader.execution.sandbox import Sandbox, SandboxMode, Server
from grader.rubric.reference import reference_namespace


class Expected(Protocol):
    """Where the reference's answers come from: from itself, or from what was recorded of it."""

    def begin(self, seed: int) -> None:
        """Begin to make ready, and return at once."""
        ...

    def start(self, seed: int) -> None:
        """Make ready. Raises SandboxError, RubricError."""
        ...

    def wait(self) -> None:
        """Wait until it can be asked, where it is made ready elsewhere. Raises SandboxError, RubricError."""
        ...

    def restart(self, seed: int) -> None: ...

    def stop(self) -> None: ...

    def namespace(self, question: str, seed: int) -> Namespace: ...

    def drawn(self, case: str, number: int, draw: Callable[[], list[Any]]) -> list[Any]:
        """The examples of a check: see `Notebooks.drawn`."""
        ...

    def definitions(self, question: str) -> str:
        """The code that an error before `question` is put right with; empty where there is none to be had."""
        ...


class RunReference:
    """Answers by the checkpoints of a reference that has run, wherever that was."""

    def __init__(self, assignment: Assignment) -> None:
        """Read the reference. RubricError names what is wrong with it."""
        self.notebook = Reference(assignment)
        self.checkpoints: Checkpoints | None = None
        self.memory = Memory()

    def namespace(self, question: str, seed: int) -> Namespace:
        assert self.checkpoints is not None
        return reference_namespace(self.checkpoints, self.memory, question, seed)

    def drawn(self, case: str, number: int, draw: Callable[[], list[Any]]) -> list[Any]:
        return draw()

    def definitions(self, question: str) -> str:
        return self.notebook.definitions(question)


class LiveReference(RunReference):
    """The reference as a submission that happens to be right, which stays ready for a whole class."""

    def __init__(
        self,
        assignment: Assignment,
        mode: SandboxMode = "require",
        tell: Callable[[str], None] = lambda doing: None,
        server: Server | None = None,
    ) -> None:
        """Read the reference. RubricError names what is wrong with it.

        tell: see `Reference.run`. server: see `Sandbox`.
        """
        super().__init__(assignment)
        self.tell = tell
        self.sandbox = Sandbox(assignment.preload, assignment.limits, mode, server=server)

    def begin(self, seed: int) -> None:
        self.sandbox.start_meanwhile()

    def start(self, seed: int, reached: Callable[[Execution], None] | None = None) -> None:
        """`reached`: see `Reference.run`."""
        self.sandbox.start()
        # Handles in the memory are of objects of an earlier run.
        self.memory = Memory()
        self.checkpoints = self.notebook.run(self.sandbox, seed, tell=self.tell, reached=reached)

    def wait(self) -> None:
        """Once started, it can answer."""

    def restart(self, seed: int) -> None:
        self.stop()
        self.start(seed)

    def stop(self) -> None:
        self.sandbox.stop()
