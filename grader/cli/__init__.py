"""The commands: parse, call, print."""

from __future__ import annotations

import atexit
import gc
import io
import logging
import signal
import sys

import typer

from grader.cli import marks
from grader.cli.check import check
from grader.cli.complete import complete
from grader.cli.grade import grade
from grader.cli.mark import mark
from grader.cli.release import release
from grader.cli.sites import export, import_
from grader.cli.validate import validate
from grader.light import leave_out_unused

app = typer.Typer(
    help="Grade Jupyter notebooks against a rubric.", add_completion=False, no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _commands() -> None:
    """Grade Jupyter notebooks against a rubric."""


app.command()(grade)
app.command("import")(import_)
app.command()(mark)
app.add_typer(marks.app, name="marks")
app.command()(export)
app.command()(validate)
app.command()(release)
app.command()(check)
app.command()(complete)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no such letter is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Before a command has begun, and after it has ended: no traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    leave_out_unused()
    # What libraries log is not for those who grade: asyncio shows the traceback of a cell that Ctrl-C ended.
    logging.getLogger().addHandler(logging.NullHandler())
    # At the end, Python would look through all that torch has made for what can be freed: half a second, for nothing.
    atexit.register(gc.freeze)
    app()
