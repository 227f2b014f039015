"""Importing nbformat without what takes most of the time, and is of no use here."""

from __future__ import annotations

import sys

UNUSED = ("rfc3987_syntax", "isoduration")
"""The checks of internationalised addresses, for which a grammar is read at import (half a second or more), and of
durations. They come with JupyterLab, jsonschema imports them where they are installed, and nbformat imports jsonschema.
The schema of notebooks asks for neither."""


def import_nbformat() -> None:
    """Import nbformat; what it imports is left out only here, and only where nothing has imported it so far."""
    left_out = [] if "jsonschema" in sys.modules else [name for name in UNUSED if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import nbformat  # noqa: F401
    finally:
        for name in left_out:
            del sys.modules[name]
