"""Running notebooks: a cell may do what it likes, the cells after it run and the checkpoints answer."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import zmq
from notebooks import code_notebook

from grader.assignment.assignment import Limits
from grader.execution import runner
from grader.execution.checkpoints import Checkpoints
from grader.execution.probe import CheckpointLost
from grader.execution.runfolder import SandboxError
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox

Run = Callable[..., Checkpoints]

FIRST = "first = 1"
LAST = "last = first + 1"
MIB = 2**20


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "GRACE_CPU_SECONDS", 0.5)


def value(checkpoints: Checkpoints, cell: int | str, name: str) -> Any:
    namespace = checkpoints.namespace(str(cell), seed=1)
    try:
        return namespace.get(name)
    finally:
        namespace._close()


def text(checkpoints: Checkpoints, cell: int) -> str:
    """What a cell has printed."""
    outputs = checkpoints.execution.notebook.cells[cell].outputs
    return "".join(output.text for output in outputs if output.output_type == "stream")


def errors(checkpoints: Checkpoints, cell: int) -> list[str]:
    outputs = checkpoints.execution.notebook.cells[cell].outputs
    return [output.ename for output in outputs if output.output_type == "error"]


def failures(checkpoints: Checkpoints) -> dict[int, str]:
    return {failure.cell: failure.why for failure in checkpoints.execution.failures}


FORGE = """
import time
kernel = get_ipython().kernel
for message in (
    [b""], [b"x"] * 9, [b"\\xff" * 100], [b"<IDS|MSG>"], [b"a", b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"],
    [b"a", b"<IDS|MSG>", b"0" * 64, b"nonsense", b"[", b"null", b"\\0"],
):
    kernel.iopub_socket.send_multipart(message)
"""
IDLE = """
kernel = get_ipython().kernel
parent = kernel.get_parent()
kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent)
kernel.session.send(kernel.iopub_socket, "stream", {"name": 7}, parent)
kernel.session.send(kernel.iopub_socket, "display_data", {"data": []}, parent)
kernel.session.send(kernel.iopub_socket, "no_such_type", None, parent)
"""
HARMLESS = {
    "sys.exit": "import sys; sys.exit()",
    "sys.exit-with-code": "import sys; sys.exit(3)",
    "exit": "exit()",
    "quit": "quit()",
    "shutdown": "get_ipython().kernel.do_shutdown(True)",
    "shutdown-of-the-application": "import IPython; IPython.Application.instance().kernel.do_shutdown(restart=True)",
    "exit-now": "get_ipython().exit_now = True",
    "exit-magic": "get_ipython().run_cell('exit')",
    "kept-exit": "quit(keep_kernel=False)",
    "loop-stopped": "get_ipython().kernel.io_loop.stop()",
    "loop-stopped-later": "import asyncio; loop = asyncio.get_event_loop(); loop.call_soon(loop.stop)",
    "kill-magic": "%killbgscripts",
    "application-exit": "import IPython; IPython.Application.instance().exit()",
    "raises-SystemExit-subclass": "class Bye(SystemExit): pass\nraise Bye",
    "kills-its-parent": "import os; os.kill(os.getppid(), 9)",
    "kills-pid-1": "import os; os.kill(1, 9)",
    "terminates-pid-1": "import os; os.kill(1, 15)",
    "stops-pid-1": "import os; os.kill(1, 19)",
    "segfault-in-a-child": "import os, ctypes\nif not os.fork():\n    ctypes.string_at(8, 8)",
    "input": "input('name?')",
    "getpass": "import getpass; getpass.getpass()",
    "bad-syntax": "def (",
    "closed-stdout": "import sys; sys.stdout.close()",
    "closed-descriptor-1": "import os; os.close(1)",
    "closed-descriptors-0-to-2": "import os; os.closerange(0, 3)",
    "other-folder": "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
    "raising-repr": "class R:\n    def __repr__(self): raise SystemExit\nR()",
    "false-idle": IDLE,
    "hooks-that-raise": "get_ipython().events.register('post_run_cell', lambda *a: 1 / 0)",
    "asyncio-stop": "import asyncio; asyncio.get_event_loop().call_soon(lambda: 1 / 0)",
    "atexit": "import atexit, os; atexit.register(os._exit, 0)",
    "raised-recursion-limit": "import sys; sys.setrecursionlimit(10**9)",
    "os-fork-patched": "import os; os.fork = lambda: 0",
    "posix-fork-patched": "import os, posix; os.fork = posix.fork = lambda: 1 / 0",
    "much-of-os-patched": "import os\n"
    "for name in ('dup2', 'open', 'kill', 'wait4', 'waitpid', 'pidfd_open', '_exit'): setattr(os, name, None)",
    "sockets-patched": "import socket, select\nsocket.socket = select.poll = None",
    "signals-patched": "import signal; signal.signal = signal.set_wakeup_fd = None",
    "limits-patched": "import resource; resource.setrlimit = resource.getrlimit = None",
    "hook-before-fork-raises": "import os; os.register_at_fork(before=lambda: 1 / 0)",
    "hook-before-fork-exits": "import os; os.register_at_fork(before=lambda: os._exit(0))",
    "hook-before-fork-waits": "import os, time; os.register_at_fork(before=lambda: time.sleep(10**6))",
    "hook-in-child-exits": "import os, functools; os.register_at_fork(after_in_child=functools.partial(os._exit, 0))",
    "hook-in-parent-exits": "import os, posix; posix.register_at_fork(after_in_parent=lambda: os._exit(0))",
    "many-threads": "import threading, time\n"
    "for _ in range(200): threading.Thread(target=time.sleep, args=(999,), daemon=True).start()",
    "many-processes": "import subprocess\nfor _ in range(200): subprocess.Popen(['sleep', '999'])",
    "many-files": "files = []\nwhile True: files.append(open('/dev/null'))",
    "many-sockets": "import socket\nsockets = []\nwhile True: sockets.append(socket.socketpair())",
}
DEADLY = {
    "os._exit": ("import os; os._exit(0)", "exit status 0"),
    "kills-itself": ("import os; os.kill(os.getpid(), 15)", "SIGTERM|exit status"),
    "segfault": ("import ctypes; ctypes.string_at(8, 8)", "SIGSEGV"),
    "abort": ("import os; os.abort()", "SIGABRT"),
    "execs": ("import os; os.execv('/bin/true', ['true'])", "exit status 0"),
}


@pytest.mark.parametrize("source", HARMLESS.values(), ids=HARMLESS.keys())
def test_the_notebook_goes_on_after(run: Run, source: str) -> None:
    checkpoints = run(FIRST, source, LAST)
    assert failures(checkpoints) == {}
    assert checkpoints.execution.finished
    assert value(checkpoints, 0, "first") == 1
    assert value(checkpoints, 2, "last") == 2


ENDS = [
    "exit()",
    "quit()",
    "exit",
    "get_ipython().ask_exit()",
    "get_ipython().kernel.do_shutdown(False)",
    "get_ipython().exit_now = True",
]


@pytest.mark.parametrize("end", ENDS)
def test_exit_takes_no_later_cell_along(run: Run, end: str) -> None:
    """The loop of a kernel that is to end stops a tenth of a second later: in the middle of the next cells."""
    pause = "import time; time.sleep(0.3)"
    checkpoints = run(FIRST, end, pause, pause, LAST)
    assert failures(checkpoints) == {}
    assert value(checkpoints, 4, "last") == 2
    assert checkpoints.execution.notes == [
        "Cell 2 asks for the end of its kernel, or for a restart; that was left out."
    ]
    assert "that is left out" in text(checkpoints, 1)


def test_reset_forgets_the_names_and_nothing_else(run: Run) -> None:
    checkpoints = run(FIRST, "%reset -f", "try:\n    first\nexcept NameError:\n    last = 2")
    assert value(checkpoints, 0, "first") == 1
    assert value(checkpoints, 2, "last") == 2


MODULES = {
    "written by a magic": ("%%writefile helpers.py\nfactor = 2", "from helpers import factor"),
    "written twice": (
        "open('helpers.py', 'w').write('factor = 1')\nimport helpers\nopen('helpers.py', 'w').write('factor = 10 - 8')",
        "import importlib; importlib.reload(helpers); factor = helpers.factor",
    ),
    "missed at first": (
        "try:\n    import helpers\nexcept ImportError:\n    open('helpers.py', 'w').write('factor = 2')",
        "from helpers import factor",
    ),
    "a package": (
        "import os; os.mkdir('mine'); open('mine/__init__.py', 'w').write('factor = 2')",
        "from mine import factor",
    ),
    "of the standard library's name": (
        "open('random.py', 'w').write('raise SystemExit')",
        "import random; factor = random.randint(2, 2)",
    ),
    "of a preloaded library's name": (
        "open('numpy.py', 'w').write('raise SystemExit')",
        "import numpy; factor = int(numpy.full(3, 2)[0])",
    ),
    "in another folder": (
        "import os; os.mkdir('code'); os.chdir('code'); open('helpers.py', 'w').write('factor = 2')",
        "from helpers import factor",
    ),
}


@pytest.mark.parametrize(("write", "use"), MODULES.values(), ids=MODULES.keys())
def test_a_module_that_the_notebook_writes_can_be_imported(run: Run, write: str, use: str) -> None:
    checkpoints = run(write, use)
    assert errors(checkpoints, 0) == errors(checkpoints, 1) == []
    assert value(checkpoints, 1, "factor") == 2
    assert errors(run("import helpers"), 0) == ["ModuleNotFoundError"]


@pytest.mark.parametrize(("source", "why"), DEADLY.values(), ids=DEADLY.keys())
def test_a_cell_that_ends_the_kernel_is_left_out(run: Run, source: str, why: str) -> None:
    checkpoints = run(FIRST, source, LAST)
    assert list(failures(checkpoints)) == [1]
    assert re.search(why, failures(checkpoints)[1])
    assert failures(checkpoints)[1] in text(checkpoints, 1)
    assert checkpoints.execution.notebook.cells[1].source == source
    assert checkpoints.execution.finished
    assert value(checkpoints, 0, "first") == 1
    assert value(checkpoints, 2, "last") == 2


def test_a_cell_that_sends_malformed_messages_is_left_out(run: Run) -> None:
    checkpoints = run(FIRST, FORGE, LAST)
    assert list(failures(checkpoints)) == [1]
    assert "messages" in failures(checkpoints)[1]
    assert value(checkpoints, 2, "last") == 2


def test_a_cell_that_kills_every_process_loses_only_its_own_earlier_checkpoints(run: Run, sandbox: Sandbox) -> None:
    if sandbox.level != "bubblewrap":
        pytest.skip("there, nobody can kill every process")
    checkpoints = run(FIRST, "import os; os.kill(-1, 9)", LAST)
    with pytest.raises(CheckpointLost):
        value(checkpoints, 0, "first")
    assert value(checkpoints, 2, "last") == 2
    assert value(run(FIRST), 0, "first") == 1


def test_an_endless_loop_is_interrupted_and_its_output_kept(run: Run, limits: Limits) -> None:
    limits = msgspec.structs.replace(limits, cell_cpu_seconds=0.5)
    checkpoints = run(FIRST, "made = 5\nprint('so far', flush=True)\nwhile True: pass", LAST, limits=limits)
    assert list(failures(checkpoints)) == [1]
    assert "0.5 seconds of CPU time" in failures(checkpoints)[1]
    assert "so far" in text(checkpoints, 1)
    assert failures(checkpoints)[1] in text(checkpoints, 1)
    assert value(checkpoints, 1, "made") == 5
    assert value(checkpoints, 2, "last") == 2


def test_an_endless_loop_that_ignores_the_interrupt_is_killed_and_left_out(run: Run, limits: Limits) -> None:
    limits = msgspec.structs.replace(limits, cell_cpu_seconds=0.5)
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nmade = 5\nwhile True: pass"
    checkpoints = run(FIRST, stubborn, LAST, limits=limits)
    assert list(failures(checkpoints)) == [1]
    assert "CPU time" in failures(checkpoints)[1]
    namespace = checkpoints.namespace("2", seed=1)
    assert not namespace.has("made")
    assert namespace.last == 2
    namespace._close()


def test_a_sleeping_cell_is_stopped_by_the_wall_time(run: Run, limits: Limits) -> None:
    limits = msgspec.structs.replace(limits, cell_wall_seconds=0.5)
    checkpoints = run(FIRST, "import time; time.sleep(10**6)", LAST, limits=limits)
    assert "within 0.5 seconds" in failures(checkpoints)[1]
    assert value(checkpoints, 2, "last") == 2


FLOODS = {
    "print": "for _ in range(1024): print('x' * 2**20)",
    "many-small-prints": "for i in range(10**5): print(i)",
    "descriptor": "import os\nblock = b'x' * 2**20\nfor _ in range(1024): os.write(1, block)",
    "value": "'x' * 10**9",
    "repr": "class R:\n    def __repr__(self): return 'x' * 10**9\nR()",
    "message": "raise ValueError('x' * 10**9)",
    "display": "for _ in range(200): display({'text/html': 'x' * 10**6}, raw=True)",
    "clear-output": "from IPython.display import clear_output\nfor i in range(3000): display(i); clear_output()",
    "iopub": "kernel = get_ipython().kernel\nfor _ in range(100): kernel.session.send(kernel.iopub_socket, 'stream', "
    "{'name': 'stdout', 'text': 'x' * 10**7}, kernel.get_parent())",
}


@pytest.mark.parametrize("source", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_of_output_is_capped(run: Run, limits: Limits, source: str) -> None:
    before = start_of_peak()
    limits = msgspec.structs.replace(limits, cell_cpu_seconds=10)
    checkpoints = run(FIRST, source, LAST, limits=limits)
    assert peak() - before < 100 * MIB
    kept = sum(len(str(output)) for output in checkpoints.execution.notebook.cells[1].outputs)
    assert kept < 2 * (limits.display_bytes + limits.output_bytes)
    assert value(checkpoints, 0, "first") == 1
    assert value(checkpoints, 2, "last") == 2


def start_of_peak() -> int:
    """The memory of this process now; from here on its peak is measured anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize(
    "source", ["bytearray(64 * 2**30)", "import numpy; numpy.ones(2**33)"], ids=["bytearray", "numpy"]
)
def test_too_much_memory_is_an_error_of_the_cell(run: Run, source: str) -> None:
    checkpoints = run(FIRST, source, LAST)
    assert errors(checkpoints, 1)[0].strip("_").endswith("MemoryError")
    assert value(checkpoints, 2, "last") == 2


