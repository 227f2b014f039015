"""What is read from `/proc` about processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from grader.inside import processes

NESTED = """
import ctypes, os, sys, threading, time
if os.fork() == 0:
    pid = os.fork()
    if pid == 0:
        threading.Thread(target=time.sleep, args=(600,)).start()
        ctypes.CDLL(None).syscall(60, 0)
    print(os.getpid(), pid, flush=True)
time.sleep(600)
"""


def test_descendants_are_found_through_their_parents_also_where_the_first_thread_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NESTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child, grandchild = map(int, parent.stdout.readline().split())
        while processes.fields(grandchild)[0] != b"Z":
            pass
        assert sorted(processes.descendants(parent.pid)) == sorted([child, grandchild])
        assert parent.pid in processes.descendants(os.getpid())
        assert not processes.is_dead(grandchild)
        processes.kill([parent.pid, child, grandchild])
        parent.wait()
        assert processes.is_dead(parent.pid)


def test_a_name_full_of_brackets_does_not_confuse() -> None:
    script = "open('/proc/self/comm', 'w').write(') R 1 (x'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert int(processes.fields(child.pid)[1]) == os.getpid()
        child.communicate("\n")


def test_ancestors_go_up_to_the_first_process() -> None:
    found = processes.ancestors()
    assert found[:2] == [os.getpid(), os.getppid()]
    assert len(found) == len(set(found))


def test_threads_of_a_user_are_counted_with_all_its_processes() -> None:
    # Others of this user come and go, but this process and its threads are among them.
    assert processes.threads_of(os.getuid()) >= len(list(Path("/proc/self/task").iterdir()))
    assert processes.threads_of(2**32 - 2) == 0
