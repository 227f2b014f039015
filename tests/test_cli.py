"""The command as a person types it: what it prints, how it ends, and that nobody ever sees a traceback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from notebooks import MINI, mini_notebook, write_notebook

GRADER = Path(sysconfig.get_path("scripts")) / "grader"
ENDLESS = "while True:\n    pass"


class Ended:
    def __init__(self, status: int, output: str, errors: str) -> None:
        self.status = status
        self.output = output
        self.errors = errors.splitlines()
        assert "Traceback" not in output + errors
        assert all(line.startswith("error: ") for line in self.errors)


def grader(*arguments: object, cwd: Path, **environment: str) -> Ended:
    ended = subprocess.run(
        [GRADER, *map(str, arguments)], cwd=cwd, env={**os.environ, **environment}, capture_output=True, timeout=100
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def stored(folder: Path) -> dict[str, Any]:
    """A result without what differs from run to run: the time it took."""
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    del result["timings"]
    for question in result["questions"]:
        for check in question["checks"]:
            del check["seconds"]
    return result


@pytest.fixture
def right(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "right.ipynb", mini_notebook())


@pytest.fixture
def rubric(tmp_path: Path) -> Path:
    """A copy of the mini assignment, to be changed."""
    return Path(shutil.copytree(MINI, tmp_path / "rubric", ignore=shutil.ignore_patterns("__pycache__")))


# Help


def test_help_comes_at_once() -> None:
    heavy = "torch nbclient nbformat pytest _pytest jupyter_client numpy matplotlib msgspec rich.table"
    code = (
        "import sys; from grader.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: print('status', end.code)\n"
        f"print('imported', [name for name in {heavy.split()} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "grade " in ended.stdout
    assert ended.stdout.splitlines()[-2:] == ["status 0", "imported []"]


def test_help_names_every_option(tmp_path: Path) -> None:
    ended = grader("grade", "--help", cwd=tmp_path)
    assert ended.status == 0
    for option in ("--rubric", "--output", "--jobs", "--force", "--scheduler", "--seed", "--timings"):
        assert option in ended.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(["grade", "hw.ipynb"], "--rubric", id="no rubric"),
        pytest.param(["grade", "--rubric", "x"], "submissions", id="no submission"),
        pytest.param(["grade", "hw.ipynb", "--rubric", "x", "--seed", "-1"], "--seed", id="negative seed"),
        pytest.param(["grade", "hw.ipynb", "--rubric", "x", "--seed", "1.5"], "--seed", id="no whole number"),
        pytest.param(["grad"], "grad", id="no such command"),
    ],
)
def test_a_wrong_command_is_told_which_part_is_wrong(tmp_path: Path, arguments: list[str], named: str) -> None:
    ended = subprocess.run([GRADER, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2
    assert named in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


# Grading


def test_a_right_submission_by_relative_paths_from_another_folder(tmp_path: Path, rubric: Path, right: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    ended = grader(
        "grade", "../right.ipynb", "--rubric", "../rubric", "-o", "out/of here", "--seed", 7, "--timings", cwd=elsewhere
    )
    assert (ended.status, ended.errors) == (0, [])
    lines = ended.output.splitlines()
    assert lines[0] == "graded ../right.ipynb: 4.5 of 4.5"
    assert lines[-1] == "Report: out/of here/index.html"
    for stage in ("read", "execute", "check", "report", "total"):
        assert stage in ended.output
    folder = elsewhere / "out" / "of here" / "right"
    assert {path.name for path in folder.iterdir()} == {"report.html", "result.json", "executed.ipynb"}
    result = stored(folder)
    assert (result["submission"], result["file"], result["seed"]) == ("right", "../right.ipynb", 7)


def test_the_seed_of_a_grading_repeats_it(tmp_path: Path) -> None:
    lost = "import numpy as np, random\ndef quadruple(x):\n    return 4 * x + random.random() + np.random.rand()"
    write_notebook(tmp_path / "hw.ipynb", mini_notebook(quadruple=lost, results="results = quadruple(1)"))
    results = []
    for seed in ([], ["--seed", "{seed}"]):
        # The first run chooses its own.
        arguments = [text.format(seed=results[0]["seed"]) for text in seed]
        ended = grader("grade", "hw.ipynb", "--rubric", MINI, "-o", "out", "--force", *arguments, cwd=tmp_path)
        assert ended.status == 0
        results.append(stored(tmp_path / "out" / "hw"))
    assert results[0] == results[1]
    assert results[0]["questions"][1]["checks"][0]["message"].startswith("expected ")


def test_bad_files_get_a_line_each_and_the_others_are_graded(tmp_path: Path, right: Path) -> None:
    (tmp_path / "empty.ipynb").touch()
    (tmp_path / "no notebooks").mkdir()
    (tmp_path / "two\nlines \u202e[red].ipynb").write_text("[]")
    shutil.copy(right, tmp_path / "-o.ipynb")
    shutil.copy(right, os.fsencode(tmp_path) + b"/caf\xe9 [red].ipynb")
    files = ["empty.ipynb", "nothing.ipynb", "no notebooks", "two\nlines \u202e[red].ipynb"]
    found = ["right.ipynb", os.fsdecode(b"caf\xe9 [red].ipynb")]
    arguments = [files[0], found[0], files[1], files[2], files[3], found[1], found[0]]
    # An ASCII terminal shows what it can.
    ended = subprocess.run(
        [GRADER, "grade", "--rubric", MINI, *arguments, "--", "-o.ipynb"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "200"},
        capture_output=True,
    )
    errors = ended.stderr.decode().splitlines()
    assert ended.returncode == 1
    assert sorted(errors) == [
        "error: empty.ipynb: the file is empty: save the notebook and hand in again",
        "error: no notebooks: there is no notebook (.ipynb) in this folder",
        "error: nothing.ipynb: there is no such file: check the name and the folder",
        r"error: two\nlines \u202e[red].ipynb: "
        "this is JSON, but not a notebook: hand in the .ipynb file that Jupyter saved",
    ]
    output = ended.stdout.decode()
    for line in ("graded right.ipynb: 4.5 of 4.5", r"graded caf\xe9 [red].ipynb: 4.5 of 4.5", "graded -o.ipynb: "):
        assert line in output
    assert r"two\nlines" in output
    assert output.count("unreadable") == 4
    assert output.splitlines()[-2:] == ["4 of 7 could not be graded", "Report: results/index.html"]
    assert (tmp_path / "results" / "-o" / "report.html").is_file()


# What ends it before anything is graded


def test_a_wrong_rubric_is_told_whole_and_nothing_is_graded(tmp_path: Path, rubric: Path, right: Path) -> None:
    checks = rubric / "test_mini.py"
    text = checks.read_text()
    text = text.replace('"1.1.a", points=1', '"1.1.a", points=0.5').replace("student, rng", "studnet, rng")
    checks.write_text(text)
    ended = grader("grade", right, "--rubric", "rubric", cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    assert sorted(ended.errors) == [
        "error: rubric/rubric.toml: question 1.1.a is worth 1 points but its checks add up to 0.5",
        "error: rubric/test_mini.py::test_quadruple: there is no fixture 'studnet'; "
        "the rubric's own are student, reference, examples, seed and rng",
    ]
    assert list((tmp_path / "results").iterdir()) == []


def test_every_fault_of_the_rubrics_file_is_told(tmp_path: Path, rubric: Path, right: Path) -> None:
    path = rubric / "rubric.toml"
    path.write_text(path.read_text().replace("points = 2", "points = 2.2").replace("reference.ipynb", "nothing.ipynb"))
    ended = grader("grade", right, "--rubric", "rubric", cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    assert len(ended.errors) == 2
    assert all(line.startswith("error: rubric/rubric.toml: ") for line in ended.errors)


def test_a_reference_that_raises_is_a_fault_of_the_rubric(tmp_path: Path, rubric: Path, right: Path) -> None:
    write_notebook(rubric / "reference.ipynb", mini_notebook(after=["raise ValueError('one\\nand two')"]))
    ended = grader("grade", right, "--rubric", "rubric", cwd=tmp_path)
    assert ended.status == 2
    # No check asks about what stands after the last answer: what is graded by then is right, and kept.
    assert ended.output.startswith("graded ")
    assert (tmp_path / "results" / "index.html").is_file()
    (line,) = ended.errors
    assert "reference.ipynb: cell 12 raised ValueError: one and two" in line


def test_what_the_rubric_preloads_must_be_installed(tmp_path: Path, rubric: Path, right: Path) -> None:
    path = rubric / "rubric.toml"
    path.write_text(path.read_text().replace('"numpy"', '"no_such_module"'))
    ended = grader("grade", right, "--rubric", "rubric", cwd=tmp_path)
    assert ended.status == 2
    (line,) = ended.errors
    assert "No module named 'no_such_module'" in line


def test_without_bubblewrap_it_says_how_to_get_it(tmp_path: Path, right: Path) -> None:
    ended = grader("grade", right, "--rubric", MINI, cwd=tmp_path, PATH=str(tmp_path))
    assert (ended.status, ended.output) == (2, "")
    how, instead = "on Debian: sudo apt-get install bubblewrap", "to use another sandbox instead: --sandbox auto"
    assert ended.errors == [f"error: bubblewrap is not installed; {how}; {instead} (see docs/sandbox.md)"]


def test_without_bubblewrap_it_grades_in_what_there_is_and_says_so(tmp_path: Path, right: Path) -> None:
    options = ("--rubric", MINI, "--sandbox", "auto")
    ended = grader("grade", right, *options, cwd=tmp_path, PATH=str(tmp_path))
    assert (ended.status, ended.errors) == (0, [])
    result = stored(tmp_path / "results" / "right")
    assert result["sandbox"] in ("landlock", "process")
    assert result["code_points"] == 4.5
    remark = f"1 of 1 ran without bubblewrap (sandbox: {result['sandbox']}; see docs/sandbox.md)"
    assert remark in ended.output.splitlines()


def test_a_sandbox_that_there_is_not_is_told(tmp_path: Path, right: Path) -> None:
    ended = grader("grade", right, "--rubric", MINI, "--sandbox", "docker", cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    assert ended.errors == ["error: --sandbox docker: choose require, auto or none"]


@pytest.mark.parametrize("output", ["file", "file/out", "/sys/out"])
def test_a_place_that_cannot_be_written_gets_a_line(tmp_path: Path, right: Path, output: str) -> None:
    (tmp_path / "file").touch()
    ended = grader("grade", right, "--rubric", MINI, "-o", output, cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    (line,) = ended.errors
    assert line.startswith(f"error: {output}: cannot be written (")
    assert line.endswith("choose another folder with --output")


def test_an_overview_that_cannot_be_written_gets_a_line(tmp_path: Path, right: Path) -> None:
    (tmp_path / "out" / "index.html").mkdir(parents=True)
    ended = grader("grade", right, "--rubric", MINI, "-o", "out", cwd=tmp_path)
    assert ended.status == 2
    (line,) = ended.errors
    assert "out/index.html" in line
    assert (tmp_path / "out" / "right" / "result.json").is_file()


# What ends it in the middle


class Running:
    """A grading that has begun."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.seen: dict[int, psutil.Process] = {}

    def descendants(self) -> list[psutil.Process]:
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.seen.update((each.pid, each) for each in found)
        return found

    def wait_for(self, event: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not event():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def has_sandboxes(self) -> bool:
        """Below their fork server, which is below bubblewrap: the reference's, and one for a notebook."""
        return len([each for each in self.descendants() if _depth(each, self.process.pid) == 3]) >= 2

    def is_busy_with_student_code(self) -> bool:
        """Below the zygotes, which are below their fork server and bubblewrap, something has been computing."""
        zygotes = [each.pid for each in self.descendants() if _depth(each, self.process.pid) == 3]
        return any(
            _depth(each, self.process.pid) > 3 and _cpu_seconds(each) > 0.5
            for each in self.descendants()
            if each.pid not in zygotes and each.is_running()
        )

    def graded_one(self) -> bool:
        assert self.process.stdout is not None
        return self.process.stdout.readline().startswith("graded ")


def _cpu_seconds(process: psutil.Process) -> float:
    """Probes come and go: one that has just ended computes nothing any more."""
    try:
        return float(process.cpu_times().user)
    except psutil.NoSuchProcess:
        return 0.0


def _depth(process: psutil.Process, top: int) -> int:
    depth = 0
    try:
        while process.pid != top:
            parent = process.parent()
            if parent is None:
                return 0
            process, depth = parent, depth + 1
    except psutil.NoSuchProcess:
        return 0
    return depth


@pytest.fixture
def start(tmp_path: Path, rubric: Path, right: Path) -> Iterator[Callable[[str], Running]]:
    """Start grading a right submission, and then one whose code does not end for long."""
    limits = rubric / "rubric.toml"
    text = limits.read_text()
    for name in ("cell_cpu_seconds = 2", "cell_wall_seconds = 20", "check_cpu_seconds = 1", "check_wall_seconds = 20"):
        assert name in text
        text = text.replace(name, f"{name.partition('=')[0]}= 500")
    limits.write_text(text)
    running: list[Running] = []

    def start(double: str) -> Running:
        write_notebook(tmp_path / "slow.ipynb", mini_notebook(double=double, results="results = []"))
        process = subprocess.Popen(
            [GRADER, "grade", "right.ipynb", "slow.ipynb", "--rubric", "rubric", "-o", "out"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(Running(process))
        return running[0]

    yield start
    for each in running:
        each.process.kill()
        each.process.communicate()


def assert_nothing_is_left(running: Running) -> None:
    _, alive = psutil.wait_procs(list(running.seen.values()), timeout=10)
    assert running.seen
    assert alive == []


@pytest.mark.parametrize(
    ("double", "number"),
    [
        pytest.param(ENDLESS, signal.SIGINT, id="Ctrl-C in a cell"),
        pytest.param("def double(x):\n    while True:\n        pass", signal.SIGTERM, id="SIGTERM in a check"),
    ],
)
def test_interrupted_it_keeps_what_is_graded_and_leaves_nothing_running(
    tmp_path: Path, start: Callable[[str], Running], double: str, number: signal.Signals
) -> None:
    running = start(double)
    running.wait_for(running.graded_one)
    running.wait_for(running.is_busy_with_student_code)
    running.process.send_signal(number)
    output, errors = running.process.communicate(timeout=30)
    assert running.process.returncode == 130
    assert errors == "error: interrupted; the results so far (1) are in out/index.html\n"
    assert output == ""
    assert_nothing_is_left(running)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"right", "index.html", "grades.csv", "questions"}
    assert stored(tmp_path / "out" / "right")["points"] == 4.5


def test_interrupted_while_it_starts_it_leaves_nothing_running(tmp_path: Path, start: Callable[[str], Running]) -> None:
    running = start(ENDLESS)
    running.wait_for(running.has_sandboxes)
    running.process.send_signal(signal.SIGINT)
    output, errors = running.process.communicate(timeout=30)
    assert (running.process.returncode, output, errors) == (130, "", "error: interrupted\n")
    assert_nothing_is_left(running)


def test_killed_it_leaves_nothing_running(start: Callable[[str], Running]) -> None:
    running = start(ENDLESS)
    running.wait_for(running.graded_one)
    running.wait_for(running.is_busy_with_student_code)
    running.process.kill()
    assert_nothing_is_left(running)


def test_a_reader_that_goes_away_is_no_accident(tmp_path: Path, right: Path) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [GRADER, "grade", right, "--rubric", MINI], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    os.close(reader)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (1, "")
    assert (tmp_path / "results" / "right" / "result.json").is_file()
    assert (tmp_path / "results" / "index.html").is_file()
