"""The checks that the other tools get: an instructor's tests of the same functions, the same ones for both tools.

Each is a function of the notebook's names, written out into a cell (nbgrader) or a test file (otter-grader); so each
imports what it needs. An answer passes if nothing is raised. They are lighter than the checks of `rubrics/`: a few
inputs for each function, no common mistakes to recognise, nothing carried forward.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

Names = dict[str, Any]
Check = Callable[[Names], None]

CHECKS: dict[str, dict[str, Check]] = {}
"""By rubric and question."""


def check(rubric: str, *questions: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS.setdefault(rubric, {}).update(dict.fromkeys(questions, function))
        return function

    return register


def source(function: Check) -> str:
    """The check as code that stands alone, without its decorator and annotations."""
    text = textwrap.dedent(inspect.getsource(function))
    return re.sub(r"^def (\w+)\(env: Names\) -> None:", r"def \1(env):", text[text.index("def ") :])


# statistics1


@check("statistics1", "1.1.a")
def check_standardise(env: Names) -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    for rows in (4, 5, 6):
        x = rng.normal([5, 170, 0], [2, 10, 1], size=(rows, 3)).round(2)
        given = x.copy()
        z = env["standardise"](x)
        assert np.allclose(z, (given - given.mean(axis=0)) / given.std(axis=0))
        assert np.array_equal(x, given)
    constant = np.array([[3.0, -1.0], [3.0, 1.0]])
    assert np.allclose(env["standardise"](constant), [[0, -1], [0, 1]])


@check("statistics1", "1.1.b")
def check_correlations(env: Names) -> None:
    import numpy as np

    rng = np.random.default_rng(2)
    for rows in (4, 5, 6):
        x = rng.normal([5, 170, 0], [2, 10, 1], size=(rows, 3)).round(2)
        assert np.allclose(env["correlations"](x), np.corrcoef(x, rowvar=False))


@check("statistics1", "1.2.a")
def check_bootstrap(env: Names) -> None:
    import numpy as np

    rng = np.random.default_rng(3)
    x = rng.integers(150, 200, size=60).astype(float)
    means = np.asarray(env["bootstrap_means"](x, 2000))
    assert means.shape == (2000,)
    standard_error = x.std() / 60**0.5
    assert abs(means.mean() - x.mean()) < 5 * standard_error / 2000**0.5
    assert abs(means.std() / standard_error - 1) < 0.1
    assert np.allclose(means * 60, np.round(means * 60))
    assert not np.allclose(means, env["bootstrap_means"](x, 2000))


# dl1


@check("dl1", "1.1.a")
def check_descent(env: Names) -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    for steps in (1, 3, 6):
        x, y = rng.uniform(-2, 2, 2)
        size = rng.uniform(0.01, 0.1)
        got = env["optimize_f"](x, y, size, steps)
        for _ in range(steps):
            x, y = x - size * (2 * x + y + 2 - 3 * np.sin(3 * x)), y - size * (x + 2 * y)
        value = x**2 + y**2 + x * (y + 2) + np.cos(3 * x)
        assert np.allclose(got[:3], [x, y, value], rtol=1e-4)


@check("dl1", "1.1.g")
def check_decay(env: Names) -> None:
    import numpy as np

    rng = np.random.default_rng(2)
    for steps in (1, 3, 6):
        start = rng.uniform(-2, 2, 2)
        size, decay = rng.uniform(0.01, 0.1), rng.uniform(0.5, 0.9)
        got = env["optimize_f"](*start, size, steps, decay)
        ends = []
        for first in (0, 1):
            x, y = start
            for step in range(steps):
                eta = size * decay ** (first + step)
                x, y = x - eta * (2 * x + y + 2 - 3 * np.sin(3 * x)), y - eta * (x + 2 * y)
            ends.append([x, y])
        assert any(np.allclose(got[:2], end, rtol=1e-4) for end in ends)


@check("dl1", "1.1.h")
def check_tuned(env: Names) -> None:
    assert env["results"][2] < -2


@check("dl1", "1.3.a")
def check_sigmoid(env: Names) -> None:
    import numpy as np
    import torch

    x = torch.linspace(-8, 8, 30).reshape(6, 5)
    assert np.allclose(np.asarray(env["sigmoid"](x)), 1 / (1 + np.exp(-x.numpy())), atol=1e-5)
    for value, right in ((0, 0.5), (-100, 0.0), (100, 1.0)):
        assert abs(float(env["sigmoid"](torch.tensor(value))) - right) < 1e-6


@check("dl1", "1.3.b")
def check_relu(env: Names) -> None:
    import numpy as np
    import torch

    x = torch.linspace(-8, 8, 30).reshape(6, 5)
    assert np.allclose(np.asarray(env["relu"](x)), np.maximum(x.numpy(), 0), atol=1e-5)
    for value in (0, -100, 100):
        assert float(env["relu"](torch.tensor(value))) == max(0, value)


@check("dl1", "1.3.e")
def check_bce(env: Names) -> None:
    import numpy as np
    import torch

    rng = np.random.default_rng(3)
    for dtype in (torch.int64, torch.float32):
        y, p = rng.integers(0, 2, 30), rng.uniform(0.05, 0.95, 30)
        loss = env["bce_loss"](torch.tensor(y, dtype=dtype), torch.tensor(p, dtype=torch.float32))
        assert np.shape(loss) == ()
        assert np.allclose(float(loss), -np.where(y == 1, np.log(p), np.log(1 - p)).mean(), rtol=1e-4)


@check("dl1", "1.3.g")
def check_bce_at_the_ends(env: Names) -> None:
    import numpy as np
    import torch

    rng = np.random.default_rng(4)
    y, p = rng.integers(0, 2, 30), rng.uniform(0.05, 0.95, 30)
    loss = env["bce_loss"](torch.tensor(y, dtype=torch.float32), torch.tensor(p, dtype=torch.float32))
    assert np.allclose(float(loss), -np.where(y == 1, np.log(p), np.log(1 - p)).mean(), rtol=1e-4)
    for label in (0.0, 1.0):
        right = env["bce_loss"](torch.tensor([label]), torch.tensor([label]))
        wrong = env["bce_loss"](torch.tensor([label]), torch.tensor([1 - label]))
        assert abs(float(right)) < 2e-6
        assert 10 < float(wrong) < float("inf")


@check("dl1", "1.4.a")
def check_model1(env: Names) -> None:
    import torch

    torch.manual_seed(5)
    names = env["model1"].__globals__
    for _ in range(3):
        names["w"], names["b"] = w, b = torch.randn(5), torch.randn(())
        x = torch.randn(5)
        assert abs(float(env["model1"](x)) - float(torch.sigmoid(x @ w + b))) < 1e-5


@check("dl1", "1.5.a")
def check_network(env: Names) -> None:
    from itertools import pairwise

    import torch

    torch.manual_seed(6)
    for sizes in ((5, 1), (5, 4, 1), (5, 4, 3, 2)):
        shapes = list(pairwise(sizes))
        params = [(torch.randn(*shape), torch.randn(shape[1]), torch.tanh) for shape in shapes]
        x = torch.randn(7, 5)
        z = x
        for w, b, h in params:
            z = h(z @ w + b)
        assert torch.allclose(env["network"](x, params), z.squeeze(-1), atol=1e-5)


@check("dl1", "1.5.b")
def check_layer(env: Names) -> None:
    import torch

    for inputs, outputs in ((2, 20000), (50, 800), (200, 200)):
        w, b, h = env["make_layer"](inputs, outputs, torch.tanh)
        assert w.shape == (inputs, outputs)
        assert b.shape == (outputs,)
        assert h is torch.tanh
        assert torch.all(b == 0)
        assert min(abs(float(w.std()) - (2 / d) ** 0.5) * d**0.5 for d in (inputs, outputs)) < 0.05
        assert abs(float(w.mean())) < 0.05


@check("dl1", "1.6.a")
def check_evaluate(env: Names) -> None:
    import torch

    torch.manual_seed(7)
    w, b = torch.randn(5, 1, dtype=torch.float64), torch.randn(1, dtype=torch.float64)
    x = torch.randn(50, 5, dtype=torch.float64)
    y = (torch.rand(50) < 0.5).double()
    p = torch.sigmoid(x @ w + b).squeeze(-1)
    loss, accuracy = env["evaluate"]([(w, b, torch.sigmoid)], x, y)
    assert abs(loss - float(torch.nn.functional.binary_cross_entropy(p, y))) < 1e-4
    assert abs(accuracy - float((p.round() == y).double().mean())) < 1e-6


@check("dl1", "1.6.c")
def check_epoch(env: Names) -> None:
    import torch

    torch.manual_seed(8)
    w = torch.randn(5, 1, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    x = torch.randn(40, 5, dtype=torch.float64)
    y = (torch.rand(40) < 0.5).double()
    start = [w.detach().clone(), b.detach().clone()]
    p = torch.sigmoid(x @ w + b).squeeze(-1)
    right = torch.nn.functional.binary_cross_entropy(p, y)
    gradients = torch.autograd.grad(right, [w, b])
    p, right = p.detach(), right.detach()
    loss, accuracy = env["train_epoch"]([(w, b, torch.sigmoid)], x, y, 0.1, 40)
    assert abs(float(loss) - float(right)) < 1e-4
    assert abs(float(accuracy) - float((p.round() == y).double().mean())) < 1e-6
    for after, before, gradient in zip((w, b), start, gradients, strict=True):
        assert torch.allclose(after.detach(), before - 0.1 * gradient, rtol=1e-3, atol=1e-6)


@check("dl1", "1.6.d")
def check_two_layers(env: Names) -> None:
    params, x, y = env["params"], env["split_x"], env["split_y"]
    assert [tuple(w.shape) for w, b, h in params] == [(64, 32), (32, 1)]
    for part in ("train", "val"):
        z = x[part]
        for w, b, h in params:
            z = h(z @ w + b)
        assert ((z.squeeze(-1).round() == y[part]).double().mean()) >= 0.95


@check("dl1", "1.6.f")
def check_single_layer(env: Names) -> None:
    params, x, y = env["params"], env["split_x"], env["split_y"]
    assert [tuple(w.shape) for w, b, h in params] == [(64, 1)]
    z = x["val"]
    for w, b, h in params:
        z = h(z @ w + b)
    assert ((z.squeeze(-1).round() == y["val"]).double().mean()) >= 0.84


@check("dl1", "1.6.h")
def check_linear_layers(env: Names) -> None:
    import torch

    params, x, y = env["params"], env["split_x"], env["split_y"]
    assert [tuple(w.shape) for w, b, h in params] == [(64, 32), (32, 1)]
    grid = torch.linspace(-3, 3, 7)
    assert torch.equal(params[0][2](grid), grid)
    z = x["val"]
    for w, b, h in params:
        z = h(z @ w + b)
    assert ((z.squeeze(-1).round() == y["val"]).double().mean()) >= 0.84


@check("dl1", "1.6.j")
def check_deeper(env: Names) -> None:
    params, x, y = env["params"], env["split_x"], env["split_y"]
    assert len(params) >= 3
    z = x["val"]
    for w, b, h in params:
        z = h(z @ w + b)
    assert ((z.squeeze(-1).round() == y["val"]).double().mean()) >= 0.93
