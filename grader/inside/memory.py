"""What the processes of a sandbox hold in memory all together, as far as Linux tells it without a control group.

Memory that several processes share is counted once. It takes Linux long to tell how much that is, so it is asked only
where the sum without sharing is over the limit, and only about processes that have got or lost some since.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from grader.inside import processes

KIB = 1024
Stamp = tuple[int, ...]


class Usage:
    """Measures again and again, and remembers what has not changed."""

    def __init__(self) -> None:
        self.shares: dict[int, tuple[Stamp, int, int]] = {}
        """For each process: what tells whether it is as it was, and its share of private and of shared memory."""

    def measure(self, pids: Iterable[int], files: int, enough: int) -> int:
        """The bytes that these processes and `files` bytes of files in memory take.

        What is mapped of these files is not counted twice. An upper bound, where that is not over `enough`.
        """
        counted = {pid: _resident(pid) for pid in pids}
        total = _sum(counted.values(), files)
        if total > enough and counted.keys() == self.shares.keys():
            total = self._exact(counted, files)
        if total > enough:
            # What others have made or dropped since changes the share of who has done nothing.
            self.shares = {}
            total = self._exact(counted, files)
        return total

    def _exact(self, counted: dict[int, tuple[int, int]], files: int) -> int:
        for pid, whole in counted.items():
            stamp = (*whole, *_faults(pid))
            if pid not in self.shares or self.shares[pid][0] != stamp:
                self.shares[pid] = (stamp, *_share(pid))
        return _sum([(private, shared) for _, private, shared in self.shares.values()], files)

    def largest(self, pids: Iterable[int]) -> int:
        """Of these processes, the one with the largest share when last measured."""
        return max(pids, key=lambda pid: sum(self.shares[pid][1:]) if pid in self.shares else 0)


def _sum(processes: Iterable[tuple[int, int]], files: int) -> int:
    private = shared = 0
    for of_process, of_all in processes:
        private += of_process
        shared += of_all
    return private + max(shared, files)


def _resident(pid: int) -> tuple[int, int]:
    """A process's memory that is no file's on a disk, and that of it which others can share; swapped out or not."""
    values = _read(f"/proc/{pid}/status", (b"RssAnon", b"VmSwap", b"RssShmem"))
    return values[0] + values[1], values[2]


def _share(pid: int) -> tuple[int, int]:
    """The same, where each page counts for a process as much less as there are others that have it.

    The whole of what it has now, where it may not be looked at: a process can see to that for itself, and shall gain
    nothing by it. One that has ended meanwhile has nothing.
    """
    try:
        private, swapped, shared = _read(f"/proc/{pid}/smaps_rollup", (b"Pss_Anon", b"SwapPss", b"Pss_Shmem"), True)
    except OSError:
        return _resident(pid)
    return private + swapped, shared


def _faults(pid: int) -> tuple[int, ...]:
    """How often a process had a page made for it, or a copy of one that others have."""
    try:
        stat = processes.fields(pid)
        return int(stat[7]), int(stat[9])
    except (OSError, IndexError):
        return ()


def _read(path: str, names: tuple[bytes, ...], strict: bool = False) -> list[int]:
    """The bytes that such a table in /proc gives for these names. Raises OSError where `strict`."""
    values = dict.fromkeys(names, 0)
    with contextlib.ExitStack() as stack:
        if not strict:
            stack.enter_context(contextlib.suppress(OSError))
        with open(path, "rb") as table:
            for line in table:
                name, _, rest = line.partition(b":")
                if name in values:
                    values[name] = int(rest.split()[0]) * KIB
    return list(values.values())


def of_file_systems(folders: Iterable[str]) -> int:
    """The bytes of all files that are held in memory by the file systems of these folders, open ones included."""
    used: dict[int, int] = {}
    for folder in folders:
        with contextlib.suppress(OSError):
            found = os.statvfs(folder)
            used[os.stat(folder).st_dev] = (found.f_blocks - found.f_bfree) * found.f_frsize
    return sum(used.values())
