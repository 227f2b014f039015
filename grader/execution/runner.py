"""Running one notebook in a sandbox: every cell by nbclient, a checkpoint after each question's cells."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import zmq
import zmq.asyncio
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, DeadKernelError
from nbformat import NotebookNode

from grader.assignment.assignment import Limits
from grader.assignment.locating import code_of
from grader.execution.probe import is_pid, signal_name
from grader.execution.provisioner import SandboxKernelManager
from grader.execution.sandbox import Sandbox, SandboxError

READY_SECONDS = 120.0
"""Wall time for a forked kernel to answer; it takes a tenth of a second on an idle machine."""
WATCH_SECONDS = 0.2
GRACE_CPU_SECONDS = 5.0
GRACE_WALL_SECONDS = 15.0
"""What an interrupted cell gets to come to an end before its kernel is killed."""
MAX_OUTPUTS = 2000
"""Outputs of one cell that are kept."""
MAX_QUEUE = 16
"""Messages of a kernel that wait in this process for being read."""


class Stop(msgspec.Struct, frozen=True):
    """A place in the notebook where something is to be frozen, and for which questions."""

    questions: tuple[str, ...]
    cells: tuple[int, ...]
    before: bool = False
    """Also freeze the state before the first of the cells, from which they can be run again."""
    record: tuple[str, ...] = ()
    """Functions whose calls by these cells are recorded."""

    @property
    def name(self) -> str:
        return " ".join(self.questions)


class CellFailure(msgspec.Struct, frozen=True):
    """A cell that was stopped or that took the kernel with it."""

    cell: int
    why: str


class Execution(msgspec.Struct):
    """A notebook after its run, with the paths of the checkpoints in the sandbox."""

    notebook: NotebookNode
    after: dict[str, Path] = {}
    before: dict[str, Path] = {}
    processes: dict[Path, int] = {}
    """The process numbers of the checkpoints, as the kernel told them: student code may have had a hand in that."""
    failures: list[CellFailure] = []
    notes: list[str] = []
    finished: bool = True
    """False: the kernel died so often that the rest of the notebook was never run."""


class KernelDied(Exception):
    """The kernel ended while cell `cell` ran; `signal` is the signal that ended it, if one did."""

    def __init__(self, cell: int, why: str, code: int | None, ours: bool) -> None:
        super().__init__(why)
        self.cell = cell
        self.why = why
        self.code = code
        self.ours = ours


def run_notebook(
    sandbox: Sandbox, notebook: NotebookNode, stops: Sequence[Stop], retyped: Sequence[int], limits: Limits, seed: int
) -> Execution:
    """Run `notebook` (which is not changed) and leave its checkpoints in the sandbox until the next sweep.

    `retyped`: markdown cells that are to be run as code. A cell that kills its kernel is left out of a new
    run; after `limits.restarts` of those the run ends where it is. Raises SandboxError.
    """
    left_out: dict[int, CellFailure] = {}
    suspects: set[int] = set()
    while True:
        sandbox.sweep()
        run = _Run(sandbox, _runnable(notebook, retyped, left_out), stops, limits, seed)
        died = asyncio.run(run.run())
        execution = run.execution
        if died is not None and not died.ours and died.code == -signal.SIGKILL and died.cell not in suspects:
            # Perhaps the machine ran out of memory for reasons of its own: one more try before the cell is blamed.
            suspects.add(died.cell)
            continue
        if died is not None:
            left_out[died.cell] = CellFailure(died.cell, died.why)
            if len(left_out) <= limits.restarts:
                continue
            execution.finished = False
            execution.notes.append(
                f"The kernel died {len(left_out)} times; the cells after cell {died.cell + 1} were not run."
            )
        execution.failures = sorted([*left_out.values(), *execution.failures], key=lambda failure: failure.cell)
        _restore_types(execution.notebook, notebook, left_out)
        # Only what answers checks stays; processes that the notebook left behind do not.
        sandbox.spare()
        return execution


def _runnable(notebook: NotebookNode, retyped: Sequence[int], left_out: dict[int, CellFailure]) -> NotebookNode:
    """A copy in which retyped cells are code, cells to be left out are not, and no old output is left."""
    copied = copy.deepcopy(notebook)
    for index, cell in enumerate(copied.cells):
        if index in retyped:
            cell.source = code_of(cell)
            cell.cell_type = "code"
        if index in left_out:
            cell.cell_type = "raw"
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return copied


def _restore_types(executed: NotebookNode, original: NotebookNode, left_out: dict[int, CellFailure]) -> None:
    for index, failure in left_out.items():
        cell = executed.cells[index]
        cell.cell_type = "code"
        cell.execution_count = None
        cell.source = original.cells[index].source
        cell.outputs = [_remark(failure.why)]


def _remark(text: str) -> NotebookNode:
    return nbformat.v4.new_output("stream", name="stderr", text=f"[{text}]\n")


class _Run:
    """One run of the notebook from top to bottom."""

    def __init__(
        self, sandbox: Sandbox, notebook: NotebookNode, stops: Sequence[Stop], limits: Limits, seed: int
    ) -> None:
        self.sandbox = sandbox
        self.limits = limits
        self.seed = seed
        self.notebook = notebook
        self.execution = Execution(notebook)
        self.begin: dict[int, list[Stop]] = {}
        self.end: dict[int, list[Stop]] = {}
        for stop in stops:
            self.begin.setdefault(min(stop.cells), []).append(stop)
            self.end.setdefault(max(stop.cells), []).append(stop)
        self.killed = False

    async def run(self) -> KernelDied | None:
        """Run all cells; returns how the kernel died, if it did."""
        async with self.kernel() as client:
            self.client = client
            for index in range(len(self.notebook.cells)):
                try:
                    await self.run_cell(index)
                except KernelDied as died:
                    return died
        return None

    @contextlib.asynccontextmanager
    async def kernel(self) -> AsyncIterator[CappedClient]:
        self.manager = SandboxKernelManager(self.sandbox, self.seed)
        client = CappedClient(self.notebook, km=self.manager, limits=self.limits)
        with contextlib.ExitStack() as stack:
            context = zmq.asyncio.Context()
            stack.callback(context.destroy, linger=0)
            # The kernel is not trusted: a larger message ends its connection instead of filling this process's
            # memory, and of those that come too fast, all but some wait in the kernel.
            context.setsockopt(zmq.MAXMSGSIZE, 4 * self.limits.display_bytes)
            context.setsockopt(zmq.RCVHWM, MAX_QUEUE)
            await self.manager.start_kernel()
            kernel = self.manager.provisioner.pid
            self.sandbox.kept.add(kernel)
            try:
                pinned = await self.pin_sockets(stack)
                client.kc = self.manager.client(context=context)
                # Its channels are not stopped one by one: jupyter_client would connect the missing ones for that.
                client.kc.pinned = pinned
                client.kc.allow_stdin = False
                client.kc.start_channels(stdin=False, hb=False, control=False)
                await self.ready(client)
                yield client
            finally:
                self.sandbox.kept.discard(kernel)
                with contextlib.suppress(SandboxError):
                    await self.manager.provisioner.kill()

    async def pin_sockets(self, stack: contextlib.ExitStack) -> dict[str, int]:
        """Wait until the kernel has its sockets, and open them, which no student code has seen by then.

        A connection that is tried too early is tried again too late.
        """
        deadline = time.monotonic() + READY_SECONDS
        missing = self.manager.sockets()
        pinned: dict[str, int] = {}
        while missing:
            if time.monotonic() > deadline or not await self.manager.is_alive():
                raise SandboxError("a new kernel in the sandbox does not start")
            await asyncio.sleep(0.005)
            for channel in [channel for channel, path in missing.items() if self.sandbox.exists(path)]:
                pinned[channel] = self.sandbox.pin(missing.pop(channel))
                stack.callback(os.close, pinned[channel])
        return pinned

    async def ready(self, client: CappedClient) -> None:
        """Wait until the kernel answers and its output is heard, without a fixed wait."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            message = client.kc.kernel_info()
            with contextlib.suppress(asyncio.TimeoutError):
                async with asyncio.timeout(1):
                    while (await client.kc.get_shell_msg())["parent_header"].get("msg_id") != message:
                        pass
                    async with asyncio.timeout(0.2):
                        while (await client.kc.get_iopub_msg())["parent_header"].get("msg_id") != message:
                            pass
                    return
            if not await self.manager.is_alive():
                break
        raise SandboxError("a new kernel in the sandbox does not answer")

    async def run_cell(self, index: int) -> None:
        for stop in self.begin.get(index, []):
            if stop.before:
                path = await self.checkpoint(index, f"before {stop.name}")
                self.execution.before.update(dict.fromkeys(stop.questions, path))
            if stop.record:
                await self.request("record_request", index, answer=stop.name, names=list(stop.record))
        cell = self.notebook.cells[index]
        if cell.cell_type == "code" and cell.source.strip():
            await self.execute(index, cell)
        for stop in self.end.get(index, []):
            path = await self.checkpoint(index, stop.name)
            self.execution.after.update(dict.fromkeys(stop.questions, path))

    async def execute(self, index: int, cell: NotebookNode) -> None:
        """Run one cell. Raises KernelDied, SandboxError."""
        running = asyncio.create_task(self.client.async_execute_cell(cell, index))
        watch = asyncio.create_task(self.watch(index))
        try:
            await asyncio.wait({running, watch}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                watch.result()
                raise await self.death(index)
            running.result()
        except DeadKernelError:
            raise await self.death(index) from None
        except (KernelDied, SandboxError):
            raise
        except Exception as error:
            # What came from the kernel was no Jupyter message: the cell has taken the kernel over.
            raise await self.broken(index, error) from error
        finally:
            for task in (running, watch):
                task.cancel()
            await asyncio.gather(running, watch, return_exceptions=True)
            self.client.join(cell)
        why = self.why
        if why is not None:
            self.execution.failures.append(CellFailure(index, why))
            cell.outputs.append(_remark(why))

    why: str | None = None
    """Why the running cell was interrupted or its kernel killed."""

    async def watch(self, index: int) -> None:
        """Interrupt the running cell when it is over its budget, and kill its kernel when that does not help.

        Returns when the kernel is dead. Raises SandboxError.
        """
        self.why = None
        limits = self.limits
        old = self.sandbox.ask("cpu_seconds")
        start = time.monotonic()
        # What earlier cells left running is not this cell's; the kernel itself is.
        background = set(old) - {self.manager.provisioner.pid}
        while self.why is None:
            await asyncio.sleep(WATCH_SECONDS)
            if not await self.manager.is_alive():
                return
            cpu, wall = self.used(old, background), time.monotonic() - start
            if cpu > limits.cell_cpu_seconds:
                self.why = f"stopped: this cell used more than {limits.cell_cpu_seconds:g} seconds of CPU time"
            elif wall > limits.cell_wall_seconds:
                self.why = f"stopped: this cell did not end within {limits.cell_wall_seconds:g} seconds"
        await self.manager.provisioner.send_signal(signal.SIGINT)
        cpu_limit = self.used(old, background) + GRACE_CPU_SECONDS
        wall_limit = time.monotonic() + GRACE_WALL_SECONDS
        while self.used(old, background) < cpu_limit and time.monotonic() < wall_limit:
            await asyncio.sleep(WATCH_SECONDS)
            if not await self.manager.is_alive():
                return
        await self.kill()

    def used(self, old: dict[int, float], background: set[int]) -> float:
        """CPU seconds since `old`, of all processes but those of earlier cells."""
        now: dict[int, float] = self.sandbox.ask("cpu_seconds")
        return sum(seconds - old.get(pid, 0.0) for pid, seconds in now.items() if pid not in background)

    async def kill(self) -> None:
        self.killed = True
        await self.manager.provisioner.kill()

    async def death(self, index: int) -> KernelDied:
        code = await self.manager.provisioner.poll()
        if self.why is not None:
            return KernelDied(index, self.why, code, True)
        if code is not None and code < 0:
            return KernelDied(index, f"this cell ended the kernel by {signal_name(-code)}", code, self.killed)
        return KernelDied(index, f"this cell ended the kernel (exit status {code})", code, self.killed)

    async def checkpoint(self, index: int, answer: str) -> Path:
        """Freeze the kernel's state; returns the path of the checkpoint's socket."""
        path = self.sandbox.path("checkpoint")
        content = await self.request("checkpoint_request", index, path=str(path), answer=answer)
        if content.get("status") != "ok":
            # No process to be had: the cells before have left too many of them behind.
            self.sandbox.spare()
            path = self.sandbox.path("checkpoint")
            content = await self.request("checkpoint_request", index, path=str(path), answer=answer)
        if content.get("status") != "ok" or not is_pid(content.get("pid")):
            await self.kill()
            raise KernelDied(index, "after this cell the kernel's state could not be kept", None, True)
        self.sandbox.kept.add(content["pid"])
        self.execution.processes[path] = content["pid"]
        return path

    async def broken(self, index: int, error: Exception) -> KernelDied:
        await self.kill()
        return KernelDied(index, f"this cell broke the kernel's messages ({type(error).__name__})", None, True)

    async def request(self, kind: str, index: int, **content: Any) -> dict[str, Any]:
        """Send a request of our own to the kernel, between cells, and wait for the reply."""
        kc = self.client.kc
        message = kc.session.msg(kind, content)
        kc.shell_channel.send(message)
        deadline = time.monotonic() + self.limits.check_wall_seconds
        while time.monotonic() < deadline:
            try:
                async with asyncio.timeout(1):
                    reply = await kc.get_shell_msg()
                if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                    return dict(reply["content"])
            except TimeoutError:
                if not await self.manager.is_alive():
                    raise await self.death(index) from None
            except Exception as error:
                raise await self.broken(index, error) from error
        await self.kill()
        raise KernelDied(index, "after this cell the kernel did not answer any more", None, True)


OUTPUTS = ("stream", "display_data", "execute_result", "update_display_data", "error")
HEARD = (*OUTPUTS, "status", "execute_input", "clear_output")
"""The kernel's messages that are of interest. Those of widgets are not: there is no browser to answer them."""


class CappedClient(NotebookClient):
    """Executes cells, keeps a bounded amount of output, and bears with malformed messages."""

    def __init__(self, notebook: NotebookNode, km: SandboxKernelManager, limits: Limits) -> None:
        super().__init__(
            notebook,
            km=km,
            allow_errors=True,
            timeout=None,
            store_widget_state=False,
            # nbclient's way to join streams takes time that grows with the square of a line's length.
            coalesce_streams=False,
            # Tags are the student's to set: none keeps a cell from being run.
            skip_cells_with_tag="",
            # Long enough for a busy machine; what is late is lost, the cell is not.
            iopub_timeout=10,
        )
        self.limits = limits
        self.kept: dict[int, int] = {}
        self.pieces: list[str] = []
        """Text that the last output, a stream, goes on with."""

    async def _async_check_alive(self) -> None:
        try:
            await super()._async_check_alive()
        except SandboxError as error:
            # nbclient waits for ever for the cell if this raises anything else.
            raise DeadKernelError(str(error)) from None

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        try:
            kind, content = msg["msg_type"], msg["content"]
            if kind not in HEARD or type(content.get("execution_count", 0)) is not int:
                return None
            if kind in OUTPUTS and not self.has_room(content, cell, cell_index):
                return None
            if self.continues(kind, content, cell):
                self.pieces.append(content["text"])
                return None
            self.join(cell)
            return super().process_message(msg, cell, cell_index)
        except CellExecutionComplete:
            raise
        except Exception:
            # A message that nbclient cannot make sense of is no output.
            return None

    def continues(self, kind: str, content: dict[str, Any], cell: NotebookNode) -> bool:
        """Whether a message is more text of the stream that is the last output."""
        if kind != "stream" or type(content.get("text")) is not str or self.clear_before_next_output:
            return False
        last = cell.outputs[-1] if cell.outputs else {}
        return last.get("output_type") == "stream" and last.get("name") == content.get("name")

    def join(self, cell: NotebookNode) -> None:
        """Put the text that has come for the last output into it."""
        if cell.outputs and cell.outputs[-1].output_type == "stream":
            cell.outputs[-1].text = _without_overwritten("".join([cell.outputs[-1].text, *self.pieces]))
        self.pieces.clear()

    def has_room(self, content: Any, cell: NotebookNode, cell_index: int) -> bool:
        """Whether this output is to be kept; instead of the first that is not, there is a remark."""
        kept = self.kept.get(cell_index, 0)
        if kept > self.limits.display_bytes:
            return False
        self.kept[cell_index] = kept + _size(content)
        if self.kept[cell_index] <= self.limits.display_bytes and len(cell.outputs) < MAX_OUTPUTS:
            return True
        self.kept[cell_index] = self.limits.display_bytes + 1
        self.join(cell)
        cell.outputs.append(_remark("the rest of this cell's output was dropped"))
        return False


def _without_overwritten(text: str) -> str:
    """Text as a terminal shows it: of a progress bar only its last state, not what a carriage return went back over."""
    if "\r" not in text:
        return text
    return "\n".join(_last_state(line) for line in text.split("\n"))


def _last_state(line: str) -> str:
    shown = line.rstrip("\r")
    return shown.rpartition("\r")[2] + line[len(shown) :][:1]


def _size(content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    if isinstance(content, dict):
        return sum(_size(value) for value in content.values())
    if isinstance(content, list):
        return sum(_size(value) for value in content)
    return 8
