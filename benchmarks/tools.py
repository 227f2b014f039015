"""The tools that are compared: how each is set up, run on some submissions, and asked what it did."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import measure
import nbgrader_course
import otter_course
import workloads
from measure import Command, Measured
from workloads import ROOT, Submission, Workload

HERE = Path(__file__).resolve().parent
TIMEOUT = 1800.0
"""Seconds for one run of one tool, after which it is killed and has failed."""

ENVIRONMENT = {
    # One thread a library, as in the harness's sandbox: two submissions at a time are all that two cores can do.
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


@dataclass(frozen=True)
class Done:
    """One submission as a tool graded it; times in seconds since the tool was started."""

    name: str
    end: float
    seconds: float | None
    """How long it took by itself; None where that is not known."""
    points: float | None
    cpu: float | None = None


@dataclass(frozen=True)
class Tool:
    """A way to grade a batch. `environment`: the folder of its virtual environment, or "" for this one."""

    key: str
    title: str
    environment: str = ""
    lanes: int = 0
    """Commands at a time; 0: as many as there are cores."""
    at_once: bool = True
    """Whether a command grades many submissions, so that starting it and grading are different things."""

    def width(self, cores: int, submissions: int) -> int:
        """How many submissions are graded at a time."""
        return min(self.lanes or cores, submissions)


TOOLS = {
    tool.key: tool
    for tool in (
        Tool("grader", "this harness, `grader grade -j {cores}`"),
        Tool("nbgrader", "nbgrader, `nbgrader autograde`", "nbgrader", lanes=1),
        Tool("nbgrader-parts", "nbgrader, {cores} × `nbgrader autograde`, a course each", "nbgrader"),
        Tool("otter", "otter-grader, {cores} × `otter run`", "otter", at_once=False),
        Tool("otter-api", "otter-grader, {cores} × `grade_submission`", "otter"),
        Tool("bare", "student code alone, {cores} at a time"),
    )
}


class ToolFailed(Exception):
    """A tool did not do what it was asked: one line, with the log that says more."""


def environment_of(work: Path, name: str) -> Path:
    return work / "venvs" / name


def set_up(work: Path, names: Sequence[str]) -> Iterator[str]:
    """Make the virtual environments that are not there yet; yields a line for each that is made."""
    for name in dict.fromkeys(filter(None, names)):
        folder, wanted = environment_of(work, name), HERE / f"requirements-{name}.txt"
        done = folder / "installed.txt"
        constraints = ROOT / "constraints.txt"
        # Of the constraints only the versions matter: a line more there is no reason to install all again.
        if done.exists() and done.read_bytes() == wanted.read_bytes():
            continue
        yield f"setting up {name} in {folder} (once; some gigabytes)"
        python = folder / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "-c", str(constraints), "-r", str(wanted)], check=True
        )
        shutil.copyfile(wanted, done)


def versions(work: Path, tools: Sequence[Tool]) -> dict[str, str]:
    """The version of each tool, and of what its kernel is made of."""
    script = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    packages = {"": ["grader"], "nbgrader": ["nbgrader"], "otter": ["otter-grader"]}
    found = {}
    for tool in tools:
        python = environment_of(work, tool.environment) / "bin" / "python" if tool.environment else Path(sys.executable)
        names = [*packages[tool.environment], "ipykernel", "nbclient", "numpy", "torch"]
        ran = subprocess.run([str(python), "-c", script, *names], capture_output=True, text=True, check=True)
        found[tool.key] = ran.stdout.strip()
    return found


def run(
    tool: Tool, workload: Workload, submissions: Sequence[Submission], folder: Path, work: Path, cores: int
) -> tuple[Measured, list[Done]]:
    """Grade `submissions` with `tool` in `folder` (which is made anew). Raises ToolFailed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = environment_of(work, tool.environment)
    # The harness sets what it needs by itself.
    env = {**os.environ, **({} if tool.key == "grader" else ENVIRONMENT)}
    if tool.environment:
        # As when it is activated: nbgrader starts programs by their names.
        env["PATH"] = f"{environment / 'bin'}{os.pathsep}{env.get('PATH', os.defpath)}"
    width = tool.width(cores, len(submissions))
    parts = [list(submissions[lane::width]) for lane in range(width)]
    return _JOBS[tool.key](_Run(tool, workload, submissions, parts, folder, environment, env, width))


@dataclass(frozen=True)
class _Run:
    tool: Tool
    workload: Workload
    submissions: Sequence[Submission]
    parts: list[list[Submission]]
    folder: Path
    environment: Path
    env: dict[str, str]
    width: int

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def measured(self, lanes: Sequence[Sequence[Command]]) -> Measured:
        measured = measure.run(lanes, self.env, TIMEOUT)
        statuses = [ended.status for lane in measured.lanes for ended in lane]
        if any(statuses) or len(statuses) != sum(map(len, lanes)):
            raise ToolFailed(f"{self.tool.key}: exit status {max(statuses, key=abs)}; see {self.log}")
        return measured

    def write(self) -> list[Path]:
        """The notebooks in the folder `submissions`."""
        folder = self.folder / "submissions"
        workloads.write(folder, self.submissions)
        return [folder / f"{submission.name}.ipynb" for submission in self.submissions]

    def command(self, *arguments: str, folder: Path | None = None) -> Command:
        return Command(arguments, folder or self.folder, self.log)


