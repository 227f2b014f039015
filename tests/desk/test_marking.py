"""What the server does with marks: the real one, over HTTP, as pages ask it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk.conftest import CLASS, make_class, make_rubric
from desk.serving import Marker, here, serving
from marks.small_class import RUBRIC, hand_in, marked

from grader.desk.people import invite
from grader.results.decisions import Store, read_marks
from grader.results.results import Lateness, write_result
from grader.results.teamwork import Cell

ITEMS = """
[[question.item]]
key = "stuck"
text = "Says that it gets stuck"
points = 1

[[question.item]]
key = "vague"
text = "Vague"
words = "What **exactly**?"
points = -0.5
"""
WITH_ITEMS = RUBRIC.replace("\"Yes\" earns nothing.'''\n", f"\"Yes\" earns nothing.'''\n{ITEMS}")


@pytest.fixture
def two(results: Path, rubric: Path, tmp_path: Path) -> Iterator[tuple[Marker, Marker]]:
    """Ada and Bob, at one server."""
    people = tmp_path / "people.toml"
    tokens = [invite(people, name) for name in ("Ada", "Bob")]
    with here(results, rubric, people) as server:
        yield server.marker(tokens[0]), server.marker(tokens[1])


def eventually(found: Callable[[], Any], seconds: float = 60) -> Any:
    """What is found in the end. The time is only a limit for what never comes."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "never came"
        time.sleep(0.1)
    return value


def groups(marker: Marker, question: str = "1.1.c") -> list[Any]:
    """All of a question, in their order."""
    shown = [marker.get(f"/api/next?question={question}&after=&marked=1")]
    while (following := marker.get(f"/api/next?question={question}&after={shown[-1]['group']['id']}&marked=1"))[
        "group"
    ]:
        shown.append(following)
    return shown


def group_with(marker: Marker, words: str, question: str = "1.1.c") -> Any:
    return next(shown for shown in groups(marker, question) if words in shown["group"]["answer_html"])


def aliases(marker: Marker) -> dict[str, str]:
    """By name of the submission."""
    members = [alias for shown in groups(marker) for alias in shown["group"]["members"]]
    return {marker.post("/api/show-name", op=f"name {alias}", alias=alias)["name"]: alias for alias in members}


def test_equal_answers_get_one_decision_and_each_member_has_it(ada: Marker, results: Path) -> None:
    shown = group_with(ada, "stuck")
    assert shown["group"]["size"] == 2
    reply = ada.decide(shown, points=0.5, comment="Why $x^2$?")
    assert reply["saved"]["count"] == 2
    assert reply["next"]["group"]["id"] != shown["group"]["id"]
    given = {name: marked(results, name).question("1.1.c") for name in CLASS}
    assert {name: one.points for name, one in given.items()} == {
        "ann": 0.5,
        "bob": 0.5,
        "cleo": None,
        "dan": None,
        "eve": None,
    }
    assert [(change.who, change.comment, change.submission) for change in given["bob"].changes] == [
        ("Ada", "Why $x^2$?", "bob")
    ]
    again = ada.get(f"/api/group/1.1.c/{shown['group']['id']}")["group"]
    assert (again["decision"]["points"], again["decision"]["who"], again["open"]) == (0.5, "Ada", 0)
    assert "<math" in again["decision"]["comment_html"]


def test_all_empty_answers_are_one_group_and_the_first(ada: Marker, results: Path) -> None:
    shown = ada.get("/api/next?question=1.1.c")
    assert (shown["group"]["empty"], shown["group"]["size"]) == (True, 2)
    ada.decide(shown, points=0)
    assert [marked(results, name).question("1.1.c").points for name in ("dan", "eve")] == [0, 0]


def test_the_queue_counts_what_is_left_and_whose_marks_there_are(ada: Marker) -> None:
    ada.decide(group_with(ada, "stuck"), points=1)
    queue = ada.get("/api/queue")
    rows = {row["id"]: row for row in queue["questions"]}
    assert (rows["1.1.c"]["answers"], rows["1.1.c"]["left"], rows["1.1.c"]["mine"]) == (5, 3, 2)
    assert (rows["1.6.d"]["left"], rows["1.6.d"]["review"]) == (5, 5)
    assert rows["1.1.a"]["left"] == 0
    assert queue["start"] == "1.1.c"


