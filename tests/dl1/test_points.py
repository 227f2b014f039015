"""What the dl1 rubric gives: exactly the known points, on the samples, the reference and a real submission."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.assignment.assignment import Assignment
from grader.grading.submission import Graded, Grader

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "submissions" / "dl1"
Grade = Callable[[Path], Graded]
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("expected_points.toml").read_text())


def code_points(graded: Graded) -> dict[str, float | None]:
    return {question.id: question.points for question in graded.result.questions if question.kind == "code"}


def lost_points(graded: Graded) -> dict[str, float | None]:
    return {
        question.id: question.points
        for question in graded.result.questions
        if question.kind == "code" and question.points != question.max_points
    }


def statuses(graded: Graded, *wanted: str) -> set[str]:
    return {question.id for question in graded.result.questions if question.status in wanted}


def test_the_assignment_has_28_questions_and_42_points(dl1: Assignment) -> None:
    code = [question.points for question in dl1.questions if question.kind == "code"]
    text = [question.points for question in dl1.questions if question.kind == "text"]
    assert (len(code), sum(code), len(text), sum(text)) == (16, 25, 12, 17)


def test_the_reference_gets_every_point(grade: Grade, dl1: Assignment) -> None:
    graded = grade(dl1.reference)
    assert lost_points(graded) == {}
    assert (graded.result.code_points, graded.result.code_max_points) == (25, 25)
    assert statuses(graded, "carried forward") == set()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_gets_exactly_its_points(grade: Grade, name: str) -> None:
    expected = EXPECTED[name]
    graded = grade(SAMPLES / name)
    assert lost_points(graded) == expected["points"]
    assert graded.result.code_points == expected["code_points"]
    assert graded.result.points_in_review == 0
    carried = statuses(graded, "carried forward")
    assert set(expected["carried_forward"]) <= carried
    assert carried <= {*expected["carried_forward"], *expected["may_be_carried"]}
    missing = statuses(graded, "missing")
    assert set(expected["missing"]) <= missing <= {*expected["missing"], *expected["missing_or_failed"]}
    marked = [q for q in graded.result.questions if q.kind == "text" and q.status == "to be marked"]
    assert len(marked) == expected["text_answered"]
    assert graded.result.points_to_mark == 17
    assert len([note for note in graded.result.notes if "ended the kernel" in note]) == expected["kernel_deaths"]


def test_a_constant_sigmoid_loses_its_own_point_alone(worker: Grader, dl1: Assignment, tmp_path: Path) -> None:
    notebook = copy.deepcopy(worker.expected.notebook.notebook)
    (cell,) = (notebook.cells[index] for index in worker.expected.notebook.answers["1.3.a"].cells)
    cell.source = "def sigmoid(x):\n    return torch.full(x.shape, 0.5)"
    nbformat.write(notebook, tmp_path / "constant.ipynb")
    graded = worker.grade(tmp_path / "constant.ipynb", "constant")
    assert lost_points(graded) == {"1.3.a": 0}
    assert {"1.6.d", "1.6.f", "1.6.h", "1.6.j"} <= statuses(graded, "carried forward")


def test_the_seed_submission_loses_three_points_for_three_reasons(grade: Grade, shared: Path) -> None:
    graded = grade(shared / "seed" / "assignment-1-submission.ipynb")
    result = graded.result
    assert (result.code_points, result.code_max_points, result.points_to_mark) == (22, 25, 17)
    assert lost_points(graded) == {"1.1.g": 0, "1.5.b": 2, "1.6.c": 4}
    texts = [question for question in result.questions if question.kind == "text"]
    assert [question.status for question in texts] == ["to be marked"] * 12
    assert all(question.cells for question in texts)
    failed = {q.id: c.message for q in result.questions for c in q.checks if c.status == "failed"}
    assert "already decayed" in failed["1.1.g"]
    assert "should be 0.1, 0.05, 0.025; yours are 0.1, 0.05, 0.0125" in failed["1.1.g"]
    assert "squared" in failed["1.5.b"]
    assert "+" in failed["1.6.c"]
    assert "learning_rate" in failed["1.6.c"] or "learning rate" in failed["1.6.c"]


def test_the_message_in_the_guide_for_students_is_what_they_get(worker: Grader, tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import torch"),
            nbformat.v4.new_markdown_cell("## 1.3 Parts of a neural network\n\n**(a) Write `sigmoid(x)`: (1 point)**"),
            nbformat.v4.new_code_cell("def sigmoid(x):\n    return torch.exp(x) / (1 + torch.exp(x))"),
        ]
    )
    nbformat.write(notebook, tmp_path / "overflow.ipynb")
    result = worker.grade(tmp_path / "overflow.ipynb", "overflow").result
    (check,) = result.question("1.3.a").checks
    assert f"\n{check.message}\n" in (ROOT / "docs" / "for-students.md").read_text()
