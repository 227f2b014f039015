"""What a submission is called: by its own path below the folder that was given, and by nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from grader.report.store import OWN_NAMES
from grader.results.names import key

MAX_NAME_BYTES = 255
"""What common file systems take for one name."""
SUFFIX = ".ipynb"
_RESERVED = frozenset(map(key, OWN_NAMES))


def name_of(parts: Sequence[str]) -> str:
    """The name of the file at this path below the folder that was given, and of its folder in the results.

    Two paths can have one name, `a-b/c` and `a/b-c`: whoever gives names sees to it that no two are alike (`key`).
    """
    *folders, file = map(text_of, parts)
    # `..ipynb` must not lead out of the results, and `.hw.ipynb` not be hidden there.
    name = "-".join([*folders, without_suffix(file)]).lstrip(".") or "submission"
    if key(name) in _RESERVED:
        # One named `index.html.ipynb` must not take the place of the overview.
        name += "_"
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = f"-{hashlib.sha256('/'.join([*folders, file]).encode()).hexdigest()[:12]}"
    return name.encode()[: MAX_NAME_BYTES - len(digest)].decode(errors="ignore") + digest


def without_suffix(file: str) -> str:
    return file[: -len(SUFFIX)] if is_notebook(file) else file


def is_notebook(file: str) -> bool:
    return file.lower().endswith(SUFFIX)


def text_of(name: str | Path) -> str:
    """A file's name can be any bytes; a result holds text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
