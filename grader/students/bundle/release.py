"""Making a release: the student notebook and the bundle, from a rubric and its reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import nbformat
from nbformat import NotebookNode

import grader
from grader.assignment.assignment import Assignment, Check, RubricError
from grader.assignment.solution import SolutionError
from grader.execution.namespace import Namespace
from grader.execution.remembered import Memory
from grader.execution.seeds import OpenSeed
from grader.execution.waiting import Waiting
from grader.faults import shown
from grader.results.results import write_atomically
from grader.rubric.checks import load_checks
from grader.rubric.overtime import Overtime
from grader.rubric.reference import reference_answers
from grader.rubric.session import Checker, with_checks
from grader.students.bundle.bundle import SUFFIX, Contents, Hidden, encode
from grader.students.bundle.leaks import leaks, secret_lines
from grader.students.bundle.notebook import released_notebook, without_cut_cells
from grader.students.bundle.proving import Compared, prove
from grader.students.bundle.pruning import public_sources
from grader.students.bundle.record import Record
from grader.students.bundle.recording import DIFFERS, Recording
from grader.students.bundle.stubs import stubs_of
from grader.validation.bench import Answer, Bench
from grader.validation.cases import Case
from grader.validation.validate import Ready

Progress = Callable[[str], None]

NOT_REPEATED = (
    "it asks for something else each time: random inputs of a public check come from the fixtures `examples`, `rng` "
    "or `seed`"
)


class Released(msgspec.Struct, frozen=True):
    """What a release consists of, and how much of the rubric is public."""

    notebook: Path
    bundle: Path
    public: int
    hidden: int


def release(
    assignment: Assignment,
    folder: Path,
    seed: int,
    progress: Progress = lambda line: None,
    ready: Ready | None = None,
) -> Released:
    """Write the student notebook and the bundle to `folder`. RubricError names all that is in the way.

    That the rubric itself is sound is for `grader validate` to say. Here it is proved that the released checks say
    of every right answer and every mutant what those of the rubric say: by the workers that are `ready`, where there
    are any.
    """
    checks = load_checks(assignment)
    public = [check for check in checks if check.public]
    if not public:
        raise RubricError(
            [f"{shown(assignment.folder)}: no check is public; one is with @pytest.mark.question(..., public=True)"]
        )
    waiting = Waiting(progress)
    bench = Bench(assignment, checks, lambda doing: waiting.tell(0, doing), ready and ready.server)
    notebook = _notebook(assignment, bench)
    secrets = secret_lines(bench.reference.notebook, notebook)
    sources = public_sources(assignment.folder, checks)
    contents = Contents(
        grader_version=grader.__version__,
        name=assignment.name,
        title=assignment.title,
        preload=assignment.preload,
        limits=assignment.limits,
        questions=tuple(msgspec.structs.replace(question, criteria="", items=()) for question in assignment.questions),
        checks=tuple(public),
        hidden=_hidden(checks),
        seed=int(seed),
        seeds_apart=not isinstance(seed, OpenSeed),
        stubs=stubs_of(notebook, assignment.questions, bench.reference.answers),
    )
    # Only now: until here, cells are counted as in the reference.
    notebook = without_cut_cells(notebook, bench.reference.notebook)
    try:
        progress("running the reference")
        with waiting:
            bench.prepare(seed)
        progress(f"recording {len(public)} public checks")
        record = record_checks(assignment, bench, public, seed)
        _require_no_leak(secrets, contents, sources, record, notebook)
        content = encode(contents, sources, record)
        prove(assignment, bench, content, seed, progress, ready)
    finally:
        bench.stop()
    released = Released(
        folder / f"{assignment.name}.ipynb",
        folder / f"{assignment.name}{SUFFIX}",
        len(public),
        len(checks) - len(public),
    )
    write_atomically(released.notebook, nbformat.writes(notebook) + "\n")
    write_atomically(released.bundle, content)
    return released


def _notebook(assignment: Assignment, bench: Bench) -> NotebookNode:
    reference = bench.reference
    try:
        return released_notebook(reference.notebook, assignment.name, assignment.questions, reference.answers)
    except SolutionError as error:
        raise RubricError([f"{shown(assignment.reference)}: {error}"]) from None


def _hidden(checks: Sequence[Check]) -> dict[str, Hidden]:
    hidden: dict[str, Hidden] = {}
    for check in checks:
        if not check.public:
            before = hidden.get(check.question, Hidden(0, 0.0))
            hidden[check.question] = Hidden(before.checks + 1, before.points + check.points)
    return hidden


def _require_no_leak(
    secrets: Sequence[str], contents: Contents, sources: Mapping[str, str], record: Record, notebook: NotebookNode
) -> None:
    files = {
        "the student notebook": nbformat.writes(notebook).encode(),
        "the bundle's description": msgspec.json.encode(contents),
        "the record": msgspec.msgpack.encode(record),
        **{f"the released part of {name}": source.encode() for name, source in sources.items()},
    }
    faults = leaks(secrets, files)
    if faults:
        raise RubricError(faults)


# Recording


def _overheard(answer: Answer, recording: Recording) -> Compared:
    """The answer beside the live reference; what the checks ask that is recorded."""
    checkpoints = answer.bench.checkpoints

    def reference(question: str, seed: int) -> Namespace:
        # A memory of its own: what the reference would say the next time is to be heard too.
        return recording.reference(lambda: reference_answers(checkpoints, Memory(), question, seed), question, seed)

    return Compared(answer, reference, recording.drawn)


def record_checks(assignment: Assignment, bench: Bench, public: Sequence[Check], seed: int) -> Record:
    """What the public checks ask the reference, and its answers, while they check the reference itself."""
    whole = Record()
    faults: list[str] = []

    def record_all(checker: Checker) -> None:
        for check in public:
            where = shown(assignment.folder / check.name)
            case = Case(
                kind="reference", question=check.question, name="", sources=bench.reference.sources(check.question)
            )
            answer = bench.run(case, seed)
            records = []
            for _ in range(2):
                recording = Recording()
                result = checker.result(check, _overheard(answer, recording), seed)
                records.append(recording.record)
                if result.status != "passed":
                    break
            if result.status != "passed":
                why = recording.fault or f"the reference does not pass it: {result.for_staff}"
                faults.append(f"{where}: cannot be public: {why}")
            elif records[0] != records[1]:
                same = all(a.keys() == b.keys() for a, b in _parts(*records))
                faults.append(f"{where}: cannot be public: {DIFFERS if same else NOT_REPEATED}")
            whole.update(records[0])
            bench.clear()

    with_checks(assignment, record_all, Overtime(assignment))
    if faults:
        raise RubricError(faults)
    return whole


def _parts(one: Record, other: Record) -> list[tuple[Mapping[Any, bytes], Mapping[Any, bytes]]]:
    return [(one.answers, other.answers), (one.draws, other.draws)]
