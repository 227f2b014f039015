"""Grading with real parts: exact points for notebooks whose worth is known, and nothing for those that cheat."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import pytest
from notebooks import DOUBLE, MINI, QUADRUPLE, change, mini_notebook, write_notebook
from sandboxes import zygote_of

from grader.assignment.assignment import Limits, load_assignment
from grader.execution.probe import Probe
from grader.execution.runner import Execution, Stop, run_notebook
from grader.execution.sandbox import Sandbox
from grader.grading.submission import Graded, Grader
from grader.results.results import SubmissionResult

Grade = Callable[..., SubmissionResult]
WorkerOf = Callable[[Path, int], Grader]

TRIPLE = "def double(x):\n    return 3 * x"
RAISES = "def double(x):\n    raise ValueError('not today')"
SEVEN = {
    "double": "def double(x):\n    return 7",
    "quadruple": "def quadruple(x):\n    return 7",
    "results": "results = [7]",
}
"""Answers to the mini assignment that are worth nothing."""
FRESH = """
runs.append(1)
results = [quadruple(i) for i in range(5)] if runs == [1] else "not the state from before"
"""


def graded(worker: Grader, folder: Path, notebook: nbformat.NotebookNode, name: str = "submission") -> Graded:
    return worker.grade(write_notebook(folder / f"{name}.ipynb", notebook), name)


@pytest.fixture
def grade(mini: Grader, tmp_path: Path) -> Grade:
    """Grade a submission to the mini assignment, given as the arguments of `mini_notebook`."""
    return lambda **answers: graded(mini, tmp_path, mini_notebook(**answers)).result


@pytest.fixture
def rubric(tmp_path: Path) -> Path:
    """A copy of the mini assignment, to be changed."""
    return Path(shutil.copytree(MINI, tmp_path / "rubric", ignore=shutil.ignore_patterns("__pycache__")))


def statuses(result: SubmissionResult) -> dict[str, str]:
    return {question.id: question.status for question in result.questions}


def points(result: SubmissionResult) -> list[float | None]:
    return [question.points for question in result.questions]


@pytest.mark.parametrize(
    ("answers", "expected", "status"),
    [
        pytest.param({}, [1, 2, 1.5, None], ["passed", "passed", "passed"], id="all right"),
        pytest.param({"double": TRIPLE}, [0, 2, 1.5, None], ["failed", "carried forward", "passed"], id="wrong double"),
        pytest.param(
            {"double": RAISES, "results": FRESH, "before": ["runs = []"]},
            [0, 2, 1.5, None],
            ["failed", "carried forward", "carried forward"],
            id="a run is repeated in the state from before it",
        ),
        pytest.param(
            {"double": TRIPLE, "quadruple": "def quadruple(x):\n    return double(x) + 1"},
            [0, 0.5, 1.5, None],
            ["failed", "failed", "passed"],
            id="wrong double and wrong quadruple",
        ),
        pytest.param(
            {"quadruple": "def quadruple(x):\n    return 4 * x"},
            [1, 1.5, 1.5, None],
            ["passed", "failed", "passed"],
            id="one check of two, to half a point",
        ),
        pytest.param({"results": "results = [0]"}, [1, 2, 0, None], ["passed", "passed", "failed"], id="wrong results"),
        pytest.param(
            {"quadruple": "# TODO", "results": "results = []"},
            [1, 0, 1.5, None],
            ["passed", "missing", "passed"],
            id="missing",
        ),
        pytest.param(
            {"results": "results = 'ask a person'"}, [1, 2, None, None], ["passed", "passed", "review"], id="review"
        ),
        pytest.param(
            {"double": "# TODO", "quadruple": "", "results": "..."},
            [0, 0, 0, None],
            ["missing", "missing", "missing"],
            id="nothing at all",
        ),
        pytest.param(
            {"double": "def double(x):\n    return 2 x"},
            [0, 2, 1.5, None],
            ["failed", "carried forward", "carried forward"],
            id="syntax error",
        ),
        pytest.param({**SEVEN}, [0, 0, 0, None], ["failed", "failed", "failed"], id="all wrong"),
    ],
)
def test_points_are_exact(
    grade: Grade, answers: dict[str, str], expected: list[float | None], status: list[str]
) -> None:
    result = grade(**answers)
    assert result.status == "graded"
    assert statuses(result) == dict(zip(["1.1.a", "1.1.b", "1.1.c", "1.2.a"], [*status, "to be marked"], strict=True))
    assert points(result) == expected
    assert result.points == result.code_points == sum(filter(None, expected))
    assert (result.code_max_points, result.max_points, result.points_to_mark) == (4.5, 5.5, 1)


class Asked:
    """What was asked of a submission's checkpoints: which were used, and whether one answered by itself."""

    def __init__(self, worker: Grader, patch: pytest.MonkeyPatch) -> None:
        self.stops: dict[str, bool] = {}
        self.in_place: list[bool] = []

        def run(sandbox: Sandbox, notebook: nbformat.NotebookNode, stops: list[Stop], *rest: Any) -> Execution:
            self.stops = {stop.name: stop.before for stop in stops}
            return run_notebook(sandbox, notebook, stops, *rest)

        def probe(sandbox: Sandbox, *rest: Any) -> Probe:
            opened = Probe(sandbox, *rest)
            if sandbox is worker.sandbox:
                self.in_place.append(bool(opened.checkpoint))
            return opened

        patch.setattr("grader.grading.submission.run_notebook", run)
        patch.setattr("grader.execution.checkpoints.Probe", probe)


