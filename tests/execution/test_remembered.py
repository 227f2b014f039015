"""The reference's answers are remembered: also where they are functions, and then called."""

from __future__ import annotations

from typing import Any

from grader.execution.probe import Answers, Handle, packed_arguments
from grader.execution.remembered import Memory, RememberedProbe
from grader.inside import wire


class Fake:
    """Stands for a probe; its objects have the number 7 where they are the checkpoint's, and others later."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.numbers = iter(range(100, 200))

    def ask(self, do: str, **arguments: Any) -> Any:
        self.asked.append(do)
        if do == "get":
            return [Handle(self, 7, "function")]
        if do == "eval":
            return Handle(self, next(self.numbers), "function")
        return wire.unpack(arguments["args"][0]) + len(self.asked)

    def close(self) -> None:
        self.asked.append("closed")


class Bench:
    def __init__(self) -> None:
        self.memory = Memory()
        self.opened: list[Fake] = []

    def open(self) -> Any:
        self.opened.append(Fake())
        return self.opened[-1]

    def probe(self, about: str = "question 1") -> RememberedProbe:
        return RememberedProbe(self.open, self.memory, about)


def call(probe: Answers, value: int) -> Any:
    (handle,) = probe.ask("get", name="f")
    assert repr(handle) == "<function>"
    return handle(value)


def test_a_function_and_its_results_are_remembered() -> None:
    bench = Bench()
    first, second = bench.probe(), bench.probe()
    assert call(first, 10) == call(second, 10) == 12
    assert [fake.asked for fake in bench.opened] == [["get", "call_handle"]]
    second.close()


def test_what_is_new_is_asked_after_all_that_was_before() -> None:
    bench = Bench()
    assert call(bench.probe(), 10) == 12
    probe = bench.probe()
    (handle,) = probe.ask("get", name="f")
    assert handle(10) == 12
    assert handle(20) == 23
    assert [fake.asked for fake in bench.opened] == [["get", "call_handle"], ["get", "call_handle", "call_handle"]]


def test_another_question_or_seed_is_another_answer() -> None:
    bench = Bench()
    assert call(bench.probe(), 10) == call(bench.probe("question 2"), 10) == 12
    assert len(bench.opened) == 2


def test_an_object_that_only_one_probe_has_is_not_remembered() -> None:
    bench = Bench()
    numbers = [bench.probe().ask("eval", source="lambda: 1", values={}).handle_id for _ in range(2)]
    assert len(bench.opened) == 2
    assert numbers == [100, 100]


def test_a_function_that_is_looked_up_again_is_the_same() -> None:
    bench = Bench()
    for _ in range(2):
        probe = bench.probe()
        assert [call(probe, 10), call(probe, 20)] == [12, 24]
    assert len(bench.opened) == 1


def test_arguments_that_are_handles_are_handed_in_by_their_number() -> None:
    bench = Bench()
    (handle,) = bench.probe().ask("get", name="f")
    packed = packed_arguments((handle,), {})["args"][0]
    assert wire.unpack(packed, lambda number, name: (number, name)) == (7, "function")
