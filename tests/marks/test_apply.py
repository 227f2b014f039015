from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from marks.small_class import (
    ANSWERS,
    LATER,
    LOST,
    WHEN,
    bare,
    digest,
    fill_in,
    graded,
    hand_in,
    marked,
    read_changes,
    write_marks_file,
)

from grader.assignment.assignment import Assignment
from grader.marks.apply import Applied, apply
from grader.marks.template import template
from grader.results import decisions
from grader.results.journal import final
from grader.results.results import Change, Final, SubmissionResult, read_result, write_result

REASON = ("Reasons:", "Reasons:\n  Question 1.5 b: |\n    An earlier version of the assignment asked for it.")
REASON_TEXT = "An earlier version of the assignment asked for it."


class Course:
    """Results, and what teaching assistants do with them."""

    def __init__(self, assignment: Assignment, output: Path, folder: Path) -> None:
        self.assignment, self.output, self.folder = assignment, output, folder
        self.rewritten: list[list[str]] = []

    def make(self, to: str = "marks") -> Path:
        """Jane's score file, as new."""
        template(self.assignment, self.output, self.folder / to, force=True)
        return self.folder / to / "jane.yaml"

    def mark(self, *entries: tuple[str, str], to: str = "marks") -> Path:
        return fill_in(self.make(to), *entries)

    def apply(self, *files: Path, who: str = "Alex", when: str = WHEN, **options: bool) -> Applied:
        def rewrite(assignment: Assignment, results: Iterable[SubmissionResult], output: Path) -> list[str]:
            self.rewritten.append([result.submission for result in results])
            for result in results:
                folder = output / result.submission
                (folder / "report.html").write_text("a newer report")
                counts = final(result, decisions.read_changes(folder))
                write_result(folder, msgspec.structs.replace(read_result(folder / "result.json"), final=counts))
            (output / "grades.csv").write_text("a newer table")
            return []

        applied = apply(self.assignment, self.output, files, who, when, rewrite=rewrite, **options)
        applied.changes = {submission: bare(changes) for submission, changes in applied.changes.items()}
        return applied

    def refused(self, *files: Path, **options: str | bool) -> list[str]:
        """The faults, without the file's name; nothing was changed."""
        before = {path: path.read_bytes() for path in self.output.rglob("*") if path.is_file()}
        applied = self.apply(*files, **options)
        assert {path: path.read_bytes() for path in self.output.rglob("*") if path.is_file()} == before
        assert applied.results == []
        return [fault.removeprefix(f"{files[0]}: ") for fault in applied.faults]

    @property
    def points(self) -> dict[str, float | None]:
        return {question.id: question.points for question in marked(self.output).questions}


@pytest.fixture
def course(assignment: Assignment, results: Path, tmp_path: Path) -> Course:
    return Course(assignment, results, tmp_path)


def change(question: str, points: float | None, before: float | None, who: str = "Alex", **more: str) -> Change:
    more = {"when": WHEN, "answer": digest(ANSWERS.get(question, ""))} | more
    more = {"submission": "jane"} | more
    return Change(question=question, points=points, before=before, adjustment=points or 0, who=who, **more)


# What counts


def test_a_file_as_it_was_made_changes_nothing(course: Course) -> None:
    applied = course.apply(course.make())
    assert (applied.changes, applied.faults) == ({"jane": []}, [])
    assert not (course.output / "jane" / "marks.json").exists()
    assert course.rewritten == []


def test_marks_are_entered_with_who_when_and_what_was_before(course: Course) -> None:
    file = course.mark(
        ("  1.1 c:", "  1.1 c: 0.5"),
        ("  1.6 e:", "  1.6 e: 3"),
        ("Comments:", "Comments:\n  Question 1.1 c: |\n    It gets stuck: why?\n\n    See 1.1 e."),
    )
    applied = course.apply(file)
    changes = [
        change("1.1.c", 0.5, None, comment="It gets stuck: why?\n\nSee 1.1 e."),
        change("1.6.e", 3, None),
    ]
    assert applied.changes == {"jane": changes}
    assert read_changes(course.output / "jane") == changes
    assert course.points == {"1.1.a": 1, "1.1.c": 0.5, "1.5.b": 2, "1.6.d": 0.5, "1.6.e": 3}
    assert [(result.points, result.points_to_mark) for result in applied.results] == [(7, 0)]
    assert course.rewritten == [["jane"]]