def test_next_ends_where_nothing_is_left_and_goes_round_before(ada: Marker) -> None:
    shown = ada.get("/api/next?question=1.1.c")
    seen = []
    while shown["group"]:
        seen.append(shown["group"]["id"])
        shown = ada.decide(shown, points=0)["next"]
    assert len(seen) == len(set(seen)) == 3
    assert shown["place"] == {"index": 0, "of": 3, "left": 0, "answers_left": 0}


def test_two_people_never_get_the_same(two: tuple[Marker, Marker]) -> None:
    ada, bob = two
    mine, theirs = ada.get("/api/next?question=1.1.c"), bob.get("/api/next?question=1.1.c")
    ids = [mine["group"]["id"], theirs["group"]["id"]]
    third = ada.decide(mine, points=1)["next"]
    ids.append(third["group"]["id"])
    assert len(set(ids)) == 3
    # Bob is offered nothing that Ada has before her, and is told so.
    nothing = bob.decide(theirs, points=1)["next"]
    assert (nothing["group"], nothing["held"], nothing["place"]["left"]) == (None, 1, 1)
    assert {(lease["who"], lease["group"]) for lease in nothing["leases"]} >= {("Ada", ids[2])}
    # One that is only looked ahead at is kept from others as well.
    assert ada.get(f"/api/next?question=1.1.c&after={ids[2]}&ahead=1")["group"] is None


def test_what_was_not_seen_is_not_overwritten_and_can_be_once_it_was(two: tuple[Marker, Marker], results: Path) -> None:
    ada, bob = two
    mine, theirs = group_with(ada, "stuck"), group_with(bob, "stuck")
    ada.decide(mine, points=1, comment="good")
    conflict = bob.decide(theirs, expect=409, points=0)
    assert (conflict["theirs"]["points"], conflict["theirs"]["comment"], conflict["theirs"]["who"]) == (
        1,
        "good",
        "Ada",
    )
    assert (conflict["yours"]["points"], conflict["yours"]["who"]) == (0, "Bob")
    assert marked(results, "ann").question("1.1.c").points == 1
    bob.decide(theirs, seen=conflict["seen"], points=0)
    assert [change.points for change in marked(results, "ann").question("1.1.c").changes] == [1, 0]


def test_the_same_request_again_changes_nothing(ada: Marker, results: Path) -> None:
    shown = group_with(ada, "stuck")
    first, again = ada.decide(shown, op="once", points=1), ada.decide(shown, op="once", points=1)
    assert first["saved"]["decision"]["id"] == again["saved"]["decision"]["id"]
    assert len(read_marks(results).of("ann")) == 1


def test_undo_takes_back_the_last_decision_of_the_person_who_asks(two: tuple[Marker, Marker], results: Path) -> None:
    ada, bob = two
    ada.decide(group_with(ada, "stuck"), points=1)
    bob.decide(group_with(bob, "Yes"), points=0.5)
    undone = ada.post("/api/undo", op="u1")
    assert (undone["question"], undone["next"]["group"]["size"], undone["next"]["group"]["decision"]) == (
        "1.1.c",
        2,
        None,
    )
    assert "2 answers" in undone["said"]
    assert marked(results, "ann").question("1.1.c").points is None
    assert marked(results, "cleo").question("1.1.c").points == 0.5
    assert "nothing of yours" in ada.post("/api/undo", expect=409, op="u2")["error"]
    assert ada.post("/api/undo", op="u1")["group"] == undone["group"], "sent again after a lost reply"


def test_who_is_taken_out_of_a_group_is_marked_alone_and_can_be_put_back(ada: Marker, results: Path) -> None:
    shown = group_with(ada, "stuck")
    ann = aliases(ada)["ann"]
    alone = ada.post("/api/split", op="s1", question="1.1.c", group=shown["group"]["id"], members=[ann])
    assert (alone["group"]["members"], alone["group"]["split"]) == ([ann], True)
    rest = ada.get(f"/api/group/1.1.c/{shown['group']['id']}")
    assert (rest["group"]["size"], ann in rest["group"]["members"]) == (1, False)
    ada.decide(alone, points=1)
    ada.decide(rest, points=0)
    assert [marked(results, name).question("1.1.c").points for name in ("ann", "bob")] == [1, 0]
    together = ada.post("/api/split", op="s2", question="1.1.c", group=alone["group"]["id"], members=[ann], joined=True)
    assert together["group"]["size"] == 2
    assert sorted(decision["points"] for decision in together["group"]["differing"]) == [0, 1]
    rows = {row["id"]: row for row in ada.get("/api/queue")["questions"]}
    assert rows["1.1.c"]["disagreeing"] == 1
    disagreeing = next(row for row in ada.get("/api/overview")["questions"] if row["id"] == "1.1.c")["disagreeing"]
    assert [one["group"] for one in disagreeing] == [shown["group"]["id"]]


