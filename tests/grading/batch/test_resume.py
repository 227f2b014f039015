"""Nothing is lost, and nothing is done twice: what a second run takes over from the first."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from notebooks import MINI, change, mini_notebook, write_notebook
from pools import here

from grader.assignment.assignment import Assignment, load_assignment
from grader.faults import Faults
from grader.grading.batch import fingerprint
from grader.grading.batch.fingerprint import Fingerprints
from grader.grading.batch.observer import Observer
from grader.grading.batch.plan import Plan
from grader.grading.batch.run import grade_all
from grader.report.store import read_results, reserved
from grader.results.classlist import ClassList, HandIn, read_class_list, write_class_list
from grader.results.decisions import Decision, Store, read_changes
from grader.results.journal import is_older
from grader.results.results import SubmissionResult, read_result

WRONG = "def double(x):\n    return 3 * x"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


class Planned(Observer):
    plan: Plan

    def __init__(self) -> None:
        self.lines: list[str] = []

    def planned(self, plan: Plan) -> None:
        self.plan = plan

    def noted(self, line: str) -> None:
        self.lines.append(line)


class Class:
    """Three submissions, of which two are the same notebook, and their results."""

    def __init__(self, folder: Path) -> None:
        self.rubric = Path(shutil.copytree(MINI, folder / "rubric", ignore=shutil.ignore_patterns("__pycache__")))
        self.submissions = folder / "submissions"
        self.output = folder / "results"
        self.submissions.mkdir()
        for name, double in (("ann", None), ("bob", WRONG), ("cem", None)):
            notebook = mini_notebook() if double is None else mini_notebook(double=double)
            for cell in notebook.cells:
                cell.id = "x"  # ids are random, and would tell equal notebooks apart
            (self.submissions / f"{name}.ipynb").write_text(json.dumps(notebook))

    @property
    def assignment(self) -> Assignment:
        return load_assignment(self.rubric)

    def grade(self, **options: Any) -> Plan:
        planned = Planned()
        self.results = grade_all(
            self.assignment, [self.submissions], self.output, here, observer=planned, **{"seed": None, **options}
        )
        self.lines = planned.lines
        return planned.plan

    def result(self, name: str) -> SubmissionResult:
        return read_result(self.output / name / "result.json")

    def report(self, name: str) -> str:
        return (self.output / name / "report.html").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Class:
    graded = Class(tmp_path)
    plan = graded.grade(seed=1)
    assert [each.name for each in plan.todo] == ["ann", "bob"]
    return graded


def names(plan: Plan) -> tuple[list[str], list[str], list[str]]:
    """What is graded, what shares a grading, what is kept."""
    copies = [each.name for others in plan.same.values() for each in others]
    return [each.name for each in plan.todo], copies, sorted(plan.done)


def test_the_same_notebook_is_graded_once_and_reported_for_each(folder: Class) -> None:
    ann, cem = folder.result("ann"), folder.result("cem")
    assert (ann.same_as, cem.same_as) == ("", "ann")
    assert (cem.submission, cem.file) == ("cem", str(folder.submissions / "cem.ipynb"))
    assert cem.questions == ann.questions
    assert ">cem</h1>" in folder.report("cem")
    assert "ann" not in folder.report("cem")
    assert (folder.output / "cem" / "executed.ipynb").read_bytes() == (
        folder.output / "ann" / "executed.ipynb"
    ).read_bytes()


def test_a_second_run_has_nothing_to_do(folder: Class) -> None:
    files = [folder.output / name / file for name in ("ann", "bob", "cem") for file in ("result.json", "report.html")]
    before = [path.stat().st_mtime_ns for path in files]
    assert names(folder.grade()) == ([], [], ["ann", "bob", "cem"])
    assert [path.stat().st_mtime_ns for path in files] == before
    assert [result.code_points for result in folder.results] == [4.5, folder.results[1].code_points, 4.5]


def test_all_is_graded_again_by_force(folder: Class) -> None:
    assert names(folder.grade(force=True)) == (["ann", "bob"], ["cem"], [])


@pytest.mark.parametrize("file", ["result.json", "report.html", "executed.ipynb"])
def test_what_is_not_whole_is_made_again(folder: Class, file: str) -> None:
    (folder.output / "ann" / file).unlink()
    # From the result of the same notebook, which is whole.
    assert names(folder.grade()) == ([], ["ann"], ["bob", "cem"])
    assert folder.result("ann").same_as == "cem"
    assert (folder.output / "ann" / file).is_file()


def test_a_damaged_result_is_made_again(folder: Class) -> None:
    (folder.output / "bob" / "result.json").write_text('{"submission": "bob"')
    assert names(folder.grade()) == (["bob"], [], ["ann", "cem"])


def test_one_that_the_harness_failed_is_tried_again(folder: Class) -> None:
    path = folder.output / "bob" / "result.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(folder.result("bob"), status="error")))
    assert names(folder.grade()) == (["bob"], [], ["ann", "cem"])


def test_of_notebooks_only_those_that_changed_are_graded(folder: Class) -> None:
    write_notebook(folder.submissions / "cem.ipynb", mini_notebook(double=WRONG))
    write_notebook(folder.submissions / "dee.ipynb", mini_notebook())
    assert names(folder.grade()) == (["cem", "dee"], [], ["ann", "bob"])
    assert folder.result("cem").same_as == ""


CHANGES: dict[str, tuple[Callable[[Class], object], bool]] = {
    "a check": (lambda c: change(c.rubric / "test_mini.py", "def test_double(", "def test_doubled("), True),
    "a comment in a check": (
        lambda c: (c.rubric / "test_mini.py").write_text("# hello\n" + (c.rubric / "test_mini.py").read_text()),
        False,
    ),
    "a limit": (lambda c: change(c.rubric / "rubric.toml", "cell_cpu_seconds = 2", "cell_cpu_seconds = 3"), True),
    "a preload": (lambda c: change(c.rubric / "rubric.toml", '["numpy"]', '["numpy", "json"]'), True),
    "a module beside the checks": (lambda c: (c.rubric / "more.py").write_text("x = 1"), True),
    "a mutant": (lambda c: write(c.rubric / "mutants" / "more.toml", ""), False),
    "a comment in the rubric": (
        lambda c: (c.rubric / "rubric.toml").write_text("# hello\n" + (c.rubric / "rubric.toml").read_text()),
        False,
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_change_of_the_rubric_means(folder: Class, what: str) -> None:
    make, again = CHANGES[what]
    before = Fingerprints(folder.assignment).rubric
    make(folder)
    assert (Fingerprints(folder.assignment).rubric != before) == again


def test_other_packages_other_fingerprints(folder: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Fingerprints(folder.assignment).rubric
    monkeypatch.setattr(fingerprint, "environment", lambda: "another")
    assert Fingerprints(folder.assignment).rubric != before


def test_a_change_of_what_is_only_shown_makes_new_reports_and_no_new_grades(folder: Class) -> None:
    rubric = folder.rubric / "rubric.toml"
    title = next(line for line in rubric.read_text().splitlines()[5:] if line.startswith("title = "))
    change(rubric, title, 'title = "A title of another day"')
    before = folder.result("bob").timings
    assert names(folder.grade()) == ([], [], ["ann", "bob", "cem"])
    assert "A title of another day" in folder.report("bob")
    after = folder.result("bob").timings
    assert [after[stage] for stage in ("read", "execute", "check")] == [
        before[stage] for stage in ("read", "execute", "check")
    ]
    assert "A title of another day" in [question.title for question in folder.result("bob").questions]


def test_marks_outlive_a_grading_and_show_in_the_next_report(folder: Class) -> None:
    question = folder.result("bob").question("1.2.a")
    mark = Decision(
        question="1.2.a", points=0.5, comment="Half right.", answer=question.answer, submission="bob"
    )  # fmt: skip
    with Store.open(folder.output) as store:
        store.decide([mark], who="tutor", when="2026-01-02T03:04:05Z")
    assert names(folder.grade()) == ([], [], ["ann", "bob", "cem"])
    assert "Half right." in folder.report("bob")
    assert folder.result("bob").question("1.2.a").points is None
    folder.grade(force=True)
    assert "Half right." in folder.report("bob")
    results, faults = read_results(folder.output)
    assert faults == []
    assert {result.submission: result.question("1.2.a").points for result in results} == {
        "ann": None,
        "bob": 0.5,
        "cem": None,
    }
    assert ",0.5," in (folder.output / "grades.csv").read_text()


def test_a_new_hand_in_lets_its_marks_lapse_and_keeps_the_answer_and_lateness_is_no_reason_to_grade(
    folder: Class,
) -> None:
    question = folder.result("bob").question("1.2.a")
    assert question.answer
    mark = Decision(question="1.2.a", submission="bob", answer=question.answer, points=0.5)
    with Store.open(folder.output) as store:
        store.decide([mark], who="tutor", when="2026-01-02T03:04:05Z")
    assert is_older(folder.result("bob"), read_changes(folder.output / "bob"))
    folder.grade()
    assert not is_older(folder.result("bob"), read_changes(folder.output / "bob"))
    path = folder.submissions / "bob.ipynb"
    old = notebook_answer(path, question.cells)
    notebook = json.loads(path.read_text())
    notebook["cells"][question.cells[0]]["source"] = "Quite another answer."
    path.write_text(json.dumps(notebook))
    assert names(folder.grade()) == (["bob"], [], ["ann", "cem"])
    (result,) = [result for result in read_results(folder.output)[0] if result.submission == "bob"]
    now = result.question("1.2.a")
    assert (now.points, now.status) == (None, "to be marked")
    assert now.lapsed is not None
    assert (now.lapsed.points, now.lapsed.who) == (0.5, "tutor")
    with Store.open(folder.output) as store:
        (earlier,) = store.earlier_answers("bob", "1.2.a")
    assert (earlier.answer, [cell.source for cell in earlier.cells]) == (question.answer, old)
    # When it was due is told later, and who is late learns it without a new grade.
    hand_ins = [
        HandIn(submission=name, notebook=f"{name}.ipynb", person=name, submitted="2026-03-02T10:00") for name in NAMES
    ]
    late = ClassList(site="moodle", due="2026-03-01T12:00", hand_ins=hand_ins)
    write_class_list(folder.submissions, late)
    rubric = folder.rubric / "rubric.toml"
    rubric.write_text(rubric.read_text().replace("[[question]]", "[late]\npoints_per_day = 0.5\n\n[[question]]", 1))
    assert names(folder.grade()) == ([], [], ["ann", "bob", "cem"])
    assert {
        result.submission: (result.late.by, result.adjustment) for result in read_results(folder.output)[0]
    } == dict.fromkeys(NAMES, ("22 h", -0.5))
    assert "22 h late" in folder.report("cem")
    assert "22 h" in (folder.output / "grades.csv").read_text()
    assert names(folder.grade()) == ([], [], ["ann", "bob", "cem"])


NAMES = ("ann", "bob", "cem")


def notebook_answer(path: Path, cells: list[int]) -> list[str]:
    """The sources of an answer's cells, as handed in."""
    return ["".join(json.loads(path.read_text())["cells"][index]["source"]) for index in cells]