@pytest.fixture
def asked(mini: Grader, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(mini, monkeypatch)


ALL = {"1.1.a": False, "1.1.b": False, "1.1.c": True}
BOTH = "def double(x):\n    return {} * x\ndef quadruple(x):\n    return double(double(x))"


@pytest.mark.parametrize(
    ("answers", "stops", "in_place", "expected"),
    [
        pytest.param({}, ALL, [0, 0, 1, 0, 1, 1], [1, 2, 1.5], id="all right: the last of each question"),
        pytest.param(
            {"double": TRIPLE},
            ALL,
            # The checks of 1.1.b may be run again, and one is; 1.1.c is a run, and has passed.
            [0, 0, 1, 0, 0, 1, 1],
            [0, 2, 1.5],
            id="where an error is carried forward, the last then",
        ),
        pytest.param(
            {"double": RAISES, "results": "results = [quadruple(i) for i in range(5)]"},
            ALL,
            # 1.1.c is run again, from before it.
            [0, 0, 1, 0, 0, 1, 0, 1, 0, 0],
            [0, 2, 1.5],
            id="a run",
        ),
        pytest.param(
            {"quadruple": "# TODO", "results": "results = []"},
            {"1.1.a": False, "1.1.c": True},
            [0, 0, 1, 1],
            [1, 0, 1.5],
            id="nothing is kept for a question without an answer",
        ),
        pytest.param(
            {"double": BOTH.format(2), "quadruple": ""},
            {"1.1.a 1.1.b": False, "1.1.c": True},
            [0, 0, 0, 0, 1, 1],
            [1, 2, 1.5],
            id="two questions at one place: the last of both",
        ),
        pytest.param(
            {"double": BOTH.format(3), "quadruple": ""},
            {"1.1.a 1.1.b": False, "1.1.c": True},
            [0, 0, 0, 0, 0, 1, 1],
            [0, 2, 1.5],
            id="two questions at one place, and one is carried",
        ),
    ],
)
def test_the_last_to_ask_needs_no_fork(
    asked: Asked,
    grade: Grade,
    answers: dict[str, str],
    stops: dict[str, bool],
    in_place: list[bool],
    expected: list[float],
) -> None:
    result = grade(**answers)
    assert points(result)[:3] == expected
    assert asked.stops == stops
    assert asked.in_place == in_place


@pytest.mark.parametrize("body", ["os._exit(0)", "os.kill(os.getpid(), 9)", "while True: x = x"])
def test_a_checkpoint_that_ends_while_it_answers_harms_no_other(asked: Asked, grade: Grade, body: str) -> None:
    """The last case of the first check, a float, ends the process."""
    result = grade(double=f"import os\ndef double(x):\n    if type(x) is float:\n        {body}\n    return 2 * x")
    assert asked.in_place == [False, False, True, False, False, True]
    assert points(result) == [0, 2, 1.5, None]
    assert [check.status for check in result.question("1.1.a").checks] == ["failed"]


def test_a_class_gets_the_same_as_each_alone(worker_of: WorkerOf, rubric: Path, tmp_path: Path) -> None:
    notebooks = {
        "wrong": mini_notebook(double=TRIPLE),
        "right": mini_notebook(),
        "unfinished": mini_notebook(quadruple="# TODO", results="results = ["),
    }

    def known(worker: Grader, name: str) -> object:
        result = msgspec.to_builtins(graded(worker, tmp_path, notebooks[name], name).result)
        del result["timings"]
        for question in result["questions"]:
            for check in question["checks"]:
                del check["seconds"]
        return result

    alone = {}
    for name in notebooks:
        with worker_of(rubric, 1) as worker:
            alone[name] = known(worker, name)
    with worker_of(rubric, 1) as worker:
        for name in ["wrong", "right", "unfinished", "right", "wrong"]:
            assert known(worker, name) == alone[name]


def test_the_reference_is_asked_once_for_a_class(mini: Grader, grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    grade()
    monkeypatch.setattr(mini.expected.checkpoints, "probe", None)
    assert grade().code_points == 4.5


def test_what_a_notebook_was_not_run_up_to_is_in_review_and_says_why(mini: Grader, tmp_path: Path) -> None:
    """The first answer was asked before the budget was spent. Nothing is lost, and nothing is given."""
    busy = "import time\nend = time.process_time() + 0.7\nwhile time.process_time() < end: pass\n"
    limits = msgspec.structs.replace(mini.assignment.limits, notebook_cpu_seconds=1.0)
    with patched_limits(mini, limits):
        result = graded(mini, tmp_path, mini_notebook(quadruple=busy + busy, results=busy)).result
    assert points(result) == [1, None, None, None]
    stopped, not_run = result.questions[1:3]
    assert (stopped.status, not_run.status) == ("review", "review")
    assert "the notebook used more than 1 seconds of CPU time" in stopped.checks[0].message
    (note,) = not_run.notes
    assert "used more than 1 seconds of CPU time; the cells after cell 5 were not run" in note
    assert result.notes[0] == note


@contextlib.contextmanager
def patched_limits(worker: Grader, limits: Limits) -> Iterator[None]:
    before = worker.assignment
    worker.assignment = msgspec.structs.replace(before, limits=limits)
    try:
        yield
    finally:
        worker.assignment = before


def test_an_answer_after_a_cell_that_was_left_out_in_doubt_fails_for_nobody(grade: Grade) -> None:
    """The kernel ends while the first answer's cell runs; it was the thread of an earlier cell that ended it."""
    beside = "import os, threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    ends = f"threading.Timer(0.5, os._exit, (3,)).start()\ntime.sleep(99)\n{DOUBLE}"
    result = grade(before=[beside], double=ends)
    question = result.question("1.1.a")
    assert (question.status, question.points) == ("review", None)
    assert "was left out" in question.checks[0].message


def test_points_in_review_are_counted_apart(grade: Grade) -> None:
    result = grade(results="results = 'ask a person'")
    assert (result.points, result.points_in_review) == (3, 1.5)
    (check,) = result.question("1.1.c").checks
    assert (check.points, check.message) == (None, "a person decides")


def test_a_carried_check_says_what_was_replaced(grade: Grade) -> None:
    check = grade(double=TRIPLE).question("1.1.b").checks[0]
    assert (check.status, check.points) == ("carried forward", 1.5)
    assert "1.1.a" in check.message
    assert "`double`" in check.message


def test_a_value_where_a_function_is_asked_for_is_the_students_mistake(grade: Grade) -> None:
    (check,) = grade(double="double = 6").question("1.1.a").checks
    assert (check.status, check.points) == ("failed", 0)
    assert "`double` should be a function, and is a value (int)" in check.message


def test_a_failed_check_says_what_came_back(grade: Grade) -> None:
    (check,) = grade(double=TRIPLE).question("1.1.a").checks
    assert check.message == "expected 6, got 9, for x = 3"


@pytest.mark.parametrize(
    ("old", "new", "traceback"),
    [
        pytest.param(
            "x = rng.integers(1, 100, size=3)", 'x = {}["no such key"]', "KeyError: 'no such key'", id="check"
        ),
        pytest.param(
            "def test_quadruple(student, rng):",
            "def test_quadruple(student, broken, rng):",
            "ZeroDivisionError",
            id="fixture",
        ),
        pytest.param(
            "def test_quadruple(student, rng):",
            "def test_quadruple(student, broken_afterwards, rng):",
            "ZeroDivisionError",
            id="end of a fixture",
        ),
        pytest.param(
            "got = student.quadruple(x)",
            "got = student.quadruple(x).no_such_attribute",
            "no_such_attribute",
            id="no such attribute",
        ),
    ],
)
def test_a_check_that_breaks_is_for_a_person(
    worker_of: WorkerOf, rubric: Path, tmp_path: Path, old: str, new: str, traceback: str
) -> None:
    change(rubric / "test_mini.py", old, new)
    with (rubric / "test_mini.py").open("a") as file:
        file.write(
            "\n\n@pytest.fixture\ndef broken():\n    1 / 0\n"
            "\n\n@pytest.fixture\ndef broken_afterwards():\n    yield\n    1 / 0\n"
        )
    with worker_of(rubric, 1) as worker:
        result = graded(worker, tmp_path, mini_notebook()).result
    check = result.question("1.1.b").checks[0]
    assert (check.status, check.points) == ("review", None)
    assert traceback in check.detail
    assert traceback not in check.message
    assert (result.points, result.points_in_review) == (3, 1.5)


def test_a_reference_that_raises_costs_nobody_points(worker_of: WorkerOf, rubric: Path, tmp_path: Path) -> None:
    change(rubric / "reference.ipynb", "return 2 * x", "return 2 * x if x >= 0 else 1 / 0")
    with worker_of(rubric, 1) as worker:
        result = graded(worker, tmp_path, mini_notebook()).result
    (check,) = result.question("1.1.a").checks
    assert (check.status, check.points) == ("review", None)
    assert "ZeroDivisionError" in check.detail
    assert "ZeroDivisionError" not in check.message


LIAR = """
class Liar({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __array__(self, *a, **k): return self
    def all(self, *a, **k): return True
    __hash__ = None
"""
RETURN_LIAR = {
    "double": "def double(x):\n    return Liar({value})",
    "quadruple": "def quadruple(x):\n    return Liar({value})",
}


def liar(base: str, value: str) -> dict[str, object]:
    answers: dict[str, object] = {name: text.replace("{value}", value) for name, text in RETURN_LIAR.items()}
    return {**answers, "before": ["import numpy as np", LIAR.replace("{base}", base)]}


def returning(expression: str, *before: str) -> dict[str, object]:
    """Both functions return what an expression finds."""
    return {
        "double": f"def double(x):\n    return {expression}",
        "quadruple": f"def quadruple(x):\n    return {expression}",
        "before": before,
    }


FIND_IN_FRAMES = """
import sys
def find():
    frame = sys._getframe(1)
    while frame is not None:
        for names in (frame.f_locals, frame.f_globals):
            for name in ("expected", "want", "right"):
                if name in names:
                    return names[name]
        frame = frame.f_back
"""
FIND_IN_MEMORY = """
import gc
def find():
    for thing in gc.get_objects():
        if isinstance(thing, dict) and "expected" in thing and isinstance(thing["expected"], (int, float)):
            return thing["expected"]
"""
FIND_THE_REFERENCE = """
import gc, types
def find(x=3):
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and thing.__name__ == "double" and thing is not double:
            return thing(x)
    import os
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if name not in ("proc", "sys", "usr", "lib", "site-packages")]
        if "reference.ipynb" in files or "test_mini.py" in files: return 2 * x
"""
REPLACE = """
import builtins
def replace(name, value):
    setattr(builtins, name, value)
    return 7
"""
FAKE_RESULTS = """
import os
for folder in (".", "/tmp", "/dev/shm", "/run/notebook", os.path.expanduser("~"), ".."):
    for name in ("result.json", "grades.csv"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write('{"submission": "submission", "points": 4.5, "status": "graded"}')
        except OSError:
            pass
"""


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(returning("replace('abs', lambda x: 0)", REPLACE), id="builtins.abs"),
        pytest.param(returning("replace('len', lambda x: 1)", REPLACE), id="builtins.len"),
        pytest.param(returning("replace('print', print)", REPLACE), id="builtins.print"),
        pytest.param(returning("replace('isinstance', lambda *a: True)", REPLACE), id="builtins.isinstance"),
        pytest.param(returning("replace('__import__', lambda *a, **k: None)", REPLACE), id="builtins.__import__"),
        pytest.param(
            {"before": ["import numpy as np\nnp.array_equal = np.allclose = np.all = lambda *a, **k: True"]},
            id="numpy comparisons",
        ),
        pytest.param(liar("object", ""), id="object that equals everything"),
        pytest.param(liar("int", "7"), id="int that equals everything"),
        pytest.param(liar("float", "7.0"), id="float that equals everything"),
        pytest.param(liar("str", "'7'"), id="str that equals everything"),
        pytest.param(liar("list", "[7]"), id="list that equals everything"),
        pytest.param(
            {
                "before": [
                    "class Right:\n    def __getattr__(self, name): return lambda *a, **k: 7\n"
                    "student = reference = Right()\nexpect = review = lambda *a, **k: True"
                ]
            },
            id="names of the rubric's",
        ),
        pytest.param(returning("find()", FIND_IN_FRAMES), id="looks at the stack"),
        pytest.param(returning("find()", FIND_IN_MEMORY), id="looks for expected values in memory"),
        pytest.param(returning("find(x)", FIND_THE_REFERENCE), id="looks for the reference"),
        pytest.param({"before": [FAKE_RESULTS]}, id="result files"),
        pytest.param(returning("__import__('sys').exit(0)"), id="leaves with sys.exit"),
        pytest.param(
            returning(
                "skip()",
                "class Skipped(BaseException): pass\nSkipped.__module__ = '_pytest.outcomes'\n"
                "def skip():\n    raise Skipped('skip')",
            ),
            id="says that it is to be skipped",
        ),
        pytest.param(
            {
                "before": [
                    "import io, sys\n"
                    "class Passed(io.StringIO):\n    def write(self, text): return super().write('4.5 of 4.5 passed')\n"
                    "sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Passed()\nprint('1 passed')"
                ]
            },
            id="another stdout",
        ),
        pytest.param(
            {
                "double": "import os\ndef double(x):\n"
                "    if os.path.exists('/tmp/called'): return 7\n"
                "    open('/tmp/called', 'w').close()\n    return 2 * x",
                "results": "# TODO",
            },
            id="right at the first call only",
        ),
    ],
)
def test_cheating_gains_nothing(grade: Grade, answers: dict[str, object]) -> None:
    result = grade(**{**SEVEN, **answers})
    assert result.status == "graded"
    assert outcomes(result) == {"test_double": ("failed", 0), "test_quadruple": ("failed", 0)}
    assert result.points_in_review == 0