@pytest.mark.parametrize("points", [0, 0.5, 1, 1.5, 2, 2.5, 3])
def test_every_half_point_from_nothing_to_the_maximum_can_be_given(course: Course, points: float) -> None:
    course.apply(course.mark(("  1.6 e:", f"  1.6 e: {points:g}")))
    assert course.points["1.6.e"] == points
    assert marked(course.output).points == 3.5 + points


def test_the_points_of_checks_are_overridden_with_a_reason(course: Course) -> None:
    applied = course.apply(course.mark(("  1.5 b: 2", "  1.5 b: 2.5"), REASON))
    assert applied.changes == {"jane": [change("1.5.b", 2.5, 2, reason=REASON_TEXT)]}
    question = marked(course.output).question("1.5.b")
    assert (question.points, question.automatic_points, question.status) == (2.5, 2, "marked")
    assert marked(course.output).points == 4


@pytest.mark.parametrize("points", ["0.5", "1", "1.5"])
def test_a_review_is_decided_without_a_reason(course: Course, points: str) -> None:
    course.apply(course.mark(("  1.6 d:", f"  1.6 d: {points}")))
    result = marked(course.output)
    assert (result.question("1.6.d").points, result.points_in_review) == (float(points), 0)


def test_a_comment_can_be_changed_without_the_points(course: Course) -> None:
    """What the check said, said better: no override, so no reason."""
    applied = course.apply(course.mark(("    The scale", "    Take the root."), (f"    {LOST}", "")))
    assert applied.changes == {"jane": [change("1.5.b", 2, 2, comment="Take the root.")]}
    assert marked(course.output).points == 3.5


def test_taking_out_what_a_check_said_decides_nothing(course: Course) -> None:
    file = course.mark(("  Question 1.5 b: |", ""), ("    The scale", ""), (f"    {LOST}", ""))
    assert course.apply(file).changes == {"jane": []}


