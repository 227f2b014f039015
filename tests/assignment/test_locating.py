"""Locating answers: on the real submission, on a small notebook, and on what students do to notebooks."""

from __future__ import annotations

import copy
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from grader.assignment.assignment import Question
from grader.assignment.locating import Answer, code_of, is_answered, locate
from grader.assignment.notebook import read_notebook

Notebook = nbformat.NotebookNode
Mutation = Callable[[Notebook], None]


def text(id: str) -> Question:
    return Question(id=id, title=id, points=1, kind="text")


def code(id: str, *defines: str) -> Question:
    return Question(id=id, title=id, points=1, kind="code", defines=defines)


ASSIGNMENT_1 = (
    code("1.1.a", "optimize_f(x, y, step_size, steps)"),
    text("1.1.c"),
    text("1.1.e"),
    text("1.1.f"),
    code("1.1.g", "optimize_f(x, y, step_size, steps, decay=1.0)"),
    code("1.1.h", "results"),
    code("1.3.a", "sigmoid(x)"),
    code("1.3.b", "relu(x)"),
    text("1.3.d"),
    code("1.3.e", "bce_loss(y, y_hat)"),
    text("1.3.f"),
    code("1.3.g", "bce_loss(y, y_hat)"),
    code("1.4.a", "model1(x)"),
    code("1.5.a", "network(x, params)"),
    code("1.5.b", "make_layer(d0, d1, activation)"),
    code("1.6.a", "evaluate(params, x, y)"),
    code("1.6.c", "train_epoch(params, x_train, y_train, learning_rate, batch_size)"),
    code("1.6.d", "params", "split_x", "split_y"),
    text("1.6.e"),
    code("1.6.f", "params"),
    text("1.6.g"),
    code("1.6.h", "params"),
    text("1.6.i"),
    code("1.6.j", "params"),
    text("1.6.k"),
    text("1.7.a"),
    text("1.7.b"),
    text("1.7.c"),
)

SEED_CELLS = {
    "1.1.a": (10, 11),
    "1.1.c": (17,),
    "1.1.e": (21,),
    "1.1.f": (23,),
    "1.1.g": (25,),
    "1.1.h": (27, 28),
    "1.3.a": (42,),
    "1.3.b": (44,),
    "1.3.d": (48,),
    "1.3.e": (50,),
    "1.3.f": (52, 53),
    "1.3.g": (55,),
    "1.4.a": (57,),
    "1.5.a": (59,),
    "1.5.b": (61,),
    "1.6.a": (69,),
    "1.6.c": (73,),
    "1.6.d": (75,),
    "1.6.e": (77,),
    "1.6.f": (79,),
    "1.6.g": (81,),
    "1.6.h": (83,),
    "1.6.i": (85,),
    "1.6.j": (87,),
    "1.6.k": (89,),
    "1.7.a": (91,),
    "1.7.b": (93,),
    "1.7.c": (95,),
}
CODE_IDS = [question.id for question in ASSIGNMENT_1 if question.kind == "code"]
TEXT_IDS = [question.id for question in ASSIGNMENT_1 if question.kind == "text"]

FUNCTIONS = {"1.1.a": 10, "1.3.a": 42, "1.3.b": 44, "1.4.a": 57, "1.5.a": 59, "1.5.b": 61, "1.6.a": 69, "1.6.c": 73}


# The real submission


@pytest.fixture(scope="module")
def seed(shared: Path) -> Notebook:
    return read_notebook(shared / "seed" / "assignment-1-submission.ipynb", 50 * 2**20)


def mutated(notebook: Notebook, mutation: Mutation) -> tuple[Notebook, dict[int, int]]:
    """A changed copy, and from the place of each of its cells to the cell's place before."""
    changed = copy.deepcopy(notebook)
    for index, cell in enumerate(changed.cells):
        cell.metadata["before"] = index
    mutation(changed)
    return changed, {index: cell.metadata.get("before", -1) for index, cell in enumerate(changed.cells)}


def located(notebook: Notebook, mutation: Mutation) -> dict[str, tuple[int, ...]]:
    """Where the answers are found in a changed copy, in the numbers of the cells before the change."""
    changed, before = mutated(notebook, mutation)
    return {id: tuple(before[index] for index in answer.cells) for id, answer in locate(changed, ASSIGNMENT_1).items()}


def in_markdown(pattern: str, replacement: str = "") -> Mutation:
    def change(notebook: Notebook) -> None:
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = re.sub(pattern, replacement, cell.source, flags=re.MULTILINE)

    return change


def retype(notebook: Notebook, index: int, kind: str) -> None:
    cell = notebook.cells[index]
    new = {"markdown": new_markdown_cell, "raw": new_raw_cell, "code": new_code_cell}[kind](cell.source)
    new.metadata = cell.metadata
    notebook.cells[index] = new


def retype_all(kind: str, to: str, fence: bool = False) -> Mutation:
    def change(notebook: Notebook) -> None:
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == kind:
                if fence:
                    cell.source = f"```python\n{cell.source}\n```"
                retype(notebook, index, to)

    return change


