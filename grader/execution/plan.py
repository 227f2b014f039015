"""Where in a notebook to stop for its questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.assignment import Question
from grader.execution.runner import Stop
from grader.locating import Answer


def plan_stops(questions: Sequence[Question], answers: Mapping[str, Answer], *, before: bool = False) -> list[Stop]:
    """A stop for each code question that has an answer; questions answered by the same cells share one.

    With `before`, every answer can be run again from the state before it; else only those that are runs.
    """
    stops: dict[tuple[tuple[int, ...], bool, tuple[str, ...]], list[str]] = {}
    for question in questions:
        cells = answers[question.id].cells
        if question.kind == "code" and cells:
            stops.setdefault((cells, before or question.run, question.records), []).append(question.id)
    return [
        Stop(questions=tuple(ids), cells=cells, before=rerun, record=record)
        for (cells, rerun, record), ids in stops.items()
    ]