def test_a_fork_bomb_ends_with_its_notebook(run: Run, sandbox: Sandbox) -> None:
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    checkpoints = run(FIRST, bomb, LAST)
    assert list(failures(checkpoints)) == [1]
    assert value(checkpoints, 2, "last") == 2
    sandbox.sweep()
    assert sandbox.ask("cpu_seconds") == {}


def test_a_process_left_behind_is_gone_when_the_checks_begin(run: Run) -> None:
    leave = "import os, time\nchild = os.fork()\nif not child:\n    os.setsid()\n    time.sleep(10**6)"
    look = "import os\nalive = os.path.exists(f'/proc/{child}')"
    checkpoints = run(leave, look)
    assert value(checkpoints, 1, "alive") is True
    namespace = checkpoints.namespace("1", seed=1)
    assert namespace.eval("os.path.exists(f'/proc/{child}')") is False
    namespace._close()


def test_the_next_notebook_finds_nothing_of_the_one_before(run: Run, sandbox: Sandbox) -> None:
    if sandbox.level != "bubblewrap":
        pytest.skip("there, these folders are not the sandbox's own")
    look = """
    import os, pathlib
    processes = [int(name) for name in os.listdir('/proc') if name.isdigit()]
    strangers = [pid for pid in processes if pid not in (1, os.getpid())]
    found = [str(path) for folder in ('/tmp', '/dev/shm', '/home/student') for path in pathlib.Path(folder).rglob('*')
             if path.name.startswith('left')]
    """
    leave = """
    import os, time, pathlib
    for folder in ('/tmp', '/dev/shm', '/home/student'):
        inner = pathlib.Path(folder, 'left', 'left')
        inner.mkdir(parents=True)
        (inner / 'left.txt').write_text('the answers')
        inner.chmod(0)
        inner.parent.chmod(0)
        os.symlink('/etc', f'{folder}/left-link')
        os.mkfifo(f'{folder}/left-pipe')
    if not os.fork():
        os.setsid()
        time.sleep(10**6)
    """
    run(leave)
    checkpoints = run(look)
    assert errors(checkpoints, 0) == []
    assert value(checkpoints, 0, "found") == []
    assert value(checkpoints, 0, "strangers") == []


