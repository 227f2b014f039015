"""The filter of system calls, decided upon by a small machine like the kernel's."""

from __future__ import annotations

import errno
import struct

import pytest

from grader.inside import syscalls
from grader.inside.syscalls import ALLOW, CALLS, MACHINES, MAX_PROTECTED, NO_SUCH_SOCKET, NOT_THERE, PRETEND, REFUSE

PROTECTED = [(1000 + number, 500) for number in range(MAX_PROTECTED)]
ARM = [name for name, numbers in CALLS.items() if numbers[1] is not None]


def decide(machine: str, call: str | int, *arguments: int, own_user: bool = False, architecture: int = 0) -> int:
    """What becomes of a system call, by name or number, with these arguments."""
    column, own = MACHINES[machine]
    number = call if isinstance(call, int) else CALLS[call][column]
    words = [value & 0xFFFFFFFFFFFFFFFF for value in (*arguments, *[0] * 6)][:6]
    data = struct.pack("=IIQ6Q", number, architecture or own, 0, *words)
    program = [struct.unpack("=HBBI", code) for code in syscalls._program(column, own, own_user, PROTECTED)]
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
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("call", "decision"), CASES.values(), ids=CASES.keys())
def test_each_call_is_decided_by_its_arguments(machine: str, call: tuple[str | int, ...], decision: int) -> None:
    name, *arguments = call
    assert decide(machine, name, *map(int, arguments)) == decision


def test_every_call_of_the_table_is_decided_on_both_machines() -> None:
    for name in syscalls.REFUSED:
        assert decide("x86_64", name) == REFUSE
        if name in ARM:
            assert decide("aarch64", name) == REFUSE
    for name in syscalls.PRETENDED:
        assert decide("x86_64", name) == PRETEND
        if name in ARM:
            assert decide("aarch64", name) == PRETEND


def test_calls_by_another_convention_are_refused() -> None:
    assert decide("x86_64", 4, architecture=0x40000003) == REFUSE
    assert decide("x86_64", 0x40000000 | 1) == REFUSE


def test_a_user_that_nobody_else_is_may_connect() -> None:
    assert decide("x86_64", "connect", 3, own_user=True) == ALLOW
    assert decide("x86_64", "socket", 1, 2, own_user=True) == ALLOW
    assert decide("x86_64", "socket", 2, 1, own_user=True) == NO_SUCH_SOCKET


def test_what_is_refused_is_an_error_that_programs_know() -> None:
    assert (REFUSE & 0xFFFF, NOT_THERE & 0xFFFF, PRETEND & 0xFFFF) == (errno.EPERM, errno.ENOSYS, 0)
