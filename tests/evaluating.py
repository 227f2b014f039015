"""Looking into a sandbox, as the code of a notebook there would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grader.execution.checkpoints import Checkpoints


def evaluator(checkpoints: Checkpoints) -> Callable[..., Any]:
    """Evaluates an expression after the first cell, which has run without a word."""

    def evaluate(expression: str, **values: Any) -> Any:
        namespace = checkpoints.namespace("0", seed=1)
        try:
            return namespace.eval(expression, **values)
        finally:
            namespace._close()

    assert checkpoints.execution.notebook.cells[0].outputs == []
    return evaluate
