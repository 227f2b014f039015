"""Questions of sections 1.4 and 1.5: one layer, many layers, and their first weights."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from grader.rubric import expect, stats
from grader.rubric.compare import as_array, matches, number, show
from grader.rubric.properties import once

Array = np.ndarray[Any, Any]


@pytest.mark.question("1.4.a", points=1, public=True)
def test_model1_preactivation(student, reference, examples, rng):
    """model1 computes the inner product of x and w, plus b."""
    [cases] = examples(once(lambda: _model1_cases(rng)))
    known = _known_model1(reference, cases)
    outputs = _model1_outputs(student, cases)
    changed = student.eval("_changed")
    student.replace("sigmoid", expression="lambda x: x")
    plain = _model1_outputs(student, cases)
    if changed:
        pytest.fail(f"model1(x) changes {' and '.join(changed)}: its second call will give something else")
    # Whatever was made of the pre-activation: nothing, the function called sigmoid, or another one.
    for values in (plain, outputs):
        if any(_all_match(values, right) for right in known[RIGHT].values()):
            return
    _expect_difference(outputs)
    for values in (plain, outputs):
        for name in known[RIGHT]:
            for reason in PREACTIVATION_MISTAKES:
                if _all_match(values, known[reason][name]):
                    pytest.fail(f"{reason}: it should be the inner product of x and w, plus b")
    x, w, b = cases[0]
    given = f"x = {show(x)}, w = {show(w)}, b = {number(b)}"
    shape = np.shape(as_array(plain[0]))
    if shape:
        pytest.fail(f"model1(x) has shape {shape}; the inner product of x and w is a single number, for {given}")
    expect(plain[0], known[RIGHT][NO_ACTIVATION][0], what="the pre-activation", given=given)


@pytest.mark.question("1.4.a", points=1, public=True)
def test_model1_activation(student, reference, examples, rng):
    """model1 applies the logistic sigmoid to the pre-activation."""
    [cases] = examples(once(lambda: _model1_cases(rng)))
    known = _known_model1(reference, cases)
    outputs = _model1_outputs(student, cases)
    student.replace("sigmoid", expression="lambda x: x")
    plain = _model1_outputs(student, cases)
    # Right is the sigmoid of what this model takes as pre-activation, be that right or wrong.
    if any(_all_match(outputs, values[SIGMOID]) for values in known.values()):
        return
    _expect_difference(outputs)
    for values in known.values():
        for name, wrong in values.items():
            # A replaced sigmoid leaves a model alone that has a formula of its own.
            if name == NO_ACTIVATION and not _are_probabilities(wrong) and _all_match(outputs, wrong):
                pytest.fail("model1 returns the pre-activation: no activation function is applied to it")
            if name not in (NO_ACTIVATION, SIGMOID) and _all_match(outputs, wrong):
                pytest.fail(f"model1 applies {name} to the pre-activation; it should be the logistic sigmoid")
    # Last, since what is left of the model without the sigmoid may hold another activation.
    rounded = [np.round(z) for z in known[RIGHT][NO_ACTIVATION]]
    kept = (known[RIGHT]["ReLU"], known[RIGHT]["tanh"], rounded)
    if _are_numbers(plain) and not any(_all_match(plain, values) for values in kept):
        student.replace("sigmoid", expression="lambda x: 4 * x + 8")
        # So it returns what is called sigmoid there, of whatever it takes as pre-activation.
        if _all_match(_model1_outputs(student, cases), [4 * as_array(z) + 8 for z in plain]):
            return
        if not _are_probabilities(plain) and _all_match(outputs, plain):
            pytest.fail("model1 returns the pre-activation: no activation function is applied to it")
    given = f"the pre-activation {number(as_array(known[RIGHT][NO_ACTIVATION][0])[()])}"
    expect(outputs[0], known[RIGHT][SIGMOID][0], what="model1(x)", given=given, rtol=1e-4)


@pytest.mark.question("1.5.a", points=1, public=True)
def test_network_linear(student, reference, examples, rng):
    """Each layer computes z @ w + b from the output of the layer before, for all samples of a batch."""
    [cases] = examples(once(lambda: _networks(rng)))
    known = _known_networks(reference, cases)
    identity = student.eval("lambda z: z")
    for (x, params), right in zip(cases, known, strict=True):
        given = f"x of shape {tuple(x.shape)} and layers {_sizes(params)}"
        student.exec(CALL_NETWORK, _x=x, _layers=[(w, b, identity) for w, b in params])
        output = student.eval("_output")
        _expect_untouched(student, x, params, given)
        if _is_output(output, right["linear"]):
            _expect_gradients(student, right["gradients"], given)
            continue
        # An activation that is fixed instead of h is another point's mistake.
        if any(_is_output(output, fixed) for fixed in right["fixed"]):
            continue
        for reason, wrong in zip(LINEAR_MISTAKES, right["mistaken"], strict=True):
            if wrong is not None and _is_output(output, wrong):
                pytest.fail(f"{reason}, for {given}")
        expect(
            output,
            right["linear"],
            what="network(x, params) with the identity for h",
            given=given,
            rtol=1e-4,
            atol=1e-4,
        )


@pytest.mark.question("1.5.a", points=1, public=True)
def test_network_applies_h(student, reference, examples, rng):
    """Each layer applies its own activation function h to the result of its linear transformation."""
    [cases] = examples(once(lambda: _networks(rng)))
    x, params = cases[0]
    right = _output_of_reference(reference, x, params)
    student.exec(RECORDING_ACTIVATIONS)
    handles = student.eval("_recording")
    output = student.network(x, [(w, b, h) for (w, b), h in zip(params, handles, strict=True)])
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


@pytest.mark.question("1.5.b", points=1, public=True)
def test_make_layer_scale(student, reference, examples, rng):
    """The weights have the scale of He initialisation, sqrt(2 / d0)."""
    [(d0, d1)] = examples(once(lambda: _layer_sizes(rng)))
    scales = Scales(reference, d0, d1)
    weights = _weights(student, d0, d1)
    if scales.that_made(weights) is None:
        pytest.fail(
            f"the weights' standard deviation is {weights.std():.4g} for d0 = {d0}, d1 = {d1}; "
            f"it should be sqrt(2/d0) = {scales.right:.4g}{scales.known(weights)}"
        )


@pytest.mark.question("1.5.b", points=1, public=True)
def test_make_layer_normal_weights(student, reference, examples, rng):
    """The weights, of shape (d0, d1), are normally distributed around 0 and multiplied by that scale."""
    [(d0, d1)] = examples(once(lambda: _layer_sizes(rng)))
    scales = Scales(reference, d0, d1)
    # Weights that the activation was applied to are not normal any more.
    weights = _weights(student, d0, d1, activation="lambda z: z * (z > 0)")
    again = _weights(student, d0, d1)
    if weights.shape != (d0, d1):
        pytest.fail(f"the weights have shape {weights.shape}, expected ({d0}, {d1}), for d0 = {d0}, d1 = {d1}")
    scale = scales.that_made(weights)
    if scale is not None and scale.squared:
        pytest.fail(
            f"the weights' standard deviation is {weights.std():.4g} = 2/{scale.size} for d0 = {d0}, d1 = {d1}; "
            f"it should be sqrt(2/d0) = {scales.right:.4g}: the scale is squared"
        )
    if stats.std_is(weights, 1):
        pytest.fail("the weights' standard deviation is 1: they are not multiplied by the scale")
    if len(np.unique(weights)) < 0.9 * weights.size:
        pytest.fail("many weights are equal: each should be drawn anew")
    stats.expect_normal(weights, mean=0, what="weights", false_fail=stats.FALSE_FAIL / 2)
    stats.expect_independent(weights, again, what="weights", false_fail=stats.FALSE_FAIL / 2)


@pytest.mark.question("1.5.b", points=1, public=True)
def test_make_layer_biases(student, reference, examples, rng):
    """The biases are zeros of shape (d1,); the layer is (w, b, activation), in float64."""
    [(d0, d1)] = examples(once(lambda: (int(rng.integers(3, 9)), int(rng.integers(10, 20)))))
    right = reference.eval("make_layer(*check_sizes, abs)[1]", check_sizes=(d0, d1))
    given = f"make_layer({d0}, {d1}, activation)"
    activation = student.eval("lambda z: z**3")
    layer = _layer(student.make_layer(d0, d1, activation))
    expect(layer[1], right, what="the biases", given=given, atol=0)
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


RIGHT = ""
NO_ACTIVATION = "no activation function"
SIGMOID = "the logistic sigmoid"

ACTIVATIONS = {
    NO_ACTIVATION: "z",
    SIGMOID: "sigmoid(z)",
    "ReLU": "relu(z)",
    "tanh": "torch.tanh(z)",
    "the sigmoid of -z": "sigmoid(-z)",
    "the sigmoid twice": "sigmoid(sigmoid(z))",
    "the sigmoid of ReLU": "sigmoid(relu(z))",
    "the exponential function": "torch.exp(z)",
    "rounding of the sigmoid": "torch.round(sigmoid(z))",
}

# Made of the right pre-activation z.
PREACTIVATION_MISTAKES = {
    "x * w + b multiplies element by element and does not sum": "x * w + b",
    "x * w multiplies element by element and does not sum, and the bias b is missing": "x * w",
    "the bias b is missing": "z - b",
    "the bias b is subtracted": "z - 2 * b",
    "the bias b is added twice": "z + b",
    "the inner product has the wrong sign": "2 * b - z",
    "the bias b is multiplied": "(z - b) * b",
    "x is multiplied by the sum of w": "x * w.sum() + b",
    "b is added before the product": "z - b + b * w.sum()",
    "b is added to every product": "z - b + b * len(x)",
    "this is the mean of x * w, plus b": "(z - b) / len(x) + b",
}

KNOWN_MODEL1 = """
import torch

