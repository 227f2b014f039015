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
import re
import resource
import select
import shutil
import signal
import socket
import stat
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

from grader.inside import forks, frames, memory, processes, syscalls

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
IPC_RMID = 0
MADV_COLLAPSE = 25
LARGE_PAGE = 2 * 2**20
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
KEYCTL_CLEAR, KEYCTL_INVALIDATE, KEYCTL_GET_PERSISTENT = 7, 21, 22
KEYRINGS = (-3, -4, -5)
"""The session's and the user's: what is put there outlives the process that did it."""
THIS_PROCESS, THIS_USER = -2, -1
SHARED_MEMORY = "/dev/shm"
MFD_CLOEXEC = 1
NO_CONNECTIONS = {
    "/proc/net/sockstat": re.compile(rb"^TCP: inuse 0 orphan \d+ tw 0 ", re.MULTILINE),
    "/proc/net/sockstat6": re.compile(rb"^TCP6: inuse 0$", re.MULTILINE),
    "/proc/net/ip6_flowlabel": re.compile(rb"\A[^\n]*\n?\Z"),
}
"""What these say where no connection is left, nor any label for one. Where there is no such file, there is none."""
WATCH_SECONDS = 0.2
WATCH_SHARE = 0.05
"""Of the time, what looking after the memory may take."""
DEATH_SECONDS = 0.5
"""Wall time for the end of a process that was killed, at each look for those that are left."""
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


class Obedient(Protocol):
    """What obeys the trusted side, made of the socket, the settings, and what is in its folders from the start."""

    level: str

    def __init__(self, control: socket.socket, settings: dict[str, Any], given: set[str]) -> None: ...

    def obey(self) -> None:
        """Until the other side closes the socket. It may raise ConnectionLost then."""
        ...


def live(control: socket.socket, settings: dict[str, Any], kind: type[Obedient]) -> None:
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
    run(control, settings, given, kind)


