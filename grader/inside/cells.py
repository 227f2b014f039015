"""What a cell's code is called in tracebacks."""

from __future__ import annotations

import hashlib

PREFIX = "<cell "


def cell_file(source: str) -> str:
    """A file name made from the cell's source, by which the trusted side finds the cell again."""
    return f"{PREFIX}{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:24]}>"
