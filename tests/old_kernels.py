"""Machines whose Linux has less to offer than this one's."""

from __future__ import annotations

import pytest

from grader.execution.floor import Floor


def without_landlock(patch: pytest.MonkeyPatch) -> None:
    """As on a kernel before 5.13."""
    fill = Floor._fill

    def fill_and_change(floor: Floor) -> None:
        fill(floor)
        with (floor.folder / "package" / "grader" / "inside" / "landlock.py").open("a") as file:
            file.write("\n\ndef version():\n    return 0\n")

    patch.setattr(Floor, "_fill", fill_and_change)
