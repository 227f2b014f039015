"""Which forms are asked for, and where they are written."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from students.formats.reports import HOSTILE, every_status, hostile
from students.formats.runner import commands

from grader.students.checking.report import CheckReport
from grader.students.formats import FormatError, Output, parse_formats, write
from grader.students.formats.text import text
from grader.students.formats.write import FORMATS


class OnlyReport:
    """As much of what a check gives as these formats need: all but the page."""

    def __init__(self, report: CheckReport) -> None:
        self.report = report


def test_a_format_goes_to_standard_output_or_to_a_file() -> None:
    assert parse_formats(["text", "junit=a/b=c.xml"]) == [Output("text", None), Output("junit", Path("a/b=c.xml"))]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(FormatError) as caught:
        parse_formats(["tap", "junit=", "json=a", "gitlab=a"])
    assert caught.value.faults == [
        f"--format tap: there is no such format; there are {', '.join(FORMATS)}",
        "--format junit=: there is no file after the equals sign",
        "--format: two formats cannot be in one file, a",
    ]


def test_files_are_written_whole_and_the_rest_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    report = every_status()
    write(OnlyReport(report), parse_formats(["text", f"json={tmp_path}/new/report.json"]))
    assert capsys.readouterr().out == text(report)
    assert json.loads((tmp_path / "new" / "report.json").read_text())["points"] == report.points
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.json"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FormatError) as caught:
        write(OnlyReport(every_status()), [Output("text", tmp_path / "folder")])
    assert caught.value.faults == [f"{tmp_path}/folder: cannot be written (Is a directory)"]


@pytest.mark.parametrize("format", ["text", "json", "junit", "gitlab", "gradescope", "markdown"])
@pytest.mark.parametrize("snippet", HOSTILE)
def test_in_github_actions_nothing_that_is_printed_is_an_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, format: str, snippet: str
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    write(OnlyReport(hostile(HOSTILE[snippet])), [Output(format, None)])
    assert commands(capsys.readouterr().out) == []


def test_beside_other_formats_annotations_are_orders(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    write(OnlyReport(hostile("::error::forged")), parse_formats(["text", "github", "markdown"]))
    found = commands(capsys.readouterr().out)
    assert [command.properties["title"].partition(":")[0] for command in found] == [
        "1.3.a Question 1.3.a",
        "1.3.b Question 1.3.b",
        "1.3.c Question 1.3.c",
    ]
    assert (tmp_path / "summary").read_text().startswith("### ")


def test_a_terminal_is_written_to_in_colours() -> None:
    code = (
        "from students.formats.reports import every_status; from students.formats.test_write import OnlyReport\n"
        "from grader.students.formats import parse_formats, write\n"
        "write(OnlyReport(every_status()), parse_formats(['text']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "COLUMNS": "100"}
    environment = {name: value for name, value in environment.items() if name not in ("NO_COLOR", "GITHUB_ACTIONS")}
    parent, child = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stdout=child, env=environment, check=True, timeout=60)
    os.close(child)
    with os.fdopen(parent, "rb") as output:
        assert b"\x1b[32mdone" in os.read(output.fileno(), 2**16)


def test_the_formats_come_without_the_engine() -> None:
    heavy = "torch numpy pytest nbclient jupyter_client jinja2 rich hypothesis markdown_it"
    code = f"import sys, grader.students.formats\nprint([name for name in {heavy.split()} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
