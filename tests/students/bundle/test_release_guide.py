"""Releasing an assignment by the command, as the guide for courses shows it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from notebooks import change
from shell import run

ROOT = Path(__file__).resolve().parents[3]
DOC = (ROOT / "docs" / "for-courses.md").read_text().partition("## Checks on the repositories of students")[0]
COMMANDS = re.findall(r"^\$ (.*)$", DOC, re.MULTILINE)
SHOWN = re.findall(r"^```text\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course's folder, with the small assignment."""
    for part in ("reference", "rubrics"):
        shutil.copytree(ROOT / part / "statistics1", tmp_path / part / "statistics1")
    return tmp_path


def test_the_guide_leads_to_a_release_that_students_can_use(course: Path) -> None:
    release, check = COMMANDS
    (shown,) = SHOWN
    printed = run(release, course)
    assert printed.endswith(shown)
    assert "no problems" in printed or "tried" in printed
    assert sorted(path.name for path in (course / "release").iterdir()) == ["statistics1.checks", "statistics1.ipynb"]
    started = run(f"{check}; echo status $?", course)
    assert started.endswith("status 1\n")
    assert started.count("not started") == 3


def test_a_rubric_that_is_not_sound_is_not_released(course: Path) -> None:
    """A check that accepts anything: the mistakes that the rubric lists get past it."""
    checks = course / "rubrics" / "statistics1" / "test_statistics.py"
    (line,) = (line for line in checks.read_text().splitlines() if "expect(student.correlations(" in line)
    change(checks, line, "    student.correlations(x)")
    printed = run(f"{COMMANDS[0]}; echo status $?", course)
    assert "Nothing is released: correct the rubric first.\nstatus 1\n" in printed
    assert "test_correlations" in printed
    assert list((course / "release").iterdir()) == []


def test_a_folder_that_is_no_rubric_is_one_line(course: Path) -> None:
    printed = run("grader release nowhere -o release; echo status $?", course)
    assert printed.startswith("error: nowhere/rubric.toml: cannot be read")
    assert printed.endswith("status 2\n")
    assert len(printed.splitlines()) == 2
