"""Questions of section 1.3: activation functions and the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from grader.rubric import expect
from grader.rubric.compare import as_array, matches, number, show

Array = np.ndarray[Any, Any]


@pytest.mark.question("1.3.a", points=1)
def test_sigmoid(student, rng):
    """sigmoid(x) is 1 / (1 + exp(-x)) for every element of x, also for large and for whole numbers."""
    inputs = [
        torch.tensor([-2.0, 0.0, 1.0]),
        torch.tensor(rng.uniform(-8, 8, size=(3, 4))),
        torch.tensor([-100.0, 100.0]),
        *(torch.tensor(value) for value in (0, -100, 100)),
    ]
    for x in inputs:
        _expect_function(student.sigmoid(x), x, sigmoid(x.numpy()), "sigmoid", SIGMOID_MISTAKES)


@pytest.mark.question("1.3.b", points=1)
def test_relu(student, rng):
    """relu(x) is max(0, x) for every element of x, in the shape of x."""
    inputs = [
        torch.tensor([-2.0, 0.0, 3.0]),
        torch.tensor(rng.normal(size=(4, 3)) * 5),
        torch.tensor([-3, 0, 4]),
        *(torch.tensor(value) for value in (0, -5, 5)),
    ]
    for x in inputs:
        _expect_function(student.relu(x), x, np.maximum(x.numpy(), 0), "relu", RELU_MISTAKES)


@pytest.mark.question("1.3.e", points=1)
def test_bce_loss(student, rng):
    """bce_loss(y, y_hat) is the mean over the samples of -(y log(y_hat) + (1 - y) log(1 - y_hat))."""
    size = int(rng.integers(20, 40))
    labels = rng.integers(0, 2, size)
    # Both labels occur, or a missing term would go unseen.
    labels[:2] = 0, 1
    cases = [
        (torch.tensor([1]), torch.tensor([0.123])),
        (torch.tensor([0]), torch.tensor([0.123])),
        (torch.tensor(labels), torch.tensor(rng.uniform(0.05, 0.95, size), dtype=torch.float32)),
        (torch.tensor(labels, dtype=torch.float32), torch.tensor(rng.uniform(0.05, 0.95, size), dtype=torch.float32)),
    ]
    _expect_losses(student, cases)


@pytest.mark.question("1.3.g", points=1)
def test_bce_loss_of_certain_predictions(student, rng):
    """The loss is finite when a prediction is exactly 0 or 1, and as before elsewhere.

    A perfect prediction loses less than 2e-6, a wholly wrong one more than 10.
    """
    for dtype in (torch.float32, torch.float64, torch.int64):
        for label in (1, 0):
            y, right, wrong = (torch.tensor([value], dtype=dtype) for value in (label, label, 1 - label))
            _expect_loss_of_certainty(student.bce_loss(y, right), y, right, perfect=True)
            _expect_loss_of_certainty(student.bce_loss(y, wrong), y, wrong, perfect=False)
    size = int(rng.integers(20, 40))
    labels = rng.integers(0, 2, size)
    labels[:2] = 0, 1
    y_hat = rng.uniform(0.05, 0.95, size)
    certain = y_hat.copy()
    certain[:2] = 0, 1
    dtype = torch.float32
    cases = [(torch.tensor(labels, dtype=dtype), torch.tensor(values, dtype=dtype)) for values in (y_hat, certain)]
    _expect_losses(student, cases)


def sigmoid(x: Array) -> Array:
    x = np.asarray(x, dtype=float)
    return np.exp(-np.logaddexp(0, -x))


def bce(y: Array, y_hat: Array) -> Array:
    """The loss of each sample; 0 log(0) is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(y == 1, np.log(y_hat), np.log(1 - y_hat))


SIGMOID_MISTAKES: dict[str, Callable[[Array], Any]] = {
    "this is 1 / (1 + exp(x)): the minus sign in the exponent is missing": lambda x: sigmoid(-x),
    "this is tanh(x)": lambda x: np.tanh(x),
    "this is exp(-x) / (1 + exp(-x))**2, the derivative": lambda x: sigmoid(x) * (1 - sigmoid(x)),
    "x comes back as it is": lambda x: x,
}

RELU_MISTAKES: dict[str, Callable[[Array], Any]] = {
    "this is min(0, x)": lambda x: np.minimum(x, 0),
    "this is |x|": lambda x: np.abs(x),
    "x comes back as it is": lambda x: x,
    "this is 1 where x is positive, not x": lambda x: (x > 0).astype(float),
    "this is one number for all elements": lambda x: np.maximum(x, 0).max(),
}

