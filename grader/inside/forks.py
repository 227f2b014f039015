"""Forking a notebook's process, whatever the notebook has done to it.

A notebook can patch `os`, use up its processes and descriptors, and have functions called at every fork. None of that
is to keep a checkpoint from being made, nor to have another cell blamed for it.
"""

from __future__ import annotations

import contextlib
import os
import posix
import resource
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar

RESERVED = {resource.RLIMIT_NPROC: 128, resource.RLIMIT_NOFILE: 64}
"""How many more of these checkpoints and probes may have than a notebook that uses up its own."""

Module = TypeVar("Module", bound=ModuleType)


def unpatched(module: Module) -> Module:
    """A module as it is now, before any cell has run: what a notebook puts in the place of its functions is not seen.

    For modules whose functions are C: those in Python see each other by the module.
    """
    copy = ModuleType(module.__name__)
    vars(copy).update(vars(module))
    return copy  # type: ignore[return-value]


_os, _resource = unpatched(os), unpatched(resource)
_ordinary: dict[int, tuple[int, int]] = {}
"""The limits of a notebook, while this process has what is reserved."""
_ours = False
"""Whether the fork under way is the harness's own."""


def fork() -> int:
    """Fork without what the notebook has registered for its forks. Raises OSError."""
    global _ours
    _ours = True
    try:
        pid: int = _os.fork()
        return pid
    finally:
        _ours = False


@contextlib.contextmanager
def reserve() -> Iterator[None]:
    """Let this process have what is reserved, and a checkpoint that it forks meanwhile until it answers itself."""
    for limit in RESERVED:
        _, hard = _ordinary[limit] = _resource.getrlimit(limit)
        _resource.setrlimit(limit, (hard, hard))
    try:
        yield
    finally:
        give_back()


def give_back() -> None:
    """Have only what a notebook may have again: in a probe, too, its code runs."""
    for limit, soft_and_hard in _ordinary.items():
        _resource.setrlimit(limit, soft_and_hard)
    _ordinary.clear()


def keep_hooks_apart() -> None:
    """Have functions that a cell registers to be called at forks be called at the notebook's own forks alone.

    Those of libraries are needed after each: they make locks anew, and random numbers.
    """
    register = os.register_at_fork

    def register_at_fork(**hooks: Any) -> None:
        if sys._getframe(1).f_globals.get("__name__") == "__main__":
            hooks = {when: _unless_ours(hook) if callable(hook) else hook for when, hook in hooks.items()}
        register(**hooks)

    os.register_at_fork = posix.register_at_fork = register_at_fork


def _unless_ours(hook: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: None if _ours else hook()
