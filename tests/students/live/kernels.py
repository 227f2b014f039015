"""Real Jupyter kernels for the tests, run cell by cell as a front end does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

SECONDS = 120
"""For one cell, on a machine with a lot to do."""


class Run:
    """What one cell gave."""

    def __init__(self) -> None:
        self.printed = ""
        self.displays: list[dict[str, Any]] = []
        self.failed = False
        self.number = 0

    @property
    def text(self) -> str:
        """The only display, as text."""
        (data,) = self.displays
        return str(data["text/plain"])

    @property
    def html(self) -> str:
        (data,) = self.displays
        return str(data["text/html"])


class Kernel:
    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def start(self, source: str, **options: Any) -> str:
        """Ask for a cell to be run, and do not wait for it."""
        return str(self.client.execute(source, allow_stdin=False, **options))

    def wait(self, message: str) -> Run:
        run = Run()
        deadline = time.monotonic() + SECONDS
        while True:
            reply = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") != message:
                continue
            kind, content = reply["msg_type"], reply["content"]
            if kind == "stream":
                run.printed += content["text"]
            elif kind in ("display_data", "execute_result"):
                run.displays.append(content["data"])
            elif kind == "error":
                run.printed += f"{content['ename']}: {content['evalue']}"
            elif kind == "execute_input":
                run.number = content["execution_count"]
            elif kind == "status" and content["execution_state"] == "idle":
                run.failed = self.status(message) == "error"
                return run

    def status(self, message: str) -> str:
        while True:
            reply = self.client.get_shell_msg(timeout=SECONDS)
            if reply["parent_header"].get("msg_id") == message:
                return str(reply["content"]["status"])

    def run(self, source: str) -> Run:
        return self.wait(self.start(source))

    def value(self, expression: str) -> str:
        """The printed value of an expression."""
        run = self.run(f"print(({expression}))")
        assert not run.failed, run.printed
        return run.printed.removesuffix("\n")

    def wait_for_output(self, text: str) -> None:
        """Until a cell that runs has printed this."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            reply = self.client.get_iopub_msg(timeout=SECONDS)
            if reply["msg_type"] == "stream" and text in reply["content"]["text"]:
                return
        raise AssertionError(text)


@contextlib.contextmanager
def kernel_in(folder: Path, **environment: str) -> Iterator[Kernel]:
    """A kernel with its working folder, as Jupyter starts it for a notebook there."""
    import os

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), env={**os.environ, **environment})
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=SECONDS)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
