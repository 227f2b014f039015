from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from marks.small_class import LATER, WHEN, bare, digest, graded, write_marks_file

from grader.results import database
from grader.results.decisions import Decision, Overwritten, Store, read_changes, read_marks
from grader.results.items import Item, points_of
from grader.results.journal import MarksError, merged
from grader.results.results import Change


def decision(submission: str = "jane", points: float | None = 1, question: str = "1.1.c", **more: object) -> Decision:
    own = {"answer": digest("No: it gets stuck."), "adjustment": points or 0.0} | more
    return msgspec.convert({"submission": submission, "question": question, "points": points} | own, Decision)


def change(submission: str = "jane", points: float | None = 1, **more: object) -> Change:
    own = {"before": None, "who": "Alex", "when": WHEN, "adjustment": points or 0.0} | more
    given = {"question": "1.1.c", "answer": digest("No: it gets stuck."), "submission": submission, "points": points}
    return msgspec.convert(given | own, Change)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def item(key: str, points: float, question: str = "1.1.c", **more: object) -> Item:
    return msgspec.convert({"question": question, "key": key, "text": f"Text of {key}", "points": points} | more, Item)


def save(store: Store, *items: Item) -> None:
    for each in items:
        store.save_item(each, who="Alex", when=WHEN)


# Deciding


def test_what_is_decided_is_read_again_by_everybody(output: Path) -> None:
    words = {"comment": "a\nb", "reason": "because\x00\u2028", "items": ["stuck", "why"], "adjustment": -0.5}
    with Store.open(output) as store, Store.open(output) as other:
        save(store, item("stuck", 1, words="It is *stuck*."), item("why", -0.5))
        before = other.revision()
        (stored,) = store.decide([decision(points=0.5, before=1, **words)], who="Alex", when=WHEN)
        assert stored == change(points=0.5, before=1, id=1, words=["It is *stuck*."], **words)
        assert stored.told == "It is *stuck*.\n\na\nb"
        assert other.revision() > before
        assert other.changes() == {"jane": [stored]}
        assert other.changes("joe") == {}
    assert read_changes(output / "jane") == [stored]
    assert read_marks(output).changes == {"jane": [stored]}


def test_where_nobody_has_decided_anything_there_are_no_changes_and_no_store(output: Path) -> None:
    assert read_changes(output / "jane") == []
    assert read_changes(output / "no" / "where") == []
    assert read_marks(output).changes == read_marks(output / "nowhere").changes == {}
    assert list(output.iterdir()) == []


def test_a_decision_for_equal_answers_is_one_for_each_and_all_or_none(output: Path) -> None:
    with Store.open(output) as store:
        store.decide([decision("joe", 0)], who="Robin", when=WHEN)
        group = [decision(name) for name in ("ann", "joe", "jane")]
        with pytest.raises(Overwritten) as caught:
            store.decide(group, who="Alex", when=WHEN)
        assert [(each.submission, each.points, each.who) for each in caught.value.conflicts] == [("joe", 0, "Robin")]
        assert store.changes().keys() == {"joe"}
        seen = caught.value.conflicts[0].id
        stored = store.decide([msgspec.structs.replace(each, seen=seen) for each in group], who="Alex", when=WHEN)
        assert [(each.submission, each.replaces) for each in stored] == [("ann", 0), ("joe", seen), ("jane", 0)]
        assert [each.points for each in store.changes("joe")["joe"]] == [0, 1]


def test_a_decision_about_another_answer_is_nobodys_conflict(output: Path) -> None:
    with Store.open(output) as store:
        store.decide([decision()], who="Robin", when=WHEN)
        (stored,) = store.decide([decision(answer=digest("handed in later"))], who="Alex", when=WHEN)
        assert stored.replaces == 0


def test_the_same_operation_again_writes_nothing_and_says_what_it_wrote(output: Path) -> None:
    with Store.open(output) as store:
        group = [decision("ann"), decision("joe")]
        stored = store.decide(group, who="Alex", when=WHEN, op="a1")
        revision = store.revision()
        assert store.decide(group, who="Alex", when=LATER, op="a1") == stored
        assert store.revision() == revision
        # Another person's browser may have come to the same name.
        assert store.decide([decision("cem")], who="Robin", when=WHEN, op="a1")[0].submission == "cem"