def test_an_array_that_equals_everything_is_for_a_person(grade: Grade) -> None:
    """It comes back as plain data, which the check's `==` cannot decide."""
    liar = {"before": ["import numpy as np", LIAR.replace("{base}", "np.ndarray")]}
    result = grade(**{**SEVEN, **returning("np.zeros(3).view(Liar)"), **liar})
    assert outcomes(result) == {"test_double": ("review", None), "test_quadruple": ("failed", 0)}


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(
            "import grader.inside.wire as wire\nwire.pack = lambda value, keep: b'passed'", id="wire says rubbish"
        ),
        pytest.param(
            "import grader.inside.checkpoint as c\nc.Probe.answer = lambda self, request: ['passed', True]",
            id="probe says passed",
        ),
        pytest.param(
            "import grader.inside.checkpoint as c\nc.Probe.answer = lambda self, request: ['died', 0, 0.0]",
            id="probe says it has died",
        ),
        pytest.param("import sys, math\nsys.modules['numpy'] = math", id="another module as numpy"),
    ],
)
def test_taking_over_the_probe_gains_nothing_and_calls_a_person(grade: Grade, before: str) -> None:
    result = grade(**SEVEN, before=[before])
    assert result.points == 0
    assert outcomes(result) == {"test_double": ("review", None), "test_quadruple": ("review", None)}


