"""The check files that students get hold what the public checks use, and nothing else."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.assignment.assignment import Check, RubricError
from grader.students.bundle.pruning import public_sources

Prune = Callable[..., dict[str, str]]


@pytest.fixture
def prune(tmp_path: Path) -> Prune:
    """Write files, and prune them to the checks whose names begin with `test_public`."""

    def prune(**files: str) -> dict[str, str]:
        checks = []
        for name, source in files.items():
            source = textwrap.dedent(source)
            (tmp_path / f"{name}.py").write_text(source)
            checks += [
                Check(f"{name}.py::{node.name}", "1.1.a", 1.0, "title", node.name.startswith("test_public"))
                for node in ast.parse(source).body
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            ]
        return public_sources(tmp_path, checks)

    return prune


def names(source: str) -> list[str]:
    """What a file defines, in order."""
    found: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [ast.unparse(target) for target in node.targets]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found += [alias.asname or alias.name for alias in node.names]
        else:
            found.append(ast.unparse(node))
    return found


def test_hidden_checks_and_what_only_they_use_are_left_out(prune: Prune) -> None:
    pruned = prune(
        test_a="""
        '''What is checked here, also in hidden checks.'''
        import math, os
        from decimal import Decimal, getcontext

        SECRET = 42  # the answer
        LIMIT = 3
        SMALL = LIMIT / 2

        def test_hidden(student):
            assert student.f(SECRET) == oracle(Decimal(1)) + os.getpid()

        def oracle(x):
            return math.sqrt(x)

        def helper(x):
            # a comment that says too much
            return x < SMALL

        def test_public(student):
            '''A title.'''
            assert helper(student.f(1))
        """
    )
    assert list(pruned) == ["test_a.py"]
    assert names(pruned["test_a.py"]) == ["LIMIT", "SMALL", "helper", "test_public"]
    assert "#" not in pruned["test_a.py"]
    assert "hidden checks" not in pruned["test_a.py"]


def test_a_local_name_is_not_that_of_the_module(prune: Prune) -> None:
    pruned = prune(
        test_a="""
        def oracle(x): return x
        def result(x): return x
        def test_public(student):
            result = student.f()
            assert [oracle for oracle in result]
        """
    )
    assert names(pruned["test_a.py"]) == ["test_public"]


def test_fixtures_come_along_by_the_names_of_arguments(prune: Prune) -> None:
    pruned = prune(
        conftest="""
        import pytest
        @pytest.fixture
        def far(): return 1
        @pytest.fixture
        def hidden(): return 2
        @pytest.fixture(autouse=True)
        def always(near): yield
        @pytest.fixture
        def near(): return 3
        def pytest_configure(config): pass
        """,
        test_a="""
        import pytest
        @pytest.fixture
        def inner(far): return far
        def student(x): return "not a fixture, only a name"
        def test_public(student, inner): pass
        def test_hidden(hidden): pass
        """,
    )
    assert names(pruned["conftest.py"]) == ["pytest", "far", "always", "near", "pytest_configure"]
    assert names(pruned["test_a.py"]) == ["pytest", "inner", "test_public"]


def test_other_files_are_followed_by_name(prune: Prune) -> None:
    pruned = prune(
        oracles="def one(): return two()\ndef two(): return 2\ndef three(): return 3\n",
        shapes="A = 1\nB = A + 1\nC = 3\n",
        whole="X = 1\nY = 2\n",
        unused="Z = 1\n",
        test_a="""
        from oracles import one, three
        import shapes, whole, unused
        def test_hidden(student): assert three() + shapes.C + unused.Z
        def test_public(student): assert one() + shapes.B + len(vars(whole))
        """,
    )
    assert {name: names(source) for name, source in pruned.items()} == {
        "oracles.py": ["one", "two"],
        "shapes.py": ["A", "B"],
        "whole.py": ["X", "Y"],
        "test_a.py": ["one", "shapes", "whole", "test_public"],
    }


def test_what_changes_a_needed_value_is_needed(prune: Prune) -> None:
    pruned = prune(
        test_a="""
        from __future__ import annotations
        import math
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from decimal import Decimal
        TABLE = {}
        TABLE["a"] = math.pi
        OTHER = {}
        OTHER["b"] = 1
        TABLE.update(c=3)
        OTHER.update(TABLE)
        try:
            import numpy as fast
        except ImportError:
            fast = None
        def test_public(student, x: Decimal): assert TABLE and fast
        """
    )
    kept = pruned["test_a.py"]
    assert "TABLE['a'] = math.pi" in kept
    assert "TABLE.update(c=3)" in kept
    assert "import numpy as fast" in kept
    assert "OTHER" not in kept
    assert kept.startswith("from __future__ import annotations")
    compile(kept, "kept", "exec")


def test_a_check_with_public_and_hidden_cases_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_f(x): pass\n")
    checks = [Check(f"test_a.py::test_f[{case}]", "1.1.a", 1, "t", case == "1") for case in "12"]
    with pytest.raises(RubricError, match="make two checks of it"):
        public_sources(tmp_path, checks)
