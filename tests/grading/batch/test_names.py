"""Which files are graded, and under which names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from notebooks import mini_notebook

from grader.grading.batch.names import name_submissions
from grader.grading.batch.plan import find_submissions
from grader.grading.batch.seeds import new_seed

NOTEBOOK = json.dumps(mini_notebook())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `b.ipynb`, `a.ipynb`, `C.IPYNB`, `notes.txt`, an empty folder and `more/d.ipynb`."""
    for name in ("b.ipynb", "a.ipynb", "C.IPYNB", "notes.txt", "more/d.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(NOTEBOOK)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param(["b.ipynb", "a.ipynb"], ["b.ipynb", "a.ipynb"], id="files, in the order given"),
        pytest.param(["."], ["C.IPYNB", "a.ipynb", "b.ipynb"], id="the notebooks of a folder, whatever their case"),
        pytest.param([".", "more"], ["C.IPYNB", "a.ipynb", "b.ipynb", "more/d.ipynb"], id="two folders"),
        pytest.param(["a.ipynb", ".", "./a.ipynb"], ["a.ipynb", "C.IPYNB", "b.ipynb"], id="each file once"),
        pytest.param(["empty"], ["empty"], id="a folder without notebooks stands for itself"),
        pytest.param(["notes.txt", "nothing"], ["notes.txt", "nothing"], id="what is named is not left out"),
        pytest.param(["x" * 300], ["x" * 300], id="a name that no file can have"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_what_is_graded(folder: Path, given: list[str], found: list[str]) -> None:
    assert [str(path) for path in find_submissions(map(Path, given))] == found


def test_a_file_is_graded_once_by_whatever_path_it_is_named(folder: Path) -> None:
    assert find_submissions([Path("a.ipynb"), folder / "a.ipynb"]) == [Path("a.ipynb")]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        pytest.param(["x/hw.ipynb"], ["hw"], id="the file's own name"),
        pytest.param(["x/ann/hw.ipynb", "x/bob/hw.ipynb"], ["hw", "bob-hw"], id="alike: the folder's name before"),
        pytest.param(["x/HW.ipynb", "x/hw.ipynb"], ["HW", "x-hw"], id="alike but for case"),
        pytest.param(["a/x/hw", "b/x/hw", "c/x/hw", "d/x/hw"], ["hw", "x-hw", "hw-3", "hw-4"], id="folders alike"),
        pytest.param(["x/hw.ipynb", "x/hw.pdf"], ["hw", "x-hw"], id="alike but for the suffix"),
        pytest.param(["y/x-hw.ipynb", "x/hw.ipynb", "y/hw.ipynb"], ["x-hw", "hw", "y-hw"], id="no more than needed"),
        pytest.param(
            ["x/caf\u00e9.ipynb", "y/cafe\u0301.ipynb"], ["caf\u00e9", "y-cafe\u0301"], id="two ways to write é"
        ),
        pytest.param(["x/index.html.ipynb", "x/Grades.csv.ipynb"], ["x-index.html", "x-Grades.csv"], id="own files"),
        pytest.param(["x/..ipynb", "x/.hw.ipynb", "x/..."], ["submission", "hw", "x-submission"], id="dots"),
        pytest.param(["x/-rf.ipynb", "x/a b.ipynb"], ["-rf", "a b"], id="dash and space"),
        pytest.param([os.fsdecode(b"x/caf\xe9.ipynb")], ["caf\\xe9"], id="bytes that are no text"),
        pytest.param([f"x/{'n' * 249}.ipynb"], ["n" * 249], id="long"),
        pytest.param([], [], id="none"),
    ],
)
def test_names_are_those_of_the_files_and_no_two_are_alike(paths: list[str], names: list[str]) -> None:
    assert name_submissions(list(map(Path, paths))) == names


def test_names_made_longer_still_fit_a_file_system(tmp_path: Path) -> None:
    paths = [tmp_path / ("é" * 50) / f"{'é' * 120}.ipynb", tmp_path / ("é" * 50) / f"{'É' * 120}.ipynb"]
    names = name_submissions(paths)
    assert len(set(names)) == 2
    for name in names:
        (tmp_path / name).mkdir()


def test_a_seed_can_be_typed_again() -> None:
    seeds = {new_seed() for _ in range(5)}
    assert len(seeds) > 1
    assert all(0 <= seed < 10**9 for seed in seeds)
