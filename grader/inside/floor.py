"""The sandbox where there is no bubblewrap: what processes can do to confine themselves.

There are two. The guard runs nothing of anybody's: it waits until the zygote or the trusted side is gone, ends all that
is left below it, and removes the folder. The zygote is as ever, but has no namespaces: all that is in the sandbox are
its descendants, which it adopts when their parents end. A kernel gives up everything that it can give up by itself:
files, network and signals by Landlock, and by a filter, the system calls that Landlock does not know.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

from grader.inside import frames, landlock, processes, syscalls
from grader.inside.zygote import SHARED_MEMORY, Zygote, become, empty, live, nature, set_dumpable, shield

PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
CAPABILITY_VERSION = 0x20080522
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SWEEP_SECONDS = 60.0
BLOCK = 512
"""Bytes, which the size of a file on its disk is counted in."""

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Arguments: the descriptor of the control socket, the user to become (0: none), the sandbox's folder.

    Standard input is a pipe that nobody writes to: at its end, the trusted side has ended.
    """
    control, user, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    set_dumpable(False)
    zygote = os.fork()
    if zygote == 0:
        try:
            be_zygote(socket.socket(fileno=control), user)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(control)
    guard(zygote, folder)


def guard(zygote: int, folder: str) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    poller = select.poll()
    poller.register(os.pidfd_open(zygote), select.POLLIN)
    poller.register(sys.stdin.fileno(), select.POLLIN)
    poller.poll()
    while left := processes.descendants(os.getpid()):
        processes.kill(left)
        # At least one of them is a child of this process, or will be when its parent has ended.
        with contextlib.suppress(ChildProcessError):
            os.wait()
    empty(folder, set())
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def be_zygote(control: socket.socket, user: int) -> None:
    if user:
        become(user)
    drop_capabilities()
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    shield()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    settings: dict[str, Any] = frames.receive(control)
    settings["own_user"] = bool(user)
    readable = [*settings["readable"], "/proc"]
    settings["ruleset"] = landlock.make_ruleset(readable, settings["writable"], [SHARED_MEMORY], DEVICES)
    if settings["ruleset"] is not None:
        landlock.restrict(settings["ruleset"])
    live(control, settings, FloorZygote)


def drop_capabilities() -> None:
    """Have none: root may not have become anybody else, and anybody may have been given some."""
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, none = struct.pack("=Ii", CAPABILITY_VERSION, 0), struct.pack("=6I", *[0] * 6)
    if libc.capset(header, none) < 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


class FloorZygote(Zygote):
    """A zygote among the other processes of the machine, and perhaps of its user."""

    def __init__(self, control: socket.socket, settings: dict[str, Any], given: set[str]) -> None:
        super().__init__(control, settings, given)
        self.own_user: bool = settings["own_user"]
        self.ruleset: int | None = settings["ruleset"]
        self.level = "process" if self.ruleset is None else "landlock"
        self.protected = [(pid, _group(pid)) for pid in processes.ancestors()]

    def give_up(self) -> None:
        if self.ruleset is not None:
            # Once more: what is in the domain of the zygote itself could trace it, and send it signals.
            landlock.restrict(self.ruleset)
            os.close(self.ruleset)
        syscalls.restrict(self.own_user, self.protected)

    def process_limit(self) -> int:
        """A user's processes are counted together, those outside included, and those that nobody here can see."""
        limit = super().process_limit()
        if self.own_user or os.getuid() == 0:
            return limit
        allowed = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        used = processes.threads_of(os.getuid())
        while allowed == resource.RLIM_INFINITY or used + limit < allowed:
            resource.setrlimit(resource.RLIMIT_NPROC, (used + 1, allowed))
            if _can_fork():
                return used + limit
            used += limit
        return allowed

    def processes(self) -> list[int]:
        return processes.descendants(os.getpid())

    def own_shared_memory(self) -> Iterator[tuple[str, int]]:
        """The files of this user in shared memory: path and bytes."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(SHARED_MEMORY):
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if found.st_uid == os.getuid():
                        yield entry.path, found.st_blocks * BLOCK

    def files_in_memory(self) -> int:
        """All but shared memory is on a disk; and there, a user's other programs have files as well."""
        return sum(size for _, size in self.own_shared_memory()) if self.own_user else 0

    def do_signal(self, pid: int, number: int) -> None:
        """The number comes from the sandbox, and could be that of any process of the machine."""
        with contextlib.suppress(OSError):
            process = os.pidfd_open(pid)
            try:
                if pid in self.processes():
                    signal.pidfd_send_signal(process, number)
            finally:
                os.close(process)

    def kill_all(self) -> None:
        """Raises RuntimeError where something does not end."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while self.do_spare([]):
            if time.monotonic() > deadline:
                raise RuntimeError("processes of an earlier notebook do not end")

    def traces(self) -> bool:
        """What the tables of the network list is the machine's, and in here nobody has any."""
        return nature() != self.nature

    def clear_shared(self) -> None:
        """What this user has in shared memory; where that is not this sandbox's alone, it stays.

        System V's, message queues and keys cannot be made in here.
        """
        if self.own_user:
            for path, _ in self.own_shared_memory():
                with contextlib.suppress(OSError):
                    os.unlink(path)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return pid


def _can_fork() -> bool:
    try:
        pid = os.fork()
    except BlockingIOError:
        return False
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True
