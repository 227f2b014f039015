"""Where an answer stands: the lines of cells in a file, however it was written, and paths in a repository."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from notebooks import code_notebook
from students.formats.reports import every_status

from grader.students.formats.place import Places, cell_lines, repository_path

CELLS = [{"cell_type": "code", "source": ["first\n", "second"]}, {"source": "one", "metadata": {"cells": [1]}}, {}]


def written(indent: int | None, **more: object) -> bytes:
    return json.dumps({"metadata": {"source": "x", "cells": []}, "cells": CELLS, **more}, indent=indent).encode()


def line_of(content: bytes, words: str) -> int:
    (number,) = (i for i, line in enumerate(content.decode().splitlines(), start=1) if words in line)
    return number


def test_a_source_begins_on_the_line_of_its_first_words() -> None:
    content = written(indent=1)
    assert cell_lines(content)[:2] == [line_of(content, '"first\\n"'), line_of(content, '"source": "one"')]


def test_a_cell_without_source_is_where_it_begins() -> None:
    content = written(indent=1)
    assert cell_lines(content)[2] == line_of(content, "{}")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + written(1), id="byte order mark"),
        pytest.param(written(1).decode().encode("utf-16"), id="UTF-16"),
        pytest.param(written(1).replace(b"\n", b"\r\n"), id="line ends of Windows"),
        pytest.param(b'{"cells": [{"source": "other"}],' + written(1)[1:], id="cells given twice"),
        pytest.param(written(1, after={"cells": [{"source": 1}]}), id="cells further down"),
    ],
)
def test_however_it_was_written_the_lines_are_the_same(content: bytes) -> None:
    assert cell_lines(content) == cell_lines(written(1))


def test_a_file_of_one_line_has_all_on_the_first() -> None:
    assert cell_lines(written(None)) == [1, 1, 1]


@pytest.mark.parametrize("content", [b"{}", b"[]", b'"x"', b'{"cells": 1}', b'{"cells": {}}', b'{"cells": []}'])
def test_what_has_no_cells_has_no_lines(content: bytes) -> None:
    assert cell_lines(content) == []


@pytest.mark.parametrize("content", [b'{"cells": [', b'{"cells" 1}', b'{"a', b"{1}", b"\xff", b'{"cells": [x]}'])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        cell_lines(content)


def test_the_lines_are_those_of_what_jupyter_writes(tmp_path: Path) -> None:
    notebook = code_notebook("a = 1", "b = 2\nc = 3", "", "d = 4")
    nbformat.write(notebook, tmp_path / "a.ipynb")
    content = (tmp_path / "a.ipynb").read_bytes()
    lines = cell_lines(content)
    assert [lines[0], lines[1], lines[3]] == [line_of(content, words) for words in ("a = 1", "b = 2", "d = 4")]


@pytest.mark.parametrize("content", [None, "no notebook", "[" * 100_000], ids=["gone", "changed", "deep"])
def test_a_file_that_has_changed_meanwhile_has_its_answers_at_its_beginning(
    tmp_path: Path, content: str | None
) -> None:
    report = every_status()
    report.notebook = str(tmp_path / "a.ipynb")
    if content is not None:
        (tmp_path / "a.ipynb").write_text(content)
    places = Places(report)
    assert [places.line(cells) for cells in ([3], [], [10_000])] == [1, 1, 1]


def test_a_path_begins_at_the_root_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "repository" / "week 1"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    monkeypatch.chdir(folder)
    assert repository_path(Path("hand-in.ipynb")) == "week 1/hand-in.ipynb"


def test_outside_of_a_repository_a_path_begins_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert repository_path(tmp_path / "a" / "b.ipynb") == "a/b.ipynb"
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert repository_path(tmp_path / "b.ipynb") == "b.ipynb"