def test_a_flag_is_for_somebody_else_and_comes_down_with_their_decision(two: tuple[Marker, Marker]) -> None:
    ada, bob = two
    shown = group_with(ada, "stuck")
    flagged = ada.post("/api/flag", op="f1", question="1.1.c", group=shown["group"]["id"], to="Bob", note="sure?")
    assert [(flag["who"], flag["to"], flag["note"]) for flag in flagged["group"]["flags"]] == [("Ada", "Bob", "sure?")]
    ids = []
    following = ada.get("/api/next?question=1.1.c")
    while following["group"]:
        ids.append(following["group"]["id"])
        following = ada.decide(following, points=0)["next"]
    assert shown["group"]["id"] not in ids
    assert next(row for row in bob.get("/api/queue")["questions"] if row["id"] == "1.1.c")["flagged"] == 2
    own = bob.get("/api/next?question=1.1.c")
    assert own["group"]["id"] == shown["group"]["id"]
    bob.decide(own, points=1)
    assert next(row for row in bob.get("/api/queue")["questions"] if row["id"] == "1.1.c")["flagged"] == 0


def test_a_code_question_needs_a_reason_for_other_points_than_the_checks_gave(ada: Marker, results: Path) -> None:
    shown = ada.get("/api/next?question=1.6.d")
    assert "94.9%: just below" in shown["group"]["checks_html"]
    assert "make_layer" not in shown["group"]["answer_html"]
    ada.decide(shown, points=1.5)
    assert marked(results, "ann").question("1.6.d").points == 1.5
    other = ada.get("/api/next?question=1.5.b&marked=1")
    assert "to give 3, say why" in ada.decide(other, expect=400, points=3)["error"]
    ada.decide(other, points=3, reason="The scale is right.")
    changed = marked(results, "ann").question("1.5.b")
    assert (changed.points, changed.automatic_points, changed.changes[-1].reason) == (3, 2, "The scale is right.")


def test_points_are_cut_to_nothing_and_the_maximum(ada: Marker, results: Path) -> None:
    ada.decide(group_with(ada, "stuck"), points=7)
    ada.decide(group_with(ada, "Yes"), adjustment=-2)
    assert [marked(results, name).question("1.1.c").points for name in ("ann", "cleo")] == [1, 0]


def test_names_are_hidden_and_showing_one_is_logged(ada: Marker, results: Path) -> None:
    page = ada.get("/q/1.1.c") + json.dumps(ada.get("/api/queue")) + json.dumps(groups(ada))
    assert not any(name in page for name in CLASS)
    alias = groups(ada)[0]["group"]["members"][0]
    assert ada.post("/api/show-name", op="n1", alias=alias)["name"] in ("dan", "eve")
    with Store.open(results) as store:
        assert [(shown.submission in CLASS, shown.who) for shown in store.names_shown()] == [(True, "Ada")]
    assert "nobody called" in ada.post("/api/show-name", expect=404, op="n2", alias="nobody")["error"]


def test_all_answers_of_one_person_can_be_marked_alone(ada: Marker, results: Path) -> None:
    bob = aliases(ada)["bob"]
    student = ada.get(f"/api/student/{bob}")
    assert [answer["question"]["id"] for answer in student["answers"]] == ["1.1.a", "1.1.c", "1.5.b", "1.6.d", "1.6.e"]
    assert (student["points"], student["max_points"], student["name"]) == (3.5, 9.5, "")
    for id, points in (("1.1.c", 1), ("1.6.e", 2.5)):
        answer = next(answer for answer in student["answers"] if answer["question"]["id"] == id)
        assert answer["group"]["members"] == [bob]
        ada.decide(answer, points=points, next=False)
    assert [marked(results, "bob").question(id).points for id in ("1.1.c", "1.6.e")] == [1, 2.5]
    assert marked(results, "ann").question("1.1.c").points is None
    # The other one with the same answer is offered the mark, before all else.
    offered = ada.get("/api/next?question=1.1.c")
    assert (offered["group"]["offered"]["points"], offered["group"]["open"], offered["group"]["size"]) == (1, 1, 2)
    ada.decide(offered, points=1, open_only=True)
    assert marked(results, "ann").question("1.1.c").points == 1
    assert ada.get(f"/api/student/{student['before'] or student['after']}")["alias"] != bob
    assert bob in ada.get(f"/s/{bob}")


