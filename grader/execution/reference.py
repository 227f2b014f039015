"""The reference solution: a submission that happens to be right, run by the same engine."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable

from nbformat import NotebookNode

from grader.assignment.assignment import Assignment, RubricError
from grader.assignment.locating import locate
from grader.assignment.notebook import UnreadableNotebook, read_notebook
from grader.execution.checkpoints import Checkpoints
from grader.execution.plan import plan_stops
from grader.execution.runner import run_notebook
from grader.execution.sandbox import Sandbox


class Reference:
    """The reference, read; and once `run`, its checkpoints, in a sandbox of its own."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.known_definitions: dict[str, str] = {}
        try:
            self.notebook = read_notebook(assignment.reference, assignment.limits.notebook_bytes)
        except UnreadableNotebook as error:
            raise RubricError([f"{assignment.reference}: {error}"]) from None
        self.answers = locate(self.notebook, assignment.questions)
        faults = [
            f"{assignment.reference}: no answer to question {question.id} was found"
            for question in assignment.questions
            if question.kind == "code" and not self.answers[question.id].cells
        ]
        if faults:
            raise RubricError(faults)

    def run(self, sandbox: Sandbox, seed: int, *, before: bool = False) -> Checkpoints:
        """Run the reference in `sandbox`; with `before`, other answers can take the place of each of its own.

        Raises RubricError where a cell of it fails, SandboxError.
        """
        assignment = self.assignment
        run_again = {question.id for question in assignment.questions} if before else set()
        stops = plan_stops(assignment.questions, self.answers, run_again=run_again)
        execution = run_notebook(sandbox, self.notebook, stops, (), assignment.limits, seed)
        faults = [f"cell {failure.cell + 1}: {failure.why}" for failure in execution.failures]
        faults += [
            f"cell {index + 1} raised {output.ename}: {output.evalue}"
            for index, cell in enumerate(execution.notebook.cells)
            for output in cell.get("outputs", [])
            if output.output_type == "error"
        ]
        if faults:
            raise RubricError([f"{assignment.reference}: {fault}" for fault in faults])
        return Checkpoints(sandbox, execution, assignment.limits)

    def sources(self, question: str) -> tuple[str, ...]:
        """The code cells that answer `question`."""
        cells = [self.notebook.cells[index] for index in self.answers[question].cells]
        return tuple(cell.source for cell in cells if cell.cell_type == "code")

    def definitions(self, question: str) -> str:
        """The code of all functions that the reference defines before this question, without anything that runs.

        Not this question's own: the student's code runs beside it, and would find the answer there.
        """
        if question not in self.known_definitions:
            first = min(self.answers[question].cells)
            self.known_definitions[question] = definitions(self.notebook.cells[:first])
        return self.known_definitions[question]


def definitions(cells: Iterable[NotebookNode]) -> str:
    """Imports, functions, classes and simple constants of code cells, in order."""
    # Only here: most of what imports this module asks for no definitions.
    from IPython.core.inputtransformer2 import TransformerManager

    transform = TransformerManager().transform_cell
    kept: list[ast.stmt] = []
    for cell in cells:
        if cell.cell_type == "code":
            kept += [statement for statement in ast.parse(transform(cell.source)).body if _is_definition(statement)]
    return ast.unparse(ast.Module(kept, []))


@functools.lru_cache(maxsize=256)
def defined_names(source: str) -> frozenset[str]:
    """The names that definitions define."""
    names: set[str] = set()
    for statement in ast.parse(source).body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(statement.name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in statement.names}
        else:
            names |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and _is_stored(node)}
    return frozenset(names)


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _is_definition(statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return isinstance(statement.value, (ast.Constant, ast.Lambda))
    return isinstance(statement, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
