"""The sandbox of namespaces: bubblewrap starts the zygote as PID 1 in a file system of its own."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from grader.assignment.assignment import Limits
from grader.execution.visible import PACKAGE, environment, installed_package, parents, python_command, system_folders

HOME = "/home/student"
INSIDE = "/opt/grader"
"""Where `grader.inside` is found inside the sandbox."""
RUN_FOLDER = "/run/notebook"
"""Where, inside, the sockets of the kernel and of the checkpoints are. Held in memory, and not mounted outside."""
RUN_FOLDER_BYTES = 1 << 20
TRIAL_SECONDS = 60.0
BECOME = ("CAP_SETUID", "CAP_SETGID")
FORK = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SETPCAP")
"""For a fork server, to make namespaces, and for its zygotes, to furnish them and to give all this up. No student code
runs before that. Who is not root has these in a user namespace, and needs none here."""


def program() -> str | None:
    return shutil.which("bwrap")


def works(limits: Limits, user: int) -> bool:
    """Whether there can be a sandbox of this kind: bubblewrap may be installed, and be forbidden to make namespaces."""
    bwrap = program()
    return bwrap is not None and _runs((bwrap, *Bubblewrap(limits, user).options()))


@functools.lru_cache(maxsize=1)
def _runs(command: tuple[str, ...]) -> bool:
    try:
        trial = subprocess.run(
            [*command, "--", sys.executable, "-I", "-S", "-c", ""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=TRIAL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0


def last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"


class Bubblewrap:
    """How a zygote, or a fork server of zygotes, is started in bubblewrap, and what it needs to know."""

    run_folder = RUN_FOLDER
    settings: dict[str, Any] = {  # noqa: RUF012 -- never changed
        "home": HOME,
        "run_folder": RUN_FOLDER,
        "writable": [HOME, "/tmp", "/dev/shm", RUN_FOLDER],
    }

    def __init__(self, limits: Limits, user: int, module: str = "zygote") -> None:
        """`module`: of `grader.inside`, what is run."""
        self.limits = limits
        self.user = user
        self.module = module

    def start(self, control: int) -> subprocess.Popen[bytes]:
        """Raises OSError where bubblewrap is not to be found.

        The sandbox ends with the thread that calls this: so it ends at once with this process, however that ends, and
        also while it imports something and does not look at its socket.
        """
        return subprocess.Popen(
            [
                *(program() or "bwrap", "--die-with-parent", *self.options()),
                *("--", *python_command(INSIDE, self.module, control, self.user)),
            ],
            pass_fds=[control],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={},
            start_new_session=True,
        )

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """The zygote dies with bubblewrap, and all in its namespace with the zygote."""
        process.kill()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        self.end(process)
        process.wait()

    def options(self) -> list[str]:
        """What bubblewrap shows: the system's programs and the installed packages, read-only, and empty folders."""
        options = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if self.user:
            # Root becomes another user by itself (zygote.become), for which it keeps just these.
            options += ["--cap-drop", "ALL"]
            for name in (*BECOME, *(FORK if self.module == "forkserver" else ())):
                options += ["--cap-add", name]
        else:
            options += ["--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
        options += ["--as-pid-1", "--new-session", "--clearenv", "--hostname", "sandbox"]
        for name, value in environment(HOME, "/tmp").items():
            options += ["--setenv", name, value]
        size = str(self.limits.disk_bytes)
        options += ["--proc", "/proc", "--dev", "/dev", "--size", size, "--perms", "1777", "--tmpfs", "/dev/shm"]
        options += ["--size", size, "--perms", "1777", "--tmpfs", "/tmp"]
        options += ["--size", size, "--perms", "0777", "--tmpfs", HOME]
        shown = system_folders()
        for folder in parents([*shown, Path(INSIDE, "grader", "inside"), Path(RUN_FOLDER)]):
            # Left to bubblewrap, they would be closed to the user that root becomes.
            options += ["--perms", "0755", "--dir", str(folder)]
        for path in shown:
            options += _show(path)
        for hidden in installed_package():
            options += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
        options += ["--ro-bind", str(PACKAGE / "__init__.py"), f"{INSIDE}/grader/__init__.py"]
        options += ["--ro-bind", str(PACKAGE / "inside"), f"{INSIDE}/grader/inside"]
        options += ["--size", str(RUN_FOLDER_BYTES), "--perms", "0777", "--tmpfs", RUN_FOLDER]
        return [*options, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]


def _show(path: Path) -> list[str]:
    if path.is_symlink() and path.parent == Path("/"):
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)]