def remove(*indices: int) -> Mutation:
    def change(notebook: Notebook) -> None:
        notebook.cells = [cell for index, cell in enumerate(notebook.cells) if index not in indices]

    return change


def duplicate(index: int) -> Mutation:
    return lambda notebook: notebook.cells.insert(index, copy.deepcopy(notebook.cells[index]))


def move(index: int, to: int) -> Mutation:
    return lambda notebook: notebook.cells.insert(to, notebook.cells.pop(index))


def reverse_sections(notebook: Notebook) -> None:
    starts = [index for index, cell in enumerate(notebook.cells) if cell.source.startswith("## ")]
    ends = [*starts[1:], len(notebook.cells)]
    parts = [notebook.cells[start:end] for start, end in zip(starts, ends, strict=True)]
    notebook.cells = notebook.cells[: starts[0]] + [cell for part in reversed(parts) for cell in part]


def test_all_28_answers_of_the_seed_are_found_by_their_labels(seed: Notebook) -> None:
    answers = locate(seed, ASSIGNMENT_1)
    assert {id: answer.cells for id, answer in answers.items()} == SEED_CELLS
    assert {answer.found_by for answer in answers.values()} == {"label"}
    assert [answer.notes for answer in answers.values() if answer.notes] == []
    assert [answer.retyped for answer in answers.values() if answer.retyped] == []


def test_the_seeds_labels_are_found(seed: Notebook) -> None:
    answers = locate(seed, ASSIGNMENT_1)
    for question in ASSIGNMENT_1:
        heading = answers[question.id].heading
        assert heading is not None
        assert f"**({question.letter})" in seed.cells[heading].source


def test_all_28_questions_of_the_seed_are_answered(seed: Notebook) -> None:
    answers = locate(seed, ASSIGNMENT_1)
    assert [q.id for q in ASSIGNMENT_1 if not is_answered(seed, q, answers[q.id])] == []


HARMLESS: dict[str, Mutation] = {
    "section headings lost": in_markdown(r"^## 1\..*$"),
    **{f"heading 1.{number} lost": in_markdown(rf"^## 1\.{number} .*$") for number in range(1, 8)},
    "subheadings lost": in_markdown(r"^### .*$"),
    "labels as (**a**)": in_markdown(r"^\*\*\(([a-k])\) ", r"(**\1**) "),
    "labels as **(a)**": in_markdown(r"^\*\*\(([a-k])\) (.*)\*\*$", r"**(\1)** \2"),
    "labels as **a)": in_markdown(r"^\*\*\(([a-k])\) ", r"**\1) "),
    "labels as **a. ": in_markdown(r"^\*\*\(([a-k])\) ", r"**\1. "),
    "labels as <b>(a)": in_markdown(r"^\*\*\(([a-k])\) (.*)\*\*$", r"<b>(\1) \2</b>"),
    "labels as headings": in_markdown(r"^\*\*\(([a-k])\) (.*)\*\*$", r"#### (\1) \2"),
    "labels as __(a)": in_markdown(r"^\*\*\(([a-k])\) (.*)\*\*$", r"__(\1) \2__"),
    "labels as Question (a)": in_markdown(r"^\*\*\(([a-k])\) ", r"**Question (\1) "),
    "labels without points": in_markdown(r"<span.*?</span>"),
    "headings in bold": in_markdown(r"^## (1\..*)$", r"**\1**"),
    "headings in HTML": in_markdown(r"^## (1\..*)$", r"<h2>\1</h2>"),
    "headings underlined": in_markdown(r"^## (1\..*)$", r"\1\n-------"),
    "headings of level 1": in_markdown(r"^## (1\..*)$", r"# \1"),
    "headings with Question": in_markdown(r"^## (1\..*)$", r"## Question \1"),
    "code as markdown": retype_all("code", "markdown"),
    "code as fenced markdown": retype_all("code", "markdown", fence=True),
    "code as raw": retype_all("code", "raw"),
    "markdown as raw": retype_all("markdown", "raw"),
    "sections in reverse order": reverse_sections,
    "empty cells everywhere": lambda notebook: setattr(
        notebook, "cells", [c for cell in notebook.cells for c in (cell, new_code_cell(" \n"), new_markdown_cell(""))]
    ),
}


@pytest.mark.parametrize("mutation", HARMLESS.values(), ids=HARMLESS.keys())
def test_all_28_answers_are_found_although(seed: Notebook, mutation: Mutation) -> None:
    assert located(seed, mutation) == SEED_CELLS


def test_losing_every_heading_costs_no_answer(seed: Notebook) -> None:
    found = located(seed, in_markdown(r"^#+ .*$"))
    # "## The end" marks where the last answer stops; without it, the farewell counts as part of that text.
    assert found == {**SEED_CELLS, "1.7.c": (95, 96)}


