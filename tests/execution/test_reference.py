"""What of the reference may stand beside a student's code: definitions, and nothing that runs."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_markdown_cell
from notebooks import code_notebook

from grader.execution.reference import defined_names, definitions

KEPT = {
    "function": "def f(x):\n    return x",
    "class": "class A:\n    pass",
    "import": "import numpy as np",
    "from-import": "from math import pi, e as euler",
    "constant": "SIZE = 3",
    "annotated-constant": "SIZE: int = 3",
    "lambda": "f = lambda x: x",
}
DROPPED = {
    "call": "train()",
    "assigned-call": "model = train()",
    "loop": "for i in range(3):\n    print(i)",
    "assertion": "assert f(1) == 1",
    "magic": "%matplotlib inline",
    "shell": "!pip install torch",
    "nothing": "",
}


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT.keys())
def test_definitions_are_kept(source: str) -> None:
    assert definitions(code_notebook(source).cells) == source


@pytest.mark.parametrize("source", DROPPED.values(), ids=DROPPED.keys())
def test_what_runs_is_dropped(source: str) -> None:
    assert definitions(code_notebook(source).cells) == ""


def test_cells_are_taken_in_order_and_text_is_left_alone() -> None:
    notebook = code_notebook("A = 1\nprint(A)", "A = 2")
    notebook.cells.insert(1, new_markdown_cell("A = 3"))
    assert definitions(notebook.cells) == "A = 1\nA = 2"


def test_the_names_that_definitions_define() -> None:
    source = "\n".join(KEPT.values())
    assert defined_names(source) == {"f", "A", "np", "pi", "euler", "SIZE"}
