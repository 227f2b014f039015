"""A small class, graded as in the tests of marking, and the server for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from desk.serving import Here, Marker, here
from marks.small_class import RUBRIC, hand_in
from nbformat.v4 import new_notebook

from grader.assignment.assignment import Assignment, load_assignment

CLASS = {
    "ann": {"a1_1_c": "No: it gets stuck."},
    "bob": {"a1_1_c": "no:  it gets **stuck**"},
    "cleo": {"a1_1_c": "Yes, it does."},
    "dan": {"a1_1_c": ""},
    "eve": {"a1_1_c": "", "a1_6_e": "Larger is faster, up to a point."},
}
"""ann and bob have answered 1.1.c alike, dan and eve not at all."""


def make_rubric(folder: Path, text: str = RUBRIC) -> Path:
    folder.mkdir(parents=True)
    (folder / "rubric.toml").write_text(text)
    (folder / "reference.ipynb").write_text(nbformat.writes(new_notebook()))
    return folder


def make_class(output: Path) -> Path:
    for name, answers in CLASS.items():
        hand_in(output, name, **answers)
    return output


@pytest.fixture
def rubric(tmp_path: Path) -> Path:
    return make_rubric(tmp_path / "rubric")


@pytest.fixture
def assignment(rubric: Path) -> Assignment:
    return load_assignment(rubric)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return make_class(tmp_path / "results")


@pytest.fixture
def server(results: Path, rubric: Path) -> Iterator[Here]:
    with here(results, rubric) as running:
        yield running


@pytest.fixture
def ada(server: Here) -> Marker:
    return server.marker()
