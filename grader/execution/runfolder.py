"""The run folder of a sandbox: where its processes listen, and how they are reached from outside."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

CONNECT_SECONDS = 10.0


class SandboxError(Exception):
    """The sandbox cannot be had, or is gone. Never the student's fault: the submission is to be graded again."""


class RunFolder:
    """A folder in a sandbox, open in this process: nobody outside can reach it in another way."""

    folder: int | None = None
    """Its descriptor."""
    folder_mode = 0

    def take_folder(self, folder: int) -> None:
        """Be given the descriptor, before any student code runs."""
        self.folder = folder
        self.folder_mode = stat.S_IMODE(os.fstat(folder).st_mode)

    def reopen(self) -> None:
        """Undo what a notebook has done to the folder's mode: closed, nobody could listen there, or connect."""
        with contextlib.suppress(OSError):
            if self.folder is not None and stat.S_IMODE(os.fstat(self.folder).st_mode) != self.folder_mode:
                os.chmod(f"/proc/self/fd/{self.folder}", self.folder_mode)

    def outside(self, path: Path) -> str:
        """What a path in the run folder is called in this process."""
        if self.folder is None:
            raise SandboxError("the sandbox is not running")
        return f"/proc/self/fd/{self.folder}/{path.name}"

    def exists(self, path: Path) -> bool:
        """Whether something stands at a path in the run folder, be it a link to nowhere."""
        return os.path.lexists(self.outside(path))

    def pin(self, path: Path) -> int:
        """Open a socket in the run folder: `/proc/self/fd/<number>` is this socket, whatever happens to its path.

        Student code can put anything there, a link to a socket of this machine for one: none is followed.
        Raises OSError, SandboxError.
        """
        self.reopen()
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

    def close_folder(self) -> None:
        if self.folder is not None:
            os.close(self.folder)
            self.folder = None
