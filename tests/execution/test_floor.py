"""What holds where there is no bubblewrap: with Landlock, and on a kernel that does not even have that."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from evaluating import evaluator
from notebooks import MINI, code_notebook
from old_kernels import without_landlock

from grader.assignment.assignment import Limits, load_assignment
from grader.execution import floor as floor_module
from grader.execution.checkpoints import Checkpoints
from grader.execution.floor import Floor, _open_to_all, _without
from grader.execution.runfolder import SandboxError
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import FIRST_USER, Sandbox
from grader.execution.visible import environment, system_folders
from grader.grading.submission import Grader
from grader.inside import landlock

HELPERS = """
import ctypes, errno, os, signal, socket, sys
def attempt(action):
    try:
        return f"done: {action()!r}"[:200]
    except BaseException as error:
        return type(error).__name__
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(8)
LOCAL = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
def syscall(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
def status(field, pid="self"):
    with open(f"/proc/{pid}/status") as lines:
        return next(line.split(":", 1)[1].split() for line in lines if line.startswith(field + ":"))
def linger():
    if os.fork() == 0:
        os.setsid()
        read, write = os.pipe()
        pid = os.fork()
        if pid:
            os._exit(0)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with open("lingering", "w") as file:
            file.write(str(os.getpid()))
        os.rename("lingering", "lingers")
        while True:
            signal.pause()
    while not os.path.exists("lingers"):
        pass
    with open("lingers") as file:
        return int(file.read())
"""
WAIT_SECONDS = 60
needs_landlock = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
only_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")


@pytest.fixture(scope="module", params=[pytest.param("landlock", marks=needs_landlock), "process"])
def sandbox(request: pytest.FixtureRequest, limits: Limits) -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_TOKEN", "abc123")
        if request.param == "process":
            without_landlock(patch)
        sandbox = Sandbox(["numpy"], limits, "none")
        sandbox.start()
    assert sandbox.level == request.param
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="module")
def run(sandbox: Sandbox, limits: Limits) -> Callable[..., Checkpoints]:
    def run(*sources: str) -> Checkpoints:
        stops = [Stop(questions=("0",), cells=(len(sources) - 1,))]
        return Checkpoints(sandbox, run_notebook(sandbox, code_notebook(*sources), stops, (), limits, 1), limits)

    return run


@pytest.fixture
def inside(run: Callable[..., Checkpoints]) -> Callable[..., Any]:
    """Evaluates an expression inside, as the code of a notebook."""
    return evaluator(run(HELPERS))


def attempts(inside: Callable[..., Any], actions: dict[str, str], **values: Any) -> dict[str, str]:
    return {name: inside(f"attempt(lambda: {action})", **values) for name, action in actions.items()}


# What student code can reach


@needs_landlock
def test_files_outside_are_out_of_reach(
    inside: Callable[..., Any], sandbox: Sandbox, root: Path, tmp_path: Path
) -> None:
    if sandbox.level == "process":
        pytest.skip("there, files are protected by nothing but their modes")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    actions = {
        "home": "os.listdir(home)",
        "root": "os.listdir('/')",
        "etc": "open('/etc/passwd').read()",
        "repository": "open(root + '/README.md').read()",
        "rubric": "open(rubric).read()",
        "harness": "open(root + '/grader/grading/submission.py').read()",
        "others": "os.listdir(folder)",
        "temporary": "os.listdir('/tmp')",
        "read": "open(victim).read()",
        "write": "open(victim, 'w')",
        "append": "open(victim, 'a')",
        "truncate": "os.truncate(victim, 0)",
        "make": "open(folder + '/new', 'w')",
        "make-folder": "os.mkdir(folder + '/new')",
        "link": "os.link(victim, 'here')",
        "symlink": "os.symlink('x', folder + '/new')",
        "rename": "os.rename(victim, folder + '/other')",
        "unlink": "os.unlink(victim)",
        "package": "open(os.path.dirname(os.getcwd()) + '/package/grader/inside/wire.py', 'a')",
        "python": "open(os.path.dirname(os.__file__) + '/new', 'w')",
        "through-proc": "open('/proc/self/root' + victim).read()",
        "terminal": "open('/dev/tty', 'w')",
        "shared-folder": "os.mkdir('/dev/shm/new')",
    }
    where = {
        "home": str(Path.home()),
        "root": str(root),
        "rubric": str(MINI / "rubric.toml"),
        "folder": str(tmp_path),
        "victim": str(victim),
    }
    found = attempts(inside, actions, **where)
    # A link into another file system is none of Landlock's business.
    assert {name: result for name, result in found.items() if result not in ("PermissionError", "OSError")} == {}
    assert victim.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["victim"]


def test_what_belongs_to_a_file_outside_cannot_be_changed(inside: Callable[..., Any], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    before = victim.stat()
    changes = {
        "mode": "os.chmod(victim, 0)",
        "times": "os.utime(victim, (0, 0))",
        "mode-by-descriptor": "os.chmod(os.open(victim, os.O_PATH), 0)",
        "owner": "os.chown(victim, 12345, 12345)",
        "attribute": "os.setxattr(victim, 'user.x', b'y')",
    }
    attempts(inside, changes, victim=str(victim))
    after = victim.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_uid) == (before.st_mode, before.st_mtime_ns, before.st_uid)
    assert os.listxattr(victim) == []


def test_it_can_write_where_it_is_and_where_temporary_files_go(inside: Callable[..., Any]) -> None:
    assert inside("os.getcwd() == os.environ['HOME'] == os.path.expanduser('~')") is True
    actions = {
        "file": "open('file', 'w').write('x')",
        "folders": "os.makedirs('a/b')",
        "rename": "os.rename('file', 'a/b/file')",
        "copy": "__import__('shutil').copy2('a/b/file', 'copy')",
        "tree": "__import__('shutil').rmtree('a')",
        "temporary": "__import__('tempfile').TemporaryFile().write(b'x')",
        "null": "open('/dev/null', 'w').write('x')",
        "random": "len(open('/dev/urandom', 'rb').read(4))",
        "program": "__import__('subprocess').run(['ls'], check=True).returncode",
        "processes": "__import__('multiprocessing').get_context('fork').Pool(1).map(abs, [-1])",
    }
    found = attempts(inside, {"all": f"[{', '.join(actions.values())}]"})
    assert found["all"].startswith("done: [1, None, None, 'copy', None, 1, 1, 4, 0, [1]]")


def test_the_network_is_out_of_reach(inside: Callable[..., Any], sandbox: Sandbox) -> None:
    actions = {
        "internet": "socket.create_connection(('127.0.0.1', port), timeout=5)",
        "tcp": "socket.socket()",
        "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "ipv6": "socket.socket(socket.AF_INET6)",
        "raw": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
        "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "packet": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = attempts(inside, actions, port=server.getsockname()[1])
    assert set(found.values()) == {"OSError"}


def test_services_of_the_machine_are_out_of_reach(inside: Callable[..., Any], sandbox: Sandbox, tmp_path: Path) -> None:
    assert isinstance(sandbox.walls, Floor)
    if sandbox.walls.user:
        pytest.skip("as another user, the modes of their sockets protect them")
    path = f"{tempfile.gettempdir()}/grader-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as abstract:
        server.bind(path)
        abstract.bind(f"\0{path}")
        try:
            for listening in (server, abstract):
                listening.listen()
            actions = {
                "by-path": "socket.socket(socket.AF_UNIX).connect(path)",
                "abstract": "socket.socket(socket.AF_UNIX).connect(chr(0) + path)",
                "datagram": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', path)",
            }
            assert attempts(inside, actions, path=path) == dict.fromkeys(actions, "PermissionError")
        finally:
            Path(path).unlink()
    assert inside("attempt(lambda: socket.socketpair())").startswith("done")


def test_the_environment_is_empty_but_for_what_a_notebook_needs(inside: Callable[..., Any]) -> None:
    variables = inside("dict(os.environ)")
    home, temporary = variables["HOME"], variables["TMPDIR"]
    by_ipython = {"TERM", "CLICOLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PAGER", "GIT_PAGER"}
    assert {name: value for name, value in variables.items() if name not in by_ipython} == environment(home, temporary)


def test_the_processes_that_grade_have_nothing_of_the_environment(sandbox: Sandbox) -> None:
    assert sandbox.process is not None
    guard = psutil.Process(sandbox.process.pid)
    for process in (guard, *guard.children()):
        if os.geteuid() == 0:
            assert b"SECRET_TOKEN" not in Path(f"/proc/{process.pid}/environ").read_bytes()


OTHERS = {
    "memory": "open(f'/proc/{pid}/mem', 'rb')",
    "environment": "open(f'/proc/{pid}/environ').read(1)",
    "descriptors": "os.readlink(f'/proc/{pid}/fd/0')",
    "maps": "open(f'/proc/{pid}/maps').read(1)",
    "root": "os.listdir(f'/proc/{pid}/root')",
    "ptrace-attach": "syscall('ptrace', 16, pid, 0, 0)",
    "ptrace-seize": "syscall('ptrace', 0x4206, pid, 0, 0)",
    "pidfd-getfd": "syscall('syscall', 438, os.pidfd_open(pid), 0, 0)",
    "process_vm_readv": "syscall('process_vm_readv', pid, LOCAL, 1, LOCAL, 1, 0)",
    "limits": "syscall('prlimit', pid, 0, buffer, None)",
    "kill": "os.kill(pid, 0)",
    "kill-group": "os.killpg(os.getpgid(pid), 0)",
    "thread-kill": "syscall('tgkill', pid, pid, 0)",
    "pidfd-kill": "signal.pidfd_send_signal(os.pidfd_open(pid), 0)",
    "owner-of-a-pipe": "__import__('fcntl').fcntl(os.pipe()[0], 8, pid)",
    "kill-everybody": "os.kill(-1, 0)",
}


@pytest.mark.parametrize("which", ["zygote", "guard", "trusted"])
def test_the_processes_that_grade_cannot_be_read_traced_or_signalled(
    inside: Callable[..., Any], sandbox: Sandbox, which: str
) -> None:
    assert sandbox.process is not None
    guard = psutil.Process(sandbox.process.pid)
    pid = {"zygote": guard.children()[0].pid, "guard": guard.pid, "trusted": os.getpid()}[which]
    found = attempts(inside, OTHERS, pid=pid)
    assert {name: result for name, result in found.items() if result != "PermissionError"} == {}


ESCAPES = {
    "mount": "syscall('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    "user-namespace": "syscall('unshare', 0x10000000)",
    "chroot": "os.chroot('.')",
    "setuid": "os.setuid(54321)",
    "device": "os.mknod('disk', 0o60666, os.makedev(8, 0))",
    "raise-a-limit": "__import__('resource').setrlimit(__import__('resource').RLIMIT_FSIZE, (10**15, 10**15))",
    "hostname": "socket.sethostname('x')",
    "shared-memory": "syscall('shmget', 1234, 4096, 0o1600)",
    "message-queue": "syscall('msgget', 1234, 0o1600)",
    "keys": "syscall('syscall', 250, 0, -3, 1)",
    "io_uring": "syscall('syscall', 425, 1, buffer)",
    "bpf": "syscall('syscall', 321, 0, 0, 0)",
}


def test_what_needs_privileges_is_refused(inside: Callable[..., Any]) -> None:
    found = attempts(inside, ESCAPES)
    assert {name: result for name, result in found.items() if result not in ("PermissionError", "ValueError")} == {}


def test_the_code_has_no_privileges(inside: Callable[..., Any], sandbox: Sandbox) -> None:
    assert int(inside("status('CapEff')")[0], 16) == 0
    assert int(inside("status('CapPrm')")[0], 16) == 0
    assert inside("status('NoNewPrivs')") == ["1"]
    assert inside("status('Seccomp')") == ["2"]
    assert isinstance(sandbox.walls, Floor)
    assert inside("os.getuid()") == (sandbox.walls.user or os.getuid())


# What is left


def test_processes_that_a_notebook_leaves_behind_are_gone_with_it(
    run: Callable[..., Checkpoints], sandbox: Sandbox
) -> None:
    namespace = run(HELPERS, "pid = linger()").namespace("0", seed=1)
    pid = namespace.eval("pid")
    folder = Path(namespace.eval("os.getcwd()"))
    namespace._close()
    # Its checkpoint stays for more questions; what the notebook started does not.
    assert not psutil.pid_exists(pid)
    run("open('mine', 'w').close()")
    assert (folder / "mine").exists()
    sandbox.sweep()
    assert not (folder / "mine").exists()
    assert sandbox.ask("cpu_seconds") == {}


def test_a_process_outside_gets_no_signal(sandbox: Sandbox) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        sandbox.ask("signal", pid=other.pid, number=int(signal.SIGKILL))
        sandbox.ask("spare", pids=[])
        sandbox.sweep()
        assert other.poll() is None
        other.kill()


def test_a_notebook_cannot_have_all_processes(inside: Callable[..., Any], sandbox: Sandbox, limits: Limits) -> None:
    assert isinstance(sandbox.walls, Floor)
    if os.geteuid() == 0 and not sandbox.walls.user:
        pytest.skip("root is not held to a limit on processes")
    forks = """[
        made := [],
        attempt(lambda: [made.append(os.fork()) or made[-1] or signal.pause() for _ in range(1000)]),
        len(made)]"""
    _, result, count = inside(forks)
    assert result == "BlockingIOError"
    assert 0 < count <= limits.processes


def test_a_hang_ends_the_probe_and_nothing_else(
    run: Callable[..., Checkpoints], sandbox: Sandbox, limits: Limits
) -> None:
    checkpoints = run("def hang():\n    while True: pass", "x = 1")
    namespace = checkpoints.namespace("0", seed=1)
    with pytest.raises(Exception, match="used more than 1 seconds of CPU time"):
        namespace.eval("hang()")
    namespace._close()
    namespace = checkpoints.namespace("0", seed=1)
    assert namespace.eval("x") == 1
    namespace._close()


def test_stop_leaves_no_process_no_folder_and_no_descriptor(limits: Limits) -> None:
    before = descriptors()
    with Sandbox([], limits, "none", lasting=False) as sandbox:
        assert isinstance(sandbox.walls, Floor)
        assert sandbox.process is not None
        folder = sandbox.walls.folder
        processes = [psutil.Process(sandbox.process.pid), *psutil.Process(sandbox.process.pid).children()]
        assert (stat.S_IMODE(folder.stat().st_mode) == 0o700) == (not sandbox.walls.user)
        assert stat.S_IMODE((folder / "home").stat().st_mode) == 0o700
        assert is_dumpable() is False
    assert not folder.exists()
    assert not any(process.is_running() for process in processes)
    assert descriptors() == before
    sandbox.stop()


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def is_dumpable() -> bool:
    """Whether others of the same user may look into this process."""
    return bool(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))


DUMPABLE = """
import ctypes
from grader.assignment.assignment import Limits
from grader.execution.sandbox import Sandbox
first, second = (Sandbox([], Limits(), "none", lasting=False) for _ in range(2))
for step in (first.start, second.start, first.stop, second.stop):
    step()
    print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), end=" ")
