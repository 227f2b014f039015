"""Reading the lines of a cell, of a huge one only as far as a regular expression may go."""

from __future__ import annotations

# A submission must not stop the grader: beyond these sizes a cell is not read to its end, nor a line.
MAX_SCANNED = 300_000
MAX_LINE = 500


def read_lines(text: str) -> list[str]:
    return [line[:MAX_LINE] for line in text[:MAX_SCANNED].split("\n")]
