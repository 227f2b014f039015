"""Whose the stored results are: what was found and decided about somebody stays theirs, also from earlier versions."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from marks.small_class import write_marks_file
from notebooks import MINI, mini_notebook

from grader.assignment.assignment import Assignment, load_assignment
from grader.faults import Faults
from grader.grading.batch.owners import remembered_roots, root_of, settle
from grader.grading.batch.sources import find_hand_ins
from grader.report.store import read_results, write_pages
from grader.results.classlist import ClassList, HandIn, write_class_list
from grader.results.decisions import Decision, Store, read_changes
from grader.results.journal import merged
from grader.results.results import Change, QuestionResult, SubmissionResult, read_result, total, write_result

WHEN = "2026-03-01T10:00:00+00:00"


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return load_assignment(MINI)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


class Course:
    """A folder with hand-ins and results, as gradings leave them; nothing is run here."""

    def __init__(self, folder: Path, assignment: Assignment) -> None:
        self.folder = folder
        self.assignment = assignment
        self.output = folder / "results"
        self.output.mkdir()

    def hand_in(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(self.notebook(text)))

    @staticmethod
    def notebook(text: str) -> nbformat.NotebookNode:
        notebook = mini_notebook(text=text)
        for number, cell in enumerate(notebook.cells):
            cell.id = f"cell-{number}"  # ids are random, and would tell equal notebooks apart
        return notebook

    def graded_before(self, name: str, file: str, text: str, mark: float | None = None) -> None:
        """A result of an earlier version: all that it says of where it comes from is `file`, as it was given then."""
        question = QuestionResult(
            id="1.2.a", title="Explain", kind="text", points=None, max_points=1, status="to be marked", cells=[9],
            answer=digest(text),
        )  # fmt: skip
        code = QuestionResult(
            id="1.1.a", title="Double", kind="code", points=1, max_points=1, status="passed", cells=[2],
            answer=digest("the same for all"),
        )  # fmt: skip
        result = SubmissionResult(
            submission=name, file=file, questions=[code, question], assignment=self.assignment.title, fingerprint="old"
        )
        total(result)
        write_pages(self.output, result, "a report", nbformat.writes(self.notebook(text)))
        if mark is not None:
            change = Change(question="1.2.a", points=mark, before=None, who="Alex", when=WHEN, answer=digest(text))
            write_marks_file(self.output / name, [change])

    def settle(self, *paths: str | Path) -> list[str]:
        handed = find_hand_ins(list(map(Path, paths)), self.output, remembered_roots(self.output))
        notes = settle(self.assignment, handed, self.output)
        for source in handed.sources:
            folder = self.output / source.name
            if (folder / "result.json").is_file():
                continue
            # As if it had been graded now.
            text = nbformat.read(source.path, as_version=4).cells[9].source
            self.graded_before(source.name, str(source.path), text)
            new = read_result(folder / "result.json")
            new.root, new.source = root_of(source, self.output), source.below
            new.content = hashlib.sha256(source.path.read_bytes()).hexdigest()
            write_result(folder, new)
        return notes

    def mark(self, name: str, points: float) -> None:
        result = read_result(self.output / name / "result.json")
        answer = result.question("1.2.a").answer
        decision = Decision(question="1.2.a", points=points, submission=name, answer=answer)
        with Store.open(self.output) as store:
            store.decide([decision], who="Alex", when=WHEN)

    def marks(self) -> dict[str, float | None]:
        """What counts, of everybody who is in the tables."""
        results, faults = read_results(self.output)
        assert faults == []
        return {result.submission: result.question("1.2.a").points for result in results}

    def of(self, name: str) -> SubmissionResult:
        folder = self.output / name
        return merged(read_result(folder / "result.json"), read_changes(folder))


@pytest.fixture
def course(tmp_path: Path, assignment: Assignment, monkeypatch: pytest.MonkeyPatch) -> Course:
    monkeypatch.chdir(tmp_path)
    return Course(tmp_path, assignment)


def student(number: int) -> str:
    return f"submitted/student-{number}/ps1/ps1.ipynb"


def name(number: int) -> str:
    return f"student-{number}-ps1-ps1"


# Of an earlier version, named by position

POSITIONS = ("ps1", "ps1-ps1", "ps1-3", "ps1-4")


@pytest.mark.parametrize("given", [["submitted"], [student(1), student(2), student(3)], ["submitted/student-2", "."]])
def test_results_named_by_position_go_to_whose_notebook_they_were_made_from(
    course: Course, given: Sequence[str]
) -> None:
    for number, old in enumerate(POSITIONS[:3], 1):
        course.hand_in(student(number), f"text {number}")
        course.graded_before(old, student(number), f"text {number}", mark=number / 4)
    given = given if "." not in given else ["submitted/student-2", "submitted"]
    # One who sorts first hands in late.
    course.hand_in(student(0), "text 0")
    notes = course.settle(*given)
    expected = {name(number): number / 4 for number in (1, 2, 3)}
    assert {who: mark for who, mark in course.marks().items() if mark is not None} == expected
    assert len([line for line in notes if "its results were called" in line]) == 3
    assert not any((course.output / old).exists() for old in POSITIONS)
    # A second time there is nothing to do.
    assert course.settle(*given) == []
    assert {who: mark for who, mark in course.marks().items() if mark is not None} == expected


@pytest.mark.parametrize(
    "moved", ["elsewhere", "from another folder"], ids=["the class has moved", "seen from another folder"]
)
def test_they_are_found_when_their_files_are_called_otherwise(
    course: Course, moved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, old in enumerate(POSITIONS[:2], 1):
        recorded = f"/elsewhere/class/student-{number}/ps1/ps1.ipynb" if moved == "elsewhere" else student(number)
        course.hand_in(student(number), f"text {number}")
        course.graded_before(old, recorded, f"text {number}", mark=number / 4)
    (course.folder / "far").mkdir()
    monkeypatch.chdir(course.folder / "far")
    course.settle("../submitted")
    assert course.marks() == {name(1): 0.25, name(2): 0.5}


def test_a_mark_for_an_empty_answer_or_one_that_others_have_does_not_come_along(course: Course) -> None:
    """In the earlier version `ps1` may have been somebody else: what is equal tells nobody from anybody."""
    for number, text in enumerate(["", "copied", "copied", "my own"], 1):
        course.hand_in(student(number), text or " ")
        course.graded_before(POSITIONS[number - 1], student(number), text or " ", mark=0.5)
        result = read_result(course.output / POSITIONS[number - 1] / "result.json")
        result.question("1.2.a").answer = digest(text)
        write_result(course.output / POSITIONS[number - 1], result)
        (change,) = read_changes(course.output / POSITIONS[number - 1])
        write_marks_file(course.output / POSITIONS[number - 1], [Change(**{**vars_of(change), "answer": digest(text)})])
    notes = course.settle("submitted")
    assert course.marks() == {name(1): None, name(2): None, name(3): None, name(4): 0.5}
    assert len(read_changes(course.output / name(1))) == 1
    assert f"mark these answers again: {name(1)}, {name(2)}, {name(3)}" in notes[-1]


def vars_of(change: Change) -> dict[str, object]:
    return {field: getattr(change, field) for field in change.__struct_fields__}


def test_what_is_not_certain_is_named_and_left_alone(course: Course) -> None:
    # Handed in anew since, by whom nobody can tell: the file is called like that of three others.
    course.graded_before("ps1", "ps1.ipynb", "an old text", mark=1)
    course.graded_before("ps1-ps1", student(2), "another old text", mark=1)
    for number in (1, 2):
        course.hand_in(student(number), f"text {number}")
    before = (course.output / "ps1" / "marks.json").read_bytes()
    notes = course.settle("submitted")
    assert course.marks() == {name(1): None, name(2): None}
    assert (course.output / "ps1" / "marks.json").read_bytes() == before
    assert (course.output / "ps1" / "executed.ipynb").is_file()
    assert ["not certain whose they are" in line for line in notes] == [True]
    assert notes[0].endswith("ps1, ps1-ps1")


def test_two_results_for_one_hand_in_are_not_certain(course: Course) -> None:
    course.hand_in("repos/ann/hw.ipynb", "text")
    for old in ("hw", "hw-3"):
        course.graded_before(old, "repos/ann/hw.ipynb", "text", mark=1)
    assert course.settle("repos")[0].endswith("hw, hw-3")
    assert course.marks() == {"ann-hw": None}


@pytest.mark.parametrize("changed", [False, True], ids=["the same notebook", "handed in anew"])
def test_a_flat_class_of_an_earlier_version_keeps_names_and_marks(course: Course, changed: bool) -> None:
    for who in ("ann", "bob"):
        course.hand_in(f"subs/{who}.ipynb", "another text" if changed else "text")
        course.graded_before(who, f"subs/{who}.ipynb", "text", mark=1)
    assert course.settle("subs") == []
    assert course.marks() == {"ann": 1, "bob": 1}
    assert read_result(course.output / "ann" / "result.json").source == "ann.ipynb"


def test_a_file_of_the_same_name_is_not_taken_for_the_same_person(course: Course) -> None:
    course.hand_in("repos/ann/hw.ipynb", "text")
    course.hand_in("repos/bob/hw.ipynb", "text")
    course.graded_before("hw", "repos/ann/hw.ipynb", "text", mark=1)
    with pytest.raises(Faults) as caught:
        course.settle("repos/bob/hw.ipynb")
    (line,) = caught.value.faults
    assert "results/hw" in line
    assert "repos/ann/hw.ipynb" in line
    assert str(course.folder / "repos/bob/hw.ipynb") in line
    assert course.marks() == {"hw": 1}


def test_results_that_were_not_graded_bar_nobodys_way(course: Course) -> None:
    write_result(course.output / "ann", SubmissionResult(submission="ann", file="x/ann.ipynb", status="unreadable"))
    course.hand_in("subs/ann.ipynb", "text")
    assert course.settle("subs") == []


# Of this version


def test_everybody_keeps_name_and_mark_whoever_comes_and_however_they_are_named(course: Course) -> None:
    course.hand_in("repos/ann/hw.ipynb", "one")
    course.hand_in("repos/bob/hw.ipynb", "two")
    course.settle("repos")
    course.mark("ann-hw", 0.5)
    course.mark("bob-hw", 1)
    course.hand_in("repos/aaa/hw.ipynb", "one")
    for given in (["repos"], ["repos/bob"], ["repos/aaa/hw.ipynb", "repos/ann/hw.ipynb"], [course.folder / "repos"]):
        assert course.settle(*given) == []
        marks = course.marks()
        assert (marks["ann-hw"], marks["bob-hw"], marks.get("aaa-hw")) == (0.5, 1, None)


def test_who_was_graded_alone_first_gets_the_name_of_the_class_with_its_marks(course: Course) -> None:
    course.hand_in("repos/ann/hw.ipynb", "one")
    course.hand_in("repos/bob/hw.ipynb", "one")
    course.settle("repos/bob/hw.ipynb")
    course.mark("hw", 0.5)
    with pytest.raises(Faults, match="would get that name"):
        course.settle("repos/ann")
    (line,) = course.settle("repos")
    assert "its results were called hw, and are bob-hw now" in line
    assert course.marks() == {"ann-hw": None, "bob-hw": 0.5}


def test_another_class_does_not_take_the_place_of_this_one(course: Course) -> None:
    course.hand_in("group-a/ann.ipynb", "")
    course.hand_in("group-b/ann.ipynb", "")
    course.settle("group-a")
    course.mark("ann", 1)
    with pytest.raises(Faults) as caught:
        course.settle("group-b")
    assert str(course.folder / "group-a/ann.ipynb") in caught.value.faults[0]
    assert str(course.folder / "group-b/ann.ipynb") in caught.value.faults[0]
    assert course.marks() == {"ann": 1}


def test_a_class_that_was_moved_is_the_same(course: Course) -> None:
    for who in ("ann", "bob", "cem"):
        course.hand_in(f"subs/{who}.ipynb", f"text of {who}")
    course.settle("subs")
    course.mark("ann", 0.5)
    course.mark("cem", 1)
    shutil.move(course.folder / "subs", course.folder / "new")
    course.hand_in("new/cem.ipynb", "handed in anew")
    assert course.settle("new") == []
    assert course.marks()["ann"] == 0.5
    assert course.marks().keys() == {"ann", "bob", "cem"}


def test_another_class_at_another_place_is_not_the_same_for_being_called_alike(course: Course) -> None:
    for who in ("ann", "bob"):
        course.hand_in(f"subs/{who}.ipynb", f"text of {who}")
    course.settle("subs")
    shutil.rmtree(course.folder / "subs")
    for who in ("ann", "bob"):
        course.hand_in(f"new/{who}.ipynb", f"{who} of the next year")
    with pytest.raises(Faults, match="would get that name"):
        course.settle("new")


def test_moving_the_whole_course_changes_nothing(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.hand_in("subs/ann.ipynb", "")
    course.settle("subs")
    course.mark("ann", 0.5)
    there = shutil.copytree(course.folder, course.folder.parent / f"{course.folder.name}-copy")
    shutil.rmtree(course.folder / "subs")
    monkeypatch.chdir(there)
    course.output = there / "results"
    assert course.settle("subs", "subs/ann.ipynb") == []
    assert course.marks() == {"ann": 0.5}


def test_two_downloads_of_one_class_are_one_class(course: Course) -> None:
    for folder, id in (("first", "17"), ("second", "17"), ("third", "18")):
        course.hand_in(f"{folder}/jane.ipynb", folder)
        jane = HandIn(submission="jane", notebook="jane.ipynb", person="Jane", ids={"user": id, "attachment": folder})
        write_class_list(course.folder / folder, ClassList(site="canvas", hand_ins=[jane]))
    course.settle("first")
    shutil.copy(course.folder / "first" / "class.json", course.output)
    assert course.settle("second") == []
    with pytest.raises(Faults, match="would get that name"):
        course.settle("third")


def test_who_is_gone_is_kept_and_in_no_table_until_back(course: Course) -> None:
    for file in ("repos/ann/hw.ipynb", "repos/bob/hw.ipynb", "other/zoe.ipynb"):
        course.hand_in(file, f"text of {file}")
    course.settle("repos")
    course.settle("other")
    course.mark("ann-hw", 1)
    (course.folder / "repos/ann/hw.ipynb").rename(course.folder / "away.ipynb")
    assert course.settle("repos/bob", "other/zoe.ipynb") == []
    assert course.marks().keys() == {"ann-hw", "bob-hw", "zoe"}
    for _ in range(2):
        assert course.settle("repos") == ["not handed in any more, and in no table; results and marks are kept: ann-hw"]
        assert course.marks().keys() == {"bob-hw", "zoe"}
    assert (course.output / "ann-hw" / "executed.ipynb").is_file()
    (course.folder / "away.ipynb").rename(course.folder / "repos/ann/hw.ipynb")
    assert course.settle("repos") == []
    assert course.marks() == {"ann-hw": 1, "bob-hw": None, "zoe": None}


def test_nobody_is_gone_from_a_folder_that_was_not_looked_into(course: Course) -> None:
    course.hand_in("repos/ann/hw.ipynb", "one")
    course.hand_in("repos/bob/hw.ipynb", "two")
    course.settle("repos")
    (course.folder / "repos/ann/pyvenv.cfg").touch()
    course.settle("repos")
    assert course.marks().keys() == {"ann-hw", "bob-hw"}


def test_a_copy_of_somebodys_folder_takes_no_marks_along(course: Course) -> None:
    course.hand_in("repos/ann/hw.ipynb", "")
    course.hand_in("repos/bob/hw.ipynb", "")
    course.settle("repos")
    course.mark("ann-hw", 1)
    write_marks_file(course.output / "bob-hw", read_changes(course.output / "ann-hw"))
    assert course.marks() == {"ann-hw": 1, "bob-hw": None}


def test_whose_results_were_thrown_away_keeps_the_marks_and_nobody_else_of_that_name_gets_them(course: Course) -> None:
    course.hand_in("group-a/ann.ipynb", "")
    course.settle("group-a")
    course.mark("ann", 1)
    shutil.rmtree(course.output / "ann")
    assert course.settle("group-a") == []
    assert course.marks() == {"ann": 1}
    shutil.rmtree(course.output / "ann")
    # Another one, with an equal answer.
    course.hand_in("group-b/ann.ipynb", "")
    (note,) = course.settle("group-b")
    assert "another submission was called ann before" in note
    assert note.endswith("is kept as ann~1")
    assert course.marks() == {"ann": None}
    assert [each.points for each in read_changes(course.output / "ann~1")] == [1]


def test_marks_follow_where_a_grading_was_killed_between_the_folder_and_the_result(course: Course) -> None:
    course.hand_in("repos/ann/hw.ipynb", "one")
    course.settle("repos/ann/hw.ipynb")
    course.mark("hw", 0.5)
    course.hand_in("repos/bob/hw.ipynb", "two")
    (course.output / "hw").rename(course.output / "ann-hw")
    course.settle("repos")
    assert course.marks() == {"ann-hw": 0.5, "bob-hw": None}