BCE_MISTAKES: dict[str, Callable[[Array, Array], Any]] = {
    "this is the sum over the samples, not the mean": lambda y, p: bce(y, p).sum(),
    "this is the loss of each sample; the loss is their mean, one number": bce,
    "the minus sign in front is missing": lambda y, p: -bce(y, p).mean(),
    "the term (1 - y) log(1 - y_hat) is missing": lambda y, p: -(y * np.log(p)).mean(),
    "the term y log(y_hat) is missing": lambda y, p: -((1 - y) * np.log(1 - p)).mean(),
    "the two terms are subtracted; they should be added": lambda y, p: (
        -(y * np.log(p) - (1 - y) * np.log(1 - p)).mean()
    ),
    "the labels are exchanged": lambda y, p: bce(1 - y, p).mean(),
    "the logarithm has base 2": lambda y, p: bce(y, p).mean() / np.log(2),
    "the logarithm has base 10": lambda y, p: bce(y, p).mean() / np.log(10),
    "this is the mean squared error": lambda y, p: ((y - p) ** 2).mean(),
}


def _expect_function(
    actual: Any, x: torch.Tensor, expected: Array, name: str, mistakes: dict[str, Callable[[Array], Any]]
) -> None:
    given = f"{name}({_tensor(x)})"
    if matches(actual, expected):
        return
    values = x.numpy()
    # On a single number many formulas agree by chance.
    if values.size > 1:
        for reason, mistake in mistakes.items():
            if matches(actual, mistake(values)):
                pytest.fail(f"{given}: {reason} (expected {show(expected)}, got {show(actual)})")
    expect(actual, expected, what=given)


def _expect_losses(student: Any, cases: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Check the loss of each case, and tell a common mistake if it explains all of them."""
    losses = [student.bce_loss(y, y_hat) for y, y_hat in cases]
    pairs = [(y.numpy().astype(float), y_hat.numpy().astype(float)) for y, y_hat in cases]
    for (y, y_hat), loss, (labels, predictions) in zip(cases, losses, pairs, strict=True):
        right = _finite_mean(labels, predictions)
        # An epsilon changes each term a little; float32 too.
        if _is_loss(loss, right):
            continue
        given = f"y = {_tensor(y)}, y_hat = {_tensor(y_hat)}"
        with np.errstate(all="ignore"):
            for reason, mistake in BCE_MISTAKES.items():
                if all(_is_loss(one, mistake(*pair)) for one, pair in zip(losses, pairs, strict=True)):
                    pytest.fail(f"bce_loss: {reason} (expected {number(right)}, got {show(loss)}, for {given})")
        array = as_array(loss)
        if array is not None and array.ndim:
            pytest.fail(f"bce_loss should give a single number, got an array of shape {array.shape}, for {given}")
        expect(loss, right, what="bce_loss", given=given, rtol=1e-4)


def _is_loss(actual: Any, expected: Any) -> bool:
    return matches(actual, expected, rtol=1e-4, atol=5e-6)


def _finite_mean(y: Array, y_hat: Array) -> float:
    """The mean loss where certain predictions are right; the cases have no others."""
    return float(bce(y, y_hat).mean())


def _expect_loss_of_certainty(loss: Any, y: torch.Tensor, y_hat: torch.Tensor, *, perfect: bool) -> None:
    given = f"bce_loss({_tensor(y)}, {_tensor(y_hat)})"
    array = as_array(loss)
    if array is None or array.ndim:
        pytest.fail(f"{given} should be a single number, got {show(loss)}")
    value = float(array)
    if not np.isfinite(value):
        pytest.fail(f"{given} is {number(value)}, it should be finite")
    if perfect and not abs(value) < 2e-6:
        pytest.fail(f"{given} is {number(value)}: a perfect prediction should lose (nearly) nothing, less than 2e-6")
    if not perfect and not value > 10:
        pytest.fail(f"{given} is {number(value)}: a wholly wrong prediction should lose more than 10")


def _tensor(x: torch.Tensor) -> str:
    """`[-2.0, 0.0]` or `0`, and of long tensors the beginning."""
    if x.ndim == 0 or x.numel() <= 6:
        return show(x)
    return f"{show(x.flatten()[:3]).removesuffix(']')}, … (shape {tuple(x.shape)})"
