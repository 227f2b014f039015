"""How much of a notebook one page holds: whatever is handed in, a page is made in seconds and opens on a phone."""

from __future__ import annotations

from typing import Literal

# One piece. The slowest known input of these lengths takes a parser half a second.
CODE_CHARACTERS = 20_000
MARKDOWN_CHARACTERS = 20_000
HTML_CHARACTERS = 100_000
FORMULA_CHARACTERS = 2_000
TEXT_CHARACTERS = 20_000
NESTING = 100
IMAGE_BYTES = 8 * 2**20
SVG_BYTES = 2**20
IMAGE_PIXELS = 50_000_000

# One cell, one answer.
OUTPUTS = 40
CELLS = 60

# From here on, folded.
OUTPUT_LINES = 30
CODE_LINES = 150
OUTPUTS_OPEN = 6


class Budget:
    """What is left for one page. A large piece is refused; a small one that comes later may still fit."""

    def __init__(self) -> None:
        self._left = {"parsed": 250_000, "plain": 4_000_000, "images": 32 * 2**20}

    def spend(self, kind: Literal["parsed", "plain", "images"], amount: int) -> bool:
        if amount > self._left[kind]:
            return False
        self._left[kind] -= amount
        return True