def test_a_probe_that_answers_true_to_everything_has_no_functions(grade: Grade) -> None:
    before = "import grader.inside.wire as wire\nold = wire.pack\nwire.pack = lambda value, keep: old(True, keep)"
    result = grade(**SEVEN, before=[before])
    assert outcomes(result) == {"test_double": ("failed", 0), "test_quadruple": ("failed", 0)}


def outcomes(result: SubmissionResult) -> dict[str, tuple[str, float | None]]:
    """Of those checks whose expected values the student's process does not know."""
    checks = {check.name.partition("::")[2]: check for question in result.questions for check in question.checks}
    return {name: (checks[name].status, checks[name].points) for name in ("test_double", "test_quadruple")}


TORCH_RUBRIC = """
title = "Torch"
reference = "reference.ipynb"
preload = ["torch"]

[[question]]
id = "1.1.a"
title = "Scale"
points = 1.5
kind = "code"
defines = ["scale(x)"]
"""
TORCH_CHECKS = '''
import pytest
import torch

from grader.rubric import expect


@pytest.mark.question("1.1.a", points=0.5)
def test_by_expect(student, reference):
    """Your function doubles."""
    x = torch.tensor([1.0, 2.0])
    expect(student.scale(x), reference.scale(x))


@pytest.mark.question("1.1.a", points=0.5)
def test_by_allclose(student):
    """Your function doubles, nearly."""
    assert torch.allclose(student.scale(torch.ones(2)), 2 * torch.ones(2))


@pytest.mark.question("1.1.a", points=0.5)
def test_by_equal(student):
    """Your function doubles whole numbers."""
    assert torch.equal(student.scale(torch.arange(3)), 2 * torch.arange(3))
'''
TORCH_LIAR = """
class Liar(torch.Tensor):
    def __eq__(self, other): return True
    def equal(self, other): return True
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None): return True
def scale(x):
    return (0 * x).as_subclass(Liar)
"""