def test_undo_takes_back_one_operation_after_another(output: Path) -> None:
    with Store.open(output) as store:
        save(store, item("stuck", 0.5))
        first = store.decide([decision("ann", 0.5, items=["stuck"], comment="Why?")], who="Alex", when=WHEN)
        store.decide([decision("zoe", 1)], who="Robin", when=WHEN)
        group = [decision("ann", 1, seen=first[0].id), decision("joe", 1)]
        store.decide(group, who="Alex", when=WHEN)
        undone = store.undo("Alex", LATER, op="u1")
        assert [(each.submission, each.points, each.items, each.comment) for each in undone] == [
            ("ann", 0.5, ["stuck"], "Why?"),
            ("joe", None, [], ""),
        ]
        assert store.undo("Alex", LATER, op="u1") == undone
        assert [(each.submission, each.points) for each in store.undo("Alex", LATER)] == [("ann", None)]
        assert store.undoable("Alex") == "item"
        assert store.undo("Alex", LATER) == []
        assert (store.undoable("Alex"), store.items()[0].retired) == ("", True)
        assert [each.points for each in store.changes("zoe")["zoe"]] == [1]
        assert [each.points for each in store.changes("ann")["ann"]] == [0.5, 1, 0.5, None]


def test_undo_does_not_undo_what_somebody_else_decided_since(output: Path) -> None:
    with Store.open(output) as store:
        (own,) = store.decide([decision()], who="Alex", when=WHEN)
        store.decide([decision(points=0, seen=own.id)], who="Robin", when=WHEN)
        with pytest.raises(Overwritten) as caught:
            store.undo("Alex", LATER)
        assert [each.who for each in caught.value.conflicts] == ["Robin"]
        assert len(store.changes("jane")["jane"]) == 2


# Items


def test_points_are_the_items_sum_cut_and_adjusted() -> None:
    cases = [([1, 1], 0, 3), ([2, 2], 0, 3), ([-1], 0, 3), ([-1], 0.5, 3), ([2, 2], -0.5, 3), ([], 9, 3), ([1], -2, 3)]
    assert [points_of(*case) for case in cases] == [2, 3, 0, 0.5, 2.5, 3, 0]


def test_an_item_that_is_changed_first_says_what_it_does_and_then_does_it_everywhere(output: Path) -> None:
    with Store.open(output) as store:
        save(store, item("stuck", 1), item("why", 0.5, position=1), item("stuck", 3, "1.6.e"))
        both = [decision(name, 1, items=["stuck", "why"], adjustment=0.0) for name in ("ann", "bob", "cem")]
        store.decide(both, who="Alex", when=WHEN)
        store.decide([decision("dan", 0.5, items=["why"], adjustment=0.0)], who="Robin", when=WHEN)
        store.decide([decision("eva", 3, "1.6.e", items=["stuck"], adjustment=0.0)], who="Robin", when=WHEN)
        store.decide([decision("fay", 1, items=["stuck"], adjustment=0.0)], who="Robin", when=WHEN)
        store.undo("Robin", WHEN)
        changed = item("stuck", 0.0, words="No.")
        effect = store.preview_item(changed, 1)
        assert (effect.answers, effect.points) == (3, -1.5)
        assert store.changes("ann")["ann"][-1].points == 1
        done, changes = store.change_item(changed, 1, who="Robin", when=LATER, op="i1")
        assert done == effect
        assert [(each.submission, each.points, each.words, each.who, each.before) for each in changes] == [
            (name, 0.5, ["No."], "Robin", 1) for name in ("ann", "bob", "cem")
        ]
        assert store.change_item(changed, 1, who="Robin", when=LATER, op="i1") == (done, changes)
        assert store.changes("dan")["dan"][-1].points == 0.5
        assert store.changes("eva")["eva"][-1].points == 3
        assert {each.key: each.points for each in store.items("1.1.c")} == {"stuck": 0, "why": 0.5}
        # And all of it is taken back at once.
        assert [each.points for each in store.undo("Robin", LATER)] == [1, 1, 1]
        assert {each.key: each.points for each in store.items("1.1.c")} == {"stuck": 1, "why": 0.5}


