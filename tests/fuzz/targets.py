"""What is fuzzed: all that the trusted side reads of others' making, each with the errors that it documents."""

from __future__ import annotations

import functools
import io
import re
import socket
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import torch
from fuzz.attempts import Target
from fuzz.mutators import MAX_BYTES, damaged_bytes, damaged_json, damaged_lines, damaged_notebook
from notebooks import MINI
from sites.downloads import (
    brightspace_download,
    brightspace_gradebook,
    canvas_download,
    canvas_gradebook,
    moodle_download,
    moodle_worksheet,
    people_file,
)

from grader.assignment.assignment import Assignment, load_assignment
from grader.assignment.locating import locate
from grader.assignment.notebook import UnreadableNotebook, parse_notebook
from grader.inside import frames, wire
from grader.marks import scorefile
from grader.results.classlist import ClassList, HandIn, Site, SiteError
from grader.rubric.compare import show
from grader.sites.archive import Limits
from grader.sites.gradefiles import GradeFile, Wanted, brightspace, canvas, moodle
from grader.sites.grades import Grade
from grader.sites.importing import import_download
from grader.sites.tables import read_people, read_table, write_table

ROOT = Path(__file__).resolve().parents[2]

# Notebooks


@functools.cache
def assignments() -> tuple[Assignment, ...]:
    return (load_assignment(MINI), *(load_assignment(ROOT / "rubrics" / name) for name in ("statistics1", "dl1")))


@functools.cache
def notebooks() -> list[bytes]:
    paths = [*sorted((ROOT / "submissions").glob("*/*.ipynb")), MINI / "reference.ipynb"]
    # Those of dl1 are long: most inputs come from the others.
    return [path.read_bytes() for path in paths for _ in range(1 if path.parent.name == "dl1" else 5)]


def read_notebook(data: bytes) -> None:
    notebook = parse_notebook(data)
    for cell in notebook.cells:
        cell.source.encode()
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    sources = "".join(cell.source for cell in notebook.cells)
    # The assignment that it is most likely of: to locate all in each would take three times as long.
    assignment = assignments()[1 if "1.1.a" in sources else 2 if "torch" in sources else 0]
    answers = locate(notebook, assignment.questions)
    assert answers.keys() == {question.id for question in assignment.questions}
    for question in assignment.questions:
        answer = answers[question.id]
        assert all(0 <= index < len(notebook.cells) for index in answer.cells)
        assert bool(answer.cells) == bool(answer.found_by)


# The wire


def read_message(data: bytes) -> None:
    """As an answer that a probe sent: first the frame, then the value in it, which is then shown."""
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        try:
            there.send(data[:MAX_BYTES])
        except BlockingIOError:
            return
        there.close()
        message = frames.receive(here)
    value = message.get("value") if isinstance(message, dict) else message
    if isinstance(value, bytes):
        read_value(value)


def read_value(data: bytes) -> None:
    value = wire.unpack(data, lambda number, name: (number, name))
    with warnings.catch_warnings():
        # NumPy warns of numbers that have no value in another type, which hostile ones need not have.
        warnings.simplefilter("ignore")
        shown = show(value)
    assert len(shown) < 1_000


def read_wire(data: bytes) -> None:
    """A byte in front says which."""
    (read_message if data[:1] == b"m" else read_value)(data[1:])


