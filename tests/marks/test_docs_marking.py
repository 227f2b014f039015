"""The guide to marking, followed to the letter: its commands, its edits, its example."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from shell import run

from grader.marks import scorefile

ROOT = Path(__file__).resolve().parent.parent.parent
DOC = (ROOT / "docs" / "marking.md").read_text()
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"In\s`(?P<path>[\w/.-]+\.yaml)`, change:")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")

BLOCKS = list(BLOCK.finditer(DOC))
COMMANDS = [
    line.removeprefix("$ ")
    for block in BLOCKS
    if block["language"] == "console"
    for line in block["text"].splitlines()
    if line.startswith("$ ")
]


class Ran(NamedTuple):
    command: str
    shown: str
    printed: str


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Ran]]:
    """The folder in which all steps were done in order, and what the commands printed."""
    folder = tmp_path_factory.mktemp("course")
    for part in ("reference", "submissions", "rubrics"):
        shutil.copytree(ROOT / part / "statistics1", folder / part / "statistics1")
    ran: list[Ran] = []
    for block in BLOCKS:
        if block["language"] == "console":
            parts = re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]
            steps = [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]
            ran += [Ran(command, shown, run(command, folder)) for command, shown in steps]
        elif block["language"] == "diff":
            change(folder / FILE.findall(DOC[: block.start()])[-1], block["text"])
    return folder, ran


def change(path: Path, diff: str) -> None:
    """Do what an editor would: each line with a minus is there once."""
    lines = diff.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    text = path.read_text()
    assert text.count(f"\n{old}") == 1, (path.name, old)
    path.write_text(text.replace(f"\n{old}", f"\n{new}"))


def steady(printed: str) -> list[str]:
    """Errors go another way than the rest, so they may be printed before or after it."""
    return sorted(TIME.sub("<time>", line).rstrip() for line in printed.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=lambda number: f"{number}: {COMMANDS[number]}")
def test_a_command_prints_what_is_shown(followed: tuple[Path, list[Ran]], number: int) -> None:
    _, ran = followed
    assert ran[number].command == COMMANDS[number]
    if ran[number].shown:
        assert steady(ran[number].printed) == steady(ran[number].shown)


@pytest.mark.slow
def test_grading_is_the_only_command_whose_output_is_left_out(followed: tuple[Path, list[Ran]]) -> None:
    _, ran = followed
    assert [each.command.split()[1] for each in ran if not each.shown] == ["grade"]


@pytest.mark.slow
def test_what_was_entered_and_taken_back_is_in_the_report(followed: tuple[Path, list[Ran]]) -> None:
    folder, _ = followed
    table = (folder / "results" / "grades.csv").read_text().splitlines()
    assert [line for line in table if line.startswith("typical-mistakes,") and ",2.5,4,2.5,4," in line] != []


def test_the_example_is_a_score_file() -> None:
    (example,) = (block["text"] for block in BLOCKS if block["language"] == "yaml")
    file, _ = scorefile.read(example.encode())
    assert file.points == {"1.1.a": 1, "1.1.c": 0.5, "1.5.b": 2}
    assert file.comments.keys() == {"1.1.c", "1.5.b"}
    assert (file.names, file.group) == ("Jane Example, Joe Example", "17")


def test_every_message_in_the_table_of_what_is_refused_is_one() -> None:
    table = DOC.partition("## What is refused")[2]
    parts = [
        part.strip(" `")
        for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for message in re.findall(r"`([^`]+)`", cell)
        for part in re.split("…|;", message)
        if len(part.strip(" `")) > 3
    ]
    sources = "".join(path.read_text() for path in (ROOT / "grader" / "marks").glob("*.py")).replace("`", "")
    assert len(parts) >= 12
    assert [part for part in parts if part not in re.sub(r'"\s*\n\s*f?"', "", sources) and part != "gave 1 on"] == []
