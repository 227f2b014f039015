"""Opening a course site's bulk download, a zip or a folder: everything in it is hostile, and is read exactly once.

Each file is copied into a folder of ours under a number. What it was called is only text from then on, so that no
name can lead anywhere. What is refused costs one line, and the rest goes on.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from grader.results.classlist import SiteError

_CHUNK = 2**16
_JUNK = {"__MACOSX", ".ipynb_checkpoints", "__pycache__", ".git", ".DS_Store", "Thumbs.db", "desktop.ini"}
# What course sites write. Of the others, zipfile gives out whatever they unpack to at once, however large.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for a list of entries that makes no sense.
_CANNOT_BE_OPENED = (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, MemoryError, struct.error)
_DRIVE = re.compile(r"[A-Za-z]:")
_SHOWN = 200
"""Characters of a name in a message."""
_END_OF_DIRECTORY = struct.Struct("<4s4H2LH")
_LOCATOR_64 = 20
"""Bytes; it stands just before the end."""
_LOCAL_HEADER = 30
"""Bytes, without the file's name: no entry takes less."""


@dataclass(frozen=True)
class Limits:
    """What a download may hold; all counts are of bytes as they come out, whatever the archive says of itself."""

    file_bytes: int = 500 * 2**20
    total_bytes: int = 40 * 2**30
    entries: int = 100_000
    ratio: int = 200
    """Bytes out for one in, over the first `ratio_from`: notebooks full of repeated output stay below 60."""
    ratio_from: int = 16 * 2**20
    depth: int = 3
    """Zips in zips, below the download itself."""
    nested_bytes: int = 1 * 2**30
    """Of all that one zip in the download unpacks to."""
    nested_entries: int = 10_000
    nested_directory_bytes: int = 2 * 2**20
    """Of such a zip's list of entries, which is read as a whole."""
    path_bytes: int = 2_000


LIMITS = Limits()


@dataclass(frozen=True)
class Unpacked:
    """A file of the download. `path`: its name there, by parts; a zip's name stands before those of what is in it."""

    path: tuple[str, ...]
    file: Path
    size: int
    nested: int = 0
    """How many zips it was in, besides the download."""
    note: str = ""


@dataclass(frozen=True)
class Refusal:
    """An entry that was not taken. `path` is what it is called, and leads nowhere."""

    path: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        name = "/".join(self.path)
        return f"{name if len(name) <= _SHOWN else f'{name[:_SHOWN]}…'}: {self.why}"


@dataclass
class Contents:
    """All that a download holds, in its own order."""

    files: list[Unpacked] = field(default_factory=list)
    folders: list[tuple[str, ...]] = field(default_factory=list)
    """Those that are named; most zips name no folder apart from its files."""
    refused: list[Refusal] = field(default_factory=list)

    def lengths(self) -> tuple[int, int, int]:
        return len(self.files), len(self.folders), len(self.refused)

    def cut(self, lengths: tuple[int, int, int]) -> list[Unpacked]:
        """Forget all that was added since `lengths`; returns the files that are listed no more."""
        files, folders, refused = lengths
        forgotten = self.files[files:]
        del self.files[files:], self.folders[folders:], self.refused[refused:]
        return forgotten


class _Refused(Exception):
    """str() says why."""


class _TooMuch(_Refused):
    """A limit on a whole archive is reached: the rest of it is not read."""


def unpack(download: Path, into: Path, limits: Limits = LIMITS) -> Contents:
    """Copy the files of a zip or a folder into the folder `into`, which must be empty. Raises SiteError, OSError."""
    unpacking = _Unpacking(into, limits)
    if download.is_dir():
        unpacking.folder(download)
    else:
        unpacking.zip(download)
    return unpacking.contents


