"""A student's variables as they are before a check, and put back afterwards: also what a check changes in place."""

from __future__ import annotations

import contextlib
import operator
import random
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

MAX_BYTES = 2**30
"""Of arrays and tensors that are copied."""
MAX_OBJECTS = 300_000
"""Beyond, to look at all of them would take longer than the checks."""

LIBRARIES = {"builtins", "collections", "types", "numpy", "torch", "sklearn", "scipy"}
"""Where the objects that are looked into come from, besides the notebook itself.

Others may belong to a running program, such as the kernel or a connection, which must not be set back in time.
"""

ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented), range)

BUILT_IN = (dict, list, tuple, set, frozenset, deque, bytearray, OrderedDict)
"""Of these themselves, unlike classes made from them, no object has attributes of its own."""

Restore = Callable[[], None]


class Variables:
    """All that the variables of a namespace hold, as it was when this was made."""

    def __init__(self, names: dict[str, Any], folder: Path, hidden: Iterable[str] = ()) -> None:
        """`folder` is where modules of the student's own are. Names that are `hidden` are the front end's own."""
        self.folder = folder
        self.too_large: list[str] = []
        """Variables whose values are not kept, or not in full."""
        self.restores: list[Restore] = [_names_restore(names)]
        self.seen: dict[int, Any] = {}
        """By number; each object is kept alive, so that no other one gets its number."""
        self.copied = 0
        self.is_own: dict[type, bool] = {}
        skipped = set(hidden)
        for name, value in list(names.items()):
            if name not in skipped and not name.startswith("__") and not self._walk(value):
                self.too_large.append(name)

    def restore(self) -> list[str]:
        """Put everything back; returns what was in the way, a line each. It can be done again and again."""
        faults = []
        for restore in self.restores:
            try:
                restore()
            except Exception as error:
                faults.append(f"{type(error).__name__}: {error}"[:200])
        return faults

    def _walk(self, value: Any) -> bool:
        """Keep `value` and all that it holds; False where that is too much."""
        complete = True
        todo = [value]
        while todo:
            value = todo.pop()
            if type(value) in ATOMS or id(value) in self.seen:
                continue
            if len(self.seen) >= MAX_OBJECTS:
                return False
            self.seen[id(value)] = value
            try:
                if not self._has_room(value):
                    complete = False
                    continue
                todo.extend(self._keep(value))
            except Exception:
                # What has no content of the usual form, such as a sparse tensor.
                complete = False
        return complete

    def _has_room(self, value: Any) -> bool:
        size = _bytes_of(value)
        if self.copied + size > MAX_BYTES:
            return False
        self.copied += size
        return True

    def _keep(self, value: Any) -> list[Any]:
        """Remember one object, and return what is to be remembered besides."""
        if isinstance(value, types.ModuleType):
            return []
        if isinstance(value, type):
            return _keep_class(value, self.restores) if self._is_of_student(value) else []
        held = [] if type(value) in BUILT_IN else self._keep_attributes(value)
        for kind, keep in _KINDS:
            if isinstance(value, kind):
                return [*held, *keep(value, self.restores)]
        for module, name, keep in _LIBRARY_KINDS:
            # A library that is not loaded has no objects here.
            if module in sys.modules and isinstance(value, getattr(sys.modules[module], name, ())):
                return [*held, *keep(value, self.restores)]
        return held

    def _keep_attributes(self, value: Any) -> list[Any]:
        if not self._is_looked_into(type(value)):
            return []
        attributes = getattr(value, "__dict__", None)
        return [*([attributes] if isinstance(attributes, dict) else []), *_keep_slots(value, self.restores)]

    def _is_looked_into(self, kind: type) -> bool:
        if kind not in self.is_own:
            parts = [part for part in kind.__mro__ if part is not object]
            self.is_own[kind] = any(
                part.__module__.partition(".")[0] in LIBRARIES or self._is_of_student(part) for part in parts
            )
        return self.is_own[kind]

    def _is_of_student(self, kind: type) -> bool:
        """Whether a class is defined in the notebook, or in a module beside it."""
        if kind.__module__ == "__main__":
            return True
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        return file is not None and Path(file).parent == self.folder


