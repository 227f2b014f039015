"""`grader marks`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.explain import complain, explained, shown

if TYPE_CHECKING:
    from grader.marks.apply import Applied
    from grader.results.results import Change, SubmissionResult

app = typer.Typer(
    help="Mark by hand, with score files: text questions, reviews, and changes to points that checks gave.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Results = Annotated[Path, typer.Argument(help="The folder that `grader grade` has written.")]
_Rubric = Annotated[Path, typer.Option(help="The rubric's folder, such as rubrics/dl1.")]


@app.command()
def template(
    results: _Results,
    rubric: _Rubric,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the score files go.")] = Path("marks"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite also files that are filled in.")] = False,
) -> None:
    """Write a score file for each submission, to be filled in with an editor."""
    with explained(output, lambda: "the score files written so far are complete"):
        from grader.assignment.assignment import load_assignment
        from grader.marks.template import template as write_template

        made = write_template(load_assignment(rubric), results, output, force=force)
    for path in made.left_alone:
        typer.echo(f"not overwritten, because it is filled in: {shown(path)}")
    for submission in made.without:
        typer.echo(f"note: {shown(submission)}: there is nothing to mark, no notebook was handed in")
    for fault in made.faults:
        complain(fault)
    typer.echo(f"Score files: {len(made.written)} written to {shown(output)}")
    if made.faults:
        raise typer.Exit(1)


@app.command()
def apply(
    results: _Results,
    files: Annotated[list[Path], typer.Argument(help="Score files that are filled in, or folders of them.")],
    rubric: _Rubric,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", help="The marker's name, for files with nothing under `Marked by`. Default: your login name."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    unbound: Annotated[
        bool,
        typer.Option(
            "--unbound",
            help="Accept files without `Made from`: the name of the file is the name of the submission in RESULTS.",
        ),
    ] = False,
) -> None:
    """Enter the points and comments of filled-in score files, and update the reports and tables."""
    with explained(results, lambda: "marks that were entered are kept; apply the files again"):
        from datetime import UTC, datetime

        from grader.assignment.assignment import load_assignment
        from grader.marks.apply import apply as apply_files
        from grader.results.journal import MarksError

        who = by or _login_name()
        when = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            applied = apply_files(load_assignment(rubric), results, files, who, when, unbound=unbound, dry_run=dry_run)
        except OSError as error:
            why = f"cannot be written ({error.strerror or error}); correct that, and apply the files again"
            raise MarksError([f"{shown(error.filename or results)}: {why}"]) from None
    for result in applied.results:
        _print_submission(result, applied.changes[result.submission])
    for note in applied.notes:
        typer.echo(f"note: {shown(note)}")
    for fault in applied.faults:
        complain(fault)
    _print_sum(applied, dry_run, results)
    if applied.faults:
        raise typer.Exit(1)


@app.command()
def log(
    results: _Results,
    submission: Annotated[str | None, typer.Argument(help="Only this submission.")] = None,
) -> None:
    """Show every decision: when, by whom, for which question, and why."""
    faults: list[str] = []
    with explained(results, str):
        from grader.report.store import read_results
        from grader.results.decisions import read_marks
        from grader.results.journal import MarksError

        found, faults = read_results(results)
        chosen = [result for result in found if submission in (None, result.submission)]
        if not chosen and not faults:
            what = "no results" if submission is None else f"no submission {submission!r}"
            raise MarksError([f"{shown(results)}: holds {what}"])
        marks = read_marks(results)
        for result in chosen:
            for change in marks.of(result.submission):
                typer.echo(shown(f"{change.when} {change.who}, {result.submission}, {_in_words(change, result)}"))
    for fault in faults:
        complain(fault)
    if faults:
        raise typer.Exit(1)


def _login_name() -> str:
    from getpass import getuser

    from grader.results.journal import MarksError

    try:
        return getuser()
    except (KeyError, OSError):
        raise MarksError(["your login name is not known; say who has marked with --by NAME"]) from None


def _in_words(change: Change, result: SubmissionResult) -> str:
    about = [each for question in result.questions for each in question.changes]
    parts = [
        _step(change),
        "" if change in about else _why_not(change, result),
        f"reason: {change.reason}" if change.reason else "",
        f"comment: {change.comment}" if change.comment else "",
    ]
    return "; ".join(" ".join(part.split()) for part in parts if part)


def _why_not(change: Change, result: SubmissionResult) -> str:
    from grader.results.journal import is_about

    if not is_about(change, result):
        return "does not count: it is not certain that it is about this submission"
    return "for another answer than the one in these results"


def _step(change: Change) -> str:
    from grader.results.results import format_points

    after = "taken back" if change.points is None else format_points(change.points)
    return f"{change.question}: {format_points(change.before)} → {after}"


def _print_submission(result: SubmissionResult, changes: list[Change]) -> None:
    from grader.results.results import format_points

    steps = ", ".join(_step(change) + (" (text)" if change.points == change.before else "") for change in changes)
    open_questions = [question.id for question in result.questions if _is_open(question.status, question.points)]
    parts = [
        f"{result.submission}: {steps or 'nothing new'}",
        f"{format_points(result.points)} of {format_points(result.max_points)} points",
        f"still to be decided: {', '.join(open_questions)}" if open_questions else "",
    ]
    typer.echo(shown("; ".join(filter(None, parts))))


def _is_open(status: str, points: float | None) -> bool:
    return status == "review" or points is None


def _print_sum(applied: Applied, dry_run: bool, results: Path) -> None:
    changes = sum(map(len, applied.changes.values()))
    files = len(applied.results)
    what = f"{changes} {'decision' if changes == 1 else 'decisions'} from {files} {'file' if files == 1 else 'files'}"
    if dry_run:
        typer.echo(f"{what} would be entered; nothing is written")
    else:
        typer.echo(f"{what} entered in {shown(results / 'index.html')}")