LABELS = {"1.1.a": 9, "1.1.c": 16, "1.1.e": 20, "1.1.f": 22, "1.1.g": 24, "1.1.h": 26, "1.3.a": 41, "1.3.b": 43,
          "1.3.d": 47, "1.3.e": 49, "1.3.f": 51, "1.3.g": 54, "1.4.a": 56, "1.5.a": 58, "1.5.b": 60, "1.6.a": 68,
          "1.6.c": 72, "1.6.d": 74, "1.6.e": 76, "1.6.f": 78, "1.6.g": 80, "1.6.h": 82, "1.6.i": 84, "1.6.j": 86,
          "1.6.k": 88, "1.7.a": 90, "1.7.b": 92, "1.7.c": 94}  # fmt: skip


@pytest.mark.parametrize("id", LABELS)
def test_an_answer_whose_label_is_lost_is_still_found(seed: Notebook, id: str) -> None:
    def lose_label(notebook: Notebook) -> None:
        cell = notebook.cells[LABELS[id]]
        cell.source = re.sub(r"^\*\*\([a-k]\).*$", "", cell.source, flags=re.MULTILINE)

    found = located(seed, lose_label)
    # The run that goes with 1.3.f has nothing that says whose it is; the text does.
    assert SEED_CELLS[id][-1] in found[id]
    others = {other: cells for other, cells in SEED_CELLS.items() if other != id}
    assert {other: cells for other, cells in others.items() if not set(cells) <= set(found[other])} == {}
    wrong = {other: cells for other, cells in others.items() if other in CODE_IDS and SEED_CELLS[id][0] in found[other]}
    assert wrong == ({"1.3.e": (50,)} if id == "1.3.f" else {})


def test_with_all_labels_lost_code_is_found_by_name_and_text_by_its_place(seed: Notebook) -> None:
    mutation = in_markdown(r"^\*\*\([a-k]\).*$")
    found = located(seed, mutation)
    assert {id: found[id] for id in CODE_IDS} == {id: SEED_CELLS[id] for id in CODE_IDS}
    assert [id for id in TEXT_IDS if not set(SEED_CELLS[id][-1:]) <= set(found[id])] == []
    changed, _ = mutated(seed, mutation)
    answers = locate(changed, ASSIGNMENT_1)
    assert {answers[id].found_by for id in CODE_IDS} == {"name"}
    assert "found by its name (`sigmoid`), in cell 43" in answers["1.3.a"].notes[0]
    assert all("label of this question was not found" in answers[id].notes[0] for id in TEXT_IDS)


def test_with_all_text_lost_every_code_answer_is_found_by_name(seed: Notebook) -> None:
    def lose_text(notebook: Notebook) -> None:
        notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]

    found = located(seed, lose_text)
    assert {id: found[id][0] for id in CODE_IDS} == {id: SEED_CELLS[id][0] for id in CODE_IDS}
    assert all(found[id] == () for id in TEXT_IDS)


@pytest.mark.parametrize("random_seed", range(10))
def test_in_shuffled_cells_functions_are_found_by_name(seed: Notebook, random_seed: int) -> None:
    found = located(seed, lambda notebook: random.Random(random_seed).shuffle(notebook.cells))
    # A name that two questions define belongs to either: without labels or order, nobody can tell.
    assert {id: cell for id, cell in FUNCTIONS.items() if id != "1.1.a" and cell not in found[id]} == {}


@pytest.mark.parametrize("id", SEED_CELLS)
def test_a_duplicated_answer_counts_with_its_original(seed: Notebook, id: str) -> None:
    cell = SEED_CELLS[id][0]
    assert located(seed, duplicate(cell)) == {**SEED_CELLS, id: tuple(sorted((cell, *SEED_CELLS[id])))}


@pytest.mark.parametrize("id", LABELS)
def test_a_duplicated_label_changes_nothing(seed: Notebook, id: str) -> None:
    assert located(seed, duplicate(LABELS[id])) == SEED_CELLS


@pytest.mark.parametrize("id", [id for id in SEED_CELLS if id != "1.7.c"])
def test_a_removed_answer_is_missing_and_no_other_takes_its_place(seed: Notebook, id: str) -> None:
    changed, _ = mutated(seed, remove(*SEED_CELLS[id]))
    answers = locate(changed, ASSIGNMENT_1)
    assert answers[id] == Answer(heading=LABELS[id])
    assert not is_answered(changed, next(q for q in ASSIGNMENT_1 if q.id == id), answers[id])
    assert located(seed, remove(*SEED_CELLS[id])) == {**SEED_CELLS, id: ()}


def test_a_heading_straight_below_a_text_question_is_left_to_the_reader(seed: Notebook) -> None:
    """It may be a student's answer in big print; with the last answer removed, it is "## The end"."""
    changed, before = mutated(seed, remove(95))
    answer = locate(changed, ASSIGNMENT_1)["1.7.c"]
    assert [before[index] for index in answer.cells] == [96]
    assert answer.notes == ("Nothing but a heading was found below this question (cell 96).",)