def check_model1(x, w, b):
    global sigmoid
    globals().update(w=w, b=b)
    kept, sigmoid = sigmoid, lambda z: z
    z = model1(x)
    sigmoid = kept
    return [check_activations(value) for value in check_preactivations(x, w, b, z)]
"""


def _known_model1(reference: Any, cases: list[tuple[Array, Array, Array]]) -> dict[str, dict[str, list[Any]]]:
    """By pre-activation, right or wrong, and by activation: what the model gives for all cases."""
    reference.exec(
        f"check_activations = lambda z: [{', '.join(ACTIVATIONS.values())}]\n"
        f"check_preactivations = lambda x, w, b, z: [z, {', '.join(PREACTIVATION_MISTAKES.values())}]\n" + KNOWN_MODEL1
    )
    doubles = [[torch.tensor(value, dtype=torch.float64) for value in case] for case in cases]
    values = reference.eval("[check_model1(*case) for case in check_cases]", check_cases=doubles)
    return {
        reason: {name: [one[row][column] for one in values] for column, name in enumerate(ACTIVATIONS)}
        for row, reason in enumerate((RIGHT, *PREACTIVATION_MISTAKES))
    }


# The functions of the layers, in this order.
THREE_ACTIVATIONS = "[torch.tanh, torch.nn.functional.softplus, torch.atan]"

RECORDING_ACTIVATIONS = f"""
import torch
_seen = []

