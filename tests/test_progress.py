"""What `grader grade` shows in a terminal while it works, and that nothing of it stays behind."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from notebooks import MINI, mini_notebook, write_notebook

from grader.cli.progress import Progress, duration
from grader.results.results import SubmissionResult

GRADER = Path(sysconfig.get_path("scripts")) / "grader"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_a_terminal(*arguments: object, cwd: Path) -> tuple[int, str]:
    """The exit status, and all that was written to the terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [GRADER, *map(str, arguments)], cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 2**16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    return process.wait(), written.decode()


def test_a_terminal_shows_what_each_worker_does_and_how_far_it_is(tmp_path: Path) -> None:
    for name in ("ann", "[red]bob"):
        write_notebook(tmp_path / f"{name}.ipynb", mini_notebook(text=name))
    (tmp_path / "cem.ipynb").write_text("")
    status, written = in_a_terminal("grade", ".", "--rubric", MINI, "-o", "out", "-j", 2, cwd=tmp_path)
    text = ESCAPES.sub("", written)
    assert status == 1
    assert re.search(r"worker 1\s+starting\s+\d+ s", text)
    assert re.search(r"worker \d\s+(ann|\[red\]bob): (reading|running its cells|checking)", text)
    assert "0 of 3" in text
    assert "graded ann.ipynb: 4.5 of 4.5" in text
    assert "graded [red]bob.ipynb: 4.5 of 4.5" in text
    assert "error: cem.ipynb: the file is empty" in text
    # The cursor, which is hidden meanwhile, is there again.
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l")
    assert text.rstrip().endswith("Report: out/index.html")


def test_in_a_log_there_are_lines_alone(tmp_path: Path) -> None:
    write_notebook(tmp_path / "ann.ipynb", mini_notebook())
    ended = subprocess.run(
        [GRADER, "grade", "ann.ipynb", "--rubric", MINI], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "\x1b" not in ended.stdout
    assert "worker" not in ended.stdout
    assert ended.stdout.startswith("graded ann.ipynb: 4.5 of 4.5\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (44.6, "45 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3000, "50 min"),
        (12000, "3 h 20 min"),
        (7230, "2 h 0 min"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_time_left_is_not_known_before_anything_is_graded_nor_of_interest_after(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress()
    progress.to_grade, progress.total = 2, 2
    assert progress.time_left() == ""
    for name in ("one", "two"):
        progress.ended(SubmissionResult(submission=name, file=name, timings={"read": 1.0}))
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"graded one: 0 of 0 · 1 of 2 · \d+ s left", first)
    assert second == "graded two: 0 of 0 · 2 of 2"
