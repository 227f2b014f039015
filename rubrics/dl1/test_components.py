"""Questions of section 1.3: activation functions and the loss."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from grader.rubric import StudentError, review
from grader.rubric.compare import as_array, matches, number, show
from grader.rubric.properties import Answer, call_text, expect_calls, floats, raise_if_ended, tensors, value_fault


@pytest.mark.question("1.3.a", points=1, public=True)
def test_sigmoid(student, reference, examples):
    """sigmoid(x) is 1 / (1 + exp(-x)) for every element of x, also for large and for whole numbers."""
    expect_calls(
        student,
        reference,
        "sigmoid(x)",
        [*SIMPLE, *EXTREMES, *examples(st_tensors, EXAMPLES)],
        mistakes=SIGMOID_MISTAKES,
        reason_of=_reason_of_nan,
    )


@pytest.mark.question("1.3.b", points=1, public=True)
def test_relu(student, reference, examples):
    """relu(x) is max(0, x) for every element of x, in the shape of x."""
    calls = [*SIMPLE, *EXTREMES, *examples(st_tensors, EXAMPLES)]
    expect_calls(student, reference, "relu(x)", calls, mistakes=RELU_MISTAKES)


@pytest.mark.question("1.3.e", points=1, public=True)
def test_bce_loss(student, reference, examples):
    """bce_loss(y, y_hat) is the mean over the samples of -(y log(y_hat) + (1 - y) log(1 - y_hat))."""
    reference.exec(LOSS_OF_EACH)
    expect_calls(
        student,
        reference,
        "bce_loss(y, y_hat)",
        [*PREDICTIONS, *examples(st_predictions, EXAMPLES), *examples(st_many_predictions, 5)],
        mistakes=BCE_MISTAKES,
        fault_of=_fault_of_loss,
        same=_is_loss,
    )


@pytest.mark.question("1.3.g", points=1, public=True)
def test_bce_loss_of_certain_predictions(student, reference, examples):
    """The loss is finite when a prediction is exactly 0 or 1, and as before elsewhere.

    A perfect prediction loses less than 2e-6, a wholly wrong one more than 10.
    """
    reference.exec(LOSS_OF_EACH + GRADIENT)
    for_gradient = [(y.double(), y_hat.double()) for y, y_hat in examples(st_predictions, 5)]
    gradients = reference.eval("[check_gradient(*arguments) for arguments in check_calls]", check_calls=for_gradient)
    expect_calls(
        student,
        reference,
        "bce_loss(y, y_hat)",
        [*PREDICTIONS, *CERTAIN, *examples(st_certain_predictions, EXAMPLES), *examples(st_many_predictions, 5)],
        # A certain prediction is what this question changes, and no sign of one of these.
        mistakes={
            reason: f"{loss} if ((y_hat > 0) & (y_hat < 1)).all() else None" for reason, loss in BCE_MISTAKES.items()
        },
        fault_of=_fault_of_certain_loss,
        same=_is_loss,
    )
    _expect_gradients(student, for_gradient, gradients)


EXAMPLES = 60

SIMPLE = [
    (torch.tensor(value),)
    for value in (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 5.0, -5.0, 20.0, -20.0, 89.0, -89.0, [1.0], [-1.0, 2.0])
]

EXTREMES = [
    *((torch.tensor(value),) for value in (0, -100, 100)),
    *((torch.tensor([-1e4, -100, 0, 100, 1e4], dtype=dtype),) for dtype in (torch.float32, torch.float64, torch.int64)),
    (torch.tensor([[[-2.0, 0.5]], [[3.0, -0.25]]]),),
    (torch.tensor([]),),
]

PREDICTIONS = [
    (torch.tensor(labels), torch.tensor(predictions))
    for labels, predictions in (
        ([1], [0.5]),
        ([0], [0.5]),
        ([1], [0.25]),
        ([0], [0.25]),
        ([1.0], [0.75]),
        ([0.0], [0.75]),
        ([1, 0], [0.5, 0.25]),
        ([0.0, 1.0], [0.5, 0.25]),
    )
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
def st_predictions() -> Any:
    """Pairs of labels and predictions. The labels come as whole numbers as well."""
    return _st_predictions(((torch.int64, torch.float32), (torch.float32, torch.float32)), [])


@functools.cache
def st_certain_predictions() -> Any:
    return _st_predictions(((torch.float32, torch.float32), (torch.float64, torch.float64)), [0.0, 1.0])


def _st_predictions(dtypes: Sequence[tuple[torch.dtype, torch.dtype]], certain: Sequence[float]) -> Any:
    from hypothesis import strategies as st

    probability = st.one_of(*([st.sampled_from(certain)] if certain else []), floats(0.02, 0.98))
    samples = st.lists(st.tuples(st.booleans(), probability), min_size=1, max_size=6)
    return st.tuples(st.sampled_from(dtypes), samples).map(lambda drawn: _labels_and_predictions(*drawn))


@functools.cache
def st_many_predictions() -> Any:
    from hypothesis import strategies as st

    samples = st.lists(st.tuples(st.booleans(), floats(0.05, 0.95)), min_size=20, max_size=40)
    # Both labels occur, or a missing term would go unseen.
    return samples.map(
        lambda drawn: _labels_and_predictions((torch.int64, torch.float32), [(False, 0.125), (True, 0.375), *drawn])
    )


def _labels_and_predictions(
    dtypes: tuple[torch.dtype, torch.dtype], samples: Sequence[tuple[bool, float]]
) -> tuple[torch.Tensor, torch.Tensor]:
    labels, predictions = zip(*samples, strict=True)
    return torch.tensor(labels).to(dtypes[0]), torch.tensor(predictions).to(dtypes[1])


# What comes of common mistakes, made of right results.

SIGMOID_MISTAKES = {
    "this is 1 / (1 + exp(x)): the minus sign in the exponent is missing": "1 - sigmoid(x)",
    "this is tanh(x)": "torch.tanh(x)",
    "this is exp(-x) / (1 + exp(-x))**2, the derivative": "sigmoid(x) * (1 - sigmoid(x))",
    "x comes back as it is": "x",
}

RELU_MISTAKES = {
    "this is min(0, x)": "x - relu(x)",
    "this is |x|": "2 * relu(x) - x",
    "x comes back as it is": "x",
    "this is 1 where x is positive, not x": "relu(x) > 0",
    "this is one number for all elements": "relu(x).max() if x.numel() else None",
}

LOSS_OF_EACH = """
import math, torch

