"""Which packages a notebook uses, so that only these are imported before it runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from nbformat import NotebookNode

from grader.slicing.statements import statement_groups


def imported_of(preload: Iterable[str], notebook: NotebookNode) -> tuple[str, ...]:
    """Those of the modules `preload` whose packages the code of a notebook imports; all, where that cannot be told."""
    modules = tuple(preload)
    cells = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    groups = [group for index, cell in cells for group in statement_groups(index, str(cell.source))]
    if any(group.code.unsure or not group.statements for group in groups):
        return modules
    nodes = (node for group in groups for statement in group.statements for node in ast.walk(statement))
    packages = {package for node in nodes for package in _imported(node)}
    return tuple(module for module in modules if module.partition(".")[0] in packages)


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name.partition(".")[0] for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module.partition(".")[0]]
    return []
