"""Notebooks that the harness once graded wrongly, or not at all; with what each must get."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.assignment.assignment import load_assignment
from grader.grading.submission import Graded, Grader

ALL, NONE = [1.5, 1.0, 1.5], [0.0, 0.0, 0.0]
MUST_GET = {
    "many-threads": ALL,
    "many-processes": ALL,
    "fork-patched": ALL,
    "joblib": ALL,
    "sklearn-n-jobs": ALL,
    "restart-from-code": ALL,
    "written-module": ALL,
    "keyring-donor": ALL,
    # What the donor left is not there.
    "keyring-taker": NONE,
    "user-namespaces": NONE,
    "memfd": NONE,
    "outputs-60x7MB": ALL,
    "sigint-pid1": ALL,
    "seed-predicted": NONE,
}
"""In this order, in one worker: nothing passes from one to the next."""


@pytest.fixture(scope="module")
def worker(root: Path) -> Iterator[Grader]:
    with Grader(load_assignment(root / "rubrics" / "statistics1"), seed=1) as worker:
        yield worker


@pytest.fixture(scope="module")
def graded(worker: Grader, shared: Path) -> dict[str, Graded]:
    folder = shared / "faults"
    if not folder.is_dir():
        pytest.skip("needs the notebooks in ../shared/faults, which are not part of the repository")
    return {name: worker.grade(folder / f"{name}.ipynb", name) for name in MUST_GET}


@pytest.mark.parametrize("name", MUST_GET)
def test_each_gets_what_it_must(graded: dict[str, Graded], name: str) -> None:
    result = graded[name].result
    assert (result.status, result.message) == ("graded", "")
    assert [question.points for question in result.questions] == MUST_GET[name]


def printed(graded: Graded) -> str:
    assert graded.notebook is not None
    outputs = [output for cell in graded.notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_a_restart_is_left_out_with_a_remark(graded: dict[str, Graded]) -> None:
    assert graded["restart-from-code"].result.notes == [
        "Cell 4 asks for the end of its kernel, or for a restart; that was left out."
    ]


def test_all_outputs_together_are_kept_small(graded: dict[str, Graded], worker: Grader) -> None:
    notebook = graded["outputs-60x7MB"].notebook
    assert notebook is not None
    assert len(str(notebook)) < 2 * worker.assignment.limits.outputs_bytes


def test_no_namespace_is_made_in_the_sandbox(graded: dict[str, Graded]) -> None:
    """unshare fails, and so root is not to be had, nor a file system of one's own."""
    said = printed(graded["user-namespaces"])
    assert "unshare -1" in said
    assert "uid now 0" not in said
    assert "written GiB" not in said


def test_what_is_held_in_memory_without_a_process_is_limited_too(graded: dict[str, Graded]) -> None:
    held = float(printed(graded["memfd"]).split("bytes held in memfds")[1].split()[0])
    assert held < 2
