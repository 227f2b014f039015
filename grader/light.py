"""Importing nbformat without what takes most of the time, and is of no use here."""

from __future__ import annotations

import sys

UNUSED = "rfc3987_syntax"
"""The check of internationalised addresses, for which a grammar is read at import: half a second or more. It comes
with JupyterLab, jsonschema imports it where it is installed, and nbformat imports jsonschema. The schema of notebooks
asks for no such address."""


def import_nbformat() -> None:
    """Import nbformat; what it imports is left out only here, and only where nothing has imported it so far."""
    left_out = UNUSED not in sys.modules and "jsonschema" not in sys.modules
    if left_out:
        sys.modules[UNUSED] = None  # type: ignore[assignment]
    try:
        import nbformat  # noqa: F401
    finally:
        if left_out:
            del sys.modules[UNUSED]
