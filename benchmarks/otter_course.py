"""An assignment as otter-grader wants it: test files in an autograder's zip, and notebooks that name their tests."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from checks import CHECKS, Check, source
from nbformat import NotebookNode
from workloads import Material, Submission, Workload, material

AUTOGRADER = "autograder.zip"

TEST_FILE = """\
OK_FORMAT = False

from otter.test_files import test_case

name = "{name}"
points = {points}


@test_case(points=None, hidden=False)
{function}
"""


def build(folder: Path, workload: Workload, submissions: Sequence[Submission]) -> None:
    """Write the autograder and the notebooks. No PDF is asked for, no plugin, and no limit is set."""
    made = material(workload.rubric_folder)
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / AUTOGRADER, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("otter_config.json", json.dumps({"lang": "python"}))
        for question, check in CHECKS[workload.rubric].items():
            if question not in workload.left_out:
                points = made.assignment.question(question).points
                archive.writestr(f"tests/{test_name(question)}.py", test_file(question, check, points))
    for submission in submissions:
        nbformat.write(with_tests(workload, made, submission.notebook), folder / f"{submission.name}.ipynb")


def test_name(question: str) -> str:
    return f"q{question.replace('.', '_')}"


def test_file(question: str, check: Check, points: float) -> str:
    """A test file in otter's exception-based format."""
    return TEST_FILE.format(name=test_name(question), points=points, function=source(check).rstrip())


def with_tests(workload: Workload, made: Material, notebook: NotebookNode) -> NotebookNode:
    """A copy in which the last cell of each answer names its test, as `otter assign` leaves it."""
    marked = copy.deepcopy(notebook)
    for question in CHECKS[workload.rubric]:
        if question not in workload.left_out:
            marked.cells[max(made.cells[question])].metadata["otter"] = {"tests": [test_name(question)]}
    return marked


def grade(environment: Path, folder: Path, name: str, output: Path) -> list[str]:
    """The command for one submission."""
    otter = str(environment / "bin" / "otter")
    autograder = str(folder / AUTOGRADER)
    return [otter, "run", "--no-logo", "-a", autograder, "-o", str(output), str(folder / f"{name}.ipynb")]


def points(output: Path) -> float:
    """The points in the results of one submission."""
    results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    return float(sum(test.get("score", 0) for test in results["tests"]))
