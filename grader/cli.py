"""The commands: parse, call, print."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import traceback
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.table import Table

    from grader.results import SubmissionResult
    from grader.validation.matrix import Validation

app = typer.Typer(
    help="Grade Jupyter notebooks against a rubric.", add_completion=False, no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _commands() -> None:
    """Grade Jupyter notebooks against a rubric."""


@app.command()
def grade(
    submissions: Annotated[list[Path], typer.Argument(help="Notebooks, or folders of notebooks.")],
    rubric: Annotated[Path, typer.Option(help="The rubric's folder, such as rubrics/dl1.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the results go.")] = Path("results"),
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**63 - 1,
            help="Repeat a grading with the random inputs of an earlier one (see its result.json).",
        ),
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Print where the time goes.")] = False,
) -> None:
    """Grade submissions and write a report for each."""
    done: list[SubmissionResult] = []

    def kept() -> str:
        return f"what was graded before ({len(done)}) is in {_shown(output / 'index.html')}" if done else ""

    with _explained(output, kept):
        # Imported here: `grader --help` is not to wait for Jupyter and pytest.
        from grader.assignment import load_assignment
        from grader.batch import find_submissions, grade_all, new_seed

        def progress(result: SubmissionResult) -> None:
            done.append(result)
            _print_progress(result)

        assignment = load_assignment(rubric)
        results = grade_all(
            assignment, find_submissions(submissions), output, new_seed() if seed is None else seed, progress
        )
    _print_table(results)
    if timings:
        _print_timings(results)
    failed = sum(result.status != "graded" for result in results)
    if failed:
        typer.echo(f"{failed} of {len(results)} could not be graded")
    typer.echo(f"Report: {_shown(output / 'index.html')}")
    if failed:
        raise typer.Exit(1)


@app.command()
def validate(
    rubric: Annotated[Path, typer.Argument(help="The rubric's folder, such as rubrics/dl1.")],
    question: Annotated[
        list[str] | None, typer.Option("--question", "-q", help="Only this question; can be given several times.")
    ] = None,
    repeat: Annotated[
        int, typer.Option(min=0, help="Also check every right answer this many times, with fresh random inputs.")
    ] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the matrix goes.")] = Path("validation"),
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, help="Worker processes; 0: one a core.")] = 0,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Repeat a validation with its random inputs.")
    ] = None,
) -> None:
    """Prove a rubric: right answers must pass it, and every mistake must lose its points."""
    with _explained(output, lambda: "nothing is written"):
        from grader.assignment import load_assignment
        from grader.batch import interruptible, new_seed, require_writable
        from grader.results import write_atomically
        from grader.validation.matrix import encode
        from grader.validation.page import render_validation
        from grader.validation.validate import validate as run_validation

        assignment = load_assignment(rubric)
        require_writable(output)
        with interruptible():
            validation = run_validation(
                assignment,
                new_seed() if seed is None else seed,
                questions=question or (),
                repeat=repeat,
                jobs=jobs,
                progress=typer.echo,
            )
        page = output / f"{assignment.name}.html"
        write_atomically(page, render_validation(assignment, validation))
        write_atomically(output / f"{assignment.name}.json", encode(validation))
    _print_validation(validation)
    typer.echo(f"Matrix: {_shown(page)}")
    if not validation.is_clean:
        raise typer.Exit(1)


def _print_validation(validation: Validation) -> None:
    from rich.table import Table

    table = Table("question", "right answers accepted", "mutants killed", "generated caught", "equivalent")
    for row in validation.summary():
        table.add_row(*row)
    _print(table)
    for whole in validation.wholes:
        typer.echo(f"{whole.name}: {whole.points:g} of {whole.max_points:g} points")
    for line in validation.summary_of_repeats():
        typer.echo(line)
    for survivor in validation.survivors:
        if validation.is_tolerated(survivor):
            typer.echo(f"survived, and not listed as an equivalent: {survivor.name} ({survivor.question})")
    faults = validation.faults()
    for fault in faults:
        _complain(fault)
    typer.echo(f"seed {validation.seed}, {validation.seconds:.0f} seconds: {len(faults) or 'nothing'} off")


@contextlib.contextmanager
def _explained(output: Path, kept: Callable[[], str]) -> Iterator[None]:
    """What ends a command before its time becomes lines for a person and an exit status.

    `kept`: what an interrupt leaves behind, in words.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads what is printed: typer ends the program quietly
    except KeyboardInterrupt:
        _complain("; ".join(filter(None, ["interrupted", kept()])))
        raise typer.Exit(130) from None
    except Exception as error:
        for line in _explain(error, output):
            _complain(line)
        raise typer.Exit(2) from None


