from __future__ import annotations

import re
from pathlib import Path

import msgspec
import nbformat
import pytest
from marks.small_class import LOST, WHEN, digest, fill_in, graded, hand_in, marked, write_marks_file
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grader.assignment.assignment import Assignment
from grader.marks import scorefile
from grader.marks.scorefile import MAX_BYTES, ScoreFile, entered
from grader.marks.template import file_name, template
from grader.report.store import write_pages
from grader.results.classlist import ClassList, HandIn, write_class_list
from grader.results.journal import MarksError
from grader.results.results import Change, SubmissionResult, write_result

PAGE = f"""\
Score for Deep Learning, assignment 1:
  You have 3.5 out of a maximum of 9.5 points.

Names: Jane Example
Group:
Marked by:

Score per question:
  1.1 a: 1

  # 1.1 c: Title of 1.1.c
  # To be marked: 0 to 1.
  # Criteria:
  #   1 point for seeing that it does not.
  # Answer, cell 2:
  #   | No: it gets stuck.
  1.1 c:

  1.5 b: 2
  # max for 1.5 b: 3

  # 1.6 d: Title of 1.6.d
  # In review: of 1.5, the checks gave 0.5, and could not decide on 1. Enter the points for the whole question.
  # It learns well: 94.9%: just below
  # Answer, cell 4:
  #   | params = fit()
  1.6 d:

  # 1.6 e: Title of 1.6.e
  # To be marked: 0 to 3.
  # Answer, cell 5:
  #   | Larger is faster.
  1.6 e:

Reasons:
  # Where you change points that the checks gave, say why. The student reads it. For example:
  #   Question 1.5 b: |
  #     The check took the wrong cell.

Comments:
  # For the student, in the same form. What stands here already is what the checks found.
  Question 1.5 b: |
    The scale
    {LOST}

Made from:
  # Leave this as it is: it says which answers the marks are for, and what stood here before you marked.
  submission: jane
  changes: 0
"""


def test_a_review_is_shown_with_its_code_and_its_cause(assignment: Assignment, results: Path, tmp_path: Path) -> None:
    result = hand_in(results)
    result.questions[3].notes = ["Cell 4 was stopped after 120 s."]
    error = new_output("error", ename="ValueError", evalue="shapes (3,2)\nand (4,)", traceback=[])
    cells = [new_code_cell("x") for _ in range(3)] + [new_code_cell("params = fit()", outputs=[error])]
    write_pages(results, result, "a report", nbformat.writes(new_notebook(cells=cells)))
    template(assignment, results, tmp_path / "marks")
    text = (tmp_path / "marks" / "jane.yaml").read_text()
    assert (
        """\
  # It learns well: 94.9%: just below
  # Note: Cell 4 was stopped after 120 s.
  # Answer, cell 4:
  #   | params = fit()
  # Error in cell 4: ValueError: shapes (3,2) and (4,)
  1.6 d:
"""
        in text
    )


def content(path: Path) -> ScoreFile:
    return scorefile.read(path.read_bytes())[0]


def nothing_is_entered(file: ScoreFile) -> bool:
    return not any(any(entered(file, id)) for id in [*file.points, *file.comments, *file.reasons])


def test_a_score_file_has_every_question_with_what_is_known(
    assignment: Assignment, results: Path, tmp_path: Path
) -> None:
    jane = HandIn(submission="jane", notebook="jane.ipynb", person="Jane Example")
    write_class_list(results, ClassList(site="canvas", hand_ins=[jane]))
    made = template(assignment, results, tmp_path / "marks")
    assert made.written == [tmp_path / "marks" / "jane.yaml"]
    assert (made.left_alone, made.faults) == ([], [])
    text = made.written[0].read_text()
    text, lines = re.subn("^  place: [0-9a-f]{12}\n", "", text, flags=re.MULTILINE)
    assert lines == 1
    assert text.startswith(PAGE)
    answer = digest("No: it gets stuck.")[:12]
    assert f"  1.1 c: {answer} none none none\n" in text.removeprefix(PAGE)


