"""Training once more: good hyperparameters are found good, hopeless ones hopeless, and what is not known stays open."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from grader.rubric import StudentError

RUBRIC = Path(__file__).resolve().parents[2] / "rubrics" / "dl1"

GIVEN = """
import torch

def make_layer(d0, d1, h):
    return (2 / d0) ** 0.5 * torch.randn(d0, d1, dtype=torch.float64), torch.zeros(d1, dtype=torch.float64), h

def train_epoch(params, x, y, learning_rate, batch_size):
    order = torch.randperm(len(x))
    for chosen in order.split(batch_size):
        z = x[chosen]
        for w, b, h in params:
            w.grad = b.grad = None
            z = h(z @ w + b)
        torch.nn.functional.binary_cross_entropy(z.squeeze(-1), y[chosen]).backward()
        with torch.no_grad():
            for w, b, h in params:
                w -= learning_rate * w.grad
                b -= learning_rate * b.grad
"""


class Student:
    """A namespace in this process."""

    def __init__(self, source: str) -> None:
        self.names: dict[str, Any] = {}
        self.exec(source)

    def exec(self, source: str, **values: Any) -> None:
        self.names |= values
        try:
            exec(source, self.names)  # noqa: S102
        except Exception as error:
            raise StudentError(type(error).__name__, str(error)) from error

    def eval(self, source: str) -> Any:
        return eval(source, self.names)  # noqa: S307


@pytest.fixture(scope="module")
def retraining() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RUBRIC))
        yield importlib.import_module("retraining")
    for name in ("retraining", "networks", "digits"):
        sys.modules.pop(name, None)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(40)


def status(accuracy: Any) -> str:
    """As for a network that should come to 0.95."""
    if min(accuracy.train, accuracy.val) >= 0.95:
        return "reached"
    return "just below" if accuracy.val >= 0.92 else "below"


def verdict(retraining: ModuleType, rng: np.random.Generator, settings: tuple[float, int, int], **options: Any) -> Any:
    networks = importlib.import_module("networks")
    shape = retraining.Shape((64, 32, 1), (networks.RELU, networks.SIGMOID))
    test = retraining.new_test()
    return retraining.repeat(
        shape, retraining.Hyperparameters(*settings), retraining.data_like(None, 150), status, rng, test=test, **options
    ), test


def test_good_hyperparameters_are_known_after_a_few_runs(retraining: ModuleType, rng: np.random.Generator) -> None:
    found, test = verdict(retraining, rng, (0.4, 25, 12))
    assert found == "reached"
    assert test.successes + test.failures < 10


@pytest.mark.parametrize(
    "settings",
    [(1e-4, 32, 10), (1e-6, 10, 400), (0.01, 128, 3), (0.0, 32, 5), (1e3, 32, 8)],
    ids=["too small", "too small, and long", "too short", "zero", "too large"],
)
def test_hopeless_hyperparameters_are_known_to_be_so(
    retraining: ModuleType, rng: np.random.Generator, settings: tuple[float, int, int]
) -> None:
    found, test = verdict(retraining, rng, settings)
    assert found == "below"
    assert test.successes == 0


def test_a_run_that_is_cut_short_does_not_condemn(retraining: ModuleType, rng: np.random.Generator) -> None:
    assert verdict(retraining, rng, (0.05, 32, 60), share=0.01)[0] == "open"
    assert verdict(retraining, rng, (0.05, 32, 60), share=0.0)[0] == "open"


def test_a_small_rate_goes_as_far_in_fewer_steps(retraining: ModuleType, rng: np.random.Generator) -> None:
    # 56,000 steps as they are, seven times as many as are ever made.
    assert verdict(retraining, rng, (0.002, 16, 1000))[0] == "reached"


def test_the_students_own_functions_train_again(
    retraining: ModuleType, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "OWN_SECONDS", float("inf"))
    runs = own_runs(retraining, rng, Student(GIVEN))
    accuracies = [next(runs) for _ in range(3)]
    assert all(status(accuracy) == "reached" for accuracy in accuracies)
    assert len({accuracy.val for accuracy in accuracies}) > 1
    assert accuracies[0].samples == 899


@pytest.mark.parametrize(
    "change",
    [
        "def train_epoch(*arguments): raise ValueError",
        "del train_epoch",
        "def make_layer(d0, d1, h): return torch.zeros(d0), torch.zeros(d1), h",
        "def make_layer(d0, d1, h): return None",
    ],
    ids=["raises", "is missing", "other shapes", "no layer"],
)
def test_functions_that_fail_train_nothing(retraining: ModuleType, rng: np.random.Generator, change: str) -> None:
    assert list(own_runs(retraining, rng, Student(GIVEN + change))) == []


def test_functions_that_are_too_slow_are_not_waited_for(
    retraining: ModuleType, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "OWN_SECONDS", 0.0)
    assert list(own_runs(retraining, rng, Student(GIVEN))) == []


def own_runs(retraining: ModuleType, rng: np.random.Generator, student: Student) -> Iterator[Any]:
    torch.manual_seed(41)
    networks = importlib.import_module("networks")
    layers = [(64, 32, torch.relu), (32, 1, torch.sigmoid)]
    functions = [networks.RELU.of, networks.SIGMOID.of]
    settings = retraining.Hyperparameters(0.4, 25, 12)
    return iter(retraining.repeat_own(student, layers, functions, settings, retraining.data_like(None, 150), rng))
