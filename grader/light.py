"""What libraries import that is of no use here, and takes most of the time until a command begins."""

from __future__ import annotations

import sys

UNUSED = ("rfc3987_syntax", "isoduration")
"""The checks of internationalised addresses and of durations: a grammar is read at import, half a second or more. They
come with JupyterLab; jsonschema imports them where they are installed, and nbformat imports jsonschema. The schema of
notebooks asks for neither."""


def leave_out_unused() -> None:
    """From now on, in this process, these are as if they were not installed. For programs, not for libraries."""
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
