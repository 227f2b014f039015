"""Killed at random moments, again and again: in the end, the results are those of a run that nobody disturbed."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sysconfig
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from notebooks import MINI, mini_notebook

GRADER = Path(sysconfig.get_path("scripts")) / "grader"
SUBMISSIONS = 9
KILLS = 20
NO_TIMES = re.compile(r'"(?:shell|iopub)\.[\w.]+": "[^"]*"')


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Right and wrong ones, one that cannot be read, and two that are the same."""
    folder = tmp_path_factory.mktemp("submissions")
    doubles = ["2 * x", "3 * x", "x + x", "1 / 0", "x", "x << 1", "[x][1]"]
    for number in range(SUBMISSIONS - 1):
        double = f"def double(x):\n    return {doubles[number % len(doubles)]}"
        notebook = mini_notebook(double=double)
        for index, cell in enumerate(notebook.cells):
            cell.id = str(index)
        (folder / f"hw-{number:02}.ipynb").write_text(json.dumps(notebook))
    (folder / "broken.ipynb").write_text("{")
    return folder


class Run:
    """`grader grade`, with what it has printed."""

    def __init__(self, submissions: Path, output: Path) -> None:
        command = [GRADER, "grade", submissions, "--rubric", MINI, "-o", output, "-j", "2", "--seed", "7"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.graded = 0
        self.errors = ""
        self.threads = [threading.Thread(target=self.read), threading.Thread(target=self.read_errors)]
        for thread in self.threads:
            thread.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.graded += line.startswith("graded ")

    def read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def wait_until(self, graded: int) -> bool:
        """Until so many are graded; False where it has ended before."""
        while self.graded < graded and self.process.poll() is None:
            time.sleep(0.01)
        return self.process.poll() is None

    def workers(self) -> list[psutil.Process]:
        try:
            children = psutil.Process(self.process.pid).children()
            servers = [child for child in children if "multiprocessing.forkserver" in " ".join(child.cmdline())]
            return [worker for server in servers for worker in server.children()]
        except psutil.NoSuchProcess:
            return []

    def kill(self, number: int, moments: random.Random, seen: list[psutil.Process]) -> int:
        """So many workers at the same moment; how many there were."""
        self.process.send_signal(signal.SIGSTOP)  # nobody takes over what the first was at before the second is gone
        workers = self.workers()
        seen += workers
        chosen = moments.sample(workers, min(number, len(workers)))
        for worker in chosen:
            worker.kill()
        self.process.send_signal(signal.SIGCONT)
        return len(chosen)

    def end(self) -> int:
        status = self.process.wait()
        for thread in self.threads:
            thread.join()
        return status


def stored(output: Path) -> dict[str, Any]:
    """All that is in a results folder, without what differs from run to run: the time that things took."""
    files: dict[str, Any] = {}
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        if path.name == "result.json":
            result = json.loads(path.read_text())
            del result["timings"]
            # Which of two that are the same is graded depends on which is there already.
            del result["same_as"]
            for question in result["questions"]:
                for check in question["checks"]:
                    del check["seconds"]
            files[name] = result
        elif path.suffix == ".ipynb":
            files[name] = NO_TIMES.sub("", path.read_text())
        elif path.is_file():
            files[name] = path.read_text()
    return files


@pytest.mark.slow
def test_killed_at_random_moments_it_loses_nothing_and_does_nothing_twice(
    submissions: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    undisturbed = Run(submissions, tmp_path / "undisturbed")
    assert undisturbed.end() == 1  # the broken one
    expected = stored(tmp_path / "undisturbed")
    seed = random.randrange(10**6)
    print(f"moments of seed {seed}")
    moments = random.Random(seed)
    kills = {"main": 0, "worker": 0}
    round = 0
    seen: list[psutil.Process] = []
    while sum(kills.values()) < KILLS:
        round += 1
        output = tmp_path / f"round {round}"
        while True:
            run = Run(submissions, output)
            # In one run, a submission may lose its worker once: one worker is killed, or both while each is at its own.
            workers = moments.choice([0, 1, 2, 2, 2])
            main = workers == 0 or moments.random() < 0.75
            if workers and sum(kills.values()) < KILLS and run.wait_until(moments.randrange(4)):
                time.sleep(moments.uniform(0, 0.2))
                kills["worker"] += run.kill(workers, moments, seen)
            if main and sum(kills.values()) < KILLS and run.wait_until(moments.randrange(5)):
                time.sleep(moments.uniform(0, 0.2))
                seen += run.workers()
                run.process.kill()
                kills["main"] += 1
            if run.end() in (0, 1):
                break
        assert stored(output) == expected
    assert min(kills.values()) > 0
    _, alive_still = psutil.wait_procs(seen, timeout=20)
    assert alive_still == []
