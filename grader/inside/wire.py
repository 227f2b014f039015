"""How values cross the line between the trusted side and the sandbox: plain data, bounded and checked.

A value becomes a tree of MessagePack scalars and tagged lists, such as `["tensor", "float32", [2, 3], b"..."]`.
Nothing is ever unpickled or evaluated. What is not data crosses as a *handle*: a number that stands for an
object which stays where it is.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Protocol, cast

import msgspec

from grader.inside.frames import has_large_map, has_too_many_items

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 32
MAX_ITEMS = 1_000_000
MAX_PARTS = 5
"""A value is at most so many items of MessagePack."""
MAX_COLLISIONS = 50
"""Keys of a dict, or items of a set, that share one hash: each is compared with all before it."""
MAX_DIGITS = 4_000
"""Below Python's own limit for turning text into int, which hostile digits could otherwise make slow."""

TORCH_DTYPES = {
    "bool": 1,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}
"""The tensor dtypes that cross, and their size in bytes."""

NUMPY_DTYPE = re.compile(
    r"[<>|=](?:b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[SU]\d{1,6}|[mM]8(?:\[\d{0,6}[a-zA-Z]{1,2}\])?)"
)
"""The array dtypes that cross: numbers, text and times of fixed size; no objects, no records."""


class WireError(Exception):
    """A value cannot cross, or what came is malformed. The message says which and why."""


class RemoteObject(Protocol):
    """What stands for an object on the other side: a Handle there, this number here."""

    handle_id: int


def pack(value: Any, keep: Callable[[Any], tuple[int, str]] | None = None) -> bytes:
    """Encode `value`. Objects that are not data are given to `keep`, which returns their number and type name.

    Raises WireError for a value that is too large, too deep or no data (when `keep` is None).
    """
    data = msgspec.msgpack.encode(_Packer(keep).tree(value, 0))
    if len(data) > MAX_BYTES:
        raise WireError(f"a value of {len(data):,} bytes is too large to hand over; the limit is {MAX_BYTES:,}")
    return data


def unpack(data: bytes, find: Callable[[int, str], Any] | None = None) -> Any:
    """Decode what `pack` made. Handles are given to `find`, with their number and type name.

    Raises WireError for anything else, without ever running code of the sender.
    """
    if len(data) > MAX_BYTES:
        raise WireError(f"an answer of {len(data):,} bytes is too large; the limit is {MAX_BYTES:,}")
    # What `pack` makes has no maps.
    if has_too_many_items(data, MAX_ITEMS * MAX_PARTS) or has_large_map(data, 15):
        raise WireError("an answer of too many items")
    try:
        tree = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a value: {error}") from None
    return _Unpacker(find).value(tree, 0)


