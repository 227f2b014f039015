"""A live notebook, as the checks see it: the kernel's names for the student's, a record in the reference's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grader.assignment.assignment import Question
from grader.execution.namespace import Namespace
from grader.students.bundle.bundle import Bundle
from grader.students.bundle.replay import Replay
from grader.students.live.answers import LiveAnswers
from grader.students.live.cells import Cells
from grader.students.live.definitions import Definitions


class LiveNotebook:
    """The `Notebooks` of a check session."""

    def __init__(self, shell: Any, bundle: Bundle, definitions: Definitions) -> None:
        self.shell = shell
        self.names: dict[str, Any] = shell.user_ns
        self.assignment = bundle.assignment
        self.replay = Replay(bundle.record)
        self.cells = Cells(shell, Path.cwd())
        stubs = {stub for stubs in bundle.contents.stubs.values() for stub in stubs}
        self.answers = {
            question.id: definitions.answer(bundle.assignment, question, self.names, stubs)
            for question in bundle.assignment.questions
        }

    def student(self, question: str, seed: int, carry: Sequence[Question]) -> Namespace:
        return Namespace(lambda: self._answers(question, seed))

    def _answers(self, question: str, seed: int) -> LiveAnswers:
        # Where a later question has taken a name over, this one's function has it again for the check.
        self.names.update(self.answers[question])
        asked = self.assignment.question(question)
        return LiveAnswers(self.names, self.shell, self.cells, asked, self.assignment.limits, seed)

    def reference(self, question: str, seed: int) -> Namespace:
        return self.replay.namespace(question, seed)

    def drawn(self, case: str, number: int, draw: Callable[[], list[Any]]) -> list[Any]:
        return self.replay.drawn(case, number, draw)

    def carried_names(self, question: str, lost: Sequence[Question]) -> list[str]:
        """None: there is no reference whose functions could take their place."""
        return []

    def is_missing(self, question: str) -> bool:
        """Whether none of the question's names is defined."""
        return bool(self.assignment.question(question).defines) and not self.answers[question]

    def notes(self, question: str) -> list[str]:
        """Where one function stands for the answers to several questions: which."""
        notes = []
        for name, value in self.answers[question].items():
            others = [id for id, found in self.answers.items() if id != question and found.get(name) is value]
            if others:
                notes.append(
                    f"`{name}` is what {', '.join(others)} asks for, too: the one whose cell ran last is checked."
                )
        return notes

    def name_cell(self, file: str) -> str:
        return self.cells.name(file)