def run(control: socket.socket, settings: dict[str, Any], given: set[str], kind: type[Obedient]) -> None:
    """Say that everything is imported, hand out the run folder, and obey."""
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
        self.modes = modes_of([*settings["writable"], *given])
        self.ended: dict[int, End] = {}
        self.kernel = 0
        self.kept: set[int] = set()
        """What the trusted side has last said of the processes that are to stay."""
        self.usage = memory.Usage()
        self.next_look = 0.0
        """When the memory is to be looked at; 0: nobody is in here."""
        self.over_memory = 0.0
        """When processes were last ended since all together had too much memory, on the clock of `time.monotonic`."""
        self.reactions = ignore_signals()

    def obey(self) -> NoReturn:
        while True:
            self.wait()
            request = frames.receive(self.control)
            operation = getattr(self, f"do_{request.pop('do')}")
            self.reap()
            try:
                reply = {"value": operation(**request)}
            except Exception as error:
                reply = {"error": f"{type(error).__name__}: {error}", "detail": traceback.format_exc()}
            frames.send(self.control, reply)

    def wait(self) -> None:
        """Wait for a request, and see meanwhile that there is no more memory in use than may be."""
        while True:
            now = time.monotonic()
            if self.next_look and now >= self.next_look:
                self.next_look = now + WATCH_SECONDS
                self.limit_memory()
                took = time.monotonic() - now
                if self.next_look:
                    self.next_look = max(self.next_look, now + took / WATCH_SHARE)
            timeout = max(0.0, self.next_look - now) if self.next_look else None
            if select.select([self.control], [], [], timeout)[0]:
                return

    def limit_memory(self) -> None:
        """End those who are to blame where all processes and files in here take more memory than they may.

        That is the kernel, with all that it has started; where there is none any more, a probe. A checkpoint has what
        it was made with, so it comes last: in the end it can be one that answers by itself.
        """
        pids, limit = self.processes(), self.settings["total_memory_bytes"]
        if not pids:
            self.next_look = 0.0
            return
        if self.usage.measure(pids, self.files_in_memory(), limit) <= limit:
            return
        blamed = [pid for pid in pids if pid == self.kernel or pid not in self.kept]
        if not blamed:
            blamed = [self.usage.largest(pids)]
        self.over_memory = time.monotonic()
        processes.kill(blamed)

    def files_in_memory(self) -> int:
        """Bytes of files that are held in memory."""
        return memory.of_file_systems(self.settings["writable"])

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
        self.kernel, self.next_look = pid, time.monotonic()
        return pid

    def confine(self) -> None:
        """Limits that hold for the kernel and all that it forks; hard ones, so no way back."""
        os.setsid()
        set_dumpable(True)
        for number, reaction in self.reactions.items():
            signal.signal(number, reaction)
        os.memfd_create = memory_file
        limits = {
            resource.RLIMIT_AS: self.settings["memory_bytes"],
            resource.RLIMIT_FSIZE: self.settings["disk_bytes"],
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        for limit, value in limits.items():
            resource.setrlimit(limit, (value, value))
        for limit, value in {resource.RLIMIT_NPROC: self.process_limit(), resource.RLIMIT_NOFILE: 1024}.items():
            most = resource.getrlimit(limit)[1]
            reserved = value + forks.RESERVED[limit]
            hard = reserved if most == resource.RLIM_INFINITY else min(reserved, most)
            resource.setrlimit(limit, (min(value, hard), hard))
        os.chdir(self.settings["home"])
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        self.give_up()

    def give_up(self) -> None:
        """Do without the system calls that no notebook needs. Raises RuntimeError where these should go, and do not."""
        if not syscalls.restrict_in_namespaces(os.getppid()) and os.uname().machine in syscalls.MACHINES:
            raise RuntimeError("system calls cannot be filtered")

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

    def do_over_memory(self, since: float) -> bool:
        """Whether a process of this notebook was ended, after this time, since there was too much memory in use."""
        return self.over_memory > since

    def do_cpu_seconds(self, kept: Iterable[int] = (), of_kernel: bool = False) -> dict[int, float]:
        """CPU time of each process in here, with that of its dead children. `kept`: those that are to stay.

        of_kernel: only of the kernel and its descendants, without the checkpoints and theirs.
        """
        self.kept = set(kept)
        seconds = {}
        apart = self.kept - {self.kernel}
        for pid in [self.kernel, *processes.descendants(self.kernel, apart)] if of_kernel else self.processes():
            with contextlib.suppress(OSError, ValueError):
                seconds[pid] = sum(processes.cpu_ticks(pid)) / CLOCK_TICKS
        return seconds

    def do_spare(self, pids: list[int], dying: int = 0) -> int:
        """Kill all but these; returns how many are left over: 0 unless they fork faster than they die.

        Where there are no more to kill than `dying`, it does not wait for their end: 0 is not what is left then.
        """
        self.kept = set(pids)
        wanted = {1, os.getpid(), *pids}
        for tries in range(200):
            others = [pid for pid in self.processes() if pid not in wanted]
            if not others:
                # Those whose parent died after them are ours to collect only now; until then, they count.
                self.reap()
                return 0
            processes.kill(others)
            # Later, the few that are left can be the parents of many that are dead, and not yet ours to collect.
            if not tries and len(others) <= dying:
                break
            self.reap_killed(others)
        return len(others)

    def reap_killed(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(OSError):
                try:
                    self.collect(pid)
                except ChildProcessError:
                    # A child of another: its own children are ours only when it has ended.
                    processes.wait_for_end(pid, DEATH_SECONDS)

    def processes(self) -> list[int]:
        """Everything alive in here but PID 1."""
        return [pid for pid in processes.numbers() if pid != 1 and not processes.is_dead(pid)]

    def do_sweep(self) -> bool:
        """Kill everything else in here, collect it, and empty what can be written: as if nobody had been here.

        False where something is left all the same, and this sandbox is fit for nobody any more.
        """
        self.kill_all()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        self.ended.clear()
        self.kept.clear()
        self.over_memory = 0.0
        self.usage = memory.Usage()
        self.kernel, self.next_look = 0, 0.0
        for folder, mode in self.modes.items():
            # Code of the same user can have closed them to this process, too.
            with contextlib.suppress(PermissionError):
                os.chmod(folder, mode)
        for folder in self.settings["writable"]:
            empty(folder, self.given)
        for folder, mode in self.modes.items():
            plain(folder, mode)
        self.clear_shared()
        return not self.traces()

    def traces(self) -> bool:
        """Whether something is left of earlier notebooks that cannot be put back from here.

        Any process of the same user can change the limits of PID 1, and every later kernel would inherit them. The
        ends of a connection are listed, with numbers of one's choice, for a minute after everybody has closed them.
        """
        left = [path for folder in self.settings["writable"] for path in given_paths(folder) if path not in self.given]
        return bool(left) or nature() != self.nature or has_connections()

    def kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def clear_shared(self) -> None:
        """Remove what outlives the processes that made it, and is in no folder."""
        remove_shared_memory()
        clear_keyrings()


def ignore_signals() -> dict[int, Any]:
    """Let no signal do anything to this process; returns what they did before, for those that it forks.

    Of a PID 1, Linux keeps all signals away but those that it has a handler for; and Python has one for interrupts.
    """
    reactions = {}
    # Children of whom nobody wants to hear would be gone before they are waited for.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        reaction = signal.getsignal(number)
        reactions[int(number)] = signal.SIG_DFL if reaction is None else reaction
        signal.signal(number, signal.SIG_IGN)
    return reactions


def memory_file(name: str, flags: int = MFD_CLOEXEC) -> int:
    """`os.memfd_create` for a notebook: a file in shared memory that has no name, and counts as all others there."""
    descriptor = os.open(SHARED_MEMORY, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.set_inheritable(descriptor, not flags & MFD_CLOEXEC)
    return descriptor


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
    """Empty the keyrings that outlive a process, that of the user which outlives its last one as well.

    No notebook comes by a keyring: this is for the day when one does.
    """
    machine = syscalls.MACHINES.get(os.uname().machine)
    if machine is None:
        return
    keyctl = syscalls.CALLS["keyctl"][machine[0]]
    for keyring in KEYRINGS:
        libc.syscall(keyctl, KEYCTL_CLEAR, keyring)
    persistent = libc.syscall(keyctl, KEYCTL_GET_PERSISTENT, THIS_USER, THIS_PROCESS)
    if persistent > 0:
        # What asks for it makes it.
        libc.syscall(keyctl, KEYCTL_CLEAR, persistent)
        libc.syscall(keyctl, KEYCTL_INVALIDATE, persistent)


def given_paths(folder: str) -> list[str]:
    """What is in a writable folder from the start: the way to something mounted, where that lies below `/tmp`."""
    paths = []
    for entry in os.scandir(folder):
        paths.append(entry.path)
        if entry.is_dir(follow_symlinks=False) and not os.path.ismount(entry.path):
            paths += given_paths(entry.path)
    return paths


def modes_of(paths: Iterable[str]) -> dict[str, int]:
    """Of those that are folders of the sandbox: other than what is mounted below them, code can change these."""
    return {path: stat.S_IMODE(os.stat(path).st_mode) for path in paths if _is_own_folder(path)}


def _is_own_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path) and os.access(path, os.W_OK)


def plain(folder: str, mode: int) -> None:
    """Take from a folder itself what code can leave with it: attributes, rules for access, a mode."""
    for attribute in os.listxattr(folder):
        with contextlib.suppress(OSError):
            os.removexattr(folder, attribute)
    with contextlib.suppress(PermissionError):
        # Last: a rule for access that goes leaves its mark on the mode.
        os.chmod(folder, mode)
        os.utime(folder, (0, 0))


def has_connections() -> bool:
    """Whether the network knows of connections, open or closed. Their numbers are kept for a minute after that."""
    for path, none in NO_CONNECTIONS.items():
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if not none.search(file.read()):
                return True
    return False


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
