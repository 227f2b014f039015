"""A sandbox that starts while something else is done, and one for a single notebook."""

from __future__ import annotations

import pytest
from notebooks import code_notebook

from grader.assignment import Limits
from grader.execution.runner import run_notebook
from grader.execution.sandbox import Sandbox, SandboxError


def test_a_sandbox_for_a_single_notebook_runs_it_also_where_it_fails_and_draws(limits: Limits) -> None:
    cells = ["print(1)", "1 / 0", "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"]
    with Sandbox([], limits, lasting=False) as sandbox:
        executed = run_notebook(sandbox, code_notebook(*cells), [], (), limits, 1).notebook
    kinds = [output.output_type for cell in executed.cells for output in cell.outputs]
    assert kinds == ["stream", "error", "display_data"]


def test_a_sandbox_that_has_begun_to_start_is_waited_for(limits: Limits) -> None:
    sandbox = Sandbox([], limits, lasting=False)
    sandbox.start_meanwhile()
    with sandbox:
        assert sandbox.alive


def test_what_goes_wrong_meanwhile_is_told_when_it_is_waited_for(limits: Limits) -> None:
    sandbox = Sandbox(["no_such_module"], limits)
    sandbox.start_meanwhile()
    with pytest.raises(SandboxError, match="no_such_module"):
        sandbox.start()


def test_a_sandbox_that_has_begun_to_start_can_be_stopped(limits: Limits) -> None:
    sandbox = Sandbox([], limits, lasting=False)
    sandbox.start_meanwhile()
    sandbox.stop()
    assert not sandbox.alive
