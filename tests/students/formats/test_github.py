"""What a step in GitHub Actions prints and writes, read as the runner reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from notebooks import mini_notebook, write_notebook
from students.formats.reports import COUNTEREXAMPLE, HOSTILE, every_status, hostile, unreadable
from students.formats.runner import Command, commands, outputs

from grader.students.formats.actions import FILES, append, commands_off, guarded_github_files
from grader.students.formats.github import append_to_step, github
from grader.students.formats.markdown import CHARACTERS, markdown


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The files that GitHub's environment names, with something in each from an earlier command of the step."""
    paths = {name: tmp_path / "runner" / name.lower() for name in FILES}
    (tmp_path / "runner").mkdir()
    for name, path in paths.items():
        path.write_text("before=1")
        monkeypatch.setenv(name, str(path))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    return paths


# The runner that the tests rest on


@pytest.mark.parametrize(
    ("log", "names"),
    [
        pytest.param("::set-output name=a::1", ["set-output"], id="new"),
        pytest.param("  ::ADD-MASK::x", ["add-mask"], id="after blanks, in any case"),
        pytest.param("text ##[add-mask]x", ["add-mask"], id="old, anywhere"),
        pytest.param("text ::add-mask::x", [], id="new, not at the beginning"),
        pytest.param("::unknown::x", [], id="unknown"),
        pytest.param("::stop-commands::t\n::add-mask::x\n::other::\n::t::\n::error::y", ["error"], id="stopped"),
    ],
)
def test_orders_are_recognised(log: str, names: list[str]) -> None:
    """The other tests rest on this one."""
    assert [command.name for command in commands(log)] == names


def test_values_of_several_lines_are_read() -> None:
    assert outputs("a=1\nb<<END\nx=2\ny\nEND\nc=\n") == {"a": "1", "b": "x=2\ny", "c": ""}


# Annotations


def test_each_question_that_is_not_done_is_annotated() -> None:
    found = commands(github(every_status()))
    assert [(command.name, command.properties["title"]) for command in found] == [
        ("error", "1.3.a Question 1.3.a: not yet (cells 6, 8)"),
        ("notice", "1.3.b Question 1.3.b: not started"),
        ("warning", "1.3.c Question 1.3.c: unsure (cell 10)"),
    ]
    assert [command.data for command in found] == [
        COUNTEREXAMPLE,
        "There is no answer to 1.3.b yet.",
        "the check stopped after 10 s",
    ]


def test_an_annotation_points_to_the_line_of_the_answer_in_the_file(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "week 1").mkdir()
    path = write_notebook(tmp_path / "week 1" / "hand, in.ipynb", mini_notebook())
    report = every_status()
    report.notebook = str(path)
    report.questions[1].cells = [4]
    error = commands(github(report))[0]
    assert error.properties["file"] == "week 1/hand, in.ipynb"
    line = path.read_text().splitlines()[int(error.properties["line"]) - 1]
    assert json.loads(line.strip().rstrip(",")) == "def quadruple(x):\n"


def test_a_notebook_that_cannot_be_read_is_one_error() -> None:
    title = "The notebook could not be checked"
    message = "the file is empty: save the notebook and hand in again"
    assert commands(github(unreadable())) == [
        Command("error", {"file": "hand-in.ipynb", "line": "1", "title": title}, message)
    ]


@pytest.mark.parametrize("snippet", HOSTILE)
def test_nothing_that_others_wrote_is_an_order(snippet: str) -> None:
    honest, found = commands(github(every_status())), commands(github(hostile(HOSTILE[snippet])))
    assert [command.name for command in found] == [command.name for command in honest]
    assert [command.properties["title"] for command in found] == [command.properties["title"] for command in honest]
    assert [command.properties["line"] for command in found] == ["1", "1", "1"]
    assert all(set(command.properties) == {"file", "line", "title"} for command in found)


def test_a_percent_sign_stays_one() -> None:
    report = every_status()
    report.questions[1].checks[0].message = "50% are right, %0A is not a line end"
    assert commands(github(report))[0].data == "50% are right, %0A is not a line end"


# The summary


def test_the_summary_is_a_table_with_points() -> None:
    html = MarkdownIt("gfm-like", {"linkify": False}).render(markdown(every_status()))
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)]
    assert rows == [
        ["", "question", "", "points", "answer"],
        ["✓", "1.1.a Question 1.1.a", "done", "1.5 of 1.5", "cell 3"],
        ["✗", "1.3.a Question 1.3.a", "not yet", "1 of 2", "cells 6, 8"],
        ["–", "1.3.b Question 1.3.b", "not started", "0 of 1", ""],
        ["?", "1.3.c Question 1.3.c", "unsure", "0 of 1", "cell 10"],
        ["✓", "1.3.d Question 1.3.d", "done", "0.5 of 0.5", "cell 4"],
        ["…", "1.6.d Train a network", "later", "", "cell 12"],
    ]
    assert "2 of 5 code questions done, 3 of 6 points of the checks that run here." in html
    assert "17 points are marked by a person, 9 checks (10 points) run only after the deadline" in html
    assert f"<pre>{COUNTEREXAMPLE}</pre>" in html


