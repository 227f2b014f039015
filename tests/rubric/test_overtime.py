"""Checks whose own code does not end: broken off, left to a person, and in nobody else's way."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from growth import calls_of
from notebooks import MINI, mini_notebook, write_notebook

from grader.assignment.assignment import Assignment, load_assignment
from grader.execution.owntime import OwnTime
from grader.grading.batch.pools import local_pool
from grader.grading.batch.run import grade_all
from grader.grading.submission import Grader
from grader.results.results import CheckResult, SubmissionResult

WorkerOf = Callable[[Path, int], Grader]
HANGS = {
    "loop": "while True: pass",
    "caught": """
        while True:
            try:
                sum(range(1000))
            except BaseException:
                pass
        """,
    "caught and logged": """
        caught = []
        while True:
            try:
                while True: pass
            except BaseException as error:
                caught.append(repr(error))
        """,
    "sleep": "time.sleep(10**6)",
    "caught sleep": """
        while True:
            try: time.sleep(10**6)
            except BaseException: continue
        """,
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "calls": """
        while True: student.double(1)
        """,
    "examples": """
        for x in itertools.count(): assert reference.double(1) == 2
        """,
    "failure of its own": """
        try:
            while True: pass
        except BaseException:
            pytest.fail("wrong")
        """,
    "late": """
        try:
            while True: pass
        except BaseException:
            pass
        """,
}
CALLS = {
    "sum": "sum(range(10**15))",
    "backtracking": "re.match(r'(a*)*b', 'a' * 60)",
}
IN_THREADS = ("loop", "caught", "caught and logged", "calls", "failure of its own")
"""A thread that sleeps in a library's call cannot be woken."""


def rubric_of(folder: Path, checks: str, cpu: float = 0.1, wall: float = 1.2) -> Assignment:
    """The mini rubric with further checks of 1.1.a, before its own."""
    shutil.copytree(MINI, folder, ignore=shutil.ignore_patterns("__pycache__"))
    settings = folder / "rubric.toml"
    limits = f"[limits]\nrubric_cpu_seconds = {cpu}\nrubric_wall_seconds = {wall}"
    # What is asked of the student's code has a limit of its own, which is not to end it first.
    text = (
        settings.read_text().replace("[limits]", limits).replace("check_cpu_seconds = 1\n", "check_cpu_seconds = 20\n")
    )
    settings.write_text(text)
    head = "import itertools\nimport re\nimport threading\nimport time\n\nimport pytest\n\n\n"
    (folder / "test_hangs.py").write_text(head + checks)
    return load_assignment(folder)


def check_that(name: str, code: str) -> str:
    body = textwrap.indent(textwrap.dedent(code).strip(), "    ")
    words = name.replace(" ", "_")
    head = f'@pytest.mark.question("1.1.a", points=0)\ndef test_{words}(student, reference):\n    """It ends."""\n'
    return f"{head}{body}\n\n\n"


def checks_of(result: SubmissionResult) -> dict[str, CheckResult]:
    return {
        check.name.partition("::")[2].removeprefix("test_"): check for one in result.questions for check in one.checks
    }


def graded(worker: Grader, folder: Path, **answers: str) -> dict[str, CheckResult]:
    path = write_notebook(folder / "hw.ipynb", mini_notebook(**answers))
    result = worker.grade(path, "hw").result
    assert result.status == "graded", result.message
    return checks_of(result)


@pytest.fixture(scope="module")
def worker(worker_of: WorkerOf, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    checks = "".join(check_that(name, code) for name, code in HANGS.items())
    assignment = rubric_of(tmp_path_factory.mktemp("rubric") / "hangs", checks)
    with worker_of(assignment.folder, 1) as worker:
        yield worker


def renewed(worker: Grader) -> Grader:
    """As if nothing had been graded yet."""
    worker.overtime.broken.clear()
    worker.overtime.in_a_row.clear()
    return worker


def leave_out(worker: Grader, *checks: str) -> None:
    worker.overtime.broken.update({f"test_hangs.py::test_{name.replace(' ', '_')}": "is left out" for name in checks})


def test_a_check_that_does_not_end_is_left_to_a_person_and_the_grading_goes_on(worker: Grader, tmp_path: Path) -> None:
    checks = graded(renewed(worker), tmp_path)
    for name in HANGS:
        check = checks[name.replace(" ", "_")]
        assert (name, check.status, check.points) == (name, "review", None)
        assert "A person must look at this answer: its check did not end within" in check.message
        assert f"the check {check.name} did not end within" in check.detail
    lines = (worker.assignment.folder / "test_hangs.py").read_text().splitlines()
    line = 1 + lines.index("    while True: pass")
    assert f"its check did not end within 0.1 seconds of its own CPU time (line {line})" in checks["loop"].message
    assert "its check did not end within 1.2 seconds of its own (line " in checks["sleep"].message
    assert [checks[name].status for name in ("double", "quadruple", "results")] == ["passed"] * 3


def test_in_another_thread_too(worker: Grader, tmp_path: Path) -> None:
    leave_out(renewed(worker), *(set(HANGS) - set(IN_THREADS)))
    with ThreadPoolExecutor(1) as pool:
        checks = pool.submit(graded, worker, tmp_path).result()
    for name in IN_THREADS:
        assert "did not end within 0.1 seconds" in checks[name.replace(" ", "_")].message
    assert checks["double"].status == "passed"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["main thread", "another thread"])