def _recorder(number, function):
    def h(z):
        result = function(z)
        _seen.append((number, z.detach().clone(), result.detach().clone()))
        return result
    return h

_recording = [_recorder(n, h) for n, h in enumerate({THREE_ACTIVATIONS})]
"""


def _output_of_reference(reference: Any, x: torch.Tensor, params: list[tuple[torch.Tensor, torch.Tensor]]) -> Any:
    """With THREE_ACTIVATIONS."""
    reference.exec("import torch")
    return reference.eval(
        f"network(check_x, [(*layer, h) for layer, h in zip(check_layers, {THREE_ACTIVATIONS})])",
        check_x=x.double(),
        check_layers=[(w.double(), b.double()) for w, b in params],
    )


# The output of the network called with other layers.
LINEAR_MISTAKES = {
    "the biases are missing": "linear(x, [(w, 0 * b) for w, b in layers])",
    "the biases are subtracted": "linear(x, [(w, -b) for w, b in layers])",
    "only the first layer is computed": "linear(x, layers[:1])",
    "network returns x as it is": "x",
    "the last axis should be squeezed when it is 1": "right[:, None] if right.ndim == 1 else None",
}

KNOWN_NETWORKS = f"""
import torch

def check_network(x, layers):
    def output(hidden, last):
        return network(x, [(w, b, hidden) for w, b in layers[:-1]] + [(*layers[-1], last)])

    def linear(x, layers):
        return network(x, [(w, b, identity) for w, b in layers])

    identity = lambda z: z
    right = linear(x, layers)
    known = {{
        "linear": right,
        "fixed": [output(h, last) for h in (identity, relu, sigmoid, torch.tanh) for last in (identity, sigmoid, relu)],
        "mistaken": [{", ".join(LINEAR_MISTAKES.values())}],
    }}
    leaves = [tensor.clone().requires_grad_() for layer in layers for tensor in layer]
    linear(x, list(zip(leaves[::2], leaves[1::2]))).sum().backward()
    return {{**known, "gradients": [tensor.grad for tensor in leaves]}}