def test_comments_are_offered_again_the_most_used_first(ada: Marker) -> None:
    ada.decide(group_with(ada, "stuck"), points=1, comment="Say why it is stuck.")
    ada.decide(group_with(ada, "Yes"), points=0, comment="It does not. Say why.")
    said = [one["comment"] for one in ada.get("/api/comments?question=1.1.c&begin=")["comments"]]
    assert said == ["Say why it is stuck.", "It does not. Say why."]
    found = ada.get("/api/comments?question=1.1.c&begin=say%20%20WHY")["comments"]
    assert [(one["comment"], one["count"]) for one in found] == [
        ("Say why it is stuck.", 2),
        ("It does not. Say why.", 1),
    ]
    assert ada.get("/api/comments?question=1.1.c&begin=nothing")["comments"] == []


def test_who_hands_in_the_same_later_is_offered_the_mark_and_who_hands_in_anew_loses_none(
    ada: Marker, results: Path
) -> None:
    shown = group_with(ada, "stuck")
    ada.decide(shown, points=1, comment="good")
    listening = shown["group"]["id"]
    hand_in(results, "fay", a1_1_c="No: it gets stuck!")
    hand_in(results, "bob", a1_1_c="No, it jumps.")
    offered = eventually(lambda: (one := ada.get("/api/next?question=1.1.c")) and one["group"]["offered"] and one)
    assert offered["group"]["id"] == listening
    assert (offered["group"]["offered"]["points"], offered["group"]["open"]) == (1, 1)
    names = aliases(ada)
    assert set(offered["group"]["members"]) == {names["ann"], names["fay"]}
    # bob's mark was for another answer: it has lapsed, and is shown beside the new one.
    eventually(lambda: any("jumps" in each["group"]["answer_html"] for each in groups(ada)))
    lapsed = group_with(ada, "jumps")["group"]
    assert (lapsed["decision"], lapsed["lapsed"]["decision"]["points"], lapsed["lapsed"]["member"]) == (
        None,
        1,
        names["bob"],
    )
    assert next(row for row in ada.get("/api/queue")["questions"] if row["id"] == "1.1.c")["lapsed"] == 1
    ada.decide(offered, points=1, comment="good", open_only=True)
    assert marked(results, "fay").question("1.1.c").points == 1
    assert len(read_marks(results).of("ann")) == 1, "who had the mark needs no new one"
    assert marked(results, "bob").question("1.1.c").points is None


def test_a_decision_is_not_for_an_answer_that_was_handed_in_meanwhile(ada: Marker, results: Path) -> None:
    shown = group_with(ada, "stuck")
    assert shown["group"]["size"] == 2
    hand_in(results, "bob", a1_1_c="Yes.")
    eventually(lambda: group_with(ada, "stuck")["group"]["size"] == 1)
    reply = ada.decide(shown, points=1)
    assert (reply["saved"]["count"], len(reply["saved"]["left_alone"])) == (1, 1)
    assert marked(results, "bob").question("1.1.c").changes == []


def test_decisions_by_other_processes_appear(ada: Marker, results: Path) -> None:
    shown = group_with(ada, "Yes")
    from grader.results.decisions import Decision

    answer = marked(results, "cleo").question("1.1.c").answer
    with Store.open(results) as store:
        store.decide(
            [Decision(question="1.1.c", submission="cleo", answer=answer, points=0.5)],
            who="Eve",
            when="2026-03-01T10:00:00+00:00",
        )
    # Also before the server has looked: the store knows.
    assert ada.decide(shown, expect=409, points=1)["theirs"]["who"] == "Eve"
    eventually(lambda: group_with(ada, "Yes")["group"]["decision"])
    assert next(row for row in ada.get("/api/queue")["questions"] if row["id"] == "1.1.c")["others"] == 1


def test_pages_and_tables_are_made_anew_in_the_background(results: Path, rubric: Path) -> None:
    table = results / "grades.csv"
    with here(results, rubric, pages=True) as server:
        ada = server.marker()
        ada.decide(group_with(ada, "stuck"), points=1, comment="MARKED")
        eventually(lambda: table.is_file() and table.read_text().count(",4.5,9.5,") == 2)
    assert "MARKED" in (results / "bob" / "report.html").read_text(encoding="utf-8")
    assert "MARKED" in (results / "questions" / "1.1.c.html").read_text(encoding="utf-8")


