"""Grade a whole class in one go, and see whether memory stays flat and time linear.

    .venv/bin/python benchmarks/scale.py                       300 submissions, `-j 2`
    .venv/bin/python benchmarks/scale.py --submissions 30      a quick look

The submissions are variants, mutants and broken files, all different, made from a seed (see workloads.py).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import measure
import numpy as np
import page
from measure import Command, Measured
from workloads import REFUSED, ROOT, WORKLOADS, Workload, class_of, full_points, material

from grader.results.results import SubmissionResult, read_result, write_atomically

HERE = Path(__file__).resolve().parent
TIMEOUT = 4 * 3600.0

LOOP_SECONDS = 20
"""CPU seconds that a cell gets here."""
FLAT = 0.10
"""By how much memory in the last third of a run may exceed that in the one before, where it is to be called flat."""
SLOWER = 0.15
"""By how much a submission may take longer in the last tenth than in the first, where time is to be called linear."""
STRAIGHT = 0.05
"""How far from a straight line the time so far may be, in parts of the whole time, where it is to be called linear."""


def main() -> int:
    options = arguments()
    workload = WORKLOADS[options.workload]
    folder = Path(options.work).resolve() / "scale"
    shutil.rmtree(folder, ignore_errors=True)
    names = write_class(folder / "submissions", workload, options.submissions, options.seed)
    print(f"grading {len(names)} submissions with -j {options.jobs}", flush=True)
    measured = grade(folder, write_rubric(folder / "rubric", workload), options.jobs)
    found = judge(folder, workload, names, measured)
    found["settings"] = {"workload": options.workload, "jobs": options.jobs, "seed": options.seed}
    write_atomically(HERE / "scale.json", json.dumps(found, indent=1) + "\n")
    plot(found, HERE / "scale.svg")
    text = "\n".join(f"- {one}" for one in lines(found))
    page.into_readme(HERE / "README.md", "scale.py", f"{text}\n\n![Submissions and memory over time](scale.svg)")
    print("\n".join(lines(found)))
    return int(not found["fine"])


def write_class(folder: Path, workload: Workload, count: int, seed: int) -> list[str]:
    folder.mkdir(parents=True)
    names = []
    for name, content in class_of(workload, count, seed):
        (folder / f"{name}.ipynb").write_bytes(content)
        names.append(name)
    return names


def write_rubric(folder: Path, workload: Workload) -> Path:
    """A copy of the rubric that ends an endless loop sooner: with minutes for each, nothing else would be seen."""
    assignment = material(workload.rubric_folder).assignment
    shutil.copytree(workload.rubric_folder, folder)
    path = folder / "rubric.toml"
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^reference = .*$", f"reference = {json.dumps(str(assignment.reference))}", text, flags=re.MULTILINE)
    text = re.sub(r"^cell_cpu_seconds = .*$", f"cell_cpu_seconds = {LOOP_SECONDS}", text, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    return folder


def grade(folder: Path, rubric: Path, jobs: int) -> Measured:
    program = str(Path(sys.executable).parent / "grader")
    arguments = [program, "grade", "submissions", "--rubric", str(rubric), "-j", str(jobs)]
    command = Command([*arguments, "-o", "results", "--seed", "1"], folder, folder / "log.txt")
    return measure.run([[command]], os.environ, TIMEOUT)


def judge(folder: Path, workload: Workload, names: Sequence[str], measured: Measured) -> dict[str, Any]:
    """What the run comes to: by status, and memory and time along the way."""
    results = {name: _result(folder / "results" / name) for name in names}
    ends = {
        name: (folder / "results" / name / "result.json").stat().st_mtime - measured.started
        for name, result in results.items()
        if result is not None
    }
    statuses = {name: "no result" if result is None else result.status for name, result in results.items()}
    # What is no notebook is to be refused, with a line that says why; a notebook is to be graded, whatever is in it.
    wanted = {name: "unreadable" if name.partition("-")[2] in REFUSED else "graded" for name in names}
    errors = [f"{name}: {statuses[name]}" for name in names if statuses[name] != wanted[name]]
    # Where one cell more is all that is broken, the right answers around it keep their points.
    full = full_points(workload)
    errors += [
        f"{name}: {result.code_points:g} of {full:g} points"
        for name, result in results.items()
        if "-" in name and result is not None and result.status == "graded" and result.code_points != full
    ]
    codes = [ended.status for lane in measured.lanes for ended in lane]
    if codes not in ([0], [1]):
        errors.append(f"exit status {codes}: see {folder / 'log.txt'}")
    if not ends:
        raise SystemExit("\n".join(errors))
    in_order = sorted(ends, key=lambda name: ends[name])
    moments = [ends[name] for name in in_order]
    # Before the first result the workers start, and after the last one they have ended.
    memory = thirds([size for moment, size in measured.memory_at if moments[0] <= moment <= moments[-1]])
    slope, intercept, deviation = line(moments)
    # Broken ones are few, and take as long as they like: an endless loop takes what it gets.
    seconds = [sum(result.timings.values()) for name in in_order if "-" not in name and (result := results[name])]
    tenths = first_and_last(seconds)
    flat = memory[2] <= memory[1] * (1 + FLAT)
    linear = tenths[1] <= tenths[0] * (1 + SLOWER) and deviation <= STRAIGHT * moments[-1]
    return {
        "submissions": len(names),
        "statuses": {status: list(statuses.values()).count(status) for status in sorted(set(statuses.values()))},
        "broken": {name: statuses[name] for name in names if "-" in name},
        "errors": errors,
        "exit": codes,
        "wall": measured.wall,
        "cpu": measured.cpu,
        "cpu_exact": measured.exact,
        "cpu_a_submission": measured.cpu / len(names),
        "peak": measured.peak,
        "memory_thirds": memory,
        "memory_at": measured.memory_at,
        "ends": moments,
        "seconds_a_submission": slope,
        "seconds_to_start": intercept,
        "largest_deviation": deviation,
        "seconds_in_first_tenth": tenths[0],
        "seconds_in_last_tenth": tenths[1],
        "flat": flat,
        "linear": linear,
        "fine": flat and linear and not errors,
    }


def _result(folder: Path) -> SubmissionResult | None:
    path = folder / "result.json"
    return read_result(path) if path.exists() else None


def thirds(sizes: Sequence[int]) -> list[float]:
    """The median of each third, in bytes; zeros where there are too few."""
    if len(sizes) < 3:
        return [0.0, 0.0, 0.0]
    return [float(np.median(part)) for part in np.array_split(np.array(sizes, dtype=float), 3)]


def line(ends: Sequence[float]) -> tuple[float, float, float]:
    """The straight line through (submissions done, seconds): slope, intercept, and the largest deviation in seconds."""
    if len(ends) < 2:
        return 0.0, 0.0, 0.0
    done = np.arange(1, len(ends) + 1)
    slope, intercept = np.polyfit(done, np.array(ends), 1)
    deviation = np.abs(np.array(ends) - (slope * done + intercept)).max()
    return float(slope), float(intercept), float(deviation)


def first_and_last(seconds: Sequence[float]) -> tuple[float, float]:
    """The medians of the first and of the last tenth."""
    size = max(1, len(seconds) // 10)
    return float(np.median(seconds[:size])), float(np.median(seconds[-size:]))


def lines(found: Mapping[str, Any]) -> list[str]:
    """The result, for people."""
    statuses = ", ".join(f"{count} {status}" for status, count in found["statuses"].items())
    memory = ", ".join(f"{size / 1e6:.0f}" for size in found["memory_thirds"])
    return [
        f"{found['submissions']} submissions in {found['wall'] / 60:.1f} minutes: {statuses}",
        f"time: {found['seconds_a_submission']:.2f} s a submission, never more than {found['largest_deviation']:.1f} s "
        f"off a straight line; by itself, one that is not broken takes {found['seconds_in_first_tenth']:.2f} s in the "
        f"first tenth and {found['seconds_in_last_tenth']:.2f} s in the last, the median "
        f"({'linear' if found['linear'] else 'NOT LINEAR'})",
        f"CPU: {found['cpu_a_submission']:.2f} s a submission, start included",
        f"memory: peak {found['peak'] / 1e6:.0f} MB; median of each third {memory} MB "
        f"({'flat' if found['flat'] else 'NOT FLAT'})",
        *(f"error: {name}" for name in found["errors"]),
    ]


def plot(found: Mapping[str, Any], path: Path) -> None:
    """Submissions done and memory, over time."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    mpl.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(7, 4), sharex=True, layout="constrained")
    above.plot(np.array(found["ends"]) / 60, np.arange(1, len(found["ends"]) + 1), color="#1b6ca8")
    above.set_ylabel("submissions done")
    moments, sizes = np.array(found["memory_at"], dtype=float).reshape(-1, 2).T
    below.plot(moments / 60, sizes / 1e6, color="#c8553d")
    below.set_ylim(bottom=0)
    below.set_ylabel("memory, MB (PSS)")
    below.set_xlabel("minutes")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=300)
    parser.add_argument("--workload", choices=list(WORKLOADS), default="b")
    parser.add_argument("--jobs", "-j", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default=str(ROOT / "build" / "benchmarks"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
