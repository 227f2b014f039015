"""Training a network of the student's shape with the student's hyperparameters once more, until it is known what they
are worth.

One training run says little about its hyperparameters: a network may start badly by chance, or by a scale of the
first weights that has cost its point in 1.5.b already.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import digits
import msgspec
import networks
import numpy as np
import torch
from networks import SIGMOID, Activation

from grader.rubric import StudentError
from grader.rubric.sequential import SequentialTest, Verdict
from grader.rubric.stats import Proportion

Array = np.ndarray[Any, Any]

P_GOOD = 0.5
"""Good hyperparameters reach what is asked for in half of the runs or more. Measured: nearly always."""

P_BAD = 0.04
"""Others hardly ever do, even if the best of many runs did."""

FALSE_FAIL = 1e-4
FALSE_PASS = 2e-4
"""For each of the five tests, at most, that a check makes."""

SGD_STEPS = 8_000
"""In each of the runs that are trained side by side, for all hyperparameters of a check together: about 2 seconds."""

GENTLE = 0.02
"""Up to this learning rate, steps follow the gradient closely: one that is twice as long goes as far as two."""

FAR_ENOUGH = 150
"""Learning rate times steps: good networks have come to what is asked for by then. Measured: 30 to 120 will do."""

SIDE_BY_SIDE = 12
MOST_RUNS = 40

OWN_SECONDS = 6.0
"""Of the time that a check has, what may be spent on the student's own functions."""

SATURATED = 1e-6
"""A prediction that is closer to 0 or 1 has no gradient."""

START = """
_layers, _x, _y, _learning_rate, _batch_size = _given
_params = [make_layer(_d0, _d1, _h) for _d0, _d1, _h in _layers]
for _w, _b, _h in _params:
    _w.requires_grad_()
    _b.requires_grad_()
"""

EPOCH = "train_epoch(_params, _x, _y, _learning_rate, _batch_size)"

READ = "[(w.detach(), b.detach(), h) for w, b, h in _params]"


class Hyperparameters(msgspec.Struct, frozen=True):
    learning_rate: float
    batch_size: int
    epochs: int


class Shape(msgspec.Struct, frozen=True):
    sizes: tuple[int, ...]
    activations: tuple[Activation, ...]
    """One for each layer; the last is the sigmoid."""


class Data(msgspec.Struct, frozen=True):
    """Digits to draw a split from, with the true labels."""

    x: Array
    y: Array
    train_size: int

    def draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """A new split: the places of the samples to train with, and of the others."""
        order = rng.permutation(len(self.x))
        return order[: self.train_size], order[self.train_size :]


class Accuracy(msgspec.Struct, frozen=True):
    """Fractions of right predictions, and how many samples there were to validate with."""

    train: float
    val: float
    samples: int


def new_test() -> SequentialTest:
    return SequentialTest(p_good=P_GOOD, p_bad=P_BAD, false_fail=FALSE_FAIL, false_pass=FALSE_PASS)


