"""The student version of a reference: nothing of the solutions is left in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from grader.assignment.solution import SolutionError, secret_lines, solution_lines, student_version


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
        ("x = 1\n### END SOLUTION", "line 2: a solution ends here, but none has begun"),
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


# What other tools put around what students must not see


CUT = {
    # nbgrader
    "hidden tests": ("assert f(1)\n### BEGIN HIDDEN TESTS\nassert f(2) == SECRET\n### END HIDDEN TESTS", "assert f(1)"),
    "hidden tests in a function": (
        "def test():\n    ### BEGIN HIDDEN TESTS\n    assert SECRET\n    ### END HIDDEN TESTS",
        "def test():\n    pass",
    ),
    "hidden tests in a function that does more": (
        "def test():\n    f(1)\n    ### BEGIN HIDDEN TESTS\n    assert SECRET\n    ### END HIDDEN TESTS\nx = 1",
        "def test():\n    f(1)\nx = 1",
    ),
    "a remark behind the mark": ("### BEGIN HIDDEN TESTS (2 points)\nSECRET\n### END HIDDEN TESTS ###", ""),
    "other blanks and capitals": ("  #begin  Hidden Test\n  SECRET\n  #End hidden test:", ""),
    "underscores": ("### BEGIN_HIDDEN_TESTS\nSECRET\n### END_HIDDEN_TESTS", ""),
    "a solution and hidden tests": (
        "### BEGIN SOLUTION\nSECRET\n### END SOLUTION\n### BEGIN HIDDEN TESTS\nSECRET\n### END HIDDEN TESTS",
        "# TODO",
    ),
    "tests that are made": ("### AUTOTEST f(SECRET)\n### HASHED AUTOTEST f(SECRET)\nf(1)", "f(1)"),
    "a mark scheme": ("### BEGIN MARK SCHEME\nSECRET\n### END MARK SCHEME\nx = 1", "x = 1"),
    # otter
    "a value": ("x = SECRET # SOLUTION", "x = ..."),
    "a value of several lines": ("x = f(\n    SECRET,\n    2)  # SOLUTION\ny = 1", "x = ...\ny = 1"),
    "a value of several names": ("a, b = c.d[0] = SECRET # SOLUTION", "(a, b) = c.d[0] = ..."),
    "a value with a type": ("x: int = SECRET # SOLUTION", "x: int = ..."),
    "a value in a function": (
        "def f():\n    y = SECRET # SOLUTION\n    return y",
        "def f():\n    y = ...\n    return y",
    ),
    "what is returned": ("def f():\n    return SECRET # SOLUTION", "def f():\n    return ..."),
    "an expression": ("f(SECRET) # SOLUTION", "..."),
    "in small letters": ("x = SECRET  #solution", "x = ..."),
    "with a remark": ("x = SECRET # SOLUTION (see the book)", "x = ..."),
    "no prompt": ("x = SECRET # SOLUTION NO PROMPT\ny = 1", "y = 1"),
    "no prompt in a function": ("def f():\n    return SECRET # SOLUTION NO PROMPT", "def f():\n    pass"),
    "a seed": ("rng = np.random.default_rng(SECRET) # SEED\nx = 1", "x = 1"),
    "a line that is ignored": ("x = 1\nSECRET() # IGNORE", "x = 1"),
    "lines that are ignored": ("# BEGIN IGNORE\nSECRET\n# END IGNORE\nx = 1", "x = 1"),
    "a block": ("def f():\n    # BEGIN SOLUTION\n    SECRET\n    # END SOLUTION", "def f():\n    # TODO\n    pass"),
    "a block and its prompt": (
        '# BEGIN SOLUTION NO PROMPT\nx = SECRET\n# END SOLUTION\n""" # BEGIN PROMPT\nx = ...\n""" # END PROMPT\ny = 1',
        "x = ...\ny = 1",
    ),
    "a prompt as otter documents it": (
        '# BEGIN SOLUTION NO PROMPT\nx = SECRET\n# END SOLUTION\n""" # BEGIN PROMPT\nx = ...\n"""; # END PROMPT',
        "x = ...",
    ),
    "a hidden cell": ("# HIDDEN\nSECRET", ""),
    "a hidden test": ("## Hidden Test ##\nassert SECRET", ""),
    "a test with its configuration": ('""" # BEGIN TEST CONFIG\nhidden: true\n""" # END TEST CONFIG\nSECRET', ""),
    "a cell to be ignored": ("## Ignore ##\nSECRET", ""),
    "a cell that says it is the solution": ("# SOLUTION\ndef f():\n    return SECRET", "# TODO"),
    "among magics": ("%%time\n!ls\nx = SECRET # SOLUTION", "%%time\n!ls\nx = ..."),
}


@pytest.mark.parametrize(("source", "expected"), CUT.values(), ids=CUT.keys())
def test_what_marks_of_other_tools_name_is_cut_from_code(source: str, expected: str) -> None:
    notebook = new_notebook(cells=[new_code_cell(source, outputs=[new_output("stream", text="SECRET")])])
    (cell,) = student_version(notebook).cells
    assert (cell.source.rstrip(), cell.outputs) == (expected, [])
    secrets = "\n".join(secret_lines(notebook))
    assert source.count("SECRET") == secrets.count("SECRET")


