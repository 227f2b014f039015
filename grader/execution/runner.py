"""Running one notebook in a sandbox: every cell by nbclient, a checkpoint after each question's cells."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
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
from grader.execution.runfolder import SandboxError
from grader.execution.sandbox import Sandbox

READY_SECONDS = 120.0
"""Wall time for a forked kernel to answer; it takes a tenth of a second on an idle machine."""
WATCH_SECONDS = 0.2
IDLE_WALL_SECONDS, IDLE_CPU_SECONDS = 60.0, 1.0
"""Wall time after which a kernel is lost that does not say that it runs the cell, and has used so little for it."""
GRACE_CPU_SECONDS = 5.0
GRACE_WALL_SECONDS = 15.0
"""What an interrupted cell gets to come to an end before its kernel is killed."""
MAX_OUTPUTS = 2000
"""Outputs of one cell that are kept."""
TIMERS = {signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGXCPU, signal.SIGIO}
"""Signals that come by themselves, a while after a cell has asked for them."""
MAX_NAME = 80
KEEP_TRIES = 2
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
    beside: dict[Path, str] = {}
    """What ran beside the main thread at a checkpoint and may be missed there: a check that waits for it is in vain."""
    doubts: dict[str, str] = {}
    """Questions whose answer may be right though a check fails, and why: that is for a person to judge."""
    processes: dict[Path, int] = {}
    """The process numbers of the checkpoints, as the kernel told them: student code may have had a hand in that."""
    failures: list[CellFailure] = []
    notes: list[str] = []
    finished: bool = True
    """False: the kernel died so often that the rest of the notebook was never run."""


class KernelDied(Exception):
    """The kernel ended while cell `cell` ran, or was ended: `ours`; `code` is its exit code, where that is known.

    `unkept`: it was after the cell, when its state was to be kept, and an earlier cell may be to blame. `doubt`: why it
    may not have been the cell that ended the kernel; it may have been one of a library's threads, where there were any.
    """

    def __init__(
        self,
        cell: int,
        why: str,
        code: int | None,
        ours: bool,
        *,
        unkept: bool = False,
        doubt: str = "",
        unknown_threads: bool = False,
    ) -> None:
        super().__init__(why)
        self.cell = cell
        self.why = why
        self.code = code
        self.ours = ours
        self.unkept = unkept
        self.doubt = doubt
        self.unknown_threads = unknown_threads


class Budget:
    """What a notebook may use, over all its runs."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.start = time.monotonic()
        self.cpu_before = self.cpu_now = 0.0
        self.spent = ""
        """What was used up."""

    def count(self, cpu_seconds: float) -> None:
        """Be told what the processes of this run have used, all together: those that ended since are not in it."""
        self.cpu_now = max(self.cpu_now, cpu_seconds)
        if self.cpu_before + self.cpu_now > self.limits.notebook_cpu_seconds:
            self.spent = f"used more than {self.limits.notebook_cpu_seconds:g} seconds of CPU time"
        elif time.monotonic() - self.start > self.limits.notebook_wall_seconds:
            self.spent = f"did not end within {self.limits.notebook_wall_seconds:g} seconds"

    def next_run(self) -> None:
        self.cpu_before += self.cpu_now
        self.cpu_now = 0.0
        self.count(0.0)