@functools.cache
def values() -> list[bytes]:
    plain: list[Any] = [
        None,
        [1, 2.5, "three", b"4", True],
        {"a": (1, {2, 3}), (1, 2): frozenset({5}), "nested": [[[[]]]]},
        10**300,
        1 - 2j,
        torch.float32,
        torch.arange(6.0).reshape(2, 3),
        torch.zeros(0, 3, dtype=torch.bool),
        torch.ones(2, dtype=torch.bfloat16, requires_grad=True),
        np.arange(6, dtype=">i4").reshape(3, 2),
        np.array(["ab", "c"]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.float16(1.5),
        np.array([True, False]),
        [torch.ones(3), np.ones(3), {"loss": [0.5] * 20}],
    ]
    return [wire.pack(value) for value in plain] + [wire.pack([print, len], lambda value: (1, value.__name__))]


def damaged_wire(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A value that is damaged as bytes or as a tree, or that is drawn; by itself, or in a message."""
    kind = random.randrange(10)
    if kind < 3:
        data = damaged_bytes(random, random.choice(seeds), seeds)
    elif kind < 9:
        tree = msgspec.msgpack.decode(random.choice(seeds))
        if kind > 5:
            tree = with_odd_shapes(random, tree)
        if kind < 8:
            tree = damaged_json(random, tree)
        data = packed(tree)
    else:
        data = random.randbytes(random.choice((0, 1, 4, 40, 400)))
    if random.random() < 0.5:
        return b"v" + data
    body = msgspec.msgpack.encode({"ok": True, "value": data})
    if random.random() < 0.3:
        body = damaged_bytes(random, body, seeds)
    size = len(body) if random.random() < 0.9 else random.choice((0, 1, len(body) - 1 & 0xFFFF, 2**31, 2**32 - 1))
    return b"m" + frames.HEADER.pack(size) + body


_SIZES = (0, 0, 1, 2, 3, 6, -1, 2**16, 2**31, 2**40, 2**62, 2**63, 1.0, None, True)
_DTYPES = (
    "bool",
    "float32",
    "complex128",
    "<f8",
    ">U2",
    "|S0",
    "<U1",
    "|V8",
    "|O",
    "<M8[s]",
    "<m8",
    "|b1",
    "<U999999",
    "x",
    7,
)


def with_odd_shapes(random: Random, tree: Any) -> Any:
    """Arrays in it get other dtypes, shapes and contents."""
    if not isinstance(tree, list):
        return tree
    if len(tree) >= 4 and tree[0] in ("array", "scalar", "tensor"):
        shape = random.choices(_SIZES, k=random.choice((0, 1, 2, 3, 33)))
        content = random.choice((tree[3], b"", b"\xff" * 8, random.randbytes(24)))
        return [tree[0], random.choice((tree[1], *_DTYPES)), shape, content, *tree[4:]]
    return [with_odd_shapes(random, item) for item in tree]


def packed(tree: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(tree)
    except (UnicodeEncodeError, OverflowError, RecursionError):
        # Python's int and str hold more than MessagePack does.
        return msgspec.msgpack.encode(_packable(tree))


def _packable(tree: Any, depth: int = 0) -> Any:
    if depth > 400:
        return None
    if isinstance(tree, list):
        return [_packable(item, depth + 1) for item in tree]
    if isinstance(tree, dict):
        return {_packable(key): _packable(value, depth + 1) for key, value in tree.items()}
    if isinstance(tree, str):
        return tree.encode(errors="replace").decode()
    return tree if not isinstance(tree, int) or -(2**63) <= tree < 2**64 else 2**63


# Score files


@functools.cache
def score_files() -> list[bytes]:
    file = scorefile.ScoreFile(
        title="Assignment 1",
        summary="You have 2.5 out of a maximum of 4 points.",
        names="Ann Example, Bob Example",
        group="17",
        points={"1.1.a": 1.0, "1.1.b": None, "1.2.a": 1.5},
        reasons={"1.1.a": "The check took the wrong cell."},
        comments={"1.2.a": "  Not quite:\nsee `x: y` # above\n", "1.1.b": 'A "quoted" one'},
        made_from=scorefile.MadeFrom(
            submission="ann", changes=3, questions={"1.1.a": scorefile.Origin(answer="0123456789ab", points=1.0)}
        ),
    )
    text = scorefile.write(file, {"1.1.a": 1, "1.1.b": 1, "1.2.a": 2}, {"1.1.b": "Mark this: 0 to 1"})
    yaml = (
        "Score for X: {a: [b, &c d, *c], ? e : !!python/object:os.system f, <<: *c}\nScore per question: {1.1 a: 1}\n"
    )
    return [text.encode(), text.encode(), b"Score for X:\nScore per question:\n  1.1 a: 1\n", yaml.encode()]


def read_score_file(data: bytes) -> None:
    """What was read says the same when it is written and read again."""
    file, lines = scorefile.read(data)
    assert lines.points.keys() == file.points.keys()
    again, _ = scorefile.read(scorefile.write(file, {}, {}).encode())
    assert again == file


# Downloads

_SITES: tuple[Site, ...] = ("brightspace", "canvas", "moodle")
_LIMITS = Limits(file_bytes=2 * 2**20, total_bytes=8 * 2**20, entries=500, nested_bytes=4 * 2**20, nested_entries=100)


def written(write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return path.read_bytes()


@functools.cache
def downloads() -> list[bytes]:
    flat = functools.partial(moodle_download, flat=True)
    return [written(write) for write in (brightspace_download, canvas_download, moodle_download, flat)]


_NAMES = (
    "../x",
    "/x",
    "C:\\x",
    "a/../../b",
    "\0",
    "a\\b.ipynb",
    "",
    ".",
    "x" * 3_000,
    "a/" * 400 + "b.ipynb",
    "con.ipynb",
    "\u202egnp.ipynb",
    "__MACOSX/._a.ipynb",
    "39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/index.html",
    "\ud800.ipynb",
    "e\u0301.ipynb",
)


def damaged_download(random: Random, seeds: Sequence[bytes]) -> bytes:
    """The zip's bytes, mostly those of its lists; or another zip, of the same entries under odd names."""
    data = random.choice(seeds)
    if random.random() < 0.5:
        at = data.rfind(b"PK\5\6") if random.random() < 0.5 else random.randrange(len(data))
        start = max(0, at - 3_000)
        return data[:start] + damaged_bytes(random, data[start:][:MAX_BYTES], seeds)
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as changed:
        entries = random.sample(archive.infolist(), k=min(6, len(archive.infolist())))
        for entry in entries * random.choice((1, 1, 2)):
            if entry.file_size > MAX_BYTES:
                continue
            name = random.choice(
                (entry.filename, entry.filename, random.choice(_NAMES), entry.filename + random.choice(_NAMES))
            )
            inside = archive.read(entry)
            if random.random() < 0.3:
                inside = damaged_bytes(random, inside, seeds)
            new = zipfile.ZipInfo(name.encode(errors="replace").decode() or "x")
            new.compress_type = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
            new.external_attr = random.choice((0, 0, 0o100644, 0o120777, 0o010644, 0o040755)) << 16
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a name that is there twice
                changed.writestr(new, inside)
    return content.getvalue()


def read_download(data: bytes) -> None:
    """Nothing comes out but what is in the class list, and what is kept."""
    with tempfile.TemporaryDirectory() as folder:
        download, into = Path(folder) / "HW.zip", Path(folder) / "in" / "submissions"
        download.write_bytes(data)
        site = _SITES[len(data) % 3] if b"assignsubmission" not in data else "moodle"
        if b"39786-" in data:
            site = "brightspace"
        done = import_download(site, download, into, assignment=assignments()[0], limits=_LIMITS)
        assert {path.name for path in Path(folder).iterdir()} == {"HW.zip", "in"}
        assert {path.name for path in into.parent.iterdir()} == {"submissions"}
        known = {hand_in.notebook for hand_in in done.classlist.hand_ins if hand_in.notebook}
        assert {path.name for path in into.iterdir()} - known <= {"class.json", "kept"}


# Grade books


@functools.cache
def grade_books() -> list[bytes]:
    return [written(write) for write in (brightspace_gradebook, canvas_gradebook, moodle_worksheet, people_file)]


@functools.cache
def graded() -> tuple[ClassList, list[Grade]]:
    hand_ins = [
        HandIn(
            submission=f"s-{user}",
            notebook=None,
            person=name,
            ids={"user": user, "username": name[0], "participant": user},
        )
        for user, name in (("640693", "Jane Smith"), ("640694", "Ravi Patel"), ("640702", "Zoë Łuczak"))
    ]
    return ClassList(site="moodle", assignment="Homework 1", hand_ins=hand_ins), [
        Grade(hand_in, points) for hand_in, points in zip(hand_ins, (5.5, None, 0.1 + 0.2), strict=True)
    ]


def damaged_grade_book(random: Random, seeds: Sequence[bytes]) -> bytes:
    data = damaged_lines(random, seeds)
    if random.random() < 0.5:
        numbers = (
            b"1e999999999",
            b"-0",
            b"1e-999999999",
            b"nan",
            b"5,5",
            b"9" * 400,
            "٣".encode(),
            b"1_0",
            b"infinity",
        )
        data = re.sub(rb"5\.50?|6406\d\d", lambda match: random.choice((match[0], *numbers)), data)
    return data


def read_grade_book(data: bytes) -> None:
    """No file is written in which a spreadsheet would run what others wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grades.csv"
        path.write_bytes(data)
        table = read_table(path)
        assert all(len(row) == len(table.header) for row in table.rows)
        classlist, grades = graded()
        people = {}
        if table.column("submission") is not None:
            people = read_people(path)
        wanted = Wanted(classlist, grades, 5.5, path, "", people)
        writers: tuple[Callable[[Wanted], GradeFile], ...] = (brightspace, canvas, moodle)
        refused = []
        for write in writers:
            try:
                file = write(wanted)
            except SiteError as error:
                refused.append(error)
                continue
            write_table(file.rows)
            assert all(grade in grades for grade in file.matched.grades.values())
        if len(refused) == len(writers):
            raise refused[0]


TARGETS = (
    Target("notebook", ".ipynb", notebooks, damaged_notebook, read_notebook, (UnreadableNotebook,)),
    Target("wire", ".wire", values, damaged_wire, read_wire, (wire.WireError, frames.ConnectionLost)),
    Target("scorefile", ".yaml", score_files, damaged_lines, read_score_file, (scorefile.ScoreFileError,)),
    Target("download", ".zip", downloads, damaged_download, read_download, (SiteError,)),
    Target("gradebook", ".csv", grade_books, damaged_grade_book, read_grade_book, (SiteError,)),
)
