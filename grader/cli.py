"""The commands: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.results import SubmissionResult

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
        typer.Option(help="Repeat a grading with the random inputs of an earlier one (see its result.json)."),
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Print where the time goes.")] = False,
) -> None:
    """Grade submissions and write a report for each."""
    # Imported here: `grader --help` is not to wait for Jupyter and pytest.
    from grader.assignment import RubricError, load_assignment
    from grader.batch import find_submissions, grade_all, new_seed
    from grader.execution.sandbox import SandboxError

    try:
        assignment = load_assignment(rubric)
        results = grade_all(
            assignment, find_submissions(submissions), output, new_seed() if seed is None else seed, _print_progress
        )
    except RubricError as error:
        for fault in error.faults:
            typer.echo(f"error: {fault}", err=True)
        raise typer.Exit(2) from None
    except SandboxError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    _print_table(results)
    if timings:
        _print_timings(results)
    typer.echo(f"Report: {output / 'index.html'}")
    if any(result.status != "graded" for result in results):
        raise typer.Exit(1)


def _print_progress(result: SubmissionResult) -> None:
    if result.status == "graded":
        typer.echo(f"graded {result.file}")
    else:
        typer.echo(f"error: {result.file}: {result.message}", err=True)


def _print_table(results: Sequence[SubmissionResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    from grader.results import format_points

    table = Table("submission", "code points", "to be marked", "in review", "points lost in")
    for result in results:
        if result.status != "graded":
            table.add_row(result.submission, result.status, "", "", "")
            continue
        lost = [
            f"{question.id} ({format_points(question.max_points - (question.points or 0))})"
            for question in result.questions
            if question.kind == "code" and (question.points or 0) < question.max_points and question.status != "review"
        ]
        table.add_row(
            result.submission,
            f"{format_points(result.code_points)} of {format_points(result.code_max_points)}",
            format_points(result.points_to_mark),
            format_points(result.points_in_review),
            ", ".join(lost),
        )
    Console().print(table)


def _print_timings(results: Sequence[SubmissionResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    stages = list(dict.fromkeys(stage for result in results for stage in result.timings))
    table = Table("seconds", *stages, "total")
    for result in results:
        seconds = [result.timings.get(stage, 0.0) for stage in stages]
        table.add_row(result.submission, *(f"{value:.2f}" for value in (*seconds, sum(seconds))))
    Console().print(table)


def main() -> None:
    app()
