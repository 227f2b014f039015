"""The bundle: one file beside the student's notebook, which holds all that a check needs, and no solution."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

import grader
from grader.assignment.assignment import Assignment, Check, Limits, Question
from grader.assignment.notebook import UnreadableNotebook, read_file
from grader.execution.seeds import OpenSeed
from grader.faults import Faults, shown
from grader.students.bundle.record import Record

SUFFIX = ".checks"
FORMAT = 1
MAX_BYTES = 256 * 2**20
"""Of all that is in a bundle."""
CHECK_FILE = re.compile(r"checks/(?:\w+/)*\w+\.py", re.ASCII)
METADATA = "grader"
"""The key in a released notebook's metadata, under which `assignment` says what it is of."""
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Of every file in a bundle: the same rubric makes the same bytes."""


class BundleError(Faults):
    """The checks cannot be found, or cannot be used."""


class Hidden(msgspec.Struct, frozen=True):
    """The checks of a question that run only after the deadline."""

    checks: int
    points: float


class Contents(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`bundle.json`."""

    format: int = FORMAT
    grader_version: str
    name: str
    title: str
    preload: tuple[str, ...]
    limits: Limits
    questions: tuple[Question, ...]
    """Without their criteria and items, which say what is right."""
    checks: tuple[Check, ...]
    hidden: dict[str, Hidden]
    """By question; one without hidden checks is not in it."""
    seed: int
    seeds_apart: bool = False
    """Whether the reference, when it was recorded, drew from other seeds than the checks, as a grading has it."""
    stubs: dict[str, tuple[str, ...]]
    """By question: what stands in the place of its answer (`grader.students.bundle.stubs`)."""


class Bundle(msgspec.Struct, kw_only=True):
    """A bundle as opened: `assignment` is that of its public checks, and has no reference."""

    path: Path
    contents: Contents
    assignment: Assignment
    record: Record

    @property
    def checks(self) -> tuple[Check, ...]:
        return self.contents.checks

    @property
    def hidden(self) -> Mapping[str, Hidden]:
        return self.contents.hidden

    @property
    def seed(self) -> int:
        return self.contents.seed if self.contents.seeds_apart else OpenSeed(self.contents.seed)


def encode(contents: Contents, checks: Mapping[str, str], record: Record) -> bytes:
    """A bundle's bytes; `checks` are the sources of its check files by their paths."""
    files = {
        "bundle.json": msgspec.json.format(msgspec.json.encode(contents), indent=1),
        "record.msgpack": msgspec.msgpack.encode(record),
        **{f"checks/{path}": source.encode() for path, source in checks.items()},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@contextlib.contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """The bundle in the file `path`. Its checks are in a folder of their own meanwhile. Raises BundleError."""
    files = _read(path)
    try:
        head = msgspec.json.decode(files.pop("bundle.json"))
        _require_known_format(path, head)
        contents = msgspec.convert(head, Contents)
        record = msgspec.msgpack.decode(files.pop("record.msgpack"), type=Record)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    with tempfile.TemporaryDirectory(prefix="grader-checks-") as name:
        folder = Path(name).resolve()
        for file, content in files.items():
            target = folder / PurePosixPath(file).relative_to("checks")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        assignment = Assignment(
            name=contents.name,
            folder=folder,
            title=contents.title,
            reference=folder / "not-here",
            preload=contents.preload,
            limits=contents.limits,
            questions=contents.questions,
        )
        yield Bundle(path=path, contents=contents, assignment=assignment, record=record)


def find_bundle(notebook: Path, assignment: str = "") -> Path:
    """The bundle beside a notebook: that of `assignment`, where the notebook says of which it is.

    Raises BundleError.
    """
    folder = notebook.parent
    if not folder.is_dir():
        raise BundleError([f"{shown(notebook)}: there is no such file: check the name and the folder"])
    found = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
    named = [path for path in found if path.stem == assignment]
    if len(named or found) == 1:
        return (named or found)[0]
    if not found:
        raise BundleError(
            [
                f"{shown(folder)}: there are no checks for {notebook.name}: put the file "
                f"{assignment or '...'}{SUFFIX} that came with the assignment beside it, or name it with --bundle"
            ]
        )
    names = ", ".join(path.name for path in found)
    raise BundleError([f"{shown(folder)}: there are several files of checks ({names}): name one with --bundle"])


def bundle_for(notebook: Path) -> Path:
    """The bundle beside a notebook, whatever is in the notebook's file. Raises BundleError."""
    try:
        content = json.loads(read_file(notebook, Limits().notebook_bytes))
    except UnreadableNotebook as error:
        if not notebook.exists():
            raise BundleError([f"{shown(notebook)}: {error}"]) from None
        # What is wrong with it is told by whoever checks it.
        content = None
    except (ValueError, RecursionError, MemoryError):
        content = None
    metadata = content.get("metadata") if isinstance(content, dict) else None
    return find_bundle(notebook, assignment_of(metadata if isinstance(metadata, dict) else {}))


def assignment_of(metadata: Mapping[str, Any]) -> str:
    """The name of the assignment that a released notebook is of; empty where its metadata does not say."""
    own = metadata.get(METADATA)
    name = own.get("assignment") if isinstance(own, dict) else None
    return name if isinstance(name, str) else ""


def _read(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > MAX_BYTES:
                raise _damaged(path, "it is too large")
            wrong = [info.filename for info in infos if not _is_known(info.filename)]
            if wrong:
                raise _damaged(path, f"{wrong[0]!r} does not belong in it")
            return {info.filename: _read_bounded(archive, info) for info in infos}
    except OSError as error:
        raise BundleError([f"{shown(path)}: cannot be read ({error.strerror or error})"]) from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        raise _damaged(path, str(error)) from None


def _read_bounded(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # What the archive says of a file's size need not be so.
    with archive.open(info) as file:
        return file.read(info.file_size)


def _is_known(name: str) -> bool:
    return name in ("bundle.json", "record.msgpack") or CHECK_FILE.fullmatch(name) is not None


def _require_known_format(path: Path, head: Any) -> None:
    number = head.get("format") if isinstance(head, dict) else None
    if isinstance(number, int) and number > FORMAT:
        raise BundleError(
            [
                f"{shown(path)}: was made by grader {head.get('grader_version')}, newer than this one "
                f"({grader.__version__}): install that version"
            ]
        )


def _damaged(path: Path, why: str) -> BundleError:
    why = " ".join(why.split())[:200]
    return BundleError([f"{shown(path)}: is no file of checks, or a damaged one ({why}): fetch it again"])