def test_damaged_marks_are_told_and_lose_nothing(folder: Class) -> None:
    (folder.output / "bob" / "marks.json").write_text("[")
    folder.grade()
    assert [result.submission for result in folder.results] == ["ann", "bob", "cem"]
    assert (folder.output / "bob" / "marks.json").read_text() == "["
    _, faults = read_results(folder.output)
    assert len(faults) == 1
    assert "marks.json" in faults[0]


def test_who_is_not_in_the_folder_any_more_is_in_no_table_and_is_kept(folder: Class) -> None:
    (folder.submissions / "ann.ipynb").unlink()
    plan = folder.grade()
    assert [result.submission for result in folder.results] == ["bob", "cem"]
    for table in ("index.html", "grades.csv", "questions/1.2.a.html"):
        assert "ann" not in re.findall("ann|bob", (folder.output / table).read_text())
    assert (folder.output / "ann" / "report.html").is_file()
    assert folder.lines == ["not handed in any more, and in no table; results and marks are kept: ann"]
    # Its grading still stands for the same notebook, and for itself when it is back.
    assert names(plan) == ([], [], ["bob", "cem"])
    shutil.copy(folder.submissions / "cem.ipynb", folder.submissions / "ann.ipynb")
    assert names(folder.grade()) == ([], [], ["ann", "bob", "cem"])
    assert "ann/report.html" in (folder.output / "index.html").read_text()


