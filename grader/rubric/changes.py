"""What a call has changed in its arguments, and where in them: within lists, dicts and objects too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

from grader.execution.probe import Handle
from grader.rubric.compare import as_array, difference, show

ATTRIBUTES = "."
"""The key that makes a dict of `PLAIN` stand for an object; its attributes are the other keys, `.weight` for one."""

PLAIN = """
def check_plain(value, left=None, depth=12, seen=()):
    import collections, copy, hashlib
    left = [20_000] if left is None else left
    left[0] -= 1
    kind = type(value)
    if not depth or left[0] < 0 or id(value) in seen:
        return kind.__name__
    def plain(item):
        return check_plain(item, left, depth - 1, (*seen, id(value)))
    if isinstance(value, (list, tuple, collections.deque)):
        return tuple(map(plain, value)) if isinstance(value, tuple) else list(map(plain, value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "to_numpy"):
        table = value.to_numpy()
        table = table.astype(str) if table.dtype == object else table
        names = [[str(name) for name in getattr(value, axis, ())] for axis in ("index", "columns")]
        return {".": kind.__name__, ".names": names, ".values": plain(table)}
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        kind = type(value)
    if getattr(value, "nbytes", 0) > 100_000:
        content = (value.float().numpy() if hasattr(value, "numpy") else value).tobytes()
        return f"values of shape {tuple(value.shape)}, {hashlib.sha256(content).hexdigest()[:8]}"
    if hasattr(value, "tobytes") or kind.__module__ in ("builtins", "torch") or isinstance(value, type):
        return copy.deepcopy(value) if not callable(value) else kind.__name__
    slots = [name for each in kind.__mro__ for name in each.__dict__.get("__slots__", ())]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    held.update(getattr(value, "__dict__", {}))
    return {".": kind.__name__, **{f".{name}": plain(item) for name, item in held.items()}}
"""
"""Defined where the objects are: a value as it is now, and objects as dicts of what they hold."""


class Made(NamedTuple):
    """An argument that an expression makes where the function is, the student's or the reference's: an object."""

    expression: str
    values: dict[str, Any]

    def __repr__(self) -> str:
        where = ", ".join(f"{name} = {value!r}" for name, value in self.values.items())
        return f"{self.expression} where {where}" if where else self.expression


def made(expression: str, **values: Any) -> Made:
    """An argument for `expect_calls` that is no data: `made("Layer(w)", w=weights)`."""
    return Made(expression, values)


def arguments_of(calls: Sequence[tuple[Any, ...]]) -> tuple[str, list[tuple[Any, ...]]]:
    """An expression that makes the arguments of all calls, and the value of `check_calls` in it."""
    if not is_any_made(calls):
        return "check_calls", list(calls)
    source = ", ".join(
        f"({''.join(_argument(f'check_calls[{number}][{place}]', one) + ', ' for place, one in enumerate(call))})"
        for number, call in enumerate(calls)
    )
    return f"[{source}]", [tuple(one.values if isinstance(one, Made) else one for one in call) for call in calls]


def is_any_made(calls: Sequence[tuple[Any, ...]]) -> bool:
    return any(isinstance(argument, Made) for call in calls for argument in call)


def _argument(at: str, argument: Any) -> str:
    return f"(lambda {', '.join(argument.values)}: {argument.expression})(**{at})" if isinstance(argument, Made) else at


class Change(NamedTuple):
    place: str
    """As Python writes it: `params['W1'][0]`."""
    was: str
    became: str


def has_parts(value: Any) -> bool:
    """Whether it holds values that are no numbers in an array or a list: an object, a dict, a list of arrays."""
    return isinstance(value, Made) or (isinstance(value, (Mapping, list, tuple, Set)) and as_array(value) is None)


def change(place: str, old: Any, new: Any) -> Change | None:
    """The first difference between a value and what became of it; None where there is none.

    What crosses to the sandbox and back may come as another type, such as a list for a range: equal values are equal.
    """
    if isinstance(old, Handle) or isinstance(new, Handle):
        same = isinstance(old, Handle) and isinstance(new, Handle) and old.handle_id == new.handle_id
        return None if same else _whole(place, old, new)
    if isinstance(old, Mapping):
        return _change_of_dict(place, old, new) if isinstance(new, Mapping) else _whole(place, old, new)
    if isinstance(old, (str, bytes, bytearray, memoryview, type(None))):
        return None if _plain(old) == new else _whole(place, old, new)
    if isinstance(old, Set):
        # By what they look like: nan is not equal to itself.
        same = isinstance(new, Set) and sorted(map(repr, old)) == sorted(map(repr, new))
        return None if same else _whole(place, old, new)
    if as_array(old) is not None and not difference(new, old, rtol=0, atol=0):
        return None
    if isinstance(old, (list, tuple, range)):
        return _change_of_items(place, old, new)
    if as_array(old) is not None:
        return _whole(place, old, new)
    return None if _are_same(old, new) else _whole(place, old, new)


def _whole(place: str, old: Any, new: Any) -> Change:
    return Change(place, show(old), show(new))


def _change_of_items(place: str, old: Sequence[Any], new: Any) -> Change | None:
    if not isinstance(new, (list, tuple)):
        return _whole(place, old, new)
    if len(old) != len(new):
        return Change(place, _items(old), _items(new))
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        if found := change(f"{place}[{number}]", one, other):
            return found
    return None


def _items(value: Sequence[Any]) -> str:
    return f"{show(value)}, {len(value)} long," if as_array(value) is not None and len(value) > 6 else show(value)


def _change_of_dict(place: str, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Change | None:
    of_object = ATTRIBUTES in old

    def at(key: Any) -> str:
        return f"{place}{key}" if of_object and isinstance(key, str) else f"{place}[{_key(key)}]"

    # By what they look like, too: nan is no key that can be found again.
    others = {repr(key): value for key, value in new.items()}
    for key, value in old.items():
        if key in new:
            now = new[key]
        elif repr(key) in others:
            now = others[repr(key)]
        else:
            return Change(at(key), show(value), "nothing")
        if found := change(at(key), value, now):
            return found
    known = {*map(repr, old)}
    added = [key for key in new if key not in old and repr(key) not in known]
    if of_object:
        # What an object remembers of its own accord, such as a cached property, changes nothing that it was.
        return None
    return Change(at(added[0]), "nothing", show(new[added[0]])) if added else None


def _key(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _plain(value: Any) -> Any:
    """Text and bytes as they come back."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value if value is None else bytes(value)


def _are_same(old: Any, new: Any) -> bool:
    """Arrays of text and of times."""
    import numpy as np

    if isinstance(old, (np.ndarray, np.generic)):
        return (
            isinstance(new, (np.ndarray, np.generic))
            and old.shape == new.shape
            and repr(old.tolist()) == repr(new.tolist())
        )
    # Nothing is known of it that could be held against its code.
    return True
