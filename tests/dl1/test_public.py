"""Which checks of dl1 students get, what these give away, and that a record can stand for the reference."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from replaying import replayed

from grader.assignment.assignment import Check, load_assignment
from grader.rubric.checks import load_checks
from grader.students.bundle.pruning import public_sources

RUBRIC = Path(__file__).resolve().parents[2] / "rubrics" / "dl1"

PUBLIC = {
    "1.1.a": ["test_gradient_descent_step"],
    "1.1.g": ["test_step_size_schedule"],
    "1.3.a": ["test_sigmoid"],
    "1.3.b": ["test_relu"],
    "1.3.e": ["test_bce_loss"],
    "1.3.g": ["test_bce_loss_of_certain_predictions"],
    "1.4.a": ["test_model1_preactivation", "test_model1_activation"],
    "1.5.a": ["test_network_linear", "test_network_applies_h"],
    "1.5.b": ["test_make_layer_scale", "test_make_layer_normal_weights", "test_make_layer_biases"],
    "1.6.a": ["test_evaluate_predicts", "test_evaluate_loss", "test_evaluate_accuracy"],
}
HIDDEN = {
    "1.1.h": ["test_tuned_run"],
    "1.6.c": [
        "test_epoch_clears_gradients",
        "test_epoch_computes_output_of_batch",
        "test_epoch_computes_loss_and_accuracy",
        "test_epoch_calls_backward",
        "test_epoch_updates_parameters",
    ],
    "1.6.d": ["test_two_layer_network"],
    "1.6.f": ["test_single_layer_network"],
    "1.6.h": ["test_two_linear_layers"],
    "1.6.j": ["test_deeper_network"],
}

FORMULAS = [
    "torch.sigmoid",
    "expit",
    "torch.exp(-",
    "clamp",
    "maximum",
    "torch.log(",
    "epsilon",
    "randn(d0",
    "(2 / d0) **",
    "grad_x",
    "grad_y",
    "x @ w + b)",
    "backward(",
]
"""Words of a solution, or of another way to write it."""


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    return load_checks(load_assignment(RUBRIC))


@pytest.fixture(scope="module")
def sources(checks: list[Check]) -> dict[str, str]:
    return public_sources(RUBRIC, checks)


def by_question(checks: list[Check], public: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for check in checks:
        if check.public == public:
            found.setdefault(check.question, []).append(check.name.rpartition("::")[2])
    return dict(sorted(found.items()))


def test_functions_are_checked_in_public_and_runs_after_the_deadline(checks: list[Check]) -> None:
    assert by_question(checks, public=True) == PUBLIC
    assert by_question(checks, public=False) == HIDDEN


def test_no_code_of_a_hidden_check_is_released(sources: dict[str, str]) -> None:
    assert set(sources) == {"test_components.py", "test_evaluating.py", "test_gradient_descent.py", "test_models.py"}
    functions = {
        node.name
        for source in sources.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }
    assert functions >= {name for names in PUBLIC.values() for name in names}
    assert not functions & {name for names in HIDDEN.values() for name in names}
    # What the check of the tuned run uses stands in the file of public ones.
    assert not functions & {"f", "grad_x", "grad_y", "_runs", "_step_sizes", "_judge_results_alone"}
    assert not any("GLOBAL_MINIMUM" in source for source in sources.values())


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_formula_of_a_solution_is_released(sources: dict[str, str], formula: str) -> None:
    lines = [line for source in sources.values() for line in source.splitlines() if formula in line]
    # `backward` is called on what is none of the answers, to see whether an output can be differentiated.
    assert [line for line in lines if ".sum().backward()" not in line] == []


@pytest.mark.slow
def test_a_record_answers_for_the_reference_whatever_numbers_numpy_draws(
    checks: list[Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = replayed(RUBRIC, 4, monkeypatch)
    assert said == {check.name: ("passed", "") for check in checks if check.public}
