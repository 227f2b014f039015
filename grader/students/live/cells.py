"""The cells of a live notebook, as tracebacks name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Cells:
    """Which file names of code stand for cells of the notebook, and which file is the student's beside it."""

    def __init__(self, shell: Any, folder: Path) -> None:
        self.shell = shell
        self.folder = folder

    def is_students(self, file: str) -> bool:
        return self._number(file) is not None or Path(file).parent == self.folder

    def name(self, file: str) -> str:
        """As the notebook shows it: `cell [3]`, or the name of the file beside it."""
        number = self._number(file)
        if number is not None:
            return f"cell [{number}]"
        return Path(file).name if Path(file).parent == self.folder else "your code"

    def _number(self, file: str) -> str | None:
        """The number of the run of the cell that has this file name."""
        # A pair such as ("Cell", "In[3]"), in all versions of IPython that have it.
        label = self.shell.compile.format_code_name(file)
        return label[1].removeprefix("In[").removesuffix("]") if label else None
