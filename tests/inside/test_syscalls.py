"""The filter of system calls, decided upon by a small machine like the kernel's."""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.inside import syscalls
from grader.inside.syscalls import ALLOW, CALLS, MACHINES, MAX_PROTECTED, NO_SUCH_SOCKET, NOT_THERE, PRETEND, REFUSE

PROTECTED = [(1000 + number, 500) for number in range(MAX_PROTECTED)]
ARM = [name for name, numbers in CALLS.items() if numbers[1] is not None]


Program = Callable[[int, int], list[bytes]]


def floor(column: int, architecture: int, own_user: bool = False) -> list[bytes]:
    return syscalls._program(column, architecture, own_user, PROTECTED)


def floor_of_a_user(column: int, architecture: int) -> list[bytes]:
    return floor(column, architecture, own_user=True)


def namespaces(column: int, architecture: int) -> list[bytes]:
    return syscalls._program_in_namespaces(column, architecture, 1)


def decide(machine: str, call: str | int, *arguments: int, program_of: Program = floor, architecture: int = 0) -> int:
    """What becomes of a system call, by name or number, with these arguments."""
    column, own = MACHINES[machine]
    number = call if isinstance(call, int) else CALLS[call][column]
    words = [value & 0xFFFFFFFFFFFFFFFF for value in (*arguments, *[0] * 6)][:6]
    data = struct.pack("=IIQ6Q", number, architecture or own, 0, *words)
    program = [struct.unpack("=HBBI", code) for code in program_of(column, own)]
    at = accumulator = 0
    while True:
        operation, where_true, where_false, value = program[at]
        at += 1
        match operation:
            case syscalls.LOAD:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case syscalls.AND:
                accumulator &= value
            case syscalls.JUMP_EQUAL:
                at += where_true if accumulator == value else where_false
            case syscalls.JUMP_ANY_BIT:
                at += where_true if accumulator & value else where_false
            case syscalls.RETURN:
                return value


