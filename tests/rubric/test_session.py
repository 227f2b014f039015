"""Running a rubric's checks: real ones, of every kind, on a real notebook in a real sandbox."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.assignment.assignment import RubricError
from grader.execution.seeds import seed_of
from grader.grading.submission import Grader
from grader.results.results import CheckResult, SubmissionResult
from grader.rubric.session import CheckSession

WorkerOf = Callable[[Path, int], Grader]

RUBRIC = """
title = "Kinds of checks"
reference = "reference.ipynb"
preload = ["numpy"]
limits = { cell_cpu_seconds = 1, check_cpu_seconds = 1, rerun_cpu_seconds = 1 }

[[question]]
id = "1.1.a"
title = "Half"
points = 1
kind = "code"
defines = ["half(x)"]

[[question]]
id = "1.1.b"
title = "Better half, under the same name"
points = 1
kind = "code"
defines = ["half(x)"]
builds_on = ["1.1.a"]

[[question]]
id = "1.1.c"
title = "Quarter"
points = 1
kind = "code"
defines = ["quarter(x)"]
builds_on = ["1.1.b"]

[[question]]
id = "1.1.d"
title = "A run"
points = 1
kind = "code"
defines = ["made"]
builds_on = ["1.1.c"]
run = true
"""

CHECKS = '''
import os
import random

import numpy as np
import pytest

from grader.rubric import Crashed, Handle, MissingName, NotData, StudentError, TimedOut, expect, review

here = pytest.mark.question("1.1.a", points=0)


@pytest.mark.question("1.1.a")
def test_half(student, reference):
    """Your function returns half of its argument."""
    expect(student.half(3), reference.half(3), given="x = 3")


@here
def test_assert(student):
    """`half(0)` is 0."""
    got = student.half(0)
    assert got == 0


@here
@pytest.mark.parametrize("x", [2, 3, "review", "broken", 4])
def test_cases(student, x):
    """All cases must pass."""
    if x == "review":
        review("a case for a person")
    if x == "broken":
        raise KeyError(x)
    expect(student.half(x), x / 2, given=f"x = {x}")


@here
@pytest.mark.parametrize("x", ["fine", "review"])
def test_cases_in_doubt(student, x):
    """One case is for a person."""
    if x == "review":
        review("a case for a person")


@here
def test_random(student, rng, seed):
    """Random inputs."""
    pytest.fail(f"{seed} {rng.integers(10**9)} {student.eval('numbers()')}")


@here
def test_random_again(student, rng, seed):
    """Random inputs, of their own."""
    pytest.fail(f"{seed} {rng.integers(10**9)} {student.eval('numbers()')}")


@here
def test_side_effects(student):
    """Each check has a process of its own."""
    student.exec("counter = counter + 1")
    assert student.counter == 1


@here
def test_side_effects_again(student):
    """Each check has a process of its own, still."""
    student.exec("counter = counter + 1")
    assert student.counter == 1
    student.exec("counter = counter + 1")
    assert student.counter == 2


@here
def test_errors(student):
    """What student code raises can be caught."""
    with pytest.raises(StudentError) as caught:
        student.eval("1 / 0")
    assert caught.value.type_name == "ZeroDivisionError"
    with pytest.raises(MissingName):
        student.no_such_name


@here
def test_stop(student):
    """Exits of the check are no exits of the harness."""
    pytest.exit("the end of all")


@here
def test_system_exit(student):
    """Exits of the check are no exits of the harness."""
    raise SystemExit(3)


@here
def test_skip(student):
    """A check that skips itself."""
    pytest.skip("not today")


@here
@pytest.mark.skip(reason="not today")
def test_skip_by_mark(student):
    """A check that is skipped by its mark."""


@here
@pytest.mark.xfail
def test_expected_failure(student):
    """A mark does not turn a failure into anything else."""
    pytest.fail("no")


@here
def test_prints(student, capsys):
    """A check may print."""
    print("this")
    assert capsys.readouterr().out == "this\\n"


@here
def test_without_fixtures():
    """A check may ask for nothing."""


@pytest.mark.question("1.1.b")
def test_better_half(student):
    """Your function works for 1, too."""
    expect(student.half(1), 0.5, given="x = 1")


@pytest.mark.question("1.1.c")
def test_quarter(student):
    """Your function returns a quarter."""
    expect(student.quarter(1), 0.25, given="x = 1")


@pytest.mark.question("1.1.d")
def test_made(student):
    """You made a quarter."""
    expect(student.made, 0.25)
'''
HALF = "def half(x):\n    return x / 2"
QUARTER = "def quarter(x):\n    return half(half(x))"
MADE = "made = quarter(1)"
NUMBERS = (
    "import random, numpy\ncounter = 0\ndef numbers():\n    return random.random(), float(numpy.random.rand()), counter"
)


def notebook(half: str = HALF, better: str = HALF, quarter: str = QUARTER, made: str = MADE) -> nbformat.NotebookNode:
    cells = [new_markdown_cell("## 1.1 Parts"), new_code_cell(NUMBERS)]
    for letter, answer in zip("abcd", (half, better, quarter, made), strict=True):
        cells += [new_markdown_cell(f"**({letter}) Do it (1 point)**"), new_code_cell(answer)]
    return new_notebook(cells=cells)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rubric")
    (folder / "rubric.toml").write_text(RUBRIC)
    (folder / "test_kinds.py").write_text(CHECKS)
    nbformat.write(notebook(), folder / "reference.ipynb")
    return folder


@pytest.fixture(scope="module")
def worker(worker_of: WorkerOf, folder: Path) -> Iterator[Grader]:
    with worker_of(folder, 3) as worker:
        yield worker


def grade(worker: Grader, folder: Path, submission: nbformat.NotebookNode) -> SubmissionResult:
    nbformat.write(submission, folder / "submission.ipynb")
    result = worker.grade(folder / "submission.ipynb", "submission").result
    assert (result.status, result.message) == ("graded", "")
    return result


def by_name(result: SubmissionResult) -> dict[str, CheckResult]:
    return {check.name.partition("::")[2]: check for question in result.questions for check in question.checks}


@pytest.fixture(scope="module")
def right(worker: Grader, folder: Path) -> dict[str, CheckResult]:
    return by_name(grade(worker, folder, notebook()))


@pytest.fixture(scope="module")
def wrong(worker: Grader, folder: Path) -> dict[str, CheckResult]:
    half = "def half(x):\n    return x // 2 if x else 1"
    return by_name(grade(worker, folder, notebook(half, half)))


def test_every_check_has_one_result_in_order(right: dict[str, CheckResult]) -> None:
    names = [line.removeprefix("def ").partition("(")[0] for line in CHECKS.splitlines() if line.startswith("def ")]
    assert list(right) == names


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("test_half", "failed", "expected 1.5, got 1, for x = 3"),
        ("test_assert", "failed", "This does not hold: `half(0)` is 0."),
        ("test_cases", "failed", "expected 1.5, got 1, for x = 3"),
        ("test_cases_in_doubt", "review", "a case for a person"),
        ("test_expected_failure", "failed", "no"),
        ("test_side_effects", "passed", ""),
        ("test_side_effects_again", "passed", ""),
        ("test_errors", "passed", ""),
        ("test_prints", "passed", ""),
        ("test_without_fixtures", "passed", ""),
    ],
)
def test_a_check_ends_as_it_says(wrong: dict[str, CheckResult], name: str, status: str, message: str) -> None:
    assert (wrong[name].status, wrong[name].message) == (status, message)


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("test_stop", "the end of all"),
        ("test_system_exit", "SystemExit: 3"),
        ("test_skip", "not today"),
        ("test_skip_by_mark", "not today"),
    ],
)
def test_a_check_that_gives_no_verdict_is_for_a_person(right: dict[str, CheckResult], name: str, detail: str) -> None:
    assert (right[name].status, right[name].points) == ("review", None)
    assert right[name].message == "A person must look at this answer: its check could not be completed."
    assert detail in right[name].detail


def test_of_the_cases_of_a_check_a_failed_one_decides_and_else_one_in_review(
    right: dict[str, CheckResult], wrong: dict[str, CheckResult]
) -> None:
    assert (right["test_cases"].status, right["test_cases"].message) == ("review", "a case for a person")
    assert wrong["test_cases"].status == "failed"


def test_random_inputs_follow_from_the_seed_and_differ_by_check(
    right: dict[str, CheckResult], wrong: dict[str, CheckResult]
) -> None:
    one, other = right["test_random"].message, right["test_random_again"].message
    assert one == wrong["test_random"].message
    assert one.split()[0] == str(seed_of(3, "test_kinds.py::test_random"))
    assert not set(one.split()[:-1]) & set(other.split()[:-1])


def test_seeds_fit_every_library() -> None:
    seeds = {seed_of(seed, check) for seed in range(20) for check in ("a", "b")}
    assert len(seeds) == 40
    assert all(0 <= seed < 2**56 for seed in seeds)


# Errors carried forward


def statuses(result: SubmissionResult) -> dict[str, str]:
    """Of the checks that are worth something."""
    checks = [check for question in result.questions for check in question.checks if check.max_points]
    return {check.name.partition("::")[2]: check.status for check in checks}


WRONG = "def half(x):\n    return 0"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param({}, ["passed"] * 4, id="nothing wrong"),
        pytest.param({"half": WRONG}, ["failed", "passed", "passed", "passed"], id="defined again, rightly"),
        pytest.param(
            {"better": WRONG},
            ["passed", "failed", "carried forward", "carried forward"],
            id="defined again, wrongly: the reference has no part in its own points",
        ),
        pytest.param(
            {"half": WRONG, "better": WRONG},
            ["failed", "failed", "carried forward", "carried forward"],
            id="wrong twice: nor where it builds on itself",
        ),
        pytest.param(
            {"better": "", "quarter": QUARTER, "half": WRONG},
            ["failed", "missing", "carried forward", "carried forward"],
            id="one missing",
        ),
        pytest.param(
            {"quarter": "def quarter(x):\n    return x / 3"},
            ["passed", "passed", "failed", "carried forward"],
            id="a run is repeated",
        ),
        pytest.param(
            {"half": WRONG, "better": WRONG, "quarter": "", "made": ""},
            ["failed", "failed", "missing", "missing"],
            id="what is missing is not carried",
        ),
        pytest.param(
            {"quarter": "def quarter(x):\n    return x / 3", "made": "made = 1 / 3"},
            ["passed", "passed", "failed", "failed"],
            id="a run that would be wrong all the same",
        ),
        pytest.param(
            {"quarter": "def quarter(x):\n    while True: x = x", "made": "made = quarter(1)\nwhile True: made"},
            ["passed", "passed", "failed", "failed"],
            id="a run that never ends",
        ),
    ],
)
def test_what_is_carried_forward(worker: Grader, folder: Path, answers: dict[str, str], expected: list[str]) -> None:
    names = ["test_half", "test_better_half", "test_quarter", "test_made"]
    assert statuses(grade(worker, folder, notebook(**answers))) == dict(zip(names, expected, strict=True))


PLUNDER = """
def half(x):
    return 0
