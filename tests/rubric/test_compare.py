"""Comparisons are right about values, lenient about containers, strict about shapes, and say what is wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from growth import calls_of

from grader.rubric.compare import CheckFailed, as_array, difference, expect, matches, number, show

NAN, INF = float("nan"), float("inf")

SAME: dict[str, tuple[Any, Any]] = {
    "a float and a tensor without axes": (torch.tensor(0.5), 0.5),
    "a NumPy scalar and a float": (np.float32(0.5), 0.5),
    "an int and a float": (1, 1.0),
    "float32 and float64": (torch.tensor([0.1, 0.2]), torch.tensor([0.1, 0.2], dtype=torch.float64)),
    "half precision": (torch.tensor([0.5, 2.0], dtype=torch.bfloat16), [0.5, 2.0]),
    "integers and floats": (torch.tensor([1, 2]), np.array([1.0, 2.0])),
    "bools and numbers": (torch.tensor([True, False]), [1, 0]),
    "unsigned and negative zero": (np.array([0], dtype=np.uint8), [-0.0]),
    "a list and an array": ([1.0, 2.0], np.array([1.0, 2.0])),
    "a list of tensors and a matrix": (
        [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])],
        np.array([[1, 2], [3, 4]]),
    ),
    "a tensor that requires its gradient": (torch.tensor([1.0], requires_grad=True), [1.0]),
    "an array for a list of rows": (np.eye(2), [[1, 0], [0, 1]]),
    "a list for a tuple": ([1, [2, 3]], (1, (2, 3))),
    "items of different shapes": ((torch.zeros(2, 3), torch.zeros(3)), [np.zeros((2, 3)), np.zeros(3)]),
    "nan and nan": ([1.0, NAN], torch.tensor([1.0, NAN])),
    "infinities": (torch.tensor([INF, -INF]), [INF, -INF]),
    "complex numbers": (1 + 2j, np.complex64(1 + 2j)),
    "nothing in both": (torch.zeros(0), []),
    "a small difference": (0.5 + 1e-7, 0.5),
    "None": (None, None),
    "text": ("relu", "relu"),
    "dicts": ({"val": 1, "train": [1, 2]}, {"train": torch.tensor([1, 2]), "val": 1.0}),
}


@pytest.mark.parametrize(("actual", "expected"), SAME.values(), ids=SAME.keys())
def test_values_that_are_the_same_pass(actual: Any, expected: Any) -> None:
    expect(actual, expected)
    assert matches(actual, expected)


DIFFERENT: dict[str, tuple[Any, Any, str]] = {
    "another number": (0.75, 0.5, "expected 0.5, got 0.75"),
    "a whole number": (torch.tensor(3), 2, "expected 2, got 3"),
    "whole floats keep their point": (1.0, 0.0, "expected 0.0, got 1.0"),
    "nan": (NAN, 0.0, "expected 0.0, got nan"),
    "a number for nan": (0.0, NAN, "expected nan, got 0.0"),
    "infinity": (INF, 13.8, "expected 13.8, got inf"),
    "the other infinity": (-INF, INF, "expected inf, got -inf"),
    "one of few values": (
        [0.5, 0.75],
        [0.5, 0.7],
        "expected 0.7, got 0.75 at position [1] (1 of 2 values differ); "
        "all of it: expected [0.5, 0.7], got [0.5, 0.75]",
    ),
    "the worst of many values": (
        np.array([0, 1, 0, 0, 0, 0, 0, 7.5]),
        np.zeros(8),
        "expected 0.0, got 7.5 at position [7] (2 of 8 values differ)",
    ),
    "nan is the worst": (
        np.array([9, NAN, 0, 0, 0, 0, 0, 0]),
        np.zeros(8),
        "expected 0.0, got nan at position [1] (2 of 8 values differ)",
    ),
    "a column for a row": (torch.zeros(5, 1), torch.zeros(5), "expected shape (5,), got shape (5, 1)"),
    "an array for a number": (torch.zeros(1), 0.0, "expected a single number (shape ()), got shape (1,)"),
    "too few items": ([1, 2], [1, [2, 3]], "result[1]: expected shape (2,), got a single number (shape ())"),
    "too short a list": ((1, [2]), (1, [2], 3), "expected 3 values, got 2"),
    "a number for a tuple": (1.0, (1, [2, 3]), "expected a tuple of 2, got 1.0"),
    "None for a number": (None, 1.0, "expected a number, got None"),
    "text for numbers": ("12", [1, 2], "expected numbers of shape (2,), got '12'"),
    "a number that is text": ("1", 1, "expected a number, got '1'"),
    "a number for text": (1, "1", "expected '1', got 1"),
    "other text": ("tanh", "relu", "expected 'relu', got 'tanh'"),
    "a ragged list": ([[1, 2], [3]], [[1, 2], [3, 4]], "expected numbers of shape (2, 2), got a list of 2"),
    "objects": (np.array([object()]), [1.0], "expected numbers of shape (1,), got"),
    "unsigned numbers do not wrap around": (np.array([1], np.uint8), [2], "expected 2, got 1 at position [0]"),
    "a key that is missing": ({"train": 1}, {"train": 1, "val": 2}, "expected the keys 'train', 'val', got 'train'"),
    "a value in a dict": ({"val": 3}, {"val": 2}, "result['val']: expected 2, got 3"),
    "no dict": ([1], {"val": 2}, "expected a dict, got [1]"),
}


@pytest.mark.parametrize(("actual", "expected", "message"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_values_that_differ_fail_and_the_message_says_how(actual: Any, expected: Any, message: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        expect(actual, expected)
    assert str(failure.value).startswith(message)
    assert not matches(actual, expected)


def test_the_message_names_the_value_and_the_input() -> None:
    with pytest.raises(CheckFailed, match=r"^loss: expected 0\.5, got 0\.75, for x = 0\.0$"):
        expect(torch.tensor(0.75), 0.5, what="loss", given="x = 0.0")


def test_numbers_that_differ_beyond_six_digits_are_shown_in_full() -> None:
    with pytest.raises(CheckFailed, match=r"^expected 123456\.1, got 123456\.101$"):
        expect(123456.101, 123456.1, rtol=1e-9)


def test_a_long_input_is_cut_in_the_message() -> None:
    with pytest.raises(CheckFailed) as failure:
        expect(1, 2, given=f"x = {torch.zeros(100, 100)}\n" * 50)
    assert len(str(failure.value)) < 400
    assert "\n" not in str(failure.value)


def test_a_failed_comparison_is_an_assertion_for_pytest() -> None:
    assert issubclass(CheckFailed, AssertionError)


@pytest.mark.parametrize(
    ("actual", "tolerance", "passes"),
    [(1.001, {"rtol": 1e-2}, True), (1.001, {"rtol": 1e-4}, False), (1e-4, {"atol": 1e-3}, True), (1e-4, {}, False)],
    ids=["relative, wide", "relative, narrow", "absolute, wide", "by default"],
)
def test_tolerances_can_be_chosen(actual: float, tolerance: dict[str, float], passes: bool) -> None:
    assert matches(actual, round(actual), **tolerance) is passes


def test_an_object_that_claims_to_equal_everything_gains_nothing() -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    for expected in (None, "text", 1.0, [1, 2], (1, [2, 3]), {"a": 1}):
        assert difference(Equal(), expected)


def test_a_handle_is_named_by_its_type_and_never_used_as_data() -> None:
    class Handle:
        handle_id = 1
        type_name = "function"

        def _no_data(self, *args: object) -> Any:
            raise RuntimeError("used as data")

        __float__ = __iter__ = __len__ = __eq__ = __array__ = __bool__ = _no_data  # type: ignore[assignment]
        __hash__ = object.__hash__

    assert difference(Handle(), 1.0) == "expected a number, got a function"
    assert difference([1.0, Handle()], [1.0, 2.0]) == "expected numbers of shape (2,), got a list of 2"
    assert difference(Handle(), "relu") == "expected 'relu', got a function"


def test_what_a_check_expects_must_be_comparable() -> None:
    with pytest.raises(TypeError, match="cannot compare with a object"):
        expect(1, object())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (2.0, "2.0"),
        (3, "3"),
        (1e-9, "1e-09"),
        (np.float32(0.1), "0.1"),
        (True, "True"),
        (NAN, "nan"),
        (1 + 2j, "1+2j"),
    ],
    ids=str,
)
def test_numbers_are_shown_as_people_write_them(value: Any, text: str) -> None:
    assert number(value) == text


def test_short_arrays_are_shown_whole_and_long_ones_by_their_shape() -> None:
    assert show(torch.tensor([[1.0, 2.5], [0.0, -1.0]])) == "[[1.0, 2.5], [0.0, -1.0]]"
    assert show(np.zeros((3, 4))) == "values of shape (3, 4)"


@pytest.mark.parametrize(
    "value", [None, "text", [1, "2"], [[1], [1, 2]], np.array(["a"]), object()], ids=lambda value: type(value).__name__
)
def test_what_holds_no_numbers_is_no_array(value: Any) -> None:
    assert as_array(value) is None


def test_comparing_needs_no_library_until_it_is_used() -> None:
    code = (
        "import importlib.util, sys\n"
        "spec = importlib.util.find_spec('grader')\n"
        "path = spec.submodule_search_locations[0] + '/rubric/compare.py'\n"
        "module = importlib.util.module_from_spec(importlib.util.spec_from_file_location('compare', path))\n"
        "module.__spec__.loader.exec_module(module)\n"
        "print(sorted({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


LARGE: dict[str, tuple[Any, str]] = {
    "an empty array of many rows": (np.zeros((1_000_000, 0)), "values of shape (1000000, 0)"),
    "an empty tensor of endless rows": (torch.empty((2**31, 0)), "values of shape (2147483648, 0)"),
    "a long list": ([1.5] * 1_000_000, "a list of 1000000"),
    "long lists": ([[1.5] * 1000] * 1000, "a list of 1000"),
    "empty lists": ([[]] * 1_000_000, "a list of 1000000"),
    "a long text": ("a" * 10**8, "'" + "a" * 298 + "…"),
    "long bytes": (b"a" * 10**8, "b'" + "a" * 297 + "…"),
    "a text in an array": (np.array(["a" * 10**7]), "['" + "a" * 297 + "…"),
    "a dict of arrays": ({"a": np.zeros(999), "b": torch.ones(2)}, "{'a': values of shape (999,), 'b': [1.0, 1.0]}"),
    "a dict of an endless tensor": ({1: torch.empty((2**31, 0))}, "{1: values of shape (2147483648, 0)}"),
    "a huge int": (10**4000, "1" + "0" * 298 + "…"),
    "a small set": ({1, (2,), frozenset({3})}, None),
    "what is empty": ({"a": [], "b": {}, "c": set(), "d": ()}, "{'a': [], 'b': {}, 'c': set(), 'd': ()}"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), LARGE.values(), ids=LARGE.keys())
def test_what_is_shown_is_short_however_large_the_value(value: Any, shown: str | None) -> None:
    assert show(value) == (shown or repr(value))


def test_a_large_set_is_not_gone_through_to_show_its_beginning() -> None:
    assert calls_of(lambda: show(set(range(100_000)))) < 2_000


def test_of_many_keys_few_are_told() -> None:
    fault = difference({f"key {n}": n for n in range(100_000)}, {"a": 1})
    assert fault.startswith("expected the keys 'a', got 'key 0', ")
    assert fault.endswith(" and 99,980 more")
    assert len(fault) < 1000


def test_the_rows_of_an_array_are_not_listed_where_their_number_is_wrong() -> None:
    rows = np.zeros((1_000_000, 0))
    assert calls_of(lambda: difference(rows, [np.zeros(2), np.zeros(3)])) < 1_000
