"""Commands of a document, run as a reader runs them."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path


def run(command: str, folder: Path) -> str:
    """All that `command` prints in a shell in `folder`, where `grader` can be found."""
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "100", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    return ended.stdout.decode()
