"""Finding the file of checks of a notebook that is open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.students.bundle.bundle import BundleError
from grader.students.live.finding import checks_of_folder


def test_the_only_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "dl1.checks").touch()
    assert checks_of_folder(tmp_path, {}) == tmp_path / "dl1.checks"


def test_without_one_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as raised:
        checks_of_folder(tmp_path, {})
    assert raised.value.faults == [
        f"there is no file of checks in the folder {tmp_path}: put the one that came with the assignment there, or "
        "name it: %check --bundle FILE.checks"
    ]


def test_of_several_the_notebook_says_which(tmp_path: Path) -> None:
    for name in ("dl1.checks", "dl2.checks"):
        (tmp_path / name).touch()
    notebook = tmp_path / "my work.ipynb"
    cells = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "text"}]
    content = {"cells": cells, "metadata": {"grader": {"assignment": "dl2"}}, "nbformat": 4, "nbformat_minor": 5}
    notebook.write_text(json.dumps(content))
    assert checks_of_folder(tmp_path, {"JPY_SESSION_NAME": str(notebook)}) == tmp_path / "dl2.checks"
    with pytest.raises(BundleError, match=r"several files of checks \(dl1.checks, dl2.checks\)"):
        checks_of_folder(tmp_path, {})
