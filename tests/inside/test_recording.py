"""Recorded calls: values as they were when they passed by, and the function none the wiser."""

from __future__ import annotations

from typing import Any

import pytest

from grader.inside import recording, wire
from grader.inside.recording import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(lambda value: (id(value), wire.type_name(value)))


def values(recorder: Recorder, numbers: list[int]) -> list[Any]:
    return [wire.unpack(recorder.values[number], lambda number, name: name) for number in numbers]


def test_arguments_are_copied_before_the_call_and_again_after_it(recorder: Recorder) -> None:
    def push(items: list[int]) -> list[int]:
        items.append(9)
        return items

    recorder.wrap("push", push, after=True)([1])
    (call,) = recorder.calls["push"]
    assert values(recorder, call["args"]) == [[1]]
    assert values(recorder, call["args_after"]) == [[1, 9]]
    assert values(recorder, [call["result"]]) == [[1, 9]]


def test_an_exception_is_recorded_and_raised_on(recorder: Recorder) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        recorder.wrap("fail", fail)()
    assert recorder.calls["fail"][0]["error"] == "ValueError: no"


def test_order_runs_over_all_recorded_functions(recorder: Recorder) -> None:
    first, second = recorder.wrap("first", abs), recorder.wrap("second", abs)
    second(1), first(1), second(1)
    assert [call["order"] for call in recorder.calls["first"]] == [1]
    assert [call["order"] for call in recorder.calls["second"]] == [0, 2]


def test_the_wrapped_function_looks_like_itself(recorder: Recorder) -> None:
    def double(x: int) -> int:
        """Twice."""
        return 2 * x

    wrapper = recorder.wrap("double", double)
    assert (wrapper.__name__, wrapper.__doc__, wrapper(4)) == ("double", "Twice.", 8)


def test_equal_values_are_kept_once(recorder: Recorder) -> None:
    wrapper = recorder.wrap("len", len)
    for _ in range(3):
        wrapper("x" * 1000)
    assert len(recorder.values) == 2


def test_what_is_too_much_is_not_kept_and_the_function_still_runs(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_STORED", 100)
    monkeypatch.setattr(recording, "MAX_CALLS", 2)
    wrapper = recorder.wrap("len", len)
    assert [wrapper("x" * 1000), wrapper("x"), wrapper("x")] == [1000, 1, 1]
    first, second = recorder.calls["len"]
    assert values(recorder, first["args"]) == ["<not recorded: too much>"]
    assert values(recorder, second["args"]) == ["x"]


def test_a_value_that_cannot_be_read_is_noted_in_its_place(recorder: Recorder) -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    recorder.wrap("len", len)(deep)
    (text,) = values(recorder, recorder.calls["len"][0]["args"])
    assert "deep" in text