class _Packer:
    def __init__(self, keep: Callable[[Any], tuple[int, str]] | None) -> None:
        self.keep = keep
        self.items = 0
        self.bytes = 0

    def tree(self, value: Any, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH:
            raise WireError(f"a {type_name(value)} is nested more than {MAX_DEPTH} deep")
        if self.items > MAX_ITEMS:
            raise WireError(f"a value of more than {MAX_ITEMS:,} items is too large to hand over")
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is int:
            return value if -(2**63) <= value < 2**63 else ["int", _digits(value)]
        if kind is float:
            return value
        if kind is str:
            return self.sized(value)
        if kind is bytes:
            return self.sized(value)
        if kind in (list, tuple, set, frozenset):
            return [kind.__name__, [self.tree(item, depth + 1) for item in value]]
        if kind is dict:
            return ["dict", [[self.tree(k, depth + 1), self.tree(v, depth + 1)] for k, v in value.items()]]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if hasattr(kind, "handle_id"):
            return ["handle", value.handle_id, getattr(value, "type_name", "")]
        return self.library_value(value, depth)

    def library_value(self, value: Any, depth: int) -> Any:
        """Arrays and tensors, then subclasses of the plain types, then handles."""
        torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
        if torch is not None:
            if isinstance(value, torch.Tensor):
                return self.tensor(value)
            if isinstance(value, torch.Size):
                return ["tuple", [int(size) for size in value]]
            if isinstance(value, torch.dtype):
                return ["dtype", str(value).removeprefix("torch.")]
        if numpy is not None:
            if isinstance(value, numpy.ndarray):
                return self.array(numpy.asarray(value), "array")
            if isinstance(value, numpy.generic):
                return self.array(numpy.asarray(value), "scalar")
        for plain in (bool, int, float, str, bytes, tuple, list, dict, set):
            if isinstance(value, plain):
                return self.tree(cast(Any, plain)(value), depth)
        if isinstance(value, (bytearray, memoryview)):
            return self.tree(bytes(value), depth)
        if isinstance(value, range):
            return self.tree(list(value[: MAX_ITEMS + 1]), depth)
        if self.keep is None:
            raise WireError(f"a {type_name(value)} is no data and cannot be handed over")
        number, name = self.keep(value)
        return ["handle", number, name]

    def array(self, array: Any, tag: str) -> Any:
        if NUMPY_DTYPE.fullmatch(array.dtype.str) is None:
            raise WireError(f"a NumPy {tag} of dtype {array.dtype} is no plain data and cannot be handed over")
        if array.nbytes > MAX_BYTES:
            # Before it is copied: what is broadcast may be larger than the memory.
            raise WireError(f"a NumPy {tag} of shape {array.shape} is too large to hand over")
        return [tag, array.dtype.str, list(array.shape), self.sized(array.tobytes())]

    def tensor(self, tensor: Any) -> Any:
        import torch

        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype not in TORCH_DTYPES or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise WireError(
                f"a {tensor.layout} tensor of dtype {dtype} on {tensor.device} cannot be handed over; "
                "dense tensors in memory can"
            )
        if tensor.numel() * TORCH_DTYPES[dtype] > MAX_BYTES:
            raise WireError(f"a tensor of shape {tuple(tensor.shape)} is too large to hand over")
        with torch.no_grad():
            flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
            content = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        return ["tensor", dtype, list(tensor.shape), self.sized(content), bool(tensor.requires_grad)]

    def sized(self, content: Any) -> Any:
        self.bytes += len(content)
        if self.bytes > MAX_BYTES:
            raise WireError(f"a value of more than {MAX_BYTES:,} bytes is too large to hand over")
        if isinstance(content, str):
            # A lone surrogate has no UTF-8 form and would make the whole message unsendable.
            return content.encode("utf-8", "replace").decode("utf-8")
        return content


class _Unpacker:
    def __init__(self, find: Callable[[int, str], Any] | None) -> None:
        self.find = find
        self.items = 0

    def value(self, tree: Any, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            self.refuse("nested too deep or too many items")
        if tree is None or isinstance(tree, (bool, int, float, str, bytes)):
            return tree
        if not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
            self.refuse("untagged content")
        tag, *content = tree
        reader = getattr(self, f"read_{tag}", None) if tag.isidentifier() else None
        if reader is None:
            self.refuse(f"unknown tag {tag[:40]!r}")
        try:
            return reader(depth, *content)
        except WireError:
            raise
        except (TypeError, ValueError, OverflowError, RecursionError, MemoryError, RuntimeError) as error:
            self.refuse(f"malformed {tag}: {error}")

    def refuse(self, why: str) -> NoReturn:
        raise WireError(f"not a value: {why}")

    def items_of(self, content: Any, depth: int) -> Iterable[Any]:
        if not isinstance(content, list):
            self.refuse("a sequence without items")
        return (self.value(item, depth + 1) for item in content)

    def read_list(self, depth: int, content: Any) -> list[Any]:
        return list(self.items_of(content, depth))

    def read_tuple(self, depth: int, content: Any) -> tuple[Any, ...]:
        return tuple(self.items_of(content, depth))

    def read_set(self, depth: int, content: Any) -> set[Any]:
        return set(self.hashed(self.items_of(content, depth)))

    def read_frozenset(self, depth: int, content: Any) -> frozenset[Any]:
        return frozenset(self.hashed(self.items_of(content, depth)))

    def read_dict(self, depth: int, content: Any) -> dict[Any, Any]:
        if not isinstance(content, list):
            self.refuse("a dict without items")
        keys = self.hashed(self.value(key, depth + 1) for key, _ in content)
        return {key: self.value(value, depth + 1) for key, (_, value) in zip(keys, content, strict=True)}

    def hashed(self, keys: Iterable[Any]) -> list[Any]:
        """Keys of which few share a hash. Those of numbers and tuples are known to all: a million could be one."""
        keys = list(keys)
        if len(keys) > MAX_COLLISIONS and max(Counter(map(hash, keys)).values()) > MAX_COLLISIONS:
            self.refuse("too many keys of one hash")
        return keys

    def read_int(self, depth: int, digits: Any) -> int:
        if not isinstance(digits, str) or re.fullmatch(rf"-?\d{{1,{MAX_DIGITS}}}", digits, re.ASCII) is None:
            self.refuse("malformed int")
        return int(digits)

    def read_complex(self, depth: int, real: Any, imag: Any) -> complex:
        return complex(float(real), float(imag))

    def read_array(self, depth: int, dtype: Any, shape: Any, content: Any) -> Any:
        import numpy

        if not isinstance(dtype, str) or NUMPY_DTYPE.fullmatch(dtype) is None:
            self.refuse("malformed array dtype")
        kind = numpy.dtype(dtype)
        count = self.count(shape, kind.itemsize, content)
        if count == 0:
            return numpy.zeros(shape, dtype=kind)
        if kind.kind == "b":
            # Any other byte than 0 or 1 is no bool, and undefined behaviour where it is used as one.
            return (numpy.frombuffer(content, dtype=numpy.uint8) != 0).reshape(shape)
        if kind.kind == "U":
            characters = numpy.frombuffer(content, dtype=numpy.dtype(numpy.uint32).newbyteorder(kind.byteorder))
            if characters.max() > sys.maxunicode:
                self.refuse("text with numbers that are no characters")
        return numpy.frombuffer(content, dtype=kind).reshape(shape).copy()

    def read_scalar(self, depth: int, dtype: Any, shape: Any, content: Any) -> Any:
        return self.read_array(depth, dtype, shape, content)[()]

    def read_tensor(self, depth: int, dtype: Any, shape: Any, content: Any, requires_grad: Any) -> Any:
        import torch

        if not isinstance(dtype, str) or dtype not in TORCH_DTYPES:
            self.refuse("malformed tensor dtype")
        kind = getattr(torch, dtype)
        count = self.count(shape, TORCH_DTYPES[dtype], content)
        if count == 0:
            tensor = torch.empty(shape, dtype=kind)
        elif dtype == "bool":
            # Any other byte than 0 or 1 is no bool, and undefined behaviour where it is used as one.
            tensor = (torch.frombuffer(bytearray(content), dtype=torch.uint8) != 0).reshape(shape)
        else:
            tensor = torch.frombuffer(bytearray(content), dtype=kind).reshape(shape)
        if requires_grad is True and (kind.is_floating_point or kind.is_complex):
            tensor.requires_grad_()
        return tensor

    def read_dtype(self, depth: int, name: Any) -> Any:
        import torch

        if name not in TORCH_DTYPES:
            self.refuse("malformed dtype")
        return getattr(torch, name)

    def read_handle(self, depth: int, number: Any, name: Any) -> Any:
        if self.find is None or not isinstance(number, int) or not isinstance(name, str):
            self.refuse("a handle where none can be")
        return self.find(number, name[:200])

    def count(self, shape: Any, item_size: int, content: Any) -> int:
        """The number of elements, which must be exactly what `content` holds."""
        if not isinstance(content, bytes) or not isinstance(shape, list) or len(shape) > MAX_DEPTH:
            self.refuse("malformed array")
        if item_size == 0:
            self.refuse("an array of items without a size")
        count = spread = 1
        for size in shape:
            if type(size) is not int or not 0 <= size <= MAX_BYTES:
                self.refuse("malformed shape")
            count *= size
            spread *= max(size, 1)
        if count == 0 and spread > MAX_ITEMS:
            # It takes no byte, but whoever goes through it goes as far as its other dimensions say.
            self.refuse(f"an empty array of shape {tuple(shape)}")
        if count * item_size != len(content):
            self.refuse(f"{len(content)} bytes for an array of shape {tuple(shape)}")
        return count


def type_name(value: Any) -> str:
    """The type as people write it: `function`, `torch.nn.Linear`; never code of the value itself."""
    kind = type(value)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def _digits(value: int) -> str:
    if value.bit_length() > MAX_DIGITS * 3:
        raise WireError(f"an int of {value.bit_length():,} bits is too large to hand over")
    return str(value)
