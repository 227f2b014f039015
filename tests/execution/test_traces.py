"""Nothing passes from one notebook to the next in the same sandbox, by whatever a process can leave behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from notebooks import code_notebook

from grader.assignment.assignment import Limits
from grader.execution.checkpoints import Checkpoints
from grader.execution.runner import Stop, run_notebook
from grader.execution.sandbox import Sandbox

HELPERS = """
import contextlib, ctypes, os, socket, subprocess, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
KEYCTL, ADD_KEY = {"x86_64": (250, 248), "aarch64": (219, 217)}[os.uname().machine]
def linger(action):
    "Do something in a process that has nothing to do with this one any more, and stays."
    ready, done = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, done)
            kept = action()
            os.write(done, b"x")
            time.sleep(10**6)
        os._exit(0)
    os.wait()
    os.close(done)
    os.read(ready, 1)
def attempt(action):
    with contextlib.suppress(OSError):
        return action()
def listen(family, address):
    server = socket.socket(family)
    server.bind(address)
    server.listen()
    return server
def connect():
    "A connection whose ends have a number of one's choice, and which both sides have closed."
    server = listen(socket.AF_INET, ("127.0.0.1", 12345))
    client = socket.create_connection(("127.0.0.1", 12345))
    other, _ = server.accept()
    for each in (client, other, server):
        each.close()
def can_bind(port):
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
def readable(keyring):
    buffer = ctypes.create_string_buffer(100)
    key = libc.syscall(KEYCTL, 10, ctypes.c_long(keyring), b"user", b"gift", ctypes.c_long(0))
    return buffer.raw[:max(0, libc.syscall(KEYCTL, 11, ctypes.c_long(key), buffer, 100))]
def found(root="/"):
    writable = []
    for folder, _, names in os.walk(root, onerror=lambda error: None):
        writable += [os.path.join(folder, name) for name in names if os.access(os.path.join(folder, name), os.W_OK)]
    return writable
WRITABLE = [os.environ["HOME"], os.environ["TMPDIR"], "/dev/shm"]
def key(keyring):
    libc.syscall(ADD_KEY, b"user", b"gift", b"the solution", 12, ctypes.c_long(keyring))
ZYGOTE = os.getppid()
def persistent():
    return libc.syscall(KEYCTL, 22, ctypes.c_long(-1), ctypes.c_long(-2))