def test_pages_that_were_not_made_before_the_end_are_made_by_the_next_server(results: Path, rubric: Path) -> None:
    with serving(results, rubric) as server:
        server.process.kill()
        server.process.wait()
    from grader.results.decisions import Decision

    answer = marked(results, "cleo").question("1.1.c").answer
    with Store.open(results) as store:
        store.decide(
            [Decision(question="1.1.c", submission="cleo", answer=answer, points=0.5, comment="LEFT")],
            who="Ada",
            when="2026-03-01T10:00:00+00:00",
        )
    with serving(results, rubric):
        eventually(lambda: "LEFT" in (results / "cleo" / "report.html").read_text(encoding="utf-8"))


def test_shares_are_dealt_out_and_next_keeps_to_them(two: tuple[Marker, Marker]) -> None:
    ada, bob = two
    queue = ada.post("/api/shares", op="d1", by="question", people=["Ada", "Bob"])
    assert {row["id"]: row["share"] for row in queue["questions"] if row["left"]} == {
        "1.1.c": 5,
        "1.6.d": 0,
        "1.6.e": 5,
    }
    assert bob.get("/api/queue")["start"] == "1.6.d"
    assert bob.get("/api/next?question=1.1.c")["group"] is None
    assert ada.get("/api/next?question=1.1.c")["group"] is not None
    ada.post("/api/shares", op="d2", by="random", people=["Ada", "Bob"])
    shares = [next(row for row in one.get("/api/queue")["questions"] if row["id"] == "1.6.e")["share"] for one in two]
    assert sorted(shares) == [2, 3]
    ada.post("/api/shares", op="d3", by="nobody", people=[])
    assert bob.get("/api/next?question=1.6.d")["group"] is not None


def test_a_part_is_marked_twice_unseen_and_the_agreement_is_told(two: tuple[Marker, Marker], results: Path) -> None:
    ada, bob = two
    ada.post("/api/second", op="t1", question="1.1.c", share=1)
    for words, points in (("stuck", 1), ("Yes", 0)):
        ada.decide(group_with(ada, words), points=points, comment=f"FIRST {points}")
    while (empty := ada.get("/api/next?question=1.1.c"))["group"]:
        ada.decide(empty, points=0)
    assert ada.get("/api/next?question=1.1.c")["group"] is None, "nobody is their own second marker"
    assert next(row for row in bob.get("/api/queue")["questions"] if row["id"] == "1.1.c")["second"] == 5
    shown = bob.get("/api/next?question=1.1.c")
    count = 0
    while shown["group"]:
        assert (shown["group"]["second"], shown["group"]["decision"], shown["group"]["near"]) == (True, None, [])
        assert "FIRST" not in json.dumps(shown)
        points = 1 if "stuck" in shown["group"]["answer_html"] else 0.5 if "Yes" in shown["group"]["answer_html"] else 0
        shown = bob.decide(shown, points=points, second=True)["next"]
        count += 1
    assert count == 3
    row = next(row for row in ada.get("/api/overview")["questions"] if row["id"] == "1.1.c")
    assert (row["twice"], row["equal"]) == (5, 4)
    # Observed 4 of 5; expected by chance (2*2 + 3*2 + 0*1) of 25.
    assert row["kappa"] == pytest.approx((4 / 5 - 10 / 25) / (1 - 10 / 25))
    assert marked(results, "cleo").question("1.1.c").points == 0, "a second mark does not count"


def test_the_overview_tells_how_points_are_spread_and_by_whom(two: tuple[Marker, Marker]) -> None:
    ada, bob = two
    ada.decide(group_with(ada, "stuck"), points=1)
    bob.decide(group_with(bob, "Yes"), points=0.5)
    row = next(row for row in ada.get("/api/overview")["questions"] if row["id"] == "1.1.c")
    assert (row["known"], row["left"], row["points"]) == (3, 2, [[0.5, 1], [1.0, 2]])
    assert row["markers"] == [["Ada", 2, 1.0], ["Bob", 1, 0.5]]
    assert (row["twice"], row["kappa"]) == (0, None)


