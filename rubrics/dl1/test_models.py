"""Questions of sections 1.4 and 1.5: one layer, many layers, and their first weights."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import networks
import numpy as np
import pytest
import torch

from grader.rubric import expect, stats
from grader.rubric.compare import as_array, matches, number, show

Array = np.ndarray[Any, Any]


@pytest.mark.question("1.4.a", points=1)
def test_model1_preactivation(student, rng):
    """model1 computes the inner product of x and w, plus b."""
    cases = _model1_cases(rng)
    outputs = _model1_outputs(student, cases)
    changed = student.eval("_changed")
    student.replace("sigmoid", expression="lambda x: x")
    plain = _model1_outputs(student, cases)
    right = [x @ w + b for x, w, b in cases]
    if changed:
        pytest.fail(f"model1(x) changes {' and '.join(changed)}: its second call will give something else")
    # Whatever was made of the pre-activation: nothing, the function called sigmoid, or another one.
    for values in (plain, outputs):
        if any(_all_match(values, [h(z) for z in right]) for h in (networks.IDENTITY.of, *ACTIVATIONS.values())):
            return
    x, w, b = cases[0]
    for values in (plain, outputs):
        for h in (networks.IDENTITY.of, *ACTIVATIONS.values()):
            for reason, mistake in PREACTIVATION_MISTAKES.items():
                if _all_match(values, [h(mistake(*case)) for case in cases]):
                    pytest.fail(f"{reason}: it should be x @ w + b")
    given = f"x = {show(x)}, w = {show(w)}, b = {number(b)}"
    shape = np.shape(as_array(plain[0]))
    if shape:
        pytest.fail(f"model1(x) has shape {shape}; the inner product x @ w is a single number, for {given}")
    expect(plain[0], right[0], what="the pre-activation x @ w + b", given=given)


@pytest.mark.question("1.4.a", points=1)
def test_model1_activation(student, rng):
    """model1 applies the logistic sigmoid to the pre-activation."""
    cases = _model1_cases(rng)
    outputs = _model1_outputs(student, cases)
    student.replace("sigmoid", expression="lambda x: x")
    plain = _model1_outputs(student, cases)
    # Right is the sigmoid of what this model takes as pre-activation, be that right or wrong.
    preactivations = [[x @ w + b for x, w, b in cases]]
    preactivations += [[mistake(*case) for case in cases] for mistake in PREACTIVATION_MISTAKES.values()]
    if any(_all_match(outputs, [networks.sigmoid(z) for z in values]) for values in preactivations):
        return
    for values in preactivations:
        _expect_no_other_activation(outputs, values)
    # Last, since what is left of the model without the sigmoid may hold another activation.
    without = [None if value is None else value.astype(float) for value in map(as_array, plain)]
    if all(value is not None for value in without):
        others = (networks.RELU.of, np.tanh, np.round)
        kept = any(_all_match(without, [h(z) for z in preactivations[0]]) for h in others)
        if not kept and _all_match(outputs, [networks.sigmoid(z) for z in without]):
            return
        if all(value.shape == () for value in without) and len(set(map(float, without))) > 1:
            _expect_no_other_activation(outputs, without)
    x, w, b = cases[0]
    right = networks.sigmoid(x @ w + b)
    given = f"x @ w + b = {number(x @ w + b)}"
    expect(outputs[0], right, what="sigmoid of the pre-activation", given=given, rtol=1e-4)


@pytest.mark.question("1.5.a", points=1)
def test_network_linear(student, rng):
    """Each layer computes z @ w + b from the output of the layer before, for all samples of a batch."""
    identity = student.eval("lambda z: z")
    for x, params in _networks(rng):
        given = f"x of shape {tuple(x.shape)} and layers {_sizes(params)}"
        student.exec(CALL_NETWORK, _x=x, _layers=[(w, b, identity) for w, b in params])
        output = student.eval("_output")
        _expect_untouched(student, x, params, given)
        right = _linear(x, params)
        if _is_output(output, right):
            _expect_gradients(student, x, params, given)
            continue
        # An activation that is fixed instead of h is another point's mistake.
        if any(_is_output(output, _forward(x, params, hidden, last)) for hidden, last in FIXED_ACTIVATIONS):
            continue
        for reason, wrong in _linear_mistakes(x, params):
            if _is_output(output, wrong):
                pytest.fail(f"{reason}, for {given}")
        expect(output, right, what="network(x, params) with the identity for h", given=given, rtol=1e-4, atol=1e-4)


@pytest.mark.question("1.5.a", points=1)
def test_network_applies_h(student, rng):
    """Each layer applies its own activation function h to the result of its linear transformation."""
    x, params = _networks(rng)[0]
    student.exec(RECORDING_ACTIVATIONS)
    handles = student.eval("_recording")
    functions = [networks.TANH.of, lambda z: np.logaddexp(0, z), networks.sigmoid]
    output = student.network(x, [(w, b, h) for (w, b), h in zip(params, handles, strict=True)])
    layers = [networks.Layer(w.numpy().astype(float), b.numpy().astype(float), None) for w, b in params]
    right = networks.forward(x.numpy().astype(float), layers, functions).squeeze(-1)
    if _is_output(output, right, squeezed=True):
        return
    # The linear part may be wrong: that costs its own point.
    seen = student.eval("_seen")
    order = [number for number, _, _ in seen]
    if not order:
        pytest.fail("the activation functions h in params are never called")
    if order != [0, 1, 2]:
        called = ", ".join(str(place + 1) for place in order)
        pytest.fail(f"in a network of 3 layers, the activation functions called are those of layer {called}")
    if matches(seen[0][1], x):
        pytest.fail("h of the first layer is applied to x itself; it should be applied to x @ w + b")
    if any(matches(before[2], after[1]) for before, after in pairwise(seen)):
        pytest.fail("h is applied to the output of the layer before; it should be applied to z @ w + b")
    if not _is_output(output, np.asarray(as_array(seen[-1][2])).squeeze(), squeezed=True):
        pytest.fail("the output of the network is not what h of the last layer gives")


@pytest.mark.question("1.5.b", points=1)
def test_make_layer_scale(student, rng):
    """The weights have the scale of He initialisation, sqrt(2 / d0)."""
    weights, d0, d1 = _weights(student, rng)
    if _scale(weights, d0, d1) is None:
        spread = float(weights.std())
        pytest.fail(
            f"the weights' standard deviation is {spread:.4g} for d0 = {d0}, d1 = {d1}; "
            f"it should be sqrt(2/d0) = {(2 / d0) ** 0.5:.4g}{_known_scale(weights, d0, d1)}"
        )


@pytest.mark.question("1.5.b", points=1)
def test_make_layer_normal_weights(student, rng):
    """The weights, of shape (d0, d1), are normally distributed around 0 and multiplied by that scale."""
    # Weights that the activation was applied to are not normal any more.
    weights, d0, d1 = _weights(student, rng, activation="lambda z: z * (z > 0)")
    again, _, _ = _weights(student, rng, sizes=(d0, d1))
    if weights.shape != (d0, d1):
        pytest.fail(f"the weights have shape {weights.shape}, expected ({d0}, {d1}), for d0 = {d0}, d1 = {d1}")
    scale = _scale(weights, d0, d1)
    if scale is not None and scale.squared:
        pytest.fail(
            f"the weights' standard deviation is {weights.std():.4g} = 2/{scale.size} for d0 = {d0}, d1 = {d1}; "
            f"it should be sqrt(2/d0) = {(2 / d0) ** 0.5:.4g}: the scale is squared"
        )
    if stats.std_is(weights, 1):
        pytest.fail("the weights' standard deviation is 1: they are not multiplied by the scale")
    if len(np.unique(weights)) < 0.9 * weights.size:
        pytest.fail("many weights are equal: each should be drawn anew")
    stats.expect_normal(weights, mean=0, what="weights", false_fail=stats.FALSE_FAIL / 2)
    stats.expect_independent(weights, again, what="weights", false_fail=stats.FALSE_FAIL / 2)


@pytest.mark.question("1.5.b", points=1)
def test_make_layer_biases(student, rng):
    """The biases are zeros of shape (d1,); the layer is (w, b, activation), in float64."""
    d0, d1 = int(rng.integers(3, 9)), int(rng.integers(10, 20))
    given = f"make_layer({d0}, {d1}, activation)"
    activation = student.eval("lambda z: z**3")
    layer = _layer(student.make_layer(d0, d1, activation))
    expect(layer[1], np.zeros(d1), what="the biases", given=given, atol=0)
    student.exec("_first, _second = (make_layer(_d0, _d1, abs)[1] for _ in range(2))", _d0=d0, _d1=d1)
    if student.eval("_first is _second"):
        pytest.fail("all layers share one tensor of biases: training one of them changes the others")
    for name, value in (("weights", layer[0]), ("biases", layer[1])):
        dtype = getattr(value, "dtype", None)
        if dtype not in (torch.float64, np.float64):
            pytest.fail(f"the {name} should be float64 as the data are, and are {dtype or type(value).__name__}")
    x = torch.tensor([-1.0, 2.0], dtype=torch.float64)
    if not callable(layer[2]) or not matches(layer[2](x), x**3):
        pytest.fail(f"the third item of the layer should be the activation function as it was given, for {given}")


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "the logistic sigmoid": networks.sigmoid,
    "ReLU": networks.RELU.of,
    "tanh": np.tanh,
    "the sigmoid of -z": lambda z: networks.sigmoid(-z),
    "the sigmoid twice": lambda z: networks.sigmoid(networks.sigmoid(z)),
    "the sigmoid of ReLU": lambda z: networks.sigmoid(networks.RELU.of(z)),
    "the exponential function": np.exp,
    "rounding of the sigmoid": lambda z: np.round(networks.sigmoid(z)),
}

PREACTIVATION_MISTAKES: dict[str, Callable[[Array, Array, Array], Any]] = {
    "x * w + b multiplies element by element and does not sum": lambda x, w, b: x * w + b,
    "x * w multiplies element by element and does not sum, and the bias b is missing": lambda x, w, b: x * w,
    "the bias b is missing": lambda x, w, b: x @ w,
    "the bias b is subtracted": lambda x, w, b: x @ w - b,
    "the bias b is added twice": lambda x, w, b: x @ w + 2 * b,
    "the inner product has the wrong sign": lambda x, w, b: b - x @ w,
    "the bias b is multiplied": lambda x, w, b: (x @ w) * b,
    "x is multiplied by the sum of w": lambda x, w, b: x * w.sum() + b,
    "b is added before the product": lambda x, w, b: (x + b) @ w,
    "b is added to every product": lambda x, w, b: (x * w + b).sum(),
    "this is the mean of x * w, plus b": lambda x, w, b: (x * w).mean() + b,
}

FIXED_ACTIVATIONS: list[tuple[Callable[[Array], Array], Callable[[Array], Array]]] = [
    (hidden, last)
    for hidden in (networks.IDENTITY.of, networks.RELU.of, networks.sigmoid, np.tanh)
    for last in (networks.IDENTITY.of, networks.sigmoid, networks.RELU.of)
]
"""For the hidden layers and for the last one."""

RECORDING_ACTIVATIONS = """
import torch as _torch
_seen = []

