"""The summaries as a table in README.md and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from summary import Summary, Target
from workloads import WORKLOADS

from grader.results.results import write_atomically
from tools import TOOLS


def marks(script: str) -> tuple[str, str]:
    """What stands before and after the results of a script in README.md."""
    return f"<!-- written by {script} -->", f"<!-- end of what {script} wrote -->"


def table(found: Mapping[tuple[str, str], Summary], cores: int) -> str:
    """All that was measured, in Markdown: one table a workload."""
    parts = []
    for key, workload in WORKLOADS.items():
        rows = [found[key, tool] for tool in TOOLS if (key, tool) in found]
        if not rows:
            continue
        parts += [f"### ({key}) {workload.title}", ""]
        parts += [f"| | {' | '.join(COLUMNS)} |", f"|---|{'---:|' * len(COLUMNS)}"]
        parts += [
            f"| {TOOLS[row.tool].title.format(cores=cores)} | {' | '.join(_cells(row))} |"
            for row in sorted(rows, key=lambda row: -row.a_minute)
        ]
        ours = found.get((key, "grader"))
        if ours is not None and ours.over_bare is not None and ours.bare:
            parts.append(f"| **the harness's own cost** | | | | | {ours.over_bare:.2f} | | | |")
        parts.append("")
    return "\n".join(parts)


COLUMNS = (
    "seconds a submission, median",
    "a minute, both cores",
    "a minute, start included",
    "seconds to start",
    "CPU seconds a submission",
    "student code",
    "peak memory, MB",
    "submissions",
)


def _cells(row: Summary) -> list[str]:
    starts = TOOLS[row.tool].at_once
    return [
        f"{row.seconds:.2f}",
        f"{row.a_minute:.1f}",
        f"{row.a_minute_whole:.1f}",
        f"{row.start:.1f}" if starts else "–",
        f"{row.cpu:.2f}" + ("" if row.exact else " or more"),
        "100%" if row.tool == "bare" else "–" if row.share is None else f"{row.share:.0%}",
        f"{row.peak / 1e6:.0f}",
        f"{row.submissions}",
    ]


def target_table(targets: Sequence[Target], cores: int) -> str:
    """What was promised; and, for comparison, what was not."""
    rows = [
        f"| {one.text.format(cores=cores)} | {one.wanted or '–'} | {one.found} "
        f"| {'' if not one.wanted else 'yes' if one.kept else '**no**'} |"
        for one in targets
    ]
    return "\n".join(["| | promised | measured | kept |", "|---|---|---:|---|", *rows])


def into_readme(path: Path, script: str, text: str) -> None:
    """Replace what stands between the two marks of a script."""
    begin, end = marks(script)
    old = path.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.count(end) != 1:
        raise ValueError(f"{path}: the marks for the results are not there, once each: {begin} and {end}")
    before, rest = old.split(begin)
    after = rest.partition(end)[2]
    write_atomically(path, f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")


COLOURS = {
    "grader": "#1b6ca8",
    "nbgrader": "#c8553d",
    "nbgrader-parts": "#e0a899",
    "otter": "#5b8c5a",
    "otter-api": "#b3ccb2",
    "bare": "#888888",
}


def plot(found: Mapping[tuple[str, str], Summary], cores: int, path: Path) -> None:
    """Submissions a minute, by workload and tool, on a logarithmic scale: ratios are distances."""
    import matplotlib as mpl

    mpl.use("svg")
    # The same numbers make the same file.
    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    mpl.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    keys = [key for key in WORKLOADS if any(workload == key for workload, _ in found)]
    figure, axes = plt.subplots(1, len(keys), figsize=(4.2 * len(keys), 3.2), squeeze=False, layout="constrained")
    for axis, key in zip(axes[0], keys, strict=True):
        rows = sorted((found[key, tool] for tool in TOOLS if (key, tool) in found), key=lambda row: row.a_minute)
        _bars(axis, rows, cores)
        axis.set_title(f"({key}) {WORKLOADS[key].title}", fontsize=10)
    axes[0][0].set_xlabel("submissions a minute, all cores, once started (logarithmic)", fontsize=8, loc="left")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(axis: Any, rows: Sequence[Summary], cores: int) -> None:
    labels = [TOOLS[row.tool].title.format(cores=cores).replace("`", "").replace(", ", "\n", 1) for row in rows]
    bars = axis.barh(labels, [row.a_minute for row in rows], color=[COLOURS[row.tool] for row in rows])
    axis.bar_label(bars, [f"{row.a_minute:.1f}" for row in rows], padding=2, fontsize=8)
    axis.set_xscale("log")
    axis.margins(x=0.2)
    axis.tick_params(labelsize=7)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
