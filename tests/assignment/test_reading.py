"""Reading a submission and locating its answers grows linearly with it, and ends whatever it is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from growth import grows_linearly
from notebooks import MINI, mini_notebook

import grader.assignment.reading
from grader.assignment.assignment import Limits, load_assignment
from grader.assignment.locating import is_answered, locate
from grader.assignment.notebook import UnreadableNotebook, parse_notebook
from grader.assignment.reading import end_reader, read_submission
from grader.grading.submission import Grader

QUESTIONS = load_assignment(MINI).questions
DOUBLE = "def double(x):\n    return 2 * x"


def content(*cells: dict[str, Any]) -> bytes:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()


def markdown(source: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source, **more}


def code(source: str, *outputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "code", "metadata": {}, "source": source, "outputs": outputs, "execution_count": None, **more
    }  # fmt: skip


PRINTED = {"output_type": "stream", "name": "stdout", "text": "1\n"}
HOLOGRAM = {"output_type": "hologram"}
LABEL = "**(a)** (1 point)\n"

GROWING: dict[str, Callable[[int], bytes]] = {
    "labels whose bold print never ends": lambda n: content(markdown("**(a) x\n" * n)),
    "labels in one cell": lambda n: content(markdown(LABEL * n), code("x = 1")),
    "labels in one cell, with many cells below": lambda n: content(markdown(LABEL * n), *[code("x = 1")] * n),
    "labels in one cell, with many definitions below": lambda n: content(markdown(LABEL * n), code("double = 1\n" * n)),
    "labels above a heading": lambda n: content(
        markdown("## 1.1\n" + LABEL * n), markdown("# Notes"), *[code("x = 1")] * n
    ),
    "a student's own letters": lambda n: content(markdown("## 1.1\n**b)** y\n**a)** x\n" * n), *[markdown("x")] * n),
    "labelled cells": lambda n: content(*[markdown("**a)** x"), code(DOUBLE)] * n),
    "headings": lambda n: content(*[markdown("## 1.1 x")] * n),
    "the same function": lambda n: content(*[code(DOUBLE)] * n),
    "invalid outputs": lambda n: content(code("x", *[HOLOGRAM] * n)),
    "one invalid output among valid ones": lambda n: content(code("x", *[PRINTED] * n, HOLOGRAM)),
    "invalid outputs in cells": lambda n: content(*[code("x", HOLOGRAM)] * n),
    "invalid attachments": lambda n: content(markdown("x", attachments={f"{i}.png": 3 for i in range(n)})),
    "cells of one id": lambda n: content(*[markdown("x", id="cell-0")] * n),
    "tags": lambda n: content(code("x = 1", metadata={"tags": [f"question:1.1.{i}" for i in range(n)]})),
    "fences": lambda n: content(markdown("```python\nx = 1\n```\n" * n)),
    "magics": lambda n: content(code("%time x\n" * n + "(")),
}


def read_here(data: bytes) -> None:
    notebook = parse_notebook(data)
    answers = locate(notebook, QUESTIONS)
    for question in QUESTIONS:
        is_answered(notebook, question, answers[question.id])


@pytest.mark.parametrize("make", GROWING.values(), ids=GROWING.keys())
def test_reading_and_locating_grow_linearly(make: Callable[[int], bytes]) -> None:
    assert grows_linearly(read_here, make, 150)


def test_of_outputs_and_attachments_the_valid_ones_stay() -> None:
    data = content(
        code("x", PRINTED, HOLOGRAM, PRINTED),
        markdown("x", attachments={"a.png": {"image/png": "AA"}, "b.png": 3}),
    )
    first, second = parse_notebook(data).cells
    assert first.outputs == [PRINTED, PRINTED]
    assert second.attachments == {"a.png": {"image/png": "AA"}}


N = 100_000
STRANGE = {
    "parentheses": "(" * N, "brackets": "[" * N, "minus": "-" * 10**6 + "1", "attributes": "x" + ".y" * N,
    "calls": "x" + "()" * N, "lambda": "lambda:" * N + "1", "conditional": "a if b else " * N + "c",
    "blocks": "".join(f"{' ' * depth}if 1:\n" for depth in range(400)), "f-strings": "f'{" * N,
    "a huge number": "x = " + "9" * N, "a zero byte": "x = 1\0", "elif": "if 1:\n x\n" + "elif 1:\n x\n" * 8_000,
    "a chain of assignments": "a=" * 40_000 + "1", "a sum": "1+" * 40_000 + "1", "not": "not " * 20_000 + "x",
}  # fmt: skip


@pytest.mark.parametrize("source", STRANGE.values(), ids=STRANGE.keys())
def test_strange_code_harms_nobody(source: str) -> None:
    for cells in ([code(source)], [markdown(f"## 1.1\n{LABEL}\n{source}")]):
        with contextlib.suppress(UnreadableNotebook):
            assert len(read_submission(content(*cells), QUESTIONS, Limits()).notebook.cells) == 1


def test_what_is_read_apart_is_what_would_be_read_here() -> None:
    notebook = mini_notebook(text="")
    notebook.metadata["number"] = 10**40
    data = json.dumps(notebook).encode()
    read = read_submission(data, QUESTIONS, Limits())
    assert read.notebook == parse_notebook(data)
    assert read.answers == locate(read.notebook, QUESTIONS)
    assert read.answered == ["1.1.a", "1.1.b", "1.1.c"]


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Patches that the process that reads has as well: it is a copy of this one, and serves until it is ended."""
    end_reader()
    yield monkeypatch
    monkeypatch.undo()
    end_reader()


