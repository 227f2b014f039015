"""`grader release`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.explain import explained, shown


def release(
    rubric: Annotated[Path, typer.Argument(help="The rubric's folder, such as rubrics/dl1.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder that students are to get.")] = Path(
        "release"
    ),
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Number of worker processes; 0: one for each core.")
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**63 - 1, help="Seed of the random inputs. To repeat an earlier release, give its seed."
        ),
    ] = None,
) -> None:
    """Make what students get: the notebook without its solutions, and the public checks. Validates the rubric first."""
    with explained(output, lambda: "nothing is written"):
        from grader.assignment.assignment import load_assignment
        from grader.cli.validate import print_validation
        from grader.grading.batch.seeds import new_seed
        from grader.report.store import require_writable
        from grader.students.bundle.release import release as make_release
        from grader.validation.validate import validate, workers_for

        assignment = load_assignment(rubric)
        require_writable(output)
        seed = new_seed() if seed is None else seed
        with workers_for(assignment, jobs, typer.echo) as ready:
            validation = validate(assignment, seed, progress=typer.echo, ready=ready)
            if not validation.is_clean:
                print_validation(validation)
                typer.echo("Nothing is released: correct the rubric first.")
                raise typer.Exit(1)
            released = make_release(assignment, output, seed, typer.echo, ready)
    typer.echo(f"Notebook: {shown(released.notebook)}")
    typer.echo(f"Checks:   {shown(released.bundle)} ({released.public} public, {released.hidden} hidden)")