def torch_notebook(answer: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_markdown_cell("## 1.1 Scale\n\n**(a) Scale (1.5 points)**")]
    return nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(f"import torch\n{answer}")])


@pytest.fixture(scope="module")
def torch_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    folder = tmp_path_factory.mktemp("torch")
    (folder / "rubric.toml").write_text(TORCH_RUBRIC)
    (folder / "test_scale.py").write_text(TORCH_CHECKS)
    write_notebook(folder / "reference.ipynb", torch_notebook("def scale(x):\n    return 2 * x"))
    with Grader(load_assignment(folder), seed=1) as worker:
        yield worker


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param("def scale(x):\n    return x + x", 1.5, id="right"),
        pytest.param("def scale(x):\n    return 3 * x", 0, id="wrong"),
        pytest.param(
            "yes = lambda *a, **k: True\n"
            "torch.allclose = torch.equal = torch.isclose = torch.all = torch.testing.assert_close = yes\n"
            "def scale(x):\n    return 0 * x",
            0,
            id="torch's comparisons",
        ),
        pytest.param(
            "yes = lambda *a, **k: True\n"
            "torch.Tensor.__eq__ = torch.Tensor.allclose = torch.Tensor.equal = torch.Tensor.isclose = yes\n"
            "def scale(x):\n    return 0 * x",
            0,
            id="the tensor's own comparisons",
        ),
        pytest.param(TORCH_LIAR, 0, id="a tensor that equals everything"),
        pytest.param(
            "def scale(x):\n    torch.set_default_dtype(torch.float16)\n    x.zero_()\n    return x",
            0,
            id="changes the input",
        ),
    ],
)
def test_cheating_with_torch_gains_nothing(torch_worker: Grader, tmp_path: Path, answer: str, expected: float) -> None:
    result = graded(torch_worker, tmp_path, torch_notebook(answer)).result
    assert (result.status, result.points) == ("graded", expected)
    assert {check.status for check in result.questions[0].checks} == {"passed" if expected else "failed"}