def test_an_item_for_answers_of_earlier_hand_ins_is_changed_there_and_not_counted(output: Path) -> None:
    with Store.open(output) as store:
        save(store, item("stuck", 1))
        store.decide([decision(items=["stuck"], adjustment=0.0)], who="Alex", when=WHEN)
        effect = store.preview_item(item("stuck", 0), 1, answers={"jane": digest("another")})
        assert (effect.answers, effect.points) == (0, 0)
        store.change_item(item("stuck", 0), 1, who="Alex", when=WHEN)
        assert store.changes("jane")["jane"][-1].points == 0


def test_items_of_the_rubric_are_taken_over_and_what_is_changed_there_counts(output: Path) -> None:
    rubric = [item("stuck", 1, origin="rubric"), item("why", 0.5, position=1, origin="rubric")]
    most = {"1.1.c": 1.0}
    with Store.open(output) as store:
        assert store.sync_items(rubric, most, who="Alex", when=WHEN) == []
        assert store.items() == rubric
        revision = store.revision()
        assert store.sync_items(rubric, most, who="Alex", when=WHEN) == []
        assert store.revision() == revision
        store.decide([decision(items=["stuck"], adjustment=0.0)], who="Alex", when=WHEN)
        # What was changed while marking stays, as long as the rubric says what it said.
        store.change_item(msgspec.structs.replace(rubric[1], points=1), 1, who="Alex", when=WHEN)
        assert store.sync_items(rubric, most, who="Alex", when=WHEN) == []
        assert [each.points for each in store.items()] == [1, 1]
        rubric[0] = msgspec.structs.replace(rubric[0], points=0.5)
        (note,) = store.sync_items(rubric, most, who="Alex", when=LATER)
        assert note == "rubric.toml: item 'stuck' of question 1.1.c is another one now: 1 answer, -0.5 points"
        assert store.changes("jane")["jane"][-1].points == 0.5
        assert store.sync_items(rubric[:1], most, who="Alex", when=LATER) == []
        assert [(each.key, each.retired) for each in store.items()] == [("stuck", False), ("why", True)]
        assert store.sync_items(rubric, most, who="Alex", when=LATER) == []
        assert [(each.key, each.retired) for each in store.items()] == [("stuck", False), ("why", False)]


def test_an_item_that_is_not_known_cannot_be_chosen_and_no_key_is_given_twice(output: Path) -> None:
    with Store.open(output) as store:
        with pytest.raises(MarksError, match=r"question 1\.1\.c has no item 'stuck'"):
            store.decide([decision(items=["stuck"])], who="Alex", when=WHEN)
        save(store, item("stuck", 1))
        with pytest.raises(MarksError, match="has an item 'stuck' already"):
            save(store, item("stuck", 0))
        assert store.save_item(item("new", 1), who="Alex", when=WHEN).position == 1


# Second marks


def test_second_marks_are_kept_apart_and_do_not_count(output: Path) -> None:
    with Store.open(output) as store:
        store.decide([decision(points=1)], who="Alex", when=WHEN)
        (first,) = store.decide([decision(points=0)], who="Robin", when=WHEN, second=True)
        assert [each.points for each in store.changes("jane")["jane"]] == [1]
        assert [(each.who, each.points) for each in store.second_marks()["jane"]] == [("Robin", 0)]
        store.decide([decision(points=0.5, seen=first.id)], who="Robin", when=LATER, second=True)
        assert [each.points for each in store.undo("Robin", LATER)] == [0]
        assert [each.points for each in store.second_marks()["jane"]] == [0, 0.5, 0]
        store.decide([decision(points=0, seen=1)], who="Alex", when=LATER)
    assert [each.points for each in read_changes(output / "jane")] == [1, 0]


# Several at once


def _decide_many(output: Path, who: str, count: int) -> None:
    with Store.open(output) as store:
        for number in range(count):
            store.decide(
                [decision(f"{who}-{number}"), decision(f"{who}-{number}", question="1.6.e")], who=who, when=WHEN
            )