def test_applying_twice_changes_nothing(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"), ("  1.5 b: 2", "  1.5 b: 3"), REASON)
    course.apply(file)
    before = decisions.read_changes(course.output / "jane")
    assert course.apply(file, when=LATER).changes == {"jane": []}
    assert decisions.read_changes(course.output / "jane") == before
    assert course.rewritten == [["jane"]]


def test_a_mark_can_be_changed_in_the_same_file_and_both_are_kept(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    course.apply(file)
    course.apply(fill_in(file, ("  1.1 c: 1", "  1.1 c: 0.5")), when=LATER)
    assert read_changes(course.output / "jane") == [
        change("1.1.c", 1, None),
        change("1.1.c", 0.5, 1, when=LATER),
    ]
    assert course.points["1.1.c"] == 0.5


def test_an_emptied_field_takes_a_decision_back(course: Course) -> None:
    course.apply(course.mark(("  1.1 c:", "  1.1 c: 1"), ("  1.5 b: 2", "  1.5 b: 3"), REASON))
    file = course.mark(("  1.1 c: 1", "  1.1 c:"), ("  1.5 b: 3", "  1.5 b:"))
    applied = course.apply(file, when=LATER)
    assert applied.changes == {"jane": [change("1.1.c", None, 1, when=LATER), change("1.5.b", None, 3, when=LATER)]}
    assert course.points == {question.id: question.points for question in graded().questions}
    assert course.apply(file, when=LATER).changes == {"jane": []}


def test_emptying_what_checks_gave_decides_nothing(course: Course) -> None:
    assert course.apply(course.mark(("  1.1 a: 1", "  1.1 a:"))).changes == {"jane": []}


def test_going_back_to_what_stood_there_at_first_is_not_passed_over_in_silence(course: Course) -> None:
    """In a file that was made before the mark, an empty field has always been empty: it could be another question's."""
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    course.apply(file)
    applied = course.apply(fill_in(file, ("  1.1 c: 1", "  1.1 c:")), when=LATER)
    assert (applied.changes, applied.faults) == ({"jane": []}, [])
    (note,) = applied.notes
    assert note.startswith(f"{file}: line 17: 1.1 c: this is as it was when the file was made, but Alex has decided")
    assert course.points["1.1.c"] == 1


def test_an_override_can_be_changed_in_the_same_file(course: Course) -> None:
    file = course.mark(("  1.5 b: 2", "  1.5 b: 3"), REASON)
    course.apply(file)
    course.apply(fill_in(file, ("  1.5 b: 3", "  1.5 b: 2.5")), when=LATER)
    assert read_changes(course.output / "jane") == [
        change("1.5.b", 3, 2, reason=REASON_TEXT),
        change("1.5.b", 2.5, 3, reason=REASON_TEXT, when=LATER),
    ]


def test_a_comment_is_taken_out_in_the_same_file(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"), ("Comments:", "Comments:\n  Question 1.1 c: |\n    Unclear."))
    course.apply(file)
    course.apply(fill_in(file, ("  Question 1.1 c: |", ""), ("    Unclear.", "")), when=LATER)
    assert bare(marked(course.output).question("1.1.c").changes)[-1] == change("1.1.c", 1, 1, when=LATER)


def test_a_line_that_is_taken_out_says_nothing(course: Course) -> None:
    course.apply(course.mark(("  1.1 c:", "  1.1 c: 1")))
    course.apply(course.mark(("  1.1 c: 1", ""), ("  1.1 a: 1", "")))
    assert course.points["1.1.c"] == 1
    assert course.points["1.1.a"] == 1


def test_the_name_in_the_file_goes_before_that_of_who_applies_it(course: Course) -> None:
    course.apply(course.mark(("  1.1 c:", "  1.1 c: 1"), ("Marked by:", "Marked by:  Robin  Example ")))
    assert [each.who for each in read_changes(course.output / "jane")] == ["Robin Example"]


def test_checks_that_say_something_else_after_a_new_grading_decide_nothing(course: Course) -> None:
    """What stood in the file at first is no mark, also where a mended check has come to give other points."""
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    result = graded()
    check = result.question("1.5.b").checks[1]
    check.points, check.status, check.message = 1.0, "passed", ""
    result.question("1.5.b").points = 3.0
    write_result(course.output / "jane", result)
    assert course.apply(file).changes == {"jane": [change("1.1.c", 1, None)]}
    assert course.points["1.5.b"] == 3


# Several people, several files


def test_two_can_mark_different_questions_of_one_submission(course: Course) -> None:
    one = course.mark(("  1.1 c:", "  1.1 c: 1"), to="one")
    other = course.mark(("  1.6 e:", "  1.6 e: 2"), to="other")
    course.apply(one, who="Alex")
    applied = course.apply(other, who="Robin")
    assert (applied.faults, applied.notes) == ([], [])
    assert (course.points["1.1.c"], course.points["1.6.e"]) == (1, 2)


def test_two_who_mark_under_one_name_undo_nothing(course: Course) -> None:
    one = course.mark(("  1.1 c:", "  1.1 c: 1"), to="one")
    other = course.mark(("  1.6 e:", "  1.6 e: 2"), to="other")
    course.apply(one)
    applied = course.apply(other)
    assert (course.points["1.1.c"], course.points["1.6.e"]) == (1, 2)
    assert [note.split(": ")[2] for note in applied.notes] == ["1.1 c"]


def test_two_who_mark_the_same_question_hear_of_each_other(course: Course) -> None:
    one = course.mark(("  1.1 c:", "  1.1 c: 1"), to="one")
    other = course.mark(("  1.1 c:", "  1.1 c: 0"), to="other")
    course.apply(one, who="Alex")
    (fault,) = course.refused(other, who="Robin", when=LATER)
    assert fault.startswith(f"line 17: 1.1 c: Alex gave 1 on {WHEN}, after this file was made; agree on the points")
    # In a file that was made since, the other mark was seen.
    course.apply(course.mark(("  1.1 c: 1", "  1.1 c: 0")), who="Robin", when=LATER)
    assert course.points["1.1.c"] == 0
    # And the first one does not come back by itself.
    assert course.refused(one, who="Alex") != []
    assert course.points["1.1.c"] == 0


def test_a_file_with_a_fault_is_left_out_whole_and_the_others_count(course: Course) -> None:
    hand_in(course.output, "joe")
    course.make()
    jane = fill_in(course.folder / "marks" / "jane.yaml", ("  1.1 c:", "  1.1 c: 1"), ("  1.6 e:", "  1.6 e: 4"))
    fill_in(course.folder / "marks" / "joe.yaml", ("  1.1 c:", "  1.1 c: 1"))
    applied = course.apply(course.folder / "marks")
    assert applied.faults == [f"{jane}: line 33: 1.6 e: 4 is not between 0 and 3"]
    assert [result.submission for result in applied.results] == ["joe"]
    assert read_changes(course.output / "jane") == []
    assert marked(course.output, "joe").points == 4.5
    assert course.rewritten == [["joe"]]


def test_two_files_for_one_submission_are_both_left_out(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    copy = Path(shutil.copy(file, file.with_name("jane copy.yaml")))
    (fault,) = course.refused(file.parent)
    assert fault == f"{copy} and {file}: are for the same submission, jane; give one of them"


def test_a_file_named_twice_is_one_file(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    assert course.apply(file, file.parent).changes == {"jane": [change("1.1.c", 1, None)]}


def test_the_file_may_have_any_name(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    renamed = file.rename(file.with_name("score of Jane (1).txt"))
    assert course.apply(renamed).changes == {"jane": [change("1.1.c", 1, None)]}


def test_a_trial_writes_nothing(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    before = {path: path.read_bytes() for path in course.output.rglob("*") if path.is_file()}
    applied = course.apply(file, dry_run=True)
    assert applied.changes == {"jane": [change("1.1.c", 1, None)]}
    assert [result.points for result in applied.results] == [4.5]
    assert {path: path.read_bytes() for path in course.output.rglob("*") if path.is_file()} == before
    assert course.rewritten == []


def test_reports_that_were_not_made_anew_are_made_the_next_time(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))

    def fails(assignment: Assignment, results: Iterable[SubmissionResult], output: Path) -> list[str]:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        apply(course.assignment, course.output, [file], "Alex", WHEN, rewrite=fails)
    assert course.points["1.1.c"] == 1
    assert course.apply(file).changes == {"jane": []}
    assert course.rewritten == [["jane"]]


# What is refused


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([("  1.1 c:", "  1.1 c: 1.5")], "line 17: 1.1 c: 1.5 is not between 0 and 1"),
        ([("  1.1 c:", "  1.1 c: -0.5")], "line 17: 1.1 c: -0.5 is not between 0 and 1"),
        ([("  1.6 e:", "  1.6 e: 0.25")], "line 33: 1.6 e: 0.25 is not a multiple of half a point"),
        ([("  1.1 c:", "  1.1 c: good")], "line 17: 1.1 c: 'good' is no number of points, such as 1 or 0.5"),
        ([("  1.1 c:", "  1.1 d: 1")], "line 17: there is no question 1.1 d"),
        (
            [("  1.5 b: 2", "  1.5 b: 3")],
            "line 19: 1.5 b: the checks gave 2; to give 3, say why under `Reasons`",
        ),
        (
            [("  1.6 d:", "  1.6 d: 0")],
            "line 27: 1.6 d: the checks gave between 0.5 and 1.5; to give 0, say why under `Reasons`",
        ),
        ([REASON], "line 19: 1.5 b: has a reason, but 2 is what the checks gave; change the points, or take it out"),
        (
            [("  1.1 c:", "  1.1 c: 1"), ("Reasons:", "Reasons:\n  Question 1.1 c: so")],
            "line 17: 1.1 c: a reason is for points that checks gave; put this text under `Comments`",
        ),
        (
            [("Comments:", "Comments:\n  Question 1.1 c: Why?")],
            "line 17: 1.1 c: has a text, but no points; give points, or take the text out",
        ),
        ([("Comments:", "Comments:\n  Question 9.9 z: Why?")], "line 41: there is no question 9.9 z"),
        ([("Reasons:", "Reasons:\n  Question 9.9 z: Why?")], "line 36: there is no question 9.9 z"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_is_told_with_file_line_and_what_to_do(
    course: Course, entries: list[tuple[str, str]], fault: str
) -> None:
    assert course.refused(course.mark(*entries)) == [fault]


def test_all_faults_of_a_file_are_told_at_once(course: Course) -> None:
    faults = course.refused(
        course.mark(("  1.1 c:", "  1.1 c: 2"), ("  1.5 b: 2", "  1.5 b: 3"), ("  1.6 e:", "  1.6 e: 9"))
    )
    assert [fault.split(": ")[1] for fault in faults] == ["1.1 c", "1.5 b", "1.6 e"]


def test_marks_for_an_earlier_hand_in_are_refused_in_one_line_and_the_others_count(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"), ("  1.6 e:", "  1.6 e: 2"), ("  1.5 b: 2", "  1.5 b: 3"), REASON)
    hand_in(course.output, _1_1_c="Yes!", _1_5_b="def other(): ...")
    applied = course.apply(file)
    (fault,) = applied.faults
    assert f"{file}: its marks for 1.1 c, 1.5 b are for an earlier hand-in, and the answer is another one now;" in fault
    assert applied.changes == {"jane": [change("1.6.e", 2, None)]}
    assert course.points == {"1.1.a": 1, "1.1.c": None, "1.5.b": 2, "1.6.d": 0.5, "1.6.e": 2}


def test_marks_for_answers_that_stayed_the_same_count_after_a_new_hand_in(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    hand_in(course.output, _1_6_e="Handed in again: smaller is better.")
    assert course.apply(file).changes == {"jane": [change("1.1.c", 1, None)]}


def test_after_a_new_hand_in_the_changed_answer_is_to_be_marked_again(course: Course) -> None:
    course.apply(course.mark(("  1.1 c:", "  1.1 c: 1"), ("  1.6 e:", "  1.6 e: 2")))
    hand_in(course.output, _1_1_c="Yes!")
    assert (course.points["1.1.c"], course.points["1.6.e"]) == (None, 2)
    course.apply(course.mark(("  1.1 c:", "  1.1 c: 0")))
    assert course.points["1.1.c"] == 0
    assert len(read_changes(course.output / "jane")) == 3


def test_a_mark_for_no_answer_is_not_given_to_one_that_comes_later(course: Course) -> None:
    hand_in(course.output, _1_1_c="")
    file = course.mark(("  1.1 c:", "  1.1 c: 0"))
    course.apply(file)
    assert course.points["1.1.c"] == 0
    hand_in(course.output)
    assert course.points["1.1.c"] is None
    (fault,) = course.refused(file)
    assert fault.startswith("its marks for 1.1 c are for an earlier hand-in")


@pytest.mark.parametrize("name", ["nobody", "../rubric", "", ".", "jane/../jane"])
def test_a_submission_that_is_not_there_is_named(course: Course, name: str) -> None:
    file = course.mark(("  submission: jane", f'  submission: "{name}"'), ("  1.1 c:", "  1.1 c: 1"))
    assert course.refused(file) == [f"there is no submission {name!r} in {course.output}"]


def test_a_submission_that_was_not_graded_has_nothing_to_mark(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    write_result(
        course.output / "jane", SubmissionResult(submission="jane", file="", status="missing", message="no notebook")
    )
    assert course.refused(file) == ["jane has nothing to mark: no notebook"]


def test_a_submission_of_another_rubric_is_named(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    result = graded()
    result.questions[0].max_points = 2
    write_result(course.output / "jane", result)
    (fault,) = course.refused(file)
    assert fault.startswith(f"{course.output / 'jane'}: was graded with another rubric")


def test_a_journal_that_cannot_be_read_is_named(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    (course.output / "jane" / "marks.json").write_text("[")
    faults = course.refused(file)
    assert faults[0] == f"there is no submission 'jane' in {course.output}"
    assert "marks.json: is damaged" in faults[1]


def test_files_and_folders_that_are_not_there_are_named(course: Course) -> None:
    (course.folder / "empty").mkdir()
    faults = course.refused(course.folder / "nowhere.yaml", course.folder / "empty")
    assert faults == [
        f"{course.folder / 'empty'}: holds no score files (*.yaml); make some with `grader marks template`",
        "cannot be read (No such file or directory)",
    ]


# The course's own files, made elsewhere


SHEET = """\
Score for Assignment 1:
  You have 4 out of a maximum of 9.5 points.
Names: Jane
Score per question:
  1.1 a: 1
  1.1 c: 0.5
  # max for 1.1 c: 1
  1.5 b: 2
Comments:
  Question 1.1 c: |
    Why?
"""


def test_a_file_of_the_score_sheet_says_not_which_hand_in_it_is_for(course: Course) -> None:
    file = course.folder / "jane.yaml"
    file.write_text(SHEET)
    (fault,) = course.refused(file)
    assert fault.startswith("does not say which hand-in it is for")
    assert "--unbound" in fault


def test_a_file_of_the_score_sheet_can_be_taken_for_the_hand_in_at_hand(course: Course) -> None:
    file = course.folder / "jane.yaml"
    file.write_text(SHEET)
    applied = course.apply(file, unbound=True)
    assert applied.faults == []
    assert applied.changes == {"jane": [change("1.1.c", 0.5, None, comment="Why?")]}
    assert course.apply(file, unbound=True).changes == {"jane": []}


def test_unbound_does_not_loosen_what_a_file_says_of_itself(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    hand_in(course.output, _1_1_c="Yes!")
    assert course.refused(file, unbound=True)[0].startswith("its marks for 1.1 c are for an earlier hand-in")


# Texts of people are kept as they are


@pytest.mark.parametrize(
    "text", ["a: b # c", "---", "<script>alert(1)</script>", "naïve 🙂", "'\"{{ x }}", "%TAG", "\\u2028"]
)
def test_comments_reasons_and_names_are_kept_as_written(course: Course, text: str) -> None:
    file = course.mark(
        ("  1.5 b: 2", "  1.5 b: 3"),
        ("Reasons:", f"Reasons:\n  Question 1.5 b: |\n    {text}"),
        ("    The scale", f"    {text}"),
        (f"    {LOST}", f"\n      {text}"),
        ("Marked by:", "Marked by: '" + text.replace("'", "''") + "'"),
    )
    (made,) = course.apply(file).changes["jane"]
    assert (made.comment, made.reason, made.who) == (f"{text}\n\n  {text}", text, text)
    # And come back in the next file, where nothing counts as entered.
    assert course.apply(course.make()).changes == {"jane": []}


def test_earlier_decisions_are_never_lost(course: Course) -> None:
    old = [change("1.1.c", 1, None, answer=digest("an earlier hand-in")), change("1.9.z", 5, 1)]
    write_marks_file(course.output / "jane", old)
    course.apply(course.mark(("  1.1 c:", "  1.1 c: 0")))
    assert read_changes(course.output / "jane") == [*old, change("1.1.c", 0, None)]


def test_the_points_that_count_are_beside_what_the_checks_found_which_stays_as_it_was(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 0.5"), ("  1.5 b: 2", "  1.5 b: 0"), REASON)
    apply(course.assignment, course.output, [file], "Alex", WHEN)
    stored = read_result(course.output / "jane" / "result.json")
    assert stored.final == Final(
        points=2,
        code_points=1.5,
        points_to_mark=3,
        points_in_review=1,
        questions={"1.1.a": 1, "1.1.c": 0.5, "1.5.b": 0, "1.6.d": 0.5, "1.6.e": None},
        decisions=2,
        last=2,
    )
    assert msgspec.json.encode(msgspec.structs.replace(stored, final=None)) == msgspec.json.encode(graded())


# Whose file it is


def handed_in_elsewhere(course: Course, **answers: str) -> None:
    """Another hand-in gets the name `jane`, in results of its own."""
    result = hand_in(course.output, **answers)
    write_result(course.output / "jane", msgspec.structs.replace(result, root="../group-b"))


def test_a_file_for_another_of_the_same_name_is_refused_where_all_answers_are_equal(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    hand_in(course.output, "joe")
    handed_in_elsewhere(course)
    (fault,) = course.apply(file).faults
    assert "it may be for another jane" in fault
    assert read_changes(course.output / "jane") == []


def test_a_file_of_an_earlier_version_counts_where_an_answer_is_nobody_elses(course: Course) -> None:
    file = course.mark(("  1.1 c:", "  1.1 c: 1"))
    file.write_text(re.sub("^  place: .*\n", "", file.read_text(), flags=re.MULTILINE))
    hand_in(course.output, "joe")
    assert "it may be for another" in course.apply(file).faults[0]
    hand_in(course.output, "joe", a1_5_b="def another(): ...")
    assert course.apply(file).faults == []
    assert course.points["1.1.c"] == 1
