"""Reports, question pages and tables made anew after marks, in the background: what has changed, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grader.assignment.assignment import load_assignment
from grader.report.store import read_results, rewrite


class Rewriter:
    """For one results folder."""

    def __init__(self, rubric: Path, output: Path) -> None:
        """Raises RubricError."""
        self._assignment = load_assignment(rubric)
        self._output = output

    def rewrite(self, submissions: Sequence[str], questions: Sequence[str]) -> list[str]:
        """questions: those about which something was decided. Returns a line for each result that cannot be read.

        Raises OSError, MarksError.
        """
        results, faults = read_results(self._output)
        wanted = set(submissions)
        return faults + rewrite(self._assignment, [each for each in results if each.submission in wanted], self._output)