@pytest.mark.parametrize("id", FUNCTIONS)
@pytest.mark.parametrize("to", [5, 30, 96], ids=["to the imports", "to another section", "to the end"])
def test_a_function_that_was_moved_is_found_by_its_name(seed: Notebook, id: str, to: int) -> None:
    changed, before = mutated(seed, move(FUNCTIONS[id], to))
    answer = locate(changed, ASSIGNMENT_1)[id]
    assert FUNCTIONS[id] in [before[index] for index in answer.cells]
    assert answer.found_by == "name"
    assert "found by its name" in answer.notes[0]
    assert answer.heading is not None


def test_functions_that_were_gathered_in_one_cell_are_all_found_there(seed: Notebook) -> None:
    gathered = [FUNCTIONS[id] for id in ("1.3.a", "1.3.b", "1.4.a", "1.5.a", "1.5.b")]

    def gather(notebook: Notebook) -> None:
        notebook.cells[4].source += "\n" + "\n".join(notebook.cells[index].source for index in gathered)
        remove(*gathered)(notebook)

    found = located(seed, gather)
    changed = {id: (4,) for id, cell in FUNCTIONS.items() if cell in gathered}
    assert found == {**SEED_CELLS, **changed}


def test_locating_in_a_real_notebook_is_fast(seed: Notebook) -> None:
    seconds = []
    for _ in range(5):
        start = time.process_time()
        locate(seed, ASSIGNMENT_1)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05


# A small notebook, and one thing at a time


SMALL = (
    code("2.1.a", "double(x)"),
    text("2.1.b"),
    code("2.1.d", "double(x)"),
    code("2.2.a", "model"),
    text("2.2.b"),
)
LABEL_A = "## 2.1 Functions (3 points)\n\nGiven text.\n\n**(a) Write `double(x)`:<span> (1 point)</span>**"
LABEL_B = "**(b) Is it fast? Why?<span> (1 point)</span>**"
LABEL_C = "**(c) Run the code below:**"
LABEL_D = "### Better\n\nNow better.\n\n**(d) Write it better:<span> (1 point)</span>**"
LABEL_2A = "## 2.2 Models (2 points)\n\n**(a) Train a model:<span> (1 point)</span>**"
LABEL_2B = "**(b) Discuss.<span> (1 point)</span>**"
DOUBLE = "def double(x):\n    return x + x"
BETTER = "def double(x):\n    return 2 * x"
MODEL = "model = [double(3)]\ntrain(model)"


def small(**changes: str | list[object]) -> Notebook:
    """The small notebook; `changes` replace its parts by one source, or by several cells."""
    parts: dict[str, object] = {
        "start": "import math",
        "label_a": new_markdown_cell(LABEL_A),
        "a": DOUBLE,
        "label_b": new_markdown_cell(LABEL_B),
        "b": new_markdown_cell("Yes, because it adds."),
        "label_c": new_markdown_cell(LABEL_C),
        "c": "print(double(1))",
        "label_d": new_markdown_cell(LABEL_D),
        "d": BETTER,
        "label_2a": new_markdown_cell(LABEL_2A),
        "model": MODEL,
        "label_2b": new_markdown_cell(LABEL_2B),
        "discussion": new_markdown_cell("It learns."),
        "end": new_markdown_cell("## The end\n\nWell done."),
        **changes,
    }
    cells: list[object] = []
    for part in parts.values():
        cells.extend(part if isinstance(part, list) else [part])
    # Not new_notebook: it validates, which takes longer than locating where there are many cells.
    return Notebook(cells=[new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells])


def sources(notebook: Notebook, answer: Answer) -> list[str]:
    return [notebook.cells[index].source for index in answer.cells]


UNCHANGED = {
    "2.1.a": [DOUBLE],
    "2.1.b": ["Yes, because it adds."],
    "2.1.d": [BETTER],
    "2.2.a": [MODEL],
    "2.2.b": ["It learns."],
}
M = new_markdown_cell
ADDS = "Yes, because it adds."
BROKEN = "def double(x):\n    return x +* x"

