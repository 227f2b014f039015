"""Many submissions at once: bad files cost nobody else anything, and everything is written where it belongs."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from notebooks import MINI, mini_notebook, write_notebook

from grader.assignment import load_assignment
from grader.batch import find_submissions, grade_all, name_submissions


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 2**20)


def old_format(path: Path) -> None:
    path.write_text('{"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}')


def in_r(path: Path) -> None:
    path.write_text(
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "ir", '
        '"display_name": "R", "language": "R"}}, "cells": []}'
    )


BAD: dict[str, Callable[[Path], object]] = {
    "no-such-file": lambda path: None,
    "empty-file": lambda path: path.write_bytes(b""),
    "not-json": lambda path: path.write_text("hello"),
    "not-a-notebook": lambda path: path.write_text('{"a": 1}'),
    "nbformat-3": old_format,
    "r-kernel": in_r,
    "100-mb": sparse,
    "a-folder": lambda path: path.mkdir(),
    "broken-link": lambda path: path.symlink_to("nowhere.ipynb"),
    "fifo": lambda path: os.mkfifo(path),
}


def test_bad_files_are_reported_by_one_line_each_and_the_others_are_graded(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.ipynb" for name in BAD]
    for path, make in zip(paths, BAD.values(), strict=True):
        make(path)
    good = write_notebook(tmp_path / "good <script>.ipynb", mini_notebook())
    output = tmp_path / "results"
    results = grade_all(load_assignment(MINI), [*paths, good], output, seed=1)
    assert [result.status for result in results] == ["unreadable"] * len(BAD) + ["graded"]
    assert all(result.message and "\n" not in result.message for result in results[:-1])
    assert results[-1].code_points == 4.5
    with (output / "grades.csv").open() as file:
        assert [row["submission"] for row in csv.DictReader(file)] == [*BAD, "good <script>"]
    written = {path.name for path in (output / "good <script>").iterdir()}
    assert written == {"report.html", "result.json", "executed.ipynb"}
    assert {path.name for path in (output / "fifo").iterdir()} == {"report.html", "result.json"}
    assert {path.name for path in output.iterdir()} == {*BAD, "good <script>", "index.html", "grades.csv"}


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        pytest.param(["a.ipynb", "b.ipynb"], ["a", "b"], id="their own"),
        pytest.param(["x/hw.ipynb", "y/hw.ipynb"], ["hw", "y-hw"], id="alike"),
        pytest.param(["x/hw.ipynb", "y/HW.ipynb"], ["hw", "y-HW"], id="alike but for case"),
        pytest.param(["../...ipynb"], ["submission"], id="dots"),
        pytest.param(["mein büchlein.ipynb"], ["mein büchlein"], id="spaces and unicode"),
        pytest.param(["-rf.ipynb"], ["-rf"], id="leading dash"),
    ],
)
def test_names_are_unlike_and_stay_inside_the_results(paths: list[str], names: list[str]) -> None:
    assert name_submissions([Path(path) for path in paths]) == names


def test_a_file_given_twice_is_graded_once(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "a.ipynb", mini_notebook())
    assert find_submissions([path, tmp_path, path]) == [path]
