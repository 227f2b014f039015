"""Questions 1.6.d, f, h and j: networks of several shapes, trained well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import digits
import msgspec
import networks
import numpy as np
import pytest
import torch
from digits import Split
from networks import IDENTITY, SIGMOID, Activation, Layer
from retraining import Accuracy, Hyperparameters, Shape, accuracy_of, data_like, new_test, repeat, repeat_own

from grader.rubric import StudentError, review, stats
from grader.rubric.compare import as_array, matches
from grader.rubric.sequential import Verdict

Array = np.ndarray[Any, Any]

INPUTS = 64
FEWEST_SAMPLES = 150
"""Fewer validation samples say too little about the accuracy."""

MISLABELLED = 0.02
"""A share of wrong labels that is no slip."""

MOST_RUNS = 300
MOST_REPEATED = 4
"""Settings of a sweep that are tried once more, best first."""


NO_NETWORK = (
    "no network was found that this question trains: `params`, a list of layers (w, b, h), each with as many inputs "
    "as the one before has outputs"
)


class Demand(msgspec.Struct, frozen=True):
    """The accuracies that a question asks for."""

    val: float
    train: float
    exact: bool
    """Whether the assignment states them as a threshold, and not as what good hyperparameters come to."""

    slack: float = 0.0
    """How far below what may still count the run itself, repeated by the student's functions, is worth a look."""

    def status(self, accuracy: Accuracy) -> stats.Proportion:
        """*reached*, *below*, or *just below*: too close to call."""
        lowest = stats.lowest_proportion(accuracy.samples, self.val)
        if self.exact:
            if accuracy.val >= self.val and accuracy.train >= self.train:
                return "reached"
            close = accuracy.val >= lowest and accuracy.train >= self.train - (self.val - lowest)
            return "just below" if close else "below"
        if accuracy.val >= lowest:
            return "reached"
        return "just below" if accuracy.val >= lowest - self.slack else "below"

    def __str__(self) -> str:
        if self.exact:
            return f"training and validation accuracy should both reach {self.val:g}"
        return f"with good hyperparameters, the validation accuracy is around {self.val:g}"


class Run(msgspec.Struct, frozen=True):
    """One trained network: a call of fit, or what the notebook holds in the end."""

    layers: list[Layer]
    split_x: Any
    settings: Hyperparameters | None = None
    trained: bool = True
    """Whether its parameters changed, as far as that is known."""
    mislabelled: bool = False
    """Whether it was trained with labels that are not those of the digits."""


class Judged(msgspec.Struct, frozen=True):
    run: Run
    activations: tuple[Activation | None, ...]
    functions: list[Callable[[Array], Array]]
    accuracy: Accuracy
    remark: str = ""
    """Why a person should look, whatever the accuracy."""


Architecture = Callable[[tuple[int, ...], tuple[Activation | None, ...]], str]
"""What is wrong with a network of these sizes and activations, or ""."""


@pytest.mark.question("1.6.d", points=1)
def test_two_layer_network(student, rng):
    """A network 64-32-1 with ReLU and sigmoid reaches 0.95 on the training and on the validation set."""
    _judge(student, rng, _two_layers, Demand(val=0.95, train=0.95, exact=True))


@pytest.mark.question("1.6.f", points=1)
def test_single_layer_network(student, rng):
    """A network of one layer with sigmoid is trained well."""
    _judge(student, rng, _single_layer, Demand(val=0.89, train=0.89, exact=False, slack=0.03))


@pytest.mark.question("1.6.h", points=1)
def test_two_linear_layers(student, rng):
    """A network of two layers without an activation function in between, and sigmoid at the end, is trained well."""
    _judge(student, rng, _two_linear_layers, Demand(val=0.89, train=0.89, exact=False, slack=0.03))


