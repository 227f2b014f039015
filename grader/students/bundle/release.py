"""Making a release: the student notebook and the bundle, from a rubric and its reference."""

from __future__ import annotations

import tempfile
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
from grader.results.results import CheckResult, write_atomically
from grader.rubric.checks import load_checks
from grader.rubric.overtime import Overtime
from grader.rubric.reference import reference_answers
from grader.rubric.session import Checker, with_checks
from grader.students.bundle.bundle import SUFFIX, Bundle, Contents, Hidden, encode, open_bundle
from grader.students.bundle.leaks import leaks, secret_lines
from grader.students.bundle.notebook import released_notebook, without_cut_cells
from grader.students.bundle.pruning import public_sources
from grader.students.bundle.record import Record
from grader.students.bundle.recording import DIFFERS, Recording
from grader.students.bundle.replay import Replay
from grader.students.bundle.stubs import stubs_of
from grader.validation.bench import Answer, Bench
from grader.validation.cases import Case, load_cases

Progress = Callable[[str], None]
Drawn = Callable[[str, int, Callable[[], list[Any]]], list[Any]]
"""See `Notebooks.drawn`."""

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


def release(assignment: Assignment, folder: Path, seed: int, progress: Progress = lambda line: None) -> Released:
    """Write the student notebook and the bundle to `folder`. RubricError names all that is in the way.

    That the rubric itself is sound is for `grader validate` to say. Here it is proved that the released checks say
    of every right answer and every mutant what those of the rubric say.
    """
    checks = load_checks(assignment)
    public = [check for check in checks if check.public]
    if not public:
        raise RubricError(
            [f"{shown(assignment.folder)}: no check is public; one is with @pytest.mark.question(..., public=True)"]
        )
    waiting = Waiting(progress)
    bench = Bench(assignment, checks, lambda doing: waiting.tell(0, doing))
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
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary, assignment.name + SUFFIX)
            path.write_bytes(content)
            with open_bundle(path) as bundle:
                _prove(assignment, bench, bundle, seed, progress)
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


class Compared:
    """An answer as the notebook of the checks, with what takes the place of the reference, and of drawing examples."""

    def __init__(self, answer: Answer, reference: Callable[[str, int], Namespace], drawn: Drawn) -> None:
        self.student = answer.student
        self.carried_names = answer.carried_names
        self.is_missing = answer.is_missing
        self.name_cell = answer.name_cell
        self.reference = reference
        self.drawn = drawn


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


# Proving


def _prove(assignment: Assignment, bench: Bench, bundle: Bundle, seed: int, progress: Progress) -> None:
    """Try all that the rubric is validated with: the bundle must say the same as the rubric. Raises RubricError.

    Where it comes to a verdict, the rubric comes to the same: it is the same code, and heard the same answers.
    """
    asked = {check.question for check in bundle.checks}
    answers = {q.id: bench.reference.sources(q.id) for q in assignment.questions if q.kind == "code"}
    cases = [case for case in load_cases(assignment, bench.checks, answers) if case.question in asked]
    progress(f"trying the released checks on {len(cases)} answers")
    replay = Replay(bundle.record)

    def try_all(checker: Checker) -> None:
        for case in cases:
            answer = Compared(bench.run(case, seed), replay.namespace, replay.drawn)
            for check in bundle.checks:
                if check.question == case.question:
                    result = checker.result(check, answer, seed)
                    if result.status == "review":
                        undecided.append((case, check, result))
            bench.clear()

    undecided: list[tuple[Case, Check, CheckResult]] = []
    with_checks(bundle.assignment, try_all, Overtime(bundle.assignment))
    faults: dict[str, str] = {}

    def compare(checker: Checker) -> None:
        for case, check, released in undecided:
            if check.name in faults:
                continue
            result = checker.result(check, bench.run(case, seed), seed)
            if (result.status, result.message) != (released.status, released.message):
                faults[check.name] = (
                    f"{shown(assignment.folder / check.name)}: cannot be public: for the answer {case.name!r} the "
                    f"rubric says {_said(result)}, but the released check says {_said(released)}; a public check must "
                    "ask the reference the same, whatever the student answers"
                )
            bench.clear()

    with_checks(assignment, compare, Overtime(assignment))
    if faults:
        raise RubricError(list(faults.values()))


def _said(result: CheckResult) -> str:
    return f"{result.status} ({result.for_staff})" if result.for_staff else result.status