def test_a_run_leaves_nothing_of_zeromq_open(run: Run) -> None:
    """A context that is collected as garbage together with its sockets waits for these for ever."""

    def left_open() -> set[int]:
        return {id(each) for each in gc.get_objects() if isinstance(each, zmq.Context) and not each.closed}

    before = left_open()
    run(FIRST, LAST)
    assert left_open() - before == set()


def test_too_many_deaths_end_the_run(run: Run, limits: Limits) -> None:
    deaths = ["import os; os._exit(0)"] * (limits.restarts + 1)
    checkpoints = run(FIRST, *deaths, LAST)
    assert not checkpoints.execution.finished
    assert len(failures(checkpoints)) == limits.restarts + 1
    (note,) = checkpoints.execution.notes
    assert "died 3 times" in note
    assert value(checkpoints, 0, "first") == 1
    with pytest.raises(CheckpointLost):
        value(checkpoints, len(deaths) + 1, "last")


def test_what_makes_checkpoints_impossible_is_found_and_left_out(run: Run, limits: Limits) -> None:
    """Such a cell does not fail itself: it is the innocent answer after it that cannot be kept."""
    forkless = "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.prctl(38, 1, 0, 0, 0)\n" + NO_FORKS
    stops = [Stop(questions=(name,), cells=(cell,)) for name, cell in {"a": 1, "b": 3}.items()]
    checkpoints = run(FIRST, "a = first", forkless, LAST, stops=stops, limits=limits)
    assert failures(checkpoints) == {2: "after this cell the notebook's state could not be kept"}
    assert checkpoints.execution.finished
    assert list(checkpoints.execution.doubts) == ["b"]
    namespace = checkpoints.namespace("b", seed=1)
    assert namespace.last == 2
    namespace._close()