def test_nothing_in_a_new_file_counts_as_entered(assignment: Assignment, results: Path, tmp_path: Path) -> None:
    change = Change(
        question="1.5.b",
        points=3,
        before=2,
        comment="Well\nseen",
        reason="so",
        who="A",
        when=WHEN,
        answer=digest("def make_layer(): ..."),
        submission="jane",
    )
    write_marks_file(results / "jane", [change])
    (path,) = template(assignment, results, tmp_path / "marks").written
    file = content(path)
    assert nothing_is_entered(file)
    assert (file.points["1.5.b"], file.comments["1.5.b"], file.reasons["1.5.b"]) == (3, "Well\nseen\n", "so\n")
    assert "  # Marked by A on 2026-03-01T10:00:00+00:00, of 3; the checks gave 2.\n" in path.read_text()


def test_an_answer_that_is_missing_is_said_to_be(assignment: Assignment, results: Path, tmp_path: Path) -> None:
    hand_in(results, _1_1_c="")
    (path,) = template(assignment, results, tmp_path / "marks").written
    assert "  # No answer was found. To be marked: 0 to 1.\n" in path.read_text()
    assert content(path).points["1.1.c"] is None


def test_what_is_filled_in_is_left_alone_and_the_rest_is_made_anew(
    assignment: Assignment, results: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "marks"
    hand_in(results, "joe")
    template(assignment, results, folder)
    filled = fill_in(folder / "jane.yaml", ("  1.1 c:", "  1.1 c: 1")).read_bytes()
    (folder / "joe.yaml").write_text((folder / "joe.yaml").read_text() + "# a note\n")
    made = template(assignment, results, folder)
    assert (made.written, made.left_alone) == ([folder / "joe.yaml"], [folder / "jane.yaml"])
    assert (folder / "jane.yaml").read_bytes() == filled
    assert "# a note" not in (folder / "joe.yaml").read_text()


@pytest.mark.parametrize(
    "entry",
    [
        ("  1.1 c:", "  1.1 c: 0"),
        ("  1.1 a: 1", "  1.1 a:"),
        ("Marked by:", "Marked by: Alex"),
        ("Names:", "Names: Jane Example"),
        ("Group:", "Group: 17"),
        (f"    {LOST}", "    Another comment"),
        ("  1.1 c:", "  1.1 c: {"),
    ],
    ids=["mark", "emptied", "who", "names", "group", "comment", "no YAML any more"],
)
def test_whatever_a_person_has_entered_is_kept(
    assignment: Assignment, results: Path, tmp_path: Path, entry: tuple[str, str]
) -> None:
    (path,) = template(assignment, results, tmp_path / "marks").written
    fill_in(path, entry)
    assert template(assignment, results, tmp_path / "marks").left_alone == [path]


def test_force_writes_anew_what_is_filled_in(assignment: Assignment, results: Path, tmp_path: Path) -> None:
    (path,) = template(assignment, results, tmp_path / "marks").written
    new = path.read_bytes()
    fill_in(path, ("  1.1 c:", "  1.1 c: 0"))
    assert template(assignment, results, tmp_path / "marks", force=True).written == [path]
    assert path.read_bytes() == new


def test_what_could_not_be_graded_gets_no_file(assignment: Assignment, results: Path, tmp_path: Path) -> None:
    write_result(
        results / "joe", SubmissionResult(submission="joe", file="joe.ipynb", status="unreadable", message="is empty")
    )
    made = template(assignment, results, tmp_path / "marks")
    assert made.faults == ["joe: there is nothing to mark: is empty"]
    assert [path.name for path in made.written] == ["jane.yaml"]


@pytest.mark.parametrize("other", ["questions", "title"])
def test_results_of_another_rubric_get_no_file(
    assignment: Assignment, results: Path, tmp_path: Path, other: str
) -> None:
    result = graded("joe")
    if other == "questions":
        result.questions = result.questions[1:]
    else:
        result.assignment = "Statistics"
    write_result(results / "joe", result)
    made = template(assignment, results, tmp_path / "marks")
    (fault,) = made.faults
    assert fault.startswith(f"{results / 'joe'}: was graded with another rubric")
    assert [path.name for path in made.written] == ["jane.yaml"]


def test_a_folder_without_results_is_named(assignment: Assignment, tmp_path: Path) -> None:
    with pytest.raises(MarksError, match="holds no results; grade first"):
        template(assignment, tmp_path, tmp_path / "marks")


HOSTILE = [
    "No.\n  1.1 c: 1",
    "No.\r\n\x85\u2028\u2029  1.1 c: 1\x00\x1b[31m",
    "```yaml\n--- \n1.1 c: 1\n...\n```",
    "&a [*a] !!python/object:os.system %YAML 9",
    "‮1 :c 1.1",
    "#" * 10_000,
    "🙂" * 10_000,
    " ".join(["word"] * 10_000),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_an_answer_marks_nothing(assignment: Assignment, results: Path, tmp_path: Path, text: str) -> None:
    hand_in(results, _1_1_c=text)
    (path,) = template(assignment, results, tmp_path / "marks").written
    file = content(path)
    assert file.points == {"1.1.a": 1, "1.1.c": None, "1.5.b": 2, "1.6.d": None, "1.6.e": None}
    assert nothing_is_entered(file)
    assert path.stat().st_size < 50_000


@pytest.mark.parametrize("name", ["a: b # c", "---", "jane\n  1.1 c: 1", "\"'{[", "x" * 255, "é" * 127, "Score for"])
def test_names_are_no_yaml(assignment: Assignment, results: Path, tmp_path: Path, name: str) -> None:
    write_class_list(
        results,
        ClassList(site="moodle", hand_ins=[HandIn(submission=name, notebook=None, person=f"{name}\nMarked by: me")]),
    )
    hand_in(results, name)
    template(assignment, results, tmp_path / "marks")
    file = content(tmp_path / "marks" / file_name(name))
    assert file.made_from is not None
    assert (file.made_from.submission, file.names, file.marked_by) == (name, f"{name}\nMarked by: me", "")
    assert nothing_is_entered(file)


def test_a_message_of_a_check_is_no_yaml(assignment: Assignment, results: Path, tmp_path: Path) -> None:
    result = graded()
    result.question("1.5.b").checks[1].message = "'\nMade from:\n\t- {\n\u2028Reasons: x"
    write_result(results / "jane", result)
    (path,) = template(assignment, results, tmp_path / "marks").written
    assert content(path).comments["1.5.b"].startswith("The scale\n'\nMade from:\n\t- {\n")
    assert nothing_is_entered(content(path))


def test_long_names_stay_apart() -> None:
    names = {file_name("x" * 250 + str(number)) for number in range(1000, 1010)}
    assert len(names) == 10
    assert {len(name) for name in names} == {240}


def test_a_file_that_would_be_too_large_leaves_the_answers_out(
    assignment: Assignment, results: Path, tmp_path: Path
) -> None:
    """Criteria are the rubric's; nothing bounds them."""
    result = hand_in(results, _1_6_e="🙂" * 4000)
    result.question("1.1.c").criteria = "x" * (MAX_BYTES - 10_000)
    write_result(results / "jane", result)
    (path,) = template(assignment, results, tmp_path / "marks").written
    assert "🙂" not in path.read_text()
    assert path.stat().st_size <= MAX_BYTES


def test_making_files_changes_no_result(assignment: Assignment, results: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    template(assignment, results, tmp_path / "marks")
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before
    assert msgspec.json.encode(marked(results)) == msgspec.json.encode(graded())


def test_a_mark_that_has_lapsed_is_told_where_the_new_answer_is_to_be_marked(
    assignment: Assignment, results: Path, tmp_path: Path
) -> None:
    old = Change(
        question="1.1.c", points=0.5, before=None, comment="Why?", who="Robin", when=WHEN, answer=digest("earlier"),
        submission="jane",
    )  # fmt: skip
    override = msgspec.structs.replace(old, question="1.5.b", points=3, comment="", reason="Tolerated.")
    write_marks_file(results / "jane", [old, override])
    template(assignment, results, tmp_path / "marks")
    text = (tmp_path / "marks" / "jane.yaml").read_text()
    assert f"  # To be marked: 0 to 1.\n  # For an earlier answer, Robin gave 0.5 on {WHEN}: Why?\n" in text
    assert f"  # For an earlier answer, Robin gave 3 on {WHEN}.\n" in text
