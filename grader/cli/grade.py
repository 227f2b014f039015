"""`grader grade`: parse, call, print."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.explain import complain, explained, parse_mode, print_table, shown
from grader.cli.marked import print_marked, print_older_exports, with_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.results.results import SubmissionResult

MANY = 50
"""A table of more submissions than this is for a browser."""


def grade(
    submissions: Annotated[list[Path], typer.Argument(help="Notebooks, or folders of notebooks.")],
    rubric: Annotated[Path, typer.Option(help="The rubric's folder, such as rubrics/dl1.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the results go.")] = Path("results"),
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Number of worker processes; 0: one for each core.")
    ] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Grade all submissions again, also those already graded.")
    ] = False,
    scheduler: Annotated[
        str, typer.Option(help="Grade on a Dask cluster: tcp://host:8786, or `local` for one on this machine.")
    ] = "",
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**63 - 1,
            help="Seed of the random inputs. To repeat an earlier grading, give its seed (see its result.json).",
        ),
    ] = None,
    sandbox: Annotated[
        str,
        typer.Option(
            help="require: only in bubblewrap. auto: the best sandbox of this machine. none: without bubblewrap."
        ),
    ] = "require",
    root: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the class: a submission is named by its path below it. Default: the folder given."
        ),
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Print where the time goes.")] = False,
) -> None:
    """Grade submissions and write a report for each. A result stays as it is if nothing it depends on has changed."""
    # Imported here: `grader --help` is not to wait for Jupyter and pytest.
    from grader.cli.progress import make_progress

    progress = make_progress()

    def kept() -> str:
        return f"the results so far ({progress.count}) are in {shown(output / 'index.html')}" if progress.count else ""

    with explained(output, kept):
        from grader.assignment.assignment import load_assignment
        from grader.grading.ready import getting_ready

        mode = parse_mode(sandbox)
        assignment = load_assignment(rubric)
        with ExitStack() as stack:
            # Begun before the rest of this program is imported.
            server = None if scheduler else stack.enter_context(getting_ready(assignment, mode))
            from grader.grading.batch.cluster import cluster_pool
            from grader.grading.batch.pools import local_pool
            from grader.grading.batch.run import grade_all

            pool = cluster_pool(scheduler, jobs) if scheduler else local_pool(jobs, progress.tell, server)
            stack.enter_context(progress)
            results = grade_all(
                assignment,
                submissions,
                output,
                pool,
                seed=seed,
                force=force,
                sandbox=mode,
                observer=progress,
                root=root,
            )
    results = with_marks(results, output)
    if len(results) <= MANY:
        _print_table(results)
    if timings:
        _print_timings(results)
    _print_sandboxes(results)
    _print_broken(results, rubric)
    _print_alarms(results)
    print_marked(results)
    print_older_exports(output)
    counts = Counter(result.status for result in results)
    failed = len(results) - counts["graded"]
    if failed:
        typer.echo(f"{failed} of {len(results)} could not be graded")
    typer.echo(f"Report: {shown(output / 'index.html')}")
    if failed:
        raise typer.Exit(1)


def _print_sandboxes(results: Sequence[SubmissionResult]) -> None:
    """Whoever was kept in less than bubblewrap is not to go unnoticed."""
    levels = Counter(result.sandbox for result in results if result.sandbox not in ("", "bubblewrap"))
    for level, count in sorted(levels.items()):
        typer.echo(f"{count} of {len(results)} ran without bubblewrap (sandbox: {level}; see docs/sandbox.md)")


def _print_broken(results: Sequence[SubmissionResult], rubric: Path) -> None:
    """A line for each check that broke, by what it most often raised: one for a class, not for a submission."""
    from grader.report.recurring import broken_checks

    for check, raised in broken_checks(results).items():
        (most, _), *others = raised.most_common()
        also = (
            f"; and {len(others)} other {'error' if len(others) == 1 else 'errors'}, see the report" if others else ""
        )
        complain(
            f"{rubric / check}: the check is broken: {most}, in {raised.total()} of {len(results)} submissions{also}"
        )


def _print_alarms(results: Sequence[SubmissionResult]) -> None:
    """What a class has in common, a line each; of checks that broke, all is said."""
    from grader.report.alarms import alarms

    for alarm in alarms(results):
        if not alarm.broken:
            typer.echo(f"note: {shown(alarm.line)}")


def _print_table(results: Sequence[SubmissionResult]) -> None:
    from rich.table import Table

    from grader.results.results import format_points

    table = Table("submission", "code points", "to be marked", "in review", "points lost in")
    for result in results:
        if result.status != "graded":
            table.add_row(shown(result.submission), result.status, "", "", "")
            continue
        lost = [
            f"{question.id} ({format_points(question.max_points - (question.points or 0))})"
            for question in result.questions
            if question.kind == "code" and (question.points or 0) < question.max_points and question.status != "review"
        ]
        table.add_row(
            shown(result.submission),
            f"{format_points(result.code_points)} of {format_points(result.code_max_points)}",
            format_points(result.points_to_mark),
            format_points(result.points_in_review),
            ", ".join(lost),
        )
    print_table(table)


def _print_timings(results: Sequence[SubmissionResult]) -> None:
    from rich.table import Table

    stages = list(dict.fromkeys(stage for result in results for stage in result.timings))
    table = Table("seconds", *stages, "total")
    for result in results:
        seconds = [result.timings.get(stage, 0.0) for stage in stages]
        table.add_row(shown(result.submission), *(f"{value:.2f}" for value in (*seconds, sum(seconds))))
    print_table(table)
