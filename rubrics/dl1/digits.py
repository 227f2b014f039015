"""The digits data as they truly are: which rows a student's split holds, and their labels."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np

from grader.rubric.compare import as_array

Array = np.ndarray[Any, Any]

LARGEST = 16
"""Pixels are whole numbers from 0 to 16."""


class Split(msgspec.Struct, frozen=True):
    """A student's training and validation samples, with the true labels; no validation sample is one to train on."""

    train_x: Array
    train_y: Array
    val_x: Array
    val_y: Array
    shared: int
    """Validation samples that were left out here, since they are among the training samples too."""


@functools.cache
def load() -> tuple[Array, Array]:
    """Normalised pixels and labels of all digits, as the assignment prepares them."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = digits["data"].astype(float)
    # torch.std is that of a sample.
    return (x - x.mean()) / x.std(ddof=1), (digits["target"] < 5).astype(float)


@functools.cache
def _places() -> dict[bytes, int]:
    return {row.tobytes(): place for place, row in enumerate(_pixels(load()[0]))}


def _pixels(x: Array) -> Array:
    """Back to whole numbers, however they were shifted and scaled: a set of digits has black and white in it."""
    low, high = x.min(), x.max()
    if not high > low:
        return np.zeros(x.shape, dtype=np.uint8)
    return np.round((x - low) / (high - low) * LARGEST).astype(np.uint8)


def read_split(split_x: Any) -> Split | None:
    """The split as data of known digits; None where it is no split of them."""
    if not isinstance(split_x, dict) or not {"train", "val"} <= split_x.keys():
        return None
    parts = [as_array(split_x[phase]) for phase in ("train", "val")]
    train, val = parts
    if train is None or val is None or any(p.ndim != 2 or p.shape[1] != 64 or not len(p) for p in (train, val)):
        return None
    both = np.concatenate([train, val]).astype(float)
    if not np.isfinite(both).all():
        return None
    known = _places()
    places = np.array([known.get(row.tobytes(), -1) for row in _pixels(both)])
    if (places < 0).any():
        return None
    labels = load()[1][places]
    of_train, of_val = places[: len(train)], places[len(train) :]
    # A sample that stands in the set many times counts once.
    first = np.zeros(len(of_val), dtype=bool)
    first[np.unique(of_val, return_index=True)[1]] = True
    shared = np.isin(of_val, of_train)
    keep = first & ~shared
    return Split(
        train_x=both[: len(train)],
        train_y=labels[: len(train)],
        val_x=both[len(train) :][keep],
        val_y=labels[len(train) :][keep],
        shared=int((first & shared).sum()),
    )
