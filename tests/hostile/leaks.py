"""Attacks on what is not the student's to read or to touch: what succeeds would be rewarded, and nothing does."""

from __future__ import annotations

from hostile.entry import Hostile, beside, gaining

CANARY = "canary-3b1f0c9e"
"""Stands in the environment of the worker, and in the name of every file that is written here for others to find."""
READ = """
import os
def reads(path, size=2**20):
    try:
        with open(path, "rb") as file: return file.read(size)
    except (OSError, ValueError): return b""
def walk(*names, skip=("proc", "sys", "usr", "lib", "lib64", "site-packages", "bin", "sbin")):
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if name not in skip]
        found += [os.path.join(folder, name) for name in files if name in names or name.endswith(names)]
    return found
"""
SYSTEM_CALLS = {
    # Numbers of x86_64: none is to succeed
    "ptrace": "attempt(lambda: syscall(101, 16, 1, 0, 0)) == 0",
    "process-vm-readv": "syscall(310, 1, ctypes.create_string_buffer(16), 1, ctypes.create_string_buffer(16), 1, 0) > 0",
    "mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "umount": "libc.umount2(b'/tmp', 2) == 0",
    "pivot-root": "syscall(155, b'/tmp', b'/tmp') == 0",
    "chroot": "libc.chroot(b'/tmp') == 0",
    "setuid": "libc.setuid(0) == 0",
    "setgroups": "libc.setgroups(0, None) == 0",
    "bpf": "syscall(321, 0, ctypes.create_string_buffer(72), 72) >= 0",
    "perf-events": "syscall(298, ctypes.create_string_buffer(struct.pack('IIQ', 1, 112, 0) + bytes(112)), 0, -1, -1, 0) >= 0",
    "userfaultfd": "syscall(323, 1) >= 0",
    "io-uring": "syscall(425, 8, ctypes.create_string_buffer(120)) >= 0",
    "kernel-modules": "syscall(313, 0, b'', 0) == 0",
    "kexec": "syscall(246, 0, 0, None, 0) == 0",
    "reboot": "libc.reboot(0) == 0",
    "clock": "libc.clock_settime(0, ctypes.create_string_buffer(16)) == 0",
    "host-name": "libc.sethostname(b'x', 1) == 0",
    "swap": "libc.swapon(b'/tmp', 0) == 0",
    "name-to-handle": "syscall(304, -100, ctypes.create_string_buffer(128), 0) >= 0",
    "key-added": "syscall(248, b'user', b'gift', b'x', 1, -4) > 0",
    "key-of-the-session": "syscall(250, 0, -3, 1) > 0 and syscall(248, b'user', b'gift', b'x', 1, -3) > 0",
    "set-ns": "libc.setns(os.open('/proc/1/ns/mnt', 0), 0) == 0",
}
NAMESPACES = {
    "user": 0x10000000,
    "mount": 0x10020000,
    "network": 0x50000000,
    "process": 0x30000000,
}
UNSHARE = """
pid = os.fork()
if pid == 0:
    os._exit(libc.unshare({flags}) == 0)
gained = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
"""
GIFT = "def gift(x): return 2 * x"


def donor(source: str) -> Hostile:
    """Leaves something for a taker, the next entry but the innocent one between."""
    return beside(f"try:\n    {source.strip()}\nexcept OSError: pass")


