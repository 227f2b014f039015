"""`grader marks`, with real reports and tables."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from marks.small_class import ANSWERS, WHEN, digest, fill_in, hand_in, marked
from typer.testing import CliRunner

from grader.cli.marks import app
from grader.results.decisions import Decision, Store, read_changes
from grader.results.items import Item
from grader.results.results import SubmissionResult, write_result
from grader.results.teamwork import Flag, Place, Share


def printed(*arguments: object, status: int = 0) -> list[str]:
    """All lines, those about errors last."""
    ended = CliRunner().invoke(app, list(map(str, arguments)))
    assert ended.exit_code == status, ended.output
    return [*ended.stdout.splitlines(), *ended.stderr.splitlines()]


@pytest.fixture
def file(results: Path, rubric: Path, tmp_path: Path) -> Path:
    """Jane's score file."""
    assert printed("template", results, "--rubric", rubric, "-o", tmp_path / "marks") == [
        f"Score files: 1 written to {tmp_path / 'marks'}"
    ]
    return tmp_path / "marks" / "jane.yaml"


def grades(results: Path) -> dict[str, str]:
    (row,) = csv.DictReader((results / "grades.csv").read_text().splitlines())
    return row


def test_marks_reach_the_report_the_overview_and_the_table(results: Path, rubric: Path, file: Path) -> None:
    fill_in(
        file,
        ("  1.1 c:", "  1.1 c: 0.5"),
        ("  1.5 b: 2", "  1.5 b: 2.5"),
        ("Reasons:", "Reasons:\n  Question 1.5 b: The check took the wrong cell."),
        ("Comments:", "Comments:\n  Question 1.1 c: Why does it <b>stop</b> there?"),
    )
    assert printed("apply", results, file, "--rubric", rubric, "--by", "Alex Example") == [
        "jane: 1.1.c: – → 0.5, 1.5.b: 2 → 2.5; 4.5 of 9.5 points; still to be decided: 1.6.d, 1.6.e",
        f"2 decisions from 1 file entered in {results / 'index.html'}",
    ]
    row = grades(results)
    assert (row["points"], row["1.1.c"], row["1.5.b"], row["points_to_mark"]) == ("4.5", "0.5", "2.5", "3")
    report = (results / "jane" / "report.html").read_text()
    assert "Why does it <b>stop</b> there?" in report
    assert "The check took the wrong cell." in report
    assert "Alex Example" in report
    assert "4.5" in (results / "index.html").read_text()


def test_a_second_time_there_is_nothing_new(results: Path, rubric: Path, file: Path) -> None:
    fill_in(file, ("  1.1 c:", "  1.1 c: 1"))
    printed("apply", results, file, "--rubric", rubric)
    assert printed("apply", results, file.parent, "--rubric", rubric) == [
        "jane: nothing new; 4.5 of 9.5 points; still to be decided: 1.6.d, 1.6.e",
        f"0 decisions from 1 file entered in {results / 'index.html'}",
    ]


def test_a_fault_is_one_line_and_the_rest_counts(results: Path, rubric: Path, file: Path, tmp_path: Path) -> None:
    hand_in(results, "joe")
    printed("template", results, "--rubric", rubric, "-o", tmp_path / "marks")
    fill_in(file, ("  1.1 c:", "  1.1 c: 2"))
    fill_in(tmp_path / "marks" / "joe.yaml", ("  1.1 c:", "  1.1 c: 1"))
    assert printed("apply", results, tmp_path / "marks", "--rubric", rubric, status=1) == [
        "joe: 1.1.c: – → 1; 4.5 of 9.5 points; still to be decided: 1.6.d, 1.6.e",
        f"1 decision from 1 file entered in {results / 'index.html'}",
        f"error: {file}: line 17: 1.1 c: 2 is not between 0 and 1",
    ]


def test_a_trial_shows_what_would_change(results: Path, rubric: Path, file: Path) -> None:
    fill_in(file, ("  1.1 c:", "  1.1 c: 1"))
    assert printed("apply", results, file, "--rubric", rubric, "--dry-run") == [
        "jane: 1.1.c: – → 1; 4.5 of 9.5 points; still to be decided: 1.6.d, 1.6.e",
        "1 decision from 1 file would be entered; nothing is written",
    ]
    assert read_changes(results / "jane") == []


def test_the_login_name_is_taken_where_nobody_is_named(
    results: Path, rubric: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "aexample")
    fill_in(file, ("  1.1 c:", "  1.1 c: 1"))
    printed("apply", results, file, "--rubric", rubric)
    assert [change.who for change in read_changes(results / "jane")] == ["aexample"]


