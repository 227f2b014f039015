"""The validator, on real kernels: a good rubric is clean, and a weakened one is named with its check."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from html import unescape
from pathlib import Path

import psutil
import pytest
from notebooks import change

from grader.assignment.assignment import RubricError, load_assignment
from grader.execution.forkserver import ForkServer
from grader.validation.matrix import Validation
from grader.validation.page import render_validation
from grader.validation.validate import validate, workers_for

GRADER = Path(sys.executable).with_name("grader")


@pytest.fixture(scope="session")
def validated(server_of: Callable[[Sequence[str]], ForkServer]) -> Callable[..., Validation]:
    def validated(rubric: Path, *questions: str, repeat: int = 0) -> Validation:
        assignment = load_assignment(rubric)
        with workers_for(assignment, 1, server=server_of(assignment.preload)) as ready:
            return validate(assignment, 7, questions=questions, repeat=repeat, ready=ready)

    return validated


def test_a_good_rubric_is_clean(validated: Callable[..., Validation], rubric: Path) -> None:
    validation = validated(rubric)
    assert validation.faults() == []
    assert [(whole.points, whole.max_points) for whole in validation.wholes] == [(4.5, 4.5), (0, 4.5)]
    verdicts = {(trial.question, trial.name): trial.verdict for trial in validation.trials}
    assert verdicts["1.1.a", "by addition"] == "accepted"
    assert verdicts["1.1.a", "half"] == "killed"
    assert verdicts["1.1.c", "5 -> 6 in: results = [quadruple(i) for i in range(5)]"] == "equivalent"
    points = {trial.name: trial.points for trial in validation.trials}
    assert (points["without double"], points["only doubled"]) == (1.5, 0.5)


WEAKENED = {
    "a check that passes everything": (
        "test_mini.py",
        'assert got == expected, f"expected {expected}, got {got}, for x = {x}"',
        "pass",
        "1.1.a",
        [
            "test_mini.py::test_double: accepts the mutant 'half' of 1.1.a (mutants/cases.toml)",
            "test_mini.py::test_double: accepts the mutant 'negative numbers forgotten' of 1.1.a",
        ],
    ),
    "a case left out": (
        "test_mini.py",
        "[0, 3, -2.5]",
        "[0, 3]",
        "1.1.a",
        ["test_mini.py::test_double: accepts the mutant 'negative numbers forgotten' of 1.1.a (mutants/cases.toml)"],
    ),
    "a check that rejects what is right": (
        "test_mini.py",
        "assert np.array_equal(got, 4 * x)",
        "assert np.array_equal(got, 8 * x)",
        "1.1.b",
        [
            "test_mini.py::test_quadruple: rejects a right answer, the reference's to 1.1.b",
            "test_mini.py::test_quadruple: rejects a right answer, the variant 'in two steps' of 1.1.b",
            "test_mini.py::test_quadruple: rejects the mutant 'without double' of 1.1.b (mutants/cases.toml), "
            "which is another check's mistake",
        ],
    ),
    "a check that does two checks' work": (
        "test_mini.py",
        "assert len(calls) > 0",
        "assert len(calls) > 1",
        "1.1.b",
        [
            "test_mini.py::test_quadruple_uses_double: rejects the mutant 'only doubled' of 1.1.b "
            "(mutants/cases.toml), which is another check's mistake"
        ],
    ),
    "a check that breaks": (
        "test_mini.py",
        "    student.quadruple(1)\n    assert len(calls) > 0",
        "    student.quadruple(1)\n    assert calls.no_such_thing",
        "1.1.b",
        [
            "test_mini.py::test_quadruple_uses_double: the check is broken: AttributeError: 'Calls' object has no "
            "attribute 'no_such_thing' (test_mini.py, line 28: `assert calls.no_such_thing`), of the reference's to "
            "1.1.b and ",
            "test_mini.py::test_quadruple_uses_double: no mutant makes it fail",
        ],
    ),
    "a check that breaks on mistakes only": (
        "test_mini.py",
        'assert got == expected, f"expected {expected}, got {got}, for x = {x}"',
        "assert got == expected or 1 / 0",
        "1.1.a",
        [
            "test_mini.py::test_double: the check is broken: ZeroDivisionError: division by zero "
            "(test_mini.py, line 12: `assert got == expected or 1 / 0`), of the mutant 'half' of 1.1.a "
            "(mutants/cases.toml) and ",
            "test_mini.py::test_double: no mutant makes it fail",
            "only 0.0% of the generated mutants are caught",
        ],
    ),
    "an equivalent that is none": (
        "mutants/cases.toml",
        'question = "1.1.c"\nchange = "5 -> 6 in: results = [quadruple(i) for i in range(5)]"',
        'question = "1.1.a"\nchange = "2 -> 3 in: return 2 * x"',
        "1.1.a",
        [
            "test_mini.py::test_double: rejects the generated mutant '2 -> 3 in: return 2 * x' of 1.1.a, "
            "which is listed as an equivalent"
        ],
    ),
    "a generated mutant that survives": (
        "mutants/cases.toml",
        '\n[[equivalent]]\nquestion = "1.1.c"\nchange = "5 -> 6 in: results = [quadruple(i) for i in range(5)]"\n'
        'reason = "how many numbers is free"\n',
        "",
        "1.1.c",
        [
            "test_mini.py::test_results: accepts the generated mutant "
            "'5 -> 6 in: results = [quadruple(i) for i in range(5)]' of 1.1.c",
            "only 50.0% of the generated mutants are caught; 97% should be",
        ],
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "question", "faults"), WEAKENED.values(), ids=WEAKENED.keys())
def test_what_is_off_is_named_with_its_check(
    validated: Callable[..., Validation], rubric: Path, file: str, old: str, new: str, question: str, faults: list[str]
) -> None:
    change(rubric / file, old, new)
    validation = validated(rubric, question)
    assert not validation.is_clean
    found = validation.faults()
    for fault in faults:
        assert any(line.startswith(fault) for line in found), found


def test_the_matrix_says_what_broke_and_where(validated: Callable[..., Validation], rubric: Path) -> None:
    change(rubric / "test_mini.py", "assert len(calls) > 0", "assert len(calls) > 1 / 0")
    validation = validated(rubric, "1.1.b")
    assert {trial.verdict for trial in validation.trials if trial.kind != "generated"} == {"check broken"}
    page = unescape(render_validation(load_assignment(rubric), validation))
    raised = "ZeroDivisionError: division by zero (test_mini.py, line 28: `assert len(calls) > 1 / 0`)"
    assert f"test_quadruple_uses_double: the check is broken: {raised}" in page


def test_points_that_nothing_earned_are_off(validated: Callable[..., Validation], rubric: Path) -> None:
    change(
        rubric / "reference.ipynb", '"    ### BEGIN SOLUTION\\n",\n    "    return 2 * x\\n",', '"    return 2 * x\\n",'
    )
    change(rubric / "reference.ipynb", '"    return 2 * x\\n",\n    "    ### END SOLUTION"', '"    return 2 * x"')
    validation = validated(rubric)
    assert "the student version: test_mini.py::test_double: passed, where nothing was answered" in validation.faults()


def test_a_reference_without_marked_solutions_is_refused(validated: Callable[..., Validation], rubric: Path) -> None:
    path = rubric / "reference.ipynb"
    text = path.read_text().replace("### BEGIN SOLUTION", "# begin").replace("### END SOLUTION", "# end")
    path.write_text(text.replace('"solution"', '"text"'))
    with pytest.raises(RubricError, match="no solution is marked in it"):
        validated(rubric)


def test_an_unknown_question_is_refused(validated: Callable[..., Validation], rubric: Path) -> None:
    with pytest.raises(RubricError, match=r"there is no code question 1\.9\.x; there are 1\.1\.a, 1\.1\.b, 1\.1\.c"):
        validated(rubric, "1.9.x")


def test_mutants_that_end_their_process_or_loop_for_ever_are_killed(
    validated: Callable[..., Validation], rubric: Path
) -> None:
    change(rubric / "rubric.toml", "rerun_cpu_seconds = 5", "rerun_cpu_seconds = 1")
    (rubric / "mutants" / "more.toml").write_text(
        '[[mutant]]\nquestion = "1.1.a"\nname = "loops"\nloses = 1\ncode = "while True: pass"\n'
        '[[mutant]]\nquestion = "1.1.a"\nname = "ends its process"\nloses = 1\ncode = "import os; os._exit(3)"\n'
        '[[mutant]]\nquestion = "1.1.a"\nname = "raises"\nloses = 1\ncode = "1 / 0"\n'
    )
    validation = validated(rubric, "1.1.a")
    assert validation.faults() == []


def test_a_right_answer_that_fails_now_and_then_is_found_by_repeats(
    validated: Callable[..., Validation], rubric: Path
) -> None:
    with (rubric / "mutants" / "cases.toml").open("a") as file:
        file.write(
            '[[variant]]\nquestion = "1.1.b"\nname = "unlucky"\ncode = "import random\\n'
            'def quadruple(x):\\n    return double(double(x)) if random.random() < 0.5 else double(x)"\n'
        )
    validation = validated(rubric, "1.1.b", repeat=20)
    rates = {one.name: (one.repeats, one.failed) for one in validation.repeated}
    assert rates["the reference's answer"] == rates["in two steps"] == (20, 0)
    # Seeds are stated, so this is the same in each run; half of 20 by design.
    assert rates["unlucky"][0] == 20
    assert 3 <= rates["unlucky"][1] <= 17
    assert any(
        line.startswith("1.1.b, unlucky: test_mini.py::test_quadruple: failed with seed")
        for line in validation.faults()
    )


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GRADER, "validate", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command_writes_the_matrix_and_says_clean(rubric: Path) -> None:
    done = run("mini", "--repeat", "2", "-j", "2", cwd=rubric.parent)
    assert done.returncode == 0, done.stderr
    assert "the student version: 0 of 4.5 points" in done.stdout
    assert "no problems" in done.stdout
    assert "5 right answers, 10 repeats with fresh seeds: 0 failed, 0 left to a person" in done.stdout
    page = (rubric.parent / "validation" / "mini.html").read_text()
    for text in ("by addition", "negative numbers forgotten", "how many numbers is free", "test_quadruple_uses_double"):
        assert text in page
    matrix = json.loads((rubric.parent / "validation" / "mini.json").read_text())
    assert {trial["verdict"] for trial in matrix["trials"]} == {"accepted", "killed", "equivalent"}


def test_the_command_fails_and_names_the_check(rubric: Path) -> None:
    change(rubric / "test_mini.py", "[0, 3, -2.5]", "[0, 3]")
    done = run("mini", "-q", "1.1.a", cwd=rubric.parent)
    assert done.returncode == 1
    assert "error: test_mini.py::test_double: accepts the mutant 'negative numbers forgotten'" in done.stderr


def test_faults_of_the_files_end_it_before_anything_runs(rubric: Path) -> None:
    (rubric / "mutants" / "more.toml").write_text('[[variant]]\nquestion = "9.9.z"\nname = "n"\ncode = "x"')
    done = run("mini", cwd=rubric.parent)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: mini/mutants/more.toml: variant 'n' of 9.9.z: there is no such code question in rubric.toml"
    ]


def processes_of(group: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group:
                found.append(process)
    return found


def test_interrupted_it_ends_with_all_that_it_started(rubric: Path) -> None:
    process = subprocess.Popen(
        [GRADER, "validate", "mini", "--repeat", "1000"],
        cwd=rubric.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("tried"):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines() == ["error: interrupted; nothing is written"]
    _, running = psutil.wait_procs(processes_of(process.pid), timeout=30)
    assert running == []