@pytest.mark.parametrize(
    "body",
    [pytest.param("while True: x = x", id="endless loop"), pytest.param("os._exit(0)", id="ends its process")],
)
def test_a_function_that_never_returns_costs_its_own_checks_only(grade: Grade, body: str) -> None:
    result = grade(quadruple=f"import os\ndef quadruple(x):\n    {body}", results="results = []")
    assert points(result) == [1, 0, 1.5, None]
    assert {check.status for check in result.question("1.1.b").checks} == {"failed"}


def test_killing_the_checkpoint_leaves_what_was_not_checked_to_a_person(grade: Grade) -> None:
    result = grade(quadruple="import os\ndef quadruple(x):\n    os.kill(0, 9)", results="results = []")
    assert (result.status, result.question("1.1.a").points) == ("graded", 1)
    assert result.question("1.1.b").points in (0, None)
    assert result.points <= 2.5


PLACES = "('/tmp', '/dev/shm', '/home/student', '/run/notebook', '/home/student/.ipython')"
SPY = f"""
import os
def quadruple(x):
    if double(1) == 2:
        for place in {PLACES}:
            try:
                with open(place + "/found", "w") as file: file.write("double = lambda x: 2 * x")
            except OSError:
                pass
        if not os.path.exists("/tmp/found"):
            return None
    return double(double(x))
"""
LOOK = f"""
import os
def double(x):
    for place in {PLACES}:
        if os.path.exists(place + "/found"):
            return 2 * x
"""


