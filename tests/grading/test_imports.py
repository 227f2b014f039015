"""Imports that failed, as the notebook tells."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grader.grading.imports import MOST, failed_imports
from grader.results.results import CheckResult, CheckStatus


def of_cells(*raised: tuple[str, str]) -> list[str]:
    cells = [
        new_code_cell("", outputs=[new_output("error", ename=name, evalue=value, traceback=[])])
        for name, value in raised
    ]
    return failed_imports(new_notebook(cells=cells), {})


@pytest.mark.parametrize(
    ("error", "message", "expected"),
    [
        ("ModuleNotFoundError", "No module named 'pandas'", ["import pandas"]),
        (
            "ModuleNotFoundError",
            "No module named 'sklearn.magic'; 'sklearn' is not a package",
            ["import sklearn.magic"],
        ),
        (
            "ImportError",
            "cannot import name 'trapz' from 'scipy.integrate' (/usr/lib/x.py)",
            ["from scipy.integrate import trapz"],
        ),
        ("ImportError", "libGL.so.1: cannot open shared object file", []),
        ("ValueError", "No module named 'pandas'", []),
        ("ModuleNotFoundError", "No module named '<b>'", []),
        ("ModuleNotFoundError", "No module named '" + "a" * 2000 + "'", []),
    ],
    ids=["module", "submodule", "name", "library", "another error", "no name", "too long"],
)
def test_it_is_told_as_code(error: str, message: str, expected: list[str]) -> None:
    assert of_cells((error, message)) == expected


def test_each_is_told_once_and_there_is_an_end() -> None:
    raised = [("ModuleNotFoundError", f"No module named 'p{number // 2}'") for number in range(100)]
    assert of_cells(*raised) == [f"import p{number}" for number in range(MOST)]


@pytest.mark.parametrize(("status", "expected"), [("failed", ["import pandas"]), ("passed", [])])
def test_those_of_a_function_that_is_called_count(status: CheckStatus, expected: list[str]) -> None:
    message = "ModuleNotFoundError: No module named 'pandas'\n  cell 2, line 2, in f: import pandas"
    check = CheckResult(name="x", title="x", points=0, max_points=1, status=status, message=message)
    assert failed_imports(new_notebook(), {"1.1.a": [check]}) == expected
