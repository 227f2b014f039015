"""A class of twelve in nbgrader's folders: graded, marked by hand, and nobody's points move, whatever comes after."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import nbformat
import pytest
from notebooks import DOUBLE, MINI, mini_notebook
from pools import here

from grader.assignment.assignment import Assignment, load_assignment
from grader.grading.batch.observer import Observer
from grader.grading.batch.run import grade_all
from grader.marks.apply import apply
from grader.marks.template import template

WRONG = "def double(x):\n    return 3 * x"
STUDENTS = ["ben", "cem", "dee", "eli", "fay", "gus", "hal", "ida", "jan", "kim", "lea", "moe"]
NOTHING = ("eli", "gus")
"""Their text is empty."""
TOGETHER = ("fay", "hal")
"""They handed in the very same notebook, and got different marks."""
LATE = "aaron"
"""Hands in what gus did."""


def mark_of(student: str) -> float:
    return (STUDENTS.index(student) % 3) / 2


class Class:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.assignment: Assignment = load_assignment(MINI)
        for student in STUDENTS:
            self.hand_in(student)

    def file(self, student: str) -> Path:
        return self.folder / "submitted" / student / "ps1" / "ps1.ipynb"

    def hand_in(self, student: str) -> None:
        who = {TOGETHER[1]: TOGETHER[0], LATE: NOTHING[1]}.get(student, student)
        text = "" if who in NOTHING else f"{who} says why."
        number = [*STUDENTS, LATE].index(who)
        notebook = mini_notebook(text=text, double=WRONG if number % 4 == 0 else DOUBLE)
        for place, cell in enumerate(notebook.cells):
            cell.id = f"cell-{place}"
        self.file(student).parent.mkdir(parents=True)
        self.file(student).write_text(nbformat.writes(notebook))

    def grade(self, *paths: Path | str, **options: bool) -> list[str]:
        observer = Heard()
        grade_all(self.assignment, list(map(Path, paths)), self.results, here, observer=observer, **options)  # type: ignore[arg-type]
        return observer.lines

    def mark(self, files: Path, points: dict[str, float]) -> None:
        template(self.assignment, self.results, files)
        for student, given in points.items():
            path = files / f"{student}-ps1-ps1.yaml"
            text, count = re.subn(r"^  1\.2 a:$", f"  1.2 a: {given:g}", path.read_text(), flags=re.MULTILINE)
            assert count == 1
            path.write_text(text)
        applied = apply(self.assignment, self.results, [files], "Alex", "2026-03-01T10:00:00+00:00")
        assert applied.faults == []

    def table(self) -> dict[str, dict[str, str]]:
        with (self.results / "grades.csv").open(newline="") as file:
            return {row["submission"]: row for row in csv.DictReader(file)}


class Heard(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def noted(self, line: str) -> None:
        self.lines.append(line)

    def noticed(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Class:
    course = Class(tmp_path_factory.mktemp("course"))
    assert course.grade(course.folder / "submitted") == []
    course.mark(course.folder / "marks", {student: mark_of(student) for student in STUDENTS})
    return course


def shown(rows: dict[str, dict[str, str]]) -> str:
    return "\n".join(f"{row['submission']}: {row['points']} ({row['1.2.a']} for the text)" for row in rows.values())


def test_every_result_and_every_mark_stays_where_it_was(course: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    before = course.table()
    print(shown(before))
    assert list(before) == [f"{student}-ps1-ps1" for student in STUDENTS]
    assert {name: float(row["1.2.a"]) for name, row in before.items()} == {
        f"{student}-ps1-ps1": mark_of(student) for student in STUDENTS
    }

    # A thirteenth, who sorts first, hands in late what another did: nobody has marked that.
    course.hand_in(LATE)
    assert course.grade(course.folder / "submitted") == []
    after = course.table()
    print(shown(after))
    assert next(iter(after)) == "aaron-ps1-ps1"
    assert after.pop("aaron-ps1-ps1")["1.2.a"] == ""
    assert after == before

    # One is graded again alone.
    monkeypatch.chdir(course.folder)
    for spelling in (
        "submitted/gus/ps1/ps1.ipynb",
        course.file("gus"),
        "./submitted/../submitted/gus",
        os.path.relpath(course.file("gus").parent),
    ):
        assert course.grade(spelling, force=True) == []
        assert {name: row for name, row in course.table().items() if name != "aaron-ps1-ps1"} == before
    monkeypatch.chdir(course.file("gus").parent)
    for spelling in ("ps1.ipynb", "."):
        assert course.grade(spelling, force=True) == []
        assert {name: row for name, row in course.table().items() if name != "aaron-ps1-ps1"} == before

    # The same score files once more, and one for the thirteenth.
    course.mark(course.folder / "marks-2", {LATE: 1})
    applied = apply(course.assignment, course.results, [course.folder / "marks"], "Alex", "2026-03-02T10:00:00+00:00")
    assert (applied.faults, [change for changes in applied.changes.values() for change in changes]) == ([], [])
    after = course.table()
    assert after.pop("aaron-ps1-ps1")["1.2.a"] == "1"
    assert after == before