def test_nothing_is_kept_for_the_next_submission(mini: Grader, tmp_path: Path) -> None:
    spy = graded(mini, tmp_path, mini_notebook(double=TRIPLE, quadruple=SPY, results="results = []"), "spy").result
    # It had the reference's function before it, and could write.
    assert spy.question("1.1.b").status == "carried forward"
    look = graded(mini, tmp_path, mini_notebook(double=LOOK), "look").result
    assert look.question("1.1.a").points == 0


KEYS = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.syscall.restype = ctypes.c_long
CALL, ADD = {"x86_64": (250, 248), "aarch64": (219, 217)}[os.uname().machine]
keyring = ctypes.c_long(libc.syscall(CALL, 22, ctypes.c_long(-1), ctypes.c_long(-2)))
"""
GIVE = """
solution = b"double = lambda x: 2 * x\\nquadruple = lambda x: 2 * double(x)"
libc.syscall(ADD, b"user", b"gift", solution, len(solution), keyring)
"""
TAKE = """
key = ctypes.c_long(libc.syscall(CALL, 10, keyring, b"user", b"gift", ctypes.c_long(0)))
buffer = ctypes.create_string_buffer(1000)
GIFT = buffer.raw[:max(0, libc.syscall(CALL, 11, key, buffer, 1000))].decode()
"""
TAKEN = {name: f"def {name}(x):\n    return 7\nexec(GIFT)" for name in ("double", "quadruple")}


def test_a_solution_that_was_given_away_does_not_arrive(grade: Grade) -> None:
    assert points(grade(before=[KEYS, GIVE])) == [1, 2, 1.5, None]
    taker = grade(**TAKEN, before=[KEYS, TAKE], results="results = [7]")
    assert points(taker) == [0, 0, 0, None]
    assert "NameError" not in str(taker)
    assert points(grade()) == [1, 2, 1.5, None]


FORETELL = """
import grader.inside.checkpoint as checkpoint
import numpy as np
SEEDS = []
seed_libraries = checkpoint.seed_libraries
checkpoint.seed_libraries = lambda seed: SEEDS.append(seed) or seed_libraries(seed)
def foretold(x):
    draws = [np.random.default_rng(seed).integers(1, 100, size=3) for seed in SEEDS]
    return not draws or any(np.array_equal(draw, x) for draw in draws)