NO_FORKS = """
import struct
def code(operation, value, yes=0, no=0):
    return struct.pack("=HBBI", operation, yes, no, value)
CLONES = {"x86_64": (56, 57, 58), "aarch64": (220,)}[__import__("os").uname().machine]
program = code(0x20, 0) + b"".join(code(0x15, n, 0, 1) + code(6, 0x00050001) for n in CLONES) + code(6, 0x7FFF0000)
class Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))
assert libc.prctl(22, 2, ctypes.byref(Filter(len(program) // 8, program)), 0, 0) == 0
"""
"""A system-call filter of the notebook's own, under which nothing forks."""


UNKEEPABLE = {
    "an audit hook": "import sys; sys.addaudithook(lambda event, args: 1 / 0 if event == 'os.fork' else None)",
    "no processes": "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))",
    "no descriptors": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))\nfiles = []\n"
    "try:\n    while True: files.append(open('/dev/null'))\nexcept OSError: pass",
    "no handlers": "get_ipython().kernel.shell_handlers.clear()",
    "a closed channel": "get_ipython().kernel.shell_stream.close()",
}


@pytest.mark.parametrize("source", UNKEEPABLE.values(), ids=UNKEEPABLE.keys())
def test_a_cell_after_which_nothing_works_is_found(
    run: Run, limits: Limits, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr(runner, "IDLE_WALL_SECONDS", 5.0)
    limits = msgspec.structs.replace(limits, check_wall_seconds=5)
    stops = [Stop(questions=(name,), cells=(cell,)) for name, cell in {"a": 1, "b": 4}.items()]
    checkpoints = run(FIRST, "a = first", source, "pass", LAST, stops=stops, limits=limits)
    assert list(failures(checkpoints)) == [2]
    assert value(checkpoints, "a", "a") == 1
    assert value(checkpoints, "b", "last") == 2
    assert list(checkpoints.execution.doubts) == ["b"]


def test_a_timer_that_ends_the_kernel_later_costs_no_innocent_cell(run: Run) -> None:
    wait = "import time; time.sleep(1)"
    checkpoints = run(FIRST, "import signal; signal.setitimer(signal.ITIMER_REAL, 0.3)", wait, LAST)
    assert list(failures(checkpoints)) == [2]
    assert "a timer" in checkpoints.execution.doubts["3"]


def test_a_thread_in_c_that_ends_the_kernel_later_costs_no_innocent_cell(run: Run) -> None:
    """Python knows nothing of such a thread: the cells where the kernel ended are in doubt, the first one too."""
    later = "import faulthandler; faulthandler.dump_traceback_later(1, exit=True, file=open('/tmp/f', 'w'))"
    wait = "import time; time.sleep(2)"
    checkpoints = run(FIRST, later, wait, wait, LAST)
    assert 1 not in failures(checkpoints) or "1" in checkpoints.execution.doubts
    assert {"2", "3", "4"} <= set(checkpoints.execution.doubts)
    assert "0" not in checkpoints.execution.doubts


def test_any_number_of_deaths_ends(run: Run, limits: Limits) -> None:
    """Each time in another cell, and never by the same: a thread ends the kernel after a while."""
    later = "import threading, os\nthreading.Timer({}, os._exit, (3,)).start()"
    wait = "import time; time.sleep(0.4)"
    checkpoints = run(later.format(0.3), *[wait] * 6, limits=limits)
    assert not checkpoints.execution.finished
    assert len(failures(checkpoints)) <= limits.restarts + 1
    assert checkpoints.execution.notes


def test_a_cell_that_may_not_be_to_blame_puts_what_comes_after_in_doubt(run: Run) -> None:
    """A thread of an earlier cell's may have ended the kernel, and here it has."""
    waits = "import threading, os, pathlib\nif not pathlib.Path('/tmp').exists(): pass\n"
    deadly = f"{waits}threading.Timer(0.5, os._exit, (3,)).start()"
    wait = "import time; time.sleep(3)\nanswer = 1"
    checkpoints = run(FIRST, deadly, wait, "threading.Timer(0, print)\nlast = 5")
    assert "2" in checkpoints.execution.doubts
    assert "0" not in checkpoints.execution.doubts
    assert "the thread" in checkpoints.execution.doubts["2"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"notebook_cpu_seconds": 1.5}, "used more than 1.5 seconds of CPU time"),
        ({"notebook_wall_seconds": 1.5}, "did not end within 1.5 seconds"),
    ],
    ids=["CPU time", "wall time"],
)
def test_all_cells_together_have_a_budget(run: Run, limits: Limits, change: dict[str, float], why: str) -> None:
    """None of the cells is over its own. What was answered before is asked; of the rest it is said why not."""
    busy = "import time\nend = time.process_time() + 0.7\nwhile time.process_time() < end: pass"
    checkpoints = run(FIRST, *[busy] * 12, LAST, limits=msgspec.structs.replace(limits, **change))
    assert not checkpoints.execution.finished
    (note,) = checkpoints.execution.notes
    assert why in note
    assert value(checkpoints, 0, "first") == 1
    with pytest.raises(CheckpointLost, match=why):
        value(checkpoints, 13, "last")


