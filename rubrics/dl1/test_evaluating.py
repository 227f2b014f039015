"""Question 1.6.a: evaluating a network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from grader.rubric import StudentError, expect
from grader.rubric.compare import as_array, matches, show
from grader.rubric.properties import once

Array = np.ndarray[Any, Any]

LAYERS = tuple(pairwise((5, 4, 1)))
"""Inputs and outputs of each."""


@pytest.mark.question("1.6.a", points=1, public=True)
def test_evaluate_predicts(student, reference, examples, rng):
    """evaluate computes the output of the network with these parameters for these samples, and changes neither."""
    [(x, layers, wrong)] = examples(once(lambda: _case(rng)))
    reference.exec(ACTIVATIONS + EVALUATION)
    y, loss, accuracy = reference.eval("check_evaluation(*check_case)", check_case=(x, layers, wrong))
    params = _with_activations(student, layers)
    try:
        student.exec(CALL_EVALUATE, _sent=[params, x, y])
        result = student.eval("_result")
    except StudentError:
        # What is made of the prediction may be at fault: that costs other points.
        result = None
    _expect_untouched(student, x, y, params)
    values = list(result) if isinstance(result, (tuple, list)) else [result]
    if any(matches(value, sign * loss, rtol=1e-4) for value in values for sign in (1, -1)):
        return
    calls = student.calls("network")
    try:
        student.evaluate(params, x, y)
    except StudentError:
        if not len(calls):
            raise
    seen = [{**dict(zip(("x", "params"), call.args, strict=False)), **call.kwargs} for call in calls]
    if not seen:
        # Rare enough by chance; a constant will not have it.
        if any(matches(value, accuracy) for value in values[1:]):
            return
        pytest.fail("evaluate does not call network(x, params)")
    inputs = [as_array(arguments.get("x")) for arguments in seen]
    whole = any(matches(part, x) for part in inputs)
    parts = [part for part in inputs if part is not None and part.ndim == 2 and part.shape[1] == x.shape[1]]
    if not whole and not (parts and matches(np.concatenate(parts), x)):
        pytest.fail("evaluate calls network with other samples than its argument x")
    if not any(_has_weights(arguments.get("params"), layers) for arguments in seen):
        pytest.fail("evaluate calls network with other parameters than its argument params")


@pytest.mark.question("1.6.a", points=0.5, public=True)
def test_evaluate_loss(student, reference, examples, rng):
    """The first value that evaluate returns is the loss of the predictions."""
    for result, right, samples in _evaluations(student, reference, examples, rng):
        values, loss = _items(result), right.loss
        given = f"{samples} samples"
        if matches(values[0], loss, rtol=1e-4):
            continue
        if matches(values[1], loss, rtol=1e-4):
            pytest.fail("the loss should be the first value that evaluate returns, and is the second")
        if matches(values[0], -loss, rtol=1e-4):
            pytest.fail("the loss has the wrong sign")
        if matches(values[0], loss * samples, rtol=1e-4):
            given = f"{given}: this is the sum over the samples, not their mean"
        expect(values[0], loss, what="loss", given=given, rtol=1e-4)


@pytest.mark.question("1.6.a", points=0.5, public=True)
def test_evaluate_accuracy(student, reference, examples, rng):
    """The second value that evaluate returns is the accuracy: the fraction of right predictions."""
    for result, right, samples in _evaluations(student, reference, examples, rng):
        values, accuracy = _items(result), right.accuracy
        given = f"{samples} samples, {round(float(accuracy) * samples)} of them predicted rightly"
        if matches(values[1], accuracy):
            continue
        if matches(values[0], accuracy):
            pytest.fail("the accuracy should be the second value that evaluate returns, and is the first")
        expect(values[1], accuracy, what="accuracy", given=given)


class Right(NamedTuple):
    loss: Any
    accuracy: Any


# The last one gives probabilities, and few that are near 0 or 1.
ACTIVATIONS = """
import torch

check_activations = [torch.tanh, lambda z: torch.atan(z) / 3.2 + 0.5]
"""

EVALUATION = """
def check_predictions(x, layers):
    return network(x, [(w, b, h) for (w, b), h in zip(layers, check_activations)])

def check_evaluation(x, layers, wrong):
    p = check_predictions(x, layers)
    labels = torch.where(wrong, 1 - p.round(), p.round())
    return labels, bce_loss(labels, p), accuracy(labels, p)

def check_evaluations(x, layers, labels, known):
    return [(bce_loss(labels, p), accuracy(labels, p)) for p in (known, check_predictions(x, layers))]
