"""A release of the mini assignment: the notebook and the checks that its students get."""

from __future__ import annotations

import shutil
from pathlib import Path

from notebooks import MINI, change

from grader.assignment.assignment import load_assignment
from grader.students.bundle.release import Released, release

FIRST = '"1.1.a", points=1'
SECOND = '"1.1.b", points=1.5'


def public_mini(folder: Path, *marks: str) -> Path:
    """The rubric, copied into `folder`, with the checks public whose marks begin so: `"1.1.a", points=1`."""
    rubric = folder / "mini"
    shutil.copytree(MINI, rubric, ignore=shutil.ignore_patterns("__pycache__"))
    for mark in marks:
        change(rubric / "test_mini.py", mark, f"{mark}, public=True")
    return rubric


def release_mini(folder: Path) -> Released:
    """With the first check public; those of the other questions run only after the deadline."""
    return release(load_assignment(public_mini(folder, FIRST)), folder / "released", seed=5)
