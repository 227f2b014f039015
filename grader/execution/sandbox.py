"""The sandbox: a zygote inside bubblewrap, and the socket by which it is told what to do."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import grader
from grader.assignment import Limits
from grader.inside import frames

HOME = "/home/student"
PACKAGE = "/opt/grader"
"""Where `grader.inside` is found inside the sandbox."""
START_SECONDS = 300.0
"""Wall time for the zygote's imports: torch from a cold disk on a busy machine takes a minute."""
FIRST_USER = 2_000_000_000
"""Where the harness runs as root, student code runs as a user number from here on, which nobody else has."""
RUN_FOLDER = "/run/notebook"
"""Where, inside, the sockets of the kernel and of the checkpoints are. Held in memory, and not mounted outside."""
RUN_FOLDER_BYTES = 1 << 20
CONNECT_SECONDS = 10.0
STOP_SECONDS = 30.0

ENVIRONMENT = {
    "HOME": HOME,
    "USER": "student",
    "LOGNAME": "student",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
    "PYTHONDONTWRITEBYTECODE": "1",
    "JUPYTER_PLATFORM_DIRS": "1",
    "JUPYTER_RUNTIME_DIR": "/tmp",
    "IPYTHONDIR": f"{HOME}/.ipython",
    "MPLCONFIGDIR": f"{HOME}/.matplotlib",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # One thread a library: threads do not survive a fork, and results do not depend on the machine.
    "OMP_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


class SandboxError(Exception):
    """The sandbox cannot be had, or is gone. Never the student's fault: the submission is to be graded again."""


class Sandbox:
    """One zygote. Not shared between threads that grade, but its requests may come from any thread."""

    def __init__(self, preload: Iterable[str], limits: Limits) -> None:
        self.preload = list(preload)
        self.limits = limits
        self.user = _new_user()
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.folder: int | None = None
        """The run folder, open."""
        self.started = 0
        self.kept: set[int] = set()
        """The processes of the current notebook that are to stay: its checkpoints and the probes in use."""

    def start(self) -> None:
        """Start bubblewrap and wait until everything is imported. Raises SandboxError."""
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise SandboxError("bubblewrap is not installed; on Debian: sudo apt-get install bubblewrap")
        ours, theirs = socket.socketpair()
        try:
            self.process = subprocess.Popen(
                [bwrap, *self._options(), "--", *self._zygote(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={},
                start_new_session=True,
            )
        finally:
            theirs.close()
        self.control = ours
        ours.settimeout(START_SECONDS)
        try:
            frames.send(ours, self._settings())
            answer = frames.receive(ours)
            if "error" not in answer:
                # Through this descriptor alone can anybody outside reach the run folder, by /proc/self/fd.
                self.folder = socket.recv_fds(ours, 1, 1)[1][0]
        except (frames.ConnectionLost, OSError, IndexError):
            why = self._last_words()
            self.stop()
            raise SandboxError(f"the sandbox did not start: {why}") from None
        if "error" in answer:
            self.stop()
            raise SandboxError(f"the sandbox could not import what the rubric's `preload` names: {answer['error']}")

    def _last_words(self) -> str:
        assert self.process is not None
        assert self.process.stderr is not None
        self.process.kill()
        # Whatever may still hold it open, this does not wait for.
        os.set_blocking(self.process.stderr.fileno(), False)
        self.process.wait()
        lines = (self.process.stderr.read() or b"").decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"

    def _settings(self) -> dict[str, Any]:
        return {
            "preload": self.preload,
            "home": HOME,
            "run_folder": RUN_FOLDER,
            "writable": [HOME, "/tmp", "/dev/shm", RUN_FOLDER],
            "memory_bytes": self.limits.memory_bytes,
            "processes": self.limits.processes,
            "disk_bytes": self.limits.disk_bytes,
            "output_bytes": self.limits.output_bytes,
            "display_bytes": self.limits.display_bytes,
        }

    def _options(self) -> list[str]:
        """What bubblewrap shows: the system's programs and the installed packages, read-only, and empty folders."""
        options = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if self.user:
            # Root becomes another user by itself (zygote.become), for which it keeps just these two.
            options += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            options += ["--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
        # No --die-with-parent: its parent would be the thread that called start(), which may well end first. The
        # zygote ends when the control socket is closed, and so does all else in its namespace.
        options += ["--as-pid-1", "--new-session", "--clearenv", "--hostname", "sandbox"]
        for name, value in ENVIRONMENT.items():
            options += ["--setenv", name, value]
        size = str(self.limits.disk_bytes)
        options += ["--proc", "/proc", "--dev", "/dev", "--size", size, "--perms", "1777", "--tmpfs", "/dev/shm"]
        options += ["--size", size, "--perms", "1777", "--tmpfs", "/tmp"]
        options += ["--size", size, "--perms", "0777", "--tmpfs", HOME]
        package = Path(grader.__file__).parent
        shown = _system_folders()
        for folder in _parents([*shown, Path(PACKAGE, "grader", "inside"), Path(RUN_FOLDER)]):
            # Left to bubblewrap, they would be closed to the user that root becomes.
            options += ["--perms", "0755", "--dir", str(folder)]
        for path in shown:
            options += _show(path)
        for hidden in _installed_package():
            options += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
        options += ["--ro-bind", str(package / "__init__.py"), f"{PACKAGE}/grader/__init__.py"]
        options += ["--ro-bind", str(package / "inside"), f"{PACKAGE}/grader/inside"]
        options += ["--size", str(RUN_FOLDER_BYTES), "--perms", "0777", "--tmpfs", RUN_FOLDER]
        return [*options, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]

    def _zygote(self, descriptor: int) -> list[str]:
        start = f"import sys; sys.path.insert(0, {PACKAGE!r}); from grader.inside.zygote import main; main()"
        return [sys.executable, "-I", "-c", start, str(descriptor), str(self.user)]

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have the zygote do something; raises SandboxError when it is gone or cannot."""
        with self.lock:
            if self.control is None:
                raise SandboxError("the sandbox is not running")
            try:
                frames.send(self.control, {"do": do, **arguments})
                answer = frames.receive(self.control)
            except (frames.ConnectionLost, TimeoutError) as error:
                raise SandboxError(f"the sandbox is gone ({error})") from None
        if "error" in answer:
            raise SandboxError(f"the sandbox could not {do}: {answer['error']}")
        return answer["value"]

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def path(self, name: str) -> Path:
        """A new path in the run folder, as it is called inside."""
        self.started += 1
        return Path(RUN_FOLDER, f"{name}-{self.started}")

    def outside(self, path: Path) -> str:
        """What a path in the run folder is called in this process."""
        if self.folder is None:
            raise SandboxError("the sandbox is not running")
        return f"/proc/self/fd/{self.folder}/{path.name}"

    def exists(self, path: Path) -> bool:
        """Whether something stands at a path in the run folder, be it a link to nowhere."""
        return os.path.lexists(self.outside(path))

    def sweep(self) -> None:
        """Make it as if no notebook had been here. Raises SandboxError."""
        self.kept.clear()
        self.ask("sweep")

    def leave(self) -> None:
        """Have all processes of the notebook end, without waiting for it. It is `sweep` that makes sure."""
        self.kept.clear()
        self.spare(wait=False)

    def spare(self, wait: bool = True) -> None:
        """End all processes in here but those that are to stay; without `wait`, they may live a moment longer."""
        self.ask("spare", pids=sorted(self.kept), wait=wait)

    def check_alive(self) -> None:
        """Raises SandboxError if the zygote does not answer; `alive` becomes False only a moment after its death."""
        self.ask("poll", pid=0)

    def pin(self, path: Path) -> int:
        """Open a socket in the run folder: `/proc/self/fd/<number>` is this socket, whatever happens to its path.

        Student code can put anything there, a link to a socket of this machine for one: none is followed.
        Raises OSError, SandboxError.
        """
        descriptor = os.open(self.outside(path), os.O_PATH | os.O_NOFOLLOW)
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError("no socket")
        return descriptor

    def connect(self, path: Path) -> socket.socket:
        """Connect to a socket in the run folder. Raises OSError, SandboxError."""
        descriptor = self.pin(path)
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                # A socket that nobody accepts from, with a full queue, would hold this up for ever.
                connection.settimeout(CONNECT_SECONDS)
                connection.connect(f"/proc/self/fd/{descriptor}")
            except BaseException:
                connection.close()
                raise
            return connection
        finally:
            os.close(descriptor)

    def stop(self) -> None:
        """End everything in the sandbox, and wait until it has ended."""
        if self.process is not None:
            # The zygote dies with bubblewrap, and all in its namespace with the zygote.
            self.process.kill()
            self.process.wait()
            if self.process.stderr is not None:
                self.process.stderr.close()
            self.process = None
        with self.lock:
            if self.control is not None:
                _wait_until_closed(self.control)
                self.control.close()
                self.control = None
        if self.folder is not None:
            os.close(self.folder)
            self.folder = None
        self.kept.clear()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self.stop()


_numbers = itertools.count()


def _new_user() -> int:
    """A user number that no other sandbox on this machine has, so that their process limits count apart.

    0 where this process is not root, or is root only in a container that has no such users.
    """
    if os.geteuid() != 0:
        return 0
    user = FIRST_USER + os.getpid() % 2**20 * 64 + next(_numbers) % 64
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= user < first + count:
            return user
    return 0


def _wait_until_closed(control: socket.socket) -> None:
    control.settimeout(STOP_SECONDS)
    with contextlib.suppress(OSError):
        control.shutdown(socket.SHUT_WR)
        while control.recv(2**16):
            pass


def _system_folders() -> list[Path]:
    """The folders of the system and of this Python, outermost first."""
    folders = [Path("/usr"), Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib32"), Path("/lib64")]
    folders += [Path("/etc/ld.so.cache"), Path("/etc/localtime"), Path("/etc/fonts"), Path("/etc/ssl/openssl.cnf")]
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(os.path.realpath(sys.executable)).parent.parent}
    python |= {Path(path).resolve() for path in (sys.prefix, sys.base_prefix)}
    folders += sorted(path for path in python if not path.is_relative_to("/usr"))
    return [path for path in folders if path.exists() or path.is_symlink()]


def _parents(paths: Iterable[Path]) -> list[Path]:
    """The folders above these, outermost first, without the root."""
    return sorted({parent for path in paths for parent in path.parents} - {Path("/")})


def _show(path: Path) -> list[str]:
    if path.is_symlink() and path.parent == Path("/"):
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)]


def _installed_package() -> list[Path]:
    """This package where it is installed among the others: student code is not to see the rest of it."""
    installed = {Path(sysconfig.get_path(name)) / "grader" for name in ("purelib", "platlib")}
    return sorted(path for path in installed if path.is_dir())
