"""GitHub Actions as a place where output is read as orders: what others wrote must never be one.

A line of a step's log can be an order to the runner (`::add-mask::...`, `##[...]`), and so are lines in the files that
the environment names. Student code has a clean environment and is kept from these files; where a machine's sandbox
cannot keep it from them, what it wrote there is taken back before anything of ours is added.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")


def is_read_by_runner() -> bool:
    """Whether what is printed goes to GitHub's runner, and not to a file that a script has redirected it to."""
    return os.environ.get("GITHUB_ACTIONS") == "true" and not _is_file(sys.stdout)


def escaped(text: str) -> str:
    """The data of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """The value of a property of a workflow command."""
    return escaped(text).replace(":", "%3A").replace(",", "%2C")


@contextlib.contextmanager
def commands_off() -> Iterator[None]:
    """What is printed meanwhile is only text to the runner. Not to be nested: the inner one would end nothing."""
    if not is_read_by_runner():
        yield
        return
    # Nobody who writes into the output can know how commands are switched on again.
    token = secrets.token_hex(20)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        sys.stderr.flush()
        print(f"\n::{token}::", flush=True)


@contextlib.contextmanager
def guarded_github_files() -> Iterator[None]:
    """Whatever is written to the files of the environment meanwhile is taken back. Raises OSError."""
    before = {path: _content(path) for path in _github_files()}
    try:
        yield
    finally:
        for path, content in before.items():
            _restore(path, content)


def append(variable: str, text: str) -> None:
    """Add `text` to the file that the environment names so, if it does. Raises OSError."""
    name = os.environ.get(variable)
    if not name:
        return
    path = Path(name)
    before = path.read_bytes() if path.exists() else b""
    # What an earlier command left unfinished is not to become the beginning of our first line.
    gap = "" if not before or before.endswith(b"\n") else "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(gap + text)


def _is_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False  # a stream of Python's alone


def _github_files() -> list[Path]:
    return [Path(os.environ[variable]) for variable in FILES if os.environ.get(variable)]


def _content(path: Path) -> bytes | None:
    """None where there is no such file; also where there is something else, which is no place to write to."""
    return path.read_bytes() if path.is_file() else None


def _restore(path: Path, content: bytes | None) -> None:
    if not path.is_symlink() and _content(path) == content:
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
