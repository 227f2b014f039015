"""Bringing in a download grows linearly with what is in it, also where all of it has one name."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

import pytest
from growth import grows_linearly
from sites.downloads import notebook_bytes

from grader.results.classlist import HandIn
from grader.sites.handins import Person
from grader.sites.importing import import_download
from grader.sites.known import find_known

NOTEBOOK = notebook_bytes()
SAM = "1-7 - Sam Lee - Oct 11, 2025 1000 AM/"
Files = Iterable[tuple[str, bytes]]


def packed(files: Files) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data)
    return content.getvalue()


def notebooks(names: Iterable[str]) -> bytes:
    return packed((name, NOTEBOOK + b" " * number) for number, name in enumerate(names))


DOWNLOADS: dict[str, Callable[[int], Files]] = {
    "a zip of small notebooks": lambda n: [(f"{SAM}hw.zip", notebooks(f"d/{i}.ipynb" for i in range(n)))],
    "a zip of the same notebook": lambda n: [(f"{SAM}hw.zip", packed((f"d/{i}.ipynb", NOTEBOOK) for i in range(n)))],
    "a zip of notebooks of one name": lambda n: [(f"{SAM}hw.zip", notebooks(["a.ipynb"] * n))],
    "files whose names are cut to one": lambda n: [(f"{SAM}{'x' * 200}{i}.csv", b"%d" % i) for i in range(n)],
    "people of one name": lambda n: [(f"{i}-7 - Sam Lee - Oct 11, 2025 1000 AM/hw.ipynb", NOTEBOOK) for i in range(n)],
    "hand-ins of one person": lambda n: [
        (f"1-7 - Sam Lee - Oct 11, 2025 {i // 60 + 1}{i % 60:02} AM/hw.ipynb", NOTEBOOK) for i in range(n)
    ],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", DOWNLOADS.values(), ids=DOWNLOADS.keys())
def test_an_import_grows_linearly(make: Callable[[int], Files], tmp_path: Path) -> None:
    numbers = itertools.count()

    def take(download: Path) -> None:
        import_download("brightspace", download, tmp_path / f"out-{next(numbers)}")

    def saved(size: int) -> Path:
        path = tmp_path / f"{next(numbers)}.zip"
        path.write_bytes(packed(make(size)))
        return path

    # Of at most so many notebooks in one hand-in, all are read to choose between them.
    assert grows_linearly(take, saved, 60)


IDS: dict[str, Callable[[int], dict[str, str]]] = {
    "participants": lambda i: {"participant": str(i)},
    "users": lambda i: {"user": str(i)},
    "user names": lambda i: {"username": f"user{i}", "numbers": f"{i}-7"},
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS.keys())
def test_to_know_people_again_grows_linearly_also_where_they_have_no_name(ids: Callable[[int], dict[str, str]]) -> None:
    def make(size: int) -> tuple[list[Person], list[HandIn]]:
        people = [Person("", ids(i), []) for i in range(size)]
        return people, [HandIn(submission=f"s{i}", notebook=None, person="", ids=ids(i)) for i in reversed(range(size))]

    def look(given: tuple[list[Person], list[HandIn]]) -> None:
        people, old = given[0], list(given[1])
        found = find_known(people, old)
        assert [hand_in and hand_in.submission for _, hand_in in found] == [f"s{i}" for i in range(len(people))]
        assert old == []

    assert grows_linearly(look, make, 100)


def test_files_of_one_name_are_kept_once_each(tmp_path: Path) -> None:
    beside = [(f"{SAM}{'x' * 200}{i}.csv", b"%d" % (i % 5)) for i in range(10)]
    (tmp_path / "download.zip").write_bytes(packed([(f"{SAM}hw.ipynb", NOTEBOOK), *beside]))
    for _ in range(2):
        import_download("brightspace", tmp_path / "download.zip", tmp_path / "out")
        kept = sorted(path.read_bytes() for path in (tmp_path / "out" / "kept").rglob("*.csv"))
        assert kept == [b"0", b"1", b"2", b"3", b"4"]
