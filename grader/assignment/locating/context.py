"""What a text is about: the cells of the questions that the rubric names as its context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from grader.assignment import locating
from grader.assignment.assignment import QUESTION_ID, Question
from grader.assignment.locating.answer import Answer

if TYPE_CHECKING:
    from nbformat import NotebookNode


def locate_context(
    notebook: NotebookNode, questions: Sequence[Question], answers: Mapping[str, Answer]
) -> dict[str, list[int]]:
    """The cells that each answer is about, by question; for those whose `context` names something.

    It may name what is worth no points, and so no question of the rubric ("run it", before "what do you see?"). That is
    looked for in a second round: to know of it in the first could move the answers that are graded.
    """
    named = {id for question in questions for id in question.context}
    others = named - {question.id for question in questions}
    found = {id: answer.cells for id, answer in answers.items()}
    if others:
        extra = [Question(id=id, title="", points=0.5, kind="code") for id in others]
        again = locating.locate(notebook, sorted([*questions, *extra], key=_place))
        found |= {id: again[id].cells for id in others}
    return {
        question.id: sorted({cell for id in question.context for cell in found.get(id, [])})
        for question in questions
        if question.context
    }


def _place(question: Question) -> tuple[list[int], str]:
    match = QUESTION_ID.fullmatch(question.id)
    return ([int(part) for part in match["section"].split(".")], match["letter"]) if match else ([], question.id)
