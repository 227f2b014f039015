"""What the tests of marking share: a rubric, and a class of one."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from marks.small_class import RUBRIC, hand_in
from nbformat.v4 import new_notebook

from grader.assignment.assignment import Assignment, load_assignment


@pytest.fixture
def rubric(tmp_path: Path) -> Path:
    folder = tmp_path / "rubric"
    folder.mkdir()
    (folder / "rubric.toml").write_text(RUBRIC)
    (folder / "reference.ipynb").write_text(nbformat.writes(new_notebook()))
    return folder


@pytest.fixture
def assignment(rubric: Path) -> Assignment:
    return load_assignment(rubric)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The results of one submission, jane's."""
    output = tmp_path / "results"
    hand_in(output)
    return output
