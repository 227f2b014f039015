"""The report at a terminal."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console
from rich.text import Text
from students.formats.reports import HOSTILE, checked, every_status, hostile, question, unreadable

from grader.students.checking.report import CheckReport
from grader.students.formats.text import print_text, text

EXPECTED = """\
Deep Learning: Assignment 1: hand-in.ipynb

✓ 1.1.a   Question 1.1.a   done         1.5 of 1.5
✗ 1.3.a   Question 1.3.a   not yet      1 of 2
    What test_sigmoid asks for
      sigmoid(tensor(89.)) is nan; it should be 1.0: exp overflows
        input   yours
        89.0    nan
    Your answer: cells 6, 8
– 1.3.b   Question 1.3.b   not started  0 of 1
? 1.3.c   Question 1.3.c   unsure       0 of 1
    What test_c asks for
      the check stopped after 10 s
    Your answer: cell 10
✓ 1.3.d   Question 1.3.d   done         0.5 of 0.5
    What test_d asks for
      right, once 1.3.a is corrected
… 1.6.d   Train a network  later

Note: Cell 20: stopped after 120 s.
2 of 5 code questions done, 3 of 6 points of the checks that run here.
Not checked here: 17 points are marked by a person, 9 checks (10 points) run only after the deadline.
No text yet for 1.7.b.
Sandbox: landlock (no container, but the kernel's file rules).
"""


def test_it_says_what_is_done_what_is_wrong_and_what_is_not_checked() -> None:
    assert text(every_status()) == EXPECTED


def test_a_notebook_that_cannot_be_read_takes_two_lines() -> None:
    assert text(unreadable()).splitlines() == [
        "Statistics: hand-in.ipynb",
        "the file is empty: save the notebook and hand in again",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"text_points": 1, "hidden_checks": 0}, "1 point is marked by a person", id="one point"),
        pytest.param(
            {"text_points": 0, "hidden_checks": 1}, "1 check (10 points) runs only after the deadline", id="one"
        ),
        pytest.param(
            {"text_points": 0, "hidden_checks": 2, "hidden_points": 0}, "2 checks run only after the deadline", id="two"
        ),
    ],
)
def test_what_is_not_checked_here_is_a_sentence(changes: dict[str, float], sentence: str) -> None:
    report = msgspec.structs.replace(every_status(), **changes)
    assert f"\nNot checked here: {sentence}.\n" in text(report)


def test_where_all_is_checked_nothing_is_said_of_what_is_not() -> None:
    report = CheckReport(notebook="a.ipynb", assignment="A", points=1, max_points=1)
    report.questions = [question("1.1.a", "done", checked("test_a"))]
    assert text(report).splitlines()[-1] == "1 of 1 code question done, 1 of 1 point of the checks that run here."


def test_a_report_on_some_questions_says_so() -> None:
    report = msgspec.structs.replace(every_status(), only=["1.1.a", "1.3.a"])
    assert "\nOnly 1.1.a, 1.3.a: 2 of 5 code questions done, " in text(report)


@pytest.mark.parametrize("snippet", HOSTILE)
def test_nothing_that_others_wrote_moves_the_cursor(snippet: str) -> None:
    shown = text(hostile(HOSTILE[snippet]))
    assert all(char == "\n" or char.isprintable() or char == "\u200c" for char in shown)
    assert shown.encode()


def test_a_long_message_is_cut_in_the_middle() -> None:
    report = every_status()
    report.questions[1].checks[0].message = "begin" + "x" * 100_000 + "end"
    shown = text(report)
    assert len(shown) < 6000
    assert "begin" in shown
    assert "end\n" in shown


def terminal(report: CheckReport, width: int) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=True,
        color_system="standard",
        markup=False,
        emoji=False,
        highlight=False,
    )
    print_text(report, console)
    return stream.getvalue()


def test_a_terminal_has_colours_and_the_same_words() -> None:
    shown = terminal(every_status(), 200)
    assert "\x1b[32mdone" in shown
    assert "\x1b[31mnot yet" in shown
    plain = [line.rstrip() for line in Text.from_ansi(shown).plain.splitlines()]
    assert plain == EXPECTED.splitlines()


def test_in_a_narrow_terminal_a_message_stays_indented() -> None:
    lines = Text.from_ansi(terminal(every_status(), 40)).plain.splitlines()
    start = next(i for i, line in enumerate(lines) if "sigmoid(tensor" in line)
    assert [line.rstrip() for line in lines[start : start + 2]] == [
        "      sigmoid(tensor(89.)) is nan; it",
        "      should be 1.0: exp overflows",
    ]


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    report = every_status()
    report.questions[1].checks[0].message = "[red]x[/red] :smile:"
    assert "[red]x[/red] :smile:" in terminal(report, 100)
