"""Reports, question pages and tables made anew after marks, in the background: what has changed, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from grader.assignment.assignment import load_assignment
from grader.desk.sources import read_plain
from grader.report.render import ClassAnswers, collect_answers, grades_csv, render_index, render_question
from grader.report.store import NOTEBOOK, read_results, rewrite_report
from grader.results.results import SubmissionResult, write_atomically


class Rewriter:
    """For one results folder. Keeps what students wrote between two times: to read it takes the longest."""

    def __init__(self, rubric: Path, output: Path) -> None:
        """Raises RubricError."""
        self._assignment = load_assignment(rubric)
        self._output = output
        self._answers: ClassAnswers | None = None
        self._stamps: dict[str, tuple[int, int]] = {}

    def rewrite(self, submissions: Sequence[str], questions: Sequence[str]) -> list[str]:
        """questions: those about which something was decided; where there are none, all. Returns a line for each result
        that cannot be read. Raises OSError, MarksError.
        """
        assignment, output = self._assignment, self._output
        for submission in submissions:
            rewrite_report(assignment, output, submission)
        everybody, faults = read_results(output)
        results = [each for each in everybody if each.assignment == assignment.title]
        answers = self._follow(results)
        for question in assignment.questions:
            if not questions or question.id in questions:
                page = render_question(assignment, question.id, results, answers)
                write_atomically(output / "questions" / f"{question.id}.html", page)
        write_atomically(output / "index.html", render_index(assignment, results))
        write_atomically(output / "grades.csv", grades_csv(assignment, results))
        return faults

    def _follow(self, results: Sequence[SubmissionResult]) -> ClassAnswers:
        """The answers of the class, as far as they have changed read again."""
        stamps = {result.submission: self._stamp(result.submission) for result in results}
        if self._answers is None:
            self._answers = collect_answers(self._assignment, results, partial(read_plain, self._output))
        else:
            for result in results:
                if self._stamps.get(result.submission) != stamps[result.submission]:
                    notebook = read_plain(self._output, result.submission)
                    for question in result.questions:
                        self._answers.add(result.submission, question, notebook)
        self._stamps = stamps
        return self._answers

    def _stamp(self, submission: str) -> tuple[int, int]:
        try:
            status = (self._output / submission / NOTEBOOK).stat()
        except OSError:
            return 0, 0
        return status.st_mtime_ns, status.st_size