def run_notebook(
    sandbox: Sandbox,
    notebook: NotebookNode,
    stops: Sequence[Stop],
    retyped: Sequence[int],
    limits: Limits,
    seed: int,
    *,
    tell: Callable[[int], None] = lambda cell: None,
    reached: Callable[[Execution], None] | None = None,
) -> Execution:
    """Run `notebook` (which is not changed) and leave its checkpoints in the sandbox until the next sweep.

    `retyped`: markdown cells that are to be run as code. A notebook whose kernel dies is run again, `limits.restarts`
    times at most, without the cell that was to blame where that can be told. `tell` is told each cell as it begins.
    With `reached`, which is given the execution so far at each checkpoint, these may be asked while the rest is run:
    then no other process is ended in the end, and what checkpoints use is not the notebook's. Raises SandboxError.
    """
    left_out: dict[int, CellFailure] = {}
    doubts: dict[int, str] = {}
    suspects: set[int] = set()
    budget = Budget(limits)
    find_blame = False
    died: KernelDied | None = None
    beside_threads: dict[int, str] = {}
    sandbox.asked_meanwhile = reached is not None
    for _ in range(limits.restarts + 1):
        sandbox.sweep()
        runnable = _runnable(notebook, retyped, left_out)
        run = _Run(sandbox, runnable, stops, limits, seed, budget, find_blame, tell, reached or _nobody)
        died = asyncio.run(run.run())
        if died is None or budget.spent:
            break
        # What was reached is gone: from now on, all is there only in the end.
        reached = reached and _nobody
        budget.next_run()
        # The first of them may have been as little to blame as the second.
        if not died.ours and died.unknown_threads:
            beside_threads[died.cell] = died.why
        if not died.ours and died.code == -signal.SIGKILL and died.cell not in suspects:
            # Perhaps the machine ran out of memory for reasons of its own: one more try before the cell is blamed.
            suspects.add(died.cell)
        elif died.unkept and not find_blame:
            # It may be an earlier cell's fault: each is tried in the next run.
            find_blame = True
        else:
            left_out[died.cell] = CellFailure(died.cell, died.why)
            if doubt := died.doubt or _doubt(died):
                doubts[died.cell] = f"cell {died.cell + 1} was left out: {doubt}"
    if len(beside_threads) > 1:
        for cell in beside_threads.keys() & left_out.keys():
            why = f"{beside_threads[cell]}, but so did another cell: the cause may be a thread of a library"
            doubts.setdefault(cell, f"cell {cell + 1} was left out: {why}")
    sandbox.asked_meanwhile = False
    execution = run.execution
    if budget.spent:
        doubts[run.ran - 1] = f"cell {run.ran} may have been stopped, because the notebook {budget.spent}"
    if died is not None and died.cell not in left_out:
        left_out[died.cell] = CellFailure(died.cell, died.why)
    execution.notes += _notes(died, budget, run.ran)
    execution.finished = died is None and not budget.spent
    execution.doubts.update(_doubts(stops, doubts))
    execution.failures = sorted([*left_out.values(), *execution.failures], key=lambda failure: failure.cell)
    _restore_types(execution.notebook, notebook, left_out)
    if reached is None:
        # Only what answers checks stays; processes that the notebook left behind do not.
        sandbox.spare()
    return execution


def _nobody(execution: Execution) -> None: ...


def _doubt(died: KernelDied) -> str:
    """Why a cell may not be to blame for the end of the kernel, or may be needed all the same."""
    if died.unkept:
        return died.why
    if died.ours:
        return ""
    if died.code is not None and -died.code in TIMERS:
        return f"{died.why}, but a timer or a limit of an earlier cell may be the cause"
    return ""


def _notes(died: KernelDied | None, budget: Budget, ran: int) -> list[str]:
    if budget.spent:
        return [f"The notebook {budget.spent}; the cells after cell {ran} were not run."]
    if died is not None:
        tries = f"{budget.limits.restarts + 1} times"
        return [f"The kernel died {tries}; the cells after cell {died.cell + 1} were not run."]
    return []


def _doubts(stops: Sequence[Stop], doubts: dict[int, str]) -> dict[str, str]:
    """What is in doubt where a cell was left out that may be needed, or not to blame: all answers from there on."""
    return {
        question: why
        for cell, why in sorted(doubts.items(), reverse=True)
        for stop in stops
        if max(stop.cells) >= cell
        for question in stop.questions
    }


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


def _name(sent: object) -> str:
    """A thread's or a process's name, as the kernel tells it."""
    return "".join(filter(str.isprintable, sent[:MAX_NAME])) if isinstance(sent, str) else ""


