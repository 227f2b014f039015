"""Finding the file of checks for a live notebook, whose own name a kernel is not told for sure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grader.students.bundle.bundle import SUFFIX, BundleError, bundle_for, find_bundle

SESSION = "JPY_SESSION_NAME"
"""Where Jupyter's server names the notebook that it has started a kernel for."""


def checks_of_folder(folder: Path, environment: Mapping[str, str]) -> Path:
    """The only file of checks in the folder, or else that of the notebook. Raises BundleError."""
    found = [path for path in folder.glob(f"*{SUFFIX}") if path.is_file()]
    if len(found) == 1:
        return found[0]
    if not found:
        raise BundleError(
            [
                f"there is no file of checks in the folder {folder}: put the one that came with the assignment there, "
                f"or name it: %check --bundle FILE{SUFFIX}"
            ]
        )
    notebook = Path(environment.get(SESSION, ""))
    if notebook.parent == folder and notebook.is_file():
        return bundle_for(notebook)
    return find_bundle(folder / "this notebook")