def _names_restore(names: dict[str, Any]) -> Restore:
    """For the namespace itself: what is the same is left alone, since other threads may use it meanwhile."""
    before = dict(names)

    def restore() -> None:
        for name in [name for name in names if name not in before]:
            del names[name]
        for name, value in before.items():
            if name not in names or names[name] is not value:
                names[name] = value

    return restore


# Containers. Those of a class of the student's are read and written by the methods of the built-in one.


def _keep_list(value: list[Any], restores: list[Restore]) -> list[Any]:
    before = list.copy(value)

    def restore() -> None:
        if not _same(list.copy(value), before):
            list.__setitem__(value, slice(None), before)

    restores.append(restore)
    return _compound(before)


def _keep_dict(value: dict[Any, Any], restores: list[Restore]) -> list[Any]:
    kind: Any = OrderedDict if isinstance(value, OrderedDict) else dict
    before = list(kind.items(value))
    keys, values = [key for key, _ in before], [item for _, item in before]

    def restore() -> None:
        if not (_same(kind.keys(value), keys) and _same(kind.values(value), values)):
            kind.clear(value)
            for key, item in before:
                kind.__setitem__(value, key, item)

    restores.append(restore)
    return _compound([*keys, *values])


def _keep_set(value: set[Any], restores: list[Restore]) -> list[Any]:
    before = set.copy(value)

    def restore() -> None:
        set.clear(value)
        set.update(value, before)

    restores.append(restore)
    return _compound(before)


def _keep_deque(value: deque[Any], restores: list[Restore]) -> list[Any]:
    before = list(deque.__iter__(value))

    def restore() -> None:
        if not _same(deque.__iter__(value), before):
            deque.clear(value)
            deque.extend(value, before)

    restores.append(restore)
    return _compound(before)


def _keep_bytearray(value: bytearray, restores: list[Restore]) -> list[Any]:
    before = bytes(value)

    def restore() -> None:
        if value != before:
            value[:] = before

    restores.append(restore)
    return []


def _keep_members(value: Iterable[Any], restores: list[Restore]) -> list[Any]:
    return _compound(list(value))


# Code


def _keep_function(value: types.FunctionType, restores: list[Restore]) -> list[Any]:
    """What a function of the notebook remembers: attributes, default values, variables of functions around it."""
    if value.__module__ != "__main__":
        return []
    defaults, keywords, code = value.__defaults__, value.__kwdefaults__, value.__code__
    contents = [(cell, cell.cell_contents) for cell in value.__closure__ or () if _is_filled(cell)]

    def restore() -> None:
        if value.__code__ is not code:
            value.__code__ = code
        value.__defaults__, value.__kwdefaults__ = defaults, keywords
        for cell, content in contents:
            if not _is_filled(cell) or cell.cell_contents is not content:
                cell.cell_contents = content

    restores.append(restore)
    return [value.__dict__, defaults, keywords, *(content for _, content in contents)]


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _keep_method(value: types.MethodType, restores: list[Restore]) -> list[Any]:
    return [value.__self__, value.__func__]


def _keep_class(value: type, restores: list[Restore]) -> list[Any]:
    before = {name: item for name, item in vars(value).items() if name not in ("__dict__", "__weakref__")}

    def restore() -> None:
        now = dict(vars(value))
        for name in now.keys() - before.keys() - {"__dict__", "__weakref__"}:
            type.__delattr__(value, name)
        for name, item in before.items():
            if now.get(name) is not item:
                type.__setattr__(value, name, item)

    restores.append(restore)
    return [getattr(item, "__func__", item) for item in before.values()]


def _keep_slots(value: Any, restores: list[Restore]) -> list[Any]:
    """The attributes that an object has in the place of those in its `__dict__`."""
    slots = []
    for part in type(value).__mro__:
        # Those of a class that is written in C have no `__slots__`, and cannot be set.
        for slot in vars(part).values() if "__slots__" in vars(part) else ():
            if isinstance(slot, types.MemberDescriptorType):
                with contextlib.suppress(AttributeError):
                    slots.append((slot, slot.__get__(value)))

    def restore() -> None:
        for slot, item in slots:
            slot.__set__(value, item)

    restores.append(restore)
    return [item for _, item in slots]


# Random generators


