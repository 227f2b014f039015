"""Comparing what a student's code gives with what it should give, in words that a student understands."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

RTOL = 1e-5
ATOL = 1e-6
"""Wide enough for any right formula in float32; a wrong formula is off by far more."""

MAX_GIVEN = 300
MAX_SHOWN = 6
"""Arrays of up to this many values are shown whole."""
MAX_LISTED = 10_000
"""Of longer lists, not even the shape is shown."""
MAX_KEYS = 20


_BRACKETS = {"list": ("[", "]"), "tuple": ("(", ")"), "set": ("{", "}"), "frozenset": ("frozenset({", "})")}


class CheckFailed(AssertionError):
    """The answer is wrong. The message is for the student."""


def expect(
    actual: Any, expected: Any, *, given: str = "", rtol: float = RTOL, atol: float = ATOL, what: str = ""
) -> None:
    """Raise CheckFailed unless `actual` has the value of `expected`.

    Lenient about what holds the numbers: a Python number, a NumPy scalar and a tensor without axes are the
    same, and so are a list of numbers and an array, whatever their dtype. Strict about shapes: (5, 1) is not
    (5,). NaN equals NaN and nothing else. Tuples, lists and dicts are compared item by item.

    `what` names the value and `given` the input, both for the message: `loss: expected 0.5, got 0.75, for n = 3`.
    """
    fault = difference(actual, expected, rtol=rtol, atol=atol, what=what)
    if fault:
        raise CheckFailed(f"{fault}, for {_shorten(given)}" if given else fault)


def matches(actual: Any, expected: Any, *, rtol: float = RTOL, atol: float = ATOL) -> bool:
    """Whether `expect` would be content: for checks that tell common mistakes apart."""
    return not difference(actual, expected, rtol=rtol, atol=atol)


def difference(actual: Any, expected: Any, *, rtol: float = RTOL, atol: float = ATOL, what: str = "") -> str:
    """What is wrong with `actual`, or "" where nothing is."""
    label = f"{what}: " if what else ""
    if expected is None or isinstance(expected, (str, bytes)):
        same = type(actual) is type(expected) and actual == expected
        return "" if same else f"{label}expected {show(expected)}, got {show(actual)}"
    if isinstance(expected, Mapping):
        return _dict_difference(actual, expected, rtol, atol, what)
    wanted = as_array(expected)
    if wanted is None:
        return _sequence_difference(actual, expected, rtol, atol, what)
    got = as_array(actual)
    if got is None:
        kind = "a number" if wanted.ndim == 0 else f"numbers of shape {wanted.shape}"
        return f"{label}expected {kind}, got {show(actual)}"
    return _array_difference(got, wanted, rtol, atol, label)


def as_array(value: Any) -> np.ndarray[Any, Any] | None:
    """`value` as an array of numbers, or None where it is none: text, handles, ragged lists."""
    import numpy as np

    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        tensor = value.detach()
        value = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).cpu().numpy()
    if isinstance(value, (list, tuple)):
        items = [as_array(item) for item in value]
        arrays = [item for item in items if item is not None]
        if len(arrays) < len(items) or len({item.shape for item in arrays}) > 1:
            return None
        return np.stack(arrays) if arrays else np.zeros(0)
    if isinstance(value, (bool, numbers.Number, np.ndarray, np.generic)):
        array = np.asarray(value)
        return array if array.dtype.kind in "biufc" else None
    return None


def show(value: Any) -> str:
    """A value as a student would write it, short, however large it is."""
    array = as_array(value) if _items(value, MAX_LISTED) <= MAX_LISTED else None
    if array is None:
        if isinstance(value, (list, tuple)):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return f"a {kind} of {len(value)}"
        type_name = getattr(type(value), "handle_id", None) and value.type_name
        return f"a {type_name}" if type_name else brief(value)
    if array.ndim == 0:
        return number(array[()])
    if array.size > MAX_SHOWN or (array.size == 0 and array.ndim > 1):
        return f"values of shape {array.shape}"
    return _nested(array.tolist())


def brief(value: Any) -> str:
    """The beginning of what `repr` would give; of a large value, no more than that is made."""
    text = ""
    for part in _parts(value):
        text += part
        if len(text) > MAX_GIVEN:
            break
    return _shorten(text)


def _parts(value: Any) -> Iterator[str]:
    kind = type(value)
    if isinstance(value, (str, bytes)):
        yield repr(value[: MAX_GIVEN + 1])
    elif kind is dict:
        for number, (key, item) in enumerate(value.items()):
            yield ", " if number else "{"
            yield from _parts(key)
            yield ": "
            yield from _parts(item)
        yield "}" if value else "{}"
    elif kind in (list, tuple, set, frozenset) and value:
        start, end = _BRACKETS[kind.__name__]
        for number, item in enumerate(value):
            yield ", " if number else start
            yield from _parts(item)
        yield f",{end}" if kind is tuple and len(value) == 1 else end
    elif getattr(value, "shape", ()):
        array = as_array(value)
        if not 0 < math.prod(value.shape) <= MAX_SHOWN:
            yield f"values of shape {tuple(value.shape)}"
        elif array is not None:
            yield _nested(array.tolist())
        else:
            yield from _parts(value.tolist()) if value.dtype.kind in "SU" else (repr(value),)
    else:
        yield repr(value)


def _items(value: Any, limit: int) -> int:
    """How many lists and items a value of lists in lists has; it is not counted on beyond `limit`."""
    if not isinstance(value, (list, tuple)):
        return 1
    count = 1
    for item in value:
        count += _items(item, limit - count)
        if count > limit:
            break
    return count


def number(value: Any) -> str:
    """Six significant digits: `0.5`, `1.25e-07`, `nan`."""
    if isinstance(value, (bool, numbers.Integral)) or str(getattr(value, "dtype", "")) == "bool":
        return str(value)
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        return f"{complex(value):.6g}"
    text = f"{float(value):.6g}"
    return f"{text}.0" if text.lstrip("-").isdigit() else text


def _nested(values: Any) -> str:
    return f"[{', '.join(map(_nested, values))}]" if isinstance(values, list) else number(values)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_GIVEN else f"{text[: MAX_GIVEN - 1]}…"


def _array_difference(
    got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any], rtol: float, atol: float, label: str
) -> str:
    import numpy as np

    if got.shape != wanted.shape:
        return f"{label}expected {_shape(wanted)}, got {_shape(got)}"
    # Subtraction of bools is an error, and of unsigned integers wraps around.
    kind = np.complex128 if "c" in got.dtype.kind + wanted.dtype.kind else np.float64
    left, right = got.astype(kind), wanted.astype(kind)
    if np.array_equal(left, right):
        # The usual case, and many times faster to see.
        return ""
    wrong = ~np.isclose(left, right, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return ""
    if got.ndim == 0:
        return f"{label}{_expected_got(got[()], wanted[()])}"
    with np.errstate(invalid="ignore"):
        distance = np.where(wrong, np.nan_to_num(abs(left - right), nan=np.inf, posinf=np.inf), -1.0)
    place = tuple(int(i) for i in np.unravel_index(int(distance.argmax()), distance.shape))
    where = f"at position {list(place)}"
    many = f" ({int(wrong.sum())} of {wrong.size} values differ)" if wrong.size > 1 else ""
    whole = ""
    if got.size <= MAX_SHOWN:
        whole = f"; all of it: expected {show(wanted)}, got {show(got)}"
    return f"{label}{_expected_got(got[place], wanted[place])} {where}{many}{whole}"


def _expected_got(got: Any, wanted: Any) -> str:
    left, right = number(wanted), number(got)
    if left == right:
        # They differ beyond the digits that are shown.
        left, right = repr(wanted.item()), repr(got.item())
    return f"expected {left}, got {right}"


def _shape(array: np.ndarray[Any, Any]) -> str:
    return f"a single number (shape {array.shape})" if array.ndim == 0 else f"shape {array.shape}"


def _sequence_difference(actual: Any, expected: Any, rtol: float, atol: float, what: str) -> str:
    """Items of different shapes, such as weights and bias: one after the other."""
    label = f"{what}: " if what else ""
    if not isinstance(expected, (list, tuple)):
        raise TypeError(f"cannot compare with a {type(expected).__name__}")
    if not isinstance(actual, (list, tuple)):
        # An array of the right length is as good as a list of its rows.
        rows = as_array(actual)
        if rows is None or rows.ndim == 0:
            return f"{label}expected {show(expected)}, got {show(actual)}"
        actual = rows if len(rows) != len(expected) else list(rows)
    if len(actual) != len(expected):
        return f"{label}expected {len(expected)} values, got {len(actual)}"
    for position, (one, other) in enumerate(zip(actual, expected, strict=True)):
        fault = difference(one, other, rtol=rtol, atol=atol, what=f"{what or 'result'}[{position}]")
        if fault:
            return fault
    return ""


def _keys(mapping: Mapping[Any, Any]) -> str:
    keys = sorted(brief(key) for key in islice(mapping, MAX_KEYS))
    more = len(mapping) - len(keys)
    return ", ".join(keys) + (f" and {more:,} more" if more else "")


def _dict_difference(actual: Any, expected: Mapping[Any, Any], rtol: float, atol: float, what: str) -> str:
    label = f"{what}: " if what else ""
    if not isinstance(actual, Mapping):
        return f"{label}expected a dict, got {show(actual)}"
    if set(actual) != set(expected):
        return f"{label}expected the keys {_keys(expected)}, got {_keys(actual) or 'none'}"
    for key, value in expected.items():
        fault = difference(actual[key], value, rtol=rtol, atol=atol, what=f"{what or 'result'}[{key!r}]")
        if fault:
            return fault
    return ""
