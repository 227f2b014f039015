"""Running a notebook for the public checks: the whole of it, or no more than the questions need that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from grader.assignment.assignment import Question
from grader.assignment.locating import Answer
from grader.assignment.notebook import UnreadableNotebook, read_file
from grader.assignment.reading import read_submission
from grader.execution.sandbox import Sandbox
from grader.slicing.criterion import criterion_names
from grader.slicing.imports import imported_of
from grader.slicing.slices import backward_slice
from grader.students.bundle.bundle import Bundle
from grader.students.bundle.replay import Replay
from grader.students.bundle.stubs import is_begun

if TYPE_CHECKING:
    from grader.grading.submission import Graded


class Run:
    """One run, in a sandbox that has begun to start and is to be stopped by whoever began it."""

    def __init__(
        self, bundle: Bundle, asked: Sequence[Question], sandbox: Sandbox, tell: Callable[[str], None]
    ) -> None:
        self.bundle = bundle
        self.assignment = bundle.assignment
        self.asked = asked
        self.sandbox = sandbox
        self.tell = tell

    def run(self, path: Path, only: bool) -> Graded:
        assignment = self.assignment
        try:
            content = read_file(path, assignment.limits.notebook_bytes)
            read = read_submission(content, assignment.questions, assignment.limits)
        except UnreadableNotebook as error:
            from grader.grading.submission import Graded, unreadable

            return Graded(unreadable(assignment, self.bundle.seed, path.stem, str(path), str(error)))
        notebook, answers = read.notebook, read.answers
        stubs = self.bundle.contents.stubs
        answered = [q for q in self.asked if is_begun(notebook, q, answers[q.id], stubs.get(q.id, ()))]
        if not only:
            return self.grade(notebook, answers, answered, path)
        names = criterion_names(assignment.folder, [question.id for question in self.asked])
        few = backward_slice(notebook, answers, answered, names, trust=True)
        self.sandbox.preload = list(imported_of(assignment.preload, few.notebook))
        graded = self.grade(few.notebook, answers, answered, path)
        if graded.notebook is None or few.holds(graded.notebook):
            return graded
        # It was taken for less than it may be.
        more = backward_slice(notebook, answers, answered, names)
        self.sandbox.preload = list(assignment.preload)
        return self.grade(more.notebook, answers, answered, path)

    def grade(
        self, notebook: NotebookNode, answers: Mapping[str, Answer], answered: Sequence[Question], path: Path
    ) -> Graded:
        self.sandbox.start_meanwhile()
        # Only now: this takes its time, too.
        from grader.grading.submission import Grader, new_result

        asked = {question.id for question in self.asked}
        checks = [check for check in self.bundle.checks if check.question in asked]
        expected = Replay(self.bundle.record)
        result = new_result(self.assignment, self.bundle.seed, path.stem, str(path))
        with Grader(
            self.assignment, self.bundle.seed, self.tell, checks=checks, expected=expected, sandbox=self.sandbox
        ) as worker:
            return worker.grade_notebook(result, notebook, answers, answered)
