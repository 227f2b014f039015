"""Many submissions at once: names, bad files among good ones, what is written, and what is kept when it ends early."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from notebooks import MINI, mini_notebook, write_notebook
from pools import end_worker, here

from grader.assignment.assignment import Assignment, load_assignment
from grader.faults import Faults
from grader.grading.batch import tasks
from grader.grading.batch.observer import Observer
from grader.grading.batch.pools import local_pool
from grader.grading.batch.run import grade_all
from grader.grading.submission import Graded, Grader
from grader.report.store import require_writable
from grader.results.results import SubmissionResult, read_result

NOTEBOOK = json.dumps(mini_notebook())
OVERVIEW = {"index.html", "grades.csv", "questions"}


class Seen(Observer):
    """What an observer is told."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.results: list[SubmissionResult] = []
        self.lines: list[str] = []
        self.act = act

    def ended(self, result: SubmissionResult) -> None:
        self.results.append(result)
        self.act()

    def noticed(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return load_assignment(MINI)


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
    "circular link": (lambda path: path.symlink_to(path), "points back to itself"),
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
    seen = Seen()
    results = grade_all(assignment, paths, output, here, seed=1, observer=seen)
    assert sorted(seen.results, key=lambda result: result.file) == sorted(results, key=lambda result: result.file)
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
    assert names == {result.submission for result in run.results} | OVERVIEW


def test_a_bad_file_has_a_report_too_and_no_notebook_of_an_earlier_grading(run: Batch) -> None:
    assert {path.name for path in (run.output / "empty").iterdir()} == {"report.html", "result.json"}
    assert "empty" in (run.output / "empty" / "report.html").read_text()


def test_every_link_of_the_index_leads_to_a_report_or_a_question(run: Batch) -> None:
    page = (run.output / "index.html").read_text()
    links = {unquote(unescape(link)).removeprefix("./") for link in re.findall(r'<a\b[^>]*\bhref="([^"#]+)"', page)}
    pages = {f"questions/{id}.html" for id in ("1.1.a", "1.1.b", "1.1.c", "1.2.a")}
    assert links == {f"{result.submission}/report.html" for result in run.results} | pages
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
    assert grade_all(assignment, [], tmp_path / "out", here, seed=1) == []
    assert {path.name for path in (tmp_path / "out").iterdir()} == OVERVIEW


def test_a_result_that_cannot_be_written_costs_the_others_nothing(assignment: Assignment, tmp_path: Path) -> None:
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook()) for name in ("first", "second")]
    output = tmp_path / "out"
    output.mkdir()
    (output / "first").write_text("a file where the folder is to be")
    first, second = grade_all(assignment, paths, output, here, seed=1)
    assert (first.status, second.status, second.code_points) == ("error", "graded", 4.5)
    assert "could not be written" in first.message
    assert "FileExistsError" in first.detail
    assert (output / "second" / "report.html").is_file()
    assert (output / "index.html").is_file()


def test_a_file_that_goes_away_meanwhile_costs_the_others_nothing(assignment: Assignment, tmp_path: Path) -> None:
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook(text=name)) for name in ("a", "b", "c")]
    observer = Seen(lambda: paths[1].unlink(missing_ok=True))
    results = grade_all(assignment, paths, tmp_path / "out", here, seed=1, observer=observer)
    assert [result.status for result in results] == ["graded", "unreadable", "graded"]
    assert results[1].message.startswith("it was there when the grading began, but now there is no such file")
    assert read_result(tmp_path / "out" / "b" / "result.json") == results[1]


def test_a_rubric_that_changes_meanwhile_ends_the_grading(tmp_path: Path) -> None:
    rubric = Path(shutil.copytree(MINI, tmp_path / "rubric"))
    (rubric / "more.py").write_text("x = 0")
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook(text=name)) for name in ("a", "b", "c")]

    def disturb() -> None:
        (rubric / "more.py").write_text("x = 1")
        end_worker()

    with pytest.raises(Faults, match="was changed during the grading"):
        grade_all(load_assignment(rubric), paths, tmp_path / "out", here, seed=1, observer=Seen(disturb))
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir() and path.name != "questions"] == ["a"]


def test_a_fault_of_the_harness_costs_the_others_nothing(
    assignment: Assignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grade = Grader.grade_bytes

    def break_at_first(self: Grader, content: bytes, name: str, file: str) -> Graded:
        if name == "first":
            raise KeyError("a mistake\nof the harness")
        return grade(self, content, name, file)

    monkeypatch.setattr(Grader, "grade_bytes", break_at_first)
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook()) for name in ("first", "second")]
    first, second = grade_all(assignment, paths, tmp_path / "out", here, seed=1)
    assert (first.status, second.status, second.code_points) == ("error", "graded", 4.5)
    assert first.message.startswith("the harness failed; a person must look: KeyError")
    assert "\n" not in first.message
    assert "break_at_first" in first.detail
    assert read_result(tmp_path / "out" / "first" / "result.json") == first


def test_a_report_that_cannot_be_made_costs_the_others_nothing(
    assignment: Assignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = tasks.render_submission

    def break_at_first(assignment: Assignment, result: SubmissionResult, notebook: object) -> str:
        if result.submission == "first" and notebook is not None:
            raise ValueError("a mistake of the report")
        return render(assignment, result, notebook)  # type: ignore[arg-type]

    monkeypatch.setattr(tasks, "render_submission", break_at_first)
    paths = [write_notebook(tmp_path / f"{name}.ipynb", mini_notebook()) for name in ("first", "second")]
    first, second = grade_all(assignment, paths, tmp_path / "out", here, seed=1)
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
        grade_all(assignment, paths, tmp_path / "out", here, seed=1, observer=Seen(lambda: signal.raise_signal(number)))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"first"} | OVERVIEW
    assert read_result(tmp_path / "out" / "first" / "result.json").code_points == 4.5
    assert "first" in (tmp_path / "out" / "grades.csv").read_text()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers


def test_it_works_in_another_thread(assignment: Assignment, tmp_path: Path) -> None:
    results: list[SubmissionResult] = []
    paths = [write_notebook(tmp_path / "hw.ipynb", mini_notebook())]
    thread = threading.Thread(
        target=lambda: results.extend(grade_all(assignment, paths, tmp_path / "out", local_pool(1), seed=1))
    )
    thread.start()
    thread.join()
    assert [result.code_points for result in results] == [4.5]


def test_a_place_where_nothing_can_be_written_is_known_before_anything_is_graded(
    assignment: Assignment, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    path = write_notebook(tmp_path / "hw.ipynb", mini_notebook())
    seen = Seen()
    for output in (tmp_path / "file", tmp_path / "file" / "out", Path("/sys/out")):
        with pytest.raises(OSError, match=re.escape(str(output))):
            grade_all(assignment, [path], output, here, seed=1, observer=seen)
    assert seen.results == []


def test_making_sure_of_the_output_folder_leaves_nothing_in_it(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
