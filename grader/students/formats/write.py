"""Writing what a check found: in which forms, and where to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from grader.faults import Faults, shown
from grader.results.results import write_atomically
from grader.students.checking.report import CheckReport
from grader.students.formats.actions import commands_off
from grader.students.formats.as_json import as_json
from grader.students.formats.github import append_to_step, github
from grader.students.formats.gitlab import gitlab
from grader.students.formats.gradescope import gradescope
from grader.students.formats.junit import junit
from grader.students.formats.markdown import markdown
from grader.students.formats.text import print_text, text

if TYPE_CHECKING:
    from grader.students.checking.check import Checked

_OF_REPORT: Mapping[str, Callable[[CheckReport], str]] = {
    "text": text,
    "json": as_json,
    "junit": junit,
    "github": github,
    "gitlab": gitlab,
    "gradescope": gradescope,
    "markdown": markdown,
}
FORMATS = (*_OF_REPORT, "html")


class FormatError(Faults):
    """A format that there is not, or a file that cannot be written."""


class Output(NamedTuple):
    format: str
    file: Path | None
    """None: standard output."""


def parse_formats(values: Sequence[str]) -> list[Output]:
    """Read `junit` and `junit=report.xml`. Raises FormatError."""
    outputs, faults = [], []
    for value in values:
        format, equals, file = value.partition("=")
        if format not in FORMATS:
            faults.append(f"--format {value}: there is no such format; there are {', '.join(FORMATS)}")
        elif equals and not file:
            faults.append(f"--format {value}: there is no file after the equals sign")
        outputs.append(Output(format, Path(file) if file else None))
    files = [output.file for output in outputs if output.file]
    faults += [
        f"--format: two formats cannot be in one file, {shown(file)}" for file in set(files) if files.count(file) > 1
    ]
    if faults:
        raise FormatError(faults)
    return outputs


def write(checked: Checked, outputs: Sequence[Output]) -> None:
    """Write files, each whole or not at all, and then print the rest. Raises FormatError.

    In GitHub Actions nothing that is printed is taken for a workflow command, except for the annotations of `github`.
    """
    for output in outputs:
        if output.file:
            _write_file(output.file, _made(output.format, checked))
    for output in outputs:
        if not output.file:
            _print(output.format, checked)
        if output.format == "github":
            _append_to_step(checked.report)


def _made(format: str, checked: Checked) -> str:
    if format in _OF_REPORT:
        return _OF_REPORT[format](checked.report)
    # Imported here: the other formats do not wait for templates and Markdown.
    from grader.students.formats.page import page

    return page(checked)


def _write_file(path: Path, content: str) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise FormatError([f"{shown(path)}: cannot be written ({error.strerror or error})"]) from None


def _append_to_step(report: CheckReport) -> None:
    try:
        append_to_step(report)
    except OSError as error:
        name = shown(Path(error.filename)) if error.filename else "the files of the step"
        raise FormatError([f"{name}: cannot be written ({error.strerror or error})"]) from None


def _print(format: str, checked: Checked) -> None:
    if format == "github":
        sys.stdout.write(github(checked.report))
        return
    with commands_off():
        if format == "text" and sys.stdout.isatty():
            from rich.console import Console

            print_text(checked.report, Console(markup=False, emoji=False, highlight=False))
        else:
            sys.stdout.write(_made(format, checked))