@pytest.mark.parametrize(
    "path",
    ["/api/group/9.9.z/x", "/api/group/1.1.c/nothing", "/api/next?question=9.9.z", "/api/next", "/api/student/nobody",
     "/api/comments?question=9.9.z", "/api/answer/9.9.z/x/earlier", "/api/answer/1.1.c/nobody/earlier"],
)  # fmt: skip
def test_what_is_not_there_gets_a_line(ada: Marker, path: str) -> None:
    assert "\n" not in ada.get(path, expect=404)["error"]


# Items


@pytest.fixture
def with_items(tmp_path: Path) -> Iterator[tuple[Marker, Path]]:
    results, rubric = make_class(tmp_path / "results"), make_rubric(tmp_path / "rubric", WITH_ITEMS)
    with here(results, rubric) as server:
        yield server.marker(), results


def test_points_are_the_sum_of_the_chosen_items_and_an_adjustment(with_items: tuple[Marker, Path]) -> None:
    ada, results = with_items
    shown = group_with(ada, "stuck")
    assert [(item["key"], item["points"], item["digit"]) for item in shown["question"]["items"]] == [
        ("stuck", 1, "1"),
        ("vague", -0.5, "2"),
    ]
    assert "<strong>exactly</strong>" in shown["question"]["items"][1]["words_html"]
    ada.decide(shown, items=["stuck", "vague"])
    ada.decide(group_with(ada, "Yes"), items=["vague"], adjustment=0.5)
    assert [marked(results, name).question("1.1.c").points for name in ("ann", "cleo")] == [0.5, 0.5]
    decision = group_with(ada, "Yes")["group"]["decision"]
    assert (decision["items"], decision["adjustment"]) == (["vague"], 0.5)
    assert "no item 'x'" in ada.decide(group_with(ada, "Yes"), expect=409, items=["x"])["error"]


def test_a_changed_item_says_what_it_does_and_does_it_everywhere(with_items: tuple[Marker, Path]) -> None:
    ada, results = with_items
    ada.decide(group_with(ada, "stuck"), items=["stuck", "vague"])
    ada.decide(group_with(ada, "Yes"), items=["stuck"])
    change = {"question": "1.1.c", "key": "vague", "text": "Too vague", "words": "", "points": -1}
    preview = ada.post("/api/items/preview", **change)
    assert (preview["answers"], preview["points_change"]) == (2, -1)
    assert marked(results, "ann").question("1.1.c").points == 0.5, "nothing is done yet"
    done = ada.post("/api/items/change", op="i1", **change)
    assert (done["answers"], done["points_change"]) == (2, -1)
    assert [(item["text"], item["points"]) for item in done["items"]] == [
        ("Says that it gets stuck", 1),
        ("Too vague", -1),
    ]
    assert [marked(results, name).question("1.1.c").points for name in ("ann", "bob", "cleo")] == [0, 0, 1]
    ada.post("/api/undo", op="u1")
    assert [marked(results, name).question("1.1.c").points for name in ("ann", "bob", "cleo")] == [0.5, 0.5, 1]


def test_an_item_is_added_while_marking_once_however_often_it_is_sent(with_items: tuple[Marker, Path]) -> None:
    ada, _ = with_items
    new = {"op": "a1", "question": "1.1.c", "key": "", "text": "Names the local minimum", "words": "", "points": 0.5}
    first, again = ada.post("/api/items/change", **new), ada.post("/api/items/change", **new)
    assert [item["key"] for item in first["items"]] == ["stuck", "vague", "names-the-local-minimum"]
    assert first["items"] == again["items"]
    assert [item["digit"] for item in first["items"]] == ["1", "2", "3"]
    gone = ada.post("/api/items/change", **{**new, "op": "a2", "key": "vague", "text": "Vague", "retired": True})
    assert [item["key"] for item in gone["items"]] == ["stuck", "names-the-local-minimum"]


def test_ctrl_c_is_the_way_to_end_it_and_no_failure(results: Path, rubric: Path) -> None:
    with serving(results, rubric) as server:
        ada = server.marker()
        ada.decide(group_with(ada, "stuck"), points=1)
        assert server.end() == 0
    assert server.printed.endswith("Ended. Every mark is saved.\n")
    assert marked(results, "ann").question("1.1.c").points == 1


