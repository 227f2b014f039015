"""Reading a submission: whatever file is handed in becomes a valid notebook, or one clear line that says why not."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import nbformat

MAX_DEPTH = 200
"""JSON nested deeper than this breaks parsers further on; real notebooks stay under 50."""

_MINOR = 5
_CELL_TYPES = ("code", "markdown", "raw")
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PYTHON = re.compile(r"i?python[\d.]*", re.IGNORECASE)
_OTHER_KERNELS = re.compile(
    r"(?:ir|r|julia|xcpp|xeus-(?!python)|javascript|tslab|deno|bash|octave|matlab|scala|almond|spylon|sas|stata|\.net|rust|"
    r"evcxr|gophernotes|ihaskell|ijava|java|kotlin|ocaml|ruby|iruby|sagemath|maxima|wolfram)(?:$|[\W\d_].*)",
    re.IGNORECASE,
)
_OTHER_FILES = (
    (b"PK\x03\x04", "a ZIP archive (or a Word or Excel file)"),
    (b"%PDF", "a PDF file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<", "a web page or XML file"),
)


class UnreadableNotebook(Exception):
    """The file is no notebook that can be graded; str() is one line: what is wrong, and what to do about it."""


def read_notebook(path: Path, max_bytes: int) -> nbformat.NotebookNode:
    """Read `path` as a valid notebook of format 4.5, whatever 4.x it is; UnreadableNotebook says why it can't be.

    Trifles are repaired: missing outputs, counts, metadata and ids, double ids, keys of no known
    meaning. Every cell keeps its place, every source is a string that UTF-8 can hold.
    """
    return parse_notebook(read_file(path, max_bytes))


def parse_notebook(data: bytes) -> nbformat.NotebookNode:
    """The same, of a file's content."""
    try:
        content = _parse_json(data)
        _require_readable_format(content)
        _require_python(content.get("metadata"))
        return _repaired(content)
    except RecursionError:
        raise _nested_too_deep() from None


# The file


def read_file(path: Path, max_bytes: int) -> bytes:
    """The content of a file, whatever stands at `path`. Raises UnreadableNotebook."""
    try:
        _require_regular_file(path.stat())
        # Another process can put a pipe here between the two calls: this flag keeps its opening from blocking.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _require_regular_file(status)
            if status.st_size <= max_bytes:
                data = file.read(max_bytes + 1)
                if len(data) <= max_bytes:
                    return data
    except (OSError, ValueError) as error:
        raise UnreadableNotebook(_file_fault(path, error)) from None
    size = f"{status.st_size / 2**20:.1f} MB" if status.st_size > max_bytes else "growing"
    raise UnreadableNotebook(
        f"the file is too large ({size}; the limit is {max_bytes / 2**20:.3g} MB): clear the outputs of all cells, "
        "remove embedded files, save and hand in again"
    )


