"""The reference solution: a submission that happens to be right, run by the same engine."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable

from nbformat import NotebookNode

from grader.assignment.assignment import Assignment, RubricError
from grader.assignment.locating import locate
from grader.assignment.notebook import UnreadableNotebook, read_notebook
from grader.execution.checkpoints import Checkpoints
from grader.execution.names import Open, check_names, undefined
from grader.execution.plan import plan_stops
from grader.execution.runner import Execution, run_notebook
from grader.execution.sandbox import Sandbox
from grader.execution.waiting import RUNNING_REFERENCE
from grader.faults import shown


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
        unknown, self.open_names = check_names(assignment, self.notebook, self.answers)
        faults += [self._in_rubric(fault) for fault in unknown]
        if faults:
            raise RubricError(faults)

    def _in_rubric(self, fault: str) -> str:
        return f"{shown(self.assignment.folder / 'rubric.toml')}: {fault}"

    def run(
        self,
        sandbox: Sandbox,
        seed: int,
        *,
        before: bool = False,
        tell: Callable[[str], None] = lambda doing: None,
        reached: Callable[[Execution], None] | None = None,
    ) -> Checkpoints:
        """Run the reference in `sandbox`; with `before`, other answers can take the place of each of its own.

        `tell` is told which cell is run, and in the end that nothing is. `reached`: see `run_notebook`; it hears of
        nothing after a cell that failed. Raises RubricError where a cell of it fails, SandboxError.
        """

        def whole(execution: Execution) -> None:
            if reached is not None and not _faults(execution):
                reached(execution)

        assignment = self.assignment
        run_again = {question.id for question in assignment.questions} if before else set()
        stops = plan_stops(assignment.questions, self.answers, run_again=run_again)
        count = len(self.notebook.cells)
        execution = run_notebook(
            sandbox,
            self.notebook,
            stops,
            (),
            assignment.limits,
            seed,
            tell=lambda cell: tell(f"{RUNNING_REFERENCE}: cell {cell + 1} of {count}"),
            reached=None if reached is None else whole,
        )
        tell("")
        if faults := _faults(execution):
            raise RubricError([f"{assignment.reference}: {fault}" for fault in faults])
        checkpoints = Checkpoints(sandbox, execution, assignment.limits)
        undefined_names = [name for name in self.open_names if not self._defines(checkpoints, name, seed)]
        if undefined_names:
            raise RubricError([self._in_rubric(undefined(name)) for name in undefined_names])
        return checkpoints

    def _defines(self, checkpoints: Checkpoints, name: Open, seed: int) -> bool:
        probe = checkpoints.probe(name.question, seed)
        try:
            return probe.ask("has", name=name.name) is True
        finally:
            probe.close()

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


def _faults(execution: Execution) -> list[str]:
    """A line for each cell that failed."""
    faults = [f"cell {failure.cell + 1}: {failure.why}" for failure in execution.failures]
    faults += [
        f"cell {index + 1} raised {output.ename}: {output.evalue}"
        for index, cell in enumerate(execution.notebook.cells)
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    return faults


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
