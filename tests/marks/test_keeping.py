from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from marks.small_class import RUBRIC, WHEN

from grader.assignment.assignment import Assignment, load_assignment
from grader.marks.keeping import keep_items
from grader.results.decisions import Store
from grader.results.items import Item

MAXIMA = {"1.1.c": 1.0, "1.6.e": 3.0}
OWN = """
[[question.item]]
text = "Sees that it gets stuck"  # the usual one
points = 1

# Never given yet:
[[question.item]]
key = "why"
text = "Says why"
points = 0.5
words = "Good: $x^2$."
"""


def write(rubric: Path, text: str) -> Assignment:
    (rubric / "rubric.toml").write_bytes(text.encode())
    return load_assignment(rubric)


@pytest.fixture
def assignment(rubric: Path) -> Assignment:
    marker = "\"Yes\" earns nothing.'''\n"
    return write(rubric, RUBRIC.replace(marker, marker + OWN))


def item(key: str, points: float, question: str = "1.1.c", **more: object) -> Item:
    return msgspec.convert({"question": question, "key": key, "text": f"Text of {key}", "points": points} | more, Item)


def test_items_that_were_added_are_in_the_rubric_next_year_and_the_rest_stays_as_it_was(
    assignment: Assignment, rubric: Path, results: Path
) -> None:
    before = (rubric / "rubric.toml").read_text()
    with Store.open(results) as store:
        store.sync_items(assignment.items, MAXIMA, who="Alex", when=WHEN)
        store.save_item(
            item("new", -0.5, words="Two lines,\n\nwith \"quotes\", 'both', and \\alpha."), who="A", when=WHEN
        )
        store.save_item(item("large", 2, "1.6.e"), who="Alex", when=WHEN)
        store.save_item(item("gone", 2, "1.6.e", retired=True), who="Alex", when=WHEN)
    kept = keep_items(assignment, results)
    assert (kept.added, kept.changed, kept.left_out) == (["1.1.c new", "1.6.e large"], [], ["1.6.e gone"])
    after = load_assignment(rubric)
    assert [(each.question, each.key, each.points) for each in after.items] == [
        ("1.1.c", "sees-that-it-gets-stuck", 1),
        ("1.1.c", "why", 0.5),
        ("1.1.c", "new", -0.5),
        ("1.6.e", "large", 2),
    ]
    assert after.items[2].words == "Two lines,\n\nwith \"quotes\", 'both', and \\alpha."
    lines = (rubric / "rubric.toml").read_text().splitlines()
    assert [line for line in before.splitlines() if line not in lines] == []
    # Now they are the rubric's, and there is nothing more to write.
    text = (rubric / "rubric.toml").read_bytes()
    again = keep_items(after, results)
    assert (again.added, again.changed, (rubric / "rubric.toml").read_bytes()) == ([], [], text)
    with Store.open(results) as store:
        assert {each.origin for each in store.items() if not each.retired} == {"rubric"}


def test_an_item_that_was_changed_is_changed_there_and_keeps_its_comment(
    assignment: Assignment, rubric: Path, results: Path
) -> None:
    with Store.open(results) as store:
        store.sync_items(assignment.items, MAXIMA, who="Alex", when=WHEN)
        changed = msgspec.structs.replace(assignment.items[0], text="Sees it", points=0.5)
        store.change_item(changed, 1, who="Alex", when=WHEN)
    kept = keep_items(assignment, results)
    assert (kept.added, kept.changed) == ([], ["1.1.c sees-that-it-gets-stuck"])
    after = load_assignment(rubric)
    assert [(each.key, each.text, each.points) for each in after.items][:1] == [
        ("sees-that-it-gets-stuck", "Sees it", 0.5)
    ]
    assert "# the usual one" in (rubric / "rubric.toml").read_text()
    assert "# Never given yet:" in (rubric / "rubric.toml").read_text()


def test_what_the_rubric_says_by_now_is_not_overwritten(assignment: Assignment, rubric: Path, results: Path) -> None:
    with Store.open(results) as store:
        store.sync_items(assignment.items, MAXIMA, who="Alex", when=WHEN)
    text = (rubric / "rubric.toml").read_text().replace("points = 0.5", "points = 0")
    kept = keep_items(write(rubric, text), results)
    assert (kept.added, kept.changed) == ([], [])
    assert (rubric / "rubric.toml").read_text() == text


def test_a_rubric_with_other_ends_of_lines_keeps_them(assignment: Assignment, rubric: Path, results: Path) -> None:
    assignment = write(rubric, (rubric / "rubric.toml").read_text().replace("\n", "\r\n"))
    with Store.open(results) as store:
        store.sync_items(assignment.items, MAXIMA, who="Alex", when=WHEN)
        store.save_item(item("new", 1), who="Alex", when=WHEN)
    keep_items(assignment, results)
    assert [each.key for each in load_assignment(rubric).items][-1] == "new"
    assert (rubric / "rubric.toml").read_bytes().count(b"\r\n") > 40
