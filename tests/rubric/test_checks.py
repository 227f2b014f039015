"""Faults of a rubric's checks: each on a line that says where it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from notebooks import MINI

from grader.assignment import RubricError, load_assignment
from grader.rubric.checks import load_checks

MARK_B = '@pytest.mark.question("1.1.b", points=0.5)'


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        pytest.param(MARK_B, '@pytest.mark.question("9.9.z", points=0.5)', "there is no question 9.9.z", id="question"),
        pytest.param(
            MARK_B,
            '@pytest.mark.question("1.1.b", points=1)',
            "rubric.toml: question 1.1.b is worth 2 points but its checks add up to 2.5",
            id="sum",
        ),
        pytest.param(MARK_B, MARK_B.replace("1.1.b", "1.2.a"), "question 1.2.a is a text", id="text question"),
        pytest.param(MARK_B, MARK_B.replace("0.5", "0.3"), "in steps of 0.5", id="steps"),
        pytest.param("(student, rng)", "(student, rgn)", "there is no fixture 'rgn'", id="fixture"),
        pytest.param('    """Your function calls `double`."""\n', "", "needs a docstring", id="docstring"),
        pytest.param(MARK_B + "\n", "", "needs a mark of the form", id="no mark"),
        pytest.param(MARK_B, "@pytest.mark.question(1)", "needs a mark of the form", id="malformed mark"),
        pytest.param("import numpy as np", "import numpy as", "cannot be imported: line 1: SyntaxError", id="syntax"),
        pytest.param('"1.1.c"', '"1.1.b"', "rubric.toml: question 1.1.c has no checks", id="no checks"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, fault: str) -> None:
    rubric = Path(shutil.copytree(MINI, tmp_path / "rubric", ignore=shutil.ignore_patterns("__pycache__")))
    text = (rubric / "test_mini.py").read_text()
    assert text.count(old) == 1
    (rubric / "test_mini.py").write_text(text.replace(old, new))
    with pytest.raises(RubricError) as caught:
        load_checks(load_assignment(rubric))
    assert [line for line in caught.value.faults if fault in line], caught.value.faults
    assert all(line.startswith(str(rubric)) and "\n" not in line for line in caught.value.faults)


def test_a_conftest_of_a_folder_around_the_rubric_is_left_alone(tmp_path: Path) -> None:
    rubric = Path(shutil.copytree(MINI, tmp_path / "rubric", ignore=shutil.ignore_patterns("__pycache__")))
    (tmp_path / "conftest.py").write_text("raise RuntimeError('not yours')\n")
    assert len(load_checks(load_assignment(rubric))) == 4