def _recorder(number, function):
    def h(z):
        result = function(z)
        _seen.append((number, z.detach().clone(), result.detach().clone()))
        return result
    return h

_recording = [_recorder(n, h) for n, h in enumerate([_torch.tanh, _torch.nn.functional.softplus, _torch.sigmoid])]
"""


class Scale:
    """Where the spread of some weights comes from: sqrt(2/size), perhaps squared."""

    def __init__(self, size: str, *, squared: bool) -> None:
        self.size = size
        self.squared = squared


def _model1_cases(rng: np.random.Generator) -> list[tuple[Array, Array, Array]]:
    """x, w and b, float32 as in the notebook; pre-activations on both sides of 0 and away from it."""
    cases = []
    for target in (-1.5, -0.7, 0.8, 1.6):
        x, w = rng.normal(size=(2, 5)).astype(np.float32)
        cases.append((x, w, np.float32(target - x @ w)))
    return cases


CALL_MODEL1 = """
_outputs, _changed = [], []
for _case in _cases:
    _x, w, b = [value.clone() for value in _case]
    _outputs.append(model1(_x))
    for _name, _value, _before in zip(("x", "w", "b"), (_x, w, b), _case):
        if _name not in _changed and not (_value.shape == _before.shape and bool((_value == _before).all())):
            _changed.append(_name)
