"""Where in a notebook to stop for its questions."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from grader.assignment.assignment import Question
from grader.assignment.locating import Answer
from grader.execution.runner import Stop


def plan_stops(
    questions: Sequence[Question], answers: Mapping[str, Answer], *, run_again: Container[str] = ()
) -> list[Stop]:
    """A stop for each of these code questions that has cells; questions answered by the same cells share one.

    The answers to the questions `run_again` can be run again, from the state before them.
    """
    stops: dict[tuple[tuple[int, ...], bool, tuple[str, ...]], list[str]] = {}
    for question in questions:
        cells = answers[question.id].cells
        if question.kind == "code" and cells:
            stops.setdefault((cells, question.id in run_again, question.records), []).append(question.id)
    return [
        Stop(questions=tuple(ids), cells=cells, before=rerun, record=record)
        for (cells, rerun, record), ids in stops.items()
    ]
