"""Attacks on what there is only so much of: a bounded number of runs, and then a result."""

from __future__ import annotations

from hostile.entry import ANY, KEPT, Hostile, beside, gaining

HOLD = """
import os, time
def held(megabytes):
    "A process of its own that holds so much memory, until it is ended."
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            data = b"x" * (megabytes * 2**20)
            os.write(write, b"x")
            time.sleep(10**6)
        finally:
            os._exit(1)
    os.close(write)
    return os.read(read, 1) == b"x"
"""
MEMORY: dict[str, Hostile] = {
    "memory": beside("bytearray(64 * 2**30)"),
    "memory-piece-by-piece": beside("pieces = []\nwhile True: pieces.append(bytearray(64 * 2**20))"),
    "memory-of-numpy": beside("import numpy as np\nnp.ones(2**33)"),
    "memory-in-an-answer": beside(
        "import numpy as np", double="def double(x):\n    return bytearray(64 * 2**30)", gets=(0, 2, 1.5)
    ),
    "memory-mapped": beside("import mmap\nmaps = []\nwhile True: maps.append(mmap.mmap(-1, 2**28))"),
    "memory-of-an-exception": beside("raise MemoryError('x' * 10**8)"),
    "memory-locked": gaining(
        "area = mmap = libc.mmap(None, ctypes.c_size_t(2**26), 3, 0x22, -1, 0)\ngained = libc.mlock(ctypes.c_void_p(area), ctypes.c_size_t(2**26)) == 0"
    ),
    "memory-in-children": gaining(
        # For longer than from one look at the memory to the next.
        HOLD + "all(held(400) for _ in range(6))\ntime.sleep(2)\ngained = True"
    ),
    "memory-shared": gaining(
        "import mmap\nmaps = []\n"
        "def fill():\n    area = mmap.mmap(-1, 2**29)\n    for at in range(0, 2**29, 4096): area[at] = 1\n    maps.append(area)\n"
        "def child():\n    pid = os.fork()\n    if pid == 0:\n        attempt(fill)\n        attempt(fill)\n        time.sleep(3) if len(maps) == 2 else None\n        os._exit(len(maps))\n    return pid\n"
        "pids = [child() for _ in range(4)]\n"
        "gained = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2 for pid in pids) > 2"
    ),
    "memory-in-memfds": gaining(
        "held = []\ntotal = 0\nblock = bytes(2**24)\n"
        "def fill():\n    global total\n    descriptor = os.memfd_create('m')\n    held.append(descriptor)\n"
        "    for _ in range(3): total += os.write(descriptor, block)\n"
        "for _ in range(40): attempt(fill)\n"
        "gained = total > 2 * 10**9"
    ),
    "memory-in-dev-shm": gaining(
        "total = 0\nblock = bytes(2**20)\n"
        "def fill(number):\n    global total\n    with open(f'/dev/shm/{number}', 'wb', 0) as file:\n        for _ in range(100): total += file.write(block)\n"
        "for number in range(4): attempt(lambda: fill(number))\n"
        "gained = total > 70 * 2**20"
    ),
    "memory-in-pipes": beside(
        "import os\nends = []\ntry:\n    while True:\n        ends.append(os.pipe())\n        os.set_blocking(ends[-1][1], False)\n        os.write(ends[-1][1], bytes(2**16))\nexcept OSError: pass\nfor read, write in ends: os.close(read), os.close(write)"
    ),
    "memory-in-sockets": beside(
        "import socket\npairs = []\ntry:\n    while True:\n        pairs.append(socket.socketpair())\n        pairs[-1][0].setblocking(False)\n        pairs[-1][0].send(bytes(2**17))\nexcept OSError: pass\npairs.clear()"
    ),
    "memory-of-system-v": beside(
        "import ctypes\nlibc = ctypes.CDLL(None)\nkeys = [libc.shmget(0, 2**26, 0o1666) for _ in range(20)]"
    ),
    "semaphores-of-system-v": beside(
        "import ctypes\nlibc = ctypes.CDLL(None)\nsets = [libc.semget(0, 200, 0o1666) for _ in range(500)]"
    ),
    "queues-of-system-v": beside(
        "import ctypes\nlibc = ctypes.CDLL(None)\nqueues = [libc.msgget(0, 0o1666) for _ in range(500)]"
    ),
    "shared-memory-of-python": beside(
        "from multiprocessing import shared_memory\nheld = [shared_memory.SharedMemory(create=True, size=2**24) for _ in range(3)]"
    ),
}
TIME: dict[str, Hostile] = {
    "loop": beside("while True: pass"),
    "loop-that-catches-all": beside("while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
    "loop-in-c": beside("sum(range(10**12))"),
    "power": beside("10 ** 10 ** 8"),
    "backtracking": beside("import re\nre.match('(a*)*b', 'a' * 40)"),
    "sort-without-end": beside("sorted(range(10**6), key=lambda x: sorted(range(10**6)))"),
    "loop-in-an-answer": beside(
        double="def double(x):\n    while type(x) is float: pass\n    return 2 * x", gets=(0, 2, 1.5)
    ),
    "loop-at-the-end-of-an-answer": beside(double="def double(x):\n    return 2 * x\nwhile True: pass"),
    "loop-in-a-child": beside("import os\nif not os.fork():\n    while True: pass"),
    "loop-in-a-thread": beside(
        "import threading\ndef loop():\n    while True: pass\nthreading.Thread(target=loop, daemon=True).start()"
    ),
    "loops-of-many-children": beside("import os\nfor _ in range(20):\n    if not os.fork():\n        while True: pass"),
    "sleep": beside("import time\ntime.sleep(10**6)"),
    "sleep-in-an-answer": beside(
        double="def double(x):\n    import time\n    if type(x) is float: time.sleep(10**6)\n    return 2 * x",
        gets=(0, 2, 1.5),
    ),
    "waits-for-itself": beside("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()"),
    "waits-for-a-signal": beside(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nsignal.sigwait([signal.SIGUSR1])"
    ),
    "waits-in-every-cell": beside(*["import time\ntime.sleep(10**6)"] * 2),
    "alarm": beside("import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)"),
    "alarm-handled": beside(
        "import signal\nsignal.signal(signal.SIGALRM, lambda *a: 1 / 0)\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)",
        gets=ANY,
    ),
    "limit-of-its-own": beside("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"),
    "no-files": beside("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))", gets=KEPT),
    "no-file-size": beside("import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"),
    "no-memory": beside("import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**20, 2**20))", gets=KEPT),
    "no-processes": beside("import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (0, 0))", gets=KEPT),
    "no-stack": beside("import resource\nresource.setrlimit(resource.RLIMIT_STACK, (4096, 4096))", gets=KEPT),
    "lowest-priority": beside("import os\nos.nice(19)\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))"),
    "faulthandler-that-exits-later": beside(
        "import faulthandler\nfaulthandler.dump_traceback_later(0.05, exit=True, file=open('/tmp/f', 'w'))", gets=KEPT
    ),
}
PROCESSES: dict[str, Hostile] = {
    "fork-bomb": beside("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    "many-processes": beside(
        "import os, time\nfor _ in range(100):\n    try: child = os.fork()\n    except OSError: break\n    if not child:\n        time.sleep(10**6)",
        gets=KEPT,
    ),
    "many-processes-in-sessions": beside(
        "import os, time\nfor _ in range(100):\n    try: child = os.fork()\n    except OSError: break\n    if not child:\n        os.setsid()\n        os.close(0)\n        time.sleep(10**6)",
        gets=KEPT,
    ),
    "many-threads": beside(
        "import threading, time\nthreads = []\ntry:\n    while True:\n        threads.append(threading.Thread(target=time.sleep, args=(10**6,), daemon=True))\n        threads[-1].start()\nexcept RuntimeError: pass",
        gets=KEPT,
    ),
    "many-zombies": beside(
        "import os\nfor _ in range(50):\n    try:\n        if not os.fork(): os._exit(0)\n    except OSError: break",
        gets=KEPT,
    ),
    "many-files": beside(
        "import os\nopened = []\ntry:\n    while True: opened.append(os.open('/dev/null', 0))\nexcept OSError: pass",
        gets=KEPT,
    ),
    "many-files-closed-again": beside(
        "import os\nopened = []\ntry:\n    while True: opened.append(os.open('/dev/null', 0))\nexcept OSError: pass\nfor each in opened: os.close(each)"
    ),
    "fork-patched": beside("import os\nos.fork = lambda: 0", gets=KEPT),
    "fork-that-raises": beside("import os\ndef fork(): raise OSError('no')\nos.fork = fork", gets=KEPT),
    "fork-in-the-answers-cell": beside(
        double="import os\ndef double(x):\n    return 2 * x\nos.fork = lambda: 0", gets=KEPT
    ),
    "before-fork-raises": beside(
        "import os\nos.register_at_fork(before=lambda: 1 / 0, after_in_child=lambda: 1 / 0)", gets=KEPT
    ),
    "before-fork-hangs": beside("import os, time\nos.register_at_fork(before=lambda: time.sleep(10**6))", gets=KEPT),
    "before-fork-ends": beside("import os\nos.register_at_fork(before=lambda: os._exit(0))", gets=KEPT),
    "after-fork-hangs": beside(
        "import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep(10**6))", gets=KEPT
    ),
    "after-fork-ends": beside("import os\nos.register_at_fork(after_in_child=lambda: os._exit(0))", gets=KEPT),
    "after-fork-in-the-parent-ends": beside(
        "import os\nos.register_at_fork(after_in_parent=lambda: os._exit(0))", gets=KEPT
    ),
    "after-fork-forks": beside("import os\nos.register_at_fork(after_in_parent=lambda: os.fork())", gets=KEPT),
    "after-fork-sleeps-a-little": beside("import os, time\nos.register_at_fork(before=lambda: time.sleep(0.02))"),
    "thread-that-kills-later": beside(
        "import threading, os, time\nthreading.Timer(0.05, os._exit, (0,)).start()",
        after=["import time\ntime.sleep(0.3)"],
        gets=KEPT,
    ),
    "child-that-kills-later": beside(
        "import os, time\nparent = os.getpid()\nif not os.fork():\n    time.sleep(0.05)\n    os.kill(parent, 9)\n    os._exit(0)",
        after=["import time\ntime.sleep(0.3)"],
        gets=KEPT,
    ),
    "child-that-stops-the-kernel-later": beside(
        "import os, time\nparent = os.getpid()\nif not os.fork():\n    time.sleep(0.05)\n    os.kill(parent, 19)\n    os._exit(0)",
        after=["import time\ntime.sleep(0.3)"],
        gets=KEPT,
    ),
    "child-that-kills-checkpoints": beside(
        "import os, time\nown = os.getpid()\nif not os.fork():\n    os.setsid()\n    me = os.getpid()\n"
        "    while True:\n        for name in os.listdir('/proc'):\n            if name.isdigit() and int(name) not in (1, own, me):\n"
        "                try: os.kill(int(name), 9)\n                except OSError: pass\n        time.sleep(0.005)",
        gets=KEPT,
    ),
    "processes-left-behind": beside(
        "import subprocess\nleft = [subprocess.Popen(['sleep', '1000'], start_new_session=True) for _ in range(5)]"
    ),
    "processes-that-ignore-signals": beside(
        "import os, signal, time\nif not os.fork():\n    os.setsid()\n    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\n    while True: time.sleep(1)",
        # What a process beside the kernel prints takes a connection, which Linux lists for a minute.
        replaced=True,
    ),
    "processes-that-fork-for-ever": beside(
        "import os, time\nif not os.fork():\n    while True:\n        try:\n            if os.fork(): os._exit(0)\n        except OSError: pass\n        time.sleep(0.001)"
    ),
    "shell-in-the-background": beside("!sleep 1000 &\n!(sleep 1000; echo done) > /dev/null 2>&1 &"),
    "answer-that-forks": beside(
        double="import os\ndef double(x):\n    if not os.fork(): x = 7\n    return 2 * x", gets=ANY
    ),
    "answer-that-leaves-processes": beside(
        double="import os, time\ndef double(x):\n    for _ in range(20):\n        if not os.fork(): time.sleep(10**6)\n    return 2 * x",
        # The last answer calls it so often that there are no processes left.
        gets=("kept", "kept", "any"),
    ),
    "answer-that-ends-its-process": beside(
        double="import os\ndef double(x):\n    if type(x) is float: os._exit(0)\n    return 2 * x", gets=(0, 2, 1.5)
    ),
    "vfork": beside("import ctypes\nctypes.CDLL(None).vfork()", gets=KEPT),
    "clone-of-its-memory": beside("import os, subprocess\nsubprocess.run(['true'], preexec_fn=os.setsid)"),
}
OUTPUT: dict[str, Hostile] = {
    "prints": beside("for _ in range(256): print('x' * 2**20)"),
    "prints-of-errors": beside("import sys\nfor _ in range(256): print('x' * 2**20, file=sys.stderr)"),
    "writes-to-descriptors": beside(
        "import os\nblock = b'x' * 2**20\nfor _ in range(256): os.write(1, block), os.write(2, block)"
    ),
    "prints-of-a-child": beside("!yes | head -c 50000000"),
    "a-long-value": beside("'x' * 10**8"),
    "a-long-repr": beside("class R:\n    def __repr__(self): return 'x' * 10**8\nR()"),
    "a-long-traceback": beside("raise ValueError('x' * 10**8)"),
    "a-deep-traceback": beside("def f(n): return f(n + 1)\nf(0)"),
    "chained-tracebacks": beside(
        "error = None\nfor _ in range(300):\n    try: raise ValueError from error\n    except ValueError as e: error = e\nraise error"
    ),
    "displays": beside("for _ in range(100): display({'text/html': 'x' * 10**6}, raw=True)"),
    "displays-of-many-kinds": beside("display({f'text/x{i}': 'x' * 100 for i in range(10**4)}, raw=True)"),
    "displays-updated": beside(
        "handle = display('x', display_id=True)\nfor i in range(2000): handle.update('x' * 1000)"
    ),
    "clears-output": beside(
        "from IPython.display import clear_output\nfor i in range(2000): display(i); clear_output()"
    ),
    "carriage-returns": beside("print('\\r'.join(map(str, range(10**5))))"),
    "lines": beside("print('\\n' * 10**6)"),
    "every-cell-as-much-as-it-may": beside(
        *["print('x' * 10**6)\nfor i in range(9): display({'text/html': 'x' * 10**5}, raw=True)"] * 20
    ),
    "a-huge-figure": beside(
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(5000, 5000))\nplt.plot([1, 2])\nplt.show()"
    ),
    "a-picture-of-one-colour": beside("import numpy as np\nfrom PIL import Image\nImage.new('1', (20000, 20000))"),
    "disk": beside("block = bytes(2**20)\nwith open('/tmp/filled', 'wb') as file:\n    while True: file.write(block)"),
    "disk-everywhere": beside(
        "block = bytes(2**20)\nfor place in ('/tmp', '/home/student', '/dev/shm'):\n    try:\n        with open(place + '/filled', 'wb') as file:\n            while True: file.write(block)\n    except OSError: pass"
    ),
    "sparse-file": beside("with open('/tmp/sparse', 'wb') as file:\n    file.truncate(2**40)"),
    "inodes": beside("import os\nos.mkdir('/tmp/many')\nfor i in range(5000): open(f'/tmp/many/{i}', 'w').close()"),
    "deep-folders": beside("import os\nfor _ in range(800):\n    os.mkdir('d')\n    os.chdir('d')\nos.chdir('/')"),
    "folders-without-access": beside(
        "import os\nfor i in range(50):\n    os.makedirs(f'/tmp/a{i}/b/c')\n    os.chmod(f'/tmp/a{i}/b', 0)\n    os.chmod(f'/tmp/a{i}', 0)"
    ),
    "folders-closed": beside(
        "import os\nfor place in ('/tmp', '/dev/shm', '/home/student', '/run/notebook'):\n"
        "    try: os.chmod(place, 0)\n    except OSError: pass",
        gets=KEPT,
    ),
    "links-around": beside(
        "import os\nos.symlink('/', '/tmp/root')\nos.symlink('/tmp', '/tmp/loop')\nos.link('/tmp/loop', '/tmp/again', follow_symlinks=False)"
    ),
    "odd-file-names": beside(
        "import os\nfor name in (b'\\xff\\xfe', b'\\n', b'-rf', b'a' * 255, '\\u202e'.encode()): open(b'/tmp/' + name, 'w').close()"
    ),
    "locks-on-files": beside("import fcntl\nfile = open('/tmp/lock', 'w')\nfcntl.flock(file, fcntl.LOCK_EX)"),
    "watches": beside("import ctypes\nlibc = ctypes.CDLL(None)\nfor _ in range(500): libc.inotify_init()"),
    "timers": beside(
        "import ctypes\nlibc = ctypes.CDLL(None)\nbuffer = ctypes.create_string_buffer(64)\nfor _ in range(10**4): libc.timer_create(1, None, buffer)"
    ),
}

RESOURCES: dict[str, Hostile] = {**MEMORY, **TIME, **PROCESSES, **OUTPUT}
