from __future__ import annotations

from pathlib import Path

import pytest
from marks.small_class import LATER, WHEN

from grader.results.decisions import Decision, Store
from grader.results.teamwork import Cell, Earlier, Flag, NameShown, Place, Share

ANN, BOB = (Place(question="1.1.c", submission=name, answer="digest") for name in ("ann", "bob"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


def test_what_is_taken_out_of_its_group_can_be_put_back(store: Store) -> None:
    store.split([ANN, BOB], who="Alex", when=WHEN, op="1")
    store.split([ANN, BOB], who="Alex", when=WHEN, op="1")
    assert store.splits() == {ANN, BOB}
    store.unsplit([ANN], who="Robin", when=WHEN)
    assert store.splits() == {BOB}
    assert store.undo("Robin", LATER) == []
    assert store.splits() == {ANN, BOB}
    store.undo("Alex", LATER)
    assert store.splits() == set()


def test_a_flag_is_up_until_somebody_puts_it_down(store: Store) -> None:
    store.flag([Flag(place=ANN, for_whom="Robin", note="Is it?")], who="Alex", when=WHEN)
    assert store.flags() == [Flag(place=ANN, for_whom="Robin", note="Is it?", who="Alex", when=WHEN)]
    store.unflag([ANN], who="Robin", when=LATER)
    assert store.flags() == []
    store.undo("Robin", LATER)
    assert [flag.place for flag in store.flags()] == [ANN]


def test_work_is_dealt_out_as_it_was_the_last_time(store: Store) -> None:
    assert store.shares() == []
    store.deal([Share(who="Alex", question="1.1.c"), Share(who="Robin", submission="ann")], who="Alex", when=WHEN)
    new = [Share(who="Robin", question="1.1.c", submission="bob", second=True)]
    store.deal(new, who="Alex", when=WHEN)
    assert store.shares() == new
    store.deal([], who="Alex", when=WHEN)
    assert store.shares() == []


def test_who_looks_up_a_name_is_logged(store: Store) -> None:
    store.name_shown("ann", who="Alex", when=WHEN, op="n")
    store.name_shown("ann", who="Alex", when=WHEN, op="n")
    assert store.names_shown() == [NameShown(submission="ann", who="Alex", when=WHEN)]


def test_answers_of_earlier_hand_ins_are_kept(store: Store) -> None:
    first = [Cell(cell_type="markdown", source="No.")]
    store.keep_answers("ann", {"1.1.c": ("a", first), "1.1.a": ("b", [])}, WHEN)
    store.keep_answers("ann", {"1.1.c": ("a", first)}, LATER)
    store.keep_answers("ann", {"1.1.c": ("c", [Cell(cell_type="code", source="x")])}, LATER)
    assert store.earlier_answers("bob") == []
    assert [(each.answer, each.when) for each in store.earlier_answers("ann", "1.1.c")] == [("a", WHEN), ("c", LATER)]
    assert store.earlier_answers("ann")[0] == Earlier(question="1.1.c", answer="a", cells=first, when=WHEN)


def test_an_export_is_older_than_the_marks_once_somebody_decides(store: Store) -> None:
    mark = Decision(question="1.1.c", submission="ann", answer="", points=1)
    (made,) = store.decide([mark], who="Alex", when=WHEN)
    store.note_exports(["/a.csv", "/b.zip"], last=made.id, who="Alex", when=WHEN)
    assert [(each.path, each.since) for each in store.exports()] == [("/a.csv", 0), ("/b.zip", 0)]
    (later,) = store.decide([Decision(**(_fields(mark) | {"points": 0, "seen": made.id}))], who="Alex", when=WHEN)
    store.decide([mark], who="Robin", when=WHEN, second=True)
    assert [each.since for each in store.exports()] == [1, 1]
    store.note_exports(["/a.csv"], last=later.id, who="Alex", when=LATER)
    assert {each.path: (each.since, each.when) for each in store.exports()} == {
        "/a.csv": (0, LATER),
        "/b.zip": (1, WHEN),
    }


def _fields(decision: Decision) -> dict[str, object]:
    return {name: getattr(decision, name) for name in decision.__struct_fields__}


def test_all_of_it_follows_a_submission_to_its_new_name_and_nothing_stays_for_the_next_of_that_name(
    store: Store,
) -> None:
    store.decide([Decision(question="1.1.c", submission="ann", answer="", points=1)], who="Alex", when=WHEN)
    store.split([ANN], who="Alex", when=WHEN)
    store.flag([Flag(place=ANN)], who="Alex", when=WHEN)
    store.keep_answers("ann", {"1.1.c": ("a", [])}, WHEN)
    store.note_owners({"ann": ("../subs", "ann.ipynb")})
    with store.renaming("ann", "zoe"):
        pass
    assert store.changes().keys() == {"zoe"}
    assert (
        {place.submission for place in store.splits()} == {flag.place.submission for flag in store.flags()} == {"zoe"}
    )
    assert (store.owner("ann"), store.owner("zoe")) == (None, ("../subs", "ann.ipynb"))
    assert store.set_aside("zoe") == "zoe~1"
    assert store.set_aside("zoe") == ""
    assert store.changes().keys() == {"zoe~1"}
    assert store.earlier_answers("zoe") == []