class _Budget:
    """What may still come out of an archive, and out of those that it lies in."""

    def __init__(self, size: int, entries: int, within: _Budget | None = None) -> None:
        self._bytes, self._size = size, size
        self._entries = entries
        self._within = within

    def take_entry(self) -> None:
        self._entries -= 1
        if self._entries < 0:
            raise _TooMuch("holds too many entries")
        if self._within:
            self._within.take_entry()

    def take_bytes(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise _TooMuch(f"unpacks to more than {_size(self._size)}")
        if self._within:
            self._within.take_bytes(count)


class _Unpacking:
    def __init__(self, into: Path, limits: Limits) -> None:
        self.contents = Contents()
        self._into = into
        self._limits = limits
        self._number = 0

    # Zips

    def zip(self, download: Path) -> None:
        budget = _Budget(self._limits.total_bytes, self._limits.entries)
        try:
            with zipfile.ZipFile(download) as archive:
                try:
                    self._entries(archive, (), 0, budget)
                except _TooMuch as error:
                    self._refuse((download.name,), f"{error}; what comes after that is not read")
        except _CANNOT_BE_OPENED as error:
            why = f"is neither a folder nor a zip that can be opened ({_lower(error)}); download it again"
            raise SiteError([f"{download}: {why}"]) from None
        except OSError as error:
            if error.filename is None:
                raise
            raise SiteError([f"{download}: cannot be read ({error.strerror})"]) from None

    def _entries(self, archive: zipfile.ZipFile, above: tuple[str, ...], depth: int, budget: _Budget) -> None:
        overlapping = _overlapping(archive)
        seen: set[tuple[str, ...]] = set()
        for entry in archive.infolist():
            name = _decoded(entry)
            budget.take_entry()
            try:
                path = self._path(name)
                if not path or _is_junk(path):
                    continue
                _require_plain(entry)
                if entry.is_dir() or name.endswith("\\"):
                    self.contents.folders.append(above + path)
                    continue
                if entry.header_offset in overlapping:
                    raise _Refused("overlaps another entry of the zip, as in a zip bomb")
                note = "" if path not in seen else f"{'/'.join(path)} is in the zip more than once: all are kept"
                seen.add(path)
                self._copy_entry(archive, entry, Unpacked(above + path, self._next(), 0, depth, note), budget)
            except _TooMuch:
                raise
            except _Refused as error:
                self._refuse((*above, name), str(error))

    def _copy_entry(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, planned: Unpacked, budget: _Budget) -> None:
        try:
            if entry.header_offset < 0:
                raise zipfile.BadZipFile("it begins before the zip does")
            with archive.open(entry) as source:
                size = self._copy(source, planned.file, budget, compressed=entry.compress_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, struct.error) as error:
            raise _Refused(f"is damaged ({_lower(error)})") from None
        except (NotImplementedError, RuntimeError) as error:
            raise _Refused(f"cannot be unpacked ({_lower(error)})") from None
        unpacked = Unpacked(planned.path, planned.file, size, planned.nested, planned.note)
        self.contents.files.append(unpacked)
        self._look_inside(unpacked, budget)

    def _look_inside(self, outer: Unpacked, budget: _Budget) -> None:
        """Unpack a zip that is handed in; what it holds is listed besides the zip itself. All of it, or none."""
        if not outer.path[-1].lower().endswith(".zip"):
            return
        depth = outer.nested + 1
        before = self.contents.lengths()
        if outer.nested == 0:
            budget = _Budget(self._limits.nested_bytes, self._limits.nested_entries, within=budget)
        try:
            if depth > self._limits.depth:
                raise _Refused(f"is a zip in a zip, {depth} deep")
            _require_small_directory(outer.file, self._limits.nested_directory_bytes)
            with zipfile.ZipFile(outer.file) as archive:
                self._entries(archive, outer.path, depth, budget)
        except (_Refused, *_CANNOT_BE_OPENED) as error:
            if outer.nested > 0 and isinstance(error, _TooMuch):
                raise  # the outermost zip of the hand-in is left closed, with all that is in it
            for unpacked in self.contents.cut(before):
                unpacked.file.unlink(missing_ok=True)
            self._refuse(outer.path, f"{_lower(error)}; the zip is kept, but not unpacked")

    # Folders

    def folder(self, folder: Path) -> None:
        budget = _Budget(self._limits.total_bytes, self._limits.entries)
        try:
            for path, entry in _walk(folder):
                budget.take_entry()
                if _is_junk(path):
                    continue
                try:
                    self._take(path, entry, budget)
                except _TooMuch:
                    raise
                except _Refused as error:
                    self._refuse(path, str(error))
        except _TooMuch as error:
            self._refuse((folder.name,), f"{error}; what comes after that is not read")

    def _take(self, path: tuple[str, ...], entry: Path, budget: _Budget) -> None:
        # Not followed: a link's own mode.
        mode = _mode(entry)
        if stat.S_ISDIR(mode):
            self.contents.folders.append(path)
            return
        if not stat.S_ISREG(mode):
            raise _Refused(_kind(mode))
        unpacked = Unpacked(path, self._next(), 0)
        try:
            # Neither a link nor a pipe that took the file's place since can have an effect.
            descriptor = os.open(entry, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise _Refused(f"cannot be read ({error.strerror})") from None
        with os.fdopen(descriptor, "rb") as source:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _Refused("changed while it was read")
            size = self._copy(source, unpacked.file, budget)
        unpacked = Unpacked(path, unpacked.file, size)
        self.contents.files.append(unpacked)
        self._look_inside(unpacked, budget)

    # Both

    def _copy(self, source: IO[bytes], target: Path, budget: _Budget, compressed: int | None = None) -> int:
        """Copy a file, counting what really comes out; the size that is returned is that. Leaves nothing on failure."""
        size = 0
        try:
            with target.open("xb") as file:
                while chunk := source.read(_CHUNK):
                    size += len(chunk)
                    if size > self._limits.file_bytes:
                        raise _Refused(f"unpacks to more than {_size(self._limits.file_bytes)}")
                    if compressed is not None and size > max(self._limits.ratio_from, self._limits.ratio * compressed):
                        raise _Refused(f"unpacks to more than {self._limits.ratio} times its size, as a zip bomb does")
                    budget.take_bytes(len(chunk))
                    file.write(chunk)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return size

    def _next(self) -> Path:
        self._number += 1
        return self._into / f"{self._number:06}"

    def _path(self, name: str) -> tuple[str, ...]:
        # Some programs on Windows write their own separator.
        parts = name.replace("\\", "/").split("/")
        if len(name.encode(errors="replace")) > self._limits.path_bytes:
            raise _Refused("has too long a name")
        if name.startswith(("/", "\\")) or _DRIVE.match(name):
            raise _Refused("has an absolute path, which would lead out of the download")
        if ".." in parts:
            raise _Refused("has a path that leads out of the download (..)")
        if "\0" in name:
            raise _Refused("has a NUL in its name")
        return tuple(part for part in parts if part not in ("", "."))

    def _refuse(self, path: tuple[str, ...], why: str) -> None:
        self.contents.refused.append(Refusal(path, why))


def _walk(folder: Path, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Path]]:
    """All entries below a folder, links not followed, by name."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise SiteError([f"{folder}: cannot be read ({error.strerror})"]) from None
    for entry in entries:
        # A name can be any bytes; a class list holds text.
        path = (*above, os.fsencode(entry.name).decode("utf-8", "backslashreplace"))
        yield path, entry
        if not _is_junk(path) and stat.S_ISDIR(_mode(entry)):
            yield from _walk(entry, path)


def _mode(entry: Path) -> int:
    try:
        return entry.lstat().st_mode
    except OSError:
        return 0  # gone since it was listed: no regular file


def _is_junk(path: tuple[str, ...]) -> bool:
    """What systems and Jupyter leave behind, and nobody handed in."""
    return any(part in _JUNK or part.startswith("._") for part in path)


def _require_plain(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise _Refused(_kind(mode))
    if entry.flag_bits & 0x1:
        raise _Refused("is encrypted")
    if entry.compress_type not in _PACKED:
        raise _Refused("uses a compression method that is not supported")


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "is a link, not a file"
    return "is a pipe or a device, not a file"


def _decoded(entry: zipfile.ZipInfo) -> str:
    """The entry's name. Many programs write UTF-8 without saying so; zipfile reads that as code page 437."""
    name = entry.orig_filename
    if entry.flag_bits & 0x800:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _overlapping(archive: zipfile.ZipFile) -> set[int]:
    """The offsets of entries that share bytes with another one: a bomb's way to have much in little."""
    entries = sorted(archive.infolist(), key=lambda entry: (entry.header_offset, entry.compress_size))
    overlapping: set[int] = set()
    end, owner = -(2**64), -1
    for entry in entries:
        if entry.header_offset < end:
            overlapping |= {owner, entry.header_offset}
        last = entry.header_offset + _LOCAL_HEADER + entry.compress_size
        if last > end:
            end, owner = last, entry.header_offset
    return overlapping


def _require_small_directory(file: Path, limit: int) -> None:
    """zipfile makes an object of every entry before the first can be refused: a long list alone would fill memory."""
    with file.open("rb") as archive:
        size = archive.seek(0, os.SEEK_END)
        archive.seek(max(0, size - 2**16 - _END_OF_DIRECTORY.size))
        tail = archive.read()
    # At the very end first, and else the last one in the tail: as zipfile looks for it.
    for start in (len(tail) - _END_OF_DIRECTORY.size, tail.rfind(b"PK\5\6")):
        if start >= 0 and tail[start : start + 4] == b"PK\5\6" and len(tail) - start >= _END_OF_DIRECTORY.size:
            if _END_OF_DIRECTORY.unpack_from(tail, start)[5] > limit:
                raise _Refused("lists too many entries")
            # Where there is one, zipfile believes it and not the record after it.
            if tail[max(0, start - _LOCATOR_64) : start].startswith(b"PK\6\7"):
                raise _Refused("is a zip of the kind for huge archives (zip64)")
            return


def _size(count: int) -> str:
    return f"{count / 2**20:.3g} MB" if count < 2**30 else f"{count / 2**30:.3g} GB"


def _lower(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        text = os.strerror(error.errno) if error.errno in errno.errorcode else text
    return text[:1].lower() + text[1:200]
