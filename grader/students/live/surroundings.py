"""What surrounds a student's variables: random states, settings of libraries, the working folder, and so on."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grader.students.live.figures import figures_apart

Restore = Callable[[], object]


@contextlib.contextmanager
def surroundings_kept() -> Iterator[None]:
    """Whatever happens within, afterwards all is as it was before; figures that are made within are gone."""
    restores = list(_restores())
    streams = sys.stdout, sys.stderr, sys.stdin, sys.displayhook, sys.excepthook
    with warnings.catch_warnings(), figures_apart():
        try:
            yield
        finally:
            sys.stdout, sys.stderr, sys.stdin, sys.displayhook, sys.excepthook = streams
            for restore in restores:
                # One that fails, such as a working folder that is gone, is no reason to leave out the others.
                with contextlib.suppress(Exception):
                    restore()


def _restores() -> Iterator[Restore]:
    """For everything that there is: how it is put back."""
    yield _bound(random.setstate, random.getstate())
    yield _bound(sys.setrecursionlimit, sys.getrecursionlimit())
    with contextlib.suppress(OSError):
        yield _bound(os.chdir, Path.cwd())
    yield _bound(_put_environment, dict(os.environ))
    yield _bound(_put_path, list(sys.path))
    if "numpy" in sys.modules:
        yield from _restores_of_numpy(sys.modules["numpy"])
    if "torch" in sys.modules:
        yield from _restores_of_torch(sys.modules["torch"])


def _restores_of_numpy(numpy: Any) -> Iterator[Restore]:
    yield _bound(numpy.random.set_state, numpy.random.get_state())
    errors, options = numpy.geterr(), numpy.get_printoptions()
    yield lambda: numpy.seterr(**errors)
    yield lambda: numpy.set_printoptions(**options)


def _restores_of_torch(torch: Any) -> Iterator[Restore]:
    yield _bound(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        yield _bound(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    if torch.backends.mps.is_available():
        yield _bound(torch.mps.set_rng_state, torch.mps.get_rng_state())
    for get, put in (
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
        (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    ):
        yield _if_changed(get, put)
    options = dict(vars(torch._tensor_str.PRINT_OPTS))
    yield lambda: vars(torch._tensor_str.PRINT_OPTS).update(options)


def _bound(put: Callable[[Any], object], state: Any) -> Restore:
    return lambda: put(state)


def _if_changed(get: Callable[[], Any], put: Callable[[Any], object]) -> Restore:
    """For a setting that is not for nothing to set: one imports half of torch."""
    before = get()
    return lambda: put(before) if get() != before else None


def _put_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _put_path(before: list[str]) -> None:
    sys.path[:] = before