"""


def _model1_outputs(student: Any, cases: list[tuple[Array, Array, Array]]) -> list[Any]:
    # A model for float64 parameters is as right, and need not work with others.
    double = student.eval("getattr(globals().get('w'), 'dtype', None) == __import__('torch').float64")
    dtype = torch.float64 if double is True else torch.float32
    student.exec(CALL_MODEL1, _cases=[[torch.tensor(value, dtype=dtype) for value in case] for case in cases])
    return list(student.eval("_outputs"))


def _expect_no_other_activation(outputs: list[Any], preactivations: list[Any]) -> None:
    # A replaced sigmoid leaves a model alone that has a formula of its own.
    inside = all(np.min(value) > 0 and np.max(value) < 1 for value in preactivations)
    if not inside and _all_match(outputs, preactivations):
        pytest.fail("model1 returns the pre-activation: no activation function is applied to it")
    for name, h in ACTIVATIONS.items():
        if h is not networks.sigmoid and _all_match(outputs, [h(z) for z in preactivations]):
            pytest.fail(f"model1 applies {name} to the pre-activation; it should be the logistic sigmoid")


def _all_match(actual: list[Any], expected: list[Any]) -> bool:
    return all(matches(one, other, rtol=1e-4, atol=1e-5) for one, other in zip(actual, expected, strict=True))


CALL_NETWORK = """
_sent_x, _sent, _params = _x, _layers, list(_layers)
for _layer in _params:
    _layer[0].requires_grad_(), _layer[1].requires_grad_()