VARIANTS: dict[str, tuple[Notebook, dict[str, list[str]]]] = {
    "nothing": (small(), {}),
    "split answer": (small(a=["import os", DOUBLE, "double(2)"]), {"2.1.a": ["import os", DOUBLE, "double(2)"]}),
    "text between split code": (
        small(a=[DOUBLE, M("Now I test it:"), "double(2)"]),
        {"2.1.a": [DOUBLE, "double(2)"]},
    ),
    "given helper code after given text": (
        small(a=[DOUBLE, M("Use this helper function to plot:"), "def plot(x):\n    draw(x)"]),
        {},
    ),
    "given helper code after a subheading": (small(a=[DOUBLE, M("### Plotting"), "def plot(x):\n    draw(x)"]), {}),
    "own subheading and a second attempt": (
        small(a=[DOUBLE, M("### Second attempt"), "print('again')", BETTER]),
        {"2.1.a": [DOUBLE, BETTER]},
    ),
    "syntax error": (small(a=BROKEN), {"2.1.a": [BROKEN]}),
    "syntax error, moved to the imports": (small(start=BROKEN, a=[]), {"2.1.a": [BROKEN]}),
    "magics": (
        small(a=f"%matplotlib inline\n!ls -l\nfiles = !ls\ndouble?\n{DOUBLE}\n%time double(2)"),
        {"2.1.a": [f"%matplotlib inline\n!ls -l\nfiles = !ls\ndouble?\n{DOUBLE}\n%time double(2)"]},
    ),
    "moved below magics": (
        small(start=f"%matplotlib inline\n!ls\n{DOUBLE}\ndouble?", a=[]),
        {"2.1.a": [f"%matplotlib inline\n!ls\n{DOUBLE}\ndouble?"]},
    ),
    "cell magic": (small(start=f"%%time\n{DOUBLE}", a=[]), {"2.1.a": [f"%%time\n{DOUBLE}"]}),
    "lambda, moved": (small(start="double = lambda x: x + x", a=[]), {"2.1.a": ["double = lambda x: x + x"]}),
    "moved, test left behind": (
        small(start=DOUBLE, a="assert double(2) == 4"),
        {"2.1.a": [DOUBLE, "assert double(2) == 4"]},
    ),
    "moved into the answer before": (small(b=[M("Yes, because it adds."), BETTER], d=[]), {}),
    "another name": (small(a="def twice(x):\n    return x + x"), {"2.1.a": ["def twice(x):\n    return x + x"]}),
    "value under another name": (small(model="net = [1]\ntrain(net)"), {"2.2.a": ["net = [1]\ntrain(net)"]}),
    "answer before its label": (small(label_d=[], d=[BETTER, M(LABEL_D)]), {}),
    "code typed as markdown": (small(a=M(DOUBLE)), {}),
    "code in a fence": (small(a=M(f"```python\n{DOUBLE}\n```")), {"2.1.a": [f"```python\n{DOUBLE}\n```"]}),
    "code in a fence, with words": (
        small(a=M(f"My code:\n\n```\n{DOUBLE}\n```")),
        {"2.1.a": [f"My code:\n\n```\n{DOUBLE}\n```"]},
    ),
    "code with comments like headings as markdown": (
        small(a=M(f"# first\n{DOUBLE}\n# (b) then")),
        {"2.1.a": [f"# first\n{DOUBLE}\n# (b) then"]},
    ),
    "code below the label, in its cell": (
        small(label_a=M(f"{LABEL_A}\n\n{DOUBLE}"), a=[]),
        {"2.1.a": [f"{LABEL_A}\n\n{DOUBLE}"]},
    ),
    "an old version kept as text": (small(a=[M(f"```\n{BETTER}\n```"), DOUBLE]), {}),
    "text typed into a code cell": (small(b="Yes, because it adds."), {}),
    "text typed into a raw cell": (small(b=new_raw_cell("Yes, because it adds.")), {}),
    "text in several cells": (
        small(b=[M("Yes."), "double(2)", M("It adds.")]),
        {"2.1.b": ["Yes.", "double(2)", "It adds."]},
    ),
    "text below the label, in its cell": (
        small(label_b=M(f"{LABEL_B}\n\nYes, because it adds."), b=[]),
        {"2.1.b": [f"{LABEL_B}\n\nYes, because it adds."]},
    ),
    "text right below the label": (small(label_b=M(f"{LABEL_B}\nYes."), b=[]), {"2.1.b": [f"{LABEL_B}\nYes."]}),
    "text begins with an unbolded label": (small(b=M("(a) Yes, (b) it adds.")), {"2.1.b": ["(a) Yes, (b) it adds."]}),
    "text begins with its own label": (small(b=M("**(b)** Yes, it adds.")), {"2.1.b": ["**(b)** Yes, it adds."]}),
    "text with its own enumeration": (
        small(b=M("**a)** Yes.\n\n**b)** It adds.")),
        {"2.1.b": ["**a)** Yes.\n\n**b)** It adds."]},
    ),
    "text with an answer heading": (small(b=[M("### Answer"), M("Yes.")]), {"2.1.b": ["### Answer", "Yes."]}),
    "text typed as a heading": (small(b=M("# Yes, it adds")), {"2.1.b": ["# Yes, it adds"]}),
    "text with bold words": (
        small(b=M("**A** is fast\n\n**I** think.\n\n*e.g.* this")),
        {"2.1.b": ["**A** is fast\n\n**I** think.\n\n*e.g.* this"]},
    ),
    "two labels in a cell": (small(label_a=M(f"{LABEL_A}\n\n{LABEL_B}"), label_b=[]), {}),
    "two code labels in a cell": (
        small(
            label_c=[],
            c=[],
            label_d=[],
            d=[],
            label_a=M(f"{LABEL_A}\n\n{LABEL_B}\n\n{LABEL_D}"),
            a=[DOUBLE, BETTER],
            label_b=[],
        ),
        {},
    ),
    "text question moved before the first": (
        small(label_b=[], b=[], label_2b=M(LABEL_2B), start=[M(f"## 2.1 F\n\n{LABEL_B}"), M(ADDS)]),
        {},
    ),
    "label as a heading with the section": (small(label_b=M("### 2.1 (b) Is it fast?")), {}),
    "label as 2.1.b": (small(label_b=M("**2.1.b** Is it fast?")), {}),
    "label as 2.1b)": (small(label_b=M("**2.1b) Is it fast?**")), {}),
    "label without bold, with points": (small(label_b=M("(b) Is it fast? (1 point)")), {}),
    "label in capitals": (small(label_b=M("**(B) Is it fast? (1 point)**")), {}),
    "label in a quote": (small(label_b=M(f"> {LABEL_B}")), {}),
    "label as a raw cell": (small(label_b=new_raw_cell(LABEL_B)), {}),
    "label as a code cell": (small(label_b=LABEL_B), {}),
    "heading 2.2 lost": (small(label_2a=M("**(a) Train a model: (1 point)**")), {}),
    "heading 2.2 with a longer number": (small(label_2a=M("### 2.2.1 Models\n\n**(a) Train a model: (1 point)**")), {}),
    "last section's heading twice": (small(label_2a=[M("## 2.2 Models"), M(LABEL_2A)]), {}),
}


