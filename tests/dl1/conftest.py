"""The first assignment, and its sample submissions as the rubric grades them, each graded once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.assignment.assignment import Assignment
from grader.grading.submission import Graded, Grader

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "submissions" / "dl1"


@pytest.fixture(scope="session")
def worker(dl1: Assignment) -> Iterator[Grader]:
    with Grader(dl1, seed=20) as worker:
        yield worker


@pytest.fixture(scope="session")
def grade(worker: Grader) -> Callable[[Path], Graded]:
    """Grade a notebook, unless that was done already."""
    return functools.cache(lambda path: worker.grade(path, path.name))