def test_who_is_graded_alone_leaves_the_others_where_they_are(folder: Class) -> None:
    before = (folder.output / "grades.csv").read_text()
    grade_all(folder.assignment, [folder.submissions / "bob.ipynb"], folder.output, here, force=True)
    assert folder.result("bob").seed == 1
    assert (folder.output / "grades.csv").read_text() == before


# A class list


def test_who_handed_in_no_notebook_is_in_the_results(folder: Class) -> None:
    hand_ins = [
        HandIn(submission="ann", notebook="ann.ipynb", person="Ann"),
        HandIn(submission="zoe", notebook=None, person="Zoë", notes=["only a PDF: essay.pdf"]),
    ]
    write_class_list(folder.submissions, ClassList(site="moodle", hand_ins=hand_ins))
    folder.grade()
    zoe = folder.result("zoe")
    assert (zoe.status, zoe.message, zoe.detail) == ("missing", "no notebook was handed in", "only a PDF: essay.pdf")
    assert "essay.pdf" not in folder.report("zoe")
    assert "essay.pdf" in (folder.output / "index.html").read_text()
    assert [result.submission for result in folder.results] == ["ann", "bob", "cem", "zoe"]
    copy = read_class_list(folder.output)
    assert copy is not None
    assert copy.hand_ins == hand_ins


