"""Questions of section 1.3: activation functions and the loss."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from grader.rubric import StudentError, review
from grader.rubric.compare import as_array, matches, number, show
from grader.rubric.properties import (
    Answer,
    call_text,
    examples_of,
    expect_calls,
    floats,
    raise_if_ended,
    tensors,
    value_fault,
)

Array = np.ndarray[Any, Any]


@pytest.mark.question("1.3.a", points=1)
def test_sigmoid(student, rng, seed):
    """sigmoid(x) is 1 / (1 + exp(-x)) for every element of x, also for large and for whole numbers."""
    expect_calls(
        student,
        "sigmoid",
        st_tensors(),
        lambda result, x: value_fault(result, sigmoid(x.numpy())),
        seed=seed,
        always=[*EXTREMES, (torch.tensor(rng.uniform(-8, 8, (6, 5))),)],
        reason_of=lambda answers: _reason(answers, SIGMOID_MISTAKES) or _reason_of_nan(answers),
    )


@pytest.mark.question("1.3.b", points=1)
def test_relu(student, rng, seed):
    """relu(x) is max(0, x) for every element of x, in the shape of x."""
    expect_calls(
        student,
        "relu",
        st_tensors(),
        lambda result, x: value_fault(result, np.maximum(x.numpy(), 0)),
        seed=seed,
        always=[*EXTREMES, (torch.tensor(rng.uniform(-8, 8, (6, 5))),)],
        reason_of=lambda answers: _reason(answers, RELU_MISTAKES),
    )


@pytest.mark.question("1.3.e", points=1)
def test_bce_loss(student, rng, seed):
    """bce_loss(y, y_hat) is the mean over the samples of -(y log(y_hat) + (1 - y) log(1 - y_hat))."""
    expect_calls(
        student,
        "bce_loss",
        # The labels come as whole numbers as well.
        st_predictions(((torch.int64, torch.float32), (torch.float32, torch.float32))),
        _fault_of_loss,
        seed=seed,
        always=[_many_samples(rng, torch.int64), _many_samples(rng, torch.float32)],
        reason_of=lambda answers: _reason(answers, BCE_MISTAKES, _is_loss),
    )


@pytest.mark.question("1.3.g", points=1)
def test_bce_loss_of_certain_predictions(student, rng, seed):
    """The loss is finite when a prediction is exactly 0 or 1, and as before elsewhere.

    A perfect prediction loses less than 2e-6, a wholly wrong one more than 10.
    """
    dtypes = ((torch.float32, torch.float32), (torch.float64, torch.float64))
    expect_calls(
        student,
        "bce_loss",
        st_predictions(dtypes, certain=True),
        _fault_of_loss,
        seed=seed,
        always=[*CERTAIN, _many_samples(rng, torch.float32)],
        reason_of=lambda answers: _reason(list(filter(_is_uncertain, answers)), BCE_MISTAKES, _is_loss),
    )
    _expect_gradient(student, seed)


EXTREMES = [
    *((torch.tensor(value),) for value in (0, -100, 100)),
    *((torch.tensor([-1e4, -100, 0, 100, 1e4], dtype=dtype),) for dtype in (torch.float32, torch.float64, torch.int64)),
    (torch.tensor([[[-2.0, 0.5]], [[3.0, -0.25]]]),),
    (torch.tensor([]),),
]

CERTAIN = [
    (torch.tensor([label], dtype=dtype), torch.tensor([prediction], dtype=dtype))
    for dtype in (torch.float32, torch.float64, torch.int64)
    for label in (1, 0)
    for prediction in (1, 0)
]


@functools.cache
def st_tensors() -> Any:
    return tensors().map(lambda tensor: (tensor,))


@functools.cache
def st_predictions(dtypes: tuple[tuple[torch.dtype, torch.dtype], ...], *, certain: bool = False) -> Any:
    """Pairs of labels and predictions, of one of these pairs of dtypes; with `certain`, of 0 and 1 as well."""
    from hypothesis import strategies as st

    probability = floats(0.02, 0.98)
    if certain:
        probability = st.one_of(st.sampled_from([0.0, 1.0]), probability)
    samples = st.lists(st.tuples(st.booleans(), probability), min_size=1, max_size=6)
    return st.tuples(st.sampled_from(dtypes), samples).map(lambda drawn: _labels_and_predictions(*drawn))


def _many_samples(rng: np.random.Generator, labels: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    size = int(rng.integers(20, 40))
    y = rng.integers(0, 2, size)
    # Both labels occur, or a missing term would go unseen.
    y[:2] = 0, 1
    return torch.tensor(y, dtype=labels), torch.tensor(rng.uniform(0.05, 0.95, size), dtype=torch.float32)


def _labels_and_predictions(
    dtypes: tuple[torch.dtype, torch.dtype], samples: Sequence[tuple[bool, float]]
) -> tuple[torch.Tensor, torch.Tensor]:
    labels, predictions = zip(*samples, strict=True)
    return torch.tensor(labels).to(dtypes[0]), torch.tensor(predictions).to(dtypes[1])


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


def _reason(
    answers: Sequence[Answer],
    mistakes: dict[str, Callable[..., Any]],
    same: Callable[[Any, Any], bool] = matches,
) -> str:
    """The common mistake that explains all answers, if one does."""
    if not answers:
        return ""
    inputs = [[tensor.numpy() for tensor in answer.arguments] for answer in answers]
    with np.errstate(all="ignore"):
        for reason, mistake in mistakes.items():
            if all(same(answer.result, mistake(*arrays)) for answer, arrays in zip(answers, inputs, strict=True)):
                return reason
    return ""


def _is_uncertain(answer: Answer) -> bool:
    return not np.isin(answer.arguments[1].numpy(), (0, 1)).any()


def _reason_of_nan(answers: Sequence[Answer]) -> str:
    """Where all is right that is not nan."""
    seen = False
    for answer in answers:
        got, right = as_array(answer.result), sigmoid(answer.arguments[0].numpy())
        if got is None or got.shape != right.shape or not matches(np.where(np.isnan(got), right, got), right):
            return ""
        seen = seen or bool(np.isnan(got).any())
    return "exp overflows to inf, and inf / inf is nan" if seen else ""


def _fault_of_loss(loss: Any, y: torch.Tensor, y_hat: torch.Tensor) -> str:
    labels, predictions = y.numpy().astype(float), y_hat.numpy().astype(float)
    losses = bce(labels, predictions)
    wrong = int(np.isinf(losses).sum())
    if wrong > 1:
        # Cut to the largest float32, the loss of one is finite, and the sum of two is not: nobody asks for that.
        return ""
    if not wrong:
        right = float(losses.mean())
        if np.isin(predictions, (0, 1)).all() and not value_fault(loss, right, atol=0.1):
            is_small = abs(number_of(loss)) < 2e-6
            return "" if is_small else f"is {show(loss)}; a perfect prediction should lose less than 2e-6"
        # An epsilon changes each term a little; float32 too.
        return "" if _is_loss(loss, right) else value_fault(loss, right)
    array = as_array(loss)
    if array is None or array.ndim:
        return f"is {show(loss)}; it should be a single number"
    if not np.isfinite(array):
        return f"is {number(array[()])}; it should be finite"
    # How much exactly depends on the epsilon, which is free.
    least = 10 / len(losses)
    if not float(array) > least:
        whom = "a wholly wrong prediction" if len(losses) == 1 else "with a wholly wrong prediction it"
        return f"is {number(array[()])}; {whom} should lose more than {least:.3g}"
    return ""


def number_of(value: Any) -> float:
    array = as_array(value)
    return float("nan") if array is None or array.size != 1 else float(array.item())


def _is_loss(actual: Any, expected: Any) -> bool:
    return matches(actual, expected, rtol=1e-4, atol=5e-6)


GRADIENT = """
def check_gradient(y, y_hat):
    import torch
    y_hat = y_hat.clone().requires_grad_()
    loss = bce_loss(y, y_hat)
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return None
    return torch.autograd.grad(loss.sum(), y_hat, allow_unused=True)[0]
