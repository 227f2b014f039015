"""The sandbox where there is no bubblewrap: a folder of its own, and processes that confine themselves."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from grader.execution.visible import PACKAGE, environment, installed_package, parents, python_command, system_folders

LONGEST_TEMPORARY = 50
"""Characters: the paths of sockets, which have 107, begin with it."""
HARMLESS = (
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/ssl/certs",
    "/etc/timezone",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/var/cache/fontconfig",
)
"""Here, other than in bubblewrap, files that are not to be read are still there: libraries that see these read them."""
WRITABLE = ("home", "tmp", "run")
STOP_SECONDS = 3.0
"""Wall time for the guard to end everything. What is not ended by then, it goes on to end without being waited for."""
PR_SET_DUMPABLE = 4


class Floor:
    """How a zygote is started without bubblewrap, and what it needs to know. To be started once."""

    def __init__(self, user: int) -> None:
        self.readable = sorted({path.resolve() for path in system_folders()})
        # As root, student code is somebody else, who must be able to read this Python, and to get to the folder.
        self.user = user if _open_to_all([*self.readable, Path(_temporary(), "folder")]) else 0
        self.folder = Path()

    @property
    def run_folder(self) -> str:
        return str(self.folder / "run")

    @property
    def settings(self) -> dict[str, Any]:
        shown = [*_without(self.readable, installed_package()), *HARMLESS, self.folder / "package"]
        return {
            "home": str(self.folder / "home"),
            "run_folder": self.run_folder,
            "writable": [str(self.folder / name) for name in WRITABLE],
            "readable": [str(path) for path in shown],
        }

    def start(self, control: int) -> subprocess.Popen[bytes]:
        """Raises OSError."""
        self.folder = Path(tempfile.mkdtemp(prefix="grader-", dir=_temporary()))
        _shield(1)
        try:
            self._fill()
            return subprocess.Popen(
                python_command(str(self.folder / "package"), "floor", control, self.user, self.folder),
                pass_fds=[control],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                env=environment(str(self.folder / "home"), str(self.folder / "tmp")),
                start_new_session=True,
            )
        except BaseException:
            self._clear()
            raise

    def _fill(self) -> None:
        for name in WRITABLE:
            path = self.folder / name
            path.mkdir(0o700)
            if self.user:
                os.chown(path, self.user, self.user)
        if self.user:
            self.folder.chmod(0o711)
        package = self.folder / "package" / "grader"
        for path in (package.parent, package):
            path.mkdir()
            path.chmod(0o755)
        shutil.copytree(PACKAGE / "inside", package / "inside")
        shutil.copy2(PACKAGE / "__init__.py", package)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Have the guard end everything; it is told by the end of its standard input."""
        assert process.stdin is not None
        process.stdin.close()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        self.end(process)
        # Killed, it would leave alone what it is there to end.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        _shield(-1)


_lock = threading.Lock()
_shielding = 0
"""How many sandboxes of this kind this process has."""


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """For a process that itself has no such sandbox, but whose children do: nobody looks into it meanwhile."""
    _shield(1)
    try:
        yield
    finally:
        _shield(-1)


def _shield(more: int) -> None:
    """While there are any, keep other processes of the same user out of this process's memory and environment."""
    global _shielding
    with _lock:
        _shielding += more
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, int(_shielding == 0), 0, 0, 0)


def _temporary() -> str:
    folder = tempfile.gettempdir()
    return folder if len(folder) <= LONGEST_TEMPORARY else "/tmp"


def _open_to_all(paths: Iterable[Path]) -> bool:
    """Whether every user can get to these paths, and into those that are folders."""
    paths = list(paths)
    folders = {*parents(paths), *(path for path in paths if path.is_dir())}
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)


def _without(paths: Iterable[Path], hidden: Iterable[Path]) -> Iterator[Path]:
    """The same paths, but with their parts in the place of those that have something hidden in them."""
    hidden = [path.resolve() for path in hidden]
    for path in paths:
        if path in hidden:
            continue
        if any(each.is_relative_to(path) for each in hidden):
            with contextlib.suppress(OSError):
                yield from _without(sorted(path.iterdir()), hidden)
        else:
            yield path
