"""Values on the wire: what is data comes back as it was, all else is refused, and nothing is ever run."""

from __future__ import annotations

import contextlib
import math
import socket
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grader.inside import frames, wire
from grader.inside.wire import WireError, pack, unpack

PLAIN: dict[str, Any] = {
    "none": None,
    "bools": [True, False],
    "int": -3,
    "int64-limits": [2**63 - 1, -(2**63)],
    "large-ints": [2**63, -(10**300)],
    "float": 0.1,
    "infinities": [math.inf, -math.inf],
    "complex": 1 - 2j,
    "str": "na\u00efve \u2211 \0",
    "bytes": bytes(range(256)),
    "empty": [[], (), {}, set(), "", b""],
    "nested": {"a": [(1, {2.5: None}), {3, 4}], (1, 2): frozenset({5})},
    "looks-like-a-tag": ["tensor", "float32", [1], b"1234"],
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN.keys())
def test_plain_values_come_back_equal_and_of_the_same_type(value: Any) -> None:
    back = unpack(pack(value))
    assert back == value
    assert repr(back) == repr(value)


SIMPLIFIED: dict[str, tuple[Any, Any]] = {
    "range": (range(3), [0, 1, 2]),
    "bytearray": (bytearray(b"ab"), b"ab"),
    "torch-size": (torch.zeros(2, 3).shape, (2, 3)),
    "subclass-of-int": (type("Id", (int,), {})(3), 3),
    "subclass-of-dict": (type("Config", (dict,), {})(a=1), {"a": 1}),
    "lone-surrogate": ("\ud800", "?"),
}


@pytest.mark.parametrize(("value", "expected"), SIMPLIFIED.values(), ids=SIMPLIFIED.keys())
def test_near_relatives_become_plain(value: Any, expected: Any) -> None:
    back = unpack(pack(value))
    assert back == expected
    assert type(back) is type(expected)


DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", ">i4", ">f8", "S5", "U5"]
SHAPES = [(), (1,), (0, 3), (2, 3, 4)]


