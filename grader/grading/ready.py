"""What takes longest at the start, begun before all else: the imports of workers and sandboxes, once a machine.

So this imports little itself.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grader.assignment.assignment import Assignment
from grader.execution.forkserver import BorrowedForkServer, ForkServer
from grader.execution.sandbox import SandboxMode
from grader.grading.workers import ask, is_served, prepare


@contextlib.contextmanager
def getting_ready(
    assignment: Assignment, sandbox: SandboxMode = "require", modules: Sequence[str] = ("grader.grading.batch.tasks",)
) -> Iterator[ForkServer | None]:
    """Have imported what workers and sandboxes need while it is still looked what there is to do.

    modules: what the workers themselves are made of.
    """
    prepare([*modules, *imported_by(assignment.folder)])
    if sandbox != "require":
        yield None
        return
    server = ForkServer(assignment.preload, assignment.limits)
    try:
        server.begin()
        yield server
    finally:
        server.stop()


class LendsServer:
    """What workers can ask for that share nothing but a fork server: see `Serves`."""

    def __init__(self, server: ForkServer) -> None:
        self.server = server

    def answer(self, worker: int, *request: Any) -> Any:
        if request == ("fork server",):
            return self.server.lend()
        raise ValueError(f"nothing is known of {request[:1]}")

    def forget(self, worker: int) -> None: ...


def borrowed_server(assignment: Assignment) -> BorrowedForkServer | None:
    """The fork server that those lend who started this worker; None where they lend none."""
    return BorrowedForkServer(assignment.preload, ask) if is_served() else None


def imported_by(folder: Path) -> list[str]:
    """The modules that a rubric's files import at their top and that are not its own, as they are written there.

    A file that is not Python is left to those who collect its checks.
    """
    names: dict[str, None] = {}
    for path in sorted(folder.glob("*.py")):
        try:
            body = ast.parse(path.read_bytes()).body
        except (OSError, SyntaxError, ValueError):
            continue
        for statement in body:
            if isinstance(statement, ast.Import):
                names.update(dict.fromkeys(alias.name for alias in statement.names))
            elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
                names[statement.module] = None
    return [name for name in names if not (folder / f"{name.partition('.')[0]}.py").exists()]
