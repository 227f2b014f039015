"""Seeds of what is drawn in a sandbox: they tell nothing about what a check draws."""

from __future__ import annotations

import hashlib


class OpenSeed(int):
    """A seed that is no secret, and that both sides have: of a bundle which was recorded like that."""


def seed_of(seed: int, check: str) -> int:
    """A seed of its own for each check, so that adding one does not change what the others draw."""
    return type(seed)(_hashed(f"{seed} {check}"))


def seed_inside(seed: int) -> int:
    """What takes the place of the seed of a grading, or of a check, for the code of a notebook.

    The same for a student as for the reference, so that both draw alike. All that a check draws follows from its own.
    """
    if isinstance(seed, OpenSeed):
        return int(seed)
    return _hashed(f"inside the sandbox: {seed}")


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