def check_each(y, y_hat):
    return torch.stack([bce_loss(*sample) for sample in zip(y.split(1), y_hat.split(1))])
"""

BCE_MISTAKES = {
    "this is the sum over the samples, not the mean": "check_each(y, y_hat).sum()",
    "this is the loss of each sample; the loss is their mean, one number": "check_each(y, y_hat)",
    "the minus sign in front is missing": "-bce_loss(y, y_hat)",
    "the term (1 - y) log(1 - y_hat) is missing": "(y * check_each(y, y_hat)).mean()",
    "the term y log(y_hat) is missing": "((y == 0) * check_each(y, y_hat)).mean()",
    "the two terms are subtracted; they should be added": "((2 * y - 1) * check_each(y, y_hat)).mean()",
    "the labels are exchanged": "bce_loss(1 - y, y_hat)",
    "the logarithm has base 2": "bce_loss(y, y_hat) / math.log(2)",
    "the logarithm has base 10": "bce_loss(y, y_hat) / math.log(10)",
    "this is the mean squared error": "((y - y_hat) ** 2).mean()",
}


def _reason_of_nan(answers: Sequence[Answer]) -> str:
    """Where all is right that is not nan."""
    seen = False
    for answer in answers:
        got, right = as_array(answer.result), as_array(answer.right)
        if got is None or right is None or got.shape != right.shape:
            return ""
        if not matches(np.where(np.isnan(got), right, got), right):
            return ""
        seen = seen or bool(np.isnan(got).any())
    return "exp overflows to inf, and inf / inf is nan" if seen else ""


def _is_loss(actual: Any, expected: Any) -> bool:
    # An epsilon changes each term a little; float32 too.
    return matches(actual, expected, rtol=1e-4, atol=5e-6)


def _fault_of_loss(loss: Any, right: Any, *arguments: Any) -> str:
    return "" if _is_loss(loss, right) else value_fault(loss, right)


def _fault_of_certain_loss(loss: Any, right: Any, y: torch.Tensor, y_hat: torch.Tensor) -> str:
    labels, predictions = y.numpy().astype(float), y_hat.numpy().astype(float)
    wrong = int((abs(labels - predictions) == 1).sum())
    if wrong > 1:
        # Cut to the largest float32, the loss of one is finite, and the sum of two is not: nobody asks for that.
        return ""
    array = as_array(loss)
    if array is None or array.ndim:
        return value_fault(loss, right)
    if wrong:
        if not np.isfinite(array):
            return f"is {number(array[()])}; it should be finite"
        # How much exactly depends on the epsilon, which is free.
        least = 10 / len(labels)
        whom = "a wholly wrong prediction" if len(labels) == 1 else "with a wholly wrong prediction it"
        return "" if float(array) > least else f"is {number(array[()])}; {whom} should lose more than {least:.3g}"
    if (labels == predictions).all():
        is_small = abs(float(array)) < 2e-6
        return "" if is_small else f"is {number(array[()])}; a perfect prediction should lose less than 2e-6"
    return _fault_of_loss(loss, right)


GRADIENT = """
def check_gradient(y, y_hat):
    import torch
    y_hat = y_hat.clone().requires_grad_()
    value = bce_loss(y, y_hat)
    if not isinstance(value, torch.Tensor) or not value.requires_grad:
        return None
    return torch.autograd.grad(value.sum(), y_hat, allow_unused=True)[0]
"""


def _expect_gradients(student: Any, calls: Sequence[tuple[Any, ...]], right: Sequence[Any]) -> None:
    """Where the loss has a gradient for y_hat, it is the derivative of the loss, and finite at 0 and 1."""
    student.exec(GRADIENT)
    for arguments, expected in zip(calls, right, strict=True):
        gradient = _gradient(student, *arguments)
        if gradient is None:
            # The values are right, and that is what is asked for.
            return
        if not matches(gradient, expected, rtol=1e-3, atol=1e-4):
            fault = value_fault(gradient, expected, rtol=1e-3, atol=1e-4)
            pytest.fail(f"the gradient of {call_text('bce_loss', *arguments)} for y_hat {fault}")
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
