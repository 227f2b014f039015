"""A fork server: imports once what the assignment needs, and forks a zygote for each sandbox that is asked for.

It is PID 1 of a sandbox in which no student code runs. Its zygotes share its memory, and nothing else: each has
namespaces of its own, with empty folders over those that can be written to.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import socket
import stat
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

from grader.inside import frames
from grader.inside.zygote import Zygote, become, given_paths, libc, live, run, set_dumpable, shield

LISTENER = "zygotes"
"""The socket in the run folder at which a zygote is asked for. Those who come with a request are trusted: only they
have the run folder, and each zygote has another one in its place."""
REQUEST_SECONDS = 10.0
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
CAPABILITY_VERSION = 0x20080522


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    shield()
    live(control, frames.receive(control), ForkServer)


class ForkServer:
    """Forks zygotes, one at a time, until the other side closes its socket."""

    level = "bubblewrap"

    def __init__(self, control: socket.socket, settings: dict[str, Any], given: set[str]) -> None:
        """Raises OSError where no zygote can be had in this way."""
        try_out(settings)
        self.control = control
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{settings['run_folder']}/{LISTENER}")
        self.listener.listen()
        self.zygotes: dict[int, int] = {}
        """By pidfd."""

    def obey(self) -> None:
        while True:
            waited_for: list[int | socket.socket] = [self.control, self.listener, *self.zygotes]
            ready, _, _ = select.select(waited_for, [], [])
            if self.control in ready:
                # Nothing is ever said here: it is closed.
                return
            for pidfd in self.zygotes.keys() & set(ready):
                # A child of this process since its parent, which has only started it, has ended.
                os.waitpid(self.zygotes.pop(pidfd), 0)
                os.close(pidfd)
            if self.listener not in ready:
                continue
            connection, _ = self.listener.accept()
            with connection, contextlib.suppress(frames.ConnectionLost, OSError, IndexError):
                connection.settimeout(REQUEST_SECONDS)
                request = frames.receive(connection)
                control = socket.recv_fds(connection, 1, 1)[1][0]
                try:
                    self.fork(connection, control, request["user"])
                finally:
                    os.close(control)

    def fork(self, connection: socket.socket, control: int, user: int) -> None:
        """Fork a zygote that obeys `control`, and answer with its pidfd.

        As root it becomes `user`; as anybody else (0) it stays who it is, in a user namespace of its own: so its
        process limit counts it alone.
        """
        told, tell = os.pipe()
        helper = os.fork()
        if helper == 0:
            # The namespace of processes begins with the next fork.
            try:
                self.control.close()
                self.listener.close()
                for pidfd in self.zygotes:
                    os.close(pidfd)
                unshare(own_user=not user)
                zygote = os.fork()
                if zygote == 0:
                    os.close(told)
                    os.close(tell)
                    connection.close()
                    become_zygote(socket.socket(fileno=control), user)
                os.write(tell, b"%d" % zygote)
            finally:
                os._exit(0)
        os.close(tell)
        with open(told, "rb") as pipe:
            number = pipe.read()
        os.waitpid(helper, 0)
        # Whoever asks is told by the end of the connection that there is none, and starts one without this server.
        if number:
            pidfd = os.pidfd_open(int(number))
            self.zygotes[pidfd] = int(number)
            socket.send_fds(connection, [b"\0"], [pidfd])


def try_out(settings: dict[str, Any]) -> None:
    """Furnish namespaces once, for nobody. Raises OSError where this machine forbids it, as some do in a sandbox."""
    helper = os.fork()
    if helper == 0:
        try:
            unshare(own_user=os.geteuid() != 0)
            first = os.fork()
            if first == 0:
                furnish(settings)
                os._exit(0)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) and 1)
        finally:
            os._exit(1)
    if os.waitpid(helper, 0)[1]:
        raise OSError("a process in a sandbox cannot have namespaces of its own")


def furnish(settings: dict[str, Any]) -> None:
    """Make new namespaces like those that bubblewrap makes. Raises OSError."""
    lay_folders(settings)
    raise_loopback()
    drop_bounds()


def become_zygote(control: socket.socket, user: int) -> NoReturn:
    """Be PID 1 of a sandbox, as if bubblewrap had started it here."""
    try:
        settings = frames.receive(control)
        furnish(settings)
        if user:
            become(user)
        drop_capabilities()
        set_dumpable(False)
        os.chdir(settings["home"])
        given = {path for folder in settings["writable"] for path in given_paths(folder)}
        frames.receive(control)  # what there is to be imported, which is there
        run(control, settings, given, Zygote)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            frames.send(control, {"error": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(0)


def unshare(own_user: bool) -> None:
    """Have namespaces of one's own, of processes for one's children. Raises OSError."""
    kinds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP
    user, group = os.geteuid(), os.getegid()
    # Of a process that is not dumpable, root owns the files in /proc.
    set_dumpable(True)
    check(libc.unshare(kinds | (CLONE_NEWUSER if own_user else 0)))
    if own_user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    set_dumpable(False)


def lay_folders(settings: dict[str, Any]) -> None:
    """Lay empty folders, of the same mode, over those that can be written to; and a /proc, and terminals.

    What is mounted below one of them (an installation in /tmp) is there again. Raises OSError.
    """
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    writable = settings["writable"]
    below = [path for path in mount_points() if any(Path(path).is_relative_to(folder) for folder in writable)]
    kept = [(path, os.open(path, os.O_PATH)) for path in below if path not in writable]
    for folder in writable:
        own = os.statvfs(folder)
        size = own.f_blocks * own.f_frsize if folder == settings["run_folder"] else settings["disk_bytes"]
        options = f"size={size},mode={stat.S_IMODE(os.stat(folder).st_mode):o}"
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, options)
    for path, descriptor in kept:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.makedirs(path, 0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o444))
        mount(f"/proc/self/fd/{descriptor}", path, None, MS_BIND)
        os.close(descriptor)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")


def mount_points() -> list[str]:
    """Outermost first, as they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # Spaces and the like are written as octal numbers.
    return [line.split()[4].encode().decode("unicode_escape").encode("latin-1").decode() for line in lines]


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Raises OSError."""
    arguments = [os.fsencode(source), os.fsencode(target), kind and kind.encode()]
    check(libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() or None))


def raise_loopback() -> None:
    """Bring up the network's one interface: notebooks talk to themselves over it. Raises OSError."""
    with socket.socket() as any_socket:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        flags = struct.unpack_from("H", request, 16)[0]
        struct.pack_into("H", request, 16, flags | IFF_UP)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, bytes(request))


def drop_bounds() -> None:
    """Let no program that is executed have any capability. Raises OSError."""
    for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
        check(libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))


def drop_capabilities() -> None:
    """Give up what the making of namespaces gave. Raises OSError."""
    check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    check(libc.capset(header, bytes(24)))


def check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
