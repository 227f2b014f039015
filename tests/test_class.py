"""A class from the course site and back: the download goes in, is graded and marked, and what comes out is taken."""

from __future__ import annotations

import re
import subprocess
import sysconfig
import zipfile
from pathlib import Path

import pytest
from notebooks import MINI
from sites import reimport
from sites.downloads import (
    ANA,
    CLASS,
    EVA,
    JANE,
    MAX,
    RAVI,
    brightspace_download,
    brightspace_folder,
    brightspace_gradebook,
    people_file,
)

GRADER = Path(sysconfig.get_path("scripts")) / "grader"
WITH_NOTEBOOK = [student for student in CLASS if student not in (EVA, MAX)]


class Course:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        brightspace_download(folder / "download.zip")
        brightspace_gradebook(folder / "gradebook.csv")
        people_file(folder / "people.csv")

    def run(self, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [GRADER, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True, timeout=300
        )
        assert "Traceback" not in ended.stderr
        assert ended.returncode == status, ended.stderr
        return ended

    def export(self, *options: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        sources = ["--gradebook", "gradebook.csv", "--people", "people.csv"]
        return self.run("export", "brightspace", "results", *sources, "-o", "grades.csv", *options, status=status)

    def grades(self) -> dict[str, float | None]:
        """What the site makes of the grade file."""
        users = {student.username: student.org_id for student in CLASS}
        return reimport.brightspace(self.folder / "grades.csv", "Homework 1", 5.5, users)

    def text(self, path: str) -> str:
        return (self.folder / path).read_text()


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    course = Course(tmp_path_factory.mktemp("course"))
    # 1: something was refused. And two have no notebook.
    arguments = ["download.zip", "-o", "submissions", "--rubric", MINI, "--due", "2025-10-10 23:59"]
    course.run("import", "brightspace", *arguments, status=1)
    course.run("grade", "submissions", "--rubric", MINI, "-o", "results", "-j", 2, "--seed", 3, status=1)
    return course


def test_grades_are_not_exported_while_a_text_question_is_unmarked(course: Course) -> None:
    refused = course.export(status=2)
    for student in WITH_NOTEBOOK:
        assert re.search(rf"{student.submission}: .*1\.2\.a", refused.stderr), student
    assert not (course.folder / "grades.csv").exists()


def test_partial_leaves_those_out_who_are_not_done(course: Course) -> None:
    course.export("--partial", status=1)
    assert [grade for grade in course.grades().values() if grade is not None] == []
    (course.folder / "grades.csv").unlink()


def test_who_handed_in_no_notebook_is_in_the_overview(course: Course) -> None:
    page = course.text("results/index.html")
    for student in (EVA, MAX):
        assert student.submission in page
        assert (course.folder / "results" / student.submission / "report.html").is_file()


def test_the_class_is_marked_by_file_exported_and_taken_by_the_site(course: Course) -> None:
    course.run("marks", "template", "results", "--rubric", MINI, "-o", "marks")
    files = sorted((course.folder / "marks").glob("*.yaml"))
    assert [file.stem for file in files] == sorted(student.submission for student in WITH_NOTEBOOK)
    for file in files:
        points = "0.5" if file.stem == ANA.submission else "1"
        text = re.sub(r"^  1\.2 a:$", f"  1.2 a: {points}", file.read_text(), count=1, flags=re.MULTILINE)
        if file.stem == RAVI.submission:
            # Overridden, with a reason.
            text = text.replace("  1.1 a: 0\n", "  1.1 a: 0.5\n")
            text = text.replace("Reasons:\n", "Reasons:\n  Question 1.1 a: |\n    A slip of the pen.\n", 1)
        file.write_text(text)
    course.run("marks", "apply", "results", "marks", "--rubric", MINI, "--by", "A. Tutor")

    # 1: two have no grade, and are listed.
    exported = course.export("--feedback", "feedback.zip", status=1)
    assert EVA.submission in exported.stderr + exported.stdout
    expected: dict[str, float | None] = {student.username: 5.5 for student in WITH_NOTEBOOK}
    expected |= {RAVI.username: 5, ANA.username: 5}
    assert {name: grade for name, grade in course.grades().items() if grade is not None} == expected

    report = course.text(f"results/{RAVI.submission}/report.html")
    assert "A slip of the pen." in report
    assert "A. Tutor" in report
    with zipfile.ZipFile(course.folder / "feedback.zip") as archive:
        folders = {name.split("/")[0] for name in archive.namelist()}
        assert brightspace_folder(JANE) in folders
        # The later of her two hand-ins, and not the earlier.
        assert brightspace_folder(ANA, "Oct 10, 2025 208 PM") in folders
        assert brightspace_folder(ANA, "Oct 9, 2025 1122 AM") not in folders
        jane = next(name for name in archive.namelist() if name.startswith(brightspace_folder(JANE)))
        assert b"<!doctype html>" in archive.read(jane).lower()


def test_grading_again_keeps_the_marks(course: Course) -> None:
    course.run("grade", "submissions", "--rubric", MINI, "-o", "results", "--force", status=1)
    assert "A slip of the pen." in course.text(f"results/{RAVI.submission}/report.html")
    course.export(status=1)
    assert course.grades()[RAVI.username] == 5
