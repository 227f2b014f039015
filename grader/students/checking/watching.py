"""Waiting for a notebook to be saved."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOOK_SECONDS = 0.2
"""Between two looks at the file. What file systems tell of their changes differs; looking does not."""
MAX_LOOKS = 25
"""Looks at a file that is no whole notebook, before that is taken for what was saved."""

State = tuple[int, int, int]


def changes(path: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Yield at once, and again each time the file was saved; end at an interrupt (Ctrl-C) that comes in between.

    Several changes while the caller is busy are one. A file that is being written is waited for, as is one
    that is away while an editor puts the new one in its place.
    """
    try:
        seen = state_of(path)
        yield
        while True:
            sleep(LOOK_SECONDS)
            state = state_of(path)
            if state not in (seen, None):
                seen = _settled(path, state, sleep)
                yield
    except KeyboardInterrupt:
        return


def state_of(path: Path) -> State | None:
    """What is different after the file was saved, be it into the old file or as a new one; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _settled(path: Path, state: State | None, sleep: Callable[[float], None]) -> State | None:
    """The file's state when it has stayed the same for one look, and is whole or will not be."""
    for _ in range(MAX_LOOKS):
        sleep(LOOK_SECONDS)
        before, state = state, state_of(path)
        if state is not None and state == before and _is_whole(path):
            break
    return state


def _is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return True