@pytest.mark.question("1.6.j", points=1)
def test_deeper_network(student, rng):
    """A network of three or more layers, with activation functions in between, is trained well."""
    _judge(student, rng, _deeper, Demand(val=0.97, train=0.97, exact=False, slack=0.02))


def _two_layers(sizes: tuple[int, ...], activations: tuple[Activation | None, ...]) -> str:
    if len(sizes) != 3:
        return f"this network has {_layers(sizes)}; it should have two, 64-32-1"
    if activations[0] is IDENTITY:
        return "there is no activation function between the two layers"
    return ""


def _single_layer(sizes: tuple[int, ...], activations: tuple[Activation | None, ...]) -> str:
    return "" if len(sizes) == 2 else f"this network has {_layers(sizes)}; it should have a single one, 64-1"


def _two_linear_layers(sizes: tuple[int, ...], activations: tuple[Activation | None, ...]) -> str:
    if len(sizes) != 3:
        return f"this network has {_layers(sizes)}; it should have two"
    if activations[0] is not IDENTITY:
        name = activations[0].name if activations[0] is not None else "another function"
        return f"there should be no activation function between the two layers (the identity), but there is {name}"
    return ""


def _deeper(sizes: tuple[int, ...], activations: tuple[Activation | None, ...]) -> str:
    if len(sizes) < 4:
        return f"this network has {_layers(sizes)}; a deeper one has three or more"
    # Linear layers after one another are no deeper than one of them.
    if sum(h is not IDENTITY for h in activations) < 3:
        return "without activation functions in between, many linear layers are no deeper than one"
    return ""


def _layers(sizes: tuple[int, ...]) -> str:
    number = len(sizes) - 1
    return f"{number} layer{'s' if number > 1 else ''}, {'-'.join(map(str, sizes))}"


def _judge(student: Any, rng: np.random.Generator, architecture: Architecture, demand: Demand) -> None:
    """Pass if one of the question's runs is of the right architecture and accurate enough, or would be if repeated."""
    faults: list[str] = []
    judged: list[Judged] = []
    for run in _runs(student):
        activations = tuple(networks.recognise(layer.h) for layer in run.layers)
        fault = _fault(run, activations, architecture)
        if fault:
            faults.append(fault)
            continue
        candidate = _measure(run, activations)
        if demand.status(candidate.accuracy) == "reached" and not candidate.remark:
            return
        judged.append(candidate)
    if not judged:
        pytest.fail(faults[0] if faults else NO_NETWORK)
    judged.sort(key=lambda one: -min(one.accuracy.val, one.accuracy.train))
    best = judged[0]
    measured = f"accuracy {best.accuracy.train:.3f} on the training set, {best.accuracy.val:.3f} on the validation set"
    if not all(np.isfinite(layer.w).all() and np.isfinite(layer.b).all() for layer in best.run.layers):
        measured += ", since the parameters are nan or infinite: the training diverged"
    if best.run.mislabelled:
        measured += ", trained with labels that are not those of the digits"
    status = demand.status(best.accuracy)
    if best.remark and status != "below":
        review(f"{measured}, but {best.remark}")
    verdict = _repeated(student, judged, demand, rng)
    if verdict == "reached":
        return
    if verdict == "open":
        review(f"{measured}; {demand}: this is too close to tell it from chance")
    pytest.fail(f"{measured}; {demand}")


def _fault(run: Run, activations: tuple[Activation | None, ...], architecture: Architecture) -> str:
    sizes = (*(layer.sizes[0] for layer in run.layers), run.layers[-1].sizes[1])
    if sizes[0] != INPUTS or sizes[-1] != 1:
        return f"this network has {_layers(sizes)}; it should have 64 inputs and one output"
    fault = architecture(sizes, activations)
    if fault:
        return fault
    if activations[-1] is not SIGMOID:
        return "the activation function of the last layer does not compute the logistic sigmoid"
    return "" if run.trained else "the training does not change the parameters"