def _remark(text: str) -> NotebookNode:
    return nbformat.v4.new_output("stream", name="stderr", text=f"[{text}]\n")


class _Run:
    """One run of the notebook from top to bottom."""

    def __init__(
        self,
        sandbox: Sandbox,
        notebook: NotebookNode,
        stops: Sequence[Stop],
        limits: Limits,
        seed: int,
        budget: Budget,
        find_blame: bool,
        tell: Callable[[int], None],
        reached: Callable[[Execution], None],
    ) -> None:
        self.sandbox = sandbox
        self.tell = tell
        self.reached = reached
        self.limits = limits
        self.seed = seed
        self.budget = budget
        self.find_blame = find_blame
        """Try after each cell whether its state could be kept."""
        self.ran = 0
        """How many cells were run, or begun."""
        self.beside = ""
        """What earlier cells have left running."""
        self.unknown_threads = False
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
                self.ran = index + 1
                try:
                    await self.run_cell(index)
                except KernelDied as died:
                    return died
                if self.budget.spent:
                    break
        return None

    @contextlib.asynccontextmanager
    async def kernel(self) -> AsyncIterator[CappedClient]:
        self.manager = SandboxKernelManager(self.sandbox, self.seed)
        client = CappedClient(self.notebook, km=self.manager, limits=self.limits)
        client.on_cell_executed = self.hear
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
        self.tell(index)
        for stop in self.begin.get(index, []):
            if stop.before:
                path = await self.checkpoint(index, stop, before=True)
                self.execution.before.update(dict.fromkeys(stop.questions, path))
            if stop.record:
                await self.request("record_request", index, answer=stop.name, names=list(stop.record))
        cell = self.notebook.cells[index]
        if cell.cell_type == "code" and cell.source.strip():
            await self.execute(index, cell)
            if self.find_blame:
                await self.keep("trial_request", index)
        for stop in self.end.get(index, []):
            path = await self.checkpoint(index, stop)
            self.execution.after.update(dict.fromkeys(stop.questions, path))
            self.reached(self.execution)

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
        old = self.sandbox.cpu_seconds()
        self.running = set(old) - {self.manager.provisioner.pid} - self.sandbox.kept
        start = time.monotonic()
        # What earlier cells left running is not this cell's; the kernel itself is.
        background = set(old) - {self.manager.provisioner.pid}
        idle_since = start
        while self.why is None:
            await asyncio.sleep(WATCH_SECONDS)
            if not await self.manager.is_alive():
                return
            cpu, wall = self.used(old, background), time.monotonic() - start
            if cpu > limits.cell_cpu_seconds:
                self.why = f"stopped: this cell used more than {limits.cell_cpu_seconds:g} seconds of CPU time"
            elif wall > limits.cell_wall_seconds:
                self.why = f"stopped: this cell did not end within {limits.cell_wall_seconds:g} seconds"
            elif self.client.running == index or cpu > IDLE_CPU_SECONDS:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_WALL_SECONDS:
                await self.kill()
                raise KernelDied(index, "the kernel did not run this cell", None, True, unkept=True)
            elif self.budget.spent:
                self.why = f"stopped: the notebook {self.budget.spent}, all cells together"
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
        now = self.sandbox.cpu_seconds()
        self.budget.count(sum(now.values()))
        return sum(seconds - old.get(pid, 0.0) for pid, seconds in now.items() if pid not in background)

    async def kill(self) -> None:
        self.killed = True
        await self.manager.provisioner.kill()

    async def death(self, index: int, unkept: bool = False) -> KernelDied:
        code = await self.manager.provisioner.poll()
        if too_much := self.sandbox.over_memory():
            return KernelDied(index, f"stopped: the notebook used more than {too_much}", code, True)
        if self.why is not None:
            return KernelDied(index, self.why, code, True)
        how = f"by {signal_name(-code)}" if code is not None and code < 0 else f"(exit status {code})"
        doubt = ""
        if not self.killed and (self.beside or self.running):
            doubt = (
                f"the kernel ended {how} while it ran, and {self.beside or 'a process'} of an earlier cell's ran too"
            )
        why = f"this cell ended the kernel {how}"
        beside = self.unknown_threads
        return KernelDied(index, why, code, self.killed, unkept=unkept, doubt=doubt, unknown_threads=beside)

    def hear(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        """What the kernel adds to its reply, of which student code may have made anything."""
        content = execute_reply.get("content") or {}
        self.beside = _name(content.get("beside"))
        self.unknown_threads = content.get("unknown_threads") is True
        if content.get("ending") is True:
            why = "asks for the end of its kernel, or for a restart; that was left out"
            self.execution.notes.append(f"Cell {cell_index + 1} {why}.")

    running: Collection[int] = ()
    """The processes that earlier cells have left behind."""

    async def checkpoint(self, index: int, stop: Stop, *, before: bool = False) -> Path:
        """Freeze the kernel's state; returns the path of the checkpoint's socket."""
        path, content = await self.keep("checkpoint_request", index, f"before {stop.name}" if before else stop.name)
        if not is_pid(content.get("pid")):
            raise await self.unkept(index)
        self.sandbox.kept.add(content["pid"])
        self.execution.processes[path] = content["pid"]
        lost = content.get("lost")
        if isinstance(lost, list) and lost:
            beside = self.execution.beside[path] = _name(lost[0])
            if not before:
                why = f"{beside} ran at the same time, and does not run any more when the checks run"
                self.execution.doubts.update(dict.fromkeys(stop.questions, why))
        elif content.get("unknown_threads") is True:
            self.execution.beside[path] = "a thread of a library"
        return path

    async def keep(self, kind: str, index: int, answer: str = "") -> tuple[Path, dict[str, Any]]:
        """Have a checkpoint made, or only tried. Raises KernelDied where it cannot be."""
        for _ in range(KEEP_TRIES):
            path = self.sandbox.path("checkpoint")
            reply = await self.request(kind, index, path=str(path), answer=answer)
            if reply.get("status") == "ok":
                return path, reply
            # No process to be had: the cells before have left too many of them behind.
            self.sandbox.spare()
        raise await self.unkept(index)

    async def unkept(self, index: int) -> KernelDied:
        await self.kill()
        return KernelDied(index, "after this cell the notebook's state could not be kept", None, True, unkept=True)

    async def broken(self, index: int, error: Exception, unkept: bool = False) -> KernelDied:
        await self.kill()
        why = f"this cell broke the kernel's messages ({type(error).__name__})"
        return KernelDied(index, why, None, True, unkept=unkept)

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
                    raise await self.death(index, unkept=True) from None
            except Exception as error:
                raise await self.broken(index, error, unkept=True) from error
        await self.kill()
        raise KernelDied(index, "after this cell the kernel did not answer any more", None, True, unkept=True)


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
        self.kept_of_all = 0
        self.running = -1
        """The cell that the kernel says it runs."""
        self.pieces: list[str] = []
        """Text that the last output, a stream, goes on with."""

    async def _async_check_alive(self) -> None:
        try:
            await super()._async_check_alive()
        except SandboxError as error:
            # nbclient waits for ever for the cell if this raises anything else.
            raise DeadKernelError(str(error)) from None

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        self.running = cell_index
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
            self.running = -1
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
        kept, limit = self.kept.get(cell_index, 0), self.limits.display_bytes
        if kept > limit:
            return False
        size = _size(content)
        room = min(limit - kept, self.limits.outputs_bytes - self.kept_of_all)
        if size <= room and len(cell.outputs) < MAX_OUTPUTS:
            self.kept[cell_index] = kept + size
            self.kept_of_all += size
            return True
        self.kept[cell_index] = limit + 1
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
