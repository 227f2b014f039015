"""A batch on a Dask cluster: a real scheduler, and two real worker processes on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from notebooks import MINI, mini_notebook

from grader.assignment.assignment import load_assignment
from grader.faults import Faults
from grader.grading.batch import tasks
from grader.grading.batch.cluster import cluster_pool
from grader.grading.batch.observer import Observer
from grader.grading.batch.run import grade_all
from grader.grading.batch.tasks import SentRubric
from grader.results.results import SubmissionResult, read_result

pytest.importorskip("distributed", reason="needs the optional extra grader[dask]")

DASK = Path(sysconfig.get_path("scripts")) / "dask"
SUBMISSIONS = 9


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self.start("scheduler", "--host", "tcp://127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        self.wait_for(file)
        self.address = json.loads(file.read_text())["address"]
        self.workers = [
            self.start("worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--name", name)
            for name in ("one", "two")
        ]

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        log = (self.folder / f"log-{len(self.processes)}").open("wb")
        process = subprocess.Popen([DASK, *map(str, arguments)], cwd=self.folder, stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        return process

    def wait_for(self, file: Path) -> None:
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_text().rstrip().endswith("}")):
            assert self.processes[0].poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def wait_for_workers(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def stop(self) -> list[psutil.Process]:
        """End it all; returns what is left running."""
        below = [child for each in self.processes if each.poll() is None for child in descendants(each.pid)]
        for process in reversed(self.processes):
            process.terminate()
            process.wait(30)
        return psutil.wait_procs(below, timeout=20)[1]


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    cluster.wait_for_workers(2)
    yield cluster
    assert cluster.stop() == []


@pytest.fixture
def submissions(tmp_path: Path) -> list[Path]:
    paths = []
    for number in range(SUBMISSIONS):
        # Each is another notebook; every third is wrong.
        double = f"def double(x):\n    return {3 if number % 3 == 0 else 2} * x  # {number}"
        paths.append(tmp_path / f"hw-{number:02}.ipynb")
        paths[-1].write_text(json.dumps(mini_notebook(double=double)))
    return paths


class KillsAWorker(Observer):
    """When some are graded, and the other worker has something to do."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.results: list[SubmissionResult] = []
        self.lines: list[str] = []
        self.killed: list[psutil.Process] = []

    def ended(self, result: SubmissionResult) -> None:
        self.results.append(result)
        if len(self.results) == 3:
            self.killed = descendants(self.cluster.workers[0].pid)
            self.cluster.workers[0].kill()

    def noticed(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_submission_and_none_is_there_twice(
    cluster: Cluster, submissions: list[Path], tmp_path: Path
) -> None:
    # The workers get the rubric over the wire: this copy is gone before they are.
    rubric = Path(shutil.copytree(MINI, tmp_path / "rubric"))
    observer = KillsAWorker(cluster)
    results = grade_all(
        load_assignment(rubric), submissions, tmp_path / "out", cluster_pool(cluster.address), seed=1, observer=observer
    )
    assert cluster.workers[0].wait() == -9
    assert [result.submission for result in results] == [path.stem for path in submissions]
    assert sorted(result.submission for result in observer.results) == [path.stem for path in submissions]
    assert [result.status for result in results] == ["graded"] * SUBMISSIONS
    assert [result.question("1.1.a").points for result in results] == [0, 1, 1] * (SUBMISSIONS // 3)
    for result in results:
        assert read_result(tmp_path / "out" / result.submission / "result.json") == result
    assert psutil.wait_procs(observer.killed, timeout=20)[1] == []


@pytest.mark.slow
def test_its_results_are_those_of_this_machine(submissions: list[Path], tmp_path: Path) -> None:
    from pools import here

    assignment = load_assignment(MINI)
    results = [
        grade_all(assignment, submissions[:3], tmp_path / name, pool, seed=5)
        for name, pool in (("cluster", cluster_pool("local", 1)), ("here", here))
    ]
    for one, other in zip(*results, strict=True):
        assert one.fingerprint == other.fingerprint
        assert [(q.status, q.points, q.answer) for q in one.questions] == [
            (q.status, q.points, q.answer) for q in other.questions
        ]


def test_the_rubric_travels_without_the_answers_that_it_is_tried_with(tmp_path: Path) -> None:
    rubric = Path(shutil.copytree(MINI, tmp_path / "rubric"))
    (rubric / "mutants").mkdir(exist_ok=True)
    (rubric / "mutants" / "one.toml").write_text("")
    (rubric / "table.csv").write_text("1,2")
    sent = SentRubric.pack(load_assignment(rubric))
    assert sent == SentRubric.pack(load_assignment(rubric))
    arrived = sent.load()
    assert arrived.questions == load_assignment(rubric).questions
    assert (arrived.folder / "table.csv").read_text() == "1,2"
    assert arrived.reference.is_file()
    assert not (arrived.folder / "mutants").exists()


def test_a_worker_with_other_packages_does_not_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = SentRubric.pack(load_assignment(MINI))
    monkeypatch.setattr(tasks, "environment", lambda: "another")
    with pytest.raises(Faults, match="install the same on both"):
        sent.load()


def test_without_a_scheduler_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.grading.batch.cluster.CONNECT_SECONDS", 1)
    pool = cluster_pool("tcp://127.0.0.1:1")
    with (
        pytest.raises(Faults, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"),
        pool(load_assignment(MINI), 1, 1),
    ):
        pass


def test_without_dask_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(Faults, match=r"pip install 'grader\[dask\]'"),
        cluster_pool("local")(load_assignment(MINI), 1, 1),
    ):
        pass
