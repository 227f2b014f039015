"""joblib without its processes: tasks run in this one, on copies of what they get, as they would in another.

Its own pool of processes takes seconds to start and does not survive a fork. There is one core for a notebook, so
nothing is lost; and what a task changes in place stays as unseen as if it had been in a process of its own.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.abc
import importlib.util
import pickle
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

WORKERS = 2
"""How many cores joblib is told that there are: what asks for all of them is cut into as many parts."""
LARGE = 10**6
"""Bytes. Arrays from here on are shared, and read-only: so joblib does it by default (`max_nbytes`)."""


def use_when_imported() -> None:
    """Have joblib run its processes' tasks in here, from when it is imported, if it ever is."""
    if "joblib" in sys.modules:
        register(sys.modules["joblib"])
    else:
        sys.meta_path.insert(0, _WhenImported())


class _WhenImported(importlib.abc.MetaPathFinder):
    """Finds joblib as others do, and registers the backend once it is there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "joblib":
            return None
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader)
        return spec


class _Registering(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self.loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        # Another version may lack what this needs: then joblib does as it always does.
        with contextlib.suppress(Exception):
            register(module)


def register(joblib: Any) -> None:
    from joblib.parallel import FallbackToBackend, ParallelBackendBase, SequentialBackend

    _cloudpickle()

    class OnCopies(ParallelBackendBase):
        supports_retrieve_callback = True
        supports_inner_max_num_threads = True
        default_n_jobs = 1

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.ended: deque[tuple[Callable[[Any], Any], Future[Any]]] = deque()
            self.telling = False

        def effective_n_jobs(self, n_jobs: int | None) -> int:
            if n_jobs == 0:
                raise ValueError("n_jobs == 0 in Parallel has no meaning")
            if n_jobs is None:
                return 1
            return n_jobs if n_jobs > 0 else max(WORKERS + 1 + n_jobs, 1)

        def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
            n_jobs = self.effective_n_jobs(n_jobs)
            if n_jobs == 1:
                raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
            self.parallel = parallel
            return n_jobs

        def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any] | None = None) -> Future[Any]:
            future: Future[Any] = Future()
            try:
                future.set_result(_copied(_copied(func)()))
            except Exception as error:
                future.set_exception(error)
            if callback is not None:
                self.ended.append((callback, future))
                self.tell()
            return future

        def tell(self) -> None:
            """Say what has ended, one after the other: who is told submits the next task."""
            if not self.telling:
                self.telling = True
                try:
                    while self.ended:
                        callback, future = self.ended.popleft()
                        callback(future)
                finally:
                    self.telling = False

        def retrieve_result_callback(self, out: Future[Any]) -> Any:
            return out.result()

    for name in ("loky", "multiprocessing"):
        joblib.register_parallel_backend(name, OnCopies)


@functools.cache
def _cloudpickle() -> Any:
    # What joblib sends functions with; older versions bring it along.
    name = "cloudpickle" if importlib.util.find_spec("cloudpickle") is not None else "joblib.externals.cloudpickle"
    return importlib.import_module(name)


def _copied(value: Any) -> Any:
    """What comes out where `value` is sent to another process, arrays of any size included."""
    buffers: list[pickle.PickleBuffer] = []
    data = _cloudpickle().dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [buffer.raw() for buffer in buffers]
    return pickle.loads(data, buffers=[part.toreadonly() if part.nbytes > LARGE else bytearray(part) for part in parts])  # noqa: S301 -- the process's own