LEFT_KEY = """
def found():
    ring = syscall(250, 22, -1, -2)
    key = syscall(250, 10, ring, b"user", b"hostile-gift", 0)
    return key > 0
"""
LEAKS: dict[str, Hostile] = {
    "environment": gaining(f"gained = any({CANARY[:6]!r} + {CANARY[6:]!r} in value for value in os.environ.values())"),
    "environment-of-the-zygote": gaining(READ + "gained = bool(reads('/proc/1/environ'))"),
    "environment-of-all": gaining(
        READ + f"mark = {CANARY[:6]!r} + {CANARY[6:]!r}\n"
        "gained = any(mark.encode() in reads(f'/proc/{name}/environ') for name in os.listdir('/proc') if name.isdigit())"
    ),
    "memory-of-the-zygote": gaining(READ + "gained = attempt(lambda: open('/proc/1/mem', 'r+b')) is not None"),
    "map-of-the-zygote": gaining(READ + "gained = bool(reads('/proc/1/maps'))"),
    "root-of-the-zygote": gaining("gained = attempt(lambda: os.listdir('/proc/1/root')) is not None"),
    "descriptors-of-the-zygote": gaining("gained = bool(attempt(lambda: os.listdir('/proc/1/fd')))"),
    "descriptors-taken-over": gaining(
        "pidfd = os.pidfd_open(1)\ngained = any(syscall(438, pidfd, number, 0) >= 0 for number in range(20))"
    ),
    "reads-the-rubric": gaining(READ + "gained = bool(walk('rubric.toml', 'test_mini.py', 'conftest.py'))"),
    "reads-the-reference": gaining(READ + "gained = bool(walk('.ipynb'))"),
    "reads-the-harness": gaining(
        "for name in ('grading', 'rubric', 'expected'):\n    gained = gained or attempt(lambda: __import__('grader.' + name)) is not None"
    ),
    "reads-the-home-of-others": gaining(
        # The way to an interpreter in somebody's home is there, and nothing beside it.
        "import os, sys\nways = attempt(lambda: [f'/home/{n}/{e}/' for n in os.listdir('/home') if n != 'student' for e in os.listdir('/home/' + n)]) or []\n"
        "gained = any(map(os.path.exists, ('/root/.bashrc', '/root/.ssh', '/root/.cache'))) or not all(map(sys.executable.startswith, ways))"
    ),
    "reads-passwords": gaining(READ + "gained = bool(reads('/etc/shadow') or reads('/etc/passwd'))"),
    "sees-other-processes": gaining("gained = len([name for name in os.listdir('/proc') if name.isdigit()]) > 4"),
    "writes-to-packages": gaining(
        "import site, numpy\n"
        f"for folder in [*site.getsitepackages(), os.path.dirname(numpy.__file__), '/usr', '/etc', '/']:\n"
        f"    gained = gained or attempt(lambda: open(os.path.join(folder, '{CANARY[:6]}' + '{CANARY[6:]}.pth'), 'w')) is not None"
    ),
    "writes-to-the-system": gaining(
        "gained = any(attempt(lambda: open(path, 'w').write('1')) for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/power/state', '/dev/kmsg', '/proc/1/oom_score_adj'))"
    ),
    "devices": gaining(
        "gained = any(attempt(lambda: open(path, 'rb')) for path in ('/dev/mem', '/dev/vda', '/dev/sda', '/dev/kvm', '/dev/fuse', '/dev/net/tun'))"
    ),
    "device-made": gaining(
        "gained = attempt(lambda: os.mknod('/tmp/disk', 0o60666, os.makedev(254, 0)) or True) is not None"
    ),
    "set-user-id-file": gaining(
        "import shutil\nshutil.copy('/bin/true', '/tmp/own')\nos.chmod('/tmp/own', 0o6755)\ngained = any(attempt(lambda: subprocess.run([name, '-c', 'true'], capture_output=True, timeout=1).returncode) == 0 for name in ('su', 'sudo', 'newuidmap'))"
    ),
    "core-files": beside("import os, resource\nif not os.fork(): os.abort()"),
    "network": gaining(
        "gained = any(attempt(lambda: socket.create_connection(to, 0.5)) for to in (('127.0.0.1', 22), ('127.0.0.1', 8888), ('1.1.1.1', 53), ('::1', 631)))"
    ),
    "network-raw": gaining(
        "gained = attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) is not None or attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)) is not None"
    ),
    "sockets-of-the-machine": gaining(
        "gained = any(attempt(lambda: socket.socket(socket.AF_UNIX).connect(path) or True) for path in ('/run/docker.sock', '/var/run/docker.sock', '/run/dbus/system_bus_socket', '/tmp/.X11-unix/X0', '\\0/tmp/.X11-unix/X0'))"
    ),
    **{f"call-{name}": gaining(f"gained = attempt(lambda: {source})") for name, source in SYSTEM_CALLS.items()},
    **{f"namespace-{name}": gaining(UNSHARE.format(flags=flags)) for name, flags in NAMESPACES.items()},
    # From one hand-in to the next
    "left-in-a-keyring": donor(
        "import ctypes; call = ctypes.CDLL(None).syscall; call(248, b'user', b'hostile-gift', b'x', 1, call(250, 22, ctypes.c_long(-1), ctypes.c_long(-2)))"
    ),
    "taken-from-a-keyring": gaining(LEFT_KEY + "gained = found()"),
    "left-in-folders": donor(
        f"import os; [open(place + '/left', 'w').write({GIFT!r}) for place in ('/tmp', '/dev/shm', '/home/student', '/run/notebook') if os.access(place, 2)]"
    ),
    "taken-from-folders": gaining(
        "gained = any(os.path.exists(place + '/left') for place in ('/tmp', '/dev/shm', '/home/student', '/run/notebook'))"
    ),
    "left-in-shared-memory": donor("import ctypes; ctypes.CDLL(None).shmget(0x4711, 4096, 0o1666)"),
    "taken-from-shared-memory": gaining("gained = libc.shmget(0x4711, 4096, 0o666) >= 0"),
    "left-in-a-semaphore": donor("import ctypes; ctypes.CDLL(None).semget(0x4711, 1, 0o1666)"),
    "taken-from-a-semaphore": gaining("gained = libc.semget(0x4711, 1, 0o666) >= 0"),
    "left-in-a-message-queue": donor("import ctypes; ctypes.CDLL(None).msgget(0x4711, 0o1666)"),
    "taken-from-a-message-queue": gaining("gained = libc.msgget(0x4711, 0o666) >= 0"),
    "left-in-a-posix-queue": donor("import ctypes; ctypes.CDLL(None).mq_open(b'/gift', 0o102, 0o666, None)"),
    "taken-from-a-posix-queue": gaining("gained = libc.mq_open(b'/gift', 2) >= 0"),
    "left-at-an-abstract-socket": donor(
        "import os, socket, time; s = socket.socket(socket.AF_UNIX); s.bind('\\0gift'); s.listen(); os.fork() or (os.setsid(), time.sleep(10**6))"
    ),
    "taken-from-an-abstract-socket": gaining(
        "gained = attempt(lambda: socket.socket(socket.AF_UNIX).connect('\\0gift') or True)"
    ),
    "left-in-startup-files": donor(
        "import os; os.makedirs('/home/student/.ipython/profile_default/startup', exist_ok=True); open('/home/student/.ipython/profile_default/startup/0.py', 'w').write('left = 1')"
    ),
    "taken-from-startup-files": gaining("gained = 'left' in globals()"),
    "left-in-a-module": donor("import numpy, builtins; numpy.left = builtins.left = 1"),
    "taken-from-a-module": gaining(
        "import builtins, numpy\ngained = hasattr(builtins, 'left') or hasattr(numpy, 'left')"
    ),
    # The zygote
    **{
        f"signal-{number}-to-the-zygote": beside(f"import os\nos.kill(1, {number})")
        for number in (1, 2, 3, 9, 10, 14, 15, 17, 19, 20, 34)
    },
    "all-signals-to-the-zygote": beside(
        "import os, signal\nfor number in range(1, 65):\n    try: os.kill(1, number)\n    except OSError: pass"
    ),
    "signal-queued-to-the-zygote": beside("import ctypes\nctypes.CDLL(None).sigqueue(1, 2, None)"),
    "signals-to-its-group": beside("import os\ntry: os.killpg(1, 2)\nexcept OSError: pass"),
}
