"""Measure this harness, nbgrader and otter-grader on the same notebooks, in one run on this machine.

    .venv/bin/python benchmarks/run.py                 workloads a, b and c: a quarter of an hour
    .venv/bin/python benchmarks/run.py --workloads a   one of them
    .venv/bin/python benchmarks/run.py --set-up        only the virtual environments of the other tools
    .venv/bin/python benchmarks/run.py --resume        go on with a run that was interrupted
    .venv/bin/python benchmarks/run.py --report        only the table and the plot, from results.json

The tools take turns: part of the notebooks by each tool, then the next part by each, in the other order. So whatever
else the machine does meets all of them alike, and ratios within a run are worth more than the numbers themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import page
from summary import Run, Summary, bare_cpu, run_of, summarise, targets
from workloads import FIRST, ROOT, WORKLOADS, full_points, make

import tools
from grader.results.results import write_atomically
from tools import TOOLS, Done, ToolFailed

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"

SIZES = {
    # Submissions a turn. What takes less time gets more of them; the slower tools, the first of the same notebooks.
    "a": {"grader": 40, "bare": 40, "nbgrader": 6, "nbgrader-parts": 8, "otter": 8, "otter-api": 8},
    "b": {"grader": 20, "bare": 20, "nbgrader": 4, "nbgrader-parts": 6, "otter": 6, "otter-api": 6},
    "c": {"grader": 12, "bare": 12, "nbgrader": 3, "nbgrader-parts": 4, "otter": 4, "otter-api": 0},
    "d": {"grader": 8, "bare": 8, "nbgrader": 0, "nbgrader-parts": 4, "otter": 4, "otter-api": 0},
}
"""Where training is nearly all, what is left out here would say nothing new."""

ROUGH: dict[str, dict[str, tuple[float, float]]] = {
    # Seconds to start, and a submission with two at a time: only to say how long it will take.
    "a": {"grader": (5, 0.2), "bare": (1, 0.1), "nbgrader": (4, 1.7), "nbgrader-parts": (4, 0.9), "otter": (0, 1.8)},
    "b": {"grader": (25, 1.2), "bare": (4, 0.4), "nbgrader": (10, 7), "nbgrader-parts": (10, 4), "otter": (0, 5)},
    "c": {"grader": (25, 3), "bare": (4, 2), "nbgrader": (10, 10), "nbgrader-parts": (10, 6), "otter": (0, 7)},
    "d": {"grader": (25, 8), "bare": (4, 6), "nbgrader": (10, 17), "nbgrader-parts": (10, 10), "otter": (0, 11)},
}


@dataclass(frozen=True)
class Settings:
    workloads: list[str]
    tools: list[str]
    repeats: int
    seed: int
    submissions: int | None
    """A turn, for every tool; None: as SIZES says."""

    def size(self, workload: str, tool: str) -> int:
        size = SIZES[workload][tool]
        return self.submissions if size and self.submissions is not None else size


@dataclass(frozen=True)
class Turn:
    """One run of one tool: the submissions from `first` on."""

    workload: str
    tool: str
    repeat: int
    first: int
    size: int

    @property
    def key(self) -> str:
        return f"{self.workload}-{self.repeat}-{self.tool}"


def turns(settings: Settings) -> Iterator[Turn]:
    """All runs in their order: workload by workload, and each time through the tools from the other end."""
    for repeat in range(settings.repeats):
        for workload in settings.workloads:
            most = max(settings.size(workload, tool) for tool in settings.tools)
            for tool in settings.tools if repeat % 2 == 0 else settings.tools[::-1]:
                size = settings.size(workload, tool)
                if size:
                    yield Turn(workload, tool, repeat, repeat * most, size)


def estimate(todo: list[Turn]) -> float:
    """Seconds, roughly."""
    seconds = 0.0
    for turn in todo:
        rough = ROUGH[turn.workload]
        start, each = rough.get(turn.tool) or rough[turn.tool.partition("-")[0]]
        seconds += start + each * turn.size
    return seconds


def main() -> int:
    options = arguments()
    work = Path(options.work).resolve()
    settings = Settings(options.workloads, options.tools, options.repeats, options.seed, options.submissions)
    if options.report:
        return report(json.loads(RESULTS.read_text(encoding="utf-8")))
    for line in tools.set_up(work, [TOOLS[key].environment for key in settings.tools]):
        say(line)
    if options.set_up:
        return 0
    cores = len(os.sched_getaffinity(0))
    todo = list(turns(settings))
    stored = Stored(work / "run.json", {**asdict(settings), "cores": cores}, options.resume)
    todo = [turn for turn in todo if turn.key not in stored.runs]
    say(f"{len(todo)} runs on {cores} cores: about {estimate(todo) / 60:.0f} minutes on an idle machine")
    failed = []
    made: dict[str, list[Any]] = {}
    begin = time.monotonic()
    for number, turn in enumerate(todo, start=1):
        if turn.workload not in made:
            most = max(one.first + one.size for one in turns(settings) if one.workload == turn.workload)
            made[turn.workload] = make(WORKLOADS[turn.workload], most, settings.seed)
        part = made[turn.workload][turn.first : turn.first + turn.size]
        busy = os.getloadavg()[0]
        try:
            found = tools.run(TOOLS[turn.tool], WORKLOADS[turn.workload], part, work / "runs" / turn.key, work, cores)
        except (ToolFailed, RuntimeError, OSError) as error:
            failed.append(f"{turn.key}: {error}")
            say(f"FAILED {failed[-1]}")
            continue
        width = TOOLS[turn.tool].width(cores, len(part))
        run = run_of(turn.workload, TOOLS[turn.tool], turn.repeat, width, *found)
        stored.add(turn.key, run)
        say(
            f"[{number}/{len(todo)}, {(time.monotonic() - begin) / 60:.1f} min] ({turn.workload}) {turn.tool}: "
            f"{len(run.done)} in {run.wall:.1f} s, {run.cpu:.1f} CPU s, {run.peak / 1e6:.0f} MB"
            + (f" (load before: {busy:.1f})" if busy > cores else "")
        )
    if not stored.runs:
        say("nothing was measured")
        return 2
    results = {
        "machine": machine(cores),
        "settings": asdict(settings),
        "versions": tools.versions(work, [TOOLS[key] for key in settings.tools]),
        "failed": [line.replace(str(work), "WORK").replace(str(ROOT), ".") for line in failed],
        "runs": {turn.key: asdict(stored.runs[turn.key]) for turn in turns(settings) if turn.key in stored.runs},
    }
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    return report(results)


class Stored:
    """The runs done so far, on disk: an interrupted benchmark loses at most the run it was in."""

    def __init__(self, path: Path, settings: Mapping[str, Any], resume: bool) -> None:
        self.path = path
        self.settings = dict(settings)
        self.runs: dict[str, Run] = {}
        if not resume or not path.exists():
            return
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["settings"] != self.settings:
            raise SystemExit(f"error: {path} is of a run with other settings; run without --resume")
        self.runs = {key: run_from(value) for key, value in content["runs"].items()}

    def add(self, key: str, run: Run) -> None:
        self.runs[key] = run
        content = {"settings": self.settings, "runs": {key: asdict(run) for key, run in self.runs.items()}}
        write_atomically(self.path, json.dumps(content))


def run_from(value: Mapping[str, Any]) -> Run:
    return Run(**{**value, "done": [Done(**one) for one in value["done"]]})


def summaries(results: Mapping[str, Any]) -> dict[tuple[str, str], Summary]:
    """By workload and tool."""
    runs = [run_from(value) for value in results["runs"].values()]
    found = {}
    for workload in WORKLOADS:
        here = [run for run in runs if run.workload == workload]
        alone = bare_cpu(here)
        for tool in TOOLS:
            some = [run for run in here if run.tool == tool]
            if some:
                found[workload, tool] = summarise(some, alone)
    return found


def report(results: Mapping[str, Any]) -> int:
    """Write the table and the plot; returns the exit status: 1 where a run failed or a promise is not kept."""
    found = summaries(results)
    judged = targets(found)
    cores = results["machine"]["cores"]
    machine = results["machine"]
    head = (
        f"Measured {results['machine']['date']} on {machine['processor']}, {cores} cores, {machine['memory']} GB, "
        f"Linux {machine['linux']}, Python {machine['python']}."
    )
    tables = page.table(found, cores)
    text = "\n\n".join([head, page.target_table(judged, cores), "![Submissions a minute](benchmarks.svg)", tables])
    page.into_readme(HERE / "README.md", "run.py", text)
    page.plot(found, cores, HERE / "benchmarks.svg")
    print(f"\n{page.target_table(judged, cores)}\n\n{tables}")
    for line in results["failed"]:
        print(f"FAILED {line}")
    wrong = wrong_points(results)
    for line in wrong:
        print(f"WRONG {line}")
    return int(bool(results["failed"]) or bool(wrong) or not all(one.kept for one in judged))


def wrong_points(results: Mapping[str, Any]) -> list[str]:
    """Where the reference's own answers did not get all points: its checks do not work, and its times mean nothing."""
    lines = []
    for run in results["runs"].values():
        wanted = full_points(WORKLOADS[run["workload"]])
        for one in run["done"]:
            if one["name"] == FIRST and one["points"] is not None and one["points"] != wanted:
                lines.append(
                    f"({run['workload']}) {run['tool']}: {one['points']:g} of {wanted:g} points for the reference"
                )
    return lines


def machine(cores: int) -> dict[str, Any]:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": names[0] if names else platform.machine(),
        "cores": cores,
        "memory": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "linux": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }


def say(line: str) -> None:
    print(line, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workloads", nargs="+", choices=list(WORKLOADS), default=["a", "b", "c"])
    parser.add_argument("--tools", nargs="+", choices=list(TOOLS), default=list(TOOLS))
    parser.add_argument("--repeats", type=int, default=2, help="turns of each tool on each workload (default 2)")
    parser.add_argument("--submissions", type=int, help="a turn, for every tool; default: what keeps it short")
    parser.add_argument("--seed", type=int, default=1, help="of the notebooks (default 1)")
    parser.add_argument("--work", default=str(ROOT / "build" / "benchmarks"), help="where environments and runs go")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--set-up", action="store_true", help="only make the virtual environments")
    only.add_argument("--report", action="store_true", help="only write table and plot from results.json")
    only.add_argument("--resume", action="store_true", help="keep what an interrupted run has measured")
    options = parser.parse_args()
    if options.repeats < 1 or (options.submissions is not None and options.submissions < 2):
        parser.error("at least one repeat, and two submissions: the first shows what starting costs")
    return options


if __name__ == "__main__":
    sys.exit(main())
