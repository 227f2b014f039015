"""What the runs of a tool come to: plain numbers from plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

from measure import Measured

from tools import TOOLS, Done, Tool


@dataclass(frozen=True)
class Run:
    """One run of one tool on some submissions, as it is stored. Times in seconds, memory in bytes."""

    workload: str
    tool: str
    repeat: int
    width: int
    wall: float
    cpu: float
    exact: bool
    peak: int
    done: list[Done]
    start_wall: float
    """Until each lane had graded its first submission; 0 where each command grades one submission only."""
    start_cpu: float
    end_cpu: float
    """CPU seconds until the last submission was done: ending, like starting, costs the same for any class."""
    started: int
    """How many submissions were graded by then."""

    @property
    def rest_wall(self) -> float:
        return max((one.end for one in self.done), default=0.0) - self.start_wall


def run_of(workload: str, tool: Tool, repeat: int, width: int, measured: Measured, done: Sequence[Done]) -> Run:
    """What to keep of a run: where a command grades many, its start and what follows are told apart.

    The first submissions, as many as are graded at a time (`width`), are part of the start: they also pay for all that
    is imported late.
    """
    ordered = sorted(done, key=lambda one: one.end)
    first = _first(tool, ordered, width)
    start = ordered[first - 1].end if first else 0.0
    return Run(
        workload=workload,
        tool=tool.key,
        repeat=repeat,
        width=width,
        wall=measured.wall,
        cpu=measured.cpu,
        exact=measured.exact,
        peak=measured.peak,
        done=ordered,
        start_wall=start,
        start_cpu=measured.cpu_until(start) if first else 0.0,
        end_cpu=measured.cpu_until(ordered[-1].end),
        started=first,
    )


def _first(tool: Tool, done: Sequence[Done], width: int) -> int:
    return min(width, len(done) - 1) if tool.at_once and len(done) > 1 else 0


@dataclass(frozen=True)
class Summary:
    """One tool on one workload, over all repeats."""

    workload: str
    tool: str
    submissions: int
    seconds: float
    """A submission by itself, the median."""
    a_minute: float
    """Submissions a minute, once started."""
    a_minute_whole: float
    """The same for the whole runs, start included."""
    start: float
    """Seconds until the first submissions are done."""
    cpu: float
    """CPU seconds a submission, once started."""
    bare: float | None
    """CPU seconds of the student code alone in the same submissions; None where that was not measured."""
    peak: int
    exact: bool
    points: float | None
    """The mean of the points."""

    @property
    def over_bare(self) -> float | None:
        return None if self.bare is None else self.cpu - self.bare

    @property
    def share(self) -> float | None:
        """How much of the CPU time is student code."""
        return None if self.bare is None else self.bare / self.cpu


def bare_cpu(runs: Sequence[Run]) -> dict[str, float]:
    """CPU seconds of the student code of each submission alone: the median of its runs."""
    seconds: dict[str, list[float]] = {}
    for run in runs:
        if run.tool == "bare":
            for one in run.done:
                if one.cpu is not None:
                    seconds.setdefault(one.name, []).append(one.cpu)
    return {name: median(values) for name, values in seconds.items()}


def summarise(runs: Sequence[Run], bare: Mapping[str, float]) -> Summary:
    """Sum up the runs of one tool on one workload: means weighted by submissions, so that short runs count little."""
    first = runs[0]
    after = [one for run in runs for one in run.done[run.started :]]
    rest_wall = sum(run.rest_wall for run in runs)
    alone = [bare[one.name] for one in after if one.name in bare]
    points = [one.points for run in runs for one in run.done if one.points is not None]
    seconds = [one.seconds for one in after if one.seconds is not None]
    cpu = sum(run.end_cpu - run.start_cpu for run in runs) / len(after)
    if first.tool == "bare":
        # Of each process by itself: the one that forks them is not student code.
        cpu = mean(one.cpu for one in after if one.cpu is not None)
    return Summary(
        workload=first.workload,
        tool=first.tool,
        submissions=sum(len(run.done) for run in runs),
        seconds=median(seconds) if seconds else rest_wall / len(after),
        a_minute=60 * len(after) / rest_wall,
        a_minute_whole=60 * sum(len(run.done) for run in runs) / sum(run.wall for run in runs),
        start=mean(run.start_wall for run in runs),
        cpu=cpu,
        bare=mean(alone) if alone and len(alone) == len(after) else None,
        peak=max(run.peak for run in runs),
        exact=all(run.exact for run in runs),
        points=mean(points) if points else None,
    )


@dataclass(frozen=True)
class Target:
    """Something that was promised, and whether it is kept; where `wanted` is empty, something to compare that with."""

    text: str
    wanted: str
    found: str
    kept: bool


def targets(found: Mapping[tuple[str, str], Summary]) -> list[Target]:
    """What can be judged of the promises, from the summaries by workload and tool."""
    rows = []
    for workload, tool, times in (
        ("a", "nbgrader", 8),
        ("a", "nbgrader-parts", None),
        ("a", "otter", 20),
        ("a", "otter-api", None),
        ("b", "nbgrader", 4),
        ("b", "nbgrader-parts", None),
        ("b", "otter", 4),
        ("b", "otter-api", None),
    ):
        ours, theirs = found.get((workload, "grader")), found.get((workload, tool))
        if ours and theirs:
            ratio = ours.a_minute / theirs.a_minute
            text = f"({workload}) submissions a minute, in times those of {TOOLS[tool].title}"
            wanted = f"at least {times}" if times else ""
            rows.append(Target(text, wanted, f"{ratio:.1f}", not times or ratio >= times))
    for workload, most in (("a", 0.3), ("b", 1.2)):
        ours = found.get((workload, "grader"))
        if ours and ours.over_bare is not None:
            text = f"({workload}) the harness's own CPU seconds a submission"
            rows.append(Target(text, f"under {most}", f"{ours.over_bare:.2f}", ours.over_bare < most))
    ours, bare = found.get(("c", "grader")), found.get(("c", "bare"))
    if ours and bare and ours.over_bare is not None and ours.bare:
        share = ours.over_bare / ours.bare
        text = "(c) CPU time over that of the bare student code"
        rows.append(Target(text, "at most 10%", f"{share:.1%}", share <= 0.1))
        slower = bare.a_minute / ours.a_minute - 1
        text = "(c) wall time over that of the bare student code, both cores busy"
        rows.append(Target(text, "at most 10%", f"{slower:.1%}", slower <= 0.1))
    return rows
