"""PID 1 of the sandbox: imports what the assignment needs, once, then forks a kernel for each submission.

It obeys one socket, which it inherits and which no child keeps. It runs no student code and is not
dumpable, so that no child can read its memory or trace it. Where there is no bubblewrap, it is not PID 1
(`floor.FloorZygote`).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import itertools
import os
import resource
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from grader.inside import frames, processes

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
IPC_RMID = 0
MADV_COLLAPSE = 25
LARGE_PAGE = 2 * 2**20
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
KEYCTL_CLEAR = 7
KEYRINGS = (-3, -4, -5)
"""The session's and the user's: what is put there outlives the process that did it."""
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}
KERNEL_MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.subshell_manager",
    "IPython.core.completer",
    "IPython.core.magics",
    "IPython.core.pylabtools",
    "grader.inside.kernel",
)
"""What every kernel imports: forking is faster than importing."""
LATER_MODULES = ("ipykernel.debugger", "matplotlib_inline.backend_inline", "matplotlib_inline.config", "jedi")
"""What some kernels import sooner or later."""


libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    descriptor, user = int(sys.argv[1]), int(sys.argv[2])
    control = socket.socket(fileno=descriptor)
    if user:
        become(user)
    shield()
    live(control, frames.receive(control), Zygote)


def live(control: socket.socket, settings: dict[str, Any], kind: type[Zygote]) -> None:
    """Import everything, say so, and obey until the other side closes the socket.

    What there is to be imported for the notebook may be known only later than all other settings: it is told by itself.
    """
    # Before the imports: what caches they write is swept away with the first notebook.
    given = {path for folder in settings["writable"] for path in given_paths(folder)}
    try:
        import_kernel()
        preload(frames.receive(control)["preload"], settings["lasting"])
    except frames.ConnectionLost:
        return
    except BaseException as error:
        frames.send(control, {"error": f"{type(error).__name__}: {error}", "detail": traceback.format_exc()})
        return
    zygote = kind(control, settings, given)
    frames.send(control, {"level": zygote.level})
    folder = os.open(settings["run_folder"], os.O_PATH | os.O_DIRECTORY)
    socket.send_fds(control, [b"\0"], [folder])
    os.close(folder)
    with contextlib.suppress(frames.ConnectionLost):
        zygote.obey()


def become(user: int) -> None:
    """Give up root for good. The user is nobody else's, so its process limit counts this sandbox alone."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def shield() -> None:
    """Keep every other process of the same user out of this one, and end with the one that started it."""
    set_dumpable(False)
    # Set here, since becoming another user has undone what bubblewrap could have set.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def set_dumpable(dumpable: bool) -> None:
    libc.prctl(PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def import_kernel() -> None:
    # The debugger would listen on a port and slows every start down.
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    import_known(KERNEL_MODULES)


def import_known(names: Iterable[str]) -> None:
    """Import those of these modules that there are in the installed versions of their packages."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            if name.startswith("grader."):
                raise


def preload(modules: list[str], lasting: bool) -> None:
    """Import what notebooks need; in a `lasting` sandbox, which is to run many, also prepare what costs each."""
    for name in modules:
        importlib.import_module(name)
    if lasting:
        import_known(LATER_MODULES)
    if "torch" in sys.modules:
        # Threads do not survive a fork: with more than one, a child would wait for them for ever.
        sys.modules["torch"].set_num_threads(1)
    if lasting:
        if "matplotlib.pyplot" in sys.modules:
            warm_up_drawing()
        warm_up_traceback()
        gc.collect()
    gc.freeze()
    if lasting:
        use_large_pages()


def warm_up_drawing() -> None:
    """Draw and drop a figure: the fonts and all else that matplotlib reads for its first one are there after the fork.

    It is no figure of pyplot's, whose backend, settings and list of figures stay as they are.
    """
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], [1, 0], label="a line")
    axes.set_title("$x^2$")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")


def warm_up_traceback() -> None:
    """Lay out an error as a kernel does: for its first one, it looks through all modules and builds its lexers."""
    from ipykernel.zmqshell import ZMQInteractiveShell
    from IPython.core.ultratb import AutoFormattedTB

    layout = AutoFormattedTB(mode="Context", theme_name=ZMQInteractiveShell.colors.default_value, tb_offset=0)
    try:
        raise ValueError
    except ValueError as error:
        layout.structured_traceback(type(error), error, error.__traceback__)


def use_large_pages() -> None:
    """Have the memory so far, which every fork shares, in large pages where Linux can: fewer to copy the table of."""
    for first, last in private_memory(Path("/proc/self/maps").read_text()):
        start, end = -(-first // LARGE_PAGE) * LARGE_PAGE, last // LARGE_PAGE * LARGE_PAGE
        if start < end:
            # Older kernels have no such advice, and there may be no large page left: then it stays as it is.
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_COLLAPSE)


def private_memory(maps: str) -> list[tuple[int, int]]:
    """The writable private memory that is no file's, as first address and the one after the last, from /proc/*/maps."""
    ranges = []
    for line in maps.splitlines():
        addresses, mode, _, _, inode, *name = line.split(maxsplit=5)
        if mode == "rw-p" and inode == "0" and (not name or name[0] == "[heap]"):
            first, _, last = addresses.partition("-")
            ranges.append((int(first, 16), int(last, 16)))
    return ranges


class End(NamedTuple):
    """How a process ended: its exit code (negative: the signal), and the CPU seconds that it had used."""

    code: int
    cpu_seconds: float


class Zygote:
    """Carries out the requests of the trusted side, one at a time."""

    level = "bubblewrap"

    def __init__(self, control: socket.socket, settings: dict[str, Any], given: set[str]) -> None:
        self.control = control
        self.settings = settings
        self.nature = nature()
        self.given = given
        self.ended: dict[int, End] = {}

    def obey(self) -> NoReturn:
        while True:
            request = frames.receive(self.control)
            operation = getattr(self, f"do_{request.pop('do')}")
            self.reap()
            try:
                reply = {"value": operation(**request)}
            except Exception as error:
                reply = {"error": f"{type(error).__name__}: {error}", "detail": traceback.format_exc()}
            frames.send(self.control, reply)

    def reap(self) -> None:
        """Collect every dead child, orphans included: all of them are children of PID 1 in the end."""
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if dead is None:
                return
            self.collect(dead.si_pid)

    def collect(self, pid: int) -> None:
        """Wait for the end of a child, and keep how it ended. Raises OSError where it is no child of PID 1."""
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        # Of the dead, too, until they are waited for; what wait4 tells has the CPU time of its children in it.
        user, system, _, _ = processes.cpu_ticks(pid)
        _, status = os.waitpid(pid, 0)
        self.ended[pid] = End(os.waitstatus_to_exitcode(status), (user + system) / CLOCK_TICKS)

    def do_kernel(self, connection: dict[str, Any], seed: int) -> int:
        """Fork a kernel; returns its process number, as seen in here."""
        if nature() != self.nature:
            # Any process of the same user may do that to PID 1, and every later kernel would inherit it.
            raise RuntimeError("an earlier notebook has changed the limits or the priority of the sandbox")
        pid = os.fork()
        if pid == 0:
            try:
                self.control.close()
                self.confine()
                from grader.inside.kernel import run_kernel

                run_kernel(connection, seed, self.settings["output_bytes"], self.settings["display_bytes"])
            except BaseException:
                traceback.print_exc(file=sys.__stderr__)
            finally:
                os._exit(71)
        self.ended.pop(pid, None)
        return pid

    def confine(self) -> None:
        """Limits that hold for the kernel and all that it forks; hard ones, so no way back."""
        os.setsid()
        set_dumpable(True)
        limits = {
            resource.RLIMIT_AS: self.settings["memory_bytes"],
            resource.RLIMIT_NPROC: self.process_limit(),
            resource.RLIMIT_FSIZE: self.settings["disk_bytes"],
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
            resource.RLIMIT_NOFILE: 1024,
        }
        for limit, value in limits.items():
            resource.setrlimit(limit, (value, value))
        os.chdir(self.settings["home"])
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)

    def process_limit(self) -> int:
        """How many processes its user may have: nobody but this sandbox is that user, in here."""
        limit: int = self.settings["processes"]
        return limit

    def do_poll(self, pid: int) -> int | None:
        """The exit code (negative: the signal) of a kernel that has ended, or None."""
        return self.ended[pid].code if pid in self.ended else None

    def do_end_of(self, pid: int) -> list[float] | None:
        """The exit code, and the CPU seconds without those of its children, of an orphan that has ended, or None."""
        return list(self.ended[pid]) if pid in self.ended else None

    def do_signal(self, pid: int, number: int) -> None:
        if pid > 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def do_cpu_seconds(self) -> dict[int, float]:
        """CPU time of each process in here, with that of its dead children."""
        seconds = {}
        for pid in self.processes():
            with contextlib.suppress(OSError, ValueError):
                seconds[pid] = sum(processes.cpu_ticks(pid)) / CLOCK_TICKS
        return seconds

    def do_spare(self, pids: list[int], wait: bool) -> int:
        """Kill all but these; returns how many are left over: with `wait`, 0 unless they fork faster than they die."""
        wanted = {1, os.getpid(), *pids}
        for _ in range(200):
            others = [pid for pid in self.processes() if pid not in wanted]
            if not others:
                return 0
            processes.kill(others)
            if not wait:
                break
            self.reap_killed(others)
        return len(others)

    def reap_killed(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(OSError):
                self.collect(pid)

    def processes(self) -> list[int]:
        """Everything alive in here but PID 1."""
        return [pid for pid in processes.numbers() if pid != 1 and not processes.is_dead(pid)]

    def do_sweep(self) -> None:
        """Kill everything else in here, collect it, and empty what can be written: as if nobody had been here."""
        self.kill_all()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        self.ended.clear()
        for folder in self.settings["writable"]:
            empty(folder, self.given)
        self.clear_shared()

    def kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def clear_shared(self) -> None:
        """Remove what outlives the processes that made it, and is in no folder."""
        remove_shared_memory()
        clear_keyrings()


def nature() -> list[Any]:
    """What a process hands on to its children, and what other processes of its user can change."""
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    limits = [resource.getrlimit(getattr(resource, name)) for name in names]
    schedule = [os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, sorted(os.sched_getaffinity(0))]
    return [limits, schedule, os.getpriority(os.PRIO_PROCESS, 0)]


def remove_shared_memory() -> None:
    """Remove System V's shared memory, semaphores and message queues, which outlive their processes."""
    removers: dict[str, Callable[[int], object]] = {
        "shm": lambda number: libc.shmctl(number, IPC_RMID, None),
        "sem": lambda number: libc.semctl(number, 0, IPC_RMID),
        "msg": lambda number: libc.msgctl(number, IPC_RMID, None),
    }
    for kind, remove in removers.items():
        with contextlib.suppress(OSError), open(f"/proc/sysvipc/{kind}") as table:
            for line in itertools.islice(table, 1, None):
                remove(int(line.split()[1]))


def clear_keyrings() -> None:
    number = SYS_KEYCTL.get(os.uname().machine)
    if number is not None:
        for keyring in KEYRINGS:
            libc.syscall(number, KEYCTL_CLEAR, keyring)


def given_paths(folder: str) -> list[str]:
    """What is in a writable folder from the start: the way to something mounted, where that lies below `/tmp`."""
    paths = []
    for entry in os.scandir(folder):
        paths.append(entry.path)
        if entry.is_dir(follow_symlinks=False) and not os.path.ismount(entry.path):
            paths += given_paths(entry.path)
    return paths


def empty(folder: str, given: set[str]) -> None:
    """Delete all that is in `folder` but what was given, also what was made undeletable by its mode."""
    for entry in os.scandir(folder):
        if entry.path in given:
            if not os.path.ismount(entry.path):
                empty(entry.path, given)
        elif entry.is_dir(follow_symlinks=False):
            # A folder that was made unreadable hides what is in it until its mode is changed.
            os.chmod(entry.path, 0o700)
            for parent, folders, _ in os.walk(entry.path):
                for path in (os.path.join(parent, name) for name in folders):
                    if not os.path.islink(path):
                        os.chmod(path, 0o700)
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