def quarter(x):
    try:
        return half.__globals__["quarter"](x)
    except RecursionError:
        return 0
"""


def test_the_reference_of_an_earlier_question_does_not_lead_to_that_of_this_one(worker: Grader, folder: Path) -> None:
    result = grade(worker, folder, notebook(WRONG, WRONG, PLUNDER))
    assert statuses(result)["test_quarter"] == "failed"
    assert result.question("1.1.c").points == 0


def test_a_second_run_is_no_second_chance(worker: Grader, folder: Path) -> None:
    """Where the reference has nothing to replace, a check that failed is not run again."""
    lucky = (
        "import os\ndef half(x):\n    if os.path.exists('/tmp/asked'):\n        return x / 2\n"
        "    open('/tmp/asked', 'w').close()\n    return 0"
    )
    result = grade(worker, folder, notebook(WRONG, lucky, "def quarter(x):\n    return x / 4"))
    assert statuses(result)["test_better_half"] == "failed"


# One session for a class

STATE = '''
import helpers
import pytest

seen = []


@pytest.fixture(scope="session")
def of_the_session():
    return []


@pytest.fixture(scope="module")
def of_the_module(of_the_session):
    return []


@pytest.mark.question("1.1.a")
def test_half(student, of_the_session, of_the_module, monkeypatch, tmp_path):
    """Nothing is left in fixtures, whatever their scope."""
    of_the_session.append(student.half(3))
    of_the_module.append(student.half(5))
    monkeypatch.setenv("LEFT", "behind")
    assert [of_the_session, of_the_module] == [[1.5], [2.5]]


@pytest.mark.question("1.1.b")
def test_better_half(student):
    """Your function works for 1, too."""
    assert student.half(1) == 0.5


@pytest.mark.question("1.1.c")
def test_quarter(student):
    """Modules are the same ones all along, also those that are imported late."""
    import late

    assert helpers.late is late
    late.count += 1
    pytest.fail(str(late.count))


@pytest.mark.question("1.1.d")
def test_made(student):
    """The process is as it was before."""
    import os
    import sys
    import warnings

    os.chdir("/")
    sys.path.insert(0, "/left-behind")
    warnings.simplefilter("error")
    print("left behind")
'''


@pytest.fixture
def stateful(worker_of: WorkerOf, tmp_path: Path, folder: Path) -> Iterator[Grader]:
    (tmp_path / "rubric.toml").write_text(RUBRIC)
    (tmp_path / "test_state.py").write_text(STATE)
    (tmp_path / "helpers.py").write_text("import late\n")
    (tmp_path / "late.py").write_text("count = 0\n")
    shutil.copy(folder / "reference.ipynb", tmp_path)
    with worker_of(tmp_path, 3) as worker:
        yield worker


def test_no_fixture_takes_anything_from_one_submission_to_the_next(stateful: Grader, folder: Path) -> None:
    for _ in range(2):
        checks = by_name(grade(stateful, folder, notebook()))
        assert checks["test_half"].status == "passed"


def test_modules_of_a_rubric_last_as_long_as_its_session(stateful: Grader, folder: Path) -> None:
    counts = [by_name(grade(stateful, folder, notebook()))["test_quarter"].message for _ in range(3)]
    assert counts == ["1", "2", "3"]


def test_nothing_of_a_session_is_left_in_the_process(
    stateful: Grader, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def around() -> object:
        modules = {name for name, module in sys.modules.items() if "late" in name or "helpers" in name}
        # The last is that of this test, and pytest's own.
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        return Path.cwd(), list(sys.path), list(sys.meta_path), list(warnings.filters), environment, modules

    before = around()
    for _ in range(2):
        checks = by_name(grade(stateful, folder, notebook()))
        assert checks["test_made"].status == "passed"
        assert around() == before
    assert capfd.readouterr() == ("", "")


def test_checks_are_collected_once(worker: Grader, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = statuses(grade(worker, folder, notebook()))
    monkeypatch.setattr("grader.rubric.session.Collected", None)
    assert statuses(grade(worker, folder, notebook())) == first


def test_a_session_that_was_closed_is_opened_again(worker: Grader, folder: Path) -> None:
    first = statuses(grade(worker, folder, notebook()))
    worker.session.close()
    worker.session.close()
    assert statuses(grade(worker, folder, notebook())) == first


def test_checks_that_cannot_be_collected_any_more_are_an_error_of_the_rubric(stateful: Grader) -> None:
    (stateful.assignment.folder / "test_state.py").write_text("import no_such_module\n")
    session = CheckSession(stateful.assignment)
    with pytest.raises(RubricError, match="the checks cannot be read any more"), session.checker():
        pass
    (stateful.assignment.folder / "test_state.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(RubricError, match="a check file ends the program"), session.checker():
        pass


# Its end


def test_an_interrupt_in_the_middle_of_the_checks_is_one(worker_of: WorkerOf, folder: Path, tmp_path: Path) -> None:
    """pytest would end its session and say nothing."""
    shutil.copytree(folder, tmp_path / "rubric", ignore=shutil.ignore_patterns("__pycache__"))
    check = tmp_path / "rubric" / "test_kinds.py"
    text = check.read_text().replace("def test_assert(student):", "def test_assert(student, interrupt):")
    check.write_text(
        text + "\n\n\n@pytest.fixture\ndef interrupt():\n    import signal\n\n"
        "    if not os.path.exists('" + str(tmp_path / "once") + "'):\n"
        "        open('" + str(tmp_path / "once") + "', 'w').close()\n        signal.raise_signal(2)\n"
    )
    with worker_of(tmp_path / "rubric", 3) as worker:
        with pytest.raises(KeyboardInterrupt):
            grade(worker, tmp_path, notebook())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert statuses(grade(worker, tmp_path, notebook()))["test_half"] == "passed"
