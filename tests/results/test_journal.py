from __future__ import annotations

import msgspec
import pytest
from marks.small_class import LATER, WHEN, digest, graded

from grader.results.journal import adjusted, final, merged
from grader.results.results import Change, Lateness, SubmissionResult


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
    assert msgspec.structs.replace(result.question("1.1.c"), lapsed=None) == graded().question("1.1.c")
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


# What has lapsed


def test_a_decision_about_an_earlier_answer_has_lapsed_until_somebody_decides_again() -> None:
    old = [change("1.1.c", 1, answer="first"), change("1.1.c", 0.5, answer="second"), change("1.5.b", 3, answer="old")]
    result = merged(graded(), old)
    assert result.question("1.1.c").lapsed == old[1]
    # Also where it was one about points that checks gave.
    assert result.question("1.5.b").lapsed == old[2]
    assert [question.lapsed for question in result.questions if question.id not in ("1.1.c", "1.5.b")] == [None] * 3
    assert merged(graded(), [*old, change("1.1.c", 0)]).question("1.1.c").lapsed is None
    # Who takes a decision back has looked.
    assert merged(graded(), [*old, change("1.1.c", 0), change("1.1.c", None)]).question("1.1.c").lapsed is None
    assert (
        merged(graded(), [change("1.1.c", 1, answer="a"), change("1.1.c", None, answer="a")]).questions[1].lapsed
        is None
    )
    assert merged(graded(), [change("1.1.c", 1, answer="a", submission="joe")]).questions[1].lapsed is None


def test_a_mark_above_what_the_question_is_worth_now_has_lapsed() -> None:
    mark = change("1.1.c", 2)
    assert merged(graded(), [mark]).question("1.1.c").lapsed == mark


# Adjustments

DUE = Lateness(
    submitted="2026-03-02T10:00", due="2026-03-01T12:00", minutes=1320, points=-2, by="22 h", words="22 h late"
)


def adjusting(question: str, points: float | None, answer: str = "", reason: str = "Ill.") -> Change:
    return Change(
        question=question, points=points, before=None, who="Alex", when=WHEN, answer=answer, submission="jane",
        reason=reason,
    )  # fmt: skip


def late() -> SubmissionResult:
    return msgspec.structs.replace(graded(), late=DUE)


def test_lateness_takes_off_what_the_rubric_says_and_everybody_can_see_it() -> None:
    result = merged(late(), [change("1.1.c", 1)])
    assert (result.points, result.adjustment) == (2.5, -2)
    assert [(each.kind, each.points, each.who) for each in result.adjustments] == [("late", -2, "")]
    assert adjusted(result) == "Adjusted: 2 taken off: 22 h late."
    assert final(result, [change("1.1.c", 1)]).adjustment == -2


def test_a_person_can_lift_it_and_give_it_back_to_the_rule() -> None:
    lifted = adjusting("late", 0, DUE.key)
    result = merged(late(), [lifted])
    assert (result.points, result.adjustment, result.adjustments[0].automatic) == (3.5, 0, -2)
    assert (result.adjustments[0].words, result.adjustments[0].who, adjusted(result)) == ("Ill.", "Alex", "")
    assert merged(late(), [lifted, adjusting("late", None, DUE.key)]).points == 1.5
    # For this hand-in, and not for a later one.
    again = msgspec.structs.replace(late(), late=msgspec.structs.replace(DUE, submitted="2026-03-09T10:00"))
    assert merged(again, [lifted]).points == 1.5


def test_points_are_adjusted_for_any_other_reason_but_not_below_nothing_nor_above_the_maximum() -> None:
    cases = {-1.5: 2, 1: 4.5, -50: 0, 50: 9.5}
    for points, expected in cases.items():
        result = merged(graded(), [adjusting("adjustment", points)])
        assert (result.points, result.adjustment) == (expected, expected - 3.5)
        assert sum(question.points or 0 for question in result.questions) + result.adjustment == result.points
    assert merged(graded(), [adjusting("adjustment", 1), adjusting("adjustment", None)]).points == 3.5