def test_the_budget_is_for_all_runs_together(run: Run, limits: Limits) -> None:
    dies = "import time, os\nend = time.process_time() + 0.7\nwhile time.process_time() < end: pass\nos._exit(0)"
    limits = msgspec.structs.replace(limits, notebook_cpu_seconds=1.2, restarts=10)
    checkpoints = run(*[dies] * 8, limits=limits)
    assert len(failures(checkpoints)) < 6
    assert not checkpoints.execution.finished


def test_all_outputs_of_a_notebook_together_are_capped(run: Run, limits: Limits) -> None:
    limits = msgspec.structs.replace(limits, outputs_bytes=3 * limits.display_bytes)
    show = f"display({{'text/html': 'x' * {limits.display_bytes * 2 // 3}}}, raw=True)"
    checkpoints = run(*[show] * 8, LAST.replace("first + 1", "2"), limits=limits)
    kept = [sum(len(str(output)) for output in cell.outputs) for cell in checkpoints.execution.notebook.cells]
    assert sum(kept) < limits.outputs_bytes + 8 * 1000
    assert [size > 1000 for size in kept] == [True] * 4 + [False] * 5
    assert "dropped" in text(checkpoints, 7)
    assert value(checkpoints, 8, "last") == 2


def test_a_sandbox_killed_from_outside_is_an_error_and_no_hang(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox([], limits) as sandbox:
        assert sandbox.process is not None
        bubblewrap = psutil.Process(sandbox.process.pid)
        asked = sandbox.ask

        def ask(do: str, **arguments: Any) -> Any:
            answer = asked(do, **arguments)
            if do == "cpu_seconds":
                # Asked for by the watch over a cell: one is just running.
                for process in [*bubblewrap.children(recursive=True), bubblewrap]:
                    process.kill()
            return answer

        monkeypatch.setattr(sandbox, "ask", ask)
        with pytest.raises(SandboxError):
            run_notebook(sandbox, code_notebook("import time; time.sleep(10**6)"), [], (), limits, seed=1)


def test_questions_see_the_notebook_as_it_was_after_their_cells(run: Run) -> None:
    stops = [
        Stop(questions=("a", "b"), cells=(0,)),
        Stop(questions=("c",), cells=(1, 3), before=True, record=("f",)),
    ]
    checkpoints = run("def f(x): return x\ny = 1", "y = f(2)", "y = 100", "y = f(y + 1)", "y = 0", stops=stops)
    assert checkpoints.execution.after["a"] == checkpoints.execution.after["b"]
    assert list(checkpoints.execution.before) == ["c"]
    for question, expected in {"a": 1, "b": 1, "c": 101}.items():
        namespace = checkpoints.namespace(question, seed=1)
        assert namespace.y == expected
        namespace._close()
    namespace = checkpoints.namespace_at(checkpoints.execution.before["c"], seed=1)
    assert namespace.y == 1
    namespace._close()


def test_a_retyped_cell_is_run_as_code(sandbox: Sandbox, limits: Limits) -> None:
    notebook = code_notebook(FIRST, "last = first + 1")
    notebook.cells[1].cell_type = "markdown"
    execution = run_notebook(sandbox, notebook, [Stop(("q",), (1,))], (1,), limits, seed=1)
    namespace = Checkpoints(sandbox, execution, limits).namespace("q", seed=1)
    assert namespace.last == 2
    namespace._close()
    assert notebook.cells[1].cell_type == "markdown"


def test_equal_seeds_give_a_notebook_equal_random_numbers(run: Run) -> None:
    draw = "import random, numpy\ndrawn = [random.random(), float(numpy.random.rand())]"
    first, second, other = (value(run(draw, seed=seed), 0, "drawn") for seed in (1, 1, 2))
    assert first == second != other
