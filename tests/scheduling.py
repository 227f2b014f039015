"""Which tests run one after the other in one process, and in which order: what takes longest begins first."""

from __future__ import annotations

import os
import re

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = {
    # One reference that has run, one release, each sample graded once.
    r"tests/dl1/|tests/students/live/test_jupyterlab\.py": "dl1",
    # One worker for each family, whose memory is looked at.
    r"tests/hostile/.*\[(in-process|kernel|resources|leaks|reports)-": r"hostile \1",
    # Runs other tests, as somebody else.
    r"tests/execution/test_floor\.py::test_all_of_this_holds_for_others_too\[(.*)\]": r"floor for \1",
}
"""What is together, or apart, although it stands in files of its own, or in one; by the beginning of its id."""

LONGEST = (
    "dl1",
    "hostile resources",
    "floor for root-becomes-another",
    "floor for user",
)
"""The others begin in the order of their files."""


def group_of(id: str) -> str:
    """The tests of a group run in one process; those of a file are one where nothing else is said."""
    for pattern, name in TOGETHER.items():
        if found := re.match(pattern, id):
            return found.expand(name)
    return id.partition("::")[0]


def place(item: pytest.Item) -> int:
    group = group_of(item.nodeid)
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)


def processes() -> int:
    """More than cores: many tests wait for a limit, or for what they have started."""
    return len(os.sched_getaffinity(0)) * 3 // 2


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