CUT_FROM_TEXT = {
    "a solution": ("Why?\n\n### BEGIN SOLUTION\nSECRET\n### END SOLUTION", "Why?\n\nTODO"),
    "a mark scheme": ("Why?\n=== BEGIN MARK SCHEME ===\nSECRET\n=== END MARK SCHEME ===", "Why?"),
    "hidden from HTML": ("Why?\n<!-- BEGIN HIDDEN TESTS -->\nSECRET\n<!-- END HIDDEN TESTS -->", "Why?"),
    "without any sign": ("BEGIN SOLUTION\nSECRET\nEND SOLUTION\nHow?", "TODO\nHow?"),
    "a heading in bold print": ("**SOLUTION:** SECRET\n\nSECRET", "TODO"),
    "a heading": ("## Solution\n\nSECRET", "TODO"),
    "otter's older configuration": ("```\nBEGIN QUESTION\nname: q1\n```\nWhy?", "Why?"),
}


@pytest.mark.parametrize("make", [new_markdown_cell, new_raw_cell], ids=["markdown", "raw"])
@pytest.mark.parametrize(("source", "expected"), CUT_FROM_TEXT.values(), ids=CUT_FROM_TEXT.keys())
def test_what_marks_of_other_tools_name_is_cut_from_text(make: Callable[..., Any], source: str, expected: str) -> None:
    (cell,) = student_version(new_notebook(cells=[make(source)])).cells
    assert cell.source.rstrip() == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"tags": ["hidden"]}, ""),
        ({"tags": ["Hide"]}, ""),
        ({"tags": ["a", "hidden_tests"]}, ""),
        ({"tags": ["solution", "question:1.1.a"]}, "# TODO"),
        ({"tags": ["otter_assign_solution_cell"]}, "# TODO"),
        ({"nbgrader": {"solution": True, "grade": False, "locked": False}}, "# TODO"),
        ({"nbgrader": {"solution": False, "grade": True, "locked": True}}, "SECRET"),
        ({"tags": ["hide-input", "remove-cell", "question:1.1.a", "raises-exception"]}, "SECRET"),
    ],
)
def test_the_metadata_of_a_cell_says_it_too(metadata: dict[str, Any], expected: str) -> None:
    (cell,) = student_version(new_notebook(cells=[new_code_cell("SECRET", metadata=metadata)])).cells
    assert cell.source == expected


def test_of_a_solution_cell_of_nbgraders_the_marked_lines_alone_are_cut() -> None:
    source = "def f():\n    ### BEGIN SOLUTION\n    SECRET\n    ### END SOLUTION"
    (cell,) = student_version(
        new_notebook(cells=[new_code_cell(source, metadata={"nbgrader": {"solution": True}})])
    ).cells
    assert cell.source == "def f():\n    # TODO\n    pass"


def otter_notebook(*edges: str) -> Any:
    """A question as otter writes it; `edges` are the raw cells, in order."""
    begin, begin_prompt, end_prompt, begin_solution, end_solution, begin_tests, end_tests, end = map(
        new_raw_cell, edges
    )
    return new_notebook(
        cells=[
            new_raw_cell("# ASSIGNMENT CONFIG\ninit_cell: false"),
            begin, new_markdown_cell("What is x?"),
            begin_prompt, new_code_cell("x = ..."), end_prompt,
            begin_solution, new_code_cell("x = SECRET"), new_markdown_cell("SECRET"),
            new_code_cell("y = SECRET # SOLUTION"), end_solution,
            begin_tests, new_code_cell("assert x == SECRET"), end_tests, end, new_code_cell("x + 1"),
        ]
    )  # fmt: skip


EDGES = (
    "# BEGIN QUESTION\nname: q1\npoints: 2", "# BEGIN PROMPT", "# END PROMPT", "# BEGIN SOLUTION", "# END SOLUTION",
    "# BEGIN TESTS", "# END TESTS", "# END QUESTION",
)  # fmt: skip


@pytest.mark.parametrize("write", [str, str.lower, lambda text: f"{text}\n"], ids=["as documented", "small", "blanks"])
def test_the_parts_of_an_otter_notebook_are_known(write: Callable[[str], str]) -> None:
    cells = student_version(otter_notebook(*map(write, EDGES))).cells
    kept = ["What is x?", "x = ...", "# TODO", "TODO", "y = ...", "x + 1"]
    assert [cell.source for cell in cells if cell.source] == kept


@pytest.mark.parametrize(
    ("place", "edge", "fault"),
    [
        (4, "# a note", "cell 12: a test begins in the solution of cell 7"),
        (4, "# END PROMPT", "cell 11: a prompt ends here, but none has begun"),
        (5, "# BEGIN PROMPT", "cell 14: a test ends here, but none has begun"),
        (6, "# BEGIN SOLUTION", "cell 14: a solution begins in the test of cell 12"),
        (7, "# END QUESTIONS", "cell 2: this question does not end"),
        (3, "# BEGIN SOLUTON", "cell 7: line 1: '# BEGIN SOLUTON' looks like a mark"),
    ],
)
def test_parts_that_do_not_match_are_refused(place: int, edge: str, fault: str) -> None:
    edges = [*EDGES[:place], edge, *EDGES[place + 1 :]]
    with pytest.raises(SolutionError) as caught:
        student_version(otter_notebook(*edges))
    assert str(caught.value).startswith(fault)


