"""`grader marks`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.explain import complain, explained, shown
from grader.cli.marked import print_older_exports

if TYPE_CHECKING:
    from grader.marks.apply import Applied
    from grader.results.history import Entry
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
    print_older_exports(results)
    if applied.faults:
        raise typer.Exit(1)


@app.command()
def log(
    results: _Results,
    submission: Annotated[str | None, typer.Argument(help="Only this submission.")] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="A line of JSON for each, to be kept in a repository.")
    ] = False,
) -> None:
    """Show every decision: when, by whom, for which question, and why; and all else that was stored while marking."""
    faults: list[str] = []
    with explained(results, str):
        from grader.report.store import read_results
        from grader.results.history import read_history
        from grader.results.journal import MarksError

        found, faults = read_results(results)
        by_name = {result.submission: result for result in found}
        entries = read_history(results, submission)
        if not entries and not faults and (not found if submission is None else submission not in by_name):
            what = "no results" if submission is None else f"no submission {submission!r}"
            raise MarksError([f"{shown(results)}: holds {what}"])
        for entry in entries:
            if jsonl:
                typer.echo(entry.as_json().decode())
            else:
                typer.echo(shown(_entry_in_words(entry, by_name.get(str(entry.said.get("submission", ""))))))
    for fault in faults:
        complain(fault)
    if faults:
        raise typer.Exit(1)


def _entry_in_words(entry: Entry, result: SubmissionResult | None) -> str:
    from grader.results.results import format_points

    head, said, change = f"{entry.when} {entry.who}", entry.said, entry.change
    if change is not None:
        second = "second mark, does not count; " if said.get("second") else ""
        undone = "taken back; " if entry.undoes else ""
        return f"{head}, {said['submission']}, {second}{undone}{_in_words(change, result)}"
    where = ", ".join(filter(None, [said.get("submission", ""), said.get("question", "")]))
    if entry.kind == "item":
        gone = ", offered no more" if said["retired"] else ""
        return f"{head}, item {said['key']} of {where}: {format_points(said['points'])}, {said['text']}{gone}"
    words = {
        "split": "taken out of its group" if said.get("apart") else "put back into its group",
        "flag": f"flagged for {said.get('for_whom') or 'anybody'}: {said.get('note')}"
        if said.get("open")
        else "flag down",
        "share": f"to be marked{' a second time' if said.get('second') else ''} by {said.get('marker')}",
        "name shown": "the name was shown",
        "export": f"exported to {said.get('path')}",
    }
    return f"{head}, {where + ': ' if where else ''}{' '.join(words[entry.kind].split())}"


def _login_name() -> str:
    from getpass import getuser

    from grader.results.journal import MarksError

    try:
        return getuser()
    except (KeyError, OSError):
        raise MarksError(["your login name is not known; say who has marked with --by NAME"]) from None


def _in_words(change: Change, result: SubmissionResult | None) -> str:
    parts = [
        _step(change),
        _why_not(change, result),
        f"items: {', '.join(change.items)}" if change.items else "",
        f"reason: {change.reason}" if change.reason else "",
        f"comment: {change.comment}" if change.comment else "",
    ]
    return "; ".join(" ".join(part.split()) for part in parts if part)


def _why_not(change: Change, result: SubmissionResult | None) -> str:
    from grader.results.journal import is_about

    if result is None:
        return "does not count: no such submission is in these results"
    if not is_about(change, result):
        return "does not count: it is not certain that it is about this submission"
    about = [each for question in result.questions for each in question.changes]
    about += [each for adjustment in result.adjustments for each in adjustment.changes]
    return "" if change in about else "for another answer than the one in these results"


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
