"""Which checks of the tutorial's rubric students get, and that a record can stand for the reference."""

from __future__ import annotations

from pathlib import Path

import pytest
from replaying import replayed

from grader.assignment.assignment import load_assignment
from grader.rubric.checks import load_checks
from grader.students.bundle.pruning import public_sources

RUBRIC = Path(__file__).resolve().parents[2] / "rubrics" / "statistics1"

PUBLIC = ["test_standardise_columns", "test_standardise_odd_cases", "test_correlations", "test_bootstrap_repeats"]


def test_all_checks_but_one_are_public() -> None:
    checks = load_checks(load_assignment(RUBRIC))
    assert [check.name.rpartition("::")[2] for check in checks if check.public] == PUBLIC
    assert [check.name.rpartition("::")[2] for check in checks if not check.public] == ["test_bootstrap_distribution"]


def test_the_hidden_check_is_not_in_what_is_released() -> None:
    (source,) = public_sources(RUBRIC, load_checks(load_assignment(RUBRIC))).values()
    assert all(f"def {name}(" in source for name in PUBLIC)
    assert "distribution" not in source
    assert "stats" not in source


def test_a_record_answers_for_the_reference_whatever_numbers_numpy_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    said = replayed(RUBRIC, 4, monkeypatch)
    assert said == {f"test_statistics.py::{name}": ("passed", "") for name in PUBLIC}