@pytest.mark.parametrize(("notebook", "changes"), VARIANTS.values(), ids=VARIANTS.keys())
def test_answers_are_found_with(notebook: Notebook, changes: dict[str, list[str]]) -> None:
    answers = locate(notebook, SMALL)
    assert {id: sources(notebook, answer) for id, answer in answers.items()} == {**UNCHANGED, **changes}
    assert all(answer.found_by in ("label", "name") for answer in answers.values())
    assert [q.id for q in SMALL if not is_answered(notebook, q, answers[q.id])] == []


def test_a_shared_answer_is_given_to_both_text_questions_with_a_note() -> None:
    questions = (text("2.1.a"), text("2.1.b"))
    labels = "## 2.1 F\n\n**(a) Why? (1 point)**\n\n**(b) How? (1 point)**"
    notebook = new_notebook(cells=[M(labels), M("For all these reasons.")])
    answers = locate(notebook, questions)
    assert answers["2.1.a"].cells == answers["2.1.b"].cells == (1,)
    assert "stand together (cell 2)" in answers["2.1.a"].notes[0]


def test_answers_below_two_labels_are_told_apart_by_their_letters() -> None:
    questions = (text("2.1.a"), text("2.1.b"))
    labels = "## 2.1 F\n\n**(a) Why? (1 point)**\n\n**(b) How? (1 point)**"
    notebook = new_notebook(cells=[M(labels), M("(a) Because."), M("And so."), M("(b) Like this.")])
    answers = locate(notebook, questions)
    assert answers["2.1.a"].cells == (1, 2)
    assert answers["2.1.b"].cells == (3,)


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_code_typed_as_text_is_to_be_run_and_says_so(kind: str) -> None:
    cell = {"markdown": new_markdown_cell, "raw": new_raw_cell}[kind](f"```python\n{DOUBLE}\n```")
    notebook = small(a=[cell])
    answer = locate(notebook, SMALL)["2.1.a"]
    assert answer.cells == answer.retyped == (2,)
    assert answer.notes == (f"This code stood in a {kind} cell (cell 3); it was run as code.",)
    assert code_of(notebook.cells[2]) == DOUBLE


def test_the_code_in_a_labels_cell_is_what_stands_below_the_label() -> None:
    notebook = small(label_a=M(f"{LABEL_A}\n\n{DOUBLE}"), a=[])
    answer = locate(notebook, SMALL)["2.1.a"]
    assert answer.cells == answer.retyped == (1,)
    assert answer.heading == 1
    assert code_of(notebook.cells[1]).strip() == DOUBLE


def test_text_is_never_run_as_code() -> None:
    assert [code_of(M(source)) for source in ("Yes", "Steps: 10", "x, y", "It is f(x) = 2.", "", "(a)")] == [""] * 6


def test_every_question_is_a_key_even_in_an_empty_notebook() -> None:
    answers = locate(new_notebook(), SMALL)
    assert answers == {question.id: Answer() for question in SMALL}


# By tag


def tagged(source: str, *tags: str) -> Notebook:
    return new_code_cell(source, metadata={"tags": list(tags)})


def test_tagged_cells_are_found_wherever_they_stand() -> None:
    notebook = small(start=["import math", tagged(BETTER, "question:2.1.d")], d=[])
    answers = locate(notebook, SMALL)
    assert answers["2.1.d"].cells == (1,)
    assert answers["2.1.d"].found_by == "id"
    assert answers["2.1.a"].cells == (3,)