_output = network(_x, _params)
"""

READ_GRADIENTS = """
import torch as _torch

def _gradients():
    if not isinstance(_output, _torch.Tensor) or not _output.requires_grad:
        return None
    _output.sum().backward()
    return [_torch.zeros_like(t) if t.grad is None else t.grad.clone() for w, b, h in _sent for t in (w, b)]
"""


def _expect_untouched(
    student: Any, x: torch.Tensor, params: list[tuple[torch.Tensor, torch.Tensor]], given: str
) -> None:
    if student.eval("len(_params)") != len(params):
        pytest.fail(f"network takes layers out of params: its second call will find others there, for {given}")
    after = student.eval(
        "[tensor.detach().clone() for tensor in (_sent_x, *(t for layer in _sent for t in layer[:2]))]"
    )
    before = [x, *(tensor for layer in params for tensor in layer)]
    if not all(matches(one, other, rtol=0, atol=0) for one, other in zip(after, before, strict=True)):
        changed = "x" if not matches(after[0], x, rtol=0, atol=0) else "the weights or biases in params"
        pytest.fail(f"network changes {changed} in place: its second call will give something else, for {given}")


def _expect_gradients(
    student: Any, x: torch.Tensor, params: list[tuple[torch.Tensor, torch.Tensor]], given: str
) -> None:
    """The output can be differentiated: training will ask for the gradients of all weights and biases."""
    student.exec(READ_GRADIENTS)
    actual = student.eval("_gradients()")
    if actual is None:
        pytest.fail(f"the output has no gradient: it is cut off from the weights and biases, for {given}")
    leaves = [tensor.clone().requires_grad_() for layer in params for tensor in layer]
    z = x
    for w, b in zip(leaves[::2], leaves[1::2], strict=True):
        z = z @ w + b
    z.sum().backward()
    for place, (one, other) in enumerate(zip(actual, leaves, strict=True)):
        name = f"the {'weights' if place % 2 == 0 else 'biases'} of layer {place // 2 + 1}"
        expect(one, other.grad, what=f"gradient of the sum of all outputs by {name}", given=given, rtol=1e-3, atol=1e-3)


def _networks(rng: np.random.Generator) -> list[tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]]:
    """Batches and layers: three layers to one output, two layers to three outputs."""
    nets = []
    for sizes, dtype in (((5, 10, 7, 1), torch.float32), ((4, 6, 3), torch.float64)):
        # No batch of 1: there, squeezing all axes and squeezing the last one differ.
        x = torch.tensor(rng.normal(size=(int(rng.integers(11, 20)), sizes[0])), dtype=dtype)
        params = [
            (
                torch.tensor(rng.normal(size=shape) * 0.6, dtype=dtype),
                torch.tensor(rng.normal(size=shape[1]), dtype=dtype),
            )
            for shape in pairwise(sizes)
        ]
        nets.append((x, params))
    return nets


def _forward(
    x: torch.Tensor, params: list[tuple[torch.Tensor, torch.Tensor]], hidden: Callable[[Array], Array],
    last: Callable[[Array], Array],
) -> Array:  # fmt: skip
    layers = [networks.Layer(w.numpy().astype(float), b.numpy().astype(float), None) for w, b in params]
    output = networks.forward(x.numpy().astype(float), layers, [*[hidden] * (len(layers) - 1), last])
    return output.squeeze(-1) if output.shape[-1] == 1 else output


def _linear(x: torch.Tensor, params: list[tuple[torch.Tensor, torch.Tensor]]) -> Array:
    return _forward(x, params, networks.IDENTITY.of, networks.IDENTITY.of)


def _linear_mistakes(
    x: torch.Tensor, params: list[tuple[torch.Tensor, torch.Tensor]]
) -> list[tuple[str, Array | torch.Tensor]]:
    right = _linear(x, params)
    unbiased = [(w, torch.zeros_like(b)) for w, b in params]
    turned = [(w, -b) for w, b in params]
    mistakes: list[tuple[str, Array | torch.Tensor]] = [
        ("the biases are missing", _linear(x, unbiased)),
        ("the biases are subtracted", _linear(x, turned)),
        ("only the first layer is computed", _linear(x, params[:1])),
        ("network returns x as it is", x),
    ]
    if right.ndim == 1:
        mistakes.append(("the last axis should be squeezed when it is 1", right[:, None]))
    return mistakes


def _is_output(actual: Any, expected: Any, *, squeezed: bool = False) -> bool:
    if squeezed:
        array = as_array(actual)
        actual = None if array is None else array.squeeze()
    return actual is not None and matches(actual, expected, rtol=1e-4, atol=1e-4)


def _sizes(params: list[tuple[torch.Tensor, torch.Tensor]]) -> str:
    return "-".join(str(size) for size in (params[0][0].shape[0], *(w.shape[1] for w, _ in params)))


def _layer(result: Any) -> Any:
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        pytest.fail(f"make_layer should return (w, b, activation), got {show(result)}")
    return result


def _weights(
    student: Any, rng: np.random.Generator, *, activation: str = "lambda z: z", sizes: tuple[int, int] | None = None
) -> tuple[Array, int, int]:
    """The weights of a layer with sizes so different that every formula gives another spread."""
    d0, d1 = sizes or (int(rng.integers(440, 560)), int(rng.integers(75, 100)))
    layer = student.make_layer(d0, d1, student.eval(activation))
    weights = as_array(layer[0]) if isinstance(layer, (tuple, list)) and layer else None
    if weights is None or weights.size != d0 * d1:
        shape = "no numbers" if weights is None else f"of shape {weights.shape}"
        pytest.fail(f"the weights are {shape}, expected shape ({d0}, {d1})")
    if not np.isfinite(weights).all():
        pytest.fail("some weights are nan or infinite")
    return weights.astype(float), d0, d1


def _scale(weights: Array, d0: int, d1: int) -> Scale | None:
    """The right or tolerated scale that these weights are made with, if any."""
    for size, value in (("d0", d0), ("d1", d1)):
        for squared in (False, True):
            if _has_scale(weights, 2 / value if squared else (2 / value) ** 0.5):
                return Scale(size, squared=squared)
    return None


def _has_scale(weights: Array, scale: float) -> bool:
    # Weights that repeat are another point's mistake: so many independent ones there are as are different.
    different = np.unique(weights)
    sample = different if 30 <= different.size < 0.9 * weights.size else weights
    if stats.std_is(sample, scale):
        return True
    # Uniform or constant instead of normal is another point's mistake: there, the scale is (half) the width, or all.
    if np.allclose(abs(weights), scale, rtol=1e-5):
        return True
    width = float(weights.max() - weights.min())
    return any(np.isclose(width, times * scale, rtol=0.01) for times in (1, 2)) and stats.is_uniform(weights)


def _known_scale(weights: Array, d0: int, d1: int) -> str:
    formulas = {
        "1: they are not scaled": 1.0,
        "sqrt(1/d0), Xavier's rule": (1 / d0) ** 0.5,
        "sqrt(1/d1)": (1 / d1) ** 0.5,
        "sqrt(2/(d0 + d1)), Glorot's rule": (2 / (d0 + d1)) ** 0.5,
        "1/d0": 1 / d0,
        "1/d1": 1 / d1,
        "sqrt(d0/2): the fraction is upside down": (d0 / 2) ** 0.5,
        "sqrt(2)/d0": 2**0.5 / d0,
        "2": 2.0,
    }
    return next((f". Yours is {name}" for name, value in formulas.items() if stats.std_is(weights, value)), "")