"""


def _expect_gradient(student: Any, seed: int) -> None:
    """Where the loss has a gradient for y_hat, it is the derivative of the loss, and finite at 0 and 1."""
    student.exec(GRADIENT)
    dtypes = ((torch.float64, torch.float64),)
    for y, y_hat in examples_of(st_predictions(dtypes), seed=seed, count=5):
        gradient = _gradient(student, y, y_hat)
        if gradient is None:
            # The values are right, and that is what is asked for.
            return
        right = _differences(y.numpy(), y_hat.numpy())
        if not matches(gradient, right, rtol=1e-3, atol=1e-4):
            fault = value_fault(gradient, right, rtol=1e-3, atol=1e-4)
            pytest.fail(f"the gradient of {call_text('bce_loss', y, y_hat)} for y_hat {fault}")
    for y, y_hat in CERTAIN[:8]:
        gradient = as_array(_gradient(student, y, y_hat))
        if gradient is not None and not np.isfinite(gradient).all():
            # The question asks for the value only, but training goes wrong with such a gradient.
            call = call_text("bce_loss", y, y_hat)
            review(f"{call} is right, but its gradient for y_hat is {show(gradient)}, which stops training")


def _gradient(student: Any, y: torch.Tensor, y_hat: torch.Tensor) -> Any:
    try:
        return student.check_gradient(y, y_hat)
    except StudentError as error:
        raise_if_ended(error)
        # Such as NumPy's refusal of a tensor that requires a gradient.
        return None


def _differences(y: Array, y_hat: Array, step: float = 1e-6) -> Array:
    """The gradient of the mean loss for y_hat, by central differences."""
    shifts = step * np.eye(len(y_hat))
    return np.array([(bce(y, y_hat + e).mean() - bce(y, y_hat - e).mean()) / (2 * step) for e in shifts])
