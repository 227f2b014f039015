"""A seccomp filter: the system calls that a notebook has no use for, and that no file rule covers.

It closes the network but for sockets between processes of this machine, keeps namespaces, tracing, keys and
everything that outlives a process out of reach, and protects the processes that do the grading from signals.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4
"""Without this flag, older kernels slow down every process that has a filter."""
MAX_PROTECTED = 24
"""The nearest of them: a jump in the filter passes over 255 instructions at most."""

LOAD, JUMP_EQUAL, JUMP_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Where they stand in `struct seccomp_data`."""
ALLOW = 0x7FFF0000
ERROR = 0x00050000
REFUSE = ERROR | errno.EPERM
PRETEND = ERROR
"""Success, with nothing done."""
NOT_THERE = ERROR | errno.ENOSYS
NO_SUCH_SOCKET = ERROR | errno.EOPNOTSUPP
"""Not refused: of all errors, this is one that ZeroMQ bears with when it looks for the machine's addresses."""

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Which of the two numbers of a call it has, and what the kernel calls the machine."""
X32 = 0x40000000
"""The bit in the number of a call by another convention, which x86 has too."""
NAMESPACES = 0x7E020000
"""All flags of clone(2) that make namespaces."""
AF_UNIX = 1
SOCK_DGRAM = 2
SOCKET_TYPES = 0xF
F_SETOWN, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP = 8, 15, 0x8901, 0x8902
"""Ways to have a signal sent to whom one could not send it by kill(2)."""
EVERYBODY = -1

REFUSED = {
    # Other processes' memory and descriptors.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "perf_event_open": (298, 241),
    # Parts of the kernel with a long history of mistakes, and a way around this filter.
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # What outlives the process that made it, and belongs to the user.
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # Namespaces and mounts.
    "mount": (165, 40),
    "umount2": (166, 39),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    # Signals, by other ways than kill and tgkill.
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    # Landlock has no say in who owns a file and in what attributes it has.
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
}
PRETENDED = {
    # Nor in modes and times. But what copies a file or unpacks an archive sets these: it must not fail.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
OTHERS = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "clone": (56, 220),
    "clone3": (435, 435),
    "prlimit64": (302, 261),
    "seccomp": (317, 277),
}
CALLS: dict[str, tuple[int | None, int | None]] = {**REFUSED, **PRETENDED, **OTHERS}
"""The numbers of system calls: on x86, on ARM."""

libc = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict(own_user: bool, protected: Iterable[tuple[int, int]]) -> bool:
    """Install the filter for this thread and all that it forks. No new privileges must be set.

    own_user: nobody else's processes have this one's user number. Where they do, the services of this machine take a
    process in here for that user, and connecting to any is refused. `protected` are the numbers of processes and of
    their groups that get no signal. Returns False where the filter is not to be had.
    """
    machine = MACHINES.get(os.uname().machine)
    if machine is None:
        return False
    column, architecture = machine
    program = _program(column, architecture, own_user, list(protected)[:MAX_PROTECTED])
    code = b"".join(program)
    number = CALLS["seccomp"][column]
    filter_ = _Filter(len(program), code)
    flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW
    result: int = libc.syscall(number, SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(filter_))
    return result == 0


def _program(column: int, architecture: int, own_user: bool, protected: Sequence[tuple[int, int]]) -> list[bytes]:
    processes = [pid for pid, _ in protected]
    signalled = sorted({EVERYBODY, *processes, *(-pid for pid in processes), *(-group for _, group in protected)} - {0})
    parts = [
        [_code(LOAD, ARCHITECTURE), _code(JUMP_EQUAL, architecture, 1, 0), _code(RETURN, REFUSE), _code(LOAD, NUMBER)],
        # Of all numbers of calls, none but those of the other convention has this bit.
        [_code(JUMP_ANY_BIT, X32, 0, 1), _code(RETURN, REFUSE)],
        *(_always(CALLS[name][column], REFUSE) for name in REFUSED),
        *(_always(CALLS[name][column], PRETEND) for name in PRETENDED),
        # Its flags are not in a register, and libc goes back to clone.
        _always(CALLS["clone3"][column], NOT_THERE),
        _where(CALLS["clone"][column], 0, [_code(JUMP_ANY_BIT, NAMESPACES, 0, 1), _code(RETURN, REFUSE)]),
        _where(CALLS["socket"][column], 0, [_code(JUMP_EQUAL, AF_UNIX, 1, 0), _code(RETURN, NO_SUCH_SOCKET)]),
        # Limits of this process alone, which is 0.
        _where(CALLS["prlimit64"][column], 0, [_code(JUMP_EQUAL, 0, 1, 0), _code(RETURN, REFUSE)]),
        _where(CALLS["kill"][column], 0, _any_of(signalled)),
        _where(CALLS["tgkill"][column], 0, _any_of(processes)),
        _where(CALLS["fcntl"][column], 1, _any_of([F_SETOWN, F_SETOWN_EX])),
        _where(CALLS["ioctl"][column], 1, _any_of([FIOSETOWN, SIOCSPGRP])),
    ]
    if not own_user:
        parts.append(_always(CALLS["connect"][column], REFUSE))
        # A datagram names who it is for without connecting.
        datagrams = [_code(AND, SOCKET_TYPES), *_any_of([SOCK_DGRAM])]
        parts += [_where(CALLS[name][column], 1, datagrams) for name in ("socket", "socketpair")]
    return [*(code for part in parts for code in part), _code(RETURN, ALLOW)]


def _code(operation: int, value: int, where_true: int = 0, where_false: int = 0) -> bytes:
    """One instruction of the filter's machine; the last two are how many instructions a jump passes over."""
    return struct.pack("=HBBI", operation, where_true, where_false, value & 0xFFFFFFFF)


def _always(number: int | None, action: int) -> list[bytes]:
    return [] if number is None else [_code(JUMP_EQUAL, number, 0, 1), _code(RETURN, action)]


def _where(number: int | None, argument: int, decision: list[bytes]) -> list[bytes]:
    """Have `decision` made about the lower half of an argument of a call."""
    assert number is not None
    inner = [_code(LOAD, ARGUMENTS + 8 * argument), *decision, _code(LOAD, NUMBER)]
    return [_code(JUMP_EQUAL, number, 0, len(inner)), *inner]


def _any_of(values: Iterable[int]) -> list[bytes]:
    return [code for value in values for code in (_code(JUMP_EQUAL, value, 0, 1), _code(RETURN, REFUSE))]
