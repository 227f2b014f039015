"""One call of the student's `train_epoch` on a network that keeps a diary: what was computed, and in which order."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import torch

from grader.rubric import StudentError
from grader.rubric.compare import as_array

Array = np.ndarray[Any, Any]

SAMPLES = 6
INPUTS = 3
HIDDEN = 4

DIARY = """
import torch as _torch

_params = [(_w1, _b1, lambda z: _hidden(z)), (_w2, _b2, _torch.sigmoid)]
_diary = {"events": [], "inputs": [], "gradients": [[], [], [], []], "losses": [], "accuracies": []}

def _hidden(z):
    _diary["inputs"].append(z.detach().clone())
    if z.requires_grad:
        z.register_hook(lambda gradient: _diary["events"].append("backward"))
    return _torch.tanh(z)

def _watch(name, kept=None):
    function = globals().get(name)
    if not callable(function) or hasattr(function, "_watched"):
        return
    def watched(*args, **kwargs):
        _diary["events"].append(name)
        if kept is not None:
            values = [*args, *kwargs.values()]
            _diary[kept].append([v.detach().clone() if isinstance(v, _torch.Tensor) else v for v in values])
        return function(*args, **kwargs)
    watched._watched = True
    globals()[name] = watched

_watch("clear_gradients")
_watch("add_gradients")
_watch("bce_loss", "losses")
_watch("accuracy", "accuracies")
for _tensor, _list in zip([_w1, _b1, _w2, _b2], _diary["gradients"]):
    _tensor.register_hook(lambda gradient, _list=_list: _list.append(gradient.detach().clone()))
"""

SET_UP = "_x, _y, _w1, _b1, _w2, _b2 = [value.clone().detach() for value in _values]\n" + (
    "for _tensor in (_w1, _b1, _w2, _b2):\n    _tensor.requires_grad_()\n"
)

PLANT = """
for _tensor, _gradient in zip([_w1, _b1, _w2, _b2], _planted):
    _tensor.grad = _gradient.clone()
"""

# Anything but a layer of tensors is the student's doing and is looked at as it is.
READ_PARAMS = "[tensor.detach().clone() for w, b, h in _params for tensor in (w, b)]"
READ_GRADIENTS = "[None if tensor.grad is None else tensor.grad.clone() for w, b, h in _params for tensor in (w, b)]"


class Task(msgspec.Struct, frozen=True):
    """Data and first weights of the small network, 3-4-1 with tanh and sigmoid."""

    x: torch.Tensor
    y: torch.Tensor
    weights: tuple[torch.Tensor, ...]
    """w, b of the first layer, then of the second."""

    def outputs(self) -> tuple[Array, Array]:
        """The pre-activations of the first layer and the predictions, for all samples."""
        w1, b1, w2, b2 = self.weights
        first = self.x @ w1 + b1
        return first.numpy(), torch.sigmoid(torch.tanh(first) @ w2 + b2).squeeze(-1).numpy()

    def loss(self) -> float:
        y, y_hat = self.y.numpy(), self.outputs()[1]
        return float(-(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)).mean())

    def accuracy(self) -> float:
        return float((self.outputs()[1].round() == self.y.numpy()).mean())

    def gradients(self) -> list[Array]:
        """Of the loss over all samples."""
        weights = [weight.clone().requires_grad_() for weight in self.weights]
        w1, b1, w2, b2 = weights
        y_hat = torch.sigmoid(torch.tanh(self.x @ w1 + b1) @ w2 + b2).squeeze(-1)
        torch.nn.functional.binary_cross_entropy(y_hat, self.y).backward()
        return [np.asarray(as_array(weight.grad)) for weight in weights]


class Epoch(msgspec.Struct, frozen=True):
    """What one call of train_epoch did."""

    result: Any
    error: StudentError | None
    events: list[str]
    """`backward` and the names of helpers, in the order in which they came."""
    inputs: list[Any]
    """Of each pass through the network: the pre-activations of the first layer."""
    arrived: list[list[Any]]
    """For each parameter the gradients that were computed, one after the other."""
    before: list[Array]
    after: list[Array]
    gradients: list[Any]
    """What the parameters' `.grad` holds in the end."""
    losses: list[Any]
    accuracies: list[Any]
    """The arguments of each call of bce_loss, of accuracy."""

    @property
    def moves(self) -> list[Array]:
        return [new - old for new, old in zip(self.after, self.before, strict=True)]

    @property
    def moved(self) -> bool:
        return any(move.any() for move in self.moves)


def make_task(rng: np.random.Generator) -> Task:
    """A random task whose predictions are well away from 0.5, some of them right and some wrong."""
    while True:
        x = torch.tensor(rng.normal(size=(SAMPLES, INPUTS)))
        shapes = ((INPUTS, HIDDEN), (HIDDEN,), (HIDDEN, 1), (1,))
        weights = tuple(torch.tensor(rng.normal(size=shape)) for shape in shapes)
        y = torch.tensor(rng.permutation([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]))
        task = Task(x, y, weights)
        y_hat = task.outputs()[1]
        # No learning rate makes a difference where predictions are certain.
        if (abs(y_hat - 0.5) > 0.05).all() and (abs(y_hat - 0.5) < 0.45).all() and 0 < task.accuracy() < 1:
            return task


def planted_gradients(rng: np.random.Generator, task: Task) -> list[Array]:
    """Gradients left over from an earlier step, as large as real ones."""
    return [rng.uniform(0.5, 1.5, size=tuple(weight.shape)) for weight in task.weights]


def run_epoch(
    student: Any, task: Task, *, learning_rate: float, batch_size: int, planted: list[Array] | None = None
) -> Epoch:
    """Call train_epoch on fresh copies of the task's weights; an error in it is part of what happened."""
    student.exec(SET_UP, _values=[task.x, task.y, *task.weights])
    student.exec(DIARY)
    if planted is not None:
        student.exec(PLANT, _planted=[torch.tensor(gradient) for gradient in planted])
    error, result = None, None
    try:
        student.exec(f"_result = train_epoch(_params, _x, _y, {learning_rate!r}, {batch_size!r})")
        result = student.eval("_result")
    except StudentError as raised:
        error = raised
    diary = student.eval("_diary")
    return Epoch(
        result=result,
        error=error,
        events=diary["events"],
        inputs=diary["inputs"],
        arrived=diary["gradients"],
        before=[weight.numpy() for weight in task.weights],
        after=[np.asarray(as_array(value), dtype=float) for value in student.eval(READ_PARAMS)],
        gradients=student.eval(READ_GRADIENTS),
        losses=diary["losses"],
        accuracies=diary["accuracies"],
    )


def without_updates(student: Any) -> None:
    """Take the update out of the next epochs: what comes before it can then be seen, whatever the update needs."""
    student.replace("add_gradients", expression="lambda *args, **kwargs: None")


def without_clearing(student: Any) -> None:
    """Let the next epochs keep the gradients that are there when the update comes."""
    student.replace("clear_gradients", expression="lambda *args, **kwargs: None")
