"""Training a network of the student's shape with the student's hyperparameters once more, by code of our own.

One training run says little about its hyperparameters: a network may start badly by chance, or by a scale of the
first weights that has cost its point in 1.5.b already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import digits
import msgspec
import numpy as np
from networks import SIGMOID, Activation

Array = np.ndarray[Any, Any]

SGD_STEPS = 12_000
"""For all repetitions of a check together: about a second."""

REPETITIONS = 10

SATURATED = 1e-6
"""A prediction that is closer to 0 or 1 has no gradient."""


class Hyperparameters(msgspec.Struct, frozen=True):
    learning_rate: float
    batch_size: int
    epochs: int


class Shape(msgspec.Struct, frozen=True):
    sizes: tuple[int, ...]
    activations: tuple[Activation, ...]
    """One for each layer; the last is the sigmoid."""


class Accuracy(msgspec.Struct, frozen=True):
    """Fractions of right predictions, and how many samples there were to validate with."""

    train: float
    val: float
    samples: int


def repeat(
    shape: Shape, settings: Hyperparameters, train_size: int, rng: np.random.Generator, share: float = 1
) -> Iterator[Accuracy]:
    """The accuracies of some training runs, each with its own random split and weights, within a share of the steps."""
    steps_left = round(SGD_STEPS * share)
    steps_of_epoch = max(1, train_size // min(settings.batch_size, train_size))
    for _ in range(REPETITIONS):
        # More epochs than fit hardly make it worse, so a run that was cut short and is good says enough.
        epochs = min(settings.epochs, steps_left // steps_of_epoch)
        if epochs < 1:
            return
        steps_left -= epochs * steps_of_epoch
        yield train(shape, msgspec.structs.replace(settings, epochs=epochs), train_size, rng)


def train(shape: Shape, settings: Hyperparameters, train_size: int, rng: np.random.Generator) -> Accuracy:
    """One run of minibatch gradient descent on the binary cross-entropy, from He's initial weights."""
    x, y = digits.load()
    order = rng.permutation(len(x))
    chosen, others = order[:train_size], order[train_size:]
    weights = [rng.normal(0, (2 / d0) ** 0.5, (d0, d1)) for d0, d1 in pairwise(shape.sizes)]
    biases = [np.zeros(d1) for d1 in shape.sizes[1:]]
    size = min(settings.batch_size, train_size)
    with np.errstate(all="ignore"):
        for _ in range(settings.epochs):
            shuffled = rng.permutation(chosen)
            for start in range(0, size * (train_size // size), size):
                batch = shuffled[start : start + size]
                _step(shape.activations, weights, biases, x[batch], y[batch], settings.learning_rate)
        return Accuracy(
            train=_accuracy(shape.activations, weights, biases, x[chosen], y[chosen]),
            val=_accuracy(shape.activations, weights, biases, x[others], y[others]),
            samples=len(others),
        )


def _step(
    activations: Sequence[Activation], weights: list[Array], biases: list[Array], x: Array, y: Array, rate: float
) -> None:
    outputs, sums = [x], []
    for w, b, h in zip(weights, biases, activations, strict=True):
        sums.append(outputs[-1] @ w + b)
        outputs.append(h.of(sums[-1]))
    assert activations[-1] is SIGMOID
    # For the sigmoid with cross-entropy, the gradient of the last pre-activation is as simple as this. A loss that is
    # finite at 0 and 1 (1.3.g) is flat there: a network that is driven so far learns nothing more, here as there.
    error = outputs[-1] - y[:, None]
    gradient = np.where(abs(outputs[-1] - 0.5) < 0.5 - SATURATED, error, 0) / len(x)
    for layer in reversed(range(len(weights))):
        if layer < len(weights) - 1:
            gradient = gradient * activations[layer].slope(sums[layer])
        of_w, of_b = outputs[layer].T @ gradient, gradient.sum(axis=0)
        gradient = gradient @ weights[layer].T
        weights[layer] -= rate * of_w
        biases[layer] -= rate * of_b


def _accuracy(
    activations: Sequence[Activation], weights: list[Array], biases: list[Array], x: Array, y: Array
) -> float:
    for w, b, h in zip(weights, biases, activations, strict=True):
        x = h.of(x @ w + b)
    return float((x[:, 0].round() == y).mean())
