"""Where the random inputs of a batch come from."""

from __future__ import annotations

import secrets


def new_seed() -> int:
    """A fresh seed, short enough to be typed again, and too long for the code of a notebook to try all."""
    return secrets.randbelow(10**15)
