"""Which files are graded, and under which names."""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from grader.report.store import OWN_NAMES

MAX_NAME_BYTES = 255
"""What common file systems take for one name."""


def notebooks_in(folder: Path) -> list[Path] | None:
    """None where this is no folder, or one that cannot be read."""
    with contextlib.suppress(OSError):
        if folder.is_dir():
            return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".ipynb")
    return None


def name_submissions(paths: Sequence[Path]) -> list[str]:
    """A name for each file and its folder in the results: its own, and where two are alike, its parent's before it."""
    # A submission named `index.html.ipynb` must not take the place of the overview.
    taken = set(map(_key, OWN_NAMES))
    names: list[str] = []
    for path in paths:
        stem = _stem(path)
        parent = text_of(path.absolute().parent.name).lstrip(".")
        choices = [_fit(stem), _fit(f"{parent}-{stem}".lstrip("-"))]
        number = 1
        while _key(choices[0]) in taken:
            number += 1
            choices = choices[1:] or [_fit(stem, f"-{number}")]
        taken.add(_key(choices[0]))
        names.append(choices[0])
    return names


def _stem(path: Path) -> str:
    """The name without its suffix; `..ipynb` must not lead out of the results, and `.hw.ipynb` not be hidden there."""
    return text_of(path.absolute().stem).lstrip(".") or "submission"


def text_of(name: str | Path) -> str:
    """A file's name can be any bytes; a result holds text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _key(name: str) -> str:
    """Some file systems do not tell `HW.ipynb` from `hw.ipynb`, nor the two ways to write `é`."""
    return unicodedata.normalize("NFC", name).casefold()


def _fit(name: str, suffix: str = "") -> str:
    return name.encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix
