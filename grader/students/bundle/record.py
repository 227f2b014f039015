"""What the reference answered to the public checks, as data.

The reference itself is not in it: only the questions, as hashes, and the answers to them.
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct):
    """Answers by what was asked, and the examples that were drawn; all values as `wire.pack` encodes them."""

    answers: dict[bytes, bytes] = {}
    """The key is a hash of the question, the seed and all that was asked before."""
    draws: dict[str, bytes] = {}
    """By `draw_name`."""

    def update(self, other: Record) -> None:
        self.answers.update(other.answers)
        self.draws.update(other.draws)


def draw_name(case: str, number: int) -> str:
    return f"{case} {number}"
