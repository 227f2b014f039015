"""The names that checks may look up in a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.slicing.criterion import criterion_names

CHECKS = {
    "a call": ("student.sigmoid(1)", {"sigmoid"}),
    "an expression": ('student.eval("[relu(x) for x in xs]", xs=[1])', {"relu"}),
    "statements": ('student.exec("import math\\nresult = network(math.pi)")', {"network"}),
    "a name in a text": ('student.calls("fit")', {"fit"}),
    "a name in a text in a text": ("student.eval(\"globals().get('w')\")", {"globals", "w"}),
    "a text with gaps": ('student.eval(f"train({1!r}, {2!r})")', {"train"}),
    "a part of an expression": ('student.eval("[" + "f(1)" + " for x in data]")', {"f", "for", "x", "in", "data"}),
    "a message": ('assert student, "the result is (much) too large"', set()),
    "a constant": ("student.exec(CODE)", {"hidden_layer"}),
    "a helper": ("helper(student)", {"bce_loss"}),
}


@pytest.mark.parametrize(("line", "names"), CHECKS.values(), ids=CHECKS)
def test_names_are_found_in_what_a_check_uses(tmp_path: Path, line: str, names: set[str]) -> None:
    (tmp_path / "test_a.py").write_text(
        f'''import pytest
from helpers import helper
CODE = "hidden_layer(1)"

@pytest.mark.question("1.1.a")
def test_a(student):
    """About accuracy(y)."""
    {line}

@pytest.mark.question("1.1.b")
def test_b(student):
    """Not asked."""
    student.another()
'''
    )
    (tmp_path / "helpers.py").write_text("def helper(notebook):\n    return notebook.bce_loss(1)\n")
    found = criterion_names(tmp_path, ["1.1.a"]) - {"eval", "exec", "calls"}
    assert found == names
