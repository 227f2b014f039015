"""The answers of a whole class, read from one executed notebook at a time: their sources, no more than fits a page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from grader.assignment.assignment import Assignment
from grader.assignment.notebook import UnreadableNotebook, read_notebook
from grader.assignment.solution import SolutionError, student_version
from grader.report.budget import ANSWER_CELLS, ANSWER_CHARACTERS
from grader.report.class_statistics import is_graded
from grader.report.similar import shingles, tokens
from grader.report.text import clean, excerpt, joined
from grader.results.results import QuestionResult, SubmissionResult

_LITTLE = 100
"""Characters of a cell that are not worth showing without the rest."""


@dataclass(frozen=True)
class Source:
    """One cell's source, cut where the answer is too long."""

    kind: Literal["code", "text"]
    text: str


@dataclass(frozen=True)
class AnswerSource:
    """The cells of an answer, without outputs. Equal answers are one object."""

    cells: tuple[Source, ...]
    remark: str = ""
    """What was left out."""


@dataclass
class ClassAnswers:
    """By question and submission. An answer whose notebook is not at hand has no source, but still its digest."""

    given: frozenset[int] = frozenset()
    """Shingles of what the students were given: prompts, frames of functions, tests. It makes no answers alike."""
    _digests: dict[tuple[str, str], str] = field(default_factory=dict)
    _sources: dict[str, AnswerSource] = field(default_factory=dict)

    def digest(self, question: str, submission: str) -> str:
        """Equal for equal answers to this question; empty where there is no answer."""
        return self._digests.get((question, submission), "")

    def source(self, digest: str) -> AnswerSource | None:
        return self._sources.get(digest)

    def add(self, submission: str, question: QuestionResult, notebook: Mapping[str, Any] | None) -> None:
        cells = _cells(question, notebook)
        digest = question.answer
        if cells and not digest:
            # Of a result that is older than the digests.
            text = "\0".join(joined(cell.get("source")) for cell in cells)
            digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        if digest:
            self._digests[question.id, submission] = digest
            if cells and digest not in self._sources:
                self._sources[digest] = _bounded(cells)


def collect_answers(
    assignment: Assignment,
    results: Sequence[SubmissionResult],
    load_notebook: Callable[[str], Mapping[str, Any] | None],
) -> ClassAnswers:
    """Keeps at most `ANSWER_CHARACTERS` of each different answer, whatever the size of the notebooks.

    load_notebook: reads the executed notebook of a submission; None where there is none. Called once for each
        submission that has answers, and what it returns is dropped before the next call.
    """
    asked = {question.id for question in assignment.questions}
    answers = ClassAnswers(given=_given(assignment))
    for result in filter(is_graded, results):
        questions = [question for question in result.questions if question.id in asked and question.cells]
        notebook = load_notebook(result.submission) if questions else None
        for question in questions:
            answers.add(result.submission, question, notebook)
    return answers


def shingles_of(cells: Iterable[Source]) -> frozenset[int]:
    return shingles([token for cell in cells for token in tokens(cell.text, cell.kind)])


def _given(assignment: Assignment) -> frozenset[int]:
    """Of each cell of the reference without its solutions; nothing where no solution is marked in it."""
    try:
        reference = read_notebook(assignment.reference, assignment.limits.notebook_bytes)
        stripped = student_version(reference)
    except (OSError, UnreadableNotebook, SolutionError):
        return frozenset()  # there is less to go by, and this is no place to complain of a rubric
    if [cell.source for cell in stripped.cells] == [cell.source for cell in reference.cells]:
        return frozenset()
    return frozenset().union(*(shingles_of([_source(cell, cell.source)]) for cell in stripped.cells))


def _source(cell: Mapping[str, Any], text: str) -> Source:
    return Source("code" if cell.get("cell_type") == "code" else "text", clean(text))


def _cells(question: QuestionResult, notebook: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    listed = notebook.get("cells") if notebook is not None else None
    there = listed if isinstance(listed, list) else []
    return [there[index] for index in question.cells if 0 <= index < len(there) and isinstance(there[index], Mapping)]


def _bounded(cells: Sequence[Mapping[str, Any]]) -> AnswerSource:
    left = ANSWER_CHARACTERS
    kept: list[Source] = []
    remarks: list[str] = []
    for cell in cells[:ANSWER_CELLS]:
        if left < _LITTLE:
            break
        part = excerpt(joined(cell.get("source")).strip("\n"), left)
        if part.left_out:
            remarks.append("A part of this answer is not shown.")
        left -= len(part.text)
        kept.append(_source(cell, part.text))
    if len(cells) > len(kept):
        more = len(cells) - len(kept)
        remarks.append(f"{more} more {'cell is' if more == 1 else 'cells are'} not shown.")
    return AnswerSource(tuple(kept), " ".join(remarks))
