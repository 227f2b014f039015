"""The tutorial, followed to the letter: from an empty folder to the example in the repository."""

from __future__ import annotations

import ast
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from shell import run

ROOT = Path(__file__).resolve().parent.parent
DOC = ROOT / "docs" / "writing-a-rubric.md"
NAME = "statistics1"
TUTORIAL = DOC.read_text().partition("\n## Tutorial")[2].partition("\n## ")[0]
BLOCK = re.compile(r"(?P<before>[^\n]*)\n+```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

# What the reader is told to do stands in the line above a block.
WRITE = re.compile(r"Write `(?P<path>[\w/.]+)`:")
ADD = re.compile(r"Add to `(?P<path>[\w/.]+)`:")
CHANGE = re.compile(r"In `(?P<path>[\w/.]+)`, change `(?P<function>\w+)`:")
CELL = re.compile(r"The cell `(?P<cell>[\w-]+)`:")

# What differs from run to run. How far a validation has come is not shown in the tutorial at all.
VOLATILE = {
    r"\b\d+ seconds\b": "<seconds>",
    r"\bseed \d+\b": "<seed>",
    r"(?m) · \d+ of \d+(?: · [\w ]+ left)?$": "",
}
PROGRESS = re.compile(r"grading (the reference|its student version)$|tried \d+ of|repeated \d+ of")


@dataclass(frozen=True)
class Block:
    before: str
    language: str
    text: str

    def told(self, what: re.Pattern[str]) -> re.Match[str] | None:
        return what.fullmatch(self.before.strip())


@dataclass(frozen=True)
class Ran:
    command: str
    shown: str
    printed: str


BLOCKS = [Block(match["before"], match["language"], match["text"]) for match in BLOCK.finditer(TUTORIAL)]
COMMANDS = [
    line.removeprefix("$ ")
    for block in BLOCKS
    for line in block.text.splitlines()
    if block.language == "console" and line.startswith("$ ")
]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Ran]]:
    """The folder in which all steps were done in order, and what the commands printed."""
    folder = tmp_path_factory.mktemp("course")
    # Notebooks are written in Jupyter; what the tutorial shows of them has a test of its own.
    for part in ("reference", "submissions"):
        shutil.copytree(ROOT / part / NAME, folder / part / NAME)
    ran: list[Ran] = []
    for block in BLOCKS:
        if block.language == "console":
            ran += [Ran(command, shown, run(command, folder)) for command, shown in commands_of(block)]
        else:
            do(block, folder)
    return folder, ran


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Each command, and what is shown below it."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


def do(block: Block, folder: Path) -> None:
    if told := block.told(WRITE):
        path = folder / told["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    elif told := block.told(ADD):
        path = folder / told["path"]
        # Between two functions of a module there are two empty lines, between two tables of TOML there is one.
        gap = "\n\n" if path.suffix == ".py" else "\n"
        path.write_text(path.read_text() + gap + block.text)
    elif told := block.told(CHANGE):
        path = folder / told["path"]
        path.write_text(with_function(path.read_text(), told["function"], block.text))


def with_function(source: str, name: str, text: str) -> str:
    """A module's source with another text in the place of one function and its decorators."""
    (function,) = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name)
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    lines = source.splitlines(keepends=True)
    return "".join([*lines[: first - 1], text, *lines[function.end_lineno :]])


def steady(output: str) -> list[str]:
    for pattern, word in VOLATILE.items():
        output = re.sub(pattern, word, output)
    lines = [line.rstrip() for line in output.splitlines() if not PROGRESS.match(line)]
    # Several workers are done in any order.
    graded = sorted(line for line in lines if line.startswith("graded "))
    return graded + [line for line in lines if not line.startswith("graded ")]


def files_in(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_text() for path in files}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.before.strip(" :`")[:40] or block.language)
def test_every_block_says_what_to_do_with_it(block: Block) -> None:
    assert block.language == "console" or any(block.told(what) for what in (WRITE, ADD, CHANGE, CELL))


def test_the_cells_that_are_shown_are_those_of_the_reference() -> None:
    notebook = nbformat.read(ROOT / "reference" / NAME / "reference.ipynb", as_version=4)
    sources = {cell.id: f"{cell.source}\n" for cell in notebook.cells}
    shown = {told["cell"]: block.text for block in BLOCKS if (told := block.told(CELL))}
    assert {"answer-1-1-a", "answer-1-1-b", "answer-1-2-a"} <= shown.keys()
    assert shown == {cell: sources[cell] for cell in shown}


@pytest.mark.slow
def test_the_rubric_ends_up_as_it_is_in_the_repository(followed: tuple[Path, list[Ran]]) -> None:
    folder, _ = followed
    assert files_in(folder / "rubrics" / NAME) == files_in(ROOT / "rubrics" / NAME)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=lambda number: f"{number}: {COMMANDS[number]}")
def test_a_command_prints_what_is_shown(followed: tuple[Path, list[Ran]], number: int) -> None:
    _, ran = followed
    assert ran[number].command == COMMANDS[number]
    assert steady(ran[number].printed) == steady(ran[number].shown)
