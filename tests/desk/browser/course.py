"""A small course whose class of 30 is graded by the real engine, within half a minute: for the desk in a browser."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

GRADER = Path(sysconfig.get_path("scripts")) / "grader"
STUDENTS = 30

RUBRIC = r"""
title = "Statistics, assignment 1"
reference = "../reference.ipynb"

[[question]]
id = "1.1.a"
title = "The mean"
points = 2
kind = "code"
defines = ["mean(values)"]
criteria = "1 point for the mean of a list; 1 point for an empty list, whose mean is 0 here."

[[question]]
id = "1.1.b"
title = "One outlier"
points = 2
kind = "text"
context = ["1.1.a"]
criteria = '''
1 point for seeing that the mean follows the outlier.
1 point for the reason: every value counts, $\bar x = \frac{1}{n}\sum_i x_i$.'''

[[question.item]]
key = "follows"
text = "The mean follows the outlier"
points = 1

[[question.item]]
key = "reason"
text = "Every value counts"
words = "You say why: every value counts, with weight $1/n$."
points = 1

[[question.item]]
key = "median"
text = "Takes the mean for the median"
words = "That is the **median**."
points = -0.5

[[question]]
id = "1.1.c"
title = "When to use it"
points = 1
kind = "text"
criteria = "1 point for a case with its reason."

[[question.item]]
key = "case"
text = "A case with its reason"
points = 1

[[question]]
id = "1.2.a"
title = "The spread"
points = 1
kind = "text"
criteria = "1 point for the standard deviation, or the quartiles."

[[question.item]]
key = "measure"
text = "Names a measure"
points = 1
"""

CHECKS = '''\
"""Checks of section 1.1."""

import pytest

from grader.rubric import expect


@pytest.mark.question("1.1.a", points=1)
def test_mean(student):
    """The mean of 1, 2 and 6 is 3."""
    expect(student.mean([1, 2, 6]), 3.0, what="mean([1, 2, 6])")


@pytest.mark.question("1.1.a", points=1)
def test_empty(student):
    """An empty list has the mean 0."""
    expect(student.mean([]), 0.0, what="mean([])")
'''

RIGHT = "def mean(values):\n    return sum(values) / len(values) if values else 0"
NO_EMPTY = "def mean(values):\n    return sum(values) / len(values)"
WRONG = "def mean(values):\n    return sorted(values)[len(values) // 2]"
FIGURE = """\
from IPython.display import SVG, display

values = [mean([1, 2, 3]), mean([1, 2, 60])]
bars = "".join(
    f'<rect x="{20 + 70 * i}" y="{120 - 5 * v}" width="50" height="{5 * v}" fill="steelblue"/>'
    for i, v in enumerate(values)
)
display(SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120">{bars}</svg>'))
print(values)"""

SAME = "The mean follows the outlier, because every value counts."
OUTLIER = [
    SAME,
    "the mean follows the outlier,  because every value counts.",
    SAME,
    "It goes up a lot.",
    "The mean moves towards the outlier: $\\bar x = \\frac{1}{n}\\sum_i x_i$ has each value in it, so one pulls.",
    "Nothing happens, the middle value stays the same.",
    "It goes up a lot.",
    "",
    "One outlier is enough to move the mean anywhere, since all values are added up.",
    "Nothing happens, as the middle value stays the same.",
]
USE = ["For heights, where no value is far away.", "Always.", "For incomes the median is better.", ""]
SPREAD = ["The standard deviation.", "The variance", "", "the range", "Standard  deviation."]


def class_answers(number: int) -> tuple[str, str, str, str]:
    """What a student hands in: code, and three texts. Some are equal, some differ by their number alone."""
    code = [RIGHT, RIGHT, NO_EMPTY, WRONG, RIGHT][number % 5]
    outlier = OUTLIER[number % len(OUTLIER)]
    if number % 10 == 4:
        outlier += f" Here {number} of 100 values."
    use = USE[number % len(USE)] and f"{USE[number % len(USE)]} I saw it in example {number // 3}."
    return code, outlier, use, SPREAD[number % len(SPREAD)]


def notebook(code: str, outlier: str, use: str, spread: str) -> NotebookNode:
    def text(id: str, label: str, answer: str) -> list[NotebookNode]:
        cells = [new_markdown_cell(label), new_markdown_cell(answer)]
        cells[0]["id"], cells[1]["id"] = f"label-{id}", f"answer-{id}"
        return cells

    cells = [
        new_markdown_cell("# Statistics\n\nNames: Someone"),
        new_markdown_cell("## 1.1 Averages (5 points)\n\n**(a)** Write `mean`. (2 points)"),
        new_code_cell(code),
        new_code_cell(FIGURE),
        *text("b", "**(b)** What does one outlier do? (2 points)", outlier),
        *text("c", "**(c)** When is the mean of use? (1 point)", use),
        *text("s", "## 1.2 Spread (1 point)\n\n**(a)** How does one measure the spread? (1 point)", spread),
    ]
    for number, cell in enumerate(cells[:4]):
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=cells)


def make_course(folder: Path, students: int = STUDENTS) -> None:
    """The rubric, its reference and a class in `folder`."""
    (folder / "rubric").mkdir(parents=True)
    (folder / "rubric" / "rubric.toml").write_text(RUBRIC)
    (folder / "rubric" / "test_mean.py").write_text(CHECKS)
    nbformat.write(notebook(RIGHT, OUTLIER[4], USE[0], SPREAD[0]), folder / "reference.ipynb")
    for number in range(students):
        hand_in(folder, number, *class_answers(number))


def hand_in(folder: Path, number: int, *answers: str) -> None:
    path = folder / "hand-ins" / f"student-{number:02}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook(*answers), path)


def grade(folder: Path) -> None:
    command = [GRADER, "grade", "hand-ins", "--rubric", "rubric", "-o", "results"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stdout + ended.stderr