def data_like(split_x: Any, fewest_val: int) -> Data:
    """The digits as the student has scaled them, to be split in the same proportion."""
    split = digits.read_split(split_x)
    x, y = digits.load()
    if split is None:
        return Data(x, y, len(x) // 2)
    train_size = min(len(split.train_x), len(x) - fewest_val)
    if split.shared or len(split.train_x) + len(split.val_x) != len(x):
        return Data(x, y, train_size)
    return Data(np.concatenate([split.train_x, split.val_x]), np.concatenate([split.train_y, split.val_y]), train_size)


def repeat(
    shape: Shape,
    settings: Hyperparameters,
    data: Data,
    status: Callable[[Accuracy], Proportion],
    rng: np.random.Generator,
    *,
    test: SequentialTest,
    share: float = 1,
) -> Verdict:
    """The verdict on some hyperparameters after as many runs as it takes, by code of our own.

    Each run has its own random split and weights. `test` may know of earlier outcomes. Runs that are longer than the
    share of the steps are cut short: good ones say enough, others only if they are far off after a long way.
    """
    steps_of_epoch = max(1, data.train_size // min(settings.batch_size, data.train_size))
    most = round(SGD_STEPS * share) // steps_of_epoch
    if most < 1:
        return test.verdict
    if 0 < settings.learning_rate < GENTLE:
        faster = min(settings.epochs, GENTLE / settings.learning_rate)
        settings = Hyperparameters(
            settings.learning_rate * faster, settings.batch_size, math.ceil(settings.epochs / faster)
        )
    cut = msgspec.structs.replace(settings, epochs=min(settings.epochs, most))
    is_whole = cut.epochs == settings.epochs
    went_far = cut.learning_rate * cut.epochs * steps_of_epoch >= FAR_ENOUGH
    # As many as it takes if all goes well; then as many as it takes if nothing does.
    runs, count, unknown = 0, test.needed[0], False
    while test.verdict == "open" and runs < MOST_RUNS:
        for accuracy in train(shape, cut, data, rng, count):
            found = status(accuracy)
            test.update(found == "reached")
            unknown |= not is_whole and (found == "just below" or (found == "below" and not went_far))
        if unknown and not test.successes:
            return "open"
        runs, count = runs + count, min(SIDE_BY_SIDE, max(test.needed))
    return "open" if test.verdict == "below" and unknown else test.verdict


def repeat_own(
    student: Any,
    layers: Sequence[tuple[int, int, Any]],
    functions: Sequence[Callable[[Array], Array]],
    settings: Hyperparameters,
    data: Data,
    rng: np.random.Generator,
) -> Iterator[Accuracy]:
    """The accuracies of runs by the student's own make_layer and train_epoch, as long as these work and time allows.

    The parameters that they come to are read as data, and evaluated here. `layers` has the sizes and the activation
    function of each layer, `functions` the same activations as they are to be computed here.
    """
    start = time.perf_counter()
    while True:
        chosen, others = data.draw(rng)
        try:
            student.exec(
                START,
                _given=[
                    list(layers),
                    torch.tensor(data.x[chosen]),
                    torch.tensor(data.y[chosen]),
                    settings.learning_rate,
                    settings.batch_size,
                ],
            )
            for _ in range(settings.epochs):
                student.exec(EPOCH)
                if time.perf_counter() - start > OWN_SECONDS:
                    return
            trained = networks.read_layers(student.eval(READ))
        except StudentError:
            return
        if trained is None or [layer.sizes for layer in trained] != [(d0, d1) for d0, d1, _ in layers]:
            return
        yield accuracy_of(trained, functions, data.x[chosen], data.y[chosen], data.x[others], data.y[others])


def accuracy_of(
    layers: Sequence[networks.Layer],
    functions: Sequence[Callable[[Array], Array]],
    train_x: Array,
    train_y: Array,
    val_x: Array,
    val_y: Array,
) -> Accuracy:
    # Parameters that are nan predict nothing rightly. They may have become so by chance, as any bad run.
    with np.errstate(all="ignore"):
        of_train, of_val = (
            float((networks.forward(x, layers, functions)[:, 0].round() == y).mean())
            for x, y in ((train_x, train_y), (val_x, val_y))
        )
    return Accuracy(of_train, of_val, len(val_x))


def train(shape: Shape, settings: Hyperparameters, data: Data, rng: np.random.Generator, count: int) -> list[Accuracy]:
    """Some runs, side by side, of minibatch gradient descent on the binary cross-entropy, from He's initial weights."""
    splits = [data.draw(rng) for _ in range(count)]
    chosen = np.array([train for train, _ in splits])
    weights = [rng.normal(0, (2 / d0) ** 0.5, (count, d0, d1)) for d0, d1 in pairwise(shape.sizes)]
    biases = [np.zeros((count, 1, d1)) for d1 in shape.sizes[1:]]
    size = min(settings.batch_size, data.train_size)
    with np.errstate(all="ignore"):
        for _ in range(settings.epochs):
            shuffled = rng.permuted(chosen, axis=1)
            for start in range(0, size * (data.train_size // size), size):
                batch = shuffled[:, start : start + size]
                _step(shape.activations, weights, biases, data.x[batch], data.y[batch], settings.learning_rate)
    functions = [activation.of for activation in shape.activations]
    return [
        accuracy_of(
            [networks.Layer(w[run], b[run, 0], None) for w, b in zip(weights, biases, strict=True)],
            functions,
            data.x[of_train],
            data.y[of_train],
            data.x[of_val],
            data.y[of_val],
        )
        for run, (of_train, of_val) in enumerate(splits)
    ]


def _step(
    activations: Sequence[Activation], weights: list[Array], biases: list[Array], x: Array, y: Array, rate: float
) -> None:
    """One update of all runs: their index is the first axis of every array."""
    outputs, sums = [x], []
    for w, b, h in zip(weights, biases, activations, strict=True):
        sums.append(outputs[-1] @ w + b)
        outputs.append(h.of(sums[-1]))
    assert activations[-1] is SIGMOID
    # For the sigmoid with cross-entropy, the gradient of the last pre-activation is as simple as this. A loss that is
    # finite at 0 and 1 (1.3.g) is flat there: a network that is driven so far learns nothing more, here as there.
    error = outputs[-1] - y[..., None]
    gradient = np.where(abs(outputs[-1] - 0.5) < 0.5 - SATURATED, error, 0) / y.shape[1]
    for layer in reversed(range(len(weights))):
        if layer < len(weights) - 1:
            gradient = gradient * activations[layer].slope(sums[layer])
        of_w, of_b = outputs[layer].swapaxes(1, 2) @ gradient, gradient.sum(axis=1, keepdims=True)
        if layer:
            gradient = gradient @ weights[layer].swapaxes(1, 2)
        weights[layer] -= rate * of_w
        biases[layer] -= rate * of_b
