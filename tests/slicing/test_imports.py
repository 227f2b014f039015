"""Only the packages that a notebook uses are imported before it runs."""

from __future__ import annotations

import nbformat
import pytest
from notebooks import code_notebook

from grader.slicing.imports import imported_of

PRELOAD = ("numpy", "torch", "sklearn.datasets", "matplotlib.pyplot")
USED = {
    "import x": (["import torch"], ("torch",)),
    "import x.y": (["import sklearn.svm"], ("sklearn.datasets",)),
    "from x import y": (["from matplotlib import colors"], ("matplotlib.pyplot",)),
    "in a function": (["def f():\n    import numpy as np"], ("numpy",)),
    "nothing": (["x = 1"], ()),
    "it cannot be told": (["%run other.py"], PRELOAD),
}


@pytest.mark.parametrize(("cells", "modules"), USED.values(), ids=USED)
def test_modules_of_used_packages_are_kept(cells: list[str], modules: tuple[str, ...]) -> None:
    assert imported_of(PRELOAD, code_notebook(*cells)) == modules


def test_what_is_written_in_a_text_is_no_code() -> None:
    notebook = code_notebook("import torch")
    notebook.cells.append(nbformat.v4.new_markdown_cell("**(a) How good is it? import numpy**"))
    assert imported_of(PRELOAD, notebook) == ("torch",)