def test_the_rubrics_words_are_words() -> None:
    report = every_status()
    report.questions[0].title = "`f(x)` | a*b*c [1] <b> &amp; $x$"
    assert "| ✓ | 1.1.a \\`f(x)\\` \\| a\\*b\\*c \\[1\\] \\<b\\> \\&amp; \\$x\\$ | done |" in markdown(report)
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(markdown(report))
    assert "<td>1.1.a `f(x)` | a*b*c [1] &lt;b&gt; &amp;amp; $x$</td>" in html


def shape(text: str) -> list[str]:
    """The markup of a summary, without its words."""
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text)
    return re.findall(r"</?[a-zA-Z][^<>]*>", html)


@pytest.mark.parametrize("snippet", HOSTILE)
def test_nothing_that_others_wrote_is_markup(snippet: str) -> None:
    assert shape(markdown(hostile(HOSTILE[snippet]))) == shape(markdown(hostile("harmless")))


@pytest.mark.parametrize("snippet", HOSTILE)
def test_nothing_that_others_wrote_is_markup_in_the_line_on_an_unreadable_file(snippet: str) -> None:
    assert shape(markdown(unreadable(HOSTILE[snippet]))) == shape(markdown(unreadable("harmless")))


def test_a_summary_stays_below_what_github_takes() -> None:
    report = hostile("<&>" * 100_000)
    report.questions *= 30
    report.notes *= 5000
    text = markdown(report)
    assert CHARACTERS < len(text.encode()) < 2**20
    assert "There is more to say than this page holds." in text


# The files of the environment


def test_summary_and_outputs_are_added_to_what_is_there(files: dict[str, Path]) -> None:
    report = every_status()
    append_to_step(report)
    assert files["GITHUB_STEP_SUMMARY"].read_text() == f"before=1\n{markdown(report)}"
    assert outputs(files["GITHUB_OUTPUT"].read_text()) == {
        "before": "1",
        "points": "3",
        "max-points": "6",
        "passed": "false",
    }
    assert {files[name].read_text() for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")} == {"before=1"}


def test_where_the_environment_names_no_file_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FILES:
        monkeypatch.delenv(name, raising=False)
    append("GITHUB_OUTPUT", "a=1\n")


def test_what_is_written_meanwhile_is_taken_back(files: dict[str, Path]) -> None:
    with guarded_github_files():
        for path in files.values():
            path.write_text("before=2\npoints=25\n")
    assert {path.read_text() for path in files.values()} == {"before=1"}


@pytest.mark.parametrize("instead", ["link", "folder", "nothing"])
def test_a_file_that_is_replaced_is_put_back(files: dict[str, Path], tmp_path: Path, instead: str) -> None:
    other = tmp_path / "other"
    other.write_text("other")
    path = files["GITHUB_OUTPUT"]
    with guarded_github_files():
        path.unlink()
        if instead == "link":
            path.symlink_to(other)
        elif instead == "folder":
            path.mkdir()
            (path / "file").write_text("x")
    assert not path.is_symlink()
    assert path.read_text() == "before=1"
    assert other.read_text() == "other"


def test_a_link_to_the_same_content_does_not_stay(files: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("before=1")
    path = files["GITHUB_OUTPUT"]
    with guarded_github_files():
        path.unlink()
        path.symlink_to(other)
    assert not path.is_symlink()
    assert path.read_text() == "before=1"


def test_they_are_put_back_also_after_an_error(files: dict[str, Path]) -> None:
    def interrupted() -> None:
        with guarded_github_files():
            files["GITHUB_ENV"].write_text("PATH=x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files["GITHUB_ENV"].read_text() == "before=1"


@pytest.mark.usefixtures("files")
def test_what_is_printed_meanwhile_is_no_order(capsys: pytest.CaptureFixture[str]) -> None:
    with commands_off():
        print("\n".join(HOSTILE.values()).encode("utf-8", "replace").decode(), end="")
    print("::error::ours")
    assert commands(capsys.readouterr().out) == [Command("error", {}, "ours")]


@pytest.mark.usefixtures("files")
def test_how_orders_are_switched_on_again_is_never_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with commands_off():
            pass
    first, second = re.findall(r"^::stop-commands::(\w{40})$", capsys.readouterr().out, re.MULTILINE)
    assert first != second


@pytest.mark.usefixtures("files")
def test_what_a_script_redirects_to_a_file_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "report.json").open("w") as file:
        monkeypatch.setattr("sys.stdout", file)
        with commands_off():
            print("{}")
    assert (tmp_path / "report.json").read_text() == "{}\n"


def test_elsewhere_nothing_is_printed_around_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    with commands_off():
        print("x")
    assert capsys.readouterr().out == "x\n"
