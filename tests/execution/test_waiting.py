"""What goes on for long, told a few times."""

from __future__ import annotations

from grader.execution.waiting import LINES, Waiting


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_is_told_after_a_few_seconds_and_then_ever_more_rarely() -> None:
    said: list[str] = []
    clock = Clock()
    waiting = Waiting(said.append, clock)
    waiting.tell(0, "running the reference: cell 3 of 5")
    for _ in range(60):
        clock.now += 1
        waiting.look()
    assert said == [f"running the reference: cell 3 of 5, for {seconds} s so far" for seconds in (5, 10, 20, 40)]


def test_what_is_done_in_time_is_not_told() -> None:
    said: list[str] = []
    clock = Clock()
    waiting = Waiting(said.append, clock)
    for cell in range(50):
        waiting.tell(0, f"running the reference: cell {cell} of 50")
        clock.now += 4
        waiting.look()
    waiting.tell(0, "")
    clock.now += 1000
    waiting.look()
    assert said == []


def test_several_who_do_the_same_are_told_once() -> None:
    said: list[str] = []
    clock = Clock()
    waiting = Waiting(said.append, clock)
    for worker in range(4):
        waiting.tell(worker, "running the reference: cell 3 of 5")
    clock.now += 6
    waiting.look()
    assert said == ["running the reference: cell 3 of 5, for 6 s so far"]


def test_there_is_an_end_to_the_lines() -> None:
    said: list[str] = []
    clock = Clock()
    waiting = Waiting(said.append, clock)
    for cell in range(5 * LINES):
        waiting.tell(0, f"cell {cell}")
        clock.now += 20
        waiting.look()
    assert len(said) == LINES


def test_it_looks_by_itself() -> None:
    said: list[str] = []
    clock = Clock()
    with Waiting(said.append, clock) as waiting:
        waiting.tell(0, "training")
        clock.now += 7
        while not said:
            pass
    assert said == ["training, for 7 s so far"]