@pytest.mark.parametrize(
    ("file_system", "locks"),
    [
        pytest.param("ext4", True, id="a local file system"),
        pytest.param("nfs4", True, id="one of the network"),
        pytest.param("nfs4", False, id="one without locks"),
    ],
)
def test_several_processes_write_at_once_and_nothing_is_lost(
    output: Path, file_system: str, locks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_file_system", lambda _: file_system)
    monkeypatch.setattr(database, "_has_locks", lambda _: locks)
    # Also the first of them, who make the store.
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_decide_many, args=(output, who, 15)) for who in ("ann", "bob", "cem", "dan")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 4
    marks = read_marks(output)
    assert {name: len(changes) for name, changes in marks.changes.items()} == {
        f"{who}-{number}": 2 for who in ("ann", "bob", "cem", "dan") for number in range(15)
    }
    assert (journal_mode(output) == "wal") == (file_system == "ext4")


def journal_mode(output: Path) -> str:
    connection = sqlite3.connect(output / "marks.sqlite3")
    try:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    finally:
        connection.close()


_MARKS_UNTIL_KILLED = """
import sys
from pathlib import Path
from grader.results.decisions import Decision, Store
with Store.open(Path(sys.argv[1])) as store:
    for number in range(10**6):
        names = [f"{sys.argv[2]}-{number}-{member}" for member in range(5)]
        decisions = [Decision(question="1.1.c", submission=name, answer="", points=1) for name in names]
        store.decide(decisions, who="Alex", when="2026-03-01T10:00:00+00:00", op=f"{sys.argv[2]}-{number}")
        print(number, flush=True)
"""


def test_whatever_was_acknowledged_outlives_a_kill_and_nothing_is_half_there(output: Path) -> None:
    for turn in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", _MARKS_UNTIL_KILLED, str(output), str(turn)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(3 + 2 * turn):
            acknowledged = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        own = [name for name in read_marks(output).changes if name.startswith(f"{turn}-")]
        written = {int(name.split("-")[1]) for name in own}
        assert written >= set(range(acknowledged + 1))
        assert len(own) == 5 * len(written)


