"""Question 1.6.c: one epoch of training."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from epochs import (
    SAMPLES,
    Epoch,
    Task,
    differences,
    make_task,
    planted_gradients,
    run_epoch,
    with_lenient_loss,
    without_backward,
    without_clearing,
    without_updates,
)

from grader.rubric import expect
from grader.rubric.compare import as_array, matches, number, show

Array = np.ndarray[Any, Any]

BATCH = 3
ODD_BATCH = 5
"""Of which there is no whole number in an epoch."""
LEARNING_RATE = 0.07


@pytest.mark.question("1.6.c", points=1)
def test_epoch_clears_gradients(student, rng):
    """The gradients of a batch do not add to those of the batch before: they are cleared for each batch."""
    task = make_task(rng)
    planted = planted_gradients(rng, task)
    epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=BATCH, planted=planted)
    if _cleared_too_early(epoch):
        pytest.fail("the gradients are cleared after backward and before the update: nothing is left to update with")
    left = [None if value is None else np.asarray(as_array(value)) for value in epoch.gradients]
    for name, held, old in zip(("w", "b") * 2, epoch.held, planted, strict=True):
        for batch, value in enumerate(held[1:], start=2):
            # Gradients that are not kept in .grad need no clearing.
            if value is None or (_same(np.asarray(as_array(value)), old) and epoch.moved):
                continue
            everywhere = all(one[batch - 1 : batch] not in ([], [None]) for one in epoch.held)
            parameter = "all parameters" if everywhere else name
            pytest.fail(
                f"when the gradients of batch {batch} are computed, those of an earlier batch are still there: "
                f"the gradients of {parameter} are not cleared for each batch"
            )
    if left and all(value is None or not value.any() for value in left):
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
    if epoch.error is None:
        odd = _epoch_without_steps(student, task, ODD_BATCH)
        if odd.error is not None:
            raise odd.error
        sizes = {len(found) for found in (_rows(values, task.outputs()[0]) for values in odd.inputs) if found}
        # The samples that are left over may be a smaller batch, or have to wait for the next epoch.
        if ODD_BATCH not in sizes:
            pytest.fail(f"with {SAMPLES} samples and batch_size = {ODD_BATCH}, no batch of {ODD_BATCH} is computed")


@pytest.mark.question("1.6.c", points=1)
def test_epoch_computes_loss_and_accuracy(student, rng):
    """Loss and accuracy of each batch are computed; the epoch returns their means."""
    # Twice, since what is kept of one epoch must not show in the next.
    for task in (make_task(rng), make_task(rng)):
        # All batches are of one size and the weights stay the same: the mean over batches is that over all samples.
        epoch = _epoch_without_steps(student, task)
        if epoch.error is not None or epoch.moved:
            if _is_loss_call(epoch.losses, task) and _is_loss_call(epoch.accuracies, task):
                continue
            if epoch.error is not None:
                raise epoch.error
        if not isinstance(epoch.result, (tuple, list)) or len(epoch.result) < 2:
            pytest.fail(f"train_epoch should return the mean loss and the mean accuracy, got {show(epoch.result)}")
        loss, accuracy = epoch.result[:2]
        given = f"{SAMPLES} samples in batches of {BATCH}"
        # A loss that is negated to turn the update round costs the point for the update.
        if not (matches(loss, -task.loss(), rtol=1e-4) and _cosine(epoch.sums, task.gradients()) < -0.99):
            _expect_mean(loss, task.loss(), "the mean loss", given)
        _expect_mean(accuracy, task.accuracy(), "the mean accuracy", given)


@pytest.mark.question("1.6.c", points=1)
def test_epoch_calls_backward(student, rng):
    """The gradients of the loss are computed by backward, for each batch."""
    task = make_task(rng)
    epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=BATCH)
    error, lenient = epoch.error, False
    if epoch.error is not None:
        without_updates(student)
        epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=BATCH)
    if epoch.error is not None and "backward" not in epoch.events:
        # A wrong call of the loss costs its own point.
        with_lenient_loss(student)
        epoch, lenient = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=BATCH), True
    times = epoch.events.count("backward")
    if times == 0 or not any(epoch.arrived):
        # An error of the update alone comes from the gradients that are missing.
        if error is not None and (epoch.error is not None or lenient):
            raise error
        pytest.fail("no gradients are computed: backward is not called on the loss")
    if times < SAMPLES // BATCH and epoch.error is None:
        pytest.fail(f"gradients are computed {times} time(s) for {SAMPLES // BATCH} batches: each needs its own")
    if not lenient and not _are_gradients_of_loss(student, rng, task):
        pytest.fail("the gradients are not those of the loss that train_epoch returns: call backward on that loss")


@pytest.mark.question("1.6.c", points=1)
def test_epoch_updates_parameters(student, rng):
    """The parameters move by -learning_rate times the gradient, by add_gradients as it was given."""
    task = make_task(rng)
    epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=SAMPLES)
    error = epoch.error
    if epoch.error is not None and not any(epoch.arrived):
        # A wrong call of the loss costs its own point.
        with_lenient_loss(student)
        epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=SAMPLES)
    computed = any(epoch.arrived)
    gradients = epoch.sums
    if not computed:
        # So does a missing backward: let gradients be there when the update comes.
        gradients = planted_gradients(rng, task)
        without_clearing(student)
        without_backward(student)
        epoch = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=SAMPLES, planted=gradients)
        if "backward after the update" in epoch.events:
            pytest.fail("the update comes before backward: at that time the gradients of this batch are not there yet")
    elif not epoch.moved and _cleared_too_early(epoch):
        # So does clearing at the wrong place.
        without_clearing(student)
        again = run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=SAMPLES)
        if not again.moved and all(matches(step, -LEARNING_RATE) for _, step in again.steps):
            _expect_helper_as_given(student, again)
            return
        epoch = again
    _expect_helper_as_given(student, epoch)
    if computed and _cosine(gradients, task.gradients()) < -0.99:
        pytest.fail("the loss is negated before backward: the sign belongs to the step, which should be -learning_rate")
    if not _is_step(epoch.moves, gradients, -LEARNING_RATE):
        if error is not None and not epoch.moved:
            raise error
        _explain_step(epoch, gradients)
    if computed:
        _expect_step_for_each_batch(run_epoch(student, task, learning_rate=LEARNING_RATE, batch_size=BATCH))


def _epoch_without_steps(student: Any, task: Task, batch_size: int = BATCH) -> Epoch:
    """An epoch with learning rate 0: the weights stay as they are, so all that belongs to a sample is known."""
    epoch = run_epoch(student, task, learning_rate=0.0, batch_size=batch_size)
    if epoch.error is not None or epoch.moved:
        # A wrong update costs its own point.
        without_updates(student)
        epoch = run_epoch(student, task, learning_rate=0.0, batch_size=batch_size)
    return epoch


def _are_gradients_of_loss(student: Any, rng: np.random.Generator, task: Task) -> bool:
    """Whether the gradients that arrive point where the loss rises: the right one, or the one that is returned."""
    epoch = _seeded_epoch(student, task)
    if abs(_cosine(epoch.sums, task.gradients())) > 0.9999:
        return True
    if epoch.error is not None or _returned_loss(epoch) is None:
        # Nothing to compare with; what is not returned costs its own point.
        return True
    ratios = []
    for _ in range(3):
        direction = [rng.normal(size=tuple(weight.shape)) for weight in task.weights]
        ends = []
        for step in (1e-4, -1e-4):
            moved = tuple(w + step * torch.tensor(d) for w, d in zip(task.weights, direction, strict=True))
            ends.append(_returned_loss(_seeded_epoch(student, Task(task.x, task.y, moved))))
        if ends[0] is None or ends[1] is None:
            return True
        slope = sum(float((g * d).sum()) for g, d in zip(epoch.sums, direction, strict=True))
        ratios.append((ends[0] - ends[1]) / 2e-4 / slope if slope else 0.0)
    # A loss that was scaled, or is the sum, has gradients in the same direction.
    return abs(ratios[0]) > 1e-3 and np.allclose(ratios, ratios[0], rtol=1e-3)


def _seeded_epoch(student: Any, task: Task) -> Epoch:
    """One batch of all samples, with the same random order each time; the loss is that before the step."""
    student.exec("__import__('torch').manual_seed(1)")
    return run_epoch(student, task, learning_rate=0.0, batch_size=SAMPLES)


def _returned_loss(epoch: Epoch) -> float | None:
    first = epoch.result[0] if isinstance(epoch.result, (tuple, list)) and epoch.result else None
    value = as_array(first)
    return float(value) if value is not None and value.ndim == 0 and np.isfinite(value) else None


def _expect_step_for_each_batch(epoch: Epoch) -> None:
    """Between two batches, the parameters have moved by the gradients that were there."""
    seen = [[np.asarray(as_array(value), dtype=float) for value in weights] for weights in epoch.weights]
    if len(seen) < 2:
        return
    states = [*seen, epoch.after]
    steps = [differences(after, before) for before, after in pairwise(states)]
    moving = [any(move.any() for move in step) for step in steps]
    if not any(moving[:-1]):
        pytest.fail(f"the parameters do not move between the {len(seen)} batches of an epoch: each needs its update")
    if any(len(arrived) != len(seen) for arrived in epoch.arrived):
        # Another layer of tensors in params, or more than one pass for a batch.
        if not all(moving) and len(seen) == SAMPLES // BATCH:
            pytest.fail(f"after batch {moving.index(False) + 1} of {len(seen)} the parameters do not move")
        return
    for batch, step in enumerate(steps):
        gradients = []
        for arrived, held in zip(epoch.arrived, epoch.held, strict=True):
            kept = 0.0 if held[batch] is None else np.asarray(as_array(held[batch]))
            gradients.append(np.asarray(as_array(arrived[batch])) + kept)
        if not _is_step(step, gradients, -LEARNING_RATE):
            ratio = _ratio(step, gradients)
            times = f" by {ratio:.6g} times the gradient" if _is_step(step, gradients, ratio) else ""
            pytest.fail(
                f"after batch {batch + 1} of {len(seen)} the parameters move{times or ' otherwise than the others'}; "
                f"it should be by -learning_rate = {-LEARNING_RATE} times the gradient"
            )


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-9)


def _cleared_too_early(epoch: Epoch) -> bool:
    """Whether gradients were computed, and none of them were left when add_gradients was called."""
    computed = any(total.any() for total in epoch.sums)
    return computed and bool(epoch.steps) and all(empty for empty, _ in epoch.steps)


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


def _is_step(moves: list[Array], gradients: list[Array], step: float) -> bool:
    return all(
        move.shape == np.shape(gradient) and np.allclose(move, step * gradient, rtol=1e-5, atol=1e-9)
        for move, gradient in zip(moves, gradients, strict=True)
    )


def _ratio(moves: list[Array], gradients: list[Array]) -> float:
    along = float(sum((m * g).sum() for m, g in zip(moves, gradients, strict=True) if m.shape == g.shape))
    return along / (float(sum((g * g).sum() for g in gradients)) or 1.0)


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
    if _is_step(moves, gradients, LEARNING_RATE):
        pytest.fail(
            "the parameters move along +gradient: the loss increases. add_gradients adds step * gradient, "
            "so the step should be -learning_rate"
        )
    still = [name for name, move in zip(("w", "b") * 2, moves, strict=True) if not move.any()]
    if still:
        pytest.fail(f"not every parameter moves: {' and '.join(dict.fromkeys(still))} of some layer stays the same")
    ratio = _ratio(moves, gradients)
    if _is_step(moves, gradients, ratio):
        pytest.fail(
            f"the parameters move by {ratio:.6g} times the gradient; it should be -learning_rate = {-LEARNING_RATE}"
        )
    pytest.fail("the parameters do not move along their gradients")
