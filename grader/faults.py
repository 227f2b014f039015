"""What is wrong with what people give the program: one line for each thing to mend."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path


class Faults(Exception):
    """What was given cannot be used. Each of `faults` is one line: which file, what is wrong, what to do."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(self.faults)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that this one is nearest to, as the end of a fault; empty where none is near."""
    names = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return f"; did you mean {names[near[0]]}?" if near else ""


def shown(path: Path) -> str:
    """A path as people write it: from the current folder where it lies below that."""
    # Not resolved: a link is called as it was given.
    absolute, current = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100
    return str(absolute.relative_to(current) if absolute.is_relative_to(current) else absolute)
