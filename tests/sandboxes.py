"""A sandbox, as seen from outside."""

from __future__ import annotations

import psutil

from grader.execution.forkserver import ForkedZygote
from grader.execution.sandbox import Sandbox


def zygote_of(sandbox: Sandbox) -> psutil.Process:
    """Its first process: what bubblewrap has started, or a fork server."""
    process = sandbox.process
    assert process is not None
    outside = psutil.Process(process.pid)
    return outside if isinstance(process, ForkedZygote) else outside.children(recursive=True)[0]
