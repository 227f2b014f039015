"""What the terminal says of people's decisions, after a grading and after score files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from marks.small_class import ANSWERS, WHEN, digest, hand_in

from grader.cli.marked import print_marked, print_older_exports, with_marks
from grader.results.decisions import Decision, Store
from grader.results.results import Lateness, SubmissionResult, read_result


def stored(output: Path) -> list[SubmissionResult]:
    return [read_result(output / name / "result.json") for name in ("jane", "joe")]


def mark(submission: str, question: str, points: float, answer: str = "", **more: object) -> Decision:
    given = {"submission": submission, "question": question, "points": points}
    return msgspec.convert(given | {"answer": digest(answer or ANSWERS[question])} | more, Decision)


@pytest.fixture
def output(results: Path) -> Path:
    hand_in(results, "joe")
    return results


def test_where_nobody_has_decided_anything_nothing_is_said(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = with_marks(stored(output), output)
    assert results == stored(output)
    print_marked(results)
    print_older_exports(output)
    assert capsys.readouterr().out == ""
    assert not (output / "marks.sqlite3").exists()


def test_what_is_marked_left_and_lapsed_is_said(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(output) as store:
        store.decide([mark("jane", "1.1.c", 1), mark("joe", "1.6.d", 1)], who="Alex", when=WHEN)
        store.decide([mark("joe", "1.1.c", 0.5, "earlier"), mark("joe", "1.5.b", 3, "x")], who="Robin\x1b", when=WHEN)
    results = with_marks(stored(output), output)
    assert [result.points_to_mark for result in results] == [3, 4]
    print_marked(results)
    assert capsys.readouterr().out.splitlines() == [
        "Marked by people: 2 answers; 3 to be marked, 1 in review, 2 lapsed",
        r"lapsed: joe 1.1.c: Robin\x1b gave 0.5 for an earlier answer; keep that or mark anew, with `grader mark`",
        r"lapsed: joe 1.5.b: Robin\x1b gave 3 for an earlier answer; keep that or mark anew, with `grader mark`",
    ]


def test_who_is_late_is_said_and_whose_lateness_a_person_has_decided(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = Lateness(submitted="b", due="a", minutes=60, points=-1, by="1 h", words="1 h late")
    results = [msgspec.structs.replace(result, late=late) for result in stored(output)]
    with Store.open(output) as store:
        lifted = msgspec.structs.replace(mark("joe", "late", 0, "x", reason="Ill."), answer=late.key)
        store.decide([lifted], who="Alex", when=WHEN)
    print_marked(with_marks(results, output))
    assert capsys.readouterr().out == "Late: 2 of 2; decided by a person: 1\n"


def test_an_export_that_is_older_than_the_marks_is_named(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("grades.csv", "gone.csv"):
        (output.parent / name).touch()
    with Store.open(output) as store:
        store.note_exports([str(output.parent / name) for name in ("grades.csv", "gone.csv")], last=0)
        print_older_exports(output)
        assert capsys.readouterr().out == ""
        store.decide([mark("joe", "1.1.c", 1)], who="Alex", when=WHEN)
    (output.parent / "gone.csv").unlink()
    print_older_exports(output)
    line = f"note: {output.parent / 'grades.csv'} is older than 1 decision; export again with `grader export`\n"
    assert capsys.readouterr().out == line


def test_marks_that_cannot_be_read_leave_what_the_checks_found(output: Path) -> None:
    (output / "joe" / "marks.json").write_text("[")
    assert with_marks(stored(output), output) == stored(output)
    (output / "marks.sqlite3").write_bytes(b"no database" * 500)
    assert with_marks(stored(output), output) == stored(output)
