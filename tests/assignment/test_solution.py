"""The student version of a reference: nothing of the solutions is left in it."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grader.assignment.solution import SolutionError, solution_lines, student_version


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1", "x = 1"),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "# TODO"),
        (
            "def f(x):\n    ### BEGIN SOLUTION\n    y = x\n    return y\n    ### END SOLUTION",
            "def f(x):\n    # TODO\n    pass",
        ),
        ("a\n### BEGIN SOLUTION\nb\n### END SOLUTION\nc", "a\n# TODO\nc"),
        (
            "### BEGIN SOLUTION\nb\n### END SOLUTION\nc\n### BEGIN SOLUTION  \nd\n### END SOLUTION\ne",
            "# TODO\nc\n# TODO\ne",
        ),
    ],
    ids=["no solution", "a whole cell", "a function's body", "in the middle", "two solutions"],
)
def test_todo_takes_the_place_of_a_solution(source: str, expected: str) -> None:
    notebook = new_notebook(cells=[new_code_cell(source)])
    assert student_version(notebook).cells[0].source == expected
    assert notebook.cells[0].source == source


def test_text_answers_and_outputs_are_removed() -> None:
    notebook = new_notebook(
        cells=[
            new_markdown_cell("Because.", metadata={"tags": ["solution"]}),
            new_markdown_cell("Why?"),
            new_code_cell("f(1)", execution_count=3, outputs=[new_output("stream", text="the answer")]),
        ]
    )
    text, question, code = student_version(notebook).cells
    assert (text.source, question.source) == ("TODO", "Why?")
    assert (code.outputs, code.execution_count) == ([], None)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("### BEGIN SOLUTION\nx = 1", "line 1: this solution does not end"),
        ("x = 1\n### END SOLUTION", "line 2: a solution ends that has not begun"),
        (
            "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
            "line 2: a solution begins in the solution of line 1",
        ),
    ],
)
def test_marks_that_do_not_match_are_refused(source: str, fault: str) -> None:
    notebook = new_notebook(cells=[new_markdown_cell("Text"), new_code_cell(source)])
    with pytest.raises(SolutionError, match=f"^cell 2: {fault}$"):
        student_version(notebook)


def test_the_lines_of_a_solution_are_those_between_its_marks() -> None:
    assert solution_lines("a\n### BEGIN SOLUTION\nb\nc\n### END SOLUTION\nd") == [range(3, 5)]
