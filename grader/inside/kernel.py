"""The kernel that runs one submission: an ipykernel that can freeze its state as a checkpoint."""

from __future__ import annotations

import functools
import json
import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

from grader.inside.cells import cell_file
from grader.inside.checkpoint import State, fork_checkpoint, seed_libraries


class CappedStream(OutStream):
    """Standard output or error that drops what one cell prints beyond a limit.

    A cell can print faster than the front end reads; without a limit here the kernel's memory fills up.
    """

    limit = 1 << 20
    remark = "\n[the rest of this output was dropped]\n"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # First, since the thread that watches the file descriptor is started by the next line.
        self.printed: Counter[object] = Counter()
        super().__init__(*args, **kwargs)

    def write(self, string: str) -> int:
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string)}")
        # A thread of an earlier cell may print while a later one does.
        cell = self.parent_header.get("msg_id")
        room = self.limit - self.printed[cell]
        self.printed[cell] += len(string)
        if len(string) <= room:
            super().write(string)
            return len(string)
        if room > 0:
            super().write(string[:room] + self.remark)
        return len(string)


class GradedKernel(IPythonKernel):
    """Answers two more requests, both carried out between cells, on the main thread."""

    display_bytes = 1 << 23

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state = State(self.shell.user_ns, self.shell)
        self.shell_handlers["checkpoint_request"] = self.checkpoint_request
        self.shell_handlers["record_request"] = self.record_request
        # `exit()` would end the kernel a moment after its cell, and take the cells after it along.
        self.shell.keepkernel_on_exit = True
        self.shell.compile.get_code_name = lambda raw, transformed, number: cell_file(raw)
        self.session.send = functools.partial(send_bounded, self.session.send, self.display_bytes)

    async def checkpoint_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Fork a checkpoint that listens at the path in the request, and stop recording for its answer."""
        answer = parent["content"]["answer"]
        try:
            content = {"status": "ok", "pid": fork_checkpoint(self.state, parent["content"]["path"], answer)}
            self.state.stop_recording(answer)
        except OSError as error:
            content = {"status": "error", "why": str(error)}
        self.session.send(stream, "checkpoint_reply", content, parent, ident)

    async def record_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Record the calls to some functions until the checkpoint of the same answer."""
        self.state.start_recording(parent["content"]["answer"], parent["content"]["names"])
        self.session.send(stream, "record_reply", {"status": "ok"}, parent, ident)


def send_bounded(
    send: Any, limit: int, stream: Any, msg_or_type: Any, content: Any = None, *rest: Any, **more: Any
) -> Any:
    """Send a message of the kernel, without those of its texts that are too long for anybody to read."""
    if isinstance(msg_or_type, dict):
        msg_or_type = {**msg_or_type, "content": trim(msg_or_type.get("content"), limit)}
    return send(stream, msg_or_type, trim(content, limit), *rest, **more)


def trim(content: Any, limit: int) -> Any:
    if isinstance(content, str) and len(content) > limit:
        return f"[{len(content):,} characters, too many to keep]"
    if isinstance(content, dict):
        return {key: trim(value, limit) for key, value in content.items()}
    if isinstance(content, list):
        return [trim(value, limit) for value in content]
    return content


def configuration(output_bytes: int, display_bytes: int) -> Config:
    config = Config()
    config.IPKernelApp.kernel_class = GradedKernel
    config.IPKernelApp.outstream_class = "grader.inside.kernel.CappedStream"
    config.IPKernelApp.log_level = logging.CRITICAL
    config.HistoryManager.enabled = False
    # A file of startup commands, or one that an earlier notebook wrote, is nothing of this notebook's.
    config.InteractiveShellApp.exec_PYTHONSTARTUP = False
    config.BaseIPythonApplication.auto_create = False
    CappedStream.limit = output_bytes
    GradedKernel.display_bytes = display_bytes
    return config


def run_kernel(connection: dict[str, Any], seed: int, output_bytes: int, display_bytes: int) -> None:
    """Become the kernel with these connection parameters, until killed."""
    seed_libraries(seed)
    connection_file = f"{connection['ip']}.json"
    Path(connection_file).write_text(json.dumps(connection))
    IPKernelApp.clear_instance()
    app = IPKernelApp.instance(config=configuration(output_bytes, display_bytes), connection_file=connection_file)
    app.initialize([])
    app.start()
    os._exit(0)
