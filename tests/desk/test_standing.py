"""Which decision about an answer counts for the desk, which has lapsed, and what waits."""

from __future__ import annotations

import pytest
from marks.small_class import WHEN, digest, graded

from grader.desk.standing import standing_of
from grader.results.journal import merged
from grader.results.results import Change

NEW, OLD, OLDER = digest("No: it gets stuck."), digest("old"), digest("older")


def changes(*steps: tuple[str, float | None]) -> list[Change]:
    return [
        Change(
            question="1.1.c", points=points, before=None, who="Ada", when=WHEN, answer=answer, submission="jane", id=id
        )
        for id, (answer, points) in enumerate(steps, 1)
    ]


CASES = {
    "nothing": ([], None, None, True),
    "a mark": ([(NEW, 1)], 1, None, False),
    "another mark": ([(NEW, 1), (NEW, 0.5)], 0.5, None, False),
    "taken back": ([(NEW, 1), (NEW, None)], None, None, True),
    "for an earlier answer": ([(OLD, 1)], None, 1, True),
    "for both": ([(OLD, 1), (NEW, 0.5)], 0.5, None, False),
    "for an earlier answer, taken back": ([(OLD, 1), (OLD, None)], None, None, True),
    "for two earlier answers": ([(OLDER, 1), (OLD, 0.5)], None, 0.5, True),
    "for two, the last taken back": ([(OLDER, 1), (OLD, 0.5), (OLD, None)], None, 1, True),
    "more than the question gives by now": ([(NEW, 7)], None, 7, True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_decision_counts_for_the_answer_that_it_is_about(
    case: tuple[list[tuple[str, float | None]], float | None, float | None, bool],
) -> None:
    steps, counts, lapsed, waits = case
    result = graded("jane")
    decided = merged(result, changes(*steps))
    found = standing_of(result.question("1.1.c"), decided.question("1.1.c"))
    assert (found.decision.points if found.decision else None) == counts
    assert (found.lapsed.points if found.lapsed else None) == lapsed
    assert found.waits is waits
    assert found.seen == max([id for id, (answer, _) in enumerate(steps, 1) if answer == NEW], default=0)


def test_a_review_waits_until_somebody_has_decided_and_what_checks_have_decided_does_not() -> None:
    result = graded("jane")
    waits = {question.id: standing_of(question, question).waits for question in result.questions}
    assert waits == {"1.1.a": False, "1.1.c": True, "1.5.b": False, "1.6.d": True, "1.6.e": True}
