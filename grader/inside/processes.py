"""What `/proc` tells about processes: which come from which, whether they live, and what they have used."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Collection, Iterable, Iterator


def fields(pid: int | str) -> list[bytes]:
    """The fields of a process's `stat` from its state on, which proc(5) counts as the third. Raises OSError."""
    # Plainly: all of the machine's are read, again and again.
    file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    try:
        # A process names itself, with spaces and brackets as it likes.
        return os.read(file, 4096).rpartition(b")")[2].split()
    finally:
        os.close(file)


def numbers() -> Iterator[int]:
    """All processes that can be seen."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def cpu_ticks(pid: int) -> tuple[int, int, int, int]:
    """User and system time of a process, then the same of its children that it has waited for. Raises OSError."""
    user, system, of_children, system_of_children = map(int, fields(pid)[11:15])
    return user, system, of_children, system_of_children


def is_dead(pid: int) -> bool:
    """Gone, or only not yet waited for by its parent: nothing can or need be done about it."""
    try:
        return _has_ended(fields(pid))
    except (OSError, IndexError):
        return True


def _has_ended(stat: list[bytes]) -> bool:
    # A process whose first thread has ended looks dead, but may have others.
    return stat[0] == b"Z" and int(stat[17]) <= 1


def descendants(of: int, without: Collection[int] = ()) -> list[int]:
    """The living children of a process, their children, and so on; not those of `without`, nor theirs."""
    children: dict[int, list[int]] = {}
    dead = set()
    for pid in numbers():
        with contextlib.suppress(OSError, IndexError):
            stat = fields(pid)
            if pid not in without:
                children.setdefault(int(stat[1]), []).append(pid)
            if _has_ended(stat):
                dead.add(pid)
    found = list(children.get(of, []))
    for pid in found:
        found += children.get(pid, [])
    return [pid for pid in found if pid not in dead]


def ancestors() -> list[int]:
    """This process, its parent, and so on, as far as can be seen."""
    found = [os.getpid()]
    with contextlib.suppress(OSError, IndexError):
        while parent := int(fields(found[-1])[1]):
            found.append(parent)
    return found


def threads_of(user: int) -> int:
    """How many threads all processes of a user have that can be seen."""
    count = 0
    for pid in numbers():
        with contextlib.suppress(OSError, KeyError), open(f"/proc/{pid}/status") as lines:
            # Not the owner of the folder: that is root where a process is not dumpable.
            status = dict(line.split(":", 1) for line in lines)
            if int(status["Uid"].split()[0]) == user:
                count += int(status["Threads"])
    return count


def kill(pids: Iterable[int]) -> None:
    """Stop them all before the first is killed: else the others would go on, and start new ones."""
    pids = list(pids)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def wait_for_end(pid: int, seconds: float) -> None:
    """Wait, so long at most, for the end of a process that may be another's child. Raises OSError where it is gone."""
    process = os.pidfd_open(pid)
    try:
        select.select([process], [], [], seconds)
    finally:
        os.close(process)
