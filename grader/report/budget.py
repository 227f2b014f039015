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
IMAGE_SIDE = 20_000

# One cell, one answer.
OUTPUTS = 40
CELLS = 60

# One check's message, where messages of a whole class stand together.
MESSAGE_CHARACTERS = 300

# The pages over all submissions. An answer of 8,000 characters is four printed pages.
ANSWER_CHARACTERS = 8_000
ANSWER_CELLS = 12
PAGE_PARSED = 150_000
PAGE_PLAIN = 1_500_000
CHECKS_LISTED = 40
MESSAGES_LISTED = 12
NAMES_LISTED = 12

# From here on, folded.
OUTPUT_LINES = 30
CODE_LINES = 150
OUTPUTS_OPEN = 6


class Budget:
    """What is left for one page. A large piece is refused; a small one that comes later may still fit."""

    def __init__(
        self, parsed: int = 250_000, plain: int = 4_000_000, images: int = 32 * 2**20, pixels: int = 200_000_000
    ) -> None:
        """parsed, plain: characters; images: bytes, as they stand in the page; pixels: as they are unpacked."""
        self._left = {"parsed": parsed, "plain": plain, "images": images, "pixels": pixels}

    def spend(self, kind: Literal["parsed", "plain", "images", "pixels"], amount: int) -> bool:
        if amount > self._left[kind]:
            return False
        self._left[kind] -= amount
        return True
