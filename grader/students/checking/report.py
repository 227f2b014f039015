"""What a check of a notebook found, as plain data: all that is printed or written about it is made from this."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from grader.results.results import CheckResult

CheckedStatus = Literal["done", "not yet", "not started", "unsure", "later", "by a person"]
"""*done*: all public checks passed. *not yet*: at least one did not. *not started*: there is no answer.
*unsure*: a check could not be completed. *later*: there is an answer, but no public check. *by a person*: a text
question."""


class CheckedQuestion(Struct, kw_only=True):
    """One question, as far as its public checks go."""

    id: str
    title: str
    kind: Literal["code", "text"]
    status: CheckedStatus
    points: float
    """Of the public checks, as is `max_points`."""
    max_points: float
    full_points: float
    """Of the question: those of its public and its hidden checks, or what a person gives."""
    hidden_checks: int
    """How many checks run only after the deadline."""
    checks: list[CheckResult]
    """The public ones."""
    cells: list[int]
    """Of the answer: indices into the notebook's own list of cells, counted from 0."""
    notes: list[str] = []
    """For the student: remarks about this answer."""


class CheckReport(Struct, kw_only=True):
    """Everything that a check of one notebook found."""

    notebook: str
    """The path as given."""
    assignment: str
    """Its title."""
    status: Literal["checked", "unreadable", "error"] = "checked"
    """*unreadable*: the file is at fault. *error*: the check itself is."""
    message: str = ""
    """One line: what is wrong, where the status is not *checked*."""
    sandbox: str = ""
    """The level of the sandbox that the notebook ran in."""
    points: float = 0
    """Of the public checks, as is `max_points`."""
    max_points: float = 0
    text_points: float = 0
    """Of the text questions: a person marks them."""
    hidden_checks: int = 0
    """How many checks run only after the deadline, and the points that they are worth."""
    hidden_points: float = 0
    only: list[str] = []
    """The questions that were asked for, where these were not all."""
    questions: list[CheckedQuestion] = []
    notes: list[str] = []
    """About the whole notebook."""
    grader_version: str = ""

    @property
    def passed(self) -> bool:
        """Whether every code question that was asked for is done, as far as that can be told before the deadline."""
        code = (question for question in self.questions if question.kind == "code")
        return self.status == "checked" and all(question.status in ("done", "later") for question in code)