"""
PLACES = '[*WRITABLE, "/run/notebook"]'
TRACES = {
    **{
        f"keys-of-the-{name}": (f"key({number})", f"readable({number})")
        for name, number in {"process": -2, "session": -3, "user": -4, "users-session": -5}.items()
    },
    "keys-that-persist": ("key(persistent())", "readable(persistent())"),
    "memory-of-system-v": ("libc.shmget(77, 4096, 0o1666)", "libc.shmget(77, 1, 0)"),
    "semaphores-of-system-v": ("libc.semget(77, 3, 0o1666)", "libc.semget(77, 1, 0)"),
    "messages-of-system-v": ("libc.msgget(77, 0o1666)", "libc.msgget(77, 0)"),
    "message-queue": ("libc.mq_open(b'/gift', 0o102, 0o666, None)", "libc.mq_open(b'/gift', 0)"),
    "files": (
        f"[open(f'{{place}}/gift', 'w').close() for place in {PLACES}]",
        f"[[name for name in os.listdir(p) if 'gift' in name] for p in {PLACES}]",
    ),
    "hidden-files": (
        "[(os.makedirs(f'{p}/a/b'), open(f'{p}/a/b/c', 'w').close(), os.chmod(f'{p}/a/b', 0), os.chmod(f'{p}/a', 0))"
        " for p in WRITABLE]",
        "[name for p in WRITABLE for name in os.listdir(p) if name == 'a']",
    ),
    "attributes-of-folders": (
        f"[attempt(lambda: os.setxattr(p, 'user.gift', b'the solution')) for p in {PLACES}]",
        f"[os.listxattr(p) for p in {PLACES}]",
    ),
    "rules-for-folders": (
        f"[attempt(lambda: os.setxattr(p, 'system.posix_acl_default', ACL)) for p in {PLACES}]".replace(
            "ACL", "bytes.fromhex('0200000001000700ffffffff04000500ffffffff20000700ffffffff')"
        ),
        f"[os.listxattr(p) for p in {PLACES}]",
    ),
    "modes-of-folders": (
        f"[attempt(lambda: os.chmod(p, 0o751)) for p in {PLACES}]",
        f"[oct(os.stat(p).st_mode) for p in {PLACES}]",
    ),
    "times-of-folders": (
        f"[attempt(lambda: os.utime(p, (7, 77))) for p in {PLACES}]",
        f"[os.stat(p).st_mtime == 77 for p in {PLACES}]",
    ),
    "process": ("linger(lambda: None)", "[p for p in os.listdir('/proc') if p.isdigit() and int(p) > 1][2:]"),
    "abstract-socket": (
        "linger(lambda: listen(socket.AF_UNIX, chr(0) + 'gift'))",
        "attempt(lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + 'gift') or 'connected')",
    ),
    "server": (
        "linger(lambda: listen(socket.AF_INET, ('127.0.0.1', 12345)))",
        "attempt(lambda: socket.create_connection(('127.0.0.1', 12345)) and 'connected')",
    ),
    "closed-connection": ("connect()", "[can_bind(12345), open('/proc/net/tcp').read().count('\\n')]"),
    "lock-of-a-file": (
        "linger(lambda: __import__('fcntl').flock(keep := open(os.__file__), 2) or keep)",
        "attempt(lambda: __import__('fcntl').flock(open(os.__file__), 6) or 'free')",
    ),
    "hostname": ("attempt(lambda: socket.sethostname('gift'))", "socket.gethostname()"),
    "environment": ("os.environ.update(GIFT='x')", "'GIFT' in os.environ"),
    "mask-of-modes": ("os.umask(0o123)", "oct(os.umask(0o22))"),
    "settings-of-the-system": ("None", "found('/proc/sys')"),
    "limits-of-the-zygote": (
        "attempt(lambda: __import__('resource').prlimit(os.getppid(), 7, (99, 99)))",
        "__import__('resource').getrlimit(7)",
    ),
    "priority-of-the-zygote": (
        "[attempt(lambda: os.setpriority(*who, 7)) for who in ((0, ZYGOTE), (1, os.getpgid(ZYGOTE)), (2, 0))]",
        "os.getpriority(0, 0)",
    ),
    "processors-of-the-zygote": (
        "attempt(lambda: os.sched_setaffinity(os.getppid(), {0}))",
        "len(os.sched_getaffinity(0)) == os.cpu_count()",
    ),
    "schedule-of-the-zygote": (
        "attempt(lambda: os.sched_setscheduler(os.getppid(), os.SCHED_BATCH, os.sched_param(0)))",
        "os.sched_getscheduler(0)",
    ),
    "settings-of-the-zygote": (
        "[attempt(lambda: open(f'/proc/{os.getppid()}/{name}', 'w').write('99'))"
        " for name in ('oom_score_adj', 'timerslack_ns', 'coredump_filter', 'comm', 'autogroup')]",
        "[open(f'/proc/self/{name}').read() for name in ('oom_score_adj', 'timerslack_ns', 'coredump_filter', 'comm')]",
    ),
}


@pytest.fixture(scope="module")
def look(sandbox: Sandbox, limits: Limits) -> Callable[..., Any]:
    """Runs one cell as a notebook of its own, and evaluates an expression after it."""

    def look(cell: str, expression: str) -> Any:
        notebook = code_notebook(HELPERS, cell)
        execution = run_notebook(sandbox, notebook, [Stop(questions=("0",), cells=(1,))], (), limits, 1)
        # What a donor does may be refused; that it can be said at all is for the first look.
        assert execution.failures == []
        namespace = Checkpoints(sandbox, execution, limits).namespace("0", seed=1)
        try:
            return namespace.eval(expression)
        finally:
            namespace._close()

    return look


@pytest.mark.parametrize(("leave", "expression"), TRACES.values(), ids=TRACES.keys())
def test_a_notebook_finds_what_it_would_find_without_the_one_before(
    look: Callable[..., Any], leave: str, expression: str
) -> None:
    alone = look("pass", expression)
    look(leave, "None")
    assert look("pass", expression) == alone