def test_cells_added_beside_a_tagged_one_belong_to_the_answer() -> None:
    notebook = small(a=["import os", tagged(DOUBLE, "question:2.1.a"), "double(2)"])
    answer = locate(notebook, SMALL)["2.1.a"]
    assert answer.found_by == "id"
    assert sources(notebook, answer) == ["import os", DOUBLE, "double(2)"]


def test_a_tag_beats_the_label_above_the_cell() -> None:
    notebook = small(b=[M("Yes."), tagged("model = 1", "question:2.2.a")], model=[])
    answers = locate(notebook, SMALL)
    assert sources(notebook, answers["2.2.a"]) == ["model = 1"]
    assert sources(notebook, answers["2.1.b"]) == ["Yes."]


def test_tags_of_no_question_are_ignored() -> None:
    notebook = small(a=tagged(DOUBLE, "question:9.9.z", "solution"))
    assert locate(notebook, SMALL)["2.1.a"].found_by == "label"


# Answered or not


UNANSWERED_CODE = {
    "nothing": "",
    "comment": "# TODO: your code here",
    "pass": "def double(x):\n    pass",
    "docstring": 'def double(x):\n    """Double x."""',
    "docstring and pass": 'def double(x):\n    """Double x."""\n    pass',
    "ellipsis": "def double(x):\n    ...",
    "not implemented": "def double(x):\n    raise NotImplementedError",
    "not implemented, with words": "def double(x):\n    raise NotImplementedError('TODO')",
    "return": "def double(x):\n    # TODO\n    return",
    "return None": "def double(x):\n    return None",
    "return ...": "def double(x):\n    return ...",
    "return ???": "def double(x):\n    return ???",
    "return # TODO": "def double(x):\n    return # TODO",
    "only a comment in the body": "def double(x):\n    # TODO: your code here\n",
    "placeholder with a name": "def double(x):\n    y = ...\n    return y",
    "placeholder without a value": "def double(x):\n    y = # TODO\n    return y",
    "placeholders in a block": "def double(x):\n    with a:\n        y = ...\n        z = None\n    return y, z.item()",
    "stub and its test": "def double(x):\n    pass\n\nprint(double(1))\nassert double(1) == 2",
    "print": "def double(x):\n    print('not done')",
    "only asserts": "assert double(1) == 2",
    "lambda": "double = ...",
    "None": "double = None  # TODO",
}


@pytest.mark.parametrize("source", UNANSWERED_CODE.values(), ids=UNANSWERED_CODE.keys())
def test_a_stub_is_no_answer(source: str) -> None:
    notebook = small(a=source)
    answer = locate(notebook, SMALL)["2.1.a"]
    assert not is_answered(notebook, SMALL[0], answer)
    assert answer == (Answer(cells=(2,), found_by="label", heading=1) if source else Answer(heading=1))


def test_an_answer_elsewhere_beats_a_stub_below_the_label() -> None:
    notebook = small(start=DOUBLE, a=["def double(x):\n    pass", "double(2)"])
    answer = locate(notebook, SMALL)["2.1.a"]
    assert answer.cells == (0,)
    assert answer.found_by == "name"


ANSWERED_CODE = {
    "plain": DOUBLE,
    "wrong": "def double(x):\n    return 0",
    "with TODO left": f"# TODO: your code here\n{DOUBLE}",
    "partly done": "def double(x):\n    y = x * 2\n    z = ...\n    return z",
    "syntax error": BROKEN,
    "lambda": "double = lambda x: 2 * x",
    "import": "from helpers import double",
    "another name": "def twice(x):\n    return x + x",
    "stub, then an answer": f"def double(x):\n    pass\n\n{DOUBLE}",
    "raises": "def double(x):\n    raise ValueError(x)",
    "words instead of code": "I could not do this one, sorry",
    "only a class": "class double:\n    pass",
}


@pytest.mark.parametrize("source", ANSWERED_CODE.values(), ids=ANSWERED_CODE.keys())
def test_anything_else_is_an_answer(source: str) -> None:
    notebook = small(a=source)
    assert is_answered(notebook, SMALL[0], locate(notebook, SMALL)["2.1.a"])


UNANSWERED_TEXT = (
    "",
    " \n ",
    "TODO",
    "TODO:",
    "**TODO**",
    "# TODO",
    "*Your answer here*",
    "Your answer here.",
    "...",
    "…",
    "-",
    "?",
    "Type your answer here",
    "TODO: your answer here",
    "Write your answer here:",
    "<!-- answer -->",
    "Answer:",
    "**Your answer:** ...",
    "Type *Markdown* and LaTeX: $\\alpha^2$",
    "N/A",
    "_____",
)
ANSWERED_TEXT = (
    "Yes",
    "No.",
    "0.95",
    "TODO: It doesn't quite find the minimum though it gets close.",
    "TODO\n\nIt adds.",
    "**Answer:** it adds",
    "![plot](attachment:plot.png)",
    '<img src="plot.png">',
    "$x^2$",
    "∞",
    "是的",
    "Your answer here would be that it adds",
    "todos are listed by the loop",
    "None",
    "> It adds.",
)


