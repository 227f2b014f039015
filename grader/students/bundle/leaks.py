"""The last look before a release: is any line of a solution in it?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from nbformat import NotebookNode

from grader.assignment import solution

SHORTEST = 8
"""Characters, without blanks, from which on a line is more than a bracket or `return x`."""
_BLANKS = re.compile(rb"\s+")


def secret_lines(reference: NotebookNode, student: NotebookNode) -> list[str]:
    """The lines that are cut from the reference, and stand nowhere in what students are given anyway."""
    given = b"\n".join(_bare(line) for cell in student.cells for line in cell.source.split("\n"))
    lines = dict.fromkeys(line.strip() for line in solution.secret_lines(reference))
    return [line for line in lines if len(_bare(line)) >= SHORTEST and _bare(line) not in given]


def leaks(secrets: Iterable[str], released: Mapping[str, bytes]) -> list[str]:
    """For each line that is in one of the files (as they are before they are compressed): which, and where."""
    bare = {name: _BLANKS.sub(b"", content) for name, content in released.items()}
    return [
        f"{name}: a line of a solution is in it: {secret[:80]!r}"
        for name, content in bare.items()
        for secret in secrets
        if _bare(secret) in content
    ]


def _bare(line: str) -> bytes:
    return _BLANKS.sub(b"", line.encode("utf-8", "replace"))