def _runs(student: Any) -> Iterator[Run]:
    """The networks that the question's cells trained, latest first; then what else the notebook holds."""
    calls = student.calls("fit")
    total = len(calls)
    # The last run is mostly enough; only the parts of a sweep that are needed are fetched.
    end, size = total, 1
    while end > max(0, total - MOST_RUNS):
        for call in reversed(calls[max(0, end - size) : end]):
            run = _run_of_call(call)
            if run is not None:
                yield run
        end, size = end - size, 20
    split_x = student.get("split_x") if student.has("split_x") else None
    layers = networks.read_layers(student.get("params")) if student.has("params") else None
    if layers is not None:
        yield Run(layers, split_x)
    if not total:
        # Trained without fit, and perhaps kept under another name.
        for params in _other_networks(student):
            yield Run(params, split_x)


def _run_of_call(call: Any) -> Run | None:
    names = ("params", "x", "y", "learning_rate", "batch_size", "epochs")
    before = {"epochs": 25, **dict(zip(names, call.args, strict=False)), **call.kwargs}
    after = {**before, **dict(zip(names, call.args_after, strict=False)), **call.kwargs_after}
    layers = networks.read_layers(after.get("params"))
    if layers is None:
        return None
    first = networks.read_layers(before.get("params"))
    trained = first is None or any(not np.array_equal(a.w, b.w) for a, b in zip(first, layers, strict=False))
    mislabelled = _is_mislabelled(before.get("x"), before.get("y"))
    # An error may have come after the training, in the plot. Wrong labels are no chance: with right ones, it would be
    # another run.
    settings = _settings(before) if trained and not mislabelled else None
    return Run(layers, before.get("x"), settings, trained, mislabelled)


def _is_mislabelled(split_x: Any, split_y: Any) -> bool:
    split = digits.read_split(split_x)
    labels = as_array(split_y.get("train")) if isinstance(split_y, dict) else None
    if split is None or labels is None or labels.size != len(split.train_y):
        return False
    return bool((labels.ravel() != split.train_y).mean() > MISLABELLED)


def _settings(arguments: dict[str, Any]) -> Hyperparameters | None:
    batch = arguments.get("batch_size")
    values = [as_array(arguments.get(name)) for name in ("learning_rate", "epochs")]
    size = np.asarray(10**9) if batch is None else as_array(batch)
    if size is None or any(value is None or value.size != 1 for value in (*values, size)):
        return None
    rate, epochs = (float(value.item()) for value in values if value is not None)
    if not np.isfinite([rate, epochs, float(size.item())]).all() or epochs < 1 or size.item() < 1:
        return None
    return Hyperparameters(rate, int(size.item()), int(epochs))


def _other_networks(student: Any) -> list[list[Layer]]:
    try:
        found = student.eval(
            "[value for name, value in list(globals().items()) if name != 'params' and type(value) in (list, tuple) "
            "and value and all(type(layer) in (list, tuple) and len(layer) == 3 for layer in value)]"
        )
    except StudentError:
        return []
    return [layers for layers in map(networks.read_layers, found) if layers is not None]


def _measure(run: Run, activations: tuple[Activation | None, ...]) -> Judged:
    """The accuracies of a network: its weights as data, the true labels, and the activations that were recognised."""
    pairs = zip(activations, run.layers, strict=True)
    functions = [known.of if known is not None else _call(layer.h) for known, layer in pairs]
    split, remark = digits.read_split(run.split_x), ""
    if split is None or len(split.val_x) < FEWEST_SAMPLES:
        x, y = digits.load()
        remark = "the split into training and validation set is not as expected, so this is of all digits together"
        split = Split(x, y, x, y, 0)
    for known, layer in zip(activations, run.layers, strict=True):
        if known is None and not remark and not _is_elementwise(layer.h):
            remark = "an activation function of this network does not act on each value alone"
    accuracy = accuracy_of(run.layers, functions, split.train_x, split.train_y, split.val_x, split.val_y)
    return Judged(run, activations, functions, accuracy, remark)


