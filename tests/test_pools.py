"""Answers that use pools of threads and processes, started before the checks ask: graded as any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from notebooks import code_notebook, mini_notebook, write_notebook

from grader.assignment.assignment import Limits
from grader.execution import probe
from grader.execution.checkpoints import Checkpoints
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox
from grader.grading.submission import Grader
from grader.results.results import SubmissionResult

Grade = Callable[..., SubmissionResult]

WORK = "def work(x):\n    return 2 * x\n"
MAP = "def double(x):\n    return list(pool.map(work, [x, x]))[1]"
FUTURES = "from concurrent.futures import {0}\npool = {0}(2)"
POOLS = {
    "threads": (FUTURES.format("ThreadPoolExecutor"), MAP),
    "processes": (FUTURES.format("ProcessPoolExecutor"), MAP),
    "multiprocessing": ("import multiprocessing\npool = multiprocessing.Pool(2)", MAP),
    "a pool of threads of multiprocessing": ("from multiprocessing.pool import ThreadPool\npool = ThreadPool(2)", MAP),
    "with an initializer": (
        "from concurrent.futures import ThreadPoolExecutor\nfactor = []\n"
        "pool = ThreadPoolExecutor(1, initializer=factor.append, initargs=(2,))",
        "def double(x):\n    return pool.submit(lambda: factor[0] * x).result()",
    ),
    "in an attribute": (
        "from concurrent.futures import ThreadPoolExecutor\nclass Doubler:\n    def __init__(self):\n"
        "        self._work = ThreadPoolExecutor(3)\ndoubler = Doubler()",
        "def double(x):\n    return doubler._work.submit(work, x).result()",
    ),
    "of a subclass with other arguments": (
        "from concurrent.futures import ThreadPoolExecutor\nclass Named(ThreadPoolExecutor):\n"
        "    def __init__(self, name):\n        super().__init__(2)\n        self.name = name\npool = Named('mine')",
        MAP,
    ),
    "asyncio's": (
        "import asyncio\nloop = asyncio.new_event_loop()",
        "import threading\ndef double(x):\n    box = []\n"
        "    run = lambda: box.append(loop.run_until_complete(asyncio.sleep(0, work(x))))\n"
        "    thread = threading.Thread(target=run)\n    thread.start()\n    thread.join()\n    return box[0]",
    ),
    "joblib": (
        "from joblib import Parallel, delayed",
        "def double(x):\n    return Parallel(n_jobs=-1)(delayed(work)(x) for _ in range(3))[0]",
    ),
    "joblib, the same one again": (
        "from joblib import Parallel, delayed\nparallel = Parallel(n_jobs=2)",
        "def double(x):\n    return parallel(delayed(lambda y: 2 * y)(x) for _ in range(3))[0]",
    ),
    "joblib's threads, kept open": (
        "from joblib import Parallel, delayed\nparallel = Parallel(n_jobs=2, backend='threading').__enter__()",
        "def double(x):\n    return parallel(delayed(work)(x) for _ in range(3))[0]",
    ),
    "joblib, as a generator": (
        "from joblib import Parallel, delayed",
        "def double(x):\n"
        "    return list(Parallel(n_jobs=2, return_as='generator')(delayed(work)(x) for _ in range(9)))[8]",
    ),
    "loky itself": (
        "import operator\nfrom joblib.externals.loky import get_reusable_executor",
        "def double(x):\n    return get_reusable_executor(max_workers=1).submit(operator.mul, 2, x).result()",
    ),
}
USED = "assert double(4) == 8"


@pytest.fixture
def grade(mini: Grader, tmp_path: Path) -> Grade:
    return lambda **answers: mini.grade(write_notebook(tmp_path / "x.ipynb", mini_notebook(**answers)), "x").result


@pytest.mark.parametrize(("before", "double"), POOLS.values(), ids=POOLS.keys())
def test_a_right_answer_that_uses_a_pool_is_right(grade: Grade, before: str, double: str) -> None:
    """The pool has started its workers when the answer's own cell has come to its end."""
    result = grade(before=[f"{WORK}{before}"], double=f"{double}\n{USED}")
    assert [question.status for question in result.questions] == ["passed", "passed", "passed", "to be marked"]
    assert (result.code_points, result.points_in_review) == (4.5, 0)


