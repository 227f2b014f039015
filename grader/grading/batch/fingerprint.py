"""Fingerprints: what a result follows from, and whether it still does."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import msgspec

import grader
from grader.assignment.assignment import Assignment, Question

SHOWN_ONLY = ("title", "criteria", "items")
"""What of a question only readers see: a change of it makes new reports, not new grades."""
NOT_GRADING = {
    *("cli", "desk", "marks", "report", "sites", "slicing", "students", "validation", "faults.py", "light.py"),
    *("execution/waiting.py", "grading/batch", "grading/workers.py"),
    *("results/classlist.py", "results/database.py", "results/decisions.py", "results/earlier.py"),
    "results/history.py",
    *("results/items.py", "results/rows.py", "results/teamwork.py"),
    *("results/journal.py", "results/names.py"),
}
"""Parts of this package that no grade depends on."""


class Fingerprints:
    """Those of one assignment on this machine, as it is now."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.rubric = _digest([*_rubric(assignment), *_reference(assignment), environment()])
        """All that the grade of a notebook follows from, but the notebook and the seed."""

    @cached_property
    def pages(self) -> str:
        """All that a report follows from, but the result and the decisions, of which a result says which are in it.

        Workers, who only compare, never need it.
        """
        return _digest(_pages(self.assignment))

    def of_result(self, content: bytes) -> str:
        """Of the result of a notebook's file."""
        return _digest([self.rubric, hashlib.sha256(content).hexdigest()])


@lru_cache(maxsize=1)
def environment() -> str:
    """Of the interpreter, all installed packages, and the parts of this one that grade."""
    packages = {installed for folder in sys.path for installed in _installed(folder)}
    package = Path(grader.__file__).parent
    paths = [path.relative_to(package) for path in sorted(package.rglob("*.py"))]
    code = [
        f"{path} {_code(package / path)}"
        for path in paths
        if NOT_GRADING.isdisjoint(str(part) for part in (path, *path.parents))
    ]
    return _digest([platform.python_version(), platform.machine(), *sorted(packages), *code])


def _installed(folder: str) -> Iterator[str]:
    """The packages in a folder, with versions: as their folders are called, since reading them all takes long."""
    with contextlib.suppress(OSError):
        for path in Path(folder).iterdir():
            if path.suffix == ".dist-info":
                yield path.stem
            elif path.suffix == ".egg-info":
                distribution = importlib.metadata.Distribution.at(path)
                yield f"{distribution.metadata['Name']}-{distribution.version}"


def _rubric(assignment: Assignment) -> Iterator[str]:
    yield assignment.title  # part of every result
    yield assignment.hidden_feedback
    yield from assignment.preload
    yield repr(msgspec.structs.asdict(assignment.limits))
    for question in assignment.questions:
        yield repr(_graded_part(question))
    for path in rubric_files(assignment.folder):
        if path.name != "rubric.toml":
            yield f"{path.relative_to(assignment.folder)} {_code(path)}"


def _graded_part(question: Question) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(question).items() if name not in SHOWN_ONLY}


def rubric_files(folder: Path) -> list[Path]:
    """The files that grading with a rubric can read: not the answers that the rubric itself is tried with."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
        and path.relative_to(folder).parts[0] != "mutants"
    )


def _code(path: Path) -> str:
    """Of a file; of Python code, only what it says, so that a comment more or less makes no difference.

    What was imported once is compiled already, beside it: to parse it again would take half a second for this package.
    """
    if path.suffix == ".py":
        try:
            compiled = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
        except (SyntaxError, ValueError):
            compiled = None
        if compiled is not None:
            return hashlib.sha256(repr(_said(compiled)).encode(errors="surrogatepass")).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _said(code: CodeType) -> list[Any]:
    """All of compiled code but the numbers of its lines."""
    return [
        *(code.co_name, code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        *(code.co_exceptiontable.hex(), *map(_constant, code.co_consts)),
    ]


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _said(value)
    if isinstance(value, frozenset):
        # In another order in each process.
        return sorted(repr(_constant(each)) for each in value)
    return [_constant(each) for each in value] if isinstance(value, tuple) else repr(value)


def _reference(assignment: Assignment) -> Iterator[str]:
    """Of the reference's cells: their outputs, counts and ids are new whenever it is saved."""
    content = assignment.reference.read_bytes()
    try:
        for cell in json.loads(content)["cells"]:
            yield json.dumps([cell["cell_type"], cell["source"], cell["metadata"].get("tags", [])])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        yield hashlib.sha256(content).hexdigest()


def _pages(assignment: Assignment) -> Iterator[str]:
    for question in assignment.questions:
        yield from (question.title, question.criteria)
    report = Path(grader.__file__).with_name("report")
    for path in sorted(report.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{path.relative_to(report)} {_code(path)}"


def _digest(parts: Iterable[str]) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(f"{len(part)}:".encode())
        state.update(part.encode(errors="surrogatepass"))
    return state.hexdigest()
