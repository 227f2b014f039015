"""What the reference answered is recorded once, and replayed without it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader.execution.namespace import Namespace
from grader.execution.probe import Handle
from grader.rubric.outcomes import outcome_of
from grader.students.bundle.recording import Recording, Unrecordable
from grader.students.bundle.replay import NotRecorded, Replay


class Reference:
    """Answers as a probe does; objects that are no data have other numbers in each run."""

    def __init__(self, first: int = 1000, offset: float = 0.0) -> None:
        self.first = first
        self.offset = offset
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.closed = False

    def ask(self, do: str, **arguments: Any) -> Any:
        self.asked.append((do, arguments))
        match do:
            case "get" if arguments["name"] == "numbers":
                return np.array([1.5, 2.5]) + self.offset
            case "get":
                return Handle(self, self.first + len(self.asked), "function")
            case "eval":
                return {"names": ["a", ("b", None)], "object": Handle(self, self.first, "thing")}
            case "call_handle":
                return [arguments["handle"] - self.first]
        raise AssertionError(do)

    def close(self) -> None:
        self.closed = True


def ask_all(reference: Namespace) -> list[Any]:
    """A series of questions with every kind of value and object in them."""
    found = reference.eval("everything", x=np.array([1, 2]), names=["a"])
    first, second = reference.f, reference.g
    answers = [reference.numbers.tolist(), found["names"], first(1, key=second), second(found["object"])]
    reference._close()
    return answers


def record(live: Reference, seed: int = 3) -> Recording:
    recording = Recording()
    assert ask_all(recording.reference(lambda: live, "1.1.a", seed)) == [
        (np.array([1.5, 2.5]) + live.offset).tolist(),
        ["a", ("b", None)],
        [2],
        [3],
    ]
    assert live.closed
    return recording


def test_a_record_says_the_same_without_the_reference() -> None:
    replay = Replay(record(Reference()).record)
    assert ask_all(replay.namespace("1.1.a", 3)) == [[1.5, 2.5], ["a", ("b", None)], [2], [3]]


def test_two_runs_make_the_same_record() -> None:
    assert record(Reference()).record == record(Reference(first=77_000)).record


def test_other_answers_make_another_record() -> None:
    one, other = record(Reference()).record, record(Reference(offset=1.0)).record
    assert one.answers.keys() == other.answers.keys()
    assert one != other


@pytest.mark.parametrize(("question", "seed"), [("1.1.b", 3), ("1.1.a", 4)])
def test_what_was_not_asked_is_not_known(question: str, seed: int) -> None:
    replay = Replay(record(Reference()).record)
    with pytest.raises(NotRecorded):
        ask_all(replay.namespace(question, seed))


def test_another_question_or_another_order_is_not_known() -> None:
    replay = Replay(record(Reference()).record)
    with pytest.raises(NotRecorded):
        _ = replay.namespace("1.1.a", 3).other
    with pytest.raises(NotRecorded):
        _ = replay.namespace("1.1.a", 3).numbers


def test_a_check_that_asks_for_something_else_is_left_to_a_person() -> None:
    assert outcome_of(NotRecorded(), "It works.", str, Path()).status == "review"


def test_an_object_of_the_students_cannot_be_recorded() -> None:
    recording = Recording()
    reference = recording.reference(Reference, "1.1.a", 3)
    foreign = Handle(Reference(), 140_000_000, "function")
    with pytest.raises(Unrecordable):
        reference.f(foreign)
    assert recording.fault == "it hands an object of the student's to the reference"


def test_a_reference_that_answers_differently_cannot_be_recorded() -> None:
    recording = Recording()
    _ = recording.reference(Reference, "1.1.a", 3).numbers
    with pytest.raises(Unrecordable, match="differently each time"):
        _ = recording.reference(lambda: Reference(offset=1.0), "1.1.a", 3).numbers


def test_examples_are_drawn_once() -> None:
    recording = Recording()
    assert recording.drawn("test_a.py::test_f[1]", 0, lambda: [(np.float32(1.5), "x")]) == [(1.5, "x")]

    def refuse() -> list[Any]:
        raise AssertionError("drawn again")

    replay = Replay(recording.record)
    ((number, text),) = replay.drawn("test_a.py::test_f[1]", 0, refuse)
    assert (number, type(number), text) == (1.5, np.float32, "x")
    for case, place in (("test_a.py::test_f[1]", 1), ("test_a.py::test_f[2]", 0)):
        with pytest.raises(NotRecorded):
            replay.drawn(case, place, refuse)


def test_examples_that_are_no_data_cannot_be_recorded() -> None:
    recording = Recording()
    with pytest.raises(Unrecordable):
        recording.drawn("test", 0, lambda: [print])
    assert re.match("its examples are no plain data: ", recording.fault)


def test_no_error_is_carried_forward_without_the_solution() -> None:
    assert Replay(Recording().record).definitions("1.1.b") == ""
