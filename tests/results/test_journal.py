from __future__ import annotations

import msgspec
import pytest
from marks.small_class import LATER, WHEN, digest, graded

from grader.results.journal import merged
from grader.results.results import Change, SubmissionResult


def change(question: str, points: float | None, answer: str | None = None, who: str = "Alex", **more: str) -> Change:
    own = graded().question(question).answer if answer is None else digest(answer)
    of = {"submission": "jane"} | more
    return Change(question=question, points=points, before=None, who=who, when=WHEN, answer=own, **of)


def sums(result: SubmissionResult) -> dict[str, float]:
    names = ("points", "code_points", "points_to_mark", "points_in_review")
    return {name: getattr(result, name) for name in names}


def test_without_decisions_the_checks_decide() -> None:
    result = graded()
    assert merged(result, []) == result
    assert sums(result) == {"points": 3.5, "code_points": 3.5, "points_to_mark": 4, "points_in_review": 1}


def test_a_mark_for_a_text_question_counts() -> None:
    result = merged(graded(), [change("1.1.c", 0.5)])
    question = result.question("1.1.c")
    assert (question.points, question.automatic_points, question.status) == (0.5, None, "marked")
    assert sums(result) == {"points": 4, "code_points": 3.5, "points_to_mark": 3, "points_in_review": 1}


def test_an_override_keeps_what_the_checks_gave() -> None:
    result = merged(graded(), [change("1.5.b", 3, reason="tolerated")])
    question = result.question("1.5.b")
    assert (question.points, question.automatic_points, question.status) == (3, 2, "marked")
    assert sums(result) == {"points": 4.5, "code_points": 4.5, "points_to_mark": 4, "points_in_review": 1}


def test_a_decision_ends_a_review() -> None:
    result = merged(graded(), [change("1.6.d", 1)])
    assert sums(result) == {"points": 4, "code_points": 4, "points_to_mark": 4, "points_in_review": 0}


def test_the_last_decision_counts_and_all_are_kept() -> None:
    changes = [change("1.1.c", 1), change("1.1.c", 0), change("1.1.c", 0.5)]
    question = merged(graded(), changes).question("1.1.c")
    assert question.points == 0.5
    assert question.changes == changes


def test_decisions_taken_back_leave_the_question_to_the_checks() -> None:
    changes = [change("1.5.b", 3), change("1.5.b", None), change("1.1.c", 1), change("1.1.c", None)]
    result = merged(graded(), changes)
    assert [(q.points, q.status, q.automatic_points) for q in map(result.question, ("1.5.b", "1.1.c"))] == [
        (2, "failed", None),
        (None, "to be marked", None),
    ]
    assert result.question("1.5.b").changes == changes[:2]
    assert sums(result) == sums(graded())


def test_a_decision_about_another_answer_does_not_count() -> None:
    result = merged(graded(), [change("1.1.c", 1, answer="what was handed in before"), change("1.6.e", 2)])
    assert result.question("1.1.c") == graded().question("1.1.c")
    assert result.question("1.6.e").points == 2


def test_a_decision_counts_again_when_its_answer_is_handed_in_again() -> None:
    changes = [change("1.1.c", 1), change("1.1.c", 0, answer="what was handed in meanwhile")]
    assert merged(graded(), changes).question("1.1.c").points == 1


def test_an_answer_that_is_not_there_can_be_marked() -> None:
    result = merged(graded(_1_1_c=""), [change("1.1.c", 0, answer="")])
    assert (result.question("1.1.c").points, result.question("1.1.c").status) == (0, "marked")


def test_a_mark_above_what_the_question_is_worth_now_does_not_count() -> None:
    question = merged(graded(), [change("1.1.c", 2)]).question("1.1.c")
    assert (question.points, question.status) == (None, "to be marked")


def test_merging_leaves_the_result_of_the_checks_as_it_was() -> None:
    result = graded()
    before = msgspec.json.encode(result)
    merged(result, [change("1.5.b", 0, reason="x"), change("1.1.c", 1)])
    assert msgspec.json.encode(result) == before


def test_a_later_time_is_no_later_place() -> None:
    """The order in the journal decides: clocks of two machines differ."""
    changes = [msgspec.structs.replace(change("1.1.c", 1), when=LATER), change("1.1.c", 0.5)]
    assert merged(graded(), changes).question("1.1.c").points == 0.5


@pytest.mark.parametrize(
    ("root", "submission", "points"),
    [
        pytest.param("../submissions", "jane", 0.5, id="its own"),
        pytest.param("../submissions", "joe", None, id="of somebody with an equal answer"),
        pytest.param("../submissions", "", None, id="of an earlier version, not found to be its own"),
        pytest.param("", "", 0.5, id="of an earlier version, beside its result"),
    ],
)
def test_a_decision_counts_for_its_own_submission_alone(root: str, submission: str, points: float | None) -> None:
    result = msgspec.structs.replace(graded(), root=root)
    assert merged(result, [change("1.1.c", 0.5, submission=submission)]).question("1.1.c").points == points