def _require_regular_file(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableNotebook("this is a folder: hand in the notebook file (.ipynb) in it")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableNotebook("this is a pipe or a device, not a file: hand in the notebook file (.ipynb)")


def _file_fault(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "this link points back to itself: hand in the notebook file itself"
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return "this is a broken link, what it points to does not exist: hand in the notebook file itself"
        return "there is no such file: check the name and the folder"
    if isinstance(error, NotADirectoryError):
        return "there is no such file: a part of its path is a file, not a folder"
    if isinstance(error, PermissionError):
        return "there is no permission to read the file: change its permissions (chmod +r)"
    reason = error.strerror if isinstance(error, OSError) else error
    return f"the file cannot be read ({reason}): check that it is whole, and hand in again"


# What is in it


def _parse_json(data: bytes) -> dict[str, Any]:
    if not data.strip(b" \t\r\n\0"):
        raise UnreadableNotebook("the file is empty: save the notebook and hand in again")
    for start, what in _OTHER_FILES:
        if data.startswith(start):
            raise UnreadableNotebook(f"this is {what}, not a notebook: hand in the .ipynb file itself")
    try:
        # Windows tools write UTF-8 with a mark in front, or UTF-16: both are still the student's notebook.
        content = json.loads(data.decode(json.detect_encoding(data)))
    except UnicodeDecodeError:
        raise UnreadableNotebook("this is not a notebook (not text in UTF-8): hand in the .ipynb file itself") from None
    except json.JSONDecodeError as error:
        raise UnreadableNotebook(
            f"this is not a notebook, or a damaged one (not JSON: {error.msg}, line {error.lineno}): "
            "open it in Jupyter, save and hand in again"
        ) from None
    except ValueError:
        # Python refuses integers of thousands of digits.
        raise UnreadableNotebook("this is not a notebook (it holds a number with too many digits)") from None
    if not isinstance(content, dict):
        raise UnreadableNotebook("this is JSON, but not a notebook: hand in the .ipynb file that Jupyter saved")
    if _depth_exceeds(content, MAX_DEPTH):
        raise _nested_too_deep()
    return content


def _nested_too_deep() -> UnreadableNotebook:
    return UnreadableNotebook(
        "the file's JSON is nested too deep for a notebook: clear the outputs of all cells, save and hand in again"
    )


def _depth_exceeds(content: object, limit: int) -> bool:
    level: list[object] = [content]
    for _ in range(limit):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: object) -> Iterator[object]:
    if isinstance(node, dict):
        yield from (value for value in node.values() if isinstance(value, (dict, list)))
    elif isinstance(node, list):
        yield from (value for value in node if isinstance(value, (dict, list)))


def _require_readable_format(content: dict[str, Any]) -> None:
    major = content.get("nbformat")
    if isinstance(major, bool) or not isinstance(major, int):
        raise UnreadableNotebook(
            "this is JSON, but not a notebook (it has no nbformat): hand in the .ipynb file that Jupyter saved"
        )
    if major < 4:
        raise UnreadableNotebook(
            f"this notebook has the old format {major}: open it in Jupyter and save it, or convert it with "
            "`jupyter nbconvert --to notebook --nbformat 4 FILE`"
        )
    if major > 4:
        raise UnreadableNotebook(
            f"this notebook has the format {major}, newer than this grader reads: save it as format 4 "
            "(`jupyter nbconvert --to notebook --nbformat 4 FILE`)"
        )
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise UnreadableNotebook(
            "this is JSON, but not a notebook (it has no list of cells): hand in the .ipynb file that Jupyter saved"
        )
    if not cells:
        raise UnreadableNotebook("the notebook has no cells: check that it is the right file, save and hand in again")


def _require_python(metadata: object) -> None:
    kernel = _dict(_dict(metadata).get("kernelspec"))
    language = kernel.get("language") or _dict(_dict(metadata).get("language_info")).get("name")
    name = kernel.get("name")
    if isinstance(language, str):
        other = None if _PYTHON.fullmatch(language.strip()) else language.strip()
    else:
        # A name alone says little: students' own environments are called anything.
        other = name if isinstance(name, str) and _OTHER_KERNELS.fullmatch(name.strip()) else None
    if other:
        shown = _clean(" ".join(other.split()))[:40]
        raise UnreadableNotebook(
            f"the notebook is for another language ({shown}): choose a Python kernel (Kernel > Change kernel), "
            "run it, save and hand in again"
        )


# Repairing


def _repaired(content: dict[str, Any]) -> nbformat.NotebookNode:
    import nbformat

    if _may_hold_surrogates(content):
        content = _cleaned(content)
    cells = [_repaired_cell(cell) for cell in content["cells"]]
    _give_ids(cells)
    notebook = {"nbformat": 4, "nbformat_minor": _MINOR, "metadata": _dict(content.get("metadata")), "cells": cells}
    if not _is_valid(notebook):
        _strip(notebook)
    node: nbformat.NotebookNode = nbformat.from_dict(notebook)
    return node


def _repaired_cell(cell: object) -> dict[str, Any]:
    given = _dict(cell)
    kind = given.get("cell_type")
    source = _joined(given.get("source", given.get("input")))
    if kind == "heading":
        level = given.get("level")
        kind, source = "markdown", f"{'#' * (level if isinstance(level, int) and 0 < level < 7 else 1)} {source}"
    repaired: dict[str, Any] = {
        "cell_type": kind if kind in _CELL_TYPES else "raw",
        "metadata": _dict(given.get("metadata")),
        "source": source.replace("\r\n", "\n").replace("\r", "\n"),
        "id": given.get("id"),
    }
    if kind == "code":
        count = given.get("execution_count")
        repaired["execution_count"] = count if type(count) is int and count >= 0 else None
        outputs = given.get("outputs")
        outputs = outputs if isinstance(outputs, list) else []
        repaired["outputs"] = [output for output in outputs if isinstance(output, dict)]
    elif isinstance(given.get("attachments"), dict):
        repaired["attachments"] = given["attachments"]
    return repaired


def _give_ids(cells: list[dict[str, Any]]) -> None:
    """Keep each id the first time that it comes; make the others from the cell's place, the same in every run."""
    used: set[str] = set()
    for cell in cells:
        id = cell["id"]
        if not (isinstance(id, str) and _CELL_ID.fullmatch(id)) or id in used:
            cell["id"] = None
        else:
            used.add(id)
    for index, cell in enumerate(cells):
        if cell["id"] is None:
            id = f"cell-{index}"
            while id in used:
                id += "-x"
            used.add(id)
            cell["id"] = id


def _strip(notebook: dict[str, Any]) -> None:
    """Drop what Jupyter's schema refuses and grading doesn't need; sources and tags always stay."""
    metadata = notebook["metadata"]
    kernel, language = _dict(metadata.get("kernelspec")), _dict(metadata.get("language_info"))
    notebook["metadata"] = {}
    if all(isinstance(kernel.get(key), str) for key in ("name", "display_name")):
        notebook["metadata"]["kernelspec"] = {key: value for key, value in kernel.items() if isinstance(value, str)}
    if isinstance(language.get("name"), str):
        notebook["metadata"]["language_info"] = {"name": language["name"]}
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags")
        tags = tags if isinstance(tags, list) else []
        tags = list(dict.fromkeys(tag for tag in tags if isinstance(tag, str) and tag and "," not in tag))
        cell["metadata"] = {"tags": tags} if tags else {}
        if not _is_valid({**notebook, "cells": [cell]}):
            if "outputs" in cell:
                cell["outputs"] = [
                    output
                    for output in cell["outputs"]
                    if _is_valid({**notebook, "cells": [{**cell, "outputs": [output]}]})
                ]
            attachments = {
                name: bundle
                for name, bundle in cell.pop("attachments", {}).items()
                if _is_valid({**notebook, "cells": [{**cell, "attachments": {name: bundle}}]})
            }
            if attachments:
                cell["attachments"] = attachments


def _is_valid(notebook: dict[str, Any]) -> bool:
    from nbformat import ValidationError
    from nbformat.validator import get_validator

    try:
        # Not by nbformat.validate, which looks for the best words for a fault: that takes a hundred times as long.
        get_validator(4, _MINOR, name="fastjsonschema").validate(notebook)
    except ValidationError:
        return False
    return True


def _may_hold_surrogates(content: dict[str, Any]) -> bool:
    try:
        json.dumps(content, ensure_ascii=False, check_circular=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _cleaned(item) for key, item in value.items()}
    return value


def _clean(text: str) -> str:
    """Half characters (`\\ud83d` without its other half) can't be written as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _joined(source: object) -> str:
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