"""


def test_nobody_looks_into_this_process_while_there_is_such_a_sandbox() -> None:
    done = subprocess.run([sys.executable, "-c", DUMPABLE], capture_output=True, text=True)
    assert done.stdout == "0 0 0 1 ", done.stderr


START = """
import signal, sys
sys.path.insert(0, {tests!r})
from grader.light import leave_out_unused
leave_out_unused()
from grader.assignment.assignment import Limits
from notebooks import code_notebook
from grader.execution.checkpoints import Checkpoints
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox
limits = Limits()
with Sandbox([], limits, "none", lasting=False) as sandbox:
    stops = [Stop(questions=("0",), cells=(0,))]
    checkpoints = Checkpoints(sandbox, run_notebook(sandbox, code_notebook({helpers!r}), stops, (), limits, 1), limits)
    namespace = checkpoints.namespace("0", 1)
    pids = [sandbox.process.pid, namespace.eval("os.getpid()"), namespace.eval("linger()")]
    print(sandbox.walls.folder, *pids, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("victim", ["trusted", "zygote"])
def test_nothing_is_left_after_a_sudden_death(victim: str) -> None:
    script = START.format(tests=str(Path(__file__).parents[1]), helpers=HELPERS)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as trusted:
        assert trusted.stdout is not None
        folder, *pids = trusted.stdout.readline().split()
        guard, probe, lingering = (psutil.Process(int(pid)) for pid in pids)
        zygote = guard.children()[0]
        (trusted if victim == "trusted" else zygote).kill()
        for process in (guard, zygote, probe, lingering):
            wait_until_ended(process)
        assert not Path(folder).exists()
        trusted.kill()


def wait_until_ended(process: psutil.Process) -> None:
    """Also a dead process that its new parent has not waited for has ended."""
    deadline = time.monotonic() + WAIT_SECONDS
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, process
        time.sleep(0.01)


# Which sandbox there is


@pytest.fixture
def forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bubblewrap as on a machine that forbids namespaces to users; returns a file that it writes to."""
    said = tmp_path / "said"
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(
        f"#!/bin/sh\necho run >> {said}\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return said


def test_where_bubblewrap_is_forbidden_the_rest_is_taken(forbidden: Path, limits: Limits) -> None:
    with Sandbox([], limits, "auto", lasting=False) as sandbox:
        assert sandbox.level == ("landlock" if landlock.version() else "process")
    assert forbidden.read_text() == "run\n"


def test_where_bubblewrap_is_required_and_forbidden_nothing_starts(forbidden: Path, limits: Limits) -> None:
    expected = (
        r"did not start: bwrap: No permissions to create new namespace; .*--sandbox auto \(see docs/sandbox.md\)$"
    )
    with pytest.raises(SandboxError, match=expected):
        Sandbox([], limits, "require").start()


def test_without_bubblewrap_none_is_looked_for(forbidden: Path, limits: Limits) -> None:
    with Sandbox([], limits, "none", lasting=False) as sandbox:
        assert sandbox.level in ("landlock", "process")
    assert not forbidden.exists()


def test_where_bubblewrap_is_not_installed_the_rest_is_taken(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with Sandbox([], limits, "auto", lasting=False) as sandbox:
        assert sandbox.level in ("landlock", "process")


def test_where_bubblewrap_works_it_is_taken(limits: Limits) -> None:
    with Sandbox([], limits, "auto", lasting=False) as sandbox:
        assert sandbox.level == "bubblewrap"


def test_a_module_that_is_not_there_is_named_and_nothing_left(limits: Limits) -> None:
    before = descriptors()
    sandbox = Sandbox(["no_such_module"], limits, "none")
    with pytest.raises(SandboxError, match="no_such_module"):
        sandbox.start()
    assert isinstance(sandbox.walls, Floor)
    assert not sandbox.walls.folder.exists()
    assert descriptors() == before


@only_as_root
def test_root_becomes_somebody_else_where_others_can_read_this_python(tmp_path: Path) -> None:
    assert _open_to_all([Path("/usr/lib")])
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    assert not _open_to_all([Path("/usr/lib"), closed / "python"])
    floor = Floor(FIRST_USER)
    assert floor.user == (FIRST_USER if _open_to_all(path.resolve() for path in system_folders()) else 0)


def test_this_package_is_hidden_where_it_is_installed_among_others(tmp_path: Path) -> None:
    for name in ("lib/site-packages/grader/rubric", "lib/site-packages/numpy", "bin"):
        (tmp_path / name).mkdir(parents=True)
    shown = list(_without([tmp_path, Path("/usr/lib")], [tmp_path / "lib" / "site-packages" / "grader"]))
    assert shown == [tmp_path / "bin", tmp_path / "lib" / "site-packages" / "numpy", Path("/usr/lib")]


def test_a_long_path_for_temporary_files_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert floor_module._temporary() == "/tmp"


# Grading


@pytest.mark.slow
def test_the_points_are_the_same_at_every_level(root: Path) -> None:
    assignment = load_assignment(root / "rubrics" / "statistics1")
    paths = sorted((root / "submissions" / "statistics1").glob("*.ipynb"))
    points: dict[str, dict[str, Any]] = {}
    for level in ("bubblewrap", "landlock", "process"):
        with pytest.MonkeyPatch.context() as patch:
            if level == "process":
                without_landlock(patch)
            with Grader(assignment, 7, mode="require" if level == "bubblewrap" else "none") as grader:
                results = [grader.grade(path, path.stem).result for path in paths]
        had = level if landlock.version() or level == "bubblewrap" else "process"
        assert {result.sandbox for result in results} == {had}
        points[level] = {result.submission: outcome(result) for result in results}
    assert len(points["bubblewrap"]) == 3
    assert points["landlock"] == points["process"] == points["bubblewrap"]


def outcome(result: Any) -> Any:
    checks = [(check.name, check.status, check.points) for each in result.questions for check in each.checks]
    return json.loads(msgspec.json.encode([result.status, result.points, checks, result.notes]))


# As other users


def readable() -> list[str]:
    """A command that runs another where every user can read this Python, wherever it is."""
    python = {str(path) for path in system_folders() if not path.is_relative_to("/usr")}
    closed = [parent for path in map(Path, sorted(python)) for parent in reversed(path.resolve().parents)]
    hidden = {parent for parent in closed if not parent.stat().st_mode & stat.S_IXOTH}
    command = ["bwrap", "--dev-bind", "/", "/"]
    for parent in sorted(hidden, key=lambda path: len(path.parts))[:1]:
        command += ["--perms", "0755", "--tmpfs", str(parent)]
        for path in sorted(path for path in python if Path(path).is_relative_to(parent)):
            for each in reversed(Path(path).parents):
                if each != parent and each.is_relative_to(parent):
                    command += ["--perms", "0755", "--dir", str(each)]
            command += ["--ro-bind", path, path]
    return [*command, "--cap-add", "ALL", "--"]


USERS = {"root-becomes-another": [], "user": ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]}


@pytest.mark.slow
@only_as_root
@pytest.mark.parametrize("become", USERS.values(), ids=USERS.keys())
def test_all_of_this_holds_for_others_too(root: Path, become: list[str]) -> None:
    files = [__file__, *(str(Path(__file__).with_name(f"test_{name}.py")) for name in ("traces", "signals", "memory"))]
    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *files]
    variables = {**os.environ, "HOME": "/var", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*readable(), *become, *test],
        cwd=root,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