NO_MARKS = {
    "a misspelt mark": "### BEGIN HIDEN TEST\nSECRET\n### END HIDEN TEST",
    "another one": "### BEGN SOLUTION\nSECRET",
    "at its end": "x = 1\n### END SOLUTOIN",
    "a sign too many": "#### END",
    "half a mark": "# BEGIN HIDDEN\nSECRET",
    "a heading alone": "## hidden tests\nassert SECRET",
    "run together": "#BEGINSOLUTION\nSECRET",
    "the other way round": "### SOLUTION BEGIN\nSECRET",
    "behind code": "x = 1 ### BEGIN SOLUTION\nSECRET",
    "in a text": "print('### BEGIN SOLUTION')",
    "two on a line": "### BEGIN SOLUTION ### END SOLUTION",
    "of one line": "assert SECRET  # HIDDEN",
    "a long remark": "# SOLUTION: use SECRET\nx = SECRET",
    "another word": "### START SOLUTION\nSECRET\n### STOP SOLUTION",
    "by an author": "# Solution\n",
}


@pytest.mark.parametrize("source", NO_MARKS.values(), ids=NO_MARKS.keys())
def test_what_looks_like_a_mark_and_is_none_is_refused(source: str) -> None:
    with pytest.raises(SolutionError, match=r"^cell 1: line \d: .* looks like a mark of what students must not see"):
        student_version(new_notebook(cells=[new_code_cell(source)]))


@pytest.mark.parametrize(
    "source",
    ["## Hidden tests", "Answer: ### BEGIN SOLUTION", "<!-- END SOLUTOIN -->", "Why?\n**Solution:**", "# SOLUTION"],
)
def test_text_that_looks_like_a_mark_is_refused(source: str) -> None:
    with pytest.raises(SolutionError, match="looks like a mark"):
        student_version(new_notebook(cells=[new_markdown_cell(source)]))


@pytest.mark.parametrize("tag", ["solutin", "hiden", "hidden-test-cell", "secret", "mark_scheme"])
def test_a_tag_that_looks_like_one_is_refused(tag: str) -> None:
    with pytest.raises(SolutionError, match=r"^cell 1: the tag '.*' looks as if students should not get this cell"):
        student_version(new_notebook(cells=[new_code_cell("SECRET", metadata={"tags": [tag]})]))


PROSE = (
    "begin with the solution of the linear system",
    "Begin with the solution of (a).",
    "We also run hidden tests after the deadline.",
    "The solution is unique: end of story",
    "- End your solution with a remark",
    "## 1.2 Solutions of differential equations",
    "<!-- BEGIN QUESTION -->",
    "Start with a test",
)
COMMENTS = (
    "# begin with the solution of the linear system", "# end of the hidden layer", "h = relu(x)  # hidden", "# hidden",
    "# the hidden size", "x = 1  # the solution", "# test", "# TEST", "# end for", "# begin training",
    "# prompt the user", "# START CODE HERE", "np.random.seed(0)  # seed", "# stop when the solution converges",
    "# Solution by elimination", "print('the solution')", "solution = 1", "# type: ignore",
)  # fmt: skip


@pytest.mark.parametrize("line", PROSE)
def test_prose_is_no_mark(line: str) -> None:
    (cell,) = student_version(new_notebook(cells=[new_markdown_cell(f"Text\n{line}\ntext")])).cells
    assert cell.source == f"Text\n{line}\ntext"


@pytest.mark.parametrize("line", COMMENTS)
def test_a_comment_is_no_mark(line: str) -> None:
    (cell,) = student_version(new_notebook(cells=[new_code_cell(f"x = 1\n{line}\ny = 2")])).cells
    assert cell.source == f"x = 1\n{line}\ny = 2"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (
            "for i in x: # SOLUTION\n    SECRET",
            "line 1: the mark behind 'for i in x: # SOLUTION' is not at the end of a",
        ),
        ("x = = 1 # SOLUTION", "line 1: the mark behind 'x = = 1 # SOLUTION' is not at the end of a statement"),
        ("### BEGIN SOLUTION\n### BEGIN HIDDEN TESTS", "line 2: a hidden part begins in the solution of line 1"),
        ("### BEGIN HIDDEN TESTS\n### END SOLUTION", "line 2: a solution ends in the hidden part of line 1"),
        ("### BEGIN HIDDEN TESTS\nSECRET", "line 1: this hidden part does not end"),
    ],
)
def test_marks_that_cut_no_whole_thing_are_refused(source: str, fault: str) -> None:
    with pytest.raises(SolutionError) as caught:
        student_version(new_notebook(cells=[new_code_cell(source)]))
    assert str(caught.value).startswith(f"cell 1: {fault}")
