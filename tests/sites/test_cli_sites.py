"""`grader import` and `grader export`: what they print, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest
from sites.downloads import (
    CLASS,
    EVA,
    JANE,
    RAVI,
    brightspace_gradebook,
    moodle_download,
    notebook_bytes,
    people_file,
    zip_bytes,
)
from sites.gradings import result_for, write_results
from typer.testing import CliRunner, Result

from grader.cli import app
from grader.results.results import write_result


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "150"})


def test_an_import_shows_everybody_and_everything_odd(download: Path, tmp_path: Path) -> None:
    done = run("import", "brightspace", download, "-o", tmp_path / "out", "--due", "2025-10-10 23:59")
    assert done.exit_code == 1
    for student in CLASS:
        assert f" {student.submission} " in done.stdout
    assert f"note: {RAVI.submission}: late: handed in 2025-10-11 09:12, due 2025-10-10 23:59" in done.stdout
    assert f"note: {EVA.submission}: no notebook (.ipynb) was handed in, only homework.pdf" in done.stdout
    assert "12 people: 10 new notebooks, 0 replaced, 2 without one" in done.stdout
    assert "error: refused: /evil.ipynb: has an absolute path" in done.stderr
    assert len(done.stderr.splitlines()) == 5


def test_an_import_of_which_nothing_was_refused_is_a_success(tmp_path: Path) -> None:
    download = moodle_download(tmp_path / "download.zip")
    assert run("import", "moodle", download, "-o", tmp_path / "out").exit_code == 0


def test_names_do_not_move_the_cursor(tmp_path: Path) -> None:
    download = tmp_path / "download.zip"
    name = "1-2 - Jane\x1b[2J\u202e Smith - Oct 10, 2025 1000 AM/"
    download.write_bytes(
        zip_bytes({f"{name}a\x1b[31m.ipynb": notebook_bytes(), f"{name}b\n.ipynb": b"{}", "\x1b]0;": b""})
    )
    done = run("import", "brightspace", download, "-o", tmp_path / "out")
    assert not {"\x1b", "\u202e"} & set(done.output)
    assert "\\x1b[2J" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["canvas", "{download}"], "is no download from Canvas"),
        (["moodle", "nothing.zip"], "nothing.zip: there is no such file or folder"),
        (["moodle", "{text}"], "is neither a folder nor a zip"),
    ],
    ids=["another site", "no file", "no zip"],
)
def test_what_cannot_be_imported_is_one_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    text = tmp_path / "text.zip"
    text.write_text("hello")
    paths = {"download": moodle_download(tmp_path / "download.zip"), "text": text}
    done = run("import", *(argument.format(**paths) for argument in arguments), "-o", tmp_path / "out")
    assert done.exit_code == 2
    (error,) = done.stderr.splitlines()
    assert line in error


def test_an_export_says_what_is_not_in_it(download: Path, tmp_path: Path) -> None:
    run("import", "brightspace", download, "-o", tmp_path / "submissions")
    results = write_results(tmp_path / "submissions", tmp_path / "results")
    gradebook, people = brightspace_gradebook(tmp_path / "gradebook.csv"), people_file(tmp_path / "people.csv")
    arguments = ["brightspace", results, "--gradebook", gradebook, "--people", people]
    arguments += ["-o", tmp_path / "grades.csv", "--feedback", tmp_path / "feedback.zip"]
    done = run("export", *arguments)
    assert done.exit_code == 1
    assert f"error: no grade: {EVA.submission}: no notebook was handed in" in done.stderr
    assert f"Grades of 10 for “Homework 1”: {tmp_path / 'grades.csv'}" in done.stdout
    assert f"Feedback: {tmp_path / 'feedback.zip'}" in done.stdout
    assert run("export", *arguments, "--missing-as-zero").exit_code == 0


def test_an_export_of_what_is_not_decided_lists_it(tmp_path: Path) -> None:
    run("import", "moodle", moodle_download(tmp_path / "download.zip"), "-o", tmp_path / "submissions")
    results = write_results(tmp_path / "submissions", tmp_path / "results")
    write_result(results / JANE.submission, result_for(JANE.submission, None))
    done = run("export", "moodle", results, "-o", tmp_path / "grades.csv")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        f"error: {results}: not all points are decided; decide them, or leave these out with --partial",
        f"error: {JANE.submission}: 1.2.a (to be marked)",
    ]
    assert not (tmp_path / "grades.csv").exists()
    assert run("export", "moodle", results, "-o", tmp_path / "grades.csv", "--partial").exit_code == 1
