"""The magic `%check`: parses the line, checks, and shows what came of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.display import display

from grader.faults import Faults
from grader.students.live.definitions import Definitions

if TYPE_CHECKING:
    from grader.students.checking.report import CheckReport
    from grader.students.live.checking import LiveChecks

NAME = "check"
INTERRUPTED = "The check was interrupted. Your variables are as they were before."


def load(shell: Any) -> None:
    """What `%load_ext grader` does."""
    unload(shell)
    magic = CheckMagic(shell)
    shell.register_magic_function(magic.check, magic_kind="line", magic_name=NAME)
    shell.events.register("post_run_cell", magic.look)


def unload(shell: Any) -> None:
    magics = shell.magics_manager.magics["line"]
    magic = getattr(magics.get(NAME), "__self__", None)
    if isinstance(magic, CheckMagic):
        del magics[NAME]
        shell.events.unregister("post_run_cell", magic.look)
        magic.close()


class CheckMagic:
    """Keeps the checks open from one `%check` to the next."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.definitions = Definitions()
        self.checks: LiveChecks | None = None
        self.parser = MagicArgumentParser(prog=f"%{NAME}", add_help=False)
        self.parser.add_argument("questions", nargs="*")
        self.parser.add_argument("--bundle")

    def look(self, result: object) -> None:
        """Called by IPython after each cell."""
        self.definitions.look(self.shell.user_ns)

    def check(self, line: str) -> None:
        """Check your answers: what you have in this notebook now, without running a cell again.

        %check                       all questions
        %check 1.3.a 1.3.b           these questions
        %check --bundle FILE ...     with a file of checks that is not in the notebook's folder

        Your variables, figures and random numbers stay as they are.
        """
        arguments = self.parser.parse_argstring(line)
        questions = [id for word in arguments.questions for id in word.split(",") if id]
        try:
            report = self.report(questions, arguments.bundle)
        except KeyboardInterrupt:
            raise UsageError(INTERRUPTED) from None
        except Faults as error:
            raise UsageError("; ".join(error.faults)) from None
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:500]
            raise UsageError(f"The check itself failed, which is no mistake of yours: {why}") from error
        display(Shown(report))

    def report(self, questions: list[str], bundle: str | None) -> CheckReport:
        """Raises Faults."""
        from grader.students.live.checking import LiveChecks
        from grader.students.live.finding import checks_of_folder

        path = checks_of_folder(Path.cwd(), os.environ) if bundle is None else Path(bundle.strip("'\"")).expanduser()
        if self.checks is None or not self.checks.is_of(path):
            self.close()
            self.checks = LiveChecks(path)
        return self.checks.check(self.shell, self.definitions, questions)

    def close(self) -> None:
        if self.checks is not None:
            checks, self.checks = self.checks, None
            checks.close()


class Shown:
    """A report as front ends show it: as a page where they can, else as text."""

    def __init__(self, report: CheckReport) -> None:
        self.report = report

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from grader.students.formats.text import text
        from grader.students.live.page import page

        return {"text/plain": text(self.report), "text/html": page(self.report)}