"""


def _known_networks(reference: Any, cases: list[Any]) -> list[dict[str, Any]]:
    """Of each network: the output with the identity for h, its gradients, and what comes of common mistakes."""
    reference.exec(KNOWN_NETWORKS)
    doubles = [(x.double(), [(w.double(), b.double()) for w, b in params]) for x, params in cases]
    known: list[dict[str, Any]] = reference.eval("[check_network(*case) for case in check_cases]", check_cases=doubles)
    return known


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


def _expect_difference(outputs: list[Any]) -> None:
    if _are_numbers(outputs) and all(matches(output, outputs[0]) for output in outputs):
        pytest.fail(f"model1(x) is {show(outputs[0])} for every x, w and b")


def _are_numbers(values: list[Any]) -> bool:
    return all(as_array(value) is not None for value in values)


def _are_probabilities(values: list[Any]) -> bool:
    return all(np.min(as_array(value)) > 0 and np.max(as_array(value)) < 1 for value in values)


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


def _expect_gradients(student: Any, right: list[Any], given: str) -> None:
    """The output can be differentiated: training will ask for the gradients of all weights and biases."""
    student.exec(READ_GRADIENTS)
    actual = student.eval("_gradients()")
    if actual is None:
        pytest.fail(f"the output has no gradient: it is cut off from the weights and biases, for {given}")
    for place, (one, other) in enumerate(zip(actual, right, strict=True)):
        name = f"the {'weights' if place % 2 == 0 else 'biases'} of layer {place // 2 + 1}"
        expect(one, other, what=f"gradient of the sum of all outputs by {name}", given=given, rtol=1e-3, atol=1e-3)


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


def _layer_sizes(rng: np.random.Generator) -> tuple[int, int]:
    """Inputs and outputs of a layer, so different that every formula gives another spread."""
    return int(rng.integers(440, 560)), int(rng.integers(75, 100))


def _weights(student: Any, d0: int, d1: int, *, activation: str = "lambda z: z") -> Array:
    layer = student.make_layer(d0, d1, student.eval(activation))
    weights = as_array(layer[0]) if isinstance(layer, (tuple, list)) and layer else None
    if weights is None or weights.size != d0 * d1:
        shape = "no numbers" if weights is None else f"of shape {weights.shape}"
        pytest.fail(f"the weights are {shape}, expected shape ({d0}, {d1})")
    if not np.isfinite(weights).all():
        pytest.fail("some weights are nan or infinite")
    return weights.astype(float)


SCALE_OF_REFERENCE = """
import torch

def check_scale(size):
    # The same random numbers twice, with the scale and without: so it is known exactly.
    torch.manual_seed(size)
    weights = make_layer(size, 10, None)[0]
    torch.manual_seed(size)
    return (weights.std() / torch.randn(size, 10, dtype=weights.dtype).std()).item()
"""


class Scale(NamedTuple):
    """Where the spread of some weights comes from: the right scale for d0 or for d1, perhaps squared."""

    size: str
    squared: bool


class Scales:
    """The scales that weights of a layer can have, as the reference has them."""

    def __init__(self, reference: Any, d0: int, d1: int) -> None:
        reference.exec(SCALE_OF_REFERENCE)
        self.right, self.for_d1, self.for_both = reference.eval(
            "[check_scale(size) for size in check_sizes]", check_sizes=[d0, d1, d0 + d1]
        )

    def that_made(self, weights: Array) -> Scale | None:
        """The right or tolerated scale that these weights are made with, if any."""
        for size, value in (("d0", self.right), ("d1", self.for_d1)):
            for squared in (False, True):
                if _has_scale(weights, value**2 if squared else value):
                    return Scale(size, squared)
        return None

    def known(self, weights: Array) -> str:
        """Which common mistake made these weights, for the end of a message."""
        mistakes = {
            "1: they are not scaled": 1.0,
            "sqrt(1/d0), Xavier's rule": self.right / 2**0.5,
            "sqrt(1/d1)": self.for_d1 / 2**0.5,
            "sqrt(2/(d0 + d1)), Glorot's rule": self.for_both,
            "1/d0": self.right**2 / 2,
            "1/d1": self.for_d1**2 / 2,
            "sqrt(d0/2): the fraction is upside down": 1 / self.right,
            "sqrt(2)/d0": self.right**2 / 2**0.5,
            "2": 2.0,
        }
        return next((f". Yours is {name}" for name, value in mistakes.items() if stats.std_is(weights, value)), "")


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
