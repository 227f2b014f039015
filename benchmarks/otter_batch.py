"""Run by otter's own Python: grades notebooks one after another by its documented interface, in one process."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from otter import api


def main(autograder: str, output: str, notebooks: list[str]) -> None:
    """Grade `notebooks` and write a list of what was done; times in seconds since the epoch."""
    done = []
    for notebook in notebooks:
        start = time.time()
        results = api.grade_submission(notebook, autograder, quiet=True)
        done.append({"name": Path(notebook).stem, "start": start, "end": time.time(), "points": results.total})
    Path(output).write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