def _grader(run: _Run) -> tuple[Measured, list[Done]]:
    run.write()
    results = run.folder / "results"
    program = str(Path(sys.executable).parent / "grader")
    rubric = str(run.workload.rubric_folder)
    command = run.command(
        program, "grade", "submissions", "--rubric", rubric, "-j", str(run.width), "-o", "results", "--seed", "1"
    )
    measured = run.measured([[command]])
    done = []
    for submission in run.submissions:
        path = results / submission.name / "result.json"
        result = json.loads(path.read_text(encoding="utf-8"))
        if result["status"] != "graded":
            raise ToolFailed(f"grader: {submission.name} is {result['status']}: {result['message']}")
        end = path.stat().st_mtime - measured.started
        done.append(Done(submission.name, end, sum(result["timings"].values()), result["code_points"]))
    return measured, done


def _nbgrader(run: _Run) -> tuple[Measured, list[Done]]:
    """Each lane has a course of its own: two commands for one gradebook would lock each other out."""
    courses = [run.folder / f"course-{lane}" for lane in range(run.width)]
    for course, part in zip(courses, run.parts, strict=True):
        nbgrader_course.build(course, run.workload, part)
    nbgrader_course.release(run.environment, courses, run.env)
    command = nbgrader_course.autograde(run.environment)
    measured = run.measured([[run.command(*command, folder=course)] for course in courses])
    done = []
    for course, part in zip(courses, run.parts, strict=True):
        points = nbgrader_course.points(course)
        before: float | None = None
        for submission in part:
            end = nbgrader_course.graded_at(course, submission.name)
            if end is None:
                raise ToolFailed(f"nbgrader: {submission.name} was not graded; see {run.log}")
            # The first of a lane is graded by a program that still starts.
            seconds = None if before is None else end - before
            done.append(Done(submission.name, end - measured.started, seconds, points.get(submission.name)))
            before = end
    return measured, done


def _otter(run: _Run) -> tuple[Measured, list[Done]]:
    assignment = run.folder / "assignment"
    otter_course.build(assignment, run.workload, run.submissions)
    for submission in run.submissions:
        (run.folder / submission.name).mkdir()
    lanes = [
        [run.command(*otter_course.grade(run.environment, assignment, one.name, run.folder / one.name)) for one in part]
        for part in run.parts
    ]
    measured = run.measured(lanes)
    done = [
        Done(one.name, ended.end, ended.end - ended.start, otter_course.points(run.folder / one.name))
        for part, lane in zip(run.parts, measured.lanes, strict=True)
        for one, ended in zip(part, lane, strict=True)
    ]
    return measured, done


def _otter_api(run: _Run) -> tuple[Measured, list[Done]]:
    assignment = run.folder / "assignment"
    otter_course.build(assignment, run.workload, run.submissions)
    python = str(run.environment / "bin" / "python")
    outputs = [run.folder / f"done-{lane}.json" for lane in range(run.width)]
    lanes = []
    for output, part in zip(outputs, run.parts, strict=True):
        notebooks = [str(assignment / f"{one.name}.ipynb") for one in part]
        autograder = str(assignment / otter_course.AUTOGRADER)
        lanes.append([run.command(python, str(HERE / "otter_batch.py"), autograder, str(output), *notebooks)])
    return _of_lists(run, lanes, outputs)


def _bare(run: _Run) -> tuple[Measured, list[Done]]:
    paths = dict(zip((one.name for one in run.submissions), run.write(), strict=True))
    modules = ",".join(workloads.material(run.workload.rubric_folder).assignment.preload)
    outputs = [run.folder / f"done-{lane}.json" for lane in range(run.width)]
    script = str(HERE / "bare.py")
    lanes = [
        [run.command(sys.executable, script, str(output), modules, *(str(paths[one.name]) for one in part))]
        for output, part in zip(outputs, run.parts, strict=True)
    ]
    return _of_lists(run, lanes, outputs)


def _of_lists(run: _Run, lanes: Sequence[Sequence[Command]], outputs: Sequence[Path]) -> tuple[Measured, list[Done]]:
    """Run scripts that leave a list of what they did."""
    measured = run.measured(lanes)
    done = [
        Done(
            entry["name"],
            entry["end"] - measured.started,
            entry["end"] - entry["start"],
            entry.get("points"),
            entry.get("cpu"),
        )
        for output in outputs
        for entry in json.loads(output.read_text(encoding="utf-8"))
    ]
    return measured, done


_JOBS = {
    "grader": _grader,
    "nbgrader": _nbgrader,
    "nbgrader-parts": _nbgrader,
    "otter": _otter,
    "otter-api": _otter_api,
    "bare": _bare,
}
