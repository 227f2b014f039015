"""Landlock: a process gives up the files, the network and the signals that it and its children do not need.

Nobody needs to be root for that, and there is no way back. See landlock(7) for the rights and the structures.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""The same numbers on all machines."""
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""For each version, how many rights on files it knows: each is one bit, and none was ever taken back."""
REMOVE_FILE = 1 << 5
MAKE_CHAR, MAKE_REG, MAKE_BLOCK = 1 << 6, 1 << 8, 1 << 11
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1 << 0, 1 << 1
NET_VERSION = 4
SCOPE_VERSION = 6

READ = EXECUTE | READ_FILE | READ_DIR
SHARED = READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE
"""For a folder of files that processes share: no more than what these need."""
DEVICE = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV
ON_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""The rights that can be given on what is no folder."""

libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The version of Landlock that this kernel has; 0 where it has none, or has it switched off."""
    found: int = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)
    return max(found, 0)


def make_ruleset(
    readable: Iterable[str], writable: Iterable[str], shared: Iterable[str], devices: Iterable[str]
) -> int | None:
    """A descriptor of the rules: what is below these folders is readable or writable, and all else is closed.

    None where there is no Landlock. Paths that do not exist are passed over. Raises OSError.
    """
    known = version()
    if not known:
        return None
    files = (1 << FILE_RIGHTS[min(known, max(FILE_RIGHTS))]) - 1
    handled = [files]
    if known >= NET_VERSION:
        handled.append(BIND_TCP | CONNECT_TCP)
    if known >= SCOPE_VERSION:
        handled.append(SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL)
    attributes = struct.pack(f"={len(handled)}Q", *handled)
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for paths, rights in (
            (readable, READ),
            (writable, files & ~(MAKE_CHAR | MAKE_BLOCK)),
            (shared, SHARED & files),
            (devices, DEVICE & files),
        ):
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    _allow(ruleset, path, rights)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= ON_A_FILE
        _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def restrict(ruleset: int) -> None:
    """From now on, the rules hold for this thread and for all that it forks. No new privileges must be set.

    Each call also makes a domain of its own: nobody in it can trace a process outside of it, and from version 6 on,
    nobody can send one a signal.
    """
    _call(RESTRICT_SELF, ruleset, 0)


def _call(number: int, *arguments: object) -> int:
    result: int = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