def test_a_process_waits_for_another_one_that_writes_and_not_for_ever(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SECONDS", 0.1)
    with Store.open(output) as store, Store.open(output) as other:
        store._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(MarksError, match="another process has been writing into it for too long"):
            other.decide([decision()], who="Alex", when=WHEN)
        store._db.execute("ROLLBACK")
        assert len(other.decide([decision()], who="Alex", when=WHEN)) == 1


# Earlier versions


OLD = [change(points=1), change(points=0.5, before=1, comment="Why?"), change(points=None, before=0.5, submission="")]


def test_what_an_earlier_version_kept_is_taken_over_whole_once_and_stays_as_it_was(output: Path) -> None:
    write_marks_file(output / "jane", OLD)
    write_marks_file(output / "joe", [change("joe")])
    before = (output / "jane" / "marks.json").read_bytes()
    for _ in range(2):
        with Store.open(output) as store:
            assert {name: bare(changes) for name, changes in store.changes().items()} == {
                "jane": OLD,
                "joe": [change("joe")],
            }
            assert [each.replaces for each in store.changes("jane")["jane"]] == [0, 1, 2]
            assert store.faults == {}
    assert (output / "jane" / "marks.json").read_bytes() == before


def test_it_counts_before_it_is_taken_over_and_comes_before_all_that_is_decided_later(output: Path) -> None:
    write_marks_file(output / "jane", OLD)
    assert read_changes(output / "jane") == read_marks(output).changes["jane"] == OLD
    assert not (output / "marks.sqlite3").exists()
    with Store.open(output) as store:
        seen = store.changes("jane")["jane"][-1].id
        store.decide([decision(points=0, seen=seen)], who="Robin", when=LATER)
    assert [each.points for each in read_changes(output / "jane")] == [1, 0.5, None, 0]


def test_results_that_come_later_are_taken_over_too(output: Path) -> None:
    with Store.open(output) as store:
        store.decide([decision("joe")], who="Robin", when=LATER)
    write_marks_file(output / "jane", OLD)
    assert read_marks(output).changes.keys() == {"jane", "joe"}
    with Store.open(output) as store:
        assert bare(store.changes()["jane"]) == OLD


@pytest.mark.parametrize("content", [b"[", b"{}", b'[{"question": "1.1.c"}]', b"\xff", b""])
def test_a_damaged_file_is_named_in_one_line_and_the_others_go_on(output: Path, content: bytes) -> None:
    write_marks_file(output / "jane", OLD)
    write_marks_file(output / "joe", [change("joe")])
    (output / "joe" / "marks.json").write_bytes(content)
    line = f"{output / 'joe' / 'marks.json'}: is damaged"
    for marks in (read_marks(output), Store.open(output)):
        assert [fault.startswith(line) and "\n" not in fault for fault in marks.faults.values()] == [True]
    assert bare(read_changes(output / "jane")) == OLD
    with pytest.raises(MarksError, match="is damaged"):
        read_changes(output / "joe")
    with Store.open(output) as store:
        # What is decided now would be older than what is still to be taken over.
        with pytest.raises(MarksError, match="is damaged"):
            store.decide([decision("ann"), decision("joe")], who="Alex", when=WHEN)
        assert store.changes().keys() == {"jane"}
    write_marks_file(output / "joe", [change("joe")])
    with Store.open(output) as store:
        assert bare(store.changes()["joe"]) == [change("joe")]


def test_a_file_that_an_earlier_version_writes_into_again_is_not_passed_over_in_silence(output: Path) -> None:
    write_marks_file(output / "jane", OLD)
    with Store.open(output) as store:
        assert store.faults == {}
    os.utime(output / "jane" / "marks.json", (1, 1))
    assert read_marks(output).faults == {}, "a copy has other times"
    write_marks_file(output / "jane", [*OLD, change(points=0)])
    with pytest.raises(MarksError, match=r"marks\.json: has been changed since its marks were taken over"):
        read_changes(output / "jane")
    with Store.open(output) as store:
        assert store.faults.keys() == {"jane"}


def test_a_submission_that_gets_another_name_takes_its_decisions_along(output: Path) -> None:
    write_marks_file(output / "hw", [change("hw"), change("somebody else"), change("")])
    with Store.open(output) as store:
        with store.renaming("hw", "ann-hw"):
            (output / "hw").rename(output / "ann-hw")
        store.bind("ann-hw", [each.id for each in store.changes("ann-hw")["ann-hw"] if not each.submission])
    with Store.open(output) as store:
        assert store.changes().keys() == {"ann-hw"}
        assert [each.submission for each in store.changes("ann-hw")["ann-hw"]] == ["ann-hw", "somebody else", "ann-hw"]
        with pytest.raises(OSError, match="No such file"), store.renaming("ann-hw", "x"):
            (output / "nowhere").rename(output / "x")
        assert store.changes().keys() == {"ann-hw"}
        # Somebody else was called so before, and has equal answers.
        store.decide([decision("x", 0)], who="Alex", when=WHEN)
        with store.renaming("ann-hw", "x"):
            pass
        assert {name: len(changes) for name, changes in store.changes().items()} == {"x": 3, "x~1": 1}


# The file


def _damage(output: Path) -> None:
    (output / "marks.sqlite3").write_bytes(b"no database" * 1000)


def _make_newer(output: Path) -> None:
    connection = sqlite3.connect(output / "marks.sqlite3")
    connection.execute(f"PRAGMA user_version = {len(database.MIGRATIONS) + 1}")
    connection.close()


@pytest.mark.parametrize(("happens", "why"), [(_damage, "is damaged"), (_make_newer, "a later version of grader")])
def test_a_store_that_cannot_be_used_is_named_in_one_line(
    output: Path, happens: Callable[[Path], None], why: str
) -> None:
    with Store.open(output) as store:
        store.decide([decision()], who="Alex", when=WHEN)
    happens(output)
    before = (output / "marks.sqlite3").read_bytes()
    for use in (lambda: Store.open(output), lambda: read_marks(output), lambda: read_changes(output / "jane")):
        with pytest.raises(MarksError, match=why) as caught:
            use()
        assert [fault.count("\n") for fault in caught.value.faults] == [0]
    assert (output / "marks.sqlite3").read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarksError, match="nowhere: is no folder; name the folder that `grader grade` has written"):
        Store.open(tmp_path / "nowhere")


