"""How a batch goes on: live in a terminal, as plain lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

import typer

from grader.cli.explain import complain, shown
from grader.execution.waiting import RUNNING_REFERENCE, Waiting
from grader.grading.batch.observer import Observer
from grader.results.results import format_points

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from grader.grading.batch.plan import Plan
    from grader.results.results import SubmissionResult


def make_progress() -> Progress:
    return LiveProgress() if sys.stdout.isatty() and sys.stderr.isatty() else Progress()


class Progress(Observer):
    """One line for each submission, when its result is stored."""

    def __init__(self) -> None:
        self.count = 0
        """Results that are stored, of this run or an earlier one."""
        self.failed = 0
        self.total = 0
        self.to_grade = 0
        self.graded = 0
        """Submissions that workers have graded in this run."""
        self.kept: frozenset[str] = frozenset()
        self.begun = time.monotonic()
        self.waiting = Waiting(self.say)

    def __enter__(self) -> Progress:
        self.waiting.__enter__()
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        """Nothing is left on the screen that goes on."""
        self.waiting.__exit__(kind, error, trace)

    def tell(self, worker: int, doing: str) -> None:
        """What a worker does now; called from other threads. As lines, only what all others wait for."""
        self.waiting.tell(worker, doing if doing.startswith(RUNNING_REFERENCE) else "")

    def planned(self, plan: Plan) -> None:
        self.begun = time.monotonic()
        self.total, self.to_grade = len(plan.order), len(plan.todo)
        self.kept = frozenset(plan.done)
        if plan.done:
            self.say(f"{len(plan.done)} of {self.total} are graded already and stay (--force grades them again)")

    def ended(self, result: SubmissionResult) -> None:
        self.count += 1
        self.graded += bool(result.timings) and result.submission not in self.kept
        self.failed += result.status != "graded"
        if result.status != "graded":
            self.complain(f"{shown(result.file)}: {result.message}")
        elif result.submission not in self.kept:
            points = f"{format_points(result.code_points)} of {format_points(result.code_max_points)}"
            same = f" (the same notebook as {shown(result.same_as)})" if result.same_as else ""
            self.say(f"graded {shown(result.file)}: {points}{same}{self.so_far()}")

    def noticed(self, line: str) -> None:
        self.complain(line)

    def noted(self, line: str) -> None:
        self.say(f"note: {shown(line)}")

    def so_far(self) -> str:
        return f" · {self.count} of {self.total}{self.time_left()}" if self.total > 1 else ""

    def time_left(self) -> str:
        """As long again as it took so far, for each that is left; empty before anybody knows, and at the end."""
        left = self.to_grade - self.graded
        if not self.graded or left <= 0:
            return ""
        return f" · {duration((time.monotonic() - self.begun) / self.graded * left)} left"

    def say(self, line: str) -> None:
        typer.echo(line)

    def complain(self, line: str) -> None:
        complain(line)


class LiveProgress(Progress):
    """The same lines, and under them what goes on at the moment."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.doing: dict[int, tuple[str, float]] = {}
        self.live: Live | None = None

    def __enter__(self) -> Progress:
        from rich.console import Console
        from rich.live import Live

        console = Console(markup=False, emoji=False, highlight=False)
        self.live = Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)
        self.live.start()
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def tell(self, worker: int, doing: str) -> None:
        with self.lock:
            if doing:
                self.doing[worker] = (doing, time.monotonic())
            else:
                self.doing.pop(worker, None)

    def render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if not self.to_grade:
            return Text("")
        now = time.monotonic()
        with self.lock:
            rows = sorted(self.doing.items())
        head = Table.grid(padding=(0, 1))
        failed = f" · {self.failed} failed" if self.failed else ""
        status = f"{self.count} of {self.total}{failed}{self.time_left()}"
        head.add_row(ProgressBar(total=max(self.total, 1), completed=self.count, width=40), Text(status))
        workers = Table.grid(padding=(0, 1))
        for number, (doing, since) in rows:
            who = f"worker {number + 1}" if number >= 0 else "reference"
            workers.add_row(Text(who, style="dim"), Text(shown(doing)), Text(duration(now - since)))
        return Group(head, workers)

    def say(self, line: str) -> None:
        self.print(line)

    def complain(self, line: str) -> None:
        self.print(f"error: {' '.join(line.split())}")

    def print(self, line: str) -> None:
        """Above what is live."""
        if self.live is not None:
            self.live.console.print(line, soft_wrap=True)
        else:
            typer.echo(line)


def duration(seconds: float) -> str:
    """A time as people say it: `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
