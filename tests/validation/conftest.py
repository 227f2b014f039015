"""The mini rubric with variants and mutants, in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from notebooks import MINI

CASES = """
[[variant]]
question = "1.1.a"
name = "by addition"
code = '''
def double(x):
    return x + x
'''

[[mutant]]
question = "1.1.a"
name = "half"
loses = 1
edits = [["2 * x", "x / 2"]]

[[mutant]]
question = "1.1.a"
name = "negative numbers forgotten"
loses = 1
code = '''
def double(x):
    return 2 * x if x >= 0 else x
'''

[[variant]]
question = "1.1.b"
name = "in two steps"
code = '''
def quadruple(x):
    y = double(x)
    return double(y)
'''

[[mutant]]
question = "1.1.b"
name = "without double"
loses = 0.5
by = ["test_quadruple_uses_double"]
code = '''
def quadruple(x):
    return 4 * x
'''

[[mutant]]
question = "1.1.b"
name = "only doubled"
loses = 1.5
by = ["test_quadruple"]
edits = [["double(double(x))", "double(x)"]]

[[mutant]]
question = "1.1.c"
name = "typed in"
loses = 1.5
code = "results = [0, 4, 8, 12, 16]"

[[equivalent]]
question = "1.1.c"
change = "5 -> 6 in: results = [quadruple(i) for i in range(5)]"
reason = "how many numbers is free"
"""


@pytest.fixture
def rubric(tmp_path: Path) -> Path:
    """A copy of the mini rubric with the cases above: its validation is clean."""
    folder = tmp_path / "mini"
    shutil.copytree(MINI, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "mutants").mkdir()
    (folder / "mutants" / "cases.toml").write_text(CASES)
    return folder
