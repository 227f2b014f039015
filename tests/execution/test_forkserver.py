"""Sandboxes whose zygotes are forked: they share what was imported, and nothing else."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from notebooks import code_notebook
from sandboxes import zygote_of

from grader.assignment.assignment import Limits
from grader.execution import bubblewrap
from grader.execution.checkpoints import Checkpoints
from grader.execution.forkserver import BorrowedForkServer, ForkedZygote, ForkServer
from grader.execution.runfolder import SandboxError
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox
from grader.inside.forkserver import LISTENER

LOOK = """
import ctypes, glob, os, pty, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def status(field):
    with open("/proc/self/status") as lines:
        return next(line.split(":", 1)[1].split() for line in lines if line.startswith(field + ":"))
def files():
    return [path for folder in ("/home/student", "/tmp", "/dev/shm", "/run/notebook")
            for path in glob.glob(folder + "/**", recursive=True) if os.path.isfile(path)]
def attempt(action):
    try:
        return f"done: {action()!r}"
    except OSError as error:
        return type(error).__name__
"""
LEAVE = """
for folder in ("/home/student", "/tmp", "/dev/shm", "/run/notebook"):
    with open(folder + "/left", "w") as file:
        file.write("by the first")
server = socket.socket(socket.AF_UNIX)
server.bind("\\0by the first")
server.listen()
local = socket.create_server(("127.0.0.1", 45123))
terminal = pty.openpty()
"""

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
Look = Callable[..., Any]


@pytest.fixture(scope="module")
def server(limits: Limits) -> Iterator[ForkServer]:
    server = ForkServer(["this"], limits)
    server.begin()
    yield server
    server.stop()


def inside(sandbox: Sandbox, *sources: str) -> Look:
    """Evaluates an expression in the sandbox, after these cells."""
    stop = Stop(questions=("1",), cells=(len(sources) - 1,))
    execution = run_notebook(sandbox, code_notebook(*sources), [stop], (), sandbox.limits, 1)
    outputs = [output for cell in execution.notebook.cells for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    checkpoints = Checkpoints(sandbox, execution, sandbox.limits)
    return lambda expression: checkpoints.namespace("1", seed=1).eval(expression)


@pytest.fixture(scope="module")
def both(server: ForkServer, limits: Limits) -> Iterator[tuple[Look, Look]]:
    """Two sandboxes at the same time; the first has left behind what it can."""
    with Sandbox(["this"], limits, server=server) as one, Sandbox(["this"], limits, server=server) as two:
        assert isinstance(one.process, ForkedZygote)
        assert isinstance(two.process, ForkedZygote)
        yield inside(one, LOOK, LEAVE), inside(two, LOOK)


def test_what_was_imported_once_is_there(both: tuple[Look, Look]) -> None:
    for look in both:
        assert look("'this' in sys.modules and 'antigravity' not in sys.modules") is True


def test_each_has_folders_of_its_own(both: tuple[Look, Look]) -> None:
    first, second = both
    left = [path for path in first("files()") if path.endswith("/left")]
    assert left == ["/home/student/left", "/tmp/left", "/dev/shm/left", "/run/notebook/left"]
    assert [path for path in second("files()") if path.endswith("/left")] == []
    for look in both:
        assert look("[p for p in glob.glob('/run/notebook/*') if p.endswith('" + LISTENER + "')]") == []
        assert look("os.getcwd()") == "/home/student"


def test_each_has_processes_of_its_own_and_the_zygote_is_the_first(both: tuple[Look, Look]) -> None:
    for look in both:
        seen = look("sorted(int(name) for name in os.listdir('/proc') if name.isdigit())")
        assert seen[0] == 1
        assert len(seen) <= 4
        assert look("attempt(lambda: os.kill(1, 9))") in ("done: None", "PermissionError")
        assert look("attempt(lambda: open('/proc/1/environ').read())") == "PermissionError"
        assert look("attempt(lambda: open('/proc/1/mem', 'rb').read(1))") == "PermissionError"


def test_each_has_a_network_of_its_own(both: tuple[Look, Look]) -> None:
    first, second = both
    assert first("[name for _, name in socket.if_nameindex()]") == ["lo"]
    reach = "attempt(lambda: socket.create_connection(('127.0.0.1', 45123), timeout=5).close())"
    assert first(reach) == "done: None"
    assert second(reach) == "ConnectionRefusedError"
    abstract = "attempt(lambda: socket.socket(socket.AF_UNIX).connect('\\0by the first'))"
    assert first(abstract) == "done: None"
    assert second(abstract) == "ConnectionRefusedError"


def test_each_has_terminals_of_its_own(both: tuple[Look, Look]) -> None:
    first, second = both
    assert first("sorted(os.listdir('/dev/pts'))") == ["0", "ptmx"]
    assert second("sorted(os.listdir('/dev/pts'))") == ["ptmx"]


def test_each_has_communication_of_its_own(both: tuple[Look, Look]) -> None:
    namespaces = [{kind: look(f"os.readlink('/proc/self/ns/{kind}')") for kind in KINDS} for look in both]
    here = {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in KINDS}
    for kind in KINDS:
        assert len({namespaces[0][kind], namespaces[1][kind], here[kind]}) == 3


def test_nobody_has_a_capability_or_a_way_to_one(both: tuple[Look, Look]) -> None:
    for look in both:
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert look(f"status('{kind}')") == ["0" * 16]
        assert look("status('NoNewPrivs')") == ["1"]
        assert set(look("status('Groups')")) <= {"1000", "65534"}
        assert look("status('Uid')[0]") != "0"
        assert look("libc.unshare(0x20000)") == -1
        assert look("libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)") == -1
        assert look("libc.umount2(b'/tmp', 2)") == -1


def test_the_zygote_has_no_capability_either(server: ForkServer, limits: Limits) -> None:
    with Sandbox(["this"], limits, server=server) as sandbox:
        lines = Path(f"/proc/{zygote_of(sandbox).pid}/status").read_text().splitlines()
    capabilities = {line.split()[0]: line.split()[1] for line in lines if line.startswith("Cap")}
    assert set(capabilities.values()) == {"0" * 16}


def test_a_sandbox_is_made_anew_and_ends_whole(server: ForkServer, limits: Limits) -> None:
    sandbox = Sandbox(["this"], limits, server=server)
    seen = []
    for _ in range(2):
        with sandbox:
            look = inside(sandbox, LOOK)
            assert [path for path in look("files()") if path.endswith("/left")] == []
            look("open('/tmp/left', 'w').close()")
            assert sandbox.ask("sweep") is True
            zygote = zygote_of(sandbox)
            seen.append(zygote.pid)
        assert psutil.wait_procs([zygote], timeout=60)[1] == []
        assert not sandbox.alive
    assert seen[0] != seen[1]


def test_a_zygote_ends_with_those_who_asked_for_it(server: ForkServer, limits: Limits) -> None:
    """A worker that is killed can end nothing: its socket is closed, no more."""
    ours, theirs = socket.socketpair()
    forked = server.walls_for(0 if os.geteuid() else 2_000_000_001)
    assert forked is not None
    zygote = forked.start(theirs.fileno())
    theirs.close()
    assert zygote.poll() is None
    ours.close()
    assert zygote.wait() == 0


def test_all_zygotes_end_with_the_server_and_then_each_starts_by_itself(limits: Limits) -> None:
    server = ForkServer(["this"], limits)
    server.begin()
    sandbox = Sandbox(["this"], limits, server=server)
    with sandbox:
        zygote = zygote_of(sandbox)
        server.stop()
        assert psutil.wait_procs([zygote], timeout=60)[1] == []
        with pytest.raises(SandboxError, match="is gone"):
            sandbox.check_alive()
    with sandbox:
        assert not isinstance(sandbox.process, ForkedZygote)
        assert sandbox.level == "bubblewrap"


def test_what_cannot_be_imported_is_told_by_the_sandbox(limits: Limits) -> None:
    server = ForkServer(["no_such_module"], limits)
    server.begin()
    try:
        with pytest.raises(SandboxError, match=r"preload.*no_such_module"):
            Sandbox(["no_such_module"], limits, server=server).start()
    finally:
        server.stop()


def test_another_preload_is_not_served(server: ForkServer, limits: Limits) -> None:
    with Sandbox([], limits, server=server) as sandbox:
        assert not isinstance(sandbox.process, ForkedZygote)


def test_where_there_is_no_bubblewrap_there_is_no_server(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    server = ForkServer([], limits)
    server.begin()
    assert server.lend() is None
    with pytest.raises(SandboxError, match="bubblewrap is not installed"):
        Sandbox([], limits, server=server).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="others need no capability for it, and there is no way to forbid it here")
def test_where_no_namespaces_can_be_made_in_a_sandbox_each_starts_by_itself(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "FORK", ())
    server = ForkServer([], limits)
    server.begin()
    assert server.lend() is None
    with Sandbox([], limits, server=server) as sandbox:
        assert not isinstance(sandbox.process, ForkedZygote)
        assert inside(sandbox, "x = 3")("x + 1") == 4


def test_another_process_of_the_machine_can_ask_for_sandboxes(server: ForkServer, limits: Limits) -> None:
    borrowed = BorrowedForkServer(["this"], lambda *request: server.lend() if request == ("fork server",) else None)
    with Sandbox(["this"], limits, server=borrowed) as sandbox:
        assert isinstance(sandbox.process, ForkedZygote)
        assert inside(sandbox, "x = 3")("x + 1") == 4


def test_an_installation_below_a_folder_that_can_be_written_to_is_there(
    limits: Limits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In CI, all of it may lie in /tmp."""
    (tmp_path / "installed").mkdir(parents=True)
    (tmp_path / "installed" / "module.py").write_text("x = 1\n")
    (tmp_path / "alone").write_text("a file\n")
    tmp_path.chmod(0o755)
    shown = bubblewrap.system_folders
    monkeypatch.setattr(bubblewrap, "system_folders", lambda: [*shown(), tmp_path / "alone", tmp_path / "installed"])
    server = ForkServer([], limits)
    server.begin()
    try:
        with Sandbox([], limits, server=server) as sandbox:
            assert isinstance(sandbox.process, ForkedZygote)
            look = inside(sandbox, LOOK)
            assert look(f"open({str(tmp_path / 'installed' / 'module.py')!r}).read()") == "x = 1\n"
            assert look(f"open({str(tmp_path / 'alone')!r}).read()") == "a file\n"
            assert look(f"attempt(lambda: open({str(tmp_path / 'installed' / 'new')!r}, 'w'))") == "OSError"
            assert sandbox.ask("sweep") is True
            assert inside(sandbox, LOOK)(f"open({str(tmp_path / 'alone')!r}).read()") == "a file\n"
    finally:
        server.stop()
