"""What all commands print alike: complaints, paths, tables; and how an error ends a command."""

from __future__ import annotations

import contextlib
import os
import traceback
import unicodedata
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.table import Table

    from grader.execution.sandbox import SandboxMode


@contextlib.contextmanager
def explained(output: Path, kept: Callable[[], str]) -> Iterator[None]:
    """What ends a command before its time becomes lines for a person and an exit status.

    `kept`: what an interrupt leaves behind, in words.
    """
    from grader.grading.batch.interrupts import INTERRUPTED, interruptible

    said = False

    def last_words() -> str:
        return "" if said else _complaint("; ".join(filter(None, ["interrupted", kept()])))

    try:
        with interruptible(last_words):
            yield
    except (BrokenPipeError, typer.Exit):
        raise  # nobody reads what is printed: typer ends the program quietly; or it is to end so, and has said why
    except KeyboardInterrupt:
        line, said = last_words(), True
        typer.echo(line, err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        for line in _explain(error, output):
            complain(line)
        raise typer.Exit(2) from None


def _explain(error: Exception, output: Path) -> list[str]:
    """An error that ends the program, for a person: a line for each thing to mend."""
    from grader.execution.runfolder import SandboxError
    from grader.faults import Faults

    if isinstance(error, Faults):
        return error.faults
    if isinstance(error, SandboxError):
        return [str(error)]
    if isinstance(error, OSError):
        why = error.strerror or str(error)
        return [f"{shown(error.filename2 or output)}: cannot be written ({why}); choose another folder with --output"]
    frames = traceback.extract_tb(error.__traceback__)
    where = next((f"{frame.filename}:{frame.lineno}" for frame in reversed(frames) if "grader" in frame.filename), "?")
    return [f"internal error, a bug in the grader: {type(error).__name__}: {error} ({where})"]


def parse_mode(text: str) -> SandboxMode:
    """The value of `--sandbox`. Raises Faults."""
    from grader.faults import Faults

    match text:
        case "require" | "auto" | "none":
            return text
    raise Faults([f"--sandbox {text}: choose require, auto or none"])


def complain(line: str) -> None:
    typer.echo(_complaint(line), err=True)


def _complaint(line: str) -> str:
    # GitHub's runner takes `##[` for an order, wherever in a line it stands: it may be in the name of a file.
    return f"error: {shown(' '.join(line.split())).replace('##[', '## [')}"


def shown(path: object) -> str:
    """A path on one line: names of files may hold line ends and bytes that are no text."""
    text = os.fsencode(str(path)).decode("utf-8", "backslashreplace")
    return "".join(char if _is_plain(char) else char.encode("unicode_escape").decode() for char in text)


def _is_plain(char: str) -> bool:
    # The joiners of emoji are format characters too, but the others of that category rearrange a line.
    return unicodedata.category(char) not in ("Cc", "Cf", "Zl", "Zp") or char in "\u200c\u200d"


def print_table(table: Table) -> None:
    from rich.console import Console

    # A name such as `[red]` or `:smile:` stays what it is.
    Console(markup=False, emoji=False, highlight=False).print(table)
