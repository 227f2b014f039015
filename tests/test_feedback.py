"""Who is told what of a check: a student no more than the rubric allows, and staff also what broke and where."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest
from notebooks import MINI, change, mini_notebook, write_notebook

from grader.assignment.assignment import load_assignment
from grader.grading.submission import Graded as GradedNotebook
from grader.marks.template import file_name, template
from grader.results.results import SubmissionResult, read_result
from grader.sites.feedback import score_sheet
from grader.students.bundle.bundle import Bundle, Contents
from grader.students.bundle.record import Record
from grader.students.checking.check import Checked
from grader.students.checking.summary import report_of
from grader.students.formats import Output, write
from grader.students.formats.write import FORMATS

GRADER = Path(sysconfig.get_path("scripts")) / "grader"
SECRET = "input forty-seven"
"""In the message of a check that tells its outcome only."""
RAISED = "ZeroDivisionError: division by zero (test_mini.py, line 28: `assert len(calls) > 1 / 0`)"
TITLES = ("Your function returns four times its argument.", "Your function calls `double`.")


class Graded(NamedTuple):
    rubric: Path
    folder: Path
    output: str
    errors: list[str]

    def result(self, name: str) -> SubmissionResult:
        return read_result(self.folder / name / "result.json")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """A class of two. Hidden checks tell their outcome only; one that says otherwise is on 1.1.a; one is broken."""
    folder = tmp_path_factory.mktemp("feedback")
    rubric = Path(shutil.copytree(MINI, folder / "mini", ignore=shutil.ignore_patterns("__pycache__")))
    change(rubric / "rubric.toml", 'title = "Mini"', 'title = "Mini"\nhidden_feedback = "outcome"')
    checks = rubric / "test_mini.py"
    change(checks, '"1.1.a", points=1', '"1.1.a", points=1, feedback="full"')
    change(checks, 'f"expected {4 * x}, got {got}, for x = {x}"', repr(SECRET))
    change(checks, "assert len(calls) > 0", "assert len(calls) > 1 / 0")
    submissions = folder / "submissions"
    submissions.mkdir()
    write_notebook(submissions / "ann.ipynb", mini_notebook(double="def double(x):\n    return 3 * x"))
    write_notebook(submissions / "bob.ipynb", mini_notebook(quadruple="def quadruple(x):\n    return double(x)"))
    ended = subprocess.run(
        [GRADER, "grade", submissions, "--rubric", rubric, "-o", folder / "results", "-j", "1"],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    return Graded(rubric, folder / "results", ended.stdout, ended.stderr.splitlines())


def test_a_student_is_told_the_title_and_the_outcome_of_a_check_that_says_no_more(graded: Graded) -> None:
    page = (graded.folder / "bob" / "report.html").read_text()
    assert TITLES[0] in page
    assert "failed" in page
    assert SECRET not in page


def test_a_check_that_may_say_more_does(graded: Graded) -> None:
    assert "expected 6, got 9, for x = 3" in (graded.folder / "ann" / "report.html").read_text()


def test_nor_is_why_an_error_was_carried_forward_or_left_to_a_person(graded: Graded) -> None:
    page = (graded.folder / "ann" / "report.html").read_text()
    assert graded.result("ann").question("1.1.b").checks[0].status == "carried forward"
    assert "is corrected (tried" in graded.result("ann").question("1.1.b").checks[0].message
    assert "is corrected (tried" not in page
    assert "could not be completed" not in page


def test_staff_are_told_everything(graded: Graded) -> None:
    assert graded.result("bob").question("1.1.b").checks[0].message == SECRET
    for page in ("index.html", "questions/1.1.b.html"):
        assert SECRET in (graded.folder / page).read_text()


@pytest.mark.parametrize("format", FORMATS)
def test_no_format_of_a_check_tells_more(graded: Graded, format: str, tmp_path: Path) -> None:
    assignment, result = load_assignment(graded.rubric), graded.result("bob")
    contents = Contents(
        grader_version="0",
        name="mini",
        title="Mini",
        preload=(),
        limits=assignment.limits,
        questions=assignment.questions,
        checks=(),
        hidden={},
        seed=1,
        stubs={},
    )
    bundle = Bundle(path=tmp_path, contents=contents, assignment=assignment, record=Record())
    report = report_of(result, bundle, assignment.questions)
    write(Checked(report, GradedNotebook(result)), [Output(format, tmp_path / "report")])
    text = (tmp_path / "report").read_text()
    assert "expected 6" not in text  # another submission's
    assert "1.1.b" in text
    assert SECRET not in text
    assert "ZeroDivisionError" not in text


def test_the_score_sheet_of_a_student_tells_no_more(graded: Graded) -> None:
    text = score_sheet(graded.result("bob"), "Bob")
    assert TITLES[0] in text
    assert SECRET not in text


def test_a_marker_reads_it_where_the_student_will_not(graded: Graded, tmp_path: Path) -> None:
    template(load_assignment(graded.rubric), graded.folder, tmp_path)
    text = (tmp_path / file_name("bob")).read_text()
    (line,) = (line for line in text.splitlines() if SECRET in line)
    assert line.startswith(f"  # Not told to the student: {TITLES[0]}")
    assert f"# {TITLES[1]}: the check is broken: {RAISED}" in text


# A check that breaks


def test_a_broken_check_is_one_line_for_the_class(graded: Graded) -> None:
    name = graded.rubric / "test_mini.py::test_quadruple_uses_double"
    assert graded.errors == [f"error: {name}: the check is broken: {RAISED}, in 2 of 2 submissions"]


def test_a_broken_check_is_told_to_staff_on_their_pages_and_to_no_student(graded: Graded) -> None:
    for page in ("index.html", "questions/1.1.b.html"):
        assert f"the check is broken: {RAISED}" in unescape((graded.folder / page).read_text())
    for name in ("ann", "bob"):
        assert graded.result(name).question("1.1.b").checks[1].broken == RAISED
        assert "ZeroDivisionError" not in (graded.folder / name / "report.html").read_text()
