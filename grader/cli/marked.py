"""What people have decided, as the terminal says it: what is marked and left, what has lapsed, what to export again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from grader.cli.explain import shown

if TYPE_CHECKING:
    from grader.results.results import SubmissionResult

SHOWN = 12


def with_marks(results: Sequence[SubmissionResult], output: Path) -> list[SubmissionResult]:
    """What counts: the results with people's decisions merged in.

    Where those cannot be read, what the checks found; that has been told before.
    """
    from grader.results.decisions import read_marks
    from grader.results.journal import MarksError, merged

    try:
        marks = read_marks(output)
    except MarksError:
        return list(results)
    return [
        result if result.submission in marks.faults else merged(result, marks.of(result.submission))
        for result in results
    ]


def print_marked(results: Sequence[SubmissionResult]) -> None:
    """`results`: with people's decisions merged in."""
    from grader.results.results import format_points

    questions = [question for result in results for question in result.questions]
    marked = sum(question.status == "marked" for question in questions)
    review = sum(question.status == "review" for question in questions)
    left = sum(question.kind == "text" and question.points is None for question in questions)
    lapsed = [
        (result.submission, question.id, question.lapsed)
        for result in results
        for question in result.questions
        if question.lapsed is not None
    ]
    if marked or lapsed:
        answers = f"{marked} {'answer' if marked == 1 else 'answers'}"
        typer.echo(f"Marked by people: {answers}; {left} to be marked, {review} in review, {len(lapsed)} lapsed")
    for submission, id, change in lapsed[:SHOWN]:
        typer.echo(
            f"lapsed: {shown(submission)} {id}: {shown(change.who)} gave {format_points(change.points)} for an earlier "
            "answer; keep that or mark anew, with `grader mark`"
        )
    if len(lapsed) > SHOWN:
        typer.echo(f"lapsed: and {len(lapsed) - SHOWN} more")
    late = sum(result.late is not None for result in results)
    if late:
        lifted = sum(each.kind == "late" and bool(each.who) for result in results for each in result.adjustments)
        typer.echo(f"Late: {late} of {len(results)}" + (f"; decided by a person: {lifted}" if lifted else ""))


def print_older_exports(output: Path) -> None:
    """A line for each file that was exported before the last decision."""
    from grader.results.history import read_exports
    from grader.results.journal import MarksError

    try:
        exports = [export for export in read_exports(output) if export.since and Path(export.path).exists()]
    except MarksError:
        return
    for export in exports:
        decisions = f"{export.since} {'decision' if export.since == 1 else 'decisions'}"
        typer.echo(f"note: {shown(export.path)} is older than {decisions}; export again with `grader export`")