def test_the_time_is_in_utc_to_the_second(results: Path, rubric: Path, file: Path) -> None:
    fill_in(file, ("  1.1 c:", "  1.1 c: 1"))
    printed("apply", results, file, "--rubric", rubric)
    (change,) = read_changes(results / "jane")
    assert len(change.when) == len("2026-03-01T10:00:00+00:00")
    assert change.when.endswith("+00:00")


def test_what_is_filled_in_is_named_and_left_alone(results: Path, rubric: Path, file: Path) -> None:
    fill_in(file, ("  1.1 c:", "  1.1 c: 1"))
    assert printed("template", results, "--rubric", rubric, "-o", file.parent) == [
        f"not overwritten, because it is filled in: {file}",
        f"Score files: 0 written to {file.parent}",
    ]
    assert printed("template", results, "--rubric", rubric, "-o", file.parent, "--force") == [
        f"Score files: 1 written to {file.parent}"
    ]


def test_the_log_has_every_decision(results: Path, rubric: Path, file: Path, tmp_path: Path) -> None:
    fill_in(
        file,
        ("  1.1 c:", "  1.1 c: 1"),
        ("  1.5 b: 2", "  1.5 b: 3"),
        ("Reasons:", "Reasons:\n  Question 1.5 b: |\n    It is\n    tolerated."),
        ("Comments:", "Comments:\n  Question 1.1 c: Good"),
    )
    printed("apply", results, file, "--rubric", rubric, "--by", "Alex")
    printed("template", results, "--rubric", rubric, "-o", tmp_path / "again")
    again = fill_in(tmp_path / "again" / "jane.yaml", ("  1.1 c: 1", "  1.1 c:"))
    printed("apply", results, again, "--rubric", rubric, "--by", "Robin")
    hand_in(results, _1_5_b="another answer")
    lines = [line.partition(" ")[2] for line in printed("log", results)]
    assert lines == [
        "Alex, jane, 1.1.c: – → 1; comment: Good",
        "Alex, jane, 1.5.b: 2 → 3; for another answer than the one in these results; reason: It is tolerated.",
        "Robin, jane, 1.1.c: 1 → taken back",
    ]
    assert [line.partition(" ")[2] for line in printed("log", results, "jane")] == lines
    assert printed("log", results, "joe", status=2) == [f"error: {results}: holds no submission 'joe'"]


def test_the_log_has_all_else_that_was_stored_and_goes_into_a_repository_as_lines_of_json(
    results: Path, rubric: Path
) -> None:
    place = Place(question="1.1.c", submission="jane", answer=digest(ANSWERS["1.1.c"]))
    mark = Decision(
        **{name: getattr(place, name) for name in ("question", "submission", "answer")}, points=1, items=["a"]
    )
    with Store.open(results) as store:
        store.save_item(Item(question="1.1.c", key="a", text="Sees it", points=1, words="Good."), who="Alex", when=WHEN)
        store.decide([mark], who="Alex", when=WHEN, op="1")
        store.undo("Alex", WHEN)
        store.split([place], who="Alex", when=WHEN)
        store.flag([Flag(place=place, for_whom="Robin", note="Really?")], who="Alex", when=WHEN)
        store.deal([Share(who="Robin", question="1.1.c", second=True)], who="Alex", when=WHEN)
        store.name_shown("jane", who="Alex", when=WHEN)
        gone = msgspec.structs.replace(mark, submission="gone", items=[])
        store.decide([gone], who="Robin", when=WHEN, second=True)
    lines = printed("log", results)
    assert [line.removeprefix(f"{WHEN} ") for line in lines] == [
        "Alex, item a of 1.1.c: 1, Sees it",
        "Alex, jane, 1.1.c: – → 1; items: a",
        "Alex, jane, taken back; 1.1.c: 1 → taken back",
        "Alex, jane, 1.1.c: taken out of its group",
        "Alex, jane, 1.1.c: flagged for Robin: Really?",
        "Alex, 1.1.c: to be marked a second time by Robin",
        "Alex, jane: the name was shown",
        "Robin, gone, second mark, does not count; 1.1.c: – → 1; "
        "does not count: no such submission is in these results",
    ]
    entries = [json.loads(line) for line in printed("log", results, "--jsonl")]
    assert [(each["kind"], each["operation"]) for each in entries] == [
        ("item", 1), ("decision", 2), ("decision", 3), ("split", 4), ("flag", 5), ("share", 6), ("name shown", 7),
        ("decision", 8),
    ]  # fmt: skip
    assert entries[1] == {
        "kind": "decision", "operation": 2, "id": 1, "who": "Alex", "when": WHEN, "submission": "jane",
        "question": "1.1.c", "answer": place.answer, "points": 1, "before": None, "items": ["a"], "adjustment": 0,
        "words": ["Good."], "comment": "", "reason": "", "replaces": 0,
    }  # fmt: skip
    assert (entries[2]["undoes"], entries[2]["points"], entries[7]["second"]) == (2, None, True)
    assert len(printed("log", results, "jane", "--jsonl")) == 5


