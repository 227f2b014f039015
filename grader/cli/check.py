"""`grader check`: parse, call, print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.explain import explained

if TYPE_CHECKING:
    from grader.execution.sandbox import SandboxMode
    from grader.students.checking.check import Checked

PASSED, NOT_ALL_PASSED, COULD_NOT_CHECK = 0, 1, 2


def check(
    notebook: Annotated[Path, typer.Argument(help="The notebook.")],
    question: Annotated[
        list[str] | None,
        typer.Option("--question", "-q", help="Only this question, such as 1.3.a; can be given several times."),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The file of checks. Default: the one beside the notebook.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Check again each time the notebook is saved.")] = False,
    format: Annotated[
        list[str] | None,
        typer.Option(
            help="text, json, junit, github, gitlab, gradescope, markdown or html; `junit=FILE` writes to a file. "
            "Can be given several times."
        ),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            min=0, help="Exit with status 0 if the public checks give at least this many points, else with 1."
        ),
    ] = None,
    sandbox: Annotated[
        str,
        typer.Option(
            help="require: only in bubblewrap. auto: the best sandbox of this machine. none: without bubblewrap."
        ),
    ] = "auto",
) -> None:
    """Check a notebook before it is handed in. Exit status: 0 all passed, 1 not all, 2 it could not be checked."""

    def once() -> int:
        from grader.students.formats import guarded_github_files, write

        with guarded_github_files():
            checked = _check(notebook, bundle, question or (), mode)
        write(checked, outputs)
        return _status(checked, fail_under)

    with explained(notebook, lambda: ""):
        from grader.cli.explain import parse_mode
        from grader.students.formats import parse_formats

        outputs = parse_formats(format or ["text"])
        mode = parse_mode(sandbox)
        status = PASSED if watch else once()
    if watch:
        _watch(notebook, once)
    raise typer.Exit(status)


def _check(notebook: Path, bundle: Path | None, questions: Sequence[str], mode: SandboxMode) -> Checked:
    from grader.students.bundle.bundle import bundle_for, open_bundle
    from grader.students.checking.check import check as run_check

    with open_bundle(bundle or bundle_for(notebook)) as opened:
        return run_check(notebook, opened, questions, mode)


def _status(checked: Checked, fail_under: float | None) -> int:
    report = checked.report
    if report.status != "checked":
        return COULD_NOT_CHECK
    passed = report.passed if fail_under is None else report.points >= fail_under
    return PASSED if passed else NOT_ALL_PASSED


def _watch(notebook: Path, once: Callable[[], int]) -> None:
    """Check now, and after each change, until Ctrl-C. What is wrong this time may be mended the next."""
    from grader.students.checking.watching import changes

    with explained(notebook, lambda: ""):
        for _ in changes(notebook):
            try:
                with explained(notebook, lambda: ""):
                    once()
            except typer.Exit as ended:
                if ended.exit_code != COULD_NOT_CHECK:
                    raise
