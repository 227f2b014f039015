"""`%check` needs nothing that only Linux has: it runs where all of that is taken away."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

PROGRAM = """\
import os, select, signal, socket, subprocess, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import pytest, numpy, _pytest.tmpdir

for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "hypothesis", "nbformat", "nbclient"):
    sys.modules[name] = None
for module, names in (
    (os, "fork forkpty pidfd_open wait4 getuid setsid kill waitpid killpg"),
    (signal, "SIGALRM SIGKILL SIGXCPU setitimer alarm pthread_kill pthread_sigmask set_wakeup_fd"),
    (select, "poll epoll"),
    (socket, "AF_UNIX"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)

def no_process(*args, **kwargs):
    raise AssertionError("a second process")
subprocess.Popen.__init__ = no_process

shell.run_cell("%load_ext grader").raise_error()
shell.run_cell("def double(x):\\n    while True: x += 1\\n").raise_error()
shell.run_cell("%check 1.1.a").raise_error()
shell.run_cell("def double(x):\\n    return 2 * x\\n").raise_error()
shell.run_cell("%check 1.1.a").raise_error()
"""


def test_it_works_without_fork_signals_and_the_like(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], cwd=bundle.parent, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Timeout: the code did not end within 1 seconds" in done.stdout
    assert "✓ 1.1.a   Double  done         1.5 of 1.5" in done.stdout
