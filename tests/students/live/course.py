"""A small assignment with public checks, and its bundle, made without a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grader.assignment.assignment import Assignment, Limits, Question
from grader.execution.namespace import Namespace
from grader.execution.probe import read_answer
from grader.inside.operations import Operations, State, seed_libraries
from grader.rubric.checks import load_checks
from grader.rubric.session import CheckSession
from grader.students.bundle.bundle import Contents, Hidden, encode
from grader.students.bundle.record import Record
from grader.students.bundle.recording import Recording
from grader.students.bundle.stubs import digest

SEED = 1
LIMITS = Limits(check_cpu_seconds=1, check_wall_seconds=3)

QUESTIONS = (
    Question(id="1.1.a", title="Double", points=1.5, kind="code", defines=("double(x)",)),
    Question(id="1.1.b", title="Means", points=1, kind="code", defines=("means(data)",)),
    Question(id="1.1.c", title="Double, then add", points=1, kind="code", defines=("double(x, plus=0)",)),
    Question(id="1.1.d", title="A run", points=1, kind="code", defines=("results",), run=True, records=("double",)),
    Question(id="1.1.e", title="Hidden", points=2, kind="code", defines=("triple(x)",)),
    Question(id="1.2.a", title="Explain", points=3, kind="text"),
    Question(id="1.3.a", title="Mess", points=1, kind="code", defines=("mess()",)),
)

CHECKS = '''
import pytest

from grader.rubric import expect


@pytest.mark.question("1.1.a", points=1, public=True)
def test_double(student, reference, rng):
    """double(x) is twice x."""
    for x in rng.integers(1, 100, size=3).tolist():
        expect(student.double(x), reference.double(x), what=f"double({x})")


@pytest.mark.question("1.1.a", points=0.5, public=True)
def test_double_examples(student, reference, examples):
    """double(x) is twice x, also for arrays."""
    from grader.rubric.properties import arrays

    for x in examples(arrays, 3):
        expect(student.double(x), reference.double(x), what="double(x)")


@pytest.mark.question("1.1.b", points=1, public=True)
def test_means(student, reference):
    """means(data) has the mean of every row."""
    data = [[1.0, 2.0], [3.0, 5.0]]
    expect(student.means(data), reference.means(data), what="means(data)")


@pytest.mark.question("1.1.c", points=1, public=True)
def test_plus(student, reference):
    """double(x, plus) is twice x, and plus more."""
    expect(student.double(3, 4), reference.double(3, 4), what="double(3, 4)")


@pytest.mark.question("1.1.d", points=1, public=True)
def test_run(student):
    """double was called."""
    assert len(student.calls("double")) == 3


@pytest.mark.question("1.3.a", points=1, public=True)
def test_mess(student):
    """mess() can be called."""
    student.mess()
    student.exec("made_by_the_check = 1")
'''

HIDDEN = '''

@pytest.mark.question("1.1.e", points=2)
def test_triple(student, reference):
    """triple(x) is three times x."""
'''

REFERENCE = """
import numpy as np

def double(x, plus=0):
    return 2 * x + plus

def means(data):
    return np.mean(data, axis=1)

def mess():
    pass
"""


STUB = """\
def means(data):
    total = 0
    # TODO
    return total / len(data)

print(means([1]))
"""
"""The cell that is given out for 1.1.b."""


class _Reference:
    """Answers for the names of the reference, in this process; the recorded run is left out."""

    def __init__(self, names: dict[str, Any], seed: int) -> None:
        self.operations = Operations(State(names))
        seed_libraries(seed)

    def ask(self, do: str, **arguments: Any) -> Any:
        return read_answer(self.operations.answer({"do": do, **arguments}), self)

    def close(self) -> None: ...


class _Notebook:
    """The reference, checked against itself."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.drawn = recording.drawn
        self.names: dict[str, Any] = {}
        exec(REFERENCE, self.names)  # noqa: S102

    def student(self, question: str, seed: int, carry: Sequence[Question]) -> Namespace:
        return Namespace(lambda: _Reference(dict(self.names), seed))

    def reference(self, question: str, seed: int) -> Namespace:
        return self.recording.reference(lambda: _Reference(dict(self.names), seed), question, seed)

    def carried_names(self, question: str, lost: Sequence[Question]) -> list[str]:
        return []

    def is_missing(self, question: str) -> bool:
        return False

    def name_cell(self, file: str) -> str:
        return file


def write_bundle(
    path: Path,
    folder: Path,
    *,
    checks: str = CHECKS,
    change: Callable[[str], str] = lambda source: source,
) -> Path:
    """Write a bundle to `path`, using `folder` for the rubric; `change` changes the released checks afterwards."""
    folder.mkdir(exist_ok=True)
    (folder / "test_small.py").write_text(checks + HIDDEN)
    assignment = Assignment(
        name="small",
        folder=folder.resolve(),
        title="A small assignment",
        reference=folder / "none",
        preload=(),
        limits=LIMITS,
        questions=QUESTIONS,
    )
    record = Record()
    known = tuple(check for check in load_checks(assignment) if check.public)
    session = CheckSession(assignment)
    try:
        with session.checker() as checker:
            for check in known:
                recording = Recording()
                result = checker.result(check, _Notebook(recording), SEED)
                assert result.status == "passed" or check.question == "1.1.d", result
                record.update(recording.record)
    finally:
        session.close()
    contents = Contents(
        grader_version="test",
        name="small",
        title=assignment.title,
        preload=(),
        limits=LIMITS,
        questions=assignment.questions,
        checks=known,
        hidden={"1.1.e": Hidden(1, 2.0)},
        seed=SEED,
        stubs={"1.1.b": (digest(STUB),)},
    )
    path.write_bytes(encode(contents, {"test_small.py": change(checks)}, record))
    return path
