"""nbformat does without the grammar of addresses, and without durations."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from grader.light import UNUSED, leave_out_unused
leave_out_unused()
import nbformat
assert [sys.modules[name] for name in UNUSED] == [None, None]
nbformat.validate(nbformat.v4.new_notebook())
"""


def test_what_is_not_needed_is_left_out_and_notebooks_are_validated_as_ever() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)
