"""What is graded: notebooks as a class hands them in, made from a reference and the answers that prove its rubric.

Everything follows from a seed, so that every tool gets the same notebooks, and so does the next run.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grader.assignment.assignment import Assignment, load_assignment
from grader.assignment.solution import student_version
from grader.execution.reference import Reference
from grader.rubric.checks import load_checks
from grader.validation.cases import Case, load_cases

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Workload:
    """A kind of notebook, and how many answers in it differ from the reference's."""

    key: str
    title: str
    rubric: str
    left_out: tuple[str, ...] = ()
    """Questions that the student has not got to."""
    variants: float = 0.4
    """The share of answers that are right in another way."""
    mutants: float = 0.2
    """The share of answers with a mistake."""
    trained_by_the_reference: bool = False
    """Whether the functions that are trained with stay as they are in the reference."""
    sweeps: bool = False
    """Whether the hyperparameters are tuned by trying many, as the assignment asks for."""

    @property
    def rubric_folder(self) -> Path:
        return ROOT / "rubrics" / self.rubric


SWEEP = {
    "1.6.d": """
best = None
for learning_rate in (0.03, 0.1, 0.3):
    for batch_size in (10, 20, 50, 100):
        params = [
            make_layer(64, 32, relu),
            make_layer(32, 1, sigmoid),
        ]
        fit(params, split_x, split_y, learning_rate=learning_rate, batch_size=batch_size, epochs=40)
        reached = evaluate(params, split_x["val"], split_y["val"])[1]
        if best is None or reached > best[0]:
            best = reached, learning_rate, batch_size, params
print("best:", best[:3])
params = best[3]
"""
}
"""Answers that look for the best hyperparameters, by question."""

TRAINING = ("1.6.d", "1.6.f", "1.6.h", "1.6.j")

WORKLOADS = {
    workload.key: workload
    for workload in (
        Workload("a", "functions only, NumPy (statistics1)", "statistics1"),
        Workload("b", "dl1 without training", "dl1", left_out=TRAINING),
        # Networks that were trained by a wrong function are trained again with the right one, to carry the error
        # forward: work that no other tool does, and so no part of a comparison.
        Workload("c", "dl1 whole, right answers", "dl1", mutants=0.0, trained_by_the_reference=True),
        # How much is student code depends on how much a student trains: in the reference, each network once.
        Workload(
            "d",
            "dl1 whole, tuned by a sweep",
            "dl1",
            mutants=0.0,
            trained_by_the_reference=True,
            sweeps=True,
        ),
    )
}


@dataclass(frozen=True)
class Submission:
    """A notebook, and what was put into it: `question: name of the variant or mutant`."""

    name: str
    notebook: NotebookNode
    changes: tuple[str, ...]
    mistakes: int


@dataclass(frozen=True)
class Material:
    """A reference, opened up: its notebook with and without answers, where they stand, and what may replace them."""

    assignment: Assignment
    solved: NotebookNode
    unsolved: NotebookNode
    cells: dict[str, list[int]]
    """The code cells of each code question."""
    cases: dict[str, list[Case]]
    """Variants and mutants, by question."""


@cache
def material(rubric_folder: Path) -> Material:
    """Read a rubric, its reference and its cases. Raises RubricError."""
    assignment = load_assignment(rubric_folder)
    reference = Reference(assignment)
    code = [question.id for question in assignment.questions if question.kind == "code"]
    cells = {
        question: [i for i in reference.answers[question].cells if reference.notebook.cells[i].cell_type == "code"]
        for question in code
    }
    answers = {question: reference.sources(question) for question in code}
    cases: dict[str, list[Case]] = {question: [] for question in code}
    for case in load_cases(assignment, load_checks(assignment), answers):
        if case.kind in ("variant", "mutant"):
            cases[case.question].append(case)
    solved = copy.deepcopy(reference.notebook)
    for cell in solved.cells:
        cell.source = _unmarked(cell.source)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return Material(assignment, solved, student_version(reference.notebook), cells, cases)


def _unmarked(source: str) -> str:
    """Without the lines around the solution."""
    return "\n".join(line for line in source.split("\n") if not MARK.fullmatch(line))


MARK = re.compile(r"\s*### (?:BEGIN|END) SOLUTION\s*")
FIRST = "s000"
"""The submission with the reference's own answers."""


def full_points(workload: Workload) -> float:
    """The points of the code questions that are not left out."""
    made = material(workload.rubric_folder)
    return sum(made.assignment.question(id).points for id in made.cells if id not in workload.left_out)


def make(workload: Workload, count: int, seed: int) -> list[Submission]:
    """`count` submissions; the first is the reference's own answers, by which a tool shows that it works at all."""
    submissions = []
    for number in range(count):
        rng = random.Random(f"{workload.key} {seed} {number}")
        chosen = {} if number == 0 else _choose(workload, rng)
        submissions.append(_submission(workload, f"s{number:03}", chosen, rng))
    return submissions