def _keep_random(value: random.Random, restores: list[Restore]) -> list[Any]:
    state = value.getstate()
    restores.append(lambda: value.setstate(state))
    return []


def _keep_numpy_generator(value: Any, restores: list[Restore]) -> list[Any]:
    bits = value.bit_generator if hasattr(value, "bit_generator") else value._bit_generator
    state = bits.state

    def restore() -> None:
        bits.state = state

    restores.append(restore)
    return []


def _keep_torch_generator(value: Any, restores: list[Restore]) -> list[Any]:
    state = value.get_state()
    restores.append(lambda: value.set_state(state))
    return []


# Numbers


def _keep_array(value: Any, restores: list[Restore]) -> list[Any]:
    """An array's shape and content. That of a view is kept once, with the array that it is a view of."""
    import numpy

    shape = value.shape
    owner = value.base if isinstance(value.base, numpy.ndarray) else None
    before = value.copy() if owner is None and value.flags.writeable else None

    def restore() -> None:
        if value.shape != shape:
            value.resize(shape, refcheck=False)
        if before is not None:
            numpy.copyto(value, before)

    restores.append(restore)
    members = value.ravel().tolist() if value.dtype == object else []
    return [*_compound(members), *([] if owner is None else [owner])]


def _keep_tensor(value: Any, restores: list[Restore]) -> list[Any]:
    """A tensor's content, and its gradient. The graph that it may be a part of is left as it is."""
    import torch

    if value.layout != torch.strided:
        raise TypeError(f"a tensor of layout {value.layout} cannot be kept")
    with torch.no_grad():
        # The same memory, but in-place changes of it do not count as such for autograd.
        content = value.data
        # Of a tensor that shows one number in several places, torch itself refuses to change any.
        is_written = 0 not in [step for step, size in zip(value.stride(), value.shape, strict=True) if size > 1]
        before = content.clone() if is_written else None
    requires_grad, is_leaf = value.requires_grad, value.is_leaf
    grad = value.grad if is_leaf else None

    def restore() -> None:
        with torch.no_grad():
            if not value.is_leaf and is_leaf:
                value.detach_()
            if value.data_ptr() != content.data_ptr() or value.shape != content.shape:
                value.data = content
            if before is not None and not torch.equal(content, before):
                content.copy_(before)
        if is_leaf and value.requires_grad != requires_grad:
            value.requires_grad_(requires_grad)
        if is_leaf and value.grad is not grad:
            value.grad = grad

    restores.append(restore)
    return [] if grad is None else [grad]


def _bytes_of(value: Any) -> int:
    """Of the copy that would be made of an array or a tensor."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and isinstance(value, numpy.ndarray):
        is_copied = value.flags.writeable and not isinstance(value.base, numpy.ndarray)
        return int(value.nbytes) if is_copied else 0
    if torch is not None and isinstance(value, torch.Tensor):
        return int(value.numel() * value.element_size())
    return 0


def _same(now: Iterable[Any], before: list[Any]) -> bool:
    items = list(now)
    return len(items) == len(before) and all(map(operator.is_, items, before))


def _compound(items: Collection[Any]) -> list[Any]:
    """Those that may hold something themselves: a list of a million numbers has none."""
    return [item for item in items if type(item) not in _ATOMS] if {*map(type, items)} - _ATOMS else []


_ATOMS = frozenset(ATOMS)

_KINDS: tuple[tuple[Any, Callable[[Any, list[Restore]], list[Any]]], ...] = (
    (dict, _keep_dict),
    (list, _keep_list),
    (set, _keep_set),
    ((tuple, frozenset), _keep_members),
    (deque, _keep_deque),
    (bytearray, _keep_bytearray),
    (types.FunctionType, _keep_function),
    (types.MethodType, _keep_method),
    (random.Random, _keep_random),
)
_LIBRARY_KINDS: tuple[tuple[str, str, Callable[[Any, list[Restore]], list[Any]]], ...] = (
    ("numpy", "ndarray", _keep_array),
    ("numpy.random", "Generator", _keep_numpy_generator),
    ("numpy.random", "RandomState", _keep_numpy_generator),
    ("torch", "Tensor", _keep_tensor),
    ("torch", "Generator", _keep_torch_generator),
)