def _call(h: Any) -> Callable[[Array], Array]:
    """An activation that is not known: the student's function, on pre-activations that were computed here."""

    def call(z: Array) -> Array:
        values = as_array(h(torch.tensor(z)))
        if values is None or values.shape != z.shape:
            pytest.fail(f"an activation function changes the shape {z.shape} of its argument")
        return values.astype(float)

    return call


def _is_elementwise(h: Any) -> bool:
    grid = networks.GRID
    shuffled = np.random.default_rng(0).permutation(grid.size)
    values = _call(h)(grid).ravel()
    return matches(_call(h)(grid.ravel()[shuffled]), values[shuffled])


def _repeated(student: Any, judged: list[Judged], demand: Demand, rng: np.random.Generator) -> Verdict:
    """What the student's shapes and hyperparameters come to when they are trained again; `judged` is best first."""
    best = judged[0]
    close = demand.status(best.accuracy) == "just below"
    trials = _trials(student, judged)
    test, verdicts = new_test(), list[Verdict]()
    if best.run.settings is not None and (close or None in best.activations):
        layers = [(*layer.sizes, layer.h) for layer in best.run.layers]
        data = data_like(best.run.split_x, FEWEST_SAMPLES)
        for accuracy in repeat_own(student, layers, best.functions, best.run.settings, data, rng):
            if test.update(demand.status(accuracy) == "reached") != "open":
                break
        if test.verdict == "reached" or not trials:
            return test.verdict
        if test.verdict == "below":
            # Their fault may be one that has cost its point elsewhere: so runs without it have the last word.
            test = new_test()
    elif close:
        # How it was trained is not known.
        verdicts.append("open")
    for shape, settings, run in trials:
        data = data_like(run.split_x, FEWEST_SAMPLES)
        verdict = repeat(shape, settings, data, demand.status, rng, test=test, share=1 / len(trials))
        if verdict == "reached":
            return verdict
        verdicts.append(verdict)
        test = new_test()
    return "open" if "open" in verdicts else "below"


def _trials(student: Any, judged: list[Judged]) -> list[tuple[Shape, Hyperparameters, Run]]:
    """What can be trained again by code of our own: different settings, best first."""
    trials: dict[tuple[Any, ...], tuple[Shape, Hyperparameters, Run]] = {}
    for one in judged:
        settings = one.run.settings
        if settings is None or None in one.activations or len(trials) >= MOST_REPEATED:
            continue
        shape = Shape(
            (INPUTS, *(layer.sizes[1] for layer in one.run.layers)),
            tuple(known for known in one.activations if known is not None),
        )
        trials.setdefault((shape.sizes, settings), (shape, settings, one.run))
    found = list(trials.values())
    if any(settings.learning_rate < 0 for _, settings, _ in found) and _goes_downhill(student):
        # Then a negative learning rate is a mistake of this answer; else it makes up for the one in 1.6.c.
        found = [trial for trial in found if trial[1].learning_rate > 0]
    return [
        (shape, msgspec.structs.replace(settings, learning_rate=abs(settings.learning_rate)), run)
        for shape, settings, run in found
    ]


def _goes_downhill(student: Any) -> bool:
    """Whether the student's train_epoch lowers the loss with a positive learning rate."""
    x = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    y = torch.tensor([1.0, 0.0], dtype=torch.float64)
    student.exec(
        "import torch as _torch\n"
        "_x, _y, _w, _b = [value.clone().detach() for value in _values]\n"
        "_params = [(_w.requires_grad_(), _b.requires_grad_(), _torch.sigmoid)]",
        _values=[x, y, torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)],
    )
    try:
        student.exec("train_epoch(_params, _x, _y, 0.1, 2)")
        return bool(student.eval("_params[0][0].item()") > 0)
    except StudentError:
        return False
