"""Answering the public checks from a record, in the place of the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grader.execution.namespace import Namespace
from grader.execution.probe import Handle
from grader.execution.remembered import about_reference, first_key, key_after
from grader.inside import wire
from grader.rubric.outcomes import Review
from grader.students.bundle.record import Record, draw_name


class NotRecorded(Review):
    """A check asks for something that was not asked when it was recorded."""

    def __init__(self) -> None:
        super().__init__("This cannot be told here. It is checked again after you hand in.")


class Replay:
    """Stands for the reference where only a record of it is at hand (see `grader.grading.expected.Expected`)."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def begin(self, seed: int) -> None: ...

    def start(self, seed: int) -> None: ...

    def wait(self) -> None: ...

    def restart(self, seed: int) -> None: ...

    def stop(self) -> None: ...

    def namespace(self, question: str, seed: int) -> Namespace:
        return Namespace(lambda: ReplayedAnswers(self.record, about_reference(question, seed)))

    def drawn(self, case: str, number: int, draw: Callable[[], list[Any]]) -> list[Any]:
        packed = self.record.draws.get(draw_name(case, number))
        if packed is None:
            raise NotRecorded
        examples: list[Any] = wire.unpack(packed)
        return examples

    def definitions(self, question: str) -> str:
        """None: no error can be carried forward without the solution."""
        return ""


class ReplayedAnswers:
    """Answers as the reference did."""

    def __init__(self, record: Record, about: str) -> None:
        self.record = record
        self.key = first_key(about)

    def ask(self, do: str, **arguments: Any) -> Any:
        self.key = key_after(self.key, do, arguments)
        packed = self.record.answers.get(self.key)
        if packed is None:
            raise NotRecorded
        return wire.unpack(packed, self.handle)

    def handle(self, number: int, name: str) -> Handle:
        return Handle(self, number, name)

    def close(self) -> None: ...
