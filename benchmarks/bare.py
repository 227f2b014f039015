"""The student code alone: a notebook's cells run by plain Python, in a process forked after the imports.

    python bare.py OUTPUT.json MODULE,MODULE... NOTEBOOK...

No Jupyter, no checks, no sandbox. Figures are drawn as a notebook draws them (as PNG, at the end of their cell), and
then thrown away. What a cell prints is, too; a cell that raises does not end the notebook.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def code_cells(path: Path) -> list[str]:
    """The sources of the code cells, as plain Python."""
    import nbformat
    from IPython.core.inputtransformer2 import TransformerManager

    transform = TransformerManager().transform_cell
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [transform(source) for source in cells]


def run(cells: list[str]) -> int:
    """Run the cells in one namespace; returns how many of them raised."""
    names: dict[str, Any] = {"__name__": "__main__", "get_ipython": _NoIPython}
    raised = 0
    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        for number, source in enumerate(cells):
            try:
                exec(compile(source, f"<cell {number}>", "exec"), names)  # noqa: S102 - this is what is timed
            except (Exception, SystemExit):
                raised += 1
            draw()
    return raised


class _NoIPython:
    """What magics are turned into calls of: `%matplotlib inline` has nothing to do here."""

    def run_line_magic(self, *arguments: Any, **more: Any) -> None:
        """Ignore it."""


def draw(*arguments: Any, **more: Any) -> None:
    """Draw all open figures as the inline backend does, and close them."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.print_figure(io.BytesIO(), format="png", bbox_inches="tight")
    pyplot.close("all")


def prepare(modules: list[str]) -> None:
    """Import what is to be there, as the harness's sandbox does before it forks."""
    for module in modules:
        importlib.import_module(module)
    if "matplotlib.pyplot" in sys.modules:
        import matplotlib.pyplot as plt

        plt.switch_backend("agg")
        plt.show = draw
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    gc.collect()
    gc.freeze()


def timed(path: Path) -> dict[str, Any]:
    """Run one notebook in a fork; its wall time and CPU time, in seconds."""
    cells = code_cells(path)
    start = time.time()
    pid = os.fork()
    if pid == 0:
        try:
            run(cells)
        finally:
            os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    return {
        "name": path.stem,
        "start": start,
        "end": time.time(),
        "cpu": usage.ru_utime + usage.ru_stime,
        "status": os.waitstatus_to_exitcode(status),
    }


def main(output: str, modules: str, notebooks: list[str]) -> None:
    prepare(modules.split(","))
    Path(output).write_text(json.dumps([timed(Path(notebook)) for notebook in notebooks]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