def test_one_process_reads_many_and_another_goes_on_where_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def reader() -> int:
        read_submission(content(code("x")), QUESTIONS, Limits())
        one = grader.assignment.reading._reader
        assert one is not None
        return one.pid

    first = reader()
    assert reader() == first
    os.kill(first, signal.SIGKILL)
    second = reader()
    assert second != first
    monkeypatch.setattr(grader.assignment.reading, "MOST", 1)
    read_submission(content(code("x")), QUESTIONS, Limits())
    assert grader.assignment.reading._reader is None
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_a_copy_of_the_process_has_a_reader_of_its_own() -> None:
    read_submission(content(code("x")), QUESTIONS, Limits())
    pid = os.fork()
    if pid == 0:
        try:
            read = read_submission(content(code("y = 1")), QUESTIONS, Limits())
            os._exit(7 if "y = 1" in str(read.notebook) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert "z = 1" in str(read_submission(content(code("z = 1")), QUESTIONS, Limits()).notebook)


def endless_in_python(*_: object) -> None:
    while True:
        pass


def endless_in_c(*_: object) -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")


@pytest.mark.parametrize("endless", [endless_in_python, endless_in_c])
@pytest.mark.parametrize("in_thread", [False, True], ids=["main thread", "another thread"])
def test_reading_ends_with_its_budget(
    endless: Callable[..., None], in_thread: bool, reading: pytest.MonkeyPatch
) -> None:
    reading.setattr(grader.assignment.reading, "locate", endless)
    said: list[str] = []

    def read() -> None:
        with pytest.raises(UnreadableNotebook) as error:
            read_submission(content(code("x")), QUESTIONS, Limits(reading_cpu_seconds=0.3))
        said.append(str(error.value))

    if in_thread:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    else:
        read()
    assert said == [
        "reading it takes more than 0.3 seconds of CPU time (reading_cpu_seconds): clear the outputs of all cells, "
        "remove what was pasted into them and is no answer, save and hand in again"
    ]


def test_a_reader_that_crashes_is_no_end_of_the_process(reading: pytest.MonkeyPatch) -> None:
    reading.setattr(grader.assignment.reading, "locate", lambda *_: __import__("ctypes").string_at(0))
    with pytest.raises(RuntimeError, match="ended with -11"):
        read_submission(content(code("x")), QUESTIONS, Limits())


def test_a_hand_in_over_its_budget_is_unreadable_and_the_next_one_is_graded(
    mini: Grader, reading: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = json.dumps(mini_notebook()).encode()
    little = msgspec.structs.replace(
        mini.assignment, limits=msgspec.structs.replace(mini.assignment.limits, reading_cpu_seconds=0.3)
    )
    with reading.context() as patched:
        patched.setattr(mini, "assignment", little)
        patched.setattr(grader.assignment.reading, "locate", endless_in_python)
        result = mini.grade_bytes(data, "slow", "slow.ipynb").result
    assert result.status == "unreadable"
    assert "reading_cpu_seconds" in result.message
    assert mini.grade_bytes(data, "next", "next.ipynb").result.status == "graded"
