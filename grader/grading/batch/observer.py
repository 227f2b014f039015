"""Who watches a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.grading.batch.plan import Plan
    from grader.results.results import SubmissionResult


class Observer:
    """Told how a batch goes on; to be overridden. All calls come from the thread that grades."""

    def planned(self, plan: Plan) -> None:
        """Before anything is graded."""

    def ended(self, result: SubmissionResult) -> None:
        """A result is stored: graded, copied from that of the same notebook, or known without grading."""

    def noticed(self, line: str) -> None:
        """Something that costs no grade, but that a person should know."""

    def noted(self, line: str) -> None:
        """Something about the hand-ins as a whole that a person should read; nothing is wrong."""
