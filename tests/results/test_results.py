"""Results: their sums, and files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from grader.results.results import (
    CheckResult,
    CheckStatus,
    QuestionResult,
    SubmissionResult,
    format_points,
    read_result,
    total,
    write_atomically,
    write_result,
)


def check(points: float | None, max_points: float, status: CheckStatus = "passed") -> CheckResult:
    return CheckResult(
        name="test_a.py::test_a", title="A promise.", points=points, max_points=max_points, status=status
    )


def example() -> SubmissionResult:
    code = QuestionResult(
        id="1.1.a",
        title="Code",
        kind="code",
        points=1.5,
        max_points=3.5,
        status="review",
        cells=[1, 2],
        checks=[check(1.5, 1.5), check(0, 0.5, "failed"), check(None, 1.5, "review")],
        notes=["Cell 2: stopped."],
    )
    unknown = QuestionResult(
        id="1.1.b",
        title="All in review",
        kind="code",
        points=None,
        max_points=1,
        status="review",
        cells=[],
        checks=[check(None, 1, "review")],
    )
    text = QuestionResult(
        id="1.2.a", title="Text", kind="text", points=None, max_points=2, status="to be marked", cells=[4]
    )
    marked = QuestionResult(id="1.2.b", title="Text", kind="text", points=0.5, max_points=1, status="passed", cells=[5])
    return SubmissionResult(
        submission="größe <b>",
        file="a/größe <b>.ipynb",
        questions=[code, unknown, text, marked],
        timings={"read": 0.25},
    )


def test_sums_keep_apart_what_is_known_to_be_marked_and_in_review() -> None:
    result = example()
    total(result)
    assert (result.points, result.max_points) == (2, 7.5)
    assert (result.code_points, result.code_max_points) == (1.5, 4.5)
    assert (result.points_to_mark, result.points_in_review) == (2, 2.5)


def test_summing_twice_changes_nothing() -> None:
    once, twice = example(), example()
    total(once)
    total(twice)
    total(twice)
    assert once == twice


@pytest.mark.parametrize(
    ("points", "text"), [(None, "–"), (0.0, "0"), (0.5, "0.5"), (2.0, "2"), (1.25, "1.25"), (10.0, "10")]
)
def test_points_are_shown_as_people_write_them(points: float | None, text: str) -> None:
    assert format_points(points) == text


def test_a_question_is_found_by_its_id() -> None:
    assert example().question("1.2.a").kind == "text"
    with pytest.raises(KeyError, match=r"9\.9\.z"):
        example().question("9.9.z")


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    result = example()
    total(result)
    path = write_result(tmp_path / "new" / "folder", result)
    assert path == tmp_path / "new" / "folder" / "result.json"
    assert read_result(path) == result


def test_a_result_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text('{"submission": "a", "file": "a.ipynb", "status": "perfect"}')
    with pytest.raises(msgspec.ValidationError):
        read_result(path)


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    write_atomically(path, "old")
    with path.open() as reader:
        write_atomically(path, b"new")
        # Who has begun to read goes on with the old one.
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index.html"
    write_atomically(path, "old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


def test_a_folder_in_the_place_of_the_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "index.html", "new")
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


def test_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "grades.csv", "points")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "grades.csv").stat().st_mode) == 0o640
