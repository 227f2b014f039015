"""`grader complete`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.explain import complain, explained, shown


def complete(
    notebooks: Annotated[list[Path], typer.Argument(help="The notebooks.")],
) -> None:
    """See whether notebooks can be handed in: names filled in, nothing left to do, run from top to bottom.

    Exit status: 0 if they can, 1 if something is left to do, 2 if a file cannot be read.
    """
    with explained(notebooks[0], lambda: ""):
        # Imported here: `grader --help` is not to wait for Jupyter.
        from grader.students.formats.actions import commands_off

        with commands_off():
            statuses = [_complete(notebook) for notebook in notebooks]
    raise typer.Exit(max(statuses))


def _complete(notebook: Path) -> int:
    """Say what is to be done in one notebook; returns the exit status that it would have alone."""
    from grader.assignment.notebook import UnreadableNotebook
    from grader.faults import Faults
    from grader.students.completeness import incompleteness

    try:
        faults = incompleteness(notebook)
    except UnreadableNotebook as error:
        complain(f"{shown(notebook)}: {error}")
        return 2
    except Faults as error:
        for fault in error.faults:
            complain(fault)
        return 2
    for fault in faults or ["complete"]:
        typer.echo(f"{shown(notebook)}: {fault}")
    return 1 if faults else 0