def test_nothing_in_a_name_reaches_the_terminal_as_it_is(results: Path, rubric: Path, tmp_path: Path) -> None:
    shutil.rmtree(results / "jane")
    hand_in(results, "a\x1b[31m\nb")
    printed("template", results, "--rubric", rubric, "-o", tmp_path / "marks")
    (file,) = (tmp_path / "marks").iterdir()
    fill_in(file, ("  1.1 c:", "  1.1 c: 1"), ("Marked by:", 'Marked by: "\\e[2J"'))
    shown = printed("apply", results, file, "--rubric", rubric) + printed("log", results)
    assert len(shown) == 3
    fill_in(file, ("  1.1 c: 1", "  1.1 c: 9"))
    shown += printed("apply", results, file, "--rubric", rubric, status=1)
    assert len(shown) == 5
    assert "\x1b" not in "".join(shown)


@pytest.mark.parametrize("arguments", [["template"], ["apply", "marks.yaml"], ["log"]], ids=lambda each: each[0])
def test_a_folder_without_results_is_one_line(rubric: Path, tmp_path: Path, arguments: list[str]) -> None:
    command, *files = arguments
    options = [] if command == "log" else ["--rubric", rubric]
    (line,) = printed(command, tmp_path / "nowhere", *files, *options, status=2)
    assert line.startswith(f"error: {tmp_path / 'nowhere'}: ")


def test_a_damaged_journal_is_named_and_the_others_are_shown(results: Path, rubric: Path) -> None:
    hand_in(results, "joe")
    (results / "joe" / "marks.json").write_text("[")
    (line,) = printed("log", results, status=1)
    assert line.startswith(f"error: {results / 'joe' / 'marks.json'}: is damaged")


@pytest.mark.slow
def test_several_at_once_lose_nothing(results: Path, rubric: Path, file: Path, tmp_path: Path) -> None:
    """Each of many processes enters the marks of one question; what each has read is old when it writes."""
    files = []
    for number, question in enumerate(["1.1 c", "1.6 d", "1.6 e"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(fill_in(Path(shutil.copy(file, folder)), (f"  {question}:", f"  {question}: 1")))
    command = "import sys; from grader.cli.marks import app; app(sys.argv[1:])"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", command, "apply", results, each, "--rubric", rubric, "--by", each.parent.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        for each in files
    ]
    ended = [(process.communicate(timeout=120)[0], process.returncode) for process in running]
    assert [status for _, status in ended] == [0, 0, 0], ended
    assert {change.question for change in read_changes(results / "jane")} == {"1.1.c", "1.6.d", "1.6.e"}
    assert marked(results).points == 3 + 3
    assert grades(results)["points"] == "6"


def test_results_that_cannot_be_written_are_named(results: Path, rubric: Path, file: Path) -> None:
    fill_in(file, ("  1.1 c:", "  1.1 c: 1"))
    (results / "grades.csv").mkdir()
    (line,) = printed("apply", results, file, "--rubric", rubric, status=2)
    assert line.startswith(f"error: {results}")
    assert line.endswith("cannot be written (Is a directory); correct that, and apply the files again")
    (results / "grades.csv").rmdir()
    # What was entered is kept, and reaches the table now.
    printed("apply", results, file, "--rubric", rubric)
    assert len(read_changes(results / "jane")) == 1
    assert grades(results)["1.1.c"] == "1"


def test_submissions_that_were_not_graded_are_named(results: Path, rubric: Path, tmp_path: Path) -> None:
    write_result(results / "joe", SubmissionResult(submission="joe", file="", status="unreadable", message="empty"))
    assert printed("template", results, "--rubric", rubric, "-o", tmp_path / "marks", status=1) == [
        f"Score files: 1 written to {tmp_path / 'marks'}",
        "error: joe: there is nothing to mark: empty",
    ]


def test_that_somebody_handed_in_no_notebook_is_no_error(results: Path, rubric: Path, tmp_path: Path) -> None:
    write_result(results / "joe", SubmissionResult(submission="joe", file="", status="missing", message="no notebook"))
    assert printed("template", results, "--rubric", rubric, "-o", tmp_path / "marks") == [
        "note: joe: there is nothing to mark, no notebook was handed in",
        f"Score files: 1 written to {tmp_path / 'marks'}",
    ]