@pytest.mark.parametrize(
    "double",
    [
        pytest.param("def double(x):\n    return pool.submit(abs, 3 * x).result()", id="wrong"),
        pytest.param("def double(x):\n    return pool.submit(lambda: 1 / 0).result()", id="raises"),
    ],
)
def test_a_wrong_answer_that_uses_a_pool_is_wrong(grade: Grade, double: str) -> None:
    result = grade(before=[FUTURES.format("ThreadPoolExecutor")], double=f"{double}\npool.submit(abs, 1).result()")
    assert result.question("1.1.a").status == "failed"
    assert (result.code_points, result.points_in_review) == (3.5, 0)


def test_joblib_shows_a_task_copies_as_a_process_would(grade: Grade) -> None:
    """What a task changes in place, its caller does not see; nor does the next task."""
    changes = "import numpy as np\ndef work(x):\n    x[0] *= 2\n    return x[0]\n"
    double = (
        "from joblib import Parallel, delayed\ndef double(x):\n    box = [x]\n"
        "    first, second = Parallel(n_jobs=2)(delayed(work)(box) for _ in range(2))\n"
        "    return first if np.all(first == second) and np.all(box[0] == x) else None"
    )
    assert grade(before=[changes], double=double).code_points == 4.5


BESIDE = {
    "a thread and its queue": (
        "import threading, queue\nasked, answers = queue.Queue(), queue.Queue()\ndef serve():\n"
        "    while True:\n        answers.put(2 * asked.get())\n"
        "threading.Thread(target=serve, daemon=True, name='doubler').start()",
        "def double(x):\n    asked.put(x)\n    return answers.get(timeout=1)",
        "doubler",
    ),
    "a manager's process": (
        "import multiprocessing\nfactors = multiprocessing.Manager().dict(two=2)",
        "def double(x):\n    return factors['two'] * x",
        "SyncManager",
    ),
}


@pytest.mark.parametrize(("before", "double", "name"), BESIDE.values(), ids=BESIDE.keys())
def test_what_cannot_be_brought_back_is_no_wrong_answer(grade: Grade, before: str, double: str, name: str) -> None:
    result = grade(before=[before], double=f"{double}\n{USED}")
    question = result.question("1.1.a")
    assert (question.status, question.points) == ("review", None)
    assert name in question.checks[0].message
    # What builds on it has been put right.
    assert (result.code_points, result.points_in_review) == (3.5, 1)


def test_a_check_that_waits_for_what_is_not_there_ends_early(grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "IN_VAIN_SECONDS", 1.0)
    before, double, name = BESIDE["a thread and its queue"]
    result = grade(before=[before], double=f"{double.replace('timeout=1', '')}\n{USED}")
    (check,) = result.question("1.1.a").checks
    assert (check.status, check.points) == ("review", None)
    assert name in check.detail


def test_a_thread_that_only_looks_on_excuses_nothing(grade: Grade) -> None:
    bar = "import threading\nclass TMonitor(threading.Thread):\n    def run(self):\n        threading.Event().wait()\n"
    result = grade(before=[f"{bar}TMonitor(daemon=True).start()"], double="def double(x):\n    return 3 * x")
    assert result.question("1.1.a").status == "failed"


def test_the_kernels_own_threads_excuse_nothing(grade: Grade) -> None:
    """One is started for the first large message, such as a figure: cells after the kernel's start."""
    figure = "display({'text/html': 'x' * 10**6}, raw=True)"
    result = grade(before=[figure, figure], double="def double(x):\n    return 3 * x")
    assert result.question("1.1.a").status == "failed"


LOADER = """
from torch.utils.data import DataLoader
loader = DataLoader(range(6), batch_size=2, num_workers=2, persistent_workers={})
def total():
    return sum(int(batch.sum()) for batch in loader)
total()
"""


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [False, True])
def test_the_workers_of_a_data_loader_are_there_again(loading: Sandbox, persistent: bool) -> None:
    stops = [Stop(questions=("1",), cells=(0,))]
    notebook = code_notebook(LOADER.format(persistent))
    limits = msgspec.structs.replace(loading.limits, check_cpu_seconds=20)
    checkpoints = Checkpoints(loading, run_notebook(loading, notebook, stops, (), limits, seed=1), limits)
    for _ in range(2):
        namespace = checkpoints.namespace("1", seed=1)
        assert namespace.total() == namespace.total() == 15
        namespace._close()


@pytest.fixture(scope="module")
def loading() -> Iterator[Sandbox]:
    with Sandbox(["torch"], Limits()) as sandbox:
        yield sandbox
