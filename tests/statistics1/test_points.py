"""What the rubric of the tutorial gives: exactly the known points, for the known reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.assignment.assignment import Assignment, load_assignment
from grader.grading.submission import Graded, Grader

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "submissions" / "statistics1"


@pytest.fixture(scope="module")
def statistics1() -> Assignment:
    return load_assignment(ROOT / "rubrics" / "statistics1")


@pytest.fixture(scope="module")
def worker(statistics1: Assignment) -> Iterator[Grader]:
    with Grader(statistics1, seed=3) as worker:
        yield worker


def points(graded: Graded) -> dict[str, float | None]:
    return {question.id: question.points for question in graded.result.questions}


def statuses(graded: Graded) -> dict[str, str]:
    return {question.id: question.status for question in graded.result.questions}


def test_the_assignment_has_three_questions_and_four_points(statistics1: Assignment) -> None:
    assert {question.id: question.points for question in statistics1.questions} == {
        "1.1.a": 1.5,
        "1.1.b": 1,
        "1.2.a": 1.5,
    }


def test_the_reference_gets_every_point(worker: Grader, statistics1: Assignment) -> None:
    graded = worker.grade(statistics1.reference, "reference")
    assert points(graded) == {"1.1.a": 1.5, "1.1.b": 1, "1.2.a": 1.5}
    assert set(statuses(graded).values()) == {"passed"}


def test_right_answers_by_loops_get_every_point(worker: Grader) -> None:
    graded = worker.grade(SAMPLES / "all-right.ipynb", "all-right")
    assert points(graded) == {"1.1.a": 1.5, "1.1.b": 1, "1.2.a": 1.5}
    assert set(statuses(graded).values()) == {"passed"}


def test_each_mistake_costs_its_own_points_once(worker: Grader) -> None:
    graded = worker.grade(SAMPLES / "typical-mistakes.ipynb", "typical-mistakes")
    assert points(graded) == {"1.1.a": 0.5, "1.1.b": 1, "1.2.a": 1}
    assert statuses(graded) == {"1.1.a": "failed", "1.1.b": "carried forward", "1.2.a": "failed"}
    lost = {check.name.rpartition("::")[2] for q in graded.result.questions for check in q.checks if not check.points}
    assert lost == {"test_standardise_columns", "test_bootstrap_repeats"}


def test_what_is_not_answered_is_missing(worker: Grader) -> None:
    graded = worker.grade(SAMPLES / "unfinished.ipynb", "unfinished")
    assert points(graded) == {"1.1.a": 1, "1.1.b": 0, "1.2.a": 0}
    assert statuses(graded) == {"1.1.a": "failed", "1.1.b": "missing", "1.2.a": "missing"}
    assert graded.result.code_points == 1
