"""The server is killed while somebody marks as fast as they can: what it has acknowledged is there, none of it half."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from desk.conftest import make_rubric
from desk.serving import Marker, Server, serving
from marks.small_class import RUBRIC, hand_in

from grader.results.decisions import read_marks

TIMES = 20
STUDENTS = 8


class Fast(threading.Thread):
    """Marks groups of several answers over and over, and notes what the server has said of each."""

    def __init__(self, marker: Marker, number: int) -> None:
        super().__init__()
        self.marker = marker
        self.number = number
        self.acknowledged: list[tuple[str, float, int]] = []
        """Name of the operation, points, and how many answers it was about."""
        self.sent: dict[str, int] = {}
        self.began = threading.Event()

    def run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            shown: Any = self.marker.get("/api/next?question=1.1.c&marked=1")
            for count in range(100_000):
                op, points = f"{self.number}-{count}", float(count % 2)
                self.sent[op] = shown["group"]["size"]
                reply = self.marker.decide(shown, op=op, points=points, comment=op, next=False)
                self.acknowledged.append((op, points, reply["saved"]["count"]))
                shown["group"]["seen"] = reply["saved"]["decision"]["id"]
                self.began.set()


@pytest.mark.slow
def test_every_mark_that_was_acknowledged_is_there_and_none_is_half(tmp_path: Path) -> None:
    rubric, results = make_rubric(tmp_path / "rubric", RUBRIC), tmp_path / "results"
    for number in range(STUDENTS):
        hand_in(results, f"student-{number}", a1_1_c="No: it gets stuck.")
    rng = random.Random(7)
    said: list[tuple[str, float, int]] = []
    sent: dict[str, int] = {}
    for number in range(TIMES):
        with serving(results, rubric) as server:
            fast = Fast(server.marker(), number)
            fast.start()
            assert fast.began.wait(60)
            time.sleep(rng.uniform(0, 0.3))
            server.process.kill()
            server.process.wait()
            fast.join()
        said += fast.acknowledged
        sent |= fast.sent
        stored = by_operation(results)
        for op, points, count in fast.acknowledged:
            assert stored.get(op) == {points: count}, f"{op} was acknowledged"
    stored = by_operation(results)
    # Also what was stored and not acknowledged is whole: all members of the group, or none.
    assert {op: sum(found.values()) for op, found in stored.items()} == dict.fromkeys(stored, STUDENTS)
    assert set(stored) <= set(sent)
    assert len(stored) - len(said) <= TIMES, "of each server, at most one was stored that it could not acknowledge"
    assert len(said) > TIMES
    again(results, rubric, said)


def again(results: Path, rubric: Path, said: list[tuple[str, float, int]]) -> None:
    """The page has got no reply to its last request, and sends it again: it is the same decision, once."""
    before = by_operation(results)
    with serving(results, rubric) as server:
        marker = server.marker()
        shown = marker.get("/api/next?question=1.1.c&marked=1")
        op, points, count = said[-1]
        assert marker.decide(shown, op=op, points=points, comment=op, seen=0)["saved"]["count"] == count
    assert by_operation(results) == before


def by_operation(results: Path) -> dict[str, dict[float, int]]:
    """How many answers have been given which points, by the operation's name, which is the comment here."""
    found: dict[str, dict[float, int]] = {}
    for changes in read_marks(results).changes.values():
        for change in changes:
            assert change.points is not None
            counts = found.setdefault(change.comment, {})
            counts[change.points] = counts.get(change.points, 0) + 1
    return found


def test_the_server_can_be_killed_and_leaves_no_process_behind(tmp_path: Path) -> None:
    import psutil

    rubric, results = make_rubric(tmp_path / "rubric", RUBRIC), tmp_path / "results"
    for number in range(STUDENTS):
        hand_in(results, f"student-{number}", a1_1_c=f"No: it gets stuck after {number} steps.")
    with serving(results, rubric) as server:
        marker = server.marker()
        # Both helpers are at work: answers are put in order, pages made anew.
        shown = marker.get("/api/next?question=1.1.c")
        marker.decide(shown, points=1)
        children = wait_for(server, 3, psutil)
        server.process.kill()
        server.process.wait()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert alive == []


def wait_for(server: Server, count: int, psutil: Any) -> list[Any]:
    end = time.monotonic() + 60
    while len(children := psutil.Process(server.process.pid).children(recursive=True)) < count:
        assert time.monotonic() < end, children
        time.sleep(0.05)
    return list(children)
