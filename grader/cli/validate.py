"""`grader validate`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.explain import complain, explained, print_table, shown

if TYPE_CHECKING:
    from grader.validation.matrix import Validation


def validate(
    rubric: Annotated[Path, typer.Argument(help="The rubric's folder, such as rubrics/dl1.")],
    question: Annotated[
        list[str] | None, typer.Option("--question", "-q", help="Only this question; can be given several times.")
    ] = None,
    repeat: Annotated[
        int, typer.Option(min=0, help="Also check every right answer this many times, with fresh random inputs.")
    ] = 0,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The folder for the matrix: the result of each check for each answer."),
    ] = Path("validation"),
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Number of worker processes; 0: one for each core.")
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**63 - 1, help="Seed of the random inputs. To repeat an earlier validation, give its seed."
        ),
    ] = None,
) -> None:
    """Test a rubric: right answers must pass, and every mistake must lose its points."""
    with explained(output, lambda: "nothing is written"):
        from grader.assignment.assignment import load_assignment
        from grader.grading.batch.seeds import new_seed
        from grader.report.store import require_writable
        from grader.results.results import write_atomically
        from grader.validation.matrix import encode
        from grader.validation.page import render_validation
        from grader.validation.validate import validate as run_validation

        assignment = load_assignment(rubric)
        require_writable(output)
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
    print_validation(validation)
    typer.echo(f"Matrix: {shown(page)}")
    if not validation.is_clean:
        raise typer.Exit(1)


def print_validation(validation: Validation) -> None:
    from rich.table import Table

    table = Table("question", "right answers accepted", "mutants killed", "generated caught", "equivalent")
    for row in validation.summary():
        table.add_row(*row)
    print_table(table)
    for whole in validation.wholes:
        typer.echo(f"{whole.name}: {whole.points:g} of {whole.max_points:g} points")
    for line in validation.summary_of_repeats():
        typer.echo(line)
    for survivor in validation.survivors:
        if validation.is_tolerated(survivor):
            typer.echo(f"survived, and not listed as an equivalent: {survivor.name} ({survivor.question})")
    faults = validation.faults()
    for fault in faults:
        complain(fault)
    problems = f"{len(faults) or 'no'} {'problem' if len(faults) == 1 else 'problems'}"
    typer.echo(f"seed {validation.seed}, {validation.seconds:.0f} seconds: {problems}")
