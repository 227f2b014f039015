"""One limit on memory for all that a notebook has, however it is spread and hidden; who is over it is told so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
from notebooks import code_notebook

from grader.assignment.assignment import Limits
from grader.execution.checkpoints import Checkpoints
from grader.execution.probe import Crashed
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox

Run = Callable[..., Checkpoints]

MIB = 2**20
HELPERS = """
import ctypes, mmap, os, subprocess, sys, tempfile, threading, time
MIB = 2**20
libc = ctypes.CDLL(None, use_errno=True)
def wait():
    while True:
        time.sleep(600)
def hold(mib):
    pages = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for _ in range(mib):
        pages.write(b"x" * MIB)
    return pages
def children(count, mib, before=lambda: None):
    for _ in range(count):
        if os.fork() == 0:
            before()
            kept = hold(mib)
            wait()
    wait()
def shared(mib):
    pages = mmap.mmap(-1, mib * MIB)
    for _ in range(mib):
        pages.write(b"x" * MIB)
    return pages
def fill(folder, mib):
    file = tempfile.TemporaryFile(dir=folder)
    for _ in range(mib):
        file.write(b"x" * MIB)
    file.flush()
    return file
def memory_files(count, mib):
    files = []
    for number in range(count):
        files.append(os.memfd_create(f"m{number}"))
        for _ in range(mib):
            os.write(files[-1], b"x" * MIB)
    return files
def program(source):
    subprocess.run([sys.executable, "-c", source], stdin=os.pipe()[0])
def daemon():
    os.setsid()
    if os.fork():
        os._exit(0)
"""
HOGS = {
    "the-kernel": "kept = hold(700); wait()",
    "a-thread": "threading.Thread(target=lambda: (hold(700), wait())).start(); wait()",
    "children": "children(7, 100)",
    "children-that-nobody-looks-into": "children(7, 100, lambda: libc.prctl(4, 0, 0, 0, 0))",
    "daemons": "children(7, 100, daemon)",
    "children-that-write-what-they-were-given": "kept = hold(150)\nfor _ in range(5):\n    if os.fork() == 0:\n"
    "        kept.seek(0)\n        for _ in range(150): kept.write(b'y' * MIB)\n        wait()\nwait()",
    "shared-memory": "kept = shared(700); wait()",
    "shared-memory-of-children": "kept = [shared(100) for _ in range(7)]; os.fork(); wait()",
    "a-program": "program('x = bytearray(700 * 2**20); x[::4096] = b\"x\" * (700 * 256); input()')",
}
FILES = {
    "files": "kept = [fill(f, 200) for f in (os.environ['HOME'], '/tmp', '/dev/shm')]; wait()",
    "files-and-processes": "kept = [fill(f, 120) for f in (os.environ['HOME'], '/tmp', '/dev/shm')]; children(3, 100)",
    "memory-files-and-a-process": "kept = memory_files(2, 100), hold(400); wait()",
}
WHY = "stopped: the notebook used more than 0.586 GiB of memory"


@pytest.fixture(scope="module")
def limits(limits: Limits) -> Limits:
    # To write so much takes its time on a busy machine.
    return msgspec.structs.replace(
        limits, total_memory_bytes=600 * MIB, disk_bytes=250 * MIB, cell_cpu_seconds=20, check_cpu_seconds=20
    )


@pytest.fixture(scope="module", params=["require", "none"])
def sandbox(request: pytest.FixtureRequest, limits: Limits) -> Iterator[Sandbox]:
    with Sandbox([], limits, request.param) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def run(sandbox: Sandbox, limits: Limits) -> Run:
    def run(*cells: str) -> Checkpoints:
        stops = [Stop(questions=(str(index),), cells=(index,)) for index in range(len(cells))]
        return Checkpoints(sandbox, run_notebook(sandbox, code_notebook(*cells), stops, (), limits, 1), limits)

    return run


def value(checkpoints: Checkpoints, cell: int, name: str) -> object:
    namespace = checkpoints.namespace(str(cell), seed=1)
    try:
        return namespace.get(name)
    finally:
        namespace._close()


def over(run: Run, hog: str) -> None:
    checkpoints = run(HELPERS, "first = 1", hog, "last = first + 1")
    assert {failure.cell: failure.why for failure in checkpoints.execution.failures} == {2: WHY}
    assert (value(checkpoints, 1, "first"), value(checkpoints, 3, "last")) == (1, 2)
    again = run("x = 3")
    assert again.execution.failures == []
    assert value(again, 0, "x") == 3


@pytest.mark.parametrize("hog", HOGS.values(), ids=HOGS.keys())
def test_a_cell_that_uses_too_much_is_left_out_and_the_others_answer(run: Run, hog: str) -> None:
    over(run, hog)


@pytest.mark.parametrize("hog", FILES.values(), ids=FILES.keys())
def test_files_that_are_held_in_memory_count(run: Run, sandbox: Sandbox, hog: str) -> None:
    if sandbox.level != "bubblewrap":
        pytest.skip("there, files are on a disk, or in memory that others use as well")
    over(run, hog)


@pytest.mark.parametrize(
    "call", ["hold(700)", "shared(700)", "children(7, 100)"], ids=["itself", "shared-memory", "children"]
)
@pytest.mark.parametrize("last", [False, True], ids=["a-fork", "the-checkpoint-itself"])
def test_a_check_that_uses_too_much_is_told_so_and_harms_no_other(run: Run, call: str, last: bool) -> None:
    checkpoints = run(HELPERS, "x = 1", "y = 2")
    namespace = checkpoints.namespace("1", seed=1, last=last)
    with pytest.raises(Crashed, match=r"MemoryError: the code used more than 0.586 GiB of memory"):
        namespace.eval(f"[{call}, wait()]")
    namespace._close()
    assert value(checkpoints, 2, "y") == 2


def test_what_checkpoints_share_counts_once(run: Run) -> None:
    # Each has 250 MiB; and so that it is looked at, a child has more meanwhile than is written anew.
    more = "if os.fork() == 0:\n    kept = hold(120)\n    os._exit(0)\nos.wait()"
    cells = [HELPERS, "data = hold(250)", *[f"x{number} = 1\n{more}" for number in range(6)]]
    checkpoints = run(*cells)
    assert checkpoints.execution.failures == []
    assert value(checkpoints, 7, "x5") == 1


def test_memory_files_are_limited_and_do_what_they_should(run: Run, sandbox: Sandbox) -> None:
    cell = """
one = os.memfd_create("name")
os.write(one, b"abc")
assert os.pread(one, 10, 0) == b"abc" and not os.get_inheritable(one)
assert mmap.mmap(one, 3)[:] == b"abc"
child = subprocess.run(["cat", f"/proc/self/fd/{os.memfd_create('x', 0)}"], close_fds=False).returncode
raw = libc.syscall({"x86_64": 319, "aarch64": 279}[os.uname().machine], b"name", 0), ctypes.get_errno()
try:
    memory_files(3, 200)
    enough = False
except OSError:
    enough = True
"""
    checkpoints = run(HELPERS, cell)
    assert checkpoints.execution.failures == []
    assert list(checkpoints.execution.notebook.cells[1].outputs) == []
    assert value(checkpoints, 1, "raw") == (-1, 38)
    assert value(checkpoints, 1, "child") == 0
    assert value(checkpoints, 1, "enough") is (sandbox.level == "bubblewrap")