"""

CALL_EVALUATE = """
_params, _x, _y = _sent
_layers = list(_params)
_result = evaluate(_params, _x, _y)
"""


def _expect_untouched(student: Any, x: torch.Tensor, y: torch.Tensor, params: list[Any]) -> None:
    if student.eval("len(_params)") != len(params):
        pytest.fail("evaluate takes layers out of params: the network is another one afterwards")
    after = student.eval("[t.detach().clone() for t in (_x, _y, *(t for layer in _layers for t in layer[:2]))]")
    before = [x, y, *(tensor for layer in params for tensor in layer[:2])]
    names = ["x", "y", *["the parameters"] * (len(before) - 2)]
    for name, one, other in zip(names, after, before, strict=True):
        if not matches(one, other, rtol=0, atol=0):
            pytest.fail(f"evaluate changes {name} in place: it should look at the network and the samples only")


def _network(rng: np.random.Generator) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
    """Samples, and layers without their activations."""
    x = torch.tensor(rng.normal(size=(int(rng.integers(40, 60)), 5)))
    return x, [(torch.tensor(rng.normal(size=shape)), torch.tensor(rng.normal(size=shape[1]) / 2)) for shape in LAYERS]


def _case(rng: np.random.Generator) -> tuple[Any, ...]:
    """Samples and layers, and which predictions are to be wrong: less than a half, which chance would have."""
    x, layers = _network(rng)
    wrong = rng.permutation(len(x)) < rng.integers(len(x) // 8, len(x) // 3)
    return x, layers, torch.tensor(wrong)


def _with_activations(student: Any, layers: list[tuple[torch.Tensor, torch.Tensor]]) -> list[Any]:
    student.exec(ACTIVATIONS)
    handles = student.eval("check_activations")
    return [(w, b, h) for (w, b), h in zip(layers, handles, strict=True)]


def _has_weights(params: Any, layers: list[tuple[torch.Tensor, torch.Tensor]]) -> bool:
    """Whether these are layers `(w, b, h)` with these weights."""
    if not isinstance(params, (list, tuple)) or not all(isinstance(layer, (list, tuple)) and layer for layer in params):
        return False
    return matches([layer[0] for layer in params], [w for w, _ in layers])


KNOWN_NETWORK = """
def network(*args, **kwargs):
    import torch as _torch
    _asked.append(1)
    # For a part of the samples, their predictions; for anything else, all of them.
    for _value in [*args, *kwargs.values()]:
        if isinstance(_value, _torch.Tensor) and _value.ndim == 2 and _value.shape[1] == _rows.shape[1]:
            _same = (_value[:, None, :] == _rows[None, :, :]).all(dim=2)
            if _same.any(dim=1).all():
                return _known[_same.double().argmax(dim=1)].clone()
    return _known.clone()

_asked, _rows, _known = [], _x, _predictions
"""


def _evaluations(
    student: Any, reference: Any, examples: Any, rng: np.random.Generator
) -> Iterator[tuple[Any, Right, int]]:
    """What evaluate makes of known predictions, what is right, and of how many samples; for two sets of samples."""
    [cases] = examples(once(lambda: [_telling_case(rng) for _ in range(2)]))
    reference.exec(ACTIVATIONS + EVALUATION)
    known = reference.eval("[check_evaluations(*case) for case in check_cases]", check_cases=cases)
    for (x, layers, labels, predictions), (of_known, of_network) in zip(cases, known, strict=True):
        params = _with_activations(student, layers)
        student.exec(KNOWN_NETWORK, _x=x, _predictions=predictions)
        result = student.evaluate(params, x, labels)
        # An evaluate that does not call network has computed the predictions in its own way.
        yield result, Right(*(of_known if student.eval("len(_asked)") else of_network)), len(x)


def _telling_case(rng: np.random.Generator) -> tuple[Any, ...]:
    x, layers = _network(rng)
    predictions, labels = _telling_predictions(rng, len(x))
    return x, layers, torch.tensor(labels), torch.tensor(predictions)


def _telling_predictions(rng: np.random.Generator, samples: int) -> tuple[Array, Array]:
    """Predictions and labels whose accuracy is another for every other threshold, and for what else is taken for it."""
    while True:
        # Near the threshold all predictions are right, and far from it all are wrong, but fewer.
        wrong = int(rng.integers(samples // 8, samples // 5))
        high = int(rng.integers(samples * 3 // 5, samples * 3 // 4))
        sizes = (high - wrong, wrong, samples - high - wrong - 1, wrong + 1)
        if min(sizes) < 3:
            continue
        ranges = ((0.52, 0.72), (0.76, 0.97), (0.28, 0.48), (0.03, 0.24))
        known = np.concatenate([rng.uniform(*ends, size) for ends, size in zip(ranges, sizes, strict=True)])
        labels = np.repeat([1.0, 0.0, 0.0, 1.0], sizes)
        right = (known.round() == labels).mean()
        others = [((known > threshold) == labels).mean() for threshold in (0.0, 0.25, 0.6, 0.74, 1.0, known.mean())]
        others += [1 - right, known.round().mean(), (known.round() == labels)[labels == 1].mean()]
        if min(abs(other - right) for other in others) > 0.005:
            order = _telling_order(rng, known.round() == labels)
            return known[order], labels[order]


def _telling_order(rng: np.random.Generator, right: Array) -> Array:
    """An order in which no portion that may be taken for the whole has as many right predictions as the whole."""
    order = rng.permutation(len(right))
    for _ in range(100):
        portions = [
            part for size in (8, 10, 16, 20, 32) for part in (order[:size], order[-(len(right) % size or size) :])
        ]
        if min(abs(right[part].mean() - right.mean()) for part in portions) > 0.005:
            break
        order = rng.permutation(len(right))
    return order


def _items(result: Any) -> list[Any]:
    if not isinstance(result, (tuple, list)) or len(result) < 2:
        pytest.fail(f"evaluate should return two values, loss and accuracy, got {show(result)}")
    return list(result[:2])