def _explain(error: Exception, output: Path) -> list[str]:
    """An error that ends the program, for a person: a line for each thing to mend."""
    from grader.assignment import RubricError
    from grader.execution.sandbox import SandboxError

    if isinstance(error, RubricError):
        return error.faults
    if isinstance(error, SandboxError):
        return [str(error)]
    if isinstance(error, OSError):
        why = error.strerror or str(error)
        return [f"{_shown(error.filename2 or output)}: cannot be written ({why}); choose another folder with --output"]
    frames = traceback.extract_tb(error.__traceback__)
    where = next((f"{frame.filename}:{frame.lineno}" for frame in reversed(frames) if "grader" in frame.filename), "?")
    return [f"the harness failed, which is a mistake in it: {type(error).__name__}: {error} ({where})"]


def _complain(line: str) -> None:
    typer.echo(f"error: {' '.join(line.split())}", err=True)


def _shown(path: object) -> str:
    """A path on one line: names of files may hold line ends and bytes that are no text."""
    text = os.fsencode(str(path)).decode("utf-8", "backslashreplace")
    return "".join(char if _is_plain(char) else char.encode("unicode_escape").decode() for char in text)


def _is_plain(char: str) -> bool:
    # The joiners of emoji are format characters too, but the others of that category rearrange a line.
    return unicodedata.category(char) not in ("Cc", "Cf", "Zl", "Zp") or char in "\u200c\u200d"


def _print_progress(result: SubmissionResult) -> None:
    from grader.results import format_points

    if result.status == "graded":
        points = f"{format_points(result.code_points)} of {format_points(result.code_max_points)}"
        typer.echo(f"graded {_shown(result.file)}: {points}")
    else:
        _complain(f"{_shown(result.file)}: {result.message}")


def _print_table(results: Sequence[SubmissionResult]) -> None:
    from rich.table import Table

    from grader.results import format_points

    table = Table("submission", "code points", "to be marked", "in review", "points lost in")
    for result in results:
        if result.status != "graded":
            table.add_row(_shown(result.submission), result.status, "", "", "")
            continue
        lost = [
            f"{question.id} ({format_points(question.max_points - (question.points or 0))})"
            for question in result.questions
            if question.kind == "code" and (question.points or 0) < question.max_points and question.status != "review"
        ]
        table.add_row(
            _shown(result.submission),
            f"{format_points(result.code_points)} of {format_points(result.code_max_points)}",
            format_points(result.points_to_mark),
            format_points(result.points_in_review),
            ", ".join(lost),
        )
    _print(table)


def _print(table: Table) -> None:
    from rich.console import Console

    # A name such as `[red]` or `:smile:` stays what it is.
    Console(markup=False, emoji=False, highlight=False).print(table)


def _print_timings(results: Sequence[SubmissionResult]) -> None:
    from rich.table import Table

    stages = list(dict.fromkeys(stage for result in results for stage in result.timings))
    table = Table("seconds", *stages, "total")
    for result in results:
        seconds = [result.timings.get(stage, 0.0) for stage in stages]
        table.add_row(_shown(result.submission), *(f"{value:.2f}" for value in (*seconds, sum(seconds))))
    _print(table)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no such letter is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    # What libraries log is not for those who grade: asyncio shows the traceback of a cell that Ctrl-C ended.
    logging.getLogger().addHandler(logging.NullHandler())
    app()
