"""Whatever people decide, every output says the same sum: store, results, pages, table and the sites' files."""

from __future__ import annotations

import csv
import html
import re
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import nbformat
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from marks.small_class import WHEN
from nbformat.v4 import new_markdown_cell, new_notebook
from sites import reimport
from sites.downloads import (
    CLASS,
    brightspace_download,
    brightspace_gradebook,
    canvas_download,
    canvas_gradebook,
    moodle_download,
    moodle_worksheet,
    people_file,
)
from sites.gradings import of_status, result_for

from grader.assignment.assignment import Assignment, load_assignment
from grader.report.page import report_address
from grader.report.store import read_results, rewrite, write_pages
from grader.results.classlist import ClassList, Site, write_class_list
from grader.results.decisions import Decision, Overwritten, Store
from grader.results.items import Item, points_of
from grader.results.results import Lateness, SubmissionResult, read_result
from grader.sites.exporting import export_grades
from grader.sites.importing import import_download

ITEM = "Homework 1"
MOST = {"1.1.a": 1.0, "1.2.a": 4.5}
RUBRIC = f"""\
title = "{ITEM}"
reference = "r.ipynb"
""" + "".join(
    f'[[question]]\nid = "{id}"\ntitle = "Q"\npoints = {most}\nkind = "{kind}"\n'
    for (id, most), kind in zip(MOST.items(), ("code", "text"), strict=True)
)
WEEK = Lateness(submitted="a", due="b", minutes=1, points=-1.5, by="1 min", words="1 min late")

SUBMISSION = st.integers(0, 11)
KEYS = st.lists(st.sampled_from("abc"), unique=True)
HALVES = st.integers(-4, 10).map(lambda number: number / 2)
STEPS = st.one_of(
    st.tuples(st.just("mark"), SUBMISSION, KEYS, HALVES),
    # Almost everybody, so that most of them are decided in the end.
    st.tuples(st.just("mark all"), KEYS, HALVES),
    st.tuples(st.just("override"), SUBMISSION, st.sampled_from([0.0, 0.5, 1.0, None])),
    st.tuples(st.just("adjust"), SUBMISSION, st.sampled_from(["late", "adjustment"]), st.none() | HALVES),
    st.tuples(st.just("item"), st.sampled_from("abc"), HALVES),
    st.tuples(st.just("undo")),
)


class Marking:
    """People who mark a class, one step after the other."""

    def __init__(self, store: Store, results: list[SubmissionResult]) -> None:
        self.store, self.results = store, results
        for position, key in enumerate("abc"):
            item = Item(question="1.2.a", key=key, text=key, points=[2, 1.5, -1][position], position=position)
            store.save_item(item, who="Alex", when=WHEN)

    def decide(self, *decisions: Decision) -> None:
        try:
            self.store.decide(decisions, who="Alex", when=WHEN)
        except Overwritten as error:
            seen = max(change.id for change in error.conflicts)
            again = [msgspec.structs.replace(each, seen=seen) for each in decisions]
            self.store.decide(again, who="Alex", when=WHEN)

    def mark(self, number: int, keys: list[str], adjustment: float) -> None:
        self.decide(self.mark_of(self.results[number % len(self.results)], keys, adjustment))

    def mark_of(self, result: SubmissionResult, keys: list[str], adjustment: float) -> Decision:
        items = {item.key: item.points for item in self.store.items("1.2.a")}
        points = points_of([items[key] for key in keys], adjustment, MOST["1.2.a"])
        return self.decision(result, "1.2.a", points, items=keys, adjustment=adjustment)

    def mark_all(self, keys: list[str], adjustment: float) -> None:
        self.decide(*(self.mark_of(result, keys, adjustment) for result in self.results[1:]))

    def override(self, number: int, points: float | None) -> None:
        result = self.results[number % len(self.results)]
        self.decide(self.decision(result, "1.1.a", points, adjustment=points or 0.0, reason="So."))

    def adjust(self, number: int, kind: str, points: float | None) -> None:
        result = self.results[number % len(self.results)]
        self.decide(self.decision(result, kind, points, answer=WEEK.key if kind == "late" else "", reason="Ill."))

    def item(self, key: str, points: float) -> None:
        (item,) = [item for item in self.store.items("1.2.a") if item.key == key]
        changed = msgspec.structs.replace(item, points=points)
        before = self.store.preview_item(changed, MOST["1.2.a"])
        effect, _ = self.store.change_item(changed, MOST["1.2.a"], who="Alex", when=WHEN)
        assert effect == before

    def undo(self) -> None:
        self.store.undo("Alex", WHEN)

    @staticmethod
    def decision(result: SubmissionResult, question: str, points: float | None, **more: object) -> Decision:
        answer = result.question(question).answer if question in MOST else ""
        given = {"question": question, "submission": result.submission, "answer": answer, "points": points}
        return msgspec.convert(given | more, Decision)


def graded(name: str, number: int) -> SubmissionResult:
    result = result_for(name, None, assignment=ITEM, root="../subs", late=WEEK if number % 3 == 0 else None)
    result.questions[0].answer, result.questions[1].answer = f"code {number % 2}", f"text {number % 4}"
    return result


