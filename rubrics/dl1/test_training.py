"""Questions 1.6.a and 1.6.c: evaluating a network, and one epoch of training."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networks
import numpy as np
import pytest
import torch
from epochs import SAMPLES, Epoch, Task, make_task, planted_gradients, run_epoch, without_clearing, without_updates

from grader.rubric import StudentError, expect
from grader.rubric.compare import as_array, matches, number, show

Array = np.ndarray[Any, Any]

BATCH = 2
LEARNING_RATE = 0.07


@pytest.mark.question("1.6.a", points=1)
def test_evaluate_predicts(student, rng):
    """evaluate computes the output of the network with these parameters for these samples."""
    x, y, params, y_hat = _evaluation(student, rng)
    try:
        result = student.evaluate(params, x, y)
    except StudentError:
        # What is made of the prediction may be at fault: that costs other points.
        result = None
    loss, accuracy = networks.bce(y.numpy(), y_hat), float((y_hat.round() == y.numpy()).mean())
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
        if any(matches(value, accuracy) for value in values):
            return
        pytest.fail("evaluate does not call network(x, params)")
    if not any(matches(arguments.get("x"), x) for arguments in seen):
        pytest.fail("evaluate calls network with other samples than its argument x")
    weights = [layer.w for layer in networks.read_layers(params) or ()]
    for arguments in seen:
        layers = networks.read_layers(arguments.get("params"))
        if layers is not None and matches([layer.w for layer in layers], weights):
            return
    pytest.fail("evaluate calls network with other parameters than its argument params")


@pytest.mark.question("1.6.a", points=0.5)
def test_evaluate_loss(student, rng):
    """The first value that evaluate returns is the loss of the predictions."""
    result, y, y_hat = _evaluate(student, rng)
    values, loss = _items(result), networks.bce(y, y_hat)
    given = f"{len(y)} samples"
    if matches(values[0], loss, rtol=1e-4):
        return
    if matches(values[1], loss, rtol=1e-4):
        pytest.fail("the loss should be the first value that evaluate returns, and is the second")
    if matches(values[0], -loss, rtol=1e-4):
        pytest.fail("the loss has the wrong sign")
    expect(values[0], loss, what="loss", given=given, rtol=1e-4)


@pytest.mark.question("1.6.a", points=0.5)
def test_evaluate_accuracy(student, rng):
    """The second value that evaluate returns is the accuracy: the fraction of right predictions."""
    result, y, y_hat = _evaluate(student, rng)
    values, right = _items(result), float((y_hat.round() == y).mean())
    given = f"{len(y)} samples, {round(right * len(y))} of them predicted rightly"
    if matches(values[1], right):
        return
    if matches(values[0], right):
        pytest.fail("the accuracy should be the second value that evaluate returns, and is the first")
    expect(values[1], right, what="accuracy", given=given)


@pytest.mark.question("1.6.c", points=1)
def test_epoch_clears_gradients(student, rng):
    """The gradients of a batch do not add to those of the batch before: they are cleared for each batch."""
    task = make_task(rng)
    planted = planted_gradients(rng, task)
    epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=BATCH, planted=planted)
    left = [None if value is None else np.asarray(as_array(value)) for value in epoch.gradients]
    if all(value is None or not value.any() for value in left):
        if _cleared_too_early(epoch):
            pytest.fail(
                "the gradients are cleared after backward and before the update: nothing is left to update with"
            )
        return
    if not any(epoch.arrived):
        if epoch.error is not None and "clear_gradients" not in epoch.events:
            raise epoch.error
        pytest.fail("the gradients are not cleared")
    for name, value, old, arrived in zip(("w", "b") * 2, left, planted, epoch.arrived, strict=True):
        new = [np.asarray(as_array(gradient)) for gradient in arrived]
        if value is None or not value.any() or not new or _same(value, new[-1]):
            continue
        if _same(value, old) and epoch.moved:
            # Gradients that are not kept in .grad need no clearing.
            continue
        if len(new) > 1 and _same(value, np.sum(new, axis=0)):
            pytest.fail("the gradients are cleared only once: those of all batches of the epoch add up")
        if not _same(value, old + np.sum(new, axis=0)):
            pytest.fail(
                f"the gradient of {name} is not that of the last batch alone: it should be cleared for each batch"
            )
        pytest.fail(
            "the gradients are not cleared: those of each batch are added to those of all batches before"
            if name == "w" or "clear_gradients" in epoch.events
            else f"the gradients of {name} are not cleared"
        )


@pytest.mark.question("1.6.c", points=1)
def test_epoch_computes_output_of_batch(student, rng):
    """The output of the network is computed for the samples of each minibatch."""
    task = make_task(rng)
    epoch = _epoch_without_steps(student, task)
    if not epoch.inputs:
        if epoch.error is not None:
            raise epoch.error
        pytest.fail("the output of the network is not computed with the parameters that were given")
    rows = [_rows(values, task.outputs()[0]) for values in epoch.inputs]
    batches = [found for found in rows if found is not None and len(found) == BATCH]
    if not batches:
        if any(found is not None and len(found) == SAMPLES for found in rows):
            pytest.fail("the output is computed for the whole training set instead of the minibatch")
        shapes = ", ".join(str(tuple(np.shape(as_array(values)))) for values in epoch.inputs[:3])
        pytest.fail(
            f"with batches of {BATCH} samples, the first layer of 3 inputs and 4 outputs computes x @ w + b "
            f"of shape {shapes} that are not those of {BATCH} training samples"
        )
    if epoch.error is None and not epoch.moved and len(set().union(*batches)) < SAMPLES:
        pytest.fail(f"only {len(set().union(*batches))} of {SAMPLES} training samples are used in an epoch")


@pytest.mark.question("1.6.c", points=1)
def test_epoch_computes_loss_and_accuracy(student, rng):
    """Loss and accuracy of each batch are computed; the epoch returns their means."""
    task = make_task(rng)
    # All batches are of one size and the weights stay the same: the mean over batches is that over all samples.
    epoch = _epoch_without_steps(student, task)
    if epoch.error is not None or epoch.moved:
        if _is_loss_call(epoch.losses, task) and _is_loss_call(epoch.accuracies, task):
            return
        if epoch.error is not None:
            raise epoch.error
    if not isinstance(epoch.result, (tuple, list)) or len(epoch.result) < 2:
        pytest.fail(f"train_epoch should return the mean loss and the mean accuracy, got {show(epoch.result)}")
    loss, accuracy = epoch.result[:2]
    given = f"{SAMPLES} samples in batches of {BATCH}"
    # A loss that is negated to turn the update round costs the point for the update.
    if not matches(loss, -task.loss(), rtol=1e-4):
        _expect_mean(loss, task.loss(), "the mean loss", given)
    _expect_mean(accuracy, task.accuracy(), "the mean accuracy", given)


@pytest.mark.question("1.6.c", points=1)
def test_epoch_calls_backward(student, rng):
    """The gradients of the loss are computed by backward, for each batch."""
    task = make_task(rng)
    epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=BATCH)
    if epoch.error is not None:
        without_updates(student)
        epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=BATCH)
    times = epoch.events.count("backward")
    if times == 0 or not any(epoch.arrived):
        if epoch.error is not None:
            raise epoch.error
        pytest.fail("no gradients are computed: backward is not called on the loss")
    if times < SAMPLES // BATCH and epoch.error is None:
        pytest.fail(f"gradients are computed {times} time(s) for {SAMPLES // BATCH} batches: each needs its own")


@pytest.mark.question("1.6.c", points=1)
def test_epoch_updates_parameters(student, rng):
    """The parameters move by -learning_rate times the gradient, by add_gradients as it was given."""
    task = make_task(rng)
    epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=SAMPLES)
    if any(epoch.arrived):
        gradients = [np.sum([np.asarray(as_array(g)) for g in arrived], axis=0) for arrived in epoch.arrived]
    else:
        # A missing backward costs its own point: let gradients be there when the update comes.
        gradients = planted_gradients(rng, task)
        without_clearing(student)
        epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=SAMPLES, planted=gradients)
    if not epoch.moved and _cleared_too_early(epoch):
        # So does clearing at the wrong place.
        without_clearing(student)
        epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=SAMPLES)
    _expect_helper_as_given(student, epoch)
    if any(epoch.arrived) and _cosine(gradients, task.gradients()) < -0.99:
        pytest.fail("the loss is negated before backward: the sign belongs to the step, which should be -learning_rate")
    if _is_step(epoch, gradients, -LEARNING_RATE):
        return
    if epoch.error is not None:
        raise epoch.error
    _explain_step(epoch, gradients)


def _epoch_without_steps(student: Any, task: Task) -> Epoch:
    """An epoch with learning rate 0: the weights stay as they are, so all that belongs to a sample is known."""
    epoch = run_epoch(student, task, learning_rate=0.0, batch_size=BATCH)
    if epoch.error is not None or epoch.moved:
        # A wrong update costs its own point.
        without_updates(student)
        epoch = run_epoch(student, task, learning_rate=0.0, batch_size=BATCH)
    return epoch


def _evaluation(student: Any, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, list[Any], Array]:
    """Samples, labels, parameters with library functions for h, and the right predictions."""
    sizes = (5, 4, 1)
    samples = int(rng.integers(40, 60))
    x, y = torch.tensor(rng.normal(size=(samples, 5))), torch.tensor(rng.integers(0, 2, samples).astype(float))
    handles = student.eval("[__import__('torch').tanh, __import__('torch').sigmoid]")
    params = [
        (torch.tensor(rng.normal(size=shape)), torch.tensor(rng.normal(size=shape[1]) / 2), h)
        for shape, h in zip(pairwise(sizes), handles, strict=True)
    ]
    layers = networks.read_layers(params)
    assert layers is not None
    y_hat = networks.forward(x.numpy(), layers, [networks.TANH.of, networks.SIGMOID.of]).squeeze(-1)
    return x, y, params, y_hat


def _evaluate(student: Any, rng: np.random.Generator) -> tuple[Any, Array, Array]:
    """What evaluate makes of known predictions: the result, the labels, the predictions."""
    x, y, params, y_hat = _evaluation(student, rng)
    known = rng.uniform(0.03, 0.47, len(y)) + 0.5 * rng.integers(0, 2, len(y))
    student.replace("network", returns=torch.tensor(known))
    calls = student.calls("network")
    result = student.evaluate(params, x, y)
    # An evaluate that does not call network has computed the predictions in its own way.
    return result, y.numpy(), known if len(calls) else y_hat


def _items(result: Any) -> list[Any]:
    if not isinstance(result, (tuple, list)) or len(result) < 2:
        pytest.fail(f"evaluate should return two values, loss and accuracy, got {show(result)}")
    return list(result[:2])


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-9)


def _cleared_too_early(epoch: Epoch) -> bool:
    """Whether gradients were computed and cleared again before any parameter moved by them."""
    if "backward" not in epoch.events or epoch.moved:
        return False
    after = epoch.events[epoch.events.index("backward") :]
    return "clear_gradients" in after and "add_gradients" in after[after.index("clear_gradients") :]


def _rows(values: Any, known: Array) -> set[int] | None:
    """Which samples these pre-activations belong to; None where they are of no sample."""
    array = as_array(values)
    if array is None or array.ndim != 2 or array.shape[1] != known.shape[1]:
        return None
    near = np.isclose(array[:, None, :], known[None, :, :], rtol=1e-5, atol=1e-6).all(axis=2)
    return set(map(int, near.argmax(axis=1))) if near.any(axis=1).all() else None


def _is_loss_call(calls: list[Any], task: Task) -> bool:
    """Whether a helper was called with labels and the predictions for the same samples, in this order."""
    y_hat = task.outputs()[1]
    for values in calls:
        labels, predictions = (as_array(value) for value in values[:2]) if len(values) >= 2 else (None, None)
        if labels is None or predictions is None or labels.shape != predictions.shape or labels.ndim != 1:
            continue
        places = np.isclose(predictions[:, None], y_hat[None, :], rtol=1e-5, atol=1e-7)
        if places.any(axis=1).all() and matches(labels, task.y.numpy()[places.argmax(axis=1)]):
            return True
    return False


def _expect_mean(value: Any, right: float, what: str, given: str) -> None:
    batches = SAMPLES // BATCH
    if matches(value, right * batches, rtol=1e-4):
        pytest.fail(f"{what} is {number(right * batches)}: this is the sum over the {batches} batches, not their mean")
    expect(value, right, what=what, given=given, rtol=1e-4)


def _cosine(one: list[Array], other: list[Array]) -> float:
    left, right = (np.concatenate([value.ravel() for value in values]) for values in (one, other))
    size = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / size if size and left.shape == right.shape else 0.0


def _is_step(epoch: Epoch, gradients: list[Array], step: float) -> bool:
    return all(
        move.shape == np.shape(gradient) and np.allclose(move, step * gradient, rtol=1e-5, atol=1e-9)
        for move, gradient in zip(epoch.moves, gradients, strict=True)
    )


def _expect_helper_as_given(student: Any, epoch: Epoch) -> None:
    """add_gradients was given and adds; a sign that is changed there is a mistake of this question."""
    if "add_gradients" not in epoch.events:
        return
    student.exec(
        "_p = [(_torch.tensor([[2.0]]).requires_grad_(), _torch.tensor([3.0]).requires_grad_(), _torch.tanh)]\n"
        "_p[0][0].grad, _p[0][1].grad = _torch.tensor([[4.0]]), _torch.tensor([8.0])\n"
        "add_gradients(_p, 0.5)"
    )
    changed = student.eval("[_p[0][0].item(), _p[0][1].item()]")
    if matches(changed, [0.0, -1.0]):
        pytest.fail(
            "add_gradients was changed to subtract; it should add step * gradient as it was given, "
            "and the step should be -learning_rate"
        )
    if not matches(changed, [4.0, 7.0]):
        pytest.fail("add_gradients was changed; as it was given, it adds step * gradient to each parameter")


def _explain_step(epoch: Epoch, gradients: list[Array]) -> None:
    moves = epoch.moves
    if not epoch.moved:
        pytest.fail("the parameters do not change: they should move by -learning_rate times the gradient")
    if _is_step(epoch, gradients, LEARNING_RATE):
        pytest.fail(
            "the parameters move along +gradient: the loss increases. add_gradients adds step * gradient, "
            "so the step should be -learning_rate"
        )
    still = [name for name, move in zip(("w", "b") * 2, moves, strict=True) if not move.any()]
    if still:
        pytest.fail(f"only some parameters move: {' and '.join(dict.fromkeys(still))} of a layer do(es) not change")
    ratio = float(sum((m * g).sum() for m, g in zip(moves, gradients, strict=True)))
    ratio /= float(sum((g * g).sum() for g in gradients))
    if _is_step(epoch, gradients, ratio):
        pytest.fail(
            f"the parameters move by {ratio:.6g} times the gradient; it should be -learning_rate = {-LEARNING_RATE}"
        )
    pytest.fail("the parameters do not move along their gradients")
