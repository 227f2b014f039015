"""The page of a check: answers and outputs as in a grading, points as far as the public checks go."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from notebooks import mini_notebook, write_notebook
from releases import release_mini

from grader.students.bundle.bundle import open_bundle
from grader.students.checking.check import Checked, check
from grader.students.formats.page import page
from grader.students.formats.text import text


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release_mini(tmp_path_factory.mktemp("release")).bundle


def checked(path: Path, bundle: Path, questions: tuple[str, ...] = ()) -> Checked:
    with open_bundle(bundle) as opened:
        return check(path, opened, questions)


@pytest.mark.slow
def test_the_points_are_those_of_the_public_checks(bundle: Path, tmp_path: Path) -> None:
    path = write_notebook(
        tmp_path / "hand-in.ipynb", mini_notebook(double="print('hello')\ndef double(x):\n    return x")
    )
    found = checked(path, bundle)
    html = page(found)
    assert "0 of 1 points for code" in " ".join(re.sub(r"<[^>]*>", " ", html).split())
    assert "hello" in html
    assert "Not checked here: 1 point is marked by a person, 3 checks (3.5 points) run only after the deadline." in html
    # What the grading itself knows stays as it was.
    assert found.graded.result.question("1.1.b").max_points == 2
    assert found.report.points == 0
    assert "1.1.a   Double a number  not yet      0 of 1" in text(found.report)


@pytest.mark.slow
def test_only_the_questions_that_were_asked_for_are_on_it(bundle: Path, tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "hand-in.ipynb", mini_notebook())
    html = page(checked(path, bundle, ("1.1.a",)))
    assert "Double a number" in html
    assert "Add four" not in html


def test_a_notebook_that_cannot_be_read_has_a_page_that_says_so(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "hand-in.ipynb"
    path.write_text("")
    assert "the file is empty" in page(checked(path, bundle))
