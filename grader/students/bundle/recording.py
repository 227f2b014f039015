"""Recording what the reference answers to the public checks: once, for every student."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from grader.execution.namespace import Namespace
from grader.execution.probe import Answers, Handle
from grader.execution.remembered import about_reference, first_key, key_after
from grader.inside import wire
from grader.students.bundle.record import Record, draw_name

DIFFERS = "the reference answers the same question differently each time"


class Unrecordable(Exception):
    """What a check asks for cannot be recorded; str() says why, in one line."""


class Recording:
    """Fills a record with what one check asks for."""

    def __init__(self) -> None:
        self.record = Record()
        self.fault = ""
        """Why something could not be recorded."""

    def refuse(self, why: str) -> NoReturn:
        self.fault = why
        raise Unrecordable(why)

    def reference(self, answers: Callable[[], Answers], question: str, seed: int) -> Namespace:
        """The namespace that `answers` answers for, overheard."""
        return Namespace(lambda: RecordedAnswers(answers(), self, about_reference(question, seed)))

    def drawn(self, case: str, number: int, draw: Callable[[], list[Any]]) -> list[Any]:
        examples = draw()
        try:
            self.record.draws[draw_name(case, number)] = wire.pack(examples)
        except wire.WireError as error:
            self.refuse(f"its examples are no plain data: {error}")
        return examples


class RecordedAnswers:
    """Hands on what is asked, and records it. Objects that are no data get numbers of the record's own.

    Those of the sandbox are other ones in each run, and a question in which one is handed in again would be another.
    """

    def __init__(self, answers: Answers, recording: Recording, about: str) -> None:
        self.answers = answers
        self.recording = recording
        self.key = first_key(about)
        self.handles: dict[int, Handle] = {}
        self.numbers: dict[int, int] = {}

    def ask(self, do: str, **arguments: Any) -> Any:
        self.key = key_after(self.key, do, arguments)
        answer = self.answers.ask(do, **{name: self.theirs(name, value) for name, value in arguments.items()})
        ours = wire.unpack(wire.pack(answer), self.handle)
        packed = wire.pack(ours)
        if self.recording.record.answers.setdefault(self.key, packed) != packed:
            self.recording.refuse(DIFFERS)
        return ours

    def handle(self, number: int, name: str) -> Handle:
        """The object with this number of the sandbox's, under a number of the record's."""
        ours = self.numbers.setdefault(number, len(self.numbers) + 1)
        self.handles[ours] = Handle(self.answers, number, name)
        return Handle(self, ours, name)

    def theirs(self, name: str, value: Any) -> Any:
        """An argument with the sandbox's numbers in the place of ours."""
        if name == "handle":
            return self.find(value, "").handle_id
        if isinstance(value, bytes):
            return wire.pack(wire.unpack(value, self.find))
        if isinstance(value, list):
            return [self.theirs("", item) for item in value]
        if isinstance(value, dict):
            return {key: self.theirs("", item) for key, item in value.items()}
        return value

    def find(self, number: int, name: str) -> Handle:
        try:
            return self.handles[number]
        except KeyError:
            self.recording.refuse("it hands an object of the student's to the reference")

    def close(self) -> None:
        self.answers.close()