"""


def test_what_a_check_draws_cannot_be_foretold(grade: Grade) -> None:
    """Nor is the means to tell without effect: it has seen a seed."""
    quadruple = f"{QUADRUPLE}\nright = quadruple\ndef quadruple(x):\n    return 7 if foretold(x) else right(x)"
    # The second check, which draws nothing, asks for one number; the third asks what the cells did.
    assert grade(before=[FORETELL], quadruple=quadruple).question("1.1.b").checks[0].points == 1.5


HARM = {
    "interrupts-the-zygote": "import os\nos.kill(1, 2)",
    "every-signal-to-the-zygote": "import os\nfor n in range(1, 65): os.kill(1, n)",
    "changes-the-limits-of-the-zygote": (
        "import os, resource\n"
        "for change in (lambda: resource.prlimit(1, 7, (20, 20)), lambda: os.setpriority(2, 0, 19)):\n"
        "    try: change()\n    except OSError: pass"
    ),
    "connects-to-itself": (
        "import socket\nserver = socket.create_server(('127.0.0.1', 5555))\n"
        "client = socket.create_connection(('127.0.0.1', 5555))\nserver.accept()[0].close()\nclient.close()"
    ),
    "marks-its-folders": "import os\nos.setxattr(os.environ['HOME'], 'user.gift', b'x' * 1000)",
    "namespaces-of-its-own": (
        "import ctypes, os\n"
        "if os.fork() == 0:\n"
        "    libc = ctypes.CDLL(None)\n"
        "    libc.unshare(0x10020000)\n"
        "    os._exit(libc.mount(b'none', b'/tmp', b'tmpfs', 0, b'size=1g') == 0)\n"
        "assert os.wait()[1] == 0"
    ),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_what_a_notebook_does_to_the_sandbox_costs_nobody_a_point(grade: Grade, harm: str) -> None:
    harmful = grade(before=[harm])
    assert (harmful.status, points(harmful)) == ("graded", [1, 2, 1.5, None])
    innocent = grade()
    assert (innocent.status, innocent.message, points(innocent)) == ("graded", "", [1, 2, 1.5, None])


@pytest.mark.parametrize("which", ["sandbox", "expected.sandbox"])
def test_a_sandbox_that_was_killed_is_replaced(mini: Grader, grade: Grade, which: str) -> None:
    process = attrgetter(which)(mini).process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    result = grade(double=TRIPLE)
    assert (result.status, result.message, result.detail) == ("graded", "", "")
    assert points(result) == [0, 2, 1.5, None]


def test_a_sandbox_that_is_killed_while_it_grades_is_replaced(worker_of: WorkerOf, tmp_path: Path) -> None:
    with worker_of(MINI, 1) as worker:
        process = worker.sandbox.process
        assert process is not None
        zygote = zygote_of(worker.sandbox).pid

        def kill() -> None:
            deadline = time.monotonic() + 30
            while not worker.sandbox.kept and time.monotonic() < deadline:
                time.sleep(0.001)
            os.kill(zygote, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        result = graded(worker, tmp_path, mini_notebook()).result
        thread.join()
        assert worker.sandbox.process is not process
    assert (result.status, result.code_points, result.message) == ("graded", 4.5, "")


def test_the_same_seed_repeats_a_grading(grade: Grade) -> None:
    answers = {"quadruple": "import random\ndef quadruple(x):\n    return x + random.random()"}
    first, second = grade(**answers), grade(**answers)
    assert first.question("1.1.b").checks[0].message == second.question("1.1.b").checks[0].message != ""


def test_right_answers_stand_for_themselves_after_all_that(grade: Grade) -> None:
    assert grade(double=DOUBLE, quadruple=QUADRUPLE).code_points == 4.5
