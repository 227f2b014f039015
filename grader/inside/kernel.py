"""The kernel that runs one submission: an ipykernel that can freeze its state as a checkpoint."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell
from jupyter_client.session import extract_header
from traitlets import Type, observe
from traitlets.config import Config

from grader.inside import forks, joblib_backend, pools
from grader.inside.cells import cell_file
from grader.inside.checkpoint import fork_checkpoint, try_to_fork
from grader.inside.operations import State, seed_libraries

MAX_DISPLAYS = 5000
"""Figures and the like, and changes of them, that one cell can show."""
MAX_STOPS = 10_000
"""How often a notebook can stop the loop of its kernel."""
ENDING = "[this cell asks for the end of its kernel, or for a restart; that is left out]"


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
            super().write(sendable(string))
        elif room > 0:
            super().write(sendable(string[:room]) + self.remark)
        return len(string)


class GradedShell(ZMQInteractiveShell):
    """Goes on when a cell asks for the end: Jupyter's own means end a kernel a moment later, in the middle of another
    cell, which would get the blame."""

    endings = 0
    """How often that was asked."""

    def leave_out(self) -> None:
        self.endings += 1
        print(ENDING, file=sys.stderr)

    def ask_exit(self) -> None:
        self.leave_out()

    @observe("exit_now")  # type: ignore[untyped-decorator]
    def _update_exit_now(self, change: Any) -> None:
        if change["new"]:
            self.exit_now = False
            self.leave_out()


class GradedKernel(IPythonKernel):
    """Answers three more requests, all carried out between cells, on the main thread."""

    shell_class = Type(GradedShell)
    display_bytes = 1 << 23

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state = State(self.shell.user_ns, self.shell)
        self.own_threads: set[int] = set()
        """Those that there were before the first cell."""
        self.shell_handlers["checkpoint_request"] = self.checkpoint_request
        self.shell_handlers["trial_request"] = self.trial_request
        self.shell_handlers["record_request"] = self.record_request
        self.shell.compile.get_code_name = lambda raw, transformed, number: cell_file(raw)
        self.session.send = BoundedSend(self.session.send, self.display_bytes)

    async def do_execute(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As ever, and say whether the cell asked for the kernel's end, and what runs beside its main thread now."""
        if not self.own_threads:
            self.own_threads = pools.threads()
        before = self.shell.endings
        # A module that the cell before has written may be younger than the folder's time can tell.
        importlib.invalidate_caches()
        reply: dict[str, Any] = await super().do_execute(*args, **kwargs)
        with contextlib.suppress(Exception):
            reply["beside"], reply["unknown_threads"] = pools.beside(self.own_threads)
        return {**reply, "ending": self.shell.endings != before}

    def do_shutdown(self, restart: bool) -> dict[str, Any]:
        self.shell.leave_out()
        return {"status": "ok", "restart": restart}

    async def checkpoint_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Fork a checkpoint that listens at the path in the request, and stop recording for its answer."""
        answer = parent["content"]["answer"]
        found = self.survey()
        try:
            pid = fork_checkpoint(self.state, parent["content"]["path"], answer, pools=found)
            self.state.stop_recording(answer)
            content = {"status": "ok", "pid": pid, "lost": found.lost, "unknown_threads": found.unknown}
        except Exception as error:
            # A notebook can have had anything raised at a fork, or at whatever else is done for it.
            content = {"status": "error", "why": str(error)[:200]}
        self.session.send(stream, "checkpoint_reply", content, parent, ident)

    async def trial_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Say whether a checkpoint could be made here."""
        try:
            try_to_fork()
            content = {"status": "ok"}
        except Exception as error:
            content = {"status": "error", "why": str(error)[:200]}
        self.session.send(stream, "trial_reply", content, parent, ident)

    async def record_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Record the calls to some functions until the checkpoint of the same answer."""
        self.state.start_recording(parent["content"]["answer"], parent["content"]["names"])
        self.session.send(stream, "record_reply", {"status": "ok"}, parent, ident)

    def survey(self) -> pools.Survey:
        try:
            return pools.survey(self.own_threads)
        except Exception:
            # What a notebook has made of its threads and pools is not to cost it the checkpoint.
            return pools.Survey(unknown=True)


class BoundedSend:
    """Sends the kernel's messages, without those texts and those displays that are too many for anybody to read."""

    def __init__(self, send: Callable[..., Any], limit: int) -> None:
        self.send = send
        self.limit = limit
        self.displayed: Counter[object] = Counter()

    def __call__(
        self, stream: Any, msg_or_type: Any, content: Any = None, parent: Any = None, *rest: Any, **more: Any
    ) -> Any:
        if isinstance(msg_or_type, dict):
            kind, parent = msg_or_type["header"]["msg_type"], msg_or_type.get("parent_header")
            msg_or_type = {**msg_or_type, "content": trim(msg_or_type.get("content"), self.limit)}
        else:
            kind = msg_or_type
        if kind in ("display_data", "update_display_data", "clear_output"):
            cell = extract_header(parent).get("msg_id") if parent else None
            self.displayed[cell] += 1
            if self.displayed[cell] > MAX_DISPLAYS:
                return None
        return self.send(stream, msg_or_type, trim(content, self.limit), parent, *rest, **more)


def sendable(text: str) -> str:
    """Without lone surrogates, which have no UTF-8 form: neither a message nor a file could hold them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def trim(content: Any, limit: int) -> Any:
    if isinstance(content, str):
        return sendable(content) if len(content) <= limit else f"[{len(content):,} characters, too many to keep]"
    if isinstance(content, dict):
        return {trim(key, limit): trim(value, limit) for key, value in content.items()}
    if isinstance(content, list):
        return [trim(value, limit) for value in content]
    return content


class KernelApp(IPKernelApp):
    """Waits where the other side is slow to read, instead of dropping output, or the word that a cell has ended."""

    def init_iopub(self, context: Any) -> None:
        context.setsockopt(zmq.XPUB_NODROP, 1)
        super().init_iopub(context)


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
    find_modules_in_the_working_folder()
    joblib_backend.use_when_imported()
    forks.keep_hooks_apart()
    connection_file = f"{connection['ip']}.json"
    Path(connection_file).write_text(json.dumps(connection))
    IPKernelApp.clear_instance()
    app = KernelApp.instance(config=configuration(output_bytes, display_bytes), connection_file=connection_file)
    app.initialize([])
    app.start()
    for _ in range(MAX_STOPS):
        # A cell has stopped the loop. The messages that wait in the sockets are still answered.
        app.io_loop.start()
    os._exit(0)


def find_modules_in_the_working_folder() -> None:
    """Where Jupyter puts it: after the standard library and before what is installed."""
    folders = [Path(path).name for path in sys.path]
    installed = [index for index, name in enumerate(folders) if name in ("site-packages", "dist-packages")]
    sys.path.insert(min(installed, default=len(folders)), "")