def test_nothing_is_left_behind_that_slows_the_thread_or_stops_what_is_traced(elsewhere: bool) -> None:
    """In Python 3.11, a call that is traced would never begin."""

    def work() -> int:
        own = OwnTime(0.1, 0.5)
        with own.within():
            while True:
                pass
        assert own.reason
        return calls_of(lambda: [abs(number) for number in range(10)])

    with ThreadPoolExecutor(1) as pool:
        assert (pool.submit(work).result() if elsewhere else work()) > 10


COUNTED = """
@pytest.mark.question("1.1.a", points=0)
@pytest.mark.parametrize("case", [1, 2, 3])
def test_counted(student, case):
    \"\"\"It ends for some answers.\"\"\"
    with open("COUNT", "a") as file: file.write("x")
    got = student.double(1)
    while got != 2: pass


@pytest.fixture(scope="session")
def slow_to_go():
    yield 1
    while True: pass


@pytest.fixture
def slow_to_come(student):
    if student.double(1) != 2:
        while True: pass
    return student


@pytest.mark.question("1.1.a", points=0)
def test_setup(slow_to_come):
    \"\"\"Before it.\"\"\"
    assert slow_to_come.double(2) == 4


@pytest.mark.question("1.1.a", points=0)
def test_teardown(slow_to_go, student):
    \"\"\"After it.\"\"\"
    assert student.double(2) == 5


@pytest.mark.question("1.1.a", points=0)
def test_patient(student, reference):
    \"\"\"It waits for the answer, and that is not its own time.\"\"\"
    student.exec("import time")
    student.eval("time.sleep(2)")
    student.eval("sum(range(20_000_000))")
    assert student.double(2) == reference.double(2)
"""


@pytest.fixture(scope="module")
def counting(worker_of: WorkerOf, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    folder = tmp_path_factory.mktemp("rubric")
    (folder / "count").touch()
    assignment = rubric_of(folder / "hangs", COUNTED.replace("COUNT", str(folder / "count")), cpu=0.3, wall=1.8)
    with worker_of(assignment.folder, 1) as worker:
        yield worker


def runs(worker: Grader) -> int:
    path = worker.assignment.folder.parent / "count"
    count = len(path.read_text())
    path.write_text("")
    return count


def test_the_time_of_what_it_asks_is_not_its_own(counting: Grader, tmp_path: Path) -> None:
    leave_out(renewed(counting), "counted", "setup", "teardown")
    checks = graded(counting, tmp_path)
    assert checks["patient"].status == "passed", checks["patient"]


def test_setting_up_and_tearing_down_are_its_own(counting: Grader, tmp_path: Path) -> None:
    leave_out(renewed(counting), "counted", "patient")
    checks = graded(counting, tmp_path, double="def double(x):\n    return 3 * x")
    for name in ("setup", "teardown"):
        assert checks[name].status == "review"
        assert "did not end within 0.3 seconds of its own CPU time (line " in checks[name].message
    # The namespace of one that was broken off is nobody else's.
    assert checks["double"].status == "failed"
    assert "expected 6, got 9" in checks["double"].message


def test_one_that_does_not_end_again_and_again_is_not_run_any_more(counting: Grader, tmp_path: Path) -> None:
    leave_out(renewed(counting), "setup", "teardown", "patient")
    wrong = "def double(x):\n    return 3 * x"
    runs(counting)
    for double, expected, cases in [
        # One case that does not end is enough.
        (wrong, "review", 1),
        # It was the answer: one for which it ends shows that it does.
        ("def double(x):\n    return 2 * x", "passed", 3),
        (wrong, "review", 1),
        ("def double(x):\n    return 4 * x", "review", 1),
        (wrong, "review", 0),
        ("def double(x):\n    return 2 * x", "review", 0),
    ]:
        checks = graded(counting, tmp_path, double=double)
        assert (checks["counted"].status, runs(counting)) == (expected, cases)
        if expected == "review":
            assert "did not end within 0.3 seconds of its own CPU time" in checks["counted"].message


def test_the_fixtures_of_one_that_was_broken_off_are_made_anew(counting: Grader, tmp_path: Path) -> None:
    leave_out(renewed(counting), "counted", "teardown", "patient")
    assert graded(counting, tmp_path, double="def double(x):\n    return 3 * x")["setup"].status == "review"
    checks = graded(counting, tmp_path)
    assert checks["setup"].status == checks["double"].status == "passed"


@pytest.mark.parametrize("code", CALLS.values(), ids=CALLS.keys())
def test_a_call_that_cannot_be_interrupted_costs_a_worker_and_no_more(tmp_path: Path, code: str) -> None:
    """The worker ends itself, and what it was at is done without the check; after two, nobody tries it again."""
    assignment = rubric_of(tmp_path / "rubric", check_that("call", code))
    paths = [
        write_notebook(tmp_path / f"hw-{number}.ipynb", mini_notebook(text=f"Answer {number}")) for number in range(4)
    ]
    results = grade_all(assignment, paths, tmp_path / "out", local_pool(1), seed=1)
    for result in results:
        checks = checks_of(result)
        assert (result.status, checks["call"].status, checks["call"].points) == ("graded", "review", None)
        assert "could not be interrupted" in checks["call"].message
        assert "the check test_hangs.py::test_call did not end" in checks["call"].detail
        assert [checks[name].status for name in ("double", "quadruple", "results")] == ["passed"] * 3