def test_two_classes_are_not_graded_into_one(folder: Class, tmp_path: Path) -> None:
    for each in (folder.submissions, tmp_path / "other"):
        each.mkdir(exist_ok=True)
        write_class_list(each, ClassList(site="moodle"))
    with pytest.raises(Faults, match="a class of its own"):
        grade_all(folder.assignment, [folder.submissions, tmp_path / "other"], folder.output, here)


# Two at once


def test_two_gradings_do_not_write_into_one_folder(folder: Class) -> None:
    with reserved(folder.output), pytest.raises(Faults, match="another grading writes its results there"):
        folder.grade()
    assert not (folder.output / ".grading").exists()
    folder.grade()


def test_what_a_killed_one_left_half_written_is_cleared_away(folder: Class) -> None:
    left = [folder.output / ".index.html.abcd1234", folder.output / "ann" / ".result.json.x_y_z_00"]
    kept = folder.output / "ann" / ".notes"
    for path in [*left, kept, folder.output / ".grading"]:
        path.write_text("{")
    folder.grade()
    assert [path.exists() for path in [*left, kept]] == [False, False, True]


def test_what_is_decided_while_a_report_is_made_is_in_it_when_the_grading_ends(folder: Class) -> None:
    path = folder.submissions / "bob.ipynb"
    notebook = json.loads(path.read_text())
    notebook["metadata"]["changed"] = True
    path.write_text(json.dumps(notebook))
    answer = folder.result("bob").question("1.2.a").answer

    class Marks(Observer):
        def ended(self, result: SubmissionResult) -> None:
            # Its report was made before.
            if result.submission == "bob":
                mark = Decision(question="1.2.a", submission="bob", answer=answer, points=0.5, comment="Half of it.")
                with Store.open(folder.output) as store:
                    store.decide([mark], who="tutor", when="2026-01-02T03:04:05Z")

    grade_all(folder.assignment, [folder.submissions], folder.output, here, seed=None, observer=Marks())
    assert "Half of it." in folder.report("bob")
    assert not is_older(folder.result("bob"), read_changes(folder.output / "bob"))
    assert ",0.5," in (folder.output / "grades.csv").read_text()


# With a worker of their own


def test_the_seed_is_that_of_the_results_that_are_there(folder: Class) -> None:
    (folder.output / "bob" / "result.json").unlink()
    plan = folder.grade()
    assert (names(plan), plan.seed) == ((["bob"], [], ["ann", "cem"]), 1)
    assert names(folder.grade(seed=2)) == (["ann", "bob"], ["cem"], [])
    assert {result.seed for result in folder.results} == {2}


def test_what_ran_without_bubblewrap_does_not_count_where_that_is_required(tmp_path: Path) -> None:
    folder = Class(tmp_path)
    folder.grade(seed=1, sandbox="none")
    assert folder.result("bob").sandbox in ("landlock", "process")
    assert f"sandbox: {folder.result('bob').sandbox}" in folder.report("bob")
    for enough in ("none", "auto"):
        assert names(folder.grade(sandbox=enough)) == ([], [], ["ann", "bob", "cem"])
    assert names(folder.grade()) == (["ann", "bob"], ["cem"], [])
    assert folder.result("bob").sandbox == "bubblewrap"
    assert names(folder.grade(sandbox="none")) == ([], [], ["ann", "bob", "cem"])