def _choose(workload: Workload, rng: random.Random) -> dict[str, Case]:
    """Which answers differ from the reference's, and how."""
    made = material(workload.rubric_folder)
    fixed = {*workload.left_out, *(SWEEP if workload.sweeps else ())}
    if workload.trained_by_the_reference:
        runs = [question.id for question in made.assignment.questions if question.run]
        fixed |= {earlier.id for run in runs for earlier in made.assignment.ancestors(run)}
    chosen = {}
    for question, cases in made.cases.items():
        if question in fixed:
            continue
        kind = rng.choices(
            ["reference", "variant", "mutant"],
            [1 - workload.variants - workload.mutants, workload.variants, workload.mutants],
        )[0]
        some = [case for case in cases if case.kind == kind]
        if some:
            chosen[question] = rng.choice(some)
    return chosen


def _submission(workload: Workload, name: str, chosen: dict[str, Case], rng: random.Random) -> Submission:
    made = material(workload.rubric_folder)
    notebook = copy.deepcopy(made.solved)
    for question in workload.left_out:
        for index in made.cells[question]:
            notebook.cells[index].source = made.unsolved.cells[index].source
    sources = {question: "\n\n".join(case.sources) for question, case in chosen.items()}
    if workload.sweeps:
        sources |= SWEEP
    for question, source in sources.items():
        # No cell comes or goes: each cell stays where the other tools expect it.
        first, *rest = made.cells[question]
        notebook.cells[first].source = _unmarked(source).strip("\n")
        for index in rest:
            notebook.cells[index].source = ""
    for cell in notebook.cells:
        # Students' notebooks have no tags, and ids of their own.
        cell.metadata.pop("tags", None)
        cell.id = f"{rng.getrandbits(32):08x}"
    changes = tuple(f"{question}: {case.name} ({case.kind})" for question, case in chosen.items())
    return Submission(name, notebook, changes, sum(case.kind == "mutant" for case in chosen.values()))


# Broken ones, for the large run

REFUSED = ("no-json", "empty", "cut-off", "no-cells", "old-format")
"""Those of the broken that are no notebook, or none that can be read as it is: they get a line that says why."""


def broken(workload: Workload, seed: int) -> list[tuple[str, bytes]]:
    """Files that are hard to grade, by name: no notebooks, and notebooks that end their kernel or flood it."""
    whole = make(workload, 1, seed)[0].notebook
    text = nbformat.writes(whole)
    first = min(cells[0] for cells in material(workload.rubric_folder).cells.values())

    def with_cell(source: str) -> bytes:
        notebook = copy.deepcopy(whole)
        notebook.cells.insert(first, nbformat.v4.new_code_cell(source, id="broken"))
        return bytes(nbformat.writes(notebook), "utf-8")

    return [
        ("no-json", b"These are my answers."),
        ("empty", b""),
        ("cut-off", text[: len(text) // 2].encode()),
        ("no-cells", nbformat.writes(nbformat.v4.new_notebook()).encode()),
        ("old-format", _as_version_3(whole)),
        ("exit", with_cell("exit()")),
        ("dead-kernel", with_cell("import os\nos._exit(1)")),
        ("endless-loop", with_cell("while True:\n    pass")),
        ("syntax-error", with_cell("def sigmoid(x:\n    return 1")),
        ("huge-output", with_cell("for i in range(200_000):\n    print('x' * 100)")),
        ("much-memory", with_cell("block = bytearray(2**40)")),
        ("fork", with_cell("import os, time\nfor i in range(20):\n    if os.fork() == 0:\n        time.sleep(10**6)")),
    ]


def _as_version_3(notebook: NotebookNode) -> bytes:
    """The same cells in nbformat 3, as notebooks were before 2014."""
    from nbformat.v3 import new_code_cell, new_notebook, new_text_cell, new_worksheet, writes_json

    cells = [
        new_code_cell(input=cell.source) if cell.cell_type == "code" else new_text_cell("markdown", source=cell.source)
        for cell in notebook.cells
    ]
    return bytes(writes_json(new_notebook(worksheets=[new_worksheet(cells=cells)])), "utf-8")


def class_of(workload: Workload, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` files: a broken one after every twelve or so, the others as `make` makes them."""
    bad = broken(workload, seed)
    number_bad = min(count // 4, max(len(bad), count // 12))
    places = {round((i + 1) * count / (number_bad + 1)) for i in range(number_bad)}
    good = iter(make(workload, count - len(places), seed))
    taken = 0
    for place in range(count):
        if place in places:
            kind, content = bad[taken % len(bad)]
            yield f"s{place:03}-{kind}", content
            taken += 1
        else:
            yield f"s{place:03}", nbformat.writes(next(good).notebook).encode()


def write(folder: Path, submissions: Sequence[Submission]) -> None:
    """Write each as `<name>.ipynb`."""
    folder.mkdir(parents=True, exist_ok=True)
    for submission in submissions:
        nbformat.write(submission.notebook, folder / f"{submission.name}.ipynb")
