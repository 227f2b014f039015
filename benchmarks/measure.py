"""Running commands side by side, and what they take together: wall time, CPU time and memory of all their processes.

CPU time is that of a control group (cgroup v2) in which the commands are started: the kernel counts there every
process, also those in a sandbox, those that were killed and those that nobody waited for. Where no group can be made
(it takes root, or a delegated one), it is that of the processes that were waited for, which misses much; `exact` says
which of the two it is.

Memory is the sum of the proportional set sizes (PSS) of all processes, sampled: a page that several processes share
counts once. Reading it costs time in the kernel for each process, so it is read less often where there are many.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import re
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

PERIOD = 0.05
"""Seconds between two looks at the CPU time."""
SHARE = 0.02
"""How much of one core the reading of memory may take."""
SLOWEST = 5.0
"""Seconds between two looks at memory, at most, whatever they take."""


@dataclass(frozen=True)
class Command:
    """A program's arguments, the folder it is run in, and where its output goes."""

    arguments: Sequence[str]
    folder: Path
    log: Path


@dataclass(frozen=True)
class Ended:
    """A command that was run: when, in seconds since the start of all, and its exit status."""

    start: float
    end: float
    status: int


@dataclass
class Measured:
    """What the commands took."""

    started: float
    """Seconds since the epoch."""
    wall: float = 0.0
    cpu: float = 0.0
    exact: bool = True
    peak: int = 0
    """Bytes."""
    lanes: list[list[Ended]] = field(default_factory=list)
    cpu_at: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, and CPU seconds until then."""
    memory_at: list[tuple[float, int]] = field(default_factory=list)

    def cpu_until(self, moment: float) -> float:
        """CPU seconds until `moment` (seconds since the start), interpolated."""
        points = [(0.0, 0.0), *self.cpu_at, (self.wall, self.cpu)]
        place = bisect.bisect_right([time for time, _ in points], moment)
        if place >= len(points):
            return self.cpu
        (t0, c0), (t1, c1) = points[max(place - 1, 0)], points[place]
        return c1 if t1 <= t0 else c0 + (c1 - c0) * (moment - t0) / (t1 - t0)


def run(lanes: Sequence[Sequence[Command]], env: Mapping[str, str], timeout: float) -> Measured:
    """Run the commands of each lane one after another, and all lanes at the same time.

    After `timeout` seconds what still runs is killed; its status says so (-9), and what would follow is left out.
    """
    measured = Measured(started=time.time())
    begin = time.monotonic()
    deadline = begin + timeout
    with Group() as group, _Sampler(group, measured, begin):
        threads = []
        for lane in lanes:
            ended: list[Ended] = []
            measured.lanes.append(ended)
            threads.append(threading.Thread(target=_run_lane, args=(lane, env, group, begin, deadline, ended)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        measured.wall = time.monotonic() - begin
        measured.cpu = group.cpu_seconds()
        measured.exact = group.exact
    return measured


def _run_lane(
    lane: Sequence[Command], env: Mapping[str, str], group: Group, begin: float, deadline: float, ended: list[Ended]
) -> None:
    for command in lane:
        start = time.monotonic()
        if start >= deadline:
            return
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("ab") as log:
            process = subprocess.Popen(
                group.entering(command.arguments),
                cwd=command.folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(deadline - start)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                status = process.wait()
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                raise
        ended.append(Ended(start - begin, time.monotonic() - begin, status))


class Group:
    """A control group of its own for the commands, or none where none can be made."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.before = 0.0

    def __enter__(self) -> Group:
        parent = _own_group()
        if parent is not None:
            with contextlib.suppress(OSError):
                folder = parent / f"benchmark-{os.getpid()}"
                folder.mkdir()
                if (folder / "cpu.stat").exists() and os.access(folder / "cgroup.procs", os.W_OK):
                    self.folder = folder
                else:
                    folder.rmdir()
        self.before = _waited_for()
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        if self.folder is None:
            return
        # A kernel that outlived its command is the command's, and would disturb what is measured next.
        with contextlib.suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1")
        for _ in range(100):
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.05)

    @property
    def exact(self) -> bool:
        return self.folder is not None

    def entering(self, arguments: Sequence[str]) -> list[str]:
        """The command, made to enter the group first, so that nothing it starts can be outside."""
        if self.folder is None:
            return list(arguments)
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.folder / "cgroup.procs"), *arguments]

    def cpu_seconds(self) -> float:
        """User and system time of all that ran in here so far."""
        if self.folder is None:
            return _waited_for() - self.before
        found = re.search(r"usage_usec (\d+)", (self.folder / "cpu.stat").read_text())
        return int(found[1]) / 1e6 if found else 0.0

    def processes(self) -> list[int]:
        """What runs in here now."""
        if self.folder is None:
            return _descendants(os.getpid())
        with contextlib.suppress(OSError):
            return [int(line) for line in (self.folder / "cgroup.procs").read_text().split()]
        return []


class _Sampler:
    """Looks at a group from a thread of its own."""

    def __init__(self, group: Group, measured: Measured, begin: float) -> None:
        self.group = group
        self.measured = measured
        self.begin = begin
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self.over.set()
        self.thread.join()

    def watch(self) -> None:
        due = self.begin
        while not self.over.wait(PERIOD):
            now = time.monotonic()
            self.measured.cpu_at.append((now - self.begin, self.group.cpu_seconds()))
            if now < due:
                continue
            used = time.thread_time()
            size = sum(map(proportional_size, self.group.processes()))
            used = time.thread_time() - used
            self.measured.memory_at.append((now - self.begin, size))
            self.measured.peak = max(self.measured.peak, size)
            due = now + min(SLOWEST, max(5 * PERIOD, used / SHARE))


def proportional_size(pid: int) -> int:
    """The PSS of a process in bytes; 0 where it has ended."""
    try:
        found = re.search(rb"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_bytes(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _own_group() -> Path | None:
    """The folder of this process's control group (version 2); None where there is none."""
    with contextlib.suppress(OSError, StopIteration):
        mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
        mount = next(fields[1] for fields in mounts if fields[2] == "cgroup2")
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        return Path(mount) / next(line[3:] for line in lines if line.startswith("0::")).lstrip("/")
    return None


def _waited_for() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _descendants(pid: int) -> list[int]:
    import psutil

    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []
