"""The documents say what is so: limits, commands, links, names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import grader.rubric
from grader.assignment.assignment import Limits, Question
from grader.cli import app
from grader.execution.namespace import Namespace

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "benchmarks/README.md")]
DOCS = sorted([*FILES, *(ROOT / "docs").glob("*.md")])
RUBRIC_DOC = (ROOT / "docs" / "writing-a-rubric.md").read_text()
COMMAND = re.compile(r"\bgrader ([a-z][^`\n#]*)")
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

docs = pytest.mark.parametrize("doc", DOCS, ids=lambda doc: str(doc.relative_to(ROOT)))


def code_in(text: str) -> str:
    """All that stands in code spans and blocks."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


@docs
def test_links_lead_to_files(doc: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", doc.read_text())
    assert [link for link in links if not (doc.parent / link).exists()] == []


@docs
def test_make_targets_exist(doc: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = re.findall(r"\bmake (?:PYTHON=\S+ )?([a-z]+)\b", code_in(doc.read_text()))
    assert set(used) <= targets


@docs
def test_shown_commands_have_existing_options(doc: Path) -> None:
    shown = [shlex.split(command) for command in COMMAND.findall(code_in(doc.read_text()))]
    runner = CliRunner()
    groups = {group.name for group in app.registered_groups}
    for command, *arguments in shown:
        subcommands = arguments[:1] if command in groups else []
        page = runner.invoke(app, [command, *subcommands, "--help"])
        assert page.exit_code == 0, command
        options = [argument for argument in arguments if argument.startswith("-")]
        assert [option for option in options if option not in page.output] == [], (doc.name, command)


def test_the_readme_shows_the_two_commands_and_a_picture() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make grade" in readme
    assert "make test" in readme
    assert "](docs/report.png)" in readme


def test_every_limit_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+(?: [KMG]iB)?) \|", RUBRIC_DOC, re.MULTILINE))
    documented = {}
    for name, value in rows.items():
        number, _, unit = value.partition(" ")
        documented[name] = float(number) * UNITS.get(unit, 1)
    limits = Limits()
    assert documented == {name: getattr(limits, name) for name in Limits.__struct_fields__}


def test_every_key_of_a_question_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", RUBRIC_DOC, re.MULTILINE))
    assert set(Question.__struct_encode_fields__) <= documented


def test_every_method_of_a_namespace_is_documented() -> None:
    methods = [name for name in vars(Namespace) if not name.startswith("_")]
    assert [name for name in methods if f"student.{name}(" not in RUBRIC_DOC] == []


def test_what_a_rubric_imports_by_the_documents_exists() -> None:
    (names,) = re.findall(r"`grader\.rubric` offers ((?:`\w+`(?:, | and )?)+)", RUBRIC_DOC)
    assert set(re.findall(r"`(\w+)`", names)) <= set(grader.rubric.__all__)