def test_an_open_page_goes_on_with_the_server_that_is_started_again(results: Path, rubric: Path) -> None:
    with serving(results, rubric) as server:
        ada = server.marker()
        shown = group_with(ada, "stuck")
        port = server.port
        server.process.kill()
        server.process.wait()
    with serving(results, rubric, "--as", "Ada", "--port", str(port)) as again:
        ada.server = again
        assert ada.decide(shown, points=1)["saved"]["count"] == 2


# Lateness


@pytest.fixture
def late(tmp_path: Path) -> Iterator[tuple[Marker, Path]]:
    """cleo is a day late, which takes a point off."""
    results, rubric = make_class(tmp_path / "results"), make_rubric(tmp_path / "rubric")
    result = hand_in(results, "cleo", a1_1_c="Yes, it does.")
    result.late = Lateness(submitted="2026-03-02T10:00", due="2026-03-01T10:00", points=-1.0, words="1 day late")
    write_result(results / "cleo", result)
    with here(results, rubric) as server:
        yield server.marker(), results


def test_lateness_is_seen_and_can_be_lifted_with_a_reason(late: tuple[Marker, Path]) -> None:
    ada, results = late
    alias = aliases(ada)["cleo"]
    shown = ada.get(f"/api/student/{alias}")
    assert (shown["late"], shown["points"]) == (True, 2.5)
    (adjustment,) = shown["adjustments"]
    assert (adjustment["kind"], adjustment["points"], adjustment["words"], adjustment["who"]) == (
        "late",
        -1,
        "1 day late",
        "",
    )
    assert next(row for row in ada.get("/api/queue")["questions"] if row["id"] == "1.1.c")["late"] == 1
    assert "say why" in ada.post("/api/adjust", expect=400, op="a0", alias=alias, kind="late", points=0)["error"]
    lifted = {"alias": alias, "kind": "late", "points": 0, "reason": "was ill"}
    assert ada.post("/api/adjust", op="a1", **lifted)["points"] == 3.5
    assert marked(results, "cleo").points == 3.5
    (adjustment,) = ada.get(f"/api/student/{alias}")["adjustments"]
    assert (adjustment["points"], adjustment["automatic"], adjustment["words"], adjustment["who"]) == (
        0,
        -1,
        "was ill",
        "Ada",
    )
    assert "has decided" in ada.post("/api/adjust", expect=409, op="a2", **lifted)["error"]
    assert "adjustment" in ada.post("/api/undo", op="u1")["said"]
    assert marked(results, "cleo").points == 2.5


def test_points_are_given_for_another_reason(late: tuple[Marker, Path]) -> None:
    ada, results = late
    names = aliases(ada)
    more = {"kind": "adjustment", "points": 0.5, "reason": "found a mistake in the assignment"}
    assert ada.post("/api/adjust", op="a1", alias=names["ann"], **more)["points"] == 4
    assert marked(results, "ann").points == 4
    late_only = {"kind": "late", "points": 0, "reason": "x"}
    assert (
        "not handed in late" in ada.post("/api/adjust", expect=409, op="a2", alias=names["ann"], **late_only)["error"]
    )


def test_the_answer_before_this_one_is_shown_with_what_has_changed(ada: Marker, results: Path) -> None:
    ada.decide(group_with(ada, "Yes"), points=0.5)
    cleo = aliases(ada)["cleo"]
    assert ada.get(f"/api/answer/1.1.c/{cleo}/earlier")["answer_html"] == "", "there was none"
    # As a grading leaves it behind when another answer is handed in.
    old = marked(results, "cleo").question("1.1.c").answer
    with Store.open(results) as store:
        cell = Cell(cell_type="markdown", source="Yes, it **does**.")
        store.keep_answers("cleo", {"1.1.c": (old, [cell])}, "2026-03-02T10:00:00+00:00")
    hand_in(results, "cleo", a1_1_c="Yes, it did.")
    lapsed = eventually(lambda: (one := group_with_any(ada, "did")) and one["group"]["lapsed"])
    assert "<strong>does</strong>" in lapsed["answer_html"]
    assert lapsed["decision"]["points"] == 0.5
    earlier = ada.get(f"/api/answer/1.1.c/{cleo}/earlier")
    assert (earlier["when"], "<strong>does</strong>" in earlier["answer_html"]) == ("2026-03-02T10:00:00+00:00", True)
    assert "<ins>did</ins>" in earlier["changes_html"]


def group_with_any(marker: Marker, words: str) -> Any:
    return next((shown for shown in groups(marker) if words in shown["group"]["answer_html"]), None)
