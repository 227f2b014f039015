"""What answers for a student's namespace in a live check: the student's own kernel."""

from __future__ import annotations

import builtins
import contextlib
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from grader.assignment.assignment import Limits, Question
from grader.execution.probe import StudentError, TimedOut, read_answer
from grader.execution.seeds import seed_inside
from grader.inside.operations import Operations, State, seed_libraries
from grader.inside.sink import Sink
from grader.rubric.outcomes import review
from grader.students.live.cells import Cells
from grader.students.live.clock import Clock

NOT_LIVE = (
    "This looks at what your cells did when they ran, and cannot be checked here. Use the command `grader check`."
)


class LiveOperations(Operations):
    comes_out = (KeyboardInterrupt,)

    def __init__(self, state: State, cells: Cells) -> None:
        super().__init__(state)
        self.cells = cells

    def is_students(self, file: str) -> bool:
        return self.cells.is_students(file)


class LiveAnswers:
    """Asks the names of the kernel, as a Probe asks those of a checkpoint. What is changed, others must put back."""

    def __init__(
        self, names: dict[str, Any], shell: Any, cells: Cells, question: Question, limits: Limits, seed: int
    ) -> None:
        self.operations = LiveOperations(State(names, shell), cells)
        self.shell = shell
        self.question = question
        self.clock = Clock(limits.check_cpu_seconds, limits.check_wall_seconds)
        self.seconds = limits.check_cpu_seconds
        self.error: StudentError | None = None
        """What ended this check."""
        seed_libraries(seed_inside(seed))

    def ask(self, do: str, **arguments: Any) -> Any:
        if self.error is not None:
            raise self.error.with_traceback(None)
        if do == "record" and arguments["name"] in self.question.records:
            review(NOT_LIVE)
        try:
            with self.clock.running(), quiet(self.shell):
                answer = self.operations.answer({"do": do, **arguments})
        except KeyboardInterrupt:
            if not self.clock.is_up:
                raise
        if self.clock.is_up:
            self.error = TimedOut("Timeout", f"the code did not end within {self.seconds:g} seconds")
            raise self.error from None
        return read_answer(answer, self)

    def close(self) -> None:
        """Nothing of its own is left."""


@contextlib.contextmanager
def quiet(shell: Any) -> Iterator[None]:
    """Drop what is printed or displayed; nobody can type anything."""
    sink, publisher, read = Sink(), shell.display_pub, builtins.input
    attributes = vars(publisher)
    before = {name: attributes[name] for name in ("publish", "clear_output") if name in attributes}
    hook = sys.displayhook
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        publisher.publish = publisher.clear_output = _nothing
        sys.displayhook = _nothing
        builtins.input = _no_input
        try:
            yield
        finally:
            builtins.input, sys.displayhook = read, hook
            for name in ("publish", "clear_output"):
                attributes.pop(name, None)
            attributes.update(before)


def _nothing(*args: object, **kwargs: object) -> None: ...


def _no_input(prompt: object = "") -> NoReturn:
    raise EOFError("input() was called, and nobody is there to answer it in a check")
