"""Many submissions at once: names, bad files among good ones, what is written, and what is kept when it ends early."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from notebooks import MINI, mini_notebook, write_notebook

from grader import batch
from grader.assignment import Assignment, load_assignment
from grader.batch import find_submissions, grade_all, name_submissions, new_seed, require_writable
from grader.grading import Graded, Grader
from grader.results import SubmissionResult, read_result

NOTEBOOK = json.dumps(mini_notebook())


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return load_assignment(MINI)


# Files and names


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


# Bad files among good ones

WITHOUT_CELLS = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []})
R_KERNEL = json.dumps(
    {**mini_notebook(), "metadata": {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}}
)
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no such file": (lambda path: None, "there is no such file"),
    "empty": (lambda path: path.touch(), "empty"),
    "not JSON": (lambda path: path.write_text("import numpy"), "not JSON"),
    "not a notebook": (lambda path: path.write_text('{"a": 1}'), "not a notebook"),
    "nbformat 3": (lambda path: path.write_text('{"nbformat": 3, "worksheets": []}'), "old format 3"),
    "R kernel": (lambda path: path.write_text(R_KERNEL), "another language (R)"),
    "no cells": (lambda path: path.write_text(WITHOUT_CELLS), "no cells"),
    "100 MB": (lambda path: _sparse(path, 100 * 2**20), "too large (100.0 MB; the limit is 50 MB)"),
    "folder": (lambda path: path.mkdir(), "there is no notebook (.ipynb) in this folder"),
    "broken link": (lambda path: path.symlink_to("nowhere"), "broken link"),
    "circular link": (lambda path: path.symlink_to(path), "circle"),
    "pipe": (lambda path: os.mkfifo(path), "a pipe or a device"),
    "unreadable": (lambda path: path.symlink_to("/proc/self/mem"), "cannot be read"),
    "x" * 300: (lambda path: None, "cannot be read"),
}


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


ODD = [
    "plain",
    "with spaces",
    "Übung 1 – 深層学習 🎓",
    "-o",
    ".hidden",
    "two\nlines",
    "<script>alert(1)",
    "a&b=c?d#e%20f",
    "quote\"s and 'apostrophes'",
    "[bold]rich[red] :smile:",
    "=1+1",
    "many.dots.in.it",
    "n" * 240,
    os.fsdecode(b"latin-1 caf\xe9"),
]
"""File names, without their suffix; each of these files is a right answer."""


class Batch:
    """One run over all bad and all odd files, in turns, and what it wrote."""

    def __init__(self, results: list[SubmissionResult], output: Path) -> None:
        self.results = results
        self.output = output
        self.by_file = {Path(result.file).stem: result for result in results}


@pytest.fixture(scope="module")
def run(assignment: Assignment, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder, output = tmp_path_factory.mktemp("submissions"), tmp_path_factory.mktemp("new") / "results"
    paths = []
    for name, (make, _) in BAD.items():
        paths.append(folder / f"{name}.ipynb")
        make(paths[-1])
    for number, name in enumerate(ODD):
        paths.insert(2 * number, folder / f"{name}.ipynb")
        paths[2 * number].write_text(NOTEBOOK)
    # A grading of this name from the day before, when the file was still right.
    (output / "empty").mkdir(parents=True)
    (output / "empty" / "executed.ipynb").write_text(NOTEBOOK)
    seen: list[SubmissionResult] = []
    results = grade_all(assignment, paths, output, seed=1, progress=seen.append)
    assert seen == results
    return Batch(results, output)


@pytest.mark.parametrize("name", [pytest.param(name, id=name[:20]) for name in BAD])
def test_a_bad_file_is_told_what_is_wrong_in_one_line(run: Batch, name: str) -> None:
    result = run.by_file[name]
    assert result.status == "unreadable"
    assert BAD[name][1] in result.message
    assert "\n" not in result.message
    assert str(run.output) not in result.message
    assert (result.points, result.questions, result.detail) == (0, [], "")


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_an_odd_name_is_graded(run: Batch, name: str) -> None:
    index = ODD.index(name) * 2
    result = run.results[index]
    assert (result.status, result.code_points, result.message) == ("graded", 4.5, "")
    folder = run.output / result.submission
    assert folder.parent == run.output
    assert {path.name for path in folder.iterdir()} == {"report.html", "result.json", "executed.ipynb"}
    assert read_result(folder / "result.json") == result


@pytest.mark.parametrize(
    "name", ["plain", "with spaces", "-o", "two\nlines", "<script>alert(1)", "many.dots.in.it", "n" * 240]
)
def test_results_are_in_a_folder_of_the_files_name(run: Batch, name: str) -> None:
    assert (run.output / name / "result.json").is_file()


def test_nothing_else_is_written(run: Batch) -> None:
    names = {path.name for path in run.output.iterdir()}
    assert names == {result.submission for result in run.results} | {"index.html", "grades.csv"}


def test_a_bad_file_has_a_report_too_and_no_notebook_of_an_earlier_grading(run: Batch) -> None:
    assert {path.name for path in (run.output / "empty").iterdir()} == {"report.html", "result.json"}
    assert "empty" in (run.output / "empty" / "report.html").read_text()


def test_every_link_of_the_index_leads_to_a_report(run: Batch) -> None:
    page = (run.output / "index.html").read_text()
    links = {unquote(unescape(link)).removeprefix("./") for link in re.findall(r'<a\b[^>]*\bhref="([^"#]+)"', page)}
    assert links == {f"{result.submission}/report.html" for result in run.results}
    assert [link for link in links if not (run.output / link).is_file()] == []


def test_the_table_of_grades_has_a_row_for_every_submission(run: Batch) -> None:
    with (run.output / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + len(run.results)
    assert len({len(row) for row in rows}) == 1


def test_results_can_be_read_by_others(run: Batch) -> None:
    mask = os.umask(0)
    os.umask(mask)
    for path in (run.output / "index.html", run.output / "plain" / "result.json"):
        assert path.stat().st_mode & 0o777 == 0o666 & ~mask


# When something fails


def test_no_submissions_at_all_make_an_empty_overview(assignment: Assignment, tmp_path: Path) -> None:
    assert grade_all(assignment, [], tmp_path / "out", seed=1) == []
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"index.html", "grades.csv"}


def test_a_result_that_cannot_be_written_costs_the_others_nothing(assignment: Assignment, tmp_path: Path) -> None:
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook()) for name in ("first", "second")]
    output = tmp_path / "out"
    output.mkdir()
    (output / "first").write_text("a file where the folder is to be")
    first, second = grade_all(assignment, paths, output, seed=1)
    assert (first.status, second.status, second.code_points) == ("error", "graded", 4.5)
    assert "could not be written" in first.message
    assert "FileExistsError" in first.detail
    assert (output / "second" / "report.html").is_file()
    assert (output / "index.html").is_file()


def test_a_fault_of_the_harness_costs_the_others_nothing(
    assignment: Assignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grade = Grader.grade

    def break_at_first(self: Grader, path: Path, name: str) -> Graded:
        if name == "first":
            raise KeyError("a mistake\nof the harness")
        return grade(self, path, name)

    monkeypatch.setattr(Grader, "grade", break_at_first)
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook()) for name in ("first", "second")]
    first, second = grade_all(assignment, paths, tmp_path / "out", seed=1)
    assert (first.status, second.status, second.code_points) == ("error", "graded", 4.5)
    assert first.message.startswith("the harness failed; a person must look: KeyError")
    assert "\n" not in first.message
    assert "break_at_first" in first.detail
    assert read_result(tmp_path / "out" / "first" / "result.json") == first


def test_a_report_that_cannot_be_made_costs_the_others_nothing(
    assignment: Assignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = batch.render_submission

    def break_at_first(assignment: Assignment, result: SubmissionResult, notebook: object) -> str:
        if result.submission == "first" and notebook is not None:
            raise ValueError("a mistake of the report")
        return render(assignment, result, notebook)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "render_submission", break_at_first)
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook()) for name in ("first", "second")]
    first, second = grade_all(assignment, paths, tmp_path / "out", seed=1)
    assert (first.status, second.status) == ("error", "graded")
    assert first.code_points == 4.5
    assert read_result(tmp_path / "out" / "first" / "result.json") == first
    assert (tmp_path / "out" / "first" / "report.html").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_graded_when_it_is_told_to_end_is_kept(
    assignment: Assignment, tmp_path: Path, number: signal.Signals
) -> None:
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook()) for name in ("first", "second")]
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(KeyboardInterrupt):
        grade_all(assignment, paths, tmp_path / "out", seed=1, progress=lambda result: signal.raise_signal(number))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"first", "index.html", "grades.csv"}
    assert read_result(tmp_path / "out" / "first" / "result.json").code_points == 4.5
    assert "first" in (tmp_path / "out" / "grades.csv").read_text()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers


def test_it_works_in_another_thread(assignment: Assignment, tmp_path: Path) -> None:
    results: list[SubmissionResult] = []
    paths = [write_notebook(tmp_path / "hw.ipynb", mini_notebook())]
    thread = threading.Thread(target=lambda: results.extend(grade_all(assignment, paths, tmp_path / "out", seed=1)))
    thread.start()
    thread.join()
    assert [result.code_points for result in results] == [4.5]


def test_a_place_where_nothing_can_be_written_is_known_before_anything_is_graded(
    assignment: Assignment, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    path = write_notebook(tmp_path / "hw.ipynb", mini_notebook())
    seen: list[SubmissionResult] = []
    for output in (tmp_path / "file", tmp_path / "file" / "out", Path("/sys/out")):
        with pytest.raises(OSError, match=re.escape(str(output))):
            grade_all(assignment, [path], output, seed=1, progress=seen.append)
    assert seen == []


def test_making_sure_of_the_output_folder_leaves_nothing_in_it(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
