"""What processes hold in memory together: what they share counts once, whatever they do to hide it."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.inside import memory
from grader.inside.memory import Usage

MIB = 2**20
SLACK = 40 * MIB
"""What else there is to a Python process."""
SIZE = 128 * MIB


@contextlib.contextmanager
def forked(*actions: Callable[[], object]) -> Iterator[list[int]]:
    """A process for each action, which has done it and keeps what came of it."""
    pids = []
    for action in actions:
        ready, done = os.pipe()
        pid = os.fork()
        if pid == 0:
            kept = action()
            os.write(done, b"x")
            os.read(os.pipe()[0], 1)
            del kept
        os.close(done)
        assert os.read(ready, 1) == b"x"
        os.close(ready)
        pids.append(pid)
    try:
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def written(size: int = SIZE) -> mmap.mmap:
    """Memory of its own, apart from Python's, with something in each page."""
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.write(b"x" * size)
    return pages


def test_what_is_shared_by_forks_counts_once() -> None:
    pages = written()
    # Not all that it has: other tests may have left forks of this process, which share in it.
    alone = Usage().measure([os.getpid()], 0, enough=0)
    with forked(*[lambda: None] * 4) as pids:
        every = [os.getpid(), *pids]
        assert Usage().measure(every, 0, enough=2**60) > 5 * SIZE
        exact = Usage().measure(every, 0, enough=0)
        assert alone - SLACK < exact
        assert exact < Usage().measure([os.getpid()], 0, enough=2**60) + SIZE
    pages.close()


def test_what_a_fork_writes_is_its_own() -> None:
    pages = written()
    usage = Usage()
    with forked(lambda: None, lambda: pages.seek(0) or pages.write(b"y" * SIZE)) as (idle, busy):
        both = usage.measure([idle, busy], 0, enough=0)
        assert usage.largest([idle, busy]) == busy
        assert both > SIZE * 1.4
    pages.close()


def test_a_process_that_goes_on_is_measured_again() -> None:
    usage = Usage()
    start, told = os.pipe()
    finished, done = os.pipe()

    def grow() -> None:
        if os.fork():
            return
        os.read(start, 1)
        kept = written()
        os.write(done, b"x")
        os.read(os.pipe()[0], 1)
        del kept

    with forked(grow) as [pid]:
        child = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        before = usage.measure([child], 0, enough=0)
        os.write(told, b"x")
        os.read(finished, 1)
        assert usage.measure([child], 0, enough=0) > before + SIZE - SLACK
        os.kill(child, 9)


def undumpable() -> object:
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    return written()


def shared() -> mmap.mmap:
    pages = mmap.mmap(-1, SIZE)
    pages.write(b"x" * SIZE)
    return pages


@pytest.mark.parametrize("action", [written, undumpable, shared])
def test_memory_counts_whatever_its_kind(action: Callable[[], object]) -> None:
    with forked(action) as pids:
        assert Usage().measure(pids, 0, enough=0) > SIZE
        assert Usage().measure(pids, 0, enough=2**60) > SIZE


def test_a_file_that_is_mapped_does_not_count_twice() -> None:
    with forked(shared) as pids:
        alone = Usage().measure(pids, 0, enough=2**60)
        assert Usage().measure(pids, SIZE, enough=2**60) < alone + SLACK
        assert Usage().measure(pids, 3 * SIZE, enough=2**60) > alone + SIZE


def test_files_count_as_long_as_they_are_open(tmp_path: Path) -> None:
    folder = "/dev/shm"
    before = memory.of_file_systems([folder, folder])
    descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, SIZE)
        assert SIZE * 0.5 < memory.of_file_systems([folder, folder]) - before < SIZE * 1.5
    finally:
        os.close(descriptor)


def test_who_has_ended_has_nothing() -> None:
    with forked(lambda: None) as pids:
        pass
    assert Usage().measure(pids, 0, enough=0) == 0
