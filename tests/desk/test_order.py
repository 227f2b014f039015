"""Like answers follow each other, in time proportional to their number."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from grader.desk import order
from grader.desk.groups import EMPTY, Member
from grader.desk.order import leaf_order, near_groups
from grader.desk.prepared import NEAR, Prepared, alike_of

TOPICS = {
    "step": "the step size is too small and progress is slow",
    "local": "it gets stuck in a local minimum near the start",
    "sigmoid": "sigmoid has values between zero and one",
}


def texts(count: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    words = [f"word{number}" for number in range(50)]
    return [f"{TOPICS[rng.choice(list(TOPICS))]} {' '.join(rng.choices(words, k=3))}" for _ in range(count)]


def changes_of_topic(sources: list[str], places: list[int]) -> int:
    topics = [next(name for name, said in TOPICS.items() if said in sources[place]) for place in places]
    return sum(one != other for one, other in pairwise(topics))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 40])
def test_each_answer_comes_once(count: int) -> None:
    assert sorted(leaf_order(texts(count), "text")) == list(range(count))


def test_answers_about_the_same_follow_each_other() -> None:
    sources = texts(60)
    assert changes_of_topic(sources, list(range(60))) > 20
    assert changes_of_topic(sources, leaf_order(sources, "text")) == 2


def test_a_class_too_large_to_be_clustered_at_once_is_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "BLOCK", 25)
    sizes = []
    leaves = order._leaves
    monkeypatch.setattr(order, "_leaves", lambda points: sizes.append(points.shape[0]) or leaves(points))
    sources = texts(110)
    places = leaf_order(sources, "text")
    assert sorted(places) == list(range(110))
    assert sizes == [22] * 5
    # In each block, at most each topic once.
    assert changes_of_topic(sources, places) <= 5 * 3


def test_what_has_no_words_has_a_place_too() -> None:
    assert sorted(leaf_order(["", "...", "!", "slow", ""], "text")) == [0, 1, 2, 3, 4]
    assert sorted(leaf_order(["", "...", "!"], "text")) == [0, 1, 2]


def test_code_is_compared_by_its_tokens() -> None:
    up, down = "def f(x):\n    return x + grad(x)", "def g(a, b):\n    while a:\n        b -= 1"
    sources = [up, down, up + "  # up", down + "\n# down", up.replace("    ", "\t")]
    places = leaf_order(sources, "code")
    kinds = ["f" if place in (0, 2, 4) else "g" for place in places]
    assert kinds in (["f"] * 3 + ["g"] * 2, ["g"] * 2 + ["f"] * 3)


def prepared(sources: list[str], verdicts: list[str] | None = None) -> Prepared:
    members = [
        Member(submission=f"s{number}", form=source, verdicts=((verdict, "passed", 1.0),))
        for number, (source, verdict) in enumerate(zip(sources, verdicts or ["same"] * len(sources), strict=True))
    ]

    def ordered(given, kind):  # type: ignore[no-untyped-def]
        return list(range(len(given))), near_groups(given, kind)

    by_submission = {member.submission: member.form for member in members}
    return Prepared("1.1.c", alike_of("text", members, by_submission, ordered), set())


LONG = "the step size is too small and so the progress is slow and it does not reach the minimum in ten steps"


def test_nearly_equal_answers_are_offered_beside_each_other_and_stay_apart() -> None:
    found = prepared([LONG, LONG + " at all", "something else entirely"])
    first, second, other = (found.group_of[name] for name in ("s0", "s1", "s2"))
    assert len({first, second, other}) == 3
    assert [group.members for group in found.near(first)] == [("s1",)]
    assert [group.members for group in found.near(second)] == [("s0",)]
    assert found.near(other) == []


def test_what_is_checked_otherwise_is_never_offered() -> None:
    found = prepared([LONG, LONG + " at all", LONG + " now"], ["failed", "passed", "failed"])
    assert [group.members for group in found.near(found.group_of["s0"])] == [("s2",)]
    assert found.near(found.group_of["s1"]) == []


def test_of_very_many_that_are_nearly_equal_a_few_are_offered() -> None:
    found = prepared([f"{LONG} {number}" for number in range(60)])
    offers = [len(found.near(id)) for id in found.order]
    assert max(offers) <= NEAR
    assert min(offers) >= NEAR - 1


def test_empty_answers_are_one_group_which_comes_first() -> None:
    found = prepared(["slow", EMPTY, "fast", EMPTY])
    assert found.groups[found.order[0]].members == ("s1", "s3")
    assert found.groups[found.order[0]].empty


def test_who_is_split_off_follows_the_group_and_keeps_away_from_it() -> None:
    alike = prepared(["slow", "slow", "slow", "fast"]).alike
    found = Prepared("1.1.c", alike, {"s1"})
    own = found.groups[found.group_of["s1"]]
    origin = found.groups[found.group_of["s0"]]
    assert own.members == ("s1",)
    assert origin.members == ("s0", "s2")
    assert own.origin == origin.id
    assert found.place[own.id] == found.place[origin.id] + 1
    assert Prepared("1.1.c", alike, set()).groups[origin.id].members == ("s0", "s1", "s2")
