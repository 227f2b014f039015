"""Which tests run one after the other in one process, and in which order: what takes longest begins first."""

from __future__ import annotations

import os
import re

import pytest
from xdist.scheduler import LoadFileScheduling

FOR_OTHERS = r"tests/execution/test_floor\.py::test_all_of_this_holds_for_others_too"
TOGETHER = {
    # One reference that has run, one release, each sample graded once.
    r"tests/dl1/|tests/students/live/test_jupyterlab\.py": "dl1",
    # One worker for each family, whose memory is looked at.
    r"tests/hostile/.*\[(in-process|kernel|resources|leaks|reports)-": r"hostile \1",
    # One test that takes minutes, and some that take none. A process is told what comes next before it has ended its
    # last two tests: these would wait for the long one, and so would all that come with them.
    FOR_OTHERS + r"\[root|tests/assignment/test_solution\.py": "floor for root",
    FOR_OTHERS + r"\[user|tests/assignment/test_notebook\.py": "floor for a user",
    r"tests/grading/batch/test_recovery\.py|tests/assignment/test_assignment\.py": "recovery",
}
"""What is together, or apart, although it stands in files of its own, or in one; by the beginning of its id."""

LONGEST = (
    "dl1",
    "floor for root",
    "floor for a user",
    "recovery",
    "hostile kernel",
    "hostile in-process",
    "hostile resources",
    "hostile leaks",
    "tests/test_installing.py",
    "tests/test_tutorial.py",
    "tests/grading/batch/test_cluster.py",
    "tests/grading/batch/test_interrupts.py",
    "tests/execution/test_memory.py",
    "tests/execution/test_runner.py",
    "tests/test_action.py",
    "tests/test_cli.py",
)
"""The others begin in the order of their files."""


def group_of(id: str) -> str:
    """The tests of a group run in one process; those of a file are one where nothing else is said."""
    for pattern, name in TOGETHER.items():
        if found := re.match(pattern, id):
            return found.expand(name)
    return id.partition("::")[0]


def place(item: pytest.Item) -> tuple[int, bool]:
    """By its group; in those of one long test, that comes first."""
    group = group_of(item.nodeid)
    if group not in LONGEST:
        return len(LONGEST), False
    short = group.startswith(("floor", "recovery")) and item.get_closest_marker("slow") is None
    return LONGEST.index(group), short


def processes() -> int:
    """More than cores: many tests wait for a limit, or for what they have started."""
    return len(os.sched_getaffinity(0)) * 3 // 2


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
