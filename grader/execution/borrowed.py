"""A sandbox that another process of this machine keeps, as far as its checkpoints are asked from here."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grader.execution.runfolder import RunFolder, SandboxError


class BorrowedSandbox(RunFolder):
    """Probes are connected to directly; all else is asked of the process that keeps the sandbox."""

    def __init__(self, keeper: int, folder: int, ask_keeper: Callable[..., Any]) -> None:
        """`folder` is the run folder's descriptor in the process `keeper`. Raises SandboxError where that is gone."""
        try:
            self.take_folder(os.open(f"/proc/{keeper}/fd/{folder}", os.O_RDONLY | os.O_DIRECTORY))
        except OSError as error:
            raise SandboxError(f"the sandbox is gone ({error})") from None
        self.ask_keeper = ask_keeper
        self.kept: set[int] = set()
        self.probes = 0
        """How many the keeper knows of."""

    def connect(self, path: Path) -> socket.socket:
        """Connect to a checkpoint. Raises OSError, SandboxError."""
        # Before the probe is there: what nobody is known to use is ended.
        self.ask_keeper("open")
        self.probes += 1
        try:
            return super().connect(path)
        except BaseException:
            self.spare()
            raise

    def spare(self, dying: int = 0) -> None:
        """Be done with a probe. What it has left behind ends as soon as nobody asks anything."""
        if self.probes:
            self.probes -= 1
            self.ask_keeper("close")

    def ask(self, do: str, **arguments: Any) -> Any:
        """See `Sandbox.ask`."""
        return self.ask_keeper("ask", do, arguments)

    def check_alive(self) -> None:
        """Raises SandboxError where the sandbox is gone."""
        self.ask("poll", pid=0)

    def over_memory(self, since: float = 0.0) -> str | None:
        """See `Sandbox.over_memory`. The clock is the same for all processes of a machine."""
        too_much: str | None = self.ask_keeper("over_memory", since)
        return too_much

    def path(self, name: str) -> Path:
        """A new path in the run folder, as it is called inside."""
        path: Path = self.ask_keeper("path", name)
        return path
