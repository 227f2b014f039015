"""A seccomp filter: the system calls that a notebook has no use for, and that no wall of the sandbox covers.

It is a list of what is refused, not of what is allowed: a library that a call is new to would break, and take a right
answer along. Every level refuses `REFUSED`: tracing, keys, namespaces, mounts, and parts of the kernel that a mistake
is found in again and again. Where there are no namespaces, the filter also does what these do otherwise: it closes the
network but for sockets between processes of this machine, and protects the processes that do the grading from signals.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

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
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_STREAM, SOCK_DGRAM = 1, 2
SOCKET_TYPES = 0xF
IPPROTO_TCP, IPPROTO_UDP = 6, 17
NETLINK_ROUTE = 0
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""Ways to type into a terminal."""
F_SETOWN, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP = 8, 15, 0x8901, 0x8902
"""Ways to have a signal sent to whom one could not send it by kill(2)."""
EVERYBODY = -1
PRIO_USER, IOPRIO_WHO_USER = 2, 3

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
    "vmsplice": (278, 75),
    "remap_file_pages": (216, 234),
    "modify_ldt": (154, None),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "lookup_dcookie": (212, 18),
    # What outlives the process that made it, and belongs to the user; memory of it would be nobody's.
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_secret": (447, 447),
    # Namespaces and mounts.
    "mount": (165, 40),
    "umount2": (166, 39),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # The machine as a whole. All want privileges that nobody in here has: a mistake in how they ask is out of reach.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    # Memory of other processes, as to where it lies.
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
WITHOUT_NAMESPACES = {
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
    "file_setattr": (469, 469),
}
"""What only namespaces allow: refused where there are none."""
NOT_THERE_AT_ALL = {
    # Its flags are not in a register, and libc goes back to clone.
    "clone3": (435, 435),
    # Memory that no limit counts, in a file that no folder has; `zygote.memory_file` stands in for it.
    "memfd_create": (319, 279),
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
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "seccomp": (317, 277),
}
CALLS: dict[str, tuple[int | None, int | None]] = {
    **REFUSED,
    **WITHOUT_NAMESPACES,
    **NOT_THERE_AT_ALL,
    **PRETENDED,
    **OTHERS,
}
"""The numbers of system calls: on x86, on ARM."""

libc = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict(own_user: bool, protected: Iterable[tuple[int, int]]) -> bool:
    """Install the filter for this thread and all that it forks, where there are no namespaces.

    own_user: nobody else's processes have this one's user number. Where they do, the services of this machine take a
    process in here for that user, and connecting to any is refused. `protected` are the numbers of processes and of
    their groups that get no signal. No new privileges must be set. Returns False where the filter is not to be had.
    """
    near = list(protected)[:MAX_PROTECTED]
    return _install(lambda column, architecture: _program(column, architecture, own_user, near))


def restrict_in_namespaces(zygote: int) -> bool:
    """The same in namespaces of its own, where `zygote` is the process that stays."""
    return _install(lambda column, architecture: _program_in_namespaces(column, architecture, zygote))


def _install(make: Callable[[int, int], list[bytes]]) -> bool:
    machine = MACHINES.get(os.uname().machine)
    if machine is None:
        return False
    program = make(*machine)
    code = b"".join(program)
    number = CALLS["seccomp"][machine[0]]
    filter_ = _Filter(len(program), code)
    flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW
    result: int = libc.syscall(number, SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(filter_))
    return result == 0


def _program(column: int, architecture: int, own_user: bool, protected: Sequence[tuple[int, int]]) -> list[bytes]:
    processes = [pid for pid, _ in protected]
    groups = [group for _, group in protected]
    signalled = sorted({EVERYBODY, *processes, *(-pid for pid in processes), *(-group for group in groups)} - {0})
    parts = [
        *_everywhere(column, architecture, sorted({*processes, *groups} - {0})),
        *(_always(WITHOUT_NAMESPACES[name][column], REFUSE) for name in WITHOUT_NAMESPACES),
        *(_always(PRETENDED[name][column], PRETEND) for name in PRETENDED),
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


def _program_in_namespaces(column: int, architecture: int, zygote: int) -> list[bytes]:
    # Of the kinds of sockets, the namespace cuts off those that it knows; some belong to the whole machine, and many
    # have the kernel load a module that hardly anybody uses.
    internet = [
        _code(LOAD, ARGUMENTS + 8),
        _code(AND, SOCKET_TYPES),
        *_none_but([SOCK_STREAM, SOCK_DGRAM], NO_SUCH_SOCKET),
        _code(LOAD, ARGUMENTS + 16),
        *_none_but([0, IPPROTO_TCP, IPPROTO_UDP], NO_SUCH_SOCKET),
    ]
    routes = [_code(LOAD, ARGUMENTS + 16), *_none_but([NETLINK_ROUTE], NO_SUCH_SOCKET)]
    sockets = [
        *_allow_if(AF_UNIX, []),
        *_allow_if(AF_INET, internet),
        *_allow_if(AF_INET6, internet),
        *_allow_if(AF_NETLINK, routes),
        _code(RETURN, NO_SUCH_SOCKET),
    ]
    parts = [
        *_everywhere(column, architecture, [zygote]),
        _where(CALLS["socket"][column], 0, sockets),
        _where(CALLS["socketpair"][column], 0, _none_but([AF_UNIX], NO_SUCH_SOCKET)),
        _where(CALLS["prlimit64"][column], 0, _any_of([zygote])),
    ]
    return [*(code for part in parts for code in part), _code(RETURN, ALLOW)]


def _everywhere(column: int, architecture: int, protected: Sequence[int]) -> Iterator[list[bytes]]:
    """What holds with namespaces and without; nobody slows down or pins the processes `protected`, nor their groups."""
    yield [_code(LOAD, ARCHITECTURE), _code(JUMP_EQUAL, architecture, 1, 0), _code(RETURN, REFUSE), _code(LOAD, NUMBER)]
    # Of all numbers of calls, none but those of the other convention has this bit.
    yield [_code(JUMP_ANY_BIT, X32, 0, 1), _code(RETURN, REFUSE)]
    for numbers in REFUSED.values():
        yield _always(numbers[column], REFUSE)
    for numbers in NOT_THERE_AT_ALL.values():
        yield _always(numbers[column], NOT_THERE)
    yield _where(CALLS["clone"][column], 0, [_code(JUMP_ANY_BIT, NAMESPACES, 0, 1), _code(RETURN, REFUSE)])
    yield _where(CALLS["ioctl"][column], 1, _any_of([TIOCSTI, TIOCLINUX]))
    for name in ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"):
        yield _where(CALLS[name][column], 0, _any_of(protected))
    for name, user in (("setpriority", PRIO_USER), ("ioprio_set", IOPRIO_WHO_USER)):
        whose = [*_any_of([user]), _code(LOAD, ARGUMENTS + 8), *_any_of(protected)]
        yield _where(CALLS[name][column], 0, whose)


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


def _none_but(values: Sequence[int], action: int) -> list[bytes]:
    """`action`, unless what was loaded is one of these."""
    jumps = [_code(JUMP_EQUAL, value, len(values) - index, 0) for index, value in enumerate(values)]
    return [*jumps, _code(RETURN, action)]


def _allow_if(value: int, conditions: list[bytes]) -> list[bytes]:
    """Where what was loaded is `value`, allow the call if it passes the conditions."""
    return [_code(JUMP_EQUAL, value, 0, len(conditions) + 1), *conditions, _code(RETURN, ALLOW)]