@pytest.mark.parametrize("source", UNANSWERED_TEXT)
def test_a_placeholder_is_no_answer(source: str) -> None:
    notebook = small(b=M(source))
    assert not is_answered(notebook, SMALL[1], locate(notebook, SMALL)["2.1.b"])


@pytest.mark.parametrize("source", ANSWERED_TEXT)
def test_any_words_are_an_answer(source: str) -> None:
    notebook = small(b=M(source))
    assert is_answered(notebook, SMALL[1], locate(notebook, SMALL)["2.1.b"])


def test_a_hint_below_the_label_is_no_answer() -> None:
    notebook = small(label_b=M(f"{LABEL_B}\n\n(Hint: measure it.)"), b=[])
    answer = locate(notebook, SMALL)["2.1.b"]
    assert answer.cells == ()
    assert answer.heading == 3


def test_the_run_that_a_text_question_asks_for_counts_as_an_answer() -> None:
    notebook = small(b="loss = double(1)\nprint(loss)")
    answer = locate(notebook, SMALL)["2.1.b"]
    assert is_answered(notebook, SMALL[1], answer)
    assert "found in a code cell (cell 5)" in answer.notes[0]


# Hostile input


DEEP = {
    "minus": "-" * 100_000 + "1",
    "attributes": "a" + ".b" * 100_000,
    "sum": "+".join("x" * 50_000),
    "calls": "x" + "()" * 50_000,
    "parentheses": "(" * 100_000,
    "elif": "if x:\n pass\n" + "elif x:\n pass\n" * 5_000,
    "NUL": "a\0b",
}


@pytest.mark.parametrize("source", DEEP.values(), ids=DEEP.keys())
def test_code_that_breaks_the_parser_is_read_by_its_lines(source: str) -> None:
    notebook = small(start=f"{DOUBLE}\ny = {source}", a=[])
    answers = locate(notebook, SMALL)
    assert answers["2.1.a"].cells == (0,)
    assert is_answered(notebook, SMALL[0], answers["2.1.a"])
    assert sources(notebook, answers["2.2.a"]) == [MODEL]


HUGE = {
    "10 MB of code": lambda: small(a="x = 1\n" * 1_700_000),
    "10 MB in a line": lambda: small(a="x" * 10_000_000, b=M("*" * 10_000_000), model="(" * 10_000_000),
    "10 MB of labels": lambda: small(b=M("**(b) Why? (1 point)**\n" * 400_000)),
    "10 MB of fences": lambda: small(b=M("```\n# (a)\n" * 1_000_000)),
    "10 MB of tags": lambda: small(b=M("<a " * 3_000_000 + "\n" + "<!--" * 10_000)),
    "open markup": lambda: small(
        b=M("\n".join(["*" * 500, "_*" * 250, "<b" * 250, "1." * 250, "# " + "( " * 250] * 500))
    ),
    "30000 values": lambda: small(a=[new_code_cell("double = 1")] * 30_000),
    "30000 functions": lambda: small(a=[new_code_cell(DOUBLE)] * 30_000),
    "30000 texts": lambda: small(b=[M("It is f(x) = 2.")] * 30_000),
    "30000 labels": lambda: small(b=[M("**(b) Why?**")] * 30_000),
}


@pytest.mark.parametrize("build", HUGE.values(), ids=HUGE.keys())
def test_a_huge_notebook_is_located_in_seconds(build: Callable[[], Notebook]) -> None:
    notebook = build()
    start = time.process_time()
    answers = locate(notebook, SMALL)
    for question in SMALL:
        is_answered(notebook, question, answers[question.id])
    assert time.process_time() - start < 10
    assert set(answers) == set(UNCHANGED)


cells = st.lists(
    st.builds(
        lambda make, source: make(source),
        st.sampled_from([new_code_cell, new_markdown_cell, new_raw_cell]),
        st.one_of(
            st.sampled_from([LABEL_A, LABEL_B, LABEL_C, LABEL_D, LABEL_2A, LABEL_2B, DOUBLE, BETTER, MODEL, "### x"]),
            st.text(alphabet="(ab)*#_<>`~.12 \n=:%?!\\\"'def", max_size=60),
        ),
    ),
    max_size=12,
)


@given(cells)
def test_any_cells_at_all_are_located_without_an_error(cells: list[Notebook]) -> None:
    notebook = new_notebook(cells=cells)
    answers = locate(notebook, SMALL)
    assert list(answers) == [question.id for question in SMALL]
    for question in SMALL:
        answer = answers[question.id]
        assert list(answer.cells) == sorted(set(answer.cells))
        assert all(0 <= index < len(cells) for index in answer.cells)
        assert bool(answer.found_by) == bool(answer.cells)
        as_text = [index for index in answer.cells if cells[index].cell_type != "code"]
        assert list(answer.retyped) == (as_text if question.kind == "code" else [])
        assert not (is_answered(notebook, question, answer) and not answer.cells)
        assert all(code_of(cells[index]) for index in answer.retyped)
