"""What code in the sandbox can see and reach: itself, the libraries, and nothing of the grading or the machine."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from evaluating import evaluator
from notebooks import MINI
from sandboxes import zygote_of

from grader.assignment.assignment import Limits
from grader.execution.checkpoints import Checkpoints
from grader.execution.runfolder import SandboxError
from grader.execution.sandbox import FIRST_USER, Sandbox

Run = Callable[..., Checkpoints]

EXECUTE = """
import ctypes, errno, os, socket
def attempt(action):
    try:
        return f"done: {action()!r}"[:200]
    except BaseException as error:
        return type(error).__name__
def status(field, pid="self"):
    with open(f"/proc/{pid}/status") as lines:
        return next(line.split(":", 1)[1].split() for line in lines if line.startswith(field + ":"))
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(8)
LOCAL = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
def syscall(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def files():
    found = []
    for folder, folders, names in os.walk("/", onerror=lambda error: None):
        folders[:] = [name for name in folders if (folder, name) not in [("/", "proc"), ("/", "sys")]]
        found += [os.path.join(folder, name) for name in names]
    return found
"""


@pytest.fixture(scope="module")
def inside(run: Run) -> Callable[..., Any]:
    """Evaluates an expression inside, as the code of a notebook."""
    return evaluator(run(EXECUTE))


def test_nothing_of_the_rubric_or_the_harness_is_visible(run: Run, limits: Limits) -> None:
    patient = msgspec.structs.replace(limits, cell_cpu_seconds=60, cell_wall_seconds=200)
    checkpoints = run(EXECUTE, "seen = files()", limits=patient)
    namespace = checkpoints.namespace("1", seed=1)
    interesting = "[f for f in seen if '/grader/' in f or f.endswith(('.toml', '.ipynb')) or '/test_mini' in f]"
    seen = namespace.eval(interesting)
    count = namespace.eval("len(seen)")
    namespace._close()
    assert count > 1000
    ours = [path for path in seen if "/grader/" in path and "site-packages/" not in path and "__pycache__" not in path]
    assert {str(Path(path).parent) for path in ours} == {"/opt/grader/grader", "/opt/grader/grader/inside"}
    assert [path for path in ours if Path(path).parent.name == "grader"] == ["/opt/grader/grader/__init__.py"]
    names = {Path(path).name for path in seen}
    assert names.isdisjoint({"rubric.toml", "reference.ipynb", "test_mini.py"})


def test_the_folders_of_the_rubric_and_the_submissions_do_not_exist(
    inside: Callable[..., Any], root: Path, tmp_path: Path
) -> None:
    for path in (root / "rubrics", root / "submissions", root / "tests", MINI / "rubric.toml", tmp_path):
        assert inside("os.path.exists(path)", path=str(path)) is False
    assert inside("os.path.exists('/home/student')") is True


def test_the_harness_cannot_be_imported(inside: Callable[..., Any]) -> None:
    assert inside("attempt(lambda: __import__('grader.rubric'))") == "ModuleNotFoundError"
    assert inside("attempt(lambda: __import__('grader.execution'))") == "ModuleNotFoundError"


def test_no_environment_variable_of_the_host_comes_in(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "abc123")
    with Sandbox([], limits) as sandbox:
        environment = Path(f"/proc/{zygote_of(sandbox).pid}/environ").read_bytes()
    assert b"HOME=/home/student" in environment
    assert b"SECRET_TOKEN" not in environment


def test_environment_of_a_kernel_is_not_that_of_the_host(inside: Callable[..., Any]) -> None:
    environment = inside("dict(os.environ)")
    assert environment["HOME"] == "/home/student"
    foreign = {name for name, value in environment.items() if os.environ.get(name) == value}
    threads = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    assert foreign - threads <= {"LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "MPLBACKEND"}


def test_the_network_of_the_host_is_out_of_reach(inside: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        result = inside("attempt(lambda: socket.create_connection(('127.0.0.1', port), timeout=5))", port=port)
    assert result in ("ConnectionRefusedError", "OSError")
    assert inside("[name for _, name in socket.if_nameindex()]") == ["lo"]


def test_abstract_sockets_of_the_host_are_out_of_reach(inside: Callable[..., Any]) -> None:
    name = f"\0grader-test-{os.getpid()}"
    reach = "attempt(lambda: socket.socket(socket.AF_UNIX).connect(name))"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(name)
        server.listen()
        client.connect(name)
        assert inside(reach, name=name) == "ConnectionRefusedError"


PID_1 = {
    "memory": "open('/proc/1/mem', 'rb')",
    "environment": "open('/proc/1/environ').read(1)",
    "descriptors": "os.listdir('/proc/1/fd')",
    "maps": "open('/proc/1/maps').read(1)",
    "root": "os.listdir('/proc/1/root')",
    "ptrace-attach": "syscall('ptrace', 16, 1, 0, 0)",
    "ptrace-seize": "syscall('ptrace', 0x4206, 1, 0, 0)",
    "pidfd-getfd": "syscall('syscall', 438, os.pidfd_open(1), 0, 0)",
    "process_vm_readv": "syscall('process_vm_readv', 1, LOCAL, 1, LOCAL, 1, 0)",
}


@pytest.mark.parametrize("action", PID_1.values(), ids=PID_1.keys())
def test_pid_1_cannot_be_read_or_traced(inside: Callable[..., Any], action: str) -> None:
    own = action.replace("/proc/1/", "/proc/self/")
    if own != action:
        assert inside(f"attempt(lambda: {own})").startswith("done")
    assert inside(f"attempt(lambda: {action})") == "PermissionError"


ESCAPES = {
    "mount": "syscall('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    "chroot": "os.chroot('/tmp')",
    "setuid": "os.setuid(0)",
    "device": "os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))",
    "write-to-usr": "open('/usr/new', 'w')",
    "write-to-the-root": "open('/new', 'w')",
    "write-to-the-package": "open('/opt/grader/grader/inside/wire.py', 'a')",
    "raise-a-limit": "__import__('resource').setrlimit(__import__('resource').RLIMIT_NPROC, (10**6, 10**6))",
    "hostname": "socket.sethostname('x')",
    "raw-socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
}


@pytest.mark.parametrize("action", ESCAPES.values(), ids=ESCAPES.keys())
def test_what_needs_privileges_is_refused(inside: Callable[..., Any], action: str) -> None:
    result = inside(f"attempt(lambda: {action})")
    assert result in ("PermissionError", "OSError", "ValueError")


def test_the_code_has_no_privileges(inside: Callable[..., Any]) -> None:
    user, effective = inside("(os.getuid(), os.geteuid())")
    assert user == effective != 0
    if os.geteuid() == 0:
        assert int(inside("status('Uid')")[0]) >= FIRST_USER or user == 1000
    assert int(inside("status('CapEff')")[0], 16) == 0
    assert int(inside("status('CapPrm')")[0], 16) == 0
    assert inside("status('NoNewPrivs')") == ["1"]


def test_the_zygote_has_no_privileges_outside_either(sandbox: Sandbox) -> None:
    process = zygote_of(sandbox)
    if os.geteuid() == 0 and sandbox.user:
        assert set(process.uids()) == {sandbox.user}
        assert sandbox.user >= FIRST_USER
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    assert "CapEff:\t0000000000000000" in lines
    assert "NoNewPrivs:\t1" in lines


def test_a_link_in_the_place_of_a_checkpoint_is_not_followed(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "host.sock"))
        server.listen()
        server.settimeout(0)
        replace = f"import os, glob\nos.symlink({str(tmp_path / 'host.sock')!r}, '/run/notebook/checkpoint-x')"
        checkpoints = run(replace)
        assert checkpoints.execution.notebook.cells[0].outputs == []
        path = Path("/run/notebook/checkpoint-x")
        assert sandbox.exists(path)
        with pytest.raises(OSError, match="no socket"):
            sandbox.connect(path)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "make", ["os.mkfifo(path)", "open(path, 'w')", "os.mkdir(path)"], ids=["pipe", "file", "folder"]
)
def test_only_a_socket_is_connected_to(run: Run, sandbox: Sandbox, make: str) -> None:
    run(f"import os\npath = '/run/notebook/other'\n{make}")
    with pytest.raises(OSError, match="no socket"):
        sandbox.connect(Path("/run/notebook/other"))


def test_a_sweep_leaves_no_process_and_no_file(run: Run, sandbox: Sandbox) -> None:
    run("import os, time\nif not os.fork():\n    time.sleep(10**6)", "open('/run/notebook/file', 'w').close()")
    assert sandbox.exists(Path("/run/notebook/file"))
    assert sandbox.ask("cpu_seconds") != {}
    sandbox.sweep()
    assert not sandbox.exists(Path("/run/notebook/file"))
    assert sandbox.ask("cpu_seconds") == {}


def test_stop_leaves_no_process_and_no_descriptor(limits: Limits) -> None:
    open_before, threads_before = descriptors(), threading.active_count()
    with Sandbox([], limits) as sandbox:
        assert sandbox.process is not None
        processes = [psutil.Process(sandbox.process.pid), zygote_of(sandbox)]
        assert sandbox.alive
    assert not sandbox.alive
    for process in processes:
        wait_until_ended(process)
    assert descriptors() == open_before
    assert threading.active_count() == threads_before
    sandbox.stop()
    with pytest.raises(SandboxError, match="not running"):
        sandbox.ask("poll", pid=0)


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def wait_until_ended(process: psutil.Process) -> None:
    """Also a dead process that its new parent has not waited for has ended."""
    deadline = time.monotonic() + 30
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_missing_bubblewrap_is_said_with_what_to_do(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxError, match=r"bubblewrap is not installed.*install bubblewrap"):
        Sandbox([], limits).start()


def test_a_module_that_is_not_there_is_named(limits: Limits) -> None:
    before = descriptors()
    sandbox = Sandbox(["no_such_module"], limits)
    with pytest.raises(SandboxError, match="no_such_module"):
        sandbox.start()
    assert not sandbox.alive
    assert descriptors() == before
