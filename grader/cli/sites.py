"""`grader import` and `grader export`: a course site's download in, its grade file and feedback out."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.explain import complain, explained, print_table, shown

if TYPE_CHECKING:
    from grader.results.classlist import HandIn
    from grader.sites.importing import Imported


class SiteName(StrEnum):
    BRIGHTSPACE = "brightspace"
    CANVAS = "canvas"
    MOODLE = "moodle"


def import_(
    site: Annotated[SiteName, typer.Argument(help="Where the download comes from.")],
    download: Annotated[
        Path, typer.Argument(help="The site's bulk download: the zip, or the folder unpacked from it.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the notebooks go.")] = Path("submissions"),
    rubric: Annotated[
        Path | None,
        typer.Option(
            help="If a hand-in has several notebooks, take the one that answers most questions of this rubric."
        ),
    ] = None,
    due: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"],
            metavar="YYYY-MM-DD HH:MM",
            help="The deadline, in the site's time zone. Later hand-ins are marked late, if the download has times.",
        ),
    ] = None,
) -> None:
    """Import a course site's bulk download: make a folder with one notebook for each person."""
    with explained(output, lambda: "the class list is as it was; import again"):
        from grader.assignment.assignment import load_assignment
        from grader.sites.importing import import_download

        assignment = load_assignment(rubric) if rubric else None
        imported = import_download(site.value, download, output, assignment=assignment, due=due)
    _print_imported(imported, output)
    if imported.classlist.refused:
        raise typer.Exit(1)


def export(
    site: Annotated[SiteName, typer.Argument(help="Where the grades go.")],
    results: Annotated[Path, typer.Argument(help="The folder that grader grade wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The grade file.")] = Path("grades-for-site.csv"),
    gradebook: Annotated[
        Path | None, typer.Option(help="What the site exports: its grade book, or Moodle's grading worksheet.")
    ] = None,
    item: Annotated[
        str, typer.Option(help="The name of the grade item on the site, if the files do not tell it.")
    ] = "",
    feedback: Annotated[
        Path | None, typer.Option(help="Also write a zip with everybody's report for the site.")
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(
            help="A CSV file with the columns submission,username, for those whose name does not tell who they are."
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave out submissions with points that are not decided yet.")
    ] = False,
    missing_as_zero: Annotated[
        bool,
        typer.Option("--missing-as-zero", help="Give 0 points to a hand-in without a notebook, instead of no grade."),
    ] = False,
) -> None:
    """Write the grade file that the course site imports and, with --feedback, a zip with the reports."""
    with explained(output, lambda: "the grade file is as it was"):
        from grader.sites.exporting import export_grades

        exported = export_grades(
            site.value,
            results,
            output,
            gradebook=gradebook,
            item=item,
            people=people,
            feedback=feedback,
            partial=partial,
            missing_as_zero=missing_as_zero,
        )
    for line in exported.notes:
        typer.echo(f"note: {shown(line)}")
    for line in exported.without_grade:
        complain(f"no grade: {shown(line)}")
    typer.echo(f"Grades of {exported.graded} for “{shown(exported.item)}”: {shown(output)}")
    if feedback:
        typer.echo(f"Feedback: {shown(feedback)}")
    if exported.without_grade:
        raise typer.Exit(1)


def _print_imported(imported: Imported, output: Path) -> None:
    from rich.table import Table

    hand_ins = imported.classlist.hand_ins
    table = Table("submission", "person", "handed in", "late", "notebook")
    for hand_in in hand_ins:
        late = {True: "late", False: "", None: "?"}[hand_in.late]
        submitted = shown(hand_in.submitted.replace("T", " "))
        table.add_row(shown(hand_in.submission), shown(hand_in.person), submitted, late, _notebook(hand_in, imported))
    print_table(table)
    for hand_in in hand_ins:
        for note in hand_in.notes:
            typer.echo(f"note: {hand_in.submission}: {shown(note)}")
    for line in imported.classlist.refused:
        complain(f"refused: {shown(line)}")
    new, replaced, missing = len(imported.new), len(imported.replaced), len(imported.missing)
    typer.echo(f"{len(hand_ins)} people: {new} new notebooks, {replaced} replaced, {missing} without one")
    typer.echo(f"Notebooks: {shown(output)}")


def _notebook(hand_in: HandIn, imported: Imported) -> str:
    if hand_in.notebook is None:
        return "missing"
    if hand_in.submission in imported.replaced:
        return "replaced"
    return "new" if hand_in.submission in imported.new else ""
