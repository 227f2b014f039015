"""Reading a submission: bad files get one clear line, and no notebook is refused for a trifle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.assignment.notebook import UnreadableNotebook, read_notebook

LIMIT = 1_000_000


def notebook(*cells: Any, **changes: Any) -> dict[str, Any]:
    """A notebook as JSON; one code cell unless `cells` are given."""
    content = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": list(cells) or [code("x = 1")]}
    return {**content, **changes}


def code(source: Any, **changes: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None, **changes}


def markdown(source: Any, **changes: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source, **changes}


def saved(folder: Path, content: Any) -> Path:
    path = folder / "submission.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def refusal(path: Path, max_bytes: int = LIMIT) -> str:
    with pytest.raises(UnreadableNotebook) as caught:
        read_notebook(path, max_bytes)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) not in message
    return message


BAD_CONTENT = {
    "empty file": (b"", "empty"),
    "only blanks": (b" \n\t\n", "empty"),
    "not JSON": (b"print('hello')", "not JSON"),
    "JSON cut off": (json.dumps(notebook()).encode()[:-20], "not JSON"),
    "not text": (b"\x80\x81\x82\xff" * 50, "UTF-8"),
    "Latin-1": ('{"nbformat": 4, "cells": ["caf\xe9"]}'.encode("latin-1"), "UTF-8"),
    "ZIP archive": (b"PK\x03\x04" + b"\0" * 30, "ZIP"),
    "PDF": (b"%PDF-1.7\n", "PDF"),
    "web page": (b"<!DOCTYPE html><html></html>", "web page"),
    "nested beyond the parser": (b"[" * 200_000, "nested"),
    "nested objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested"),
    "nested deep but parsable": (
        json.dumps(notebook(metadata={"x": json.loads("[" * 300 + "]" * 300)})).encode(),
        "nested",
    ),
    "a number of 10000 digits": (b'{"nbformat": ' + b"4" * 10_000 + b"}", "number"),
    "a list": ([1, 2], "not a notebook"),
    "a string": ("notebook", "not a notebook"),
    "null": (None, "not a notebook"),
    "another JSON file": ({"name": "package", "version": "1.0"}, "not a notebook"),
    "nbformat is text": (notebook(nbformat="4"), "not a notebook"),
    "nbformat is true": (notebook(nbformat=True), "not a notebook"),
    "no cells key": ({"nbformat": 4, "nbformat_minor": 4, "metadata": {}}, "no list of cells"),
    "cells are no list": (notebook(cells={"0": code("x")}), "no list of cells"),
    "0 cells": (notebook(cells=[]), "no cells"),
    "nbformat 3": ({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": []}]}, "nbconvert"),
    "nbformat 2": ({"nbformat": 2, "worksheets": []}, "nbconvert"),
    "nbformat 5": (notebook(nbformat=5), "newer"),
    "R kernel": (
        notebook(metadata={"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}),
        "another language (R)",
    ),
    "R kernel, name alone": (notebook(metadata={"kernelspec": {"name": "ir"}}), "another language (ir)"),
    "Julia kernel, name alone": (notebook(metadata={"kernelspec": {"name": "julia-1.10"}}), "another language"),
    "Julia by language_info": (notebook(metadata={"language_info": {"name": "julia"}}), "another language (julia)"),
}


@pytest.mark.parametrize(("content", "says"), BAD_CONTENT.values(), ids=BAD_CONTENT.keys())
def test_bad_content_is_refused_with_one_line_that_says_why(tmp_path: Path, content: Any, says: str) -> None:
    assert says in refusal(saved(tmp_path, content))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.ipynb")


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(saved(tmp_path, notebook()) / "more.ipynb")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "folder" in refusal(tmp_path)


def test_a_broken_link_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link.ipynb"
    link.symlink_to(tmp_path / "absent.ipynb")
    assert "broken link" in refusal(link)


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link.ipynb"
    link.symlink_to(link)
    assert "points back to itself" in refusal(link)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.ipynb"
    os.mkfifo(pipe)
    assert "pipe" in refusal(pipe)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    assert "device" in refusal(Path(device))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, notebook())
    path.chmod(0)
    assert "permissions" in refusal(path)


@pytest.mark.parametrize("name", ["a\0b.ipynb", "x" * 5000], ids=["NUL", "too long"])
def test_an_impossible_name_is_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be read" in refusal(tmp_path / name)


def test_a_file_over_the_limit_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.ipynb"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole: reading it would take a terabyte of memory
    message = refusal(path, 50 * 2**20)
    assert "too large" in message
    assert "50 MB" in message


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, notebook())
    size = path.stat().st_size
    assert len(read_notebook(path, size).cells) == 1
    assert "too large" in refusal(path, size - 1)


TRIFLES: dict[str, Any] = {
    "format 4.0": notebook(nbformat_minor=0),
    "format 4.5 with ids": notebook(code("x = 1", id="first"), nbformat_minor=5),
    "format 4.5 without ids": notebook(nbformat_minor=5),
    "format 4.9": notebook(nbformat_minor=9),
    "no minor version": {"nbformat": 4, "cells": [code("x = 1")]},
    "ids in 4.4": notebook(code("x = 1", id="first")),
    "id of a wrong kind": notebook(code("x = 1", id=7)),
    "id with blanks": notebook(code("x = 1", id="my cell")),
    "no outputs": notebook({"cell_type": "code", "metadata": {}, "source": "x = 1", "execution_count": 1}),
    "no execution count": notebook({"cell_type": "code", "metadata": {}, "source": "x = 1", "outputs": []}),
    "count is text": notebook(code("x = 1", execution_count="*")),
    "no cell metadata": notebook({"cell_type": "code", "source": "x = 1"}),
    "source in lines": notebook(code(["x ", "= ", "1"])),
    "unknown keys": notebook(code("x = 1", extra=1), extra={"a": 1}),
    "metadata is null": notebook(metadata=None),
    "cell metadata is a list": notebook(code("x = 1", metadata=[])),
    "invalid cell metadata": notebook(code("x = 1", metadata={"collapsed": "yes", "tags": "no list"})),
    "invalid kernelspec": notebook(metadata={"kernelspec": {"name": "python3"}}),
    "kernelspec is text": notebook(metadata={"kernelspec": "python3"}),
    "own environment": notebook(metadata={"kernelspec": {"name": "deep-learning", "display_name": "DL"}}),
    "Python by name": notebook(metadata={"kernelspec": {"name": "x", "display_name": "x", "language": "Python"}}),
    "output of unknown type": notebook(code("x = 1", outputs=[{"output_type": "hologram"}])),
    "output is text": notebook(code("x = 1", outputs=["1"])),
    "outputs are null": notebook(code("x = 1", outputs=None)),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(notebook()).encode(),
    "UTF-16": json.dumps(notebook()).encode("utf-16"),
}


@pytest.mark.parametrize("content", TRIFLES.values(), ids=TRIFLES.keys())
def test_a_trifle_is_repaired_and_the_source_kept(tmp_path: Path, content: Any) -> None:
    result = read_notebook(saved(tmp_path, content), LIMIT)
    nbformat.validate(result)
    assert [cell.source for cell in result.cells] == ["x = 1"]
    assert result.cells[0].cell_type == "code"


def test_every_cell_keeps_its_place_even_what_is_no_cell(tmp_path: Path) -> None:
    heading = {"cell_type": "heading", "level": 2, "source": "c"}
    cells = [markdown("a"), None, code("b"), heading, {"source": "d"}, "e", {}]
    result = read_notebook(saved(tmp_path, notebook(*cells)), LIMIT)
    nbformat.validate(result)
    assert [(cell.cell_type, cell.source) for cell in result.cells] == [
        ("markdown", "a"),
        ("raw", ""),
        ("code", "b"),
        ("markdown", "## c"),
        ("raw", "d"),
        ("raw", ""),
        ("raw", ""),
    ]


def test_double_ids_are_replaced_and_the_same_in_every_run(tmp_path: Path) -> None:
    path = saved(tmp_path, notebook(*(code("x", id=id) for id in ("a", "a", "cell-1", None)), nbformat_minor=5))
    ids = [cell.id for cell in read_notebook(path, LIMIT).cells]
    assert ids[0] == "a"
    assert ids[2] == "cell-1"
    assert len(set(ids)) == 4
    assert ids == [cell.id for cell in read_notebook(path, LIMIT).cells]


def test_tags_outputs_and_attachments_survive_the_repair_of_another_cell(tmp_path: Path) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "1\n"}
    content = notebook(
        code("x", metadata={"tags": ["question:1.3.a"], "collapsed": "nonsense"}, outputs=[output]),
        code("y", outputs=[{"output_type": "hologram"}]),
        markdown("![](attachment:a.png)", attachments={"a.png": {"image/png": "AAAA"}}),
        markdown("z", attachments={"a.png": 3}),
    )
    first, second, third, fourth = read_notebook(saved(tmp_path, content), LIMIT).cells
    assert first.metadata.tags == ["question:1.3.a"]
    assert first.outputs == [output]
    assert second.outputs == []
    assert third.attachments == {"a.png": {"image/png": "AAAA"}}
    assert "attachments" not in fourth


def test_half_characters_do_not_break_writing(tmp_path: Path) -> None:
    half = "\ud83d"
    content = notebook(
        code(f"x = '{half}'", outputs=[{"output_type": "stream", "name": "stdout", "text": half}]),
        markdown(["whole: \ud83d", "\ude00 é"], metadata={half: half}),
    )
    result = read_notebook(saved(tmp_path, content), LIMIT)
    nbformat.writes(result).encode()
    assert result.cells[0].source == "x = '\ufffd'"
    assert result.cells[1].source.endswith("é")


def test_a_notebook_without_code_cells_is_read(tmp_path: Path) -> None:
    result = read_notebook(saved(tmp_path, notebook(markdown("only text"))), LIMIT)
    assert [cell.cell_type for cell in result.cells] == ["markdown"]


def test_line_ends_are_made_one_kind(tmp_path: Path) -> None:
    result = read_notebook(saved(tmp_path, notebook(code("a\r\nb\rc"))), LIMIT)
    assert result.cells[0].source == "a\nb\nc"


def test_the_seed_submission_is_read_whole(shared: Path) -> None:
    path = shared / "seed" / "assignment-1-submission.ipynb"
    result = read_notebook(path, 50 * 2**20)
    nbformat.validate(result)
    given = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert [cell.source for cell in result.cells] == ["".join(cell["source"]) for cell in given]
