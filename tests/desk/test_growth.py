"""A class four times as large takes four times as long to open, and a key no longer than before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from growth import calls_of
from marks.small_class import WHEN, hand_in

from grader.assignment.assignment import Assignment
from grader.desk.desk import Desk, Said
from grader.desk.groups import Group
from grader.desk.names import Pseudonyms
from grader.desk.order import near_groups
from grader.desk.views import group_view, place_of, queue_view
from grader.results.decisions import Store

SMALL, LARGE = 12, 48


def ordered(sources: Sequence[str], kind: str) -> tuple[list[int], list[list[int]]]:
    """Without scikit-learn, whose calls are its own."""
    return list(range(len(sources))), near_groups(sources, "text")


def opened(desk: Desk) -> Desk:
    desk.follow()
    desk.read(desk.folder.results.values())
    desk.arrange("1.1.c", desk.prepare("1.1.c", desk.folder.answers["1.1.c"], ordered))
    return desk


@pytest.fixture
def desks(tmp_path: Path, assignment: Assignment) -> Iterator[dict[int, Desk]]:
    """Of a small class and a large one; every second answer is alone, the others are equal in pairs."""
    found, stores = {}, []
    for size in (2, SMALL, LARGE):
        output = tmp_path / f"results-{size}"
        for number in range(size):
            hand_in(output, f"s{number}", a1_1_c=f"No: it gets stuck after {number - number % 3 // 2} steps.")
        stores.append(Store.open(output))
        found[size] = Desk(assignment, output, stores[-1], Pseudonyms(b"k" * 32))
    yield found
    for store in stores:
        store.close()


def test_opening_a_class_takes_time_in_proportion_to_its_size(desks: dict[int, Desk]) -> None:
    opened(desks[2])  # what is made once, such as a regular expression, is no submission's
    small = calls_of(lambda: opened(desks[SMALL]))
    assert calls_of(lambda: opened(desks[LARGE])) <= 5 * small


def key(desk: Desk, group: Group) -> Group:
    """One mark, and all that is shown after it."""
    desk.decide("1.1.c", group.members, Said(), lambda answer: 1.0, who="Ada", when=WHEN, op="", unseen=group.members)
    prepared = desk.prepared["1.1.c"]
    following = desk.next(prepared, "Ada", group.id)
    assert following is not None
    desk.leases.take("Ada", ("1.1.c", following.id))
    group_view(desk, prepared, following, None)
    place_of(desk, prepared, following)
    return following


def test_a_key_takes_as_long_in_a_large_class_as_in_a_small_one(desks: dict[int, Desk]) -> None:
    calls = {}
    for size in (SMALL, LARGE):
        desk = opened(desks[size])
        group = desk.next(desk.prepared["1.1.c"], "Ada")
        assert group is not None
        group = key(desk, group)
        calls[size] = calls_of(lambda desk=desk, group=group: key(desk, group))  # type: ignore[misc]
    assert calls[LARGE] <= 1.5 * calls[SMALL]


def test_the_queue_is_counted_anew_only_for_what_has_changed(desks: dict[int, Desk]) -> None:
    desk = opened(desks[LARGE])
    first = calls_of(lambda: queue_view(desk, "Ada"))
    again = calls_of(lambda: queue_view(desk, "Ada"))
    group = desk.next(desk.prepared["1.1.c"], "Ada")
    assert group is not None
    key(desk, group)
    after = calls_of(lambda: queue_view(desk, "Ada"))
    assert again < first / 10
    assert after < first / 2