def from_the_database(output: Path, result: SubmissionResult) -> float:
    """The sum by the rules alone, from the raw rows."""
    connection = sqlite3.connect(output / "marks.sqlite3")
    points = {question.id: question.points for question in result.questions}
    taken: dict[str, float | None] = {"late": result.late.points if result.late else None, "adjustment": None}
    for question, answer, points_given in connection.execute(
        "SELECT question, answer, points FROM decisions WHERE folder = ? ORDER BY id", (result.submission,)
    ):
        automatic = result.late.points if result.late and question == "late" else None
        if question in MOST:
            assert answer == result.question(question).answer
            points[question] = result.question(question).points if points_given is None else points_given
        elif question == "adjustment" or result.late:
            taken[question] = automatic if points_given is None else points_given
    connection.close()
    known = sum(each for each in points.values() if each is not None)
    return min(max(known + sum(each for each in taken.values() if each is not None), 0), 5.5)


SITES: dict[Site, tuple[Callable[[Path], Path], Callable[[Path], Path]]] = {
    "brightspace": (brightspace_download, brightspace_gradebook),
    "canvas": (canvas_download, canvas_gradebook),
    "moodle": (moodle_download, moodle_worksheet),
}


def reimported(site: Site, path: Path) -> dict[str, float | str | None]:
    """What the site takes from the file, by the person's number there."""
    users = {student.username: student.user for student in CLASS}
    if site == "brightspace":
        ids = {student.username: student.org_id for student in CLASS}
        return {users[name]: points for name, points in reimport.brightspace(path, ITEM, 5.5, ids).items()}
    if site == "canvas":
        return reimport.canvas(path, "Homework 1 (5501)", [*users.values(), "640999"])
    return dict(reimport.moodle(path, 5.5, list(users.values())))


@pytest.mark.parametrize("site", SITES)
# Each is a class: what fails is short enough to be read, and not made shorter.
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(steps=st.lists(STEPS, min_size=2, max_size=14))
def test_all_sums_agree(site: Site, steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        download, gradebook = SITES[site]
        classlist = import_download(site, download(folder / "d.zip"), folder / "subs").classlist
        (folder / "r.ipynb").write_text(nbformat.writes(new_notebook()))
        (folder / "rubric.toml").write_text(RUBRIC)
        assignment = load_assignment(folder)
        output = folder / "results"
        results = write_class(output, classlist)
        with Store.open(output) as store:
            marking = Marking(store, results)
            for step in steps:
                getattr(marking, str(step[0]).replace(" ", "_"))(*step[1:])
        assert rewrite(assignment, read_results(output)[0], output) == []
        people = people_file(folder / "people.csv") if site == "brightspace" else None
        book = gradebook(folder / "book.csv")
        export_grades(site, output, folder / "grades.csv", gradebook=book, people=people, partial=True)
        agree(assignment, output, results, reimported(site, folder / "grades.csv"))


def write_class(output: Path, classlist: ClassList) -> list[SubmissionResult]:
    results = []
    for number, one in enumerate(classlist.hand_ins):
        result = graded(one.submission, number) if one.notebook else of_status(one.submission, "missing")
        result.assignment = ITEM
        notebook = nbformat.writes(new_notebook(cells=[new_markdown_cell("a"), new_markdown_cell("b")]))
        write_pages(output, result, "", notebook)
        results += [result] if one.notebook else []
    write_class_list(output, classlist)
    return results


def agree(
    assignment: Assignment, output: Path, results: list[SubmissionResult], site: dict[str, float | str | None]
) -> None:
    counted = {result.submission: result for result in read_results(output)[0]}
    table = {row["submission"]: row for row in csv.DictReader((output / "grades.csv").read_text().splitlines())}
    index = html.unescape((output / "index.html").read_text())
    for result in results:
        name = result.submission
        points = from_the_database(output, result)
        merged, stored, row = counted[name], read_result(output / name / "result.json"), table[name]
        assert merged.points == points
        assert sum(question.points or 0 for question in merged.questions) + merged.adjustment == points
        assert stored.final is not None
        assert (stored.final.points, stored.final.adjustment) == (points, merged.adjustment)
        assert stored.points == result.points, "what the checks found stays as it was"
        assert stored.final.questions == {question.id: question.points for question in merged.questions}
        assert float(row["points"]) == points
        assert sum(float(row[id] or 0) for id in MOST) + float(row["adjustment"]) == points
        report = (output / name / "report.html").read_text()
        shown = re.findall(
            r'class="number">([\d.]+)<span class="rest"> of 5\.5</span></span> <span class="label">', report
        )
        assert shown == [f"{points:g}"]
        link = re.escape(report_address(name))
        cells = re.search(rf'{link}">[^\n]*</th>\s*<td class="figure"><b>([\d.]+)</b>', index)
        assert cells is not None
        assert cells[1] == f"{points:g}"
        on_site = site.get(name.rsplit("-", 1)[1])
        decided = all(question.points is not None for question in merged.questions)
        assert on_site in ("EX", points if decided else None) or (on_site is None and not decided)
