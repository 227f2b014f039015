"""One call of the student's `train_epoch` on a network that keeps a diary: what was computed, and in which order."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import torch

from grader.rubric import StudentError
from grader.rubric.compare import as_array

Array = np.ndarray[Any, Any]

SAMPLES = 12
INPUTS = 3
HIDDEN = 4

DIARY = """
import torch as _torch

_params = [(_w1, _b1, lambda z: _hidden(z)), (_w2, _b2, _torch.sigmoid)]
_diary = {"events": [], "inputs": [], "weights": [], "gradients": [[], [], [], []], "held": [[], [], [], []]}
_diary.update(losses=[], accuracies=[], steps=[])

def _now():
    return [tensor.detach().clone() for w, b, h in _params for tensor in (w, b)]

def _held(tensor):
    return None if tensor.grad is None or not tensor.grad.any() else tensor.grad.clone()

def _arrive(gradient, tensor, number):
    # Here the tensor has the gradients that were kept so far, and not yet this one.
    _diary["held"][number].append(_held(tensor))
    _diary["gradients"][number].append(gradient.detach().clone())

def _hidden(z):
    _diary["inputs"].append(z.detach().clone())
    _diary["weights"].append(_now())
    if z.requires_grad:
        z.register_hook(lambda gradient: _diary["events"].append("backward"))
    return _torch.tanh(z)

def _watch(name, kept=None):
    function = globals().get(name)
    if not callable(function) or hasattr(function, "_watched"):
        return
    def watched(*args, **kwargs):
        _diary["events"].append(name)
        if name == "add_gradients":
            empty = all(_held(tensor) is None for tensor in (_w1, _b1, _w2, _b2))
            _diary["steps"].append([empty, kwargs["step"] if "step" in kwargs else args[1] if len(args) > 1 else None])
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
for _number, _tensor in enumerate([_w1, _b1, _w2, _b2]):
    _tensor.register_hook(lambda gradient, of=_tensor, number=_number: _arrive(gradient, of, number))
"""

SET_UP = """
_x, _y, _w1, _b1, _w2, _b2 = [value.clone().detach() for value in _task]
_values = _task[2:]
for _tensor in (_w1, _b1, _w2, _b2):
    _tensor.requires_grad_()
"""

PLANT = """
for _tensor, _gradient in zip([_w1, _b1, _w2, _b2], _planted):
    _tensor.grad = _gradient.clone()
"""

# In the place of helpers whose call in train_epoch is wrong, so that what follows it can be seen.
LENIENT_LOSS = """
import torch as _torch

def bce_loss(*args, **kwargs):
    tensors = [v for v in [*args, *kwargs.values()] if isinstance(v, _torch.Tensor) and v.requires_grad]
    return sum(((v * v).sum() for v in tensors), start=_torch.tensor(0.0))

def accuracy(*args, **kwargs):
    return _torch.tensor(0.5)
"""

NO_BACKWARD = """
import torch as _torch

def _backward(*args, **kwargs):
    moved = any((new != old).any() for new, old in zip(_now(), _values))
    _diary["events"].append("backward after the update" if moved else "backward without effect")

_torch.Tensor.backward = _torch.autograd.backward = _backward
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
    weights: list[list[Any]]
    """The parameters at each pass through the network."""
    arrived: list[list[Any]]
    """For each parameter the gradients that were computed, one after the other."""
    held: list[list[Any]]
    """What the parameter's `.grad` held when each of them came; None for nothing."""
    steps: list[list[Any]]
    """Of each call of add_gradients: whether all gradients were empty then, and the step."""
    before: list[Array]
    after: list[Array]
    gradients: list[Any]
    """What the parameters' `.grad` holds in the end."""
    losses: list[Any]
    accuracies: list[Any]
    """The arguments of each call of bce_loss, of accuracy."""

    @property
    def sums(self) -> list[Array]:
        """For each parameter the sum of the gradients that were computed; no gradient is 0."""
        return [
            np.sum([np.zeros_like(old), *(np.asarray(as_array(g)) for g in arrived)], axis=0)
            for arrived, old in zip(self.arrived, self.before, strict=True)
        ]

    @property
    def moves(self) -> list[Array]:
        return differences(self.after, self.before)

    @property
    def moved(self) -> bool:
        return any(move.any() for move in self.moves)


def differences(after: list[Array], before: list[Array]) -> list[Array]:
    """What was added to each parameter; nan where it is of another shape, or no parameter any more."""
    if len(after) != len(before):
        return [np.full(old.shape, np.nan) for old in before]
    return [
        new - old if new.shape == old.shape else np.full(old.shape, np.nan)
        for new, old in zip(after, before, strict=True)
    ]


def make_task(rng: np.random.Generator) -> Task:
    """A random task: predictions well away from 0.5 and from certainty, an accuracy that no batch of 3 can have."""
    while True:
        many = torch.tensor(rng.normal(size=(10 * SAMPLES, INPUTS)))
        shapes = ((INPUTS, HIDDEN), (HIDDEN,), (HIDDEN, 1), (1,))
        weights = tuple(torch.tensor(rng.normal(size=shape)) for shape in shapes)
        distance = abs(Task(many, many, weights).outputs()[1] - 0.5)
        x = many[torch.tensor((distance > 0.05) & (distance < 0.45))][:SAMPLES]
        right = np.ones(SAMPLES)
        right[: int(rng.choice([2, 3, 5, 7]))] = 0
        if len(x) < SAMPLES:
            continue
        predicted = Task(x, x, weights).outputs()[1].round()
        y = np.where(rng.permutation(right) == 1, predicted, 1 - predicted)
        if 3 <= y.sum() <= SAMPLES - 3 and 3 <= predicted.sum() <= SAMPLES - 3:
            return Task(x, torch.tensor(y), weights)


def planted_gradients(rng: np.random.Generator, task: Task) -> list[Array]:
    """Gradients left over from an earlier step, as large as real ones."""
    return [rng.uniform(0.5, 1.5, size=tuple(weight.shape)) for weight in task.weights]


def run_epoch(
    student: Any, task: Task, *, learning_rate: float, batch_size: int, planted: list[Array] | None = None
) -> Epoch:
    """Call train_epoch on fresh copies of the task's weights; an error in it is part of what happened."""
    student.exec(SET_UP, _task=[task.x, task.y, *task.weights])
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
        weights=diary["weights"],
        arrived=diary["gradients"],
        held=diary["held"],
        steps=diary["steps"],
        before=[weight.numpy() for weight in task.weights],
        after=[np.asarray(as_array(value), dtype=float) for value in student.eval(READ_PARAMS)],
        gradients=student.eval(READ_GRADIENTS),
        losses=diary["losses"],
        accuracies=diary["accuracies"],
    )


def with_lenient_loss(student: Any) -> None:
    """Let the next epochs have a loss, with gradients, and an accuracy, however these functions are called."""
    student.exec(LENIENT_LOSS)


def without_backward(student: Any) -> None:
    """Let backward do nothing in the next epochs, but tell whether the parameters had moved before it."""
    student.exec(NO_BACKWARD)


def without_updates(student: Any) -> None:
    """Take the update out of the next epochs: what comes before it can then be seen, whatever the update needs."""
    student.replace("add_gradients", expression="lambda *args, **kwargs: None")


def without_clearing(student: Any) -> None:
    """Let the next epochs keep the gradients that are there when the update comes."""
    student.replace("clear_gradients", expression="lambda *args, **kwargs: None")