@pytest.mark.parametrize("dtype", [*DTYPES, "M8[s]", "m8[ms]"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_arrays_keep_dtype_shape_and_content(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(math.prod(shape)).astype("i8").reshape(shape).astype(dtype)
    back = unpack(pack(array))
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype
    assert back.shape == shape
    assert np.array_equal(back, array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars_of_numpy_stay_scalars(dtype: str) -> None:
    scalar = np.ones((), dtype=np.int64).astype(dtype)[()]
    back = unpack(pack(scalar))
    assert type(back) is type(scalar)
    assert back == scalar


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", wire.TORCH_DTYPES)
def test_tensors_keep_dtype_shape_and_content(dtype: str, shape: tuple[int, ...]) -> None:
    tensor = torch.arange(math.prod(shape)).reshape(shape).to(getattr(torch, dtype))
    back = unpack(pack(tensor))
    assert back.dtype == tensor.dtype
    assert back.shape == shape
    assert back.tolist() == tensor.tolist()


def test_a_tensor_keeps_its_requires_grad_but_not_its_graph() -> None:
    tensor = torch.ones(3, requires_grad=True) * 2
    back = unpack(pack(tensor))
    assert back.requires_grad
    assert back.is_leaf
    assert not unpack(pack(tensor.detach())).requires_grad


def test_views_and_transposed_and_conjugated_tensors_cross() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    for tensor in (base.T, base[1:, ::2], torch.view_as_complex(base.reshape(3, 2, 2)).conj(), base[:1].expand(3, 4)):
        assert torch.equal(unpack(pack(tensor)), tensor)


def test_not_a_number_crosses() -> None:
    assert math.isnan(unpack(pack(math.nan)))
    assert np.isnan(unpack(pack(np.array([np.nan])))).all()


def test_objects_cross_as_handles_and_come_back_as_themselves() -> None:
    kept: dict[int, Any] = {}

    def keep(value: Any) -> tuple[int, str]:
        kept[7] = value
        return 7, wire.type_name(value)

    assert unpack(pack([len], keep), lambda number, name: (number, name, kept[number])) == [
        (7, "builtin_function_or_method", len)
    ]


UNSENDABLE: dict[str, tuple[Any, str]] = {
    "object": (object(), "object is no data"),
    "function": (len, "no data"),
    "object-array": (np.array([object()]), "dtype object"),
    "record-array": (np.zeros(2, dtype=[("a", "i4")]), "no plain data"),
    "sparse-tensor": (torch.eye(2).to_sparse(), "sparse"),
    "tensor-without-memory": (torch.empty(2, device="meta"), "meta"),
    "large-bytes": (b"x" * (wire.MAX_BYTES + 1), "too large"),
    "large-tensor": (torch.empty(wire.MAX_BYTES // 4 + 1), "too large"),
    "large-expanded-tensor": (torch.zeros(1).expand(2**40), "too large"),
    "large-array": (np.empty(wire.MAX_BYTES + 1, dtype="u1"), "too large"),
    "large-expanded-array": (np.broadcast_to(np.uint8(0), 2**40), "too large"),
    "large-int": (10**5000, "too large"),
    "endless-range": (range(2**60), "too large"),
}


@pytest.mark.parametrize(("value", "why"), UNSENDABLE.values(), ids=UNSENDABLE.keys())
def test_what_cannot_cross_is_refused_with_a_reason(value: Any, why: str) -> None:
    with pytest.raises(WireError, match=why):
        pack(value)


def test_what_is_nested_too_deep_is_refused() -> None:
    value: Any = []
    for _ in range(100):
        value = [value]
    with pytest.raises(WireError, match="deep"):
        pack(value)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(WireError, match="deep"):
        pack(endless)


DEEP: Any = []
for _ in range(100):
    DEEP = ["list", [DEEP]]

MALFORMED: dict[str, Any] = {
    "untagged-list": [1, 2],
    "empty-list": [],
    "bare-dict": {"a": 1},
    "unknown-tag": ["pickle", b""],
    "tag-of-a-method": ["_", 1],
    "tag-no-identifier": ["list ", []],
    "tag-with-no-content": ["tensor"],
    "tag-with-too-much": ["list", [], []],
    "list-of-no-list": ["list", 5],
    "dict-of-no-pairs": ["dict", [1]],
    "dict-unhashable-key": ["dict", [[["list", []], 1]]],
    "set-unhashable": ["set", [["list", []]]],
    "int-not-text": ["int", 5],
    "int-no-digits": ["int", "x"],
    "int-other-digits": ["int", "\u0663"],
    "int-too-many-digits": ["int", "1" * 100_000],
    "complex-text": ["complex", "x", "y"],
    "array-of-objects": ["array", "|O", [1], b"12345678"],
    "array-of-records": ["array", "i4,i4", [1], b"12345678"],
    "array-of-empty-text": ["array", "<U0", [5], b""],
    "array-wrong-size": ["array", "<f8", [2], b"12345678"],
    "array-huge-shape": ["array", "<f8", [2**40, 2**40, 0], b""],
    "array-negative-shape": ["array", "<f8", [-1], b"12345678"],
    "array-bool-shape": ["array", "|u1", [True], b"1"],
    "array-many-dimensions": ["array", "|u1", [1] * 100, b"1"],
    "array-no-unicode": ["array", "<U1", [1], b"\xff\xff\xff\xff"],
    "array-strange-unit": ["array", "<M8[zz]", [1], b"12345678"],
    "tensor-unknown-dtype": ["tensor", "load", [1], b"1", False],
    "tensor-wrong-size": ["tensor", "float32", [2], b"1234", False],
    "tensor-dtype-no-text": ["tensor", ["x"], [1], b"1", False],
    "dtype-unknown": ["dtype", "load"],
    "dtype-unhashable": ["dtype", []],
    "handle-unasked": ["handle", 1, "x"],
    "deep": DEEP,
    "ext-type": msgspec.msgpack.Ext(5, b"x"),
}


@pytest.mark.parametrize("tree", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_content_is_refused(tree: Any) -> None:
    with pytest.raises(WireError):
        unpack(msgspec.msgpack.encode(tree))


BROKEN = {
    "nothing": b"",
    "too-short": b"\x93\x01",
    "too-long": b"\x01\x01",
    "unused-byte": b"\xc1",
    "bad-utf-8": b"\xa1\xff",
    "very-deep": b"\x91" * 100_000,
    "claims-much": b"\xdd\xff\xff\xff\xff",
    "many-items": b"\xdd\x00\x98\x96\x80" + b"\xc0" * 10_000_000,
    "too-large": bytes(wire.MAX_BYTES + 1),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_messages_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        unpack(data)


def test_bools_are_bools_whatever_bytes_come() -> None:
    for message in (["array", "|b1", [2], b"\x00\x07"], ["tensor", "bool", [2], b"\x00\x07", False]):
        assert unpack(msgspec.msgpack.encode(message)).tolist() == [False, True]


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_wire_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        unpack(data)


TAGS = ["list", "tuple", "set", "dict", "int", "complex", "array", "scalar", "tensor", "dtype", "handle", "value"]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=5), st.binary(max_size=8),
    st.sampled_from([*TAGS, "<f8", "|b1", "<U1", "|S1", "<M8[s]", "float32", "bool"]),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(st.sampled_from(TAGS), inner, inner, inner).map(list)
        | st.tuples(st.sampled_from(["list", "tuple", "set", "dict"]), st.lists(inner, max_size=3)).map(list)
    ),
    max_leaves=20,
)


@given(TREES)
def test_random_trees_raise_nothing_but_wire_error(tree: Any) -> None:
    with contextlib.suppress(WireError):
        unpack(msgspec.msgpack.encode(tree), lambda number, name: number)


HASHABLE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.complex_numbers(allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs"])), st.binary(),
    ),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(HASHABLE, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_data_survives_the_round_trip(value: Any) -> None:
    back = unpack(pack(value))
    assert back == value
    assert type(back) is type(value)


P = 2**61 - 1
ENTRIES = [msgspec.msgpack.encode(n) + b"\0" for n in range(20_000)]

HOSTILE: dict[str, bytes] = {
    "an empty tensor, endless in its other dimension": msgspec.msgpack.encode(
        ["tensor", "float32", [2**31, 0], b"", False]
    ),
    "the same of an array": msgspec.msgpack.encode(["array", "<f8", [0, 2**40], b""]),
    "many dimensions": msgspec.msgpack.encode(["array", "<f8", [1000, 1000, 1000, 0], b""]),
    "too many dimensions": msgspec.msgpack.encode(["array", "<f8", [1] * 40, bytes(8)]),
    "ints of one hash": msgspec.msgpack.encode(["set", [["int", str(5 + k * P)] for k in range(1000)]]),
    "complex numbers of one hash": msgspec.msgpack.encode(
        ["set", [["complex", float(10**15 - 1_000_003 * k), float(k)] for k in range(1000)]]
    ),
    "keys of one hash": msgspec.msgpack.encode(["dict", [[["int", str(k * P)], k] for k in range(1000)]]),
    "a map": b"\xdf" + len(ENTRIES).to_bytes(4, "big") + b"".join(ENTRIES),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_would_take_for_ever_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        unpack(data)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0), (1_000_000, 0)])
def test_an_empty_array_of_a_usual_shape_comes_back(shape: tuple[int, ...]) -> None:
    assert unpack(pack(np.zeros(shape))).shape == shape
    assert unpack(pack(torch.zeros(shape))).shape == shape


def test_a_message_with_a_large_map_is_none() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.send(theirs, {str(n): 0 for n in range(frames.MAX_ENTRIES)})
        assert len(frames.receive(ours)) == frames.MAX_ENTRIES
        frames.send(theirs, [0, {(n, n): 0 for n in range(frames.MAX_ENTRIES + 1)}])
        with pytest.raises(frames.ConnectionLost):
            frames.receive(ours)