CASES: dict[str, tuple[tuple[str | int, ...], int]] = {
    "read": ((9999,), ALLOW),
    "ptrace": (("ptrace", 16, 5), REFUSE),
    "chmod": (("fchmodat", 3), PRETEND),
    "clone3": (("clone3",), NOT_THERE),
    "fork": (("clone", 0x1200011), ALLOW),
    "thread": (("clone", 0x3D0F00), ALLOW),
    "user-namespace": (("clone", 0x10000011), REFUSE),
    "unix-stream": (("socket", 1, 1 | 0x80000), ALLOW),
    "unix-datagram": (("socket", 1, 2 | 0x80000), REFUSE),
    "internet": (("socket", 2, 1), NO_SUCH_SOCKET),
    "netlink": (("socket", 16, 3), NO_SUCH_SOCKET),
    "pair": (("socketpair", 1, 1), ALLOW),
    "datagram-pair": (("socketpair", 1, 2), REFUSE),
    "connect": (("connect", 3), REFUSE),
    "own-limits": (("prlimit64", 0), ALLOW),
    "others-limits": (("prlimit64", 77), REFUSE),
    "kill-a-child": (("kill", 77, 9), ALLOW),
    "kill-own-group": (("kill", 0, 9), ALLOW),
    "kill-the-nearest": (("kill", PROTECTED[0][0], 9), REFUSE),
    "kill-the-farthest": (("kill", PROTECTED[-1][0], 9), REFUSE),
    "kill-as-a-group": (("kill", -PROTECTED[3][0], 9), REFUSE),
    "kill-its-group": (("kill", -500, 9), REFUSE),
    "kill-everybody": (("kill", -1, 9), REFUSE),
    "signal-a-thread": (("tgkill", PROTECTED[0][0], 1, 9), REFUSE),
    "raise": (("tgkill", 77, 77, 6), ALLOW),
    "non-blocking": (("fcntl", 3, 4), ALLOW),
    "signals-to-somebody": (("fcntl", 3, 8, 77), REFUSE),
    "signals-by-ioctl": (("ioctl", 3, 0x8901), REFUSE),
    "terminal": (("ioctl", 3, 0x5401), ALLOW),
    "typing-into-a-terminal": (("ioctl", 3, 0x5412), REFUSE),
    "memory-file": (("memfd_create",), NOT_THERE),
    "own-priority": (("setpriority", 0, 0, 19), ALLOW),
    "priority-of-the-nearest": (("setpriority", 0, PROTECTED[0][0], 19), REFUSE),
    "priority-of-their-group": (("setpriority", 1, 500, 19), REFUSE),
    "priority-of-the-user": (("setpriority", 2, 0, 19), REFUSE),
    "processors-of-the-farthest": (("sched_setaffinity", PROTECTED[-1][0]), REFUSE),
    "own-processors": (("sched_setaffinity", 0), ALLOW),
}
IN_NAMESPACES: dict[str, tuple[tuple[str | int, ...], int]] = {
    "read": ((9999,), ALLOW),
    "keys": (("keyctl", 22), REFUSE),
    "ptrace": (("ptrace", 16, 5), REFUSE),
    "chmod": (("fchmodat", 3), ALLOW),
    "owner": (("fchownat", 3), ALLOW),
    "clone3": (("clone3",), NOT_THERE),
    "fork": (("clone", 0x1200011), ALLOW),
    "thread": (("clone", 0x3D0F00), ALLOW),
    "user-namespace": (("clone", 0x10000011), REFUSE),
    "namespace-of-mounts": (("unshare", 0x20000), REFUSE),
    "memory-file": (("memfd_create",), NOT_THERE),
    "unix-stream": (("socket", 1, 1 | 0x80000), ALLOW),
    "unix-datagram": (("socket", 1, 2 | 0x80000), ALLOW),
    "connect": (("connect", 3), ALLOW),
    "tcp": (("socket", 2, 1 | 0x80000), ALLOW),
    "tcp-by-number": (("socket", 10, 1, 6), ALLOW),
    "udp": (("socket", 10, 2 | 0x800, 17), ALLOW),
    "raw": (("socket", 2, 3, 1), NO_SUCH_SOCKET),
    "sctp": (("socket", 2, 1, 132), NO_SUCH_SOCKET),
    "mptcp": (("socket", 10, 1, 262), NO_SUCH_SOCKET),
    "dccp": (("socket", 2, 6, 33), NO_SUCH_SOCKET),
    "routes": (("socket", 16, 3 | 0x80000, 0), ALLOW),
    "netfilter": (("socket", 16, 3, 12), NO_SUCH_SOCKET),
    "packet": (("socket", 17, 3, 768), NO_SUCH_SOCKET),
    "crypto": (("socket", 38, 5, 0), NO_SUCH_SOCKET),
    "vsock": (("socket", 40, 1, 0), NO_SUCH_SOCKET),
    "pair": (("socketpair", 1, 2), ALLOW),
    "tipc-pair": (("socketpair", 30, 5), NO_SUCH_SOCKET),
    "own-limits": (("prlimit64", 0), ALLOW),
    "a-childs-limits": (("prlimit64", 77), ALLOW),
    "the-zygotes-limits": (("prlimit64", 1), REFUSE),
    "the-zygotes-processors": (("sched_setaffinity", 1), REFUSE),
    "a-threads-processors": (("sched_setaffinity", 78), ALLOW),
    "the-zygotes-schedule": (("sched_setscheduler", 1, 3), REFUSE),
    "the-zygotes-attributes": (("sched_setattr", 1), REFUSE),
    "the-zygotes-priority": (("setpriority", 0, 1, 19), REFUSE),
    "the-users-priority": (("setpriority", 2, 0, 19), REFUSE),
    "own-priority": (("setpriority", 0, 0, 19), ALLOW),
    "the-users-disk-priority": (("ioprio_set", 3, 0, 0), REFUSE),
    "own-disk-priority": (("ioprio_set", 1, 0, 0), ALLOW),
    "kill": (("kill", 77, 9), ALLOW),
    "kill-everybody": (("kill", -1, 9), ALLOW),
    "queued-signal": (("rt_sigqueueinfo", 77, 9), ALLOW),
    "typing-into-a-terminal": (("ioctl", 3, 0x5412), REFUSE),
    "terminal": (("ioctl", 3, 0x5401), ALLOW),
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("call", "decision"), CASES.values(), ids=CASES.keys())
def test_each_call_is_decided_by_its_arguments(machine: str, call: tuple[str | int, ...], decision: int) -> None:
    name, *arguments = call
    assert decide(machine, name, *map(int, arguments)) == decision


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("call", "decision"), IN_NAMESPACES.values(), ids=IN_NAMESPACES.keys())
def test_namespaces_leave_what_they_cannot_keep_apart_to_the_filter(
    machine: str, call: tuple[str | int, ...], decision: int
) -> None:
    name, *arguments = call
    assert decide(machine, name, *map(int, arguments), program_of=namespaces) == decision


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_table_is_decided_on_both_machines(machine: str) -> None:
    tables = {
        REFUSE: {**syscalls.REFUSED, **syscalls.WITHOUT_NAMESPACES},
        PRETEND: syscalls.PRETENDED,
        NOT_THERE: syscalls.NOT_THERE_AT_ALL,
    }
    for decision, table in tables.items():
        for name in table:
            if machine == "x86_64" or name in ARM:
                assert decide(machine, name) == decision


@pytest.mark.parametrize("machine", MACHINES)
def test_namespaces_take_nothing_from_the_table(machine: str) -> None:
    for name in syscalls.REFUSED:
        if machine == "x86_64" or name in ARM:
            assert decide(machine, name, program_of=namespaces) == REFUSE


HEADERS = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_linux(machine: str) -> None:
    header = Path("/usr/include", HEADERS[machine])
    if not header.exists():
        pytest.skip("the headers of Linux are not installed")
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE)
    known = {name: int(number) for name, number in found}
    ours = {name: numbers[MACHINES[machine][0]] for name, numbers in CALLS.items()}
    assert {name: number for name, number in ours.items() if number != known.get(name, number)} == {}
    assert len(known.keys() & ours.keys()) > 80


def test_calls_by_another_convention_are_refused() -> None:
    for program_of in (floor, namespaces):
        assert decide("x86_64", 4, architecture=0x40000003, program_of=program_of) == REFUSE
        assert decide("x86_64", 0x40000000 | 1, program_of=program_of) == REFUSE


def test_a_user_that_nobody_else_is_may_connect() -> None:
    assert decide("x86_64", "connect", 3, program_of=floor_of_a_user) == ALLOW
    assert decide("x86_64", "socket", 1, 2, program_of=floor_of_a_user) == ALLOW
    assert decide("x86_64", "socket", 2, 1, program_of=floor_of_a_user) == NO_SUCH_SOCKET


def test_what_is_refused_is_an_error_that_programs_know() -> None:
    assert (REFUSE & 0xFFFF, NOT_THERE & 0xFFFF, PRETEND & 0xFFFF) == (errno.EPERM, errno.ENOSYS, 0)
