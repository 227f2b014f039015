"""Pools of threads and processes, which do not survive a fork: each probe makes those anew that the notebook has.

What else runs beside the main thread cannot be brought back. It is named, so that a check that waits for it in vain is
told apart from a wrong answer.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from grader.inside.forks import unpatched

MAX_NAMED = 5
FEEDER = "QueueFeederThread"
"""Multiprocessing's, which is started again when it is needed."""
ONLY_LOOKS_ON = "TMonitor"
"""The thread of tqdm's progress bars."""
OF_THE_KERNEL = ("IPython", "ipykernel", "jupyter_client", "tornado", "zmq")
"""Packages whose threads are the kernel's own, such as the one that pyzmq starts for its first large message."""

_os, _threading = unpatched(os), unpatched(threading)


class Survey:
    """What ran beside the main thread when a process was forked, but for the kernel's own threads."""

    def __init__(self, pools: Sequence[Any] = (), lost: Sequence[str] = (), unknown: bool = False) -> None:
        self.pools = pools
        self.lost = list(lost)
        """What cannot be brought back, by name."""
        self.unknown = unknown
        """Whether there were threads that Python does not know: a library's, which may need them, or make them anew."""

    def restart(self) -> None:
        """Make the pools anew, in a fork. What was under way in them never ends."""
        if self.pools or "multiprocessing.util" in sys.modules:
            _forget_other_processes()
        for pool in self.pools:
            _restart(pool)


def threads() -> set[int]:
    """The numbers of this process's threads, those of libraries too."""
    return {int(name) for name in _os.listdir("/proc/self/task")}


def beside(own: set[int]) -> tuple[str, bool]:
    """One of Python's threads that run beside the threads `own`, by name; and whether a library's threads do."""
    others = threads() - own
    running = _threading.enumerate() if others else []
    found = [thread for thread in running if thread.native_id in others]
    missed = [thread for thread in found if not _is_not_missed(thread)]
    return f"the thread {missed[0].name:.60}" if missed else "", bool(others - {thread.native_id for thread in found})


def survey(own: set[int]) -> Survey:
    """What runs here beside the threads `own`. Costs next to nothing where that is nothing."""
    others = threads() - own
    if not others and not _children():
        return Survey()
    pools = [thing for thing in gc.get_objects() if _kind(type(thing)) is not None]
    pools = [pool for pool in pools if _is_in_use(pool)]
    of_pools = {each for pool in pools for each in _workers_of(pool)}
    lost = []
    for thread in _threading.enumerate():
        if thread.native_id in others:
            others.discard(thread.native_id)
            if thread not in of_pools and not _is_not_missed(thread):
                lost.append(f"the thread {thread.name}")
    lost += [f"the process {child.name}" for child in _children() if child not in of_pools and child.is_alive()]
    return Survey(pools, [_shortened(each) for each in lost[:MAX_NAMED]], unknown=bool(others))


def _shortened(name: str) -> str:
    return f"{name:.60}"


def _children() -> set[Any]:
    """The processes that multiprocessing knows."""
    process = sys.modules.get("multiprocessing.process")
    return set() if process is None else process._children


def _is_not_missed(thread: threading.Thread) -> bool:
    if thread.name == FEEDER or type(thread).__name__ == ONLY_LOOKS_ON:
        return True
    what = getattr(thread, "_target", None) or type(thread)
    return str(getattr(what, "__module__", "")).partition(".")[0] in OF_THE_KERNEL


# The kinds of pools. Each is known by its module, and only where the notebook has imported that.


def _kind(of: type) -> str | None:
    return next((name for module, name in KINDS if _is(of, module, name)), None)


def _is(of: type, module: str, name: str) -> bool:
    known = getattr(sys.modules.get(module), name, None)
    return isinstance(known, type) and known in type.mro(of)


KINDS = (
    ("concurrent.futures.thread", "ThreadPoolExecutor"),
    ("concurrent.futures.process", "ProcessPoolExecutor"),
    ("joblib.externals.loky.process_executor", "ProcessPoolExecutor"),
    ("multiprocessing.pool", "ThreadPool"),
    ("multiprocessing.pool", "Pool"),
    ("torch.utils.data.dataloader", "DataLoader"),
)


def _module(pool: Any) -> Any:
    return next(sys.modules[module] for module, name in KINDS if _is(type(pool), module, name))


def _is_in_use(pool: Any) -> bool:
    known = vars(pool)
    if "_work_queue" in known and "_shutdown" in known:
        return not known["_shutdown"]
    if "_flags" in known:
        return not known["_flags"].shutdown
    if "_shutdown_thread" in known:
        return not known["_shutdown_thread"]
    if "_state" in known:
        return bool(known["_state"] == "RUN")
    return known.get("_iterator") is not None


def _workers_of(pool: Any) -> Iterator[object]:
    """The threads and processes of a pool."""
    known = vars(pool)
    for name in ("_executor_manager_thread", "_worker_handler", "_task_handler", "_result_handler"):
        yield known.get(name)
    for name in ("_threads", "_pool"):
        yield from known.get(name) or ()
    yield from (known.get("_processes") or {}).values() if isinstance(known.get("_processes"), dict) else ()
    iterator = known.get("_iterator")
    yield getattr(iterator, "_pin_memory_thread", None)
    yield from getattr(iterator, "_workers", ())


def _restart(pool: Any) -> None:
    """Have its class begin anew, with what it was told at first. A subclass may have been told otherwise."""
    module, known = _module(pool), vars(pool)
    names: tuple[str, ...]

    def told(*names: str) -> list[Any]:
        return [known[f"_{name}"] for name in names]

    # Other versions may keep what they were told elsewhere: then the pool is as dead as it was.
    with contextlib.suppress(Exception):
        match _kind(type(pool)):
            case "ThreadPoolExecutor":
                names = ("max_workers", "thread_name_prefix", "initializer", "initargs")
                module.ThreadPoolExecutor.__init__(pool, *told(*names))
            case "ProcessPoolExecutor" if "_flags" in known:
                # joblib's.
                names = ("max_workers", "timeout", "context", "initializer", "initargs", "env")
                module.ProcessPoolExecutor.__init__(pool, **dict(zip(names, told(*names), strict=True)))
            case "ProcessPoolExecutor":
                tasks = known.get("_max_tasks_per_child")
                names = ("max_workers", "mp_context", "initializer", "initargs")
                module.ProcessPoolExecutor.__init__(pool, *told(*names), max_tasks_per_child=tasks)
            case "ThreadPool":
                module.ThreadPool.__init__(pool, *told("processes", "initializer", "initargs"))
            case "Pool":
                module.Pool.__init__(pool, *told("processes", "initializer", "initargs", "maxtasksperchild", "ctx"))
            case _:
                known["_iterator"] = None


def _forget_other_processes() -> None:
    """As multiprocessing itself does in what it forks: the processes of before are not this one's."""
    with contextlib.suppress(Exception):
        util = sys.modules["multiprocessing.util"]
        util._finalizer_registry.clear()
        util._run_after_forkers()
        _children().clear()
    for name in ("multiprocessing.resource_tracker", "joblib.externals.loky.backend.resource_tracker"):
        tracker = getattr(sys.modules.get(name), "_resource_tracker", None)
        if tracker is not None:
            with contextlib.suppress(Exception):
                tracker._fd = tracker._pid = None
