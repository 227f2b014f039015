"""Reading a notebook's labels: which question each one belongs to, and which cells follow it."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from grader.assignment.assignment import Question
from grader.assignment.locating.cells import Cell
from grader.assignment.locating.wanted import fit, wanted_names

# Labels beyond these are not read: a submission must not stop the grader.
_MAX_LABELS = 2_000


@dataclass(slots=True, eq=False)
class Label:
    """A label with the region that follows it: the cells up to the next heading or label."""

    cell: int
    letter: str
    said: str
    """The section that the label itself states, if it does."""
    under: str
    """The section of the last section heading above it."""
    heading: int
    """The cell of that heading."""
    given: bool
    starts_anew: bool = False
    """The letters have begun again under that heading: another section's heading may be lost."""
    region: range = range(0)
    has_code: bool = False
    """Whether there is a code cell in the region."""
    question: Question | None = None
    section: str = ""


def read_labels(cells: Sequence[Cell], questions: Sequence[Question]) -> list[Label]:
    """All labels with their questions: a label is read with the section above it and with the labels around it."""
    labels = _collect_labels(cells)
    if not labels:
        return []
    _assign_sections(labels, cells, questions)
    by_place = {(question.section, question.letter): question for question in questions}
    for label in labels:
        label.question = by_place.get((label.section, label.letter))
    given = {(label.section, label.letter) for label in labels if label.given}
    kept: list[Label] = []
    sources: dict[tuple[str, str], set[str]] = {}
    for label in labels:
        source, same = cells[label.cell].source, sources.setdefault((label.section, label.letter), set())
        if not _is_enumeration(label, kept, given, source, same):
            kept.append(label)
            same.add(source)
    _set_regions(kept, cells)
    return kept


def _collect_labels(cells: Sequence[Cell]) -> list[Label]:
    labels: list[Label] = []
    under, heading = "", -1
    for cell in cells:
        for mark in cell.marks:
            if mark.kind == "section":
                under, heading = mark.section, cell.index
            elif mark.kind == "label" and len(labels) < _MAX_LABELS:
                labels.append(Label(cell.index, mark.letter, mark.section, under, heading, mark.given))
    _set_regions(labels, cells)
    if sum(label.given for label in labels) * 2 >= len(labels):
        # Where the course's labels state points, "**a)** ... **b)** ..." in an answer is the student's own.
        labels = _without_restarts(labels)
    _mark_restarts(labels)
    return labels


def _without_restarts(labels: list[Label]) -> list[Label]:
    kept: list[Label] = []
    highest: dict[int, str] = {}
    for label in labels:
        letter = highest.get(label.heading, "")
        if label.given or label.said or label.letter >= letter or label.has_code:
            kept.append(label)
            highest[label.heading] = max(letter, label.letter)
    return kept


def _mark_restarts(labels: list[Label]) -> None:
    for before, label in pairwise(labels):
        if before.heading == label.heading:
            label.starts_anew = before.starts_anew or label.letter <= before.letter


def _set_regions(labels: Sequence[Label], cells: Sequence[Cell]) -> None:
    """Give each label the cells after it; where several stand in one cell, they share them."""
    labelled = {label.cell for label in labels}
    boundaries = [
        cell.index for cell in cells if cell.index in labelled or any(mark.kind != "label" for mark in cell.marks)
    ]
    boundaries.append(len(cells))
    code = list(accumulate((cell.is_code for cell in cells), initial=0))
    for label in labels:
        end = boundaries[bisect.bisect_right(boundaries, label.cell)]
        cut_off = cells[label.cell].marks[-1].kind == "heading"
        label.region = range(label.cell + 1, label.cell + 1 if cut_off else end)
        label.has_code = code[label.region.stop] > code[label.region.start]


def _is_enumeration(
    label: Label, before: list[Label], given: set[tuple[str, str]], source: str, same: set[str]
) -> bool:
    """Whether a student's own "**a)** ... **b)** ..." in an answer only looks like labels: their questions are
    elsewhere. The letter of the question itself, though, is how many begin an answer.

    source: the text of the label's cell; same: those of the labels before it that say the same.
    """
    if label.given or label.said or not before or before[-1].letter == label.letter:
        return False
    if (label.section, label.letter) in given:
        return True
    return bool(same) and source not in same and not label.has_code


def _assign_sections(labels: Sequence[Label], cells: Sequence[Cell], questions: Sequence[Question]) -> None:
    """Decide the section of each label: the most plausible sequence, since headings and labels get lost and moved.

    Viterbi's algorithm over the rubric's sections (and "another section"). The heading above a label counts most;
    letters that start anew, and answers that define what a section's question asks for, replace a lost one.
    """
    sections = list(dict.fromkeys(question.section for question in questions))
    states = [*sections, ""]
    by_place = {(question.section, question.letter): question for question in questions}

    @functools.cache
    def best_fit(state: str, letter: str, region: range) -> float:
        """Once for all the labels that stand in one cell: -1 where there is no such question."""
        question = by_place.get((state, letter))
        if question is None:
            return -1.0
        defined = [found for index in region[:20] for found in cells[index].code.find(wanted_names(question))]
        return max((fit(found, question) for found in defined), default=0.0)

    scores = [
        _evidence(labels[0], state, sections, best_fit) - _skipped(-1, index, sections)
        for index, state in enumerate(states)
    ]
    back: list[list[int]] = []
    for before, label in pairwise(labels):
        best_from: list[int] = []
        new_scores: list[float] = []
        for index, state in enumerate(states):
            options = [scores[old] - _step_cost(before, label, old, index, sections) for old in range(len(states))]
            best = max(range(len(states)), key=lambda old: (options[old], -abs(old - index)))
            best_from.append(best)
            new_scores.append(options[best] + _evidence(label, state, sections, best_fit))
        back.append(best_from)
        scores = new_scores
    state_index = max(range(len(states)), key=scores.__getitem__)
    for position in range(len(labels) - 1, -1, -1):
        labels[position].section = states[state_index] or labels[position].under
        if position:
            state_index = back[position - 1][state_index]


def _evidence(label: Label, state: str, sections: list[str], best_fit: Callable[[str, str, range], float]) -> float:
    score = 0.0
    if label.said:
        score += 6 if label.said == state else -6
    if label.under in sections:
        weight = 1.0 if label.starts_anew else 4.0
        score += weight if label.under == state else 0.0
    elif label.under:
        score += 2 if not state else 0
    elif not state:
        score -= 0.5
    found = best_fit(state, label.letter, label.region)
    return score if found < 0 else score + 1 + min(4.0, found / 2)


def _step_cost(before: Label, label: Label, old: int, new: int, sections: list[str]) -> float:
    other = len(sections)
    if old == new == other:
        return 0.0
    if other in (old, new):
        return 0.0 if label.heading != before.heading else 1.5
    if old == new:
        return 0.0 if label.letter > before.letter else 1.0 if label.letter == before.letter else 2.0
    if label.heading != before.heading:
        # A heading stands between them, which counts as evidence by itself.
        return 0.5
    if new < old:
        return 4.0
    return 1.0 + _skipped(old, new, sections) + (1.0 if label.letter > before.letter else 0.0)


def _skipped(old: int, new: int, sections: list[str]) -> float:
    return 0.0 if new == len(sections) else 0.5 * (new - old - 1)