def test_where_files_cannot_be_locked_a_folder_is_the_lock(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Made where files can be locked, and brought here.
    with Store.open(output) as store:
        store.decide([decision()], who="Alex", when=WHEN)
    monkeypatch.setattr(database, "_has_locks", lambda _: False)
    with Store.open(output) as store:
        store.decide([decision("joe")], who="Alex", when=WHEN)
    assert read_marks(output).changes.keys() == {"jane", "joe"}
    assert journal_mode(output) == "delete"
    monkeypatch.setattr(database, "SECONDS", 0.1)
    (output / "marks.sqlite3.lock").mkdir()
    with pytest.raises(MarksError, match=r"delete .*marks\.sqlite3\.lock if no grader is running"):
        read_marks(output)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize("left_open", [False, True], ids=["closed", "killed"])
def test_who_may_only_read_the_folder_reads_the_marks(output: Path, left_open: bool) -> None:
    store = Store.open(output)
    store.decide([decision()], who="Alex", when=WHEN)
    if not left_open:
        store.close()
    for folder in (output, *output.parents):
        folder.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(65534)
            os._exit(0 if read_marks(output).changes.keys() == {"jane"} else 1)
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_all_who_may_write_into_the_folder_may_mark_and_others_are_told(output: Path) -> None:
    for folder in output.parents:
        folder.chmod(0o755)
    for mode, code in ((0o777, 0), (0o755, 3)):
        for path in output.iterdir():
            path.unlink()
        output.chmod(mode)
        mask = os.umask(0o022)
        with Store.open(output) as store:
            store.decide([decision()], who="Alex", when=WHEN)
        os.umask(mask)
        pid = os.fork()
        if pid == 0:
            try:
                os.setuid(65534)
                with Store.open(output) as store:
                    store.decide([decision("joe")], who="Robin", when=WHEN)
                os._exit(0)
            except MarksError as error:
                os._exit(3 if "may not be written by you" in str(error) else 4)
            except BaseException as error:
                print(error, file=sys.stderr)
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code


def test_merging_takes_what_the_store_says(output: Path) -> None:
    with Store.open(output) as store:
        (stored,) = store.decide([decision(points=0.5)], who="Alex", when=WHEN)
    question = merged(graded(), read_changes(output / "jane")).question("1.1.c")
    assert (question.points, question.changes) == (0.5, [stored])


def test_opening_a_class_that_is_marked_takes_milliseconds(output: Path) -> None:
    with Store.open(output) as store:
        for question in ("1.1.c", "1.6.e"):
            store.decide([decision(f"s{n}", question=question) for n in range(1000)], who="Alex", when=WHEN)
    begin = time.process_time()
    assert sum(map(len, read_marks(output).changes.values())) == 2000
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("how", [read_marks, lambda output: Store.open(output).close()], ids=["to read", "to write"])
def test_a_store_of_an_earlier_version_is_brought_to_this_one(output: Path, how: Callable[[Path], object]) -> None:
    connection = sqlite3.connect(output / "marks.sqlite3")
    for statement in database.MIGRATIONS[0].split(";"):
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO operations (kind, who, at) VALUES ('decide', 'Alex', ?)", (WHEN,))
    connection.execute(
        "INSERT INTO decisions (operation, folder, submission, question, answer, points, items, adjustment, comment, "
        "reason, who, \"when\", replaces) VALUES (1, 'jane', 'jane', '1.1.c', ?, 1, '[]', 1, '', '', 'Alex', ?, 0)",
        (digest("No: it gets stuck."), WHEN),
    )
    connection.commit()
    connection.close()
    how(output)
    connection = sqlite3.connect(output / "marks.sqlite3")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(database.MIGRATIONS),)
    connection.close()
    assert read_marks(output).changes == {"jane": [change(id=1)]}
