"""A sandbox that starts while something else is done, and one for a single notebook."""

from __future__ import annotations

import time

import psutil
import pytest
from notebooks import code_notebook

from grader.assignment.assignment import Limits
from grader.execution import bubblewrap
from grader.execution.runfolder import SandboxError
from grader.execution.runner import run_notebook
from grader.execution.sandbox import Sandbox, SandboxMode


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


@pytest.mark.parametrize("mode", ["require", "none"])
def test_what_is_to_be_imported_can_be_said_after_the_beginning(limits: Limits, mode: SandboxMode) -> None:
    sandbox = Sandbox(["no_such_module"], limits, mode, lasting=False)
    sandbox.begin()
    sandbox.preload = ["this"]
    with sandbox:
        notebook = code_notebook("import sys\nprint('this' in sys.modules, 'antigravity' in sys.modules)")
        executed = run_notebook(sandbox, notebook, [], (), limits, 1).notebook
    assert executed.cells[0].outputs[0].text == "True False\n"


@pytest.mark.parametrize("mode", ["require", "none"])
def test_a_sandbox_that_was_never_told_what_to_import_is_gone_when_it_is_stopped(
    limits: Limits, mode: SandboxMode
) -> None:
    sandbox = Sandbox([], limits, mode, lasting=False)
    sandbox.begin()
    assert sandbox.begun is not None
    sandbox.begun.result()
    assert sandbox.process is not None
    process = sandbox.process
    sandbox.stop()
    assert process.poll() is not None
    assert sandbox.control is None


def test_a_sandbox_that_has_begun_can_be_started_meanwhile_and_again(limits: Limits) -> None:
    sandbox = Sandbox([], limits, lasting=False)
    sandbox.begin()
    sandbox.start_meanwhile()
    with sandbox:
        assert sandbox.alive
    with sandbox:
        assert sandbox.alive


def test_what_goes_wrong_at_the_beginning_is_told_when_it_is_started(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    sandbox = Sandbox([], limits, "require")
    sandbox.begin()
    with pytest.raises(SandboxError, match="bubblewrap is not installed"):
        sandbox.start()
    sandbox.begin()
    sandbox.stop()


def test_a_zygote_that_ends_before_it_is_told_what_to_import_is_noticed(limits: Limits) -> None:
    sandbox = Sandbox([], limits)
    sandbox.begin()
    assert sandbox.begun is not None
    sandbox.begun.result()
    assert sandbox.process is not None
    # bubblewrap's child, the zygote: it would outlive bubblewrap itself, were that killed so early.
    bubblewrap = psutil.Process(sandbox.process.pid)
    while not (children := bubblewrap.children()):
        assert sandbox.process.poll() is None
        time.sleep(0.005)
    for child in children:
        child.kill()
    with pytest.raises(SandboxError, match="the sandbox did not start"):
        sandbox.start()
