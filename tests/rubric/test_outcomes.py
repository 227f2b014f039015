"""How a check ends, and what is said about it: to the student in the student's words, to staff with the traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.execution.probe import CheckpointLost, Crashed, Frame, MissingName, NotData, StudentError, TimedOut
from grader.execution.runfolder import SandboxError
from grader.rubric.compare import expect
from grader.rubric.outcomes import MAX_MESSAGE, Outcome, ReferenceFailed, Review, outcome_of, review

PROMISE = "Your function returns twice its argument."
FRAMES = [
    Frame("<cell a>", 2, "<module>", "start()"),
    Frame("<cell b>", 5, "start", "return 1 / 0"),
    Frame("<cell of nobody>", 1, "<lambda>", "f = lambda: 1"),
]


def name_cell(file: str) -> str:
    return {"<cell a>": "cell 1", "<cell b>": "cell 4"}.get(file, "your code")


def judge(error: BaseException | None) -> Outcome:
    return outcome_of(error, PROMISE, name_cell, Path(__file__).parent)


def raised(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def lie() -> None:
    three = 3
    assert three == 4


def lie_with_a_message() -> None:
    three = 3
    assert three == 4, "expected 4, got 3"


def expect_an_exception() -> None:
    with pytest.raises(StudentError):
        pass


def expect_another_message() -> None:
    with pytest.raises(StudentError, match="other"):
        raise StudentError("ValueError", "this")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(raised(lie), f"This does not hold: {PROMISE}", id="assert"),
        pytest.param(raised(lie_with_a_message), "expected 4, got 3", id="assert with a message"),
        pytest.param(AssertionError(), f"This does not hold: {PROMISE}", id="assert of a module beside the checks"),
        pytest.param(
            AssertionError("two\nlines\nassert 3 == 4\n +  where"), "two\nlines", id="lines of a message stay"
        ),
        pytest.param(raised(lambda: expect(3, 4, given="x = 2")), "expected 4, got 3, for x = 2", id="expect"),
        pytest.param(raised(lambda: pytest.fail("no")), "no", id="pytest.fail"),
        pytest.param(raised(expect_an_exception), f"This does not hold: {PROMISE}", id="pytest.raises"),
        pytest.param(raised(expect_another_message), f"This does not hold: {PROMISE}", id="pytest.raises with match"),
        pytest.param(StudentError("ValueError", "no"), "ValueError: no", id="exception of the student's"),
        pytest.param(StudentError("KeyboardInterrupt", ""), "KeyboardInterrupt", id="exception without a message"),
        pytest.param(
            StudentError("ZeroDivisionError", "division by zero", FRAMES),
            "ZeroDivisionError: division by zero\n"
            "  cell 1, line 2: start()\n"
            "  cell 4, line 5, in start: return 1 / 0\n"
            "  your code, line 1, in <lambda>: f = lambda: 1",
            id="exception by cell and line",
        ),
        pytest.param(TimedOut("Timeout", "the code took too long"), "Timeout: the code took too long", id="time"),
        pytest.param(Crashed("Crash", "the code ended"), "Crash: the code ended", id="crash"),
        pytest.param(NotData("TypeError", "a function"), "TypeError: a function", id="no data"),
        pytest.param(
            MissingName("double"), "`double` is not defined after the cells of this question have run.", id="no name"
        ),
    ],
)
def test_a_wrong_answer_has_failed_and_says_how(error: BaseException, message: str) -> None:
    assert judge(error) == Outcome("failed", message)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(KeyError("x"), id="mistake of the check"),
        pytest.param(SystemExit(0), id="exit"),
        pytest.param(raised(lambda: pytest.skip("not today")), id="pytest.skip"),
        pytest.param(raised(lambda: pytest.exit("bye")), id="pytest.exit"),
        pytest.param(raised(lambda: pytest.importorskip("no_such_module")), id="pytest.importorskip"),
        pytest.param(RecursionError("too deep"), id="recursion"),
        pytest.param(MemoryError(), id="memory"),
        pytest.param(ReferenceFailed("the reference raised ValueError: secret"), id="the reference"),
        pytest.param(CheckpointLost("secret"), id="lost checkpoint"),
    ],
)
def test_what_says_nothing_about_the_answer_is_for_a_person(error: BaseException) -> None:
    outcome = judge(error)
    assert outcome.status == "review"
    assert outcome.message.startswith("A person must look at this answer: ")
    assert str(error) in outcome.detail
    assert outcome.detail
    assert (str(error) or type(error).__name__) not in outcome.message


def divide() -> None:
    1 / 0  # noqa: B018


def decode() -> None:
    json.loads("{")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (divide, "ZeroDivisionError: division by zero (test_outcomes.py, line {line}: `1 / 0 # noqa: B018`)"),
        (
            decode,
            "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1) "
            '(test_outcomes.py, line {line}: `json.loads("{{")`)',
        ),
        (lambda: pytest.skip("not\ntoday"), "Skipped: not today (test_outcomes.py, line {line}: `"),
    ],
    ids=["in the check", "in a library that it calls", "a message of two lines"],
)
def test_a_check_that_breaks_says_what_was_raised_and_where(function: Callable[[], object], expected: str) -> None:
    line = function.__code__.co_firstlineno + (function.__name__ != "<lambda>")
    broken = judge(raised(function)).broken
    assert "\n" not in broken
    assert broken.rpartition("decoder.")[2].startswith(expected.format(line=line))


def test_an_error_from_nowhere_in_the_rubric_is_told_without_a_place() -> None:
    assert judge(KeyError("x")).broken == "KeyError: 'x'"


def test_a_lost_checkpoint_and_a_doubt_are_no_broken_check() -> None:
    assert judge(CheckpointLost("gone")).broken == judge(raised(lambda: review("just below"))).broken == ""


def test_a_check_may_ask_for_a_person() -> None:
    error = raised(lambda: review("the accuracy is just below"))
    assert isinstance(error, Review)
    assert judge(error) == Outcome("review", "the accuracy is just below")


def test_nothing_raised_is_passed() -> None:
    assert judge(None) == Outcome("passed")


@pytest.mark.parametrize("error", [SandboxError("gone"), KeyboardInterrupt()])
def test_the_end_of_the_harness_is_no_outcome(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        judge(error)
    assert caught.value is error


@pytest.mark.parametrize("error", [StudentError("ValueError", "x" * 10**6), AssertionError("x" * 10**6)])
def test_messages_are_cut_to_a_length_that_can_be_read(error: BaseException) -> None:
    message = judge(error).message
    assert len(message) == MAX_MESSAGE + 2
    assert message.endswith("x …")
