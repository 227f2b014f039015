"""What all tests share: where the repository is, and the material that is kept beside it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from notebooks import MINI

from grader.assignment.assignment import load_assignment
from grader.grading.submission import Grader

ROOT = Path(__file__).resolve().parent.parent

# Rubrics that the tests grade with: their checks are for the grader to run.
collect_ignore = ["data"]

# A shell starts what runs in the background with interrupts ignored, nohup with hang-ups; and so would be all that the
# tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# On a busy machine, an example that takes long says nothing about the code.
settings.register_profile("grader", deadline=None)
settings.load_profile("grader")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real course material, which is kept beside the repository and is no part of it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the course material in ../shared, which is not part of the repository")
    return folder


@pytest.fixture(scope="session")
def mini() -> Iterator[Grader]:
    """A running worker for the mini assignment. A test that breaks its sandboxes leaves it to mend itself."""
    with Grader(load_assignment(MINI), seed=1) as worker:
        yield worker
