"""Proving a release: the released checks must say of every answer what those of the rubric say."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from grader.assignment.assignment import Assignment, Check, RubricError
from grader.execution.namespace import Namespace
from grader.faults import shown
from grader.results.results import CheckResult
from grader.rubric.overtime import Overtime, uninterrupted
from grader.rubric.session import Checker, with_checks
from grader.students.bundle.bundle import SUFFIX, Bundle, open_bundle
from grader.students.bundle.replay import Replay
from grader.validation.bench import Answer, Bench
from grader.validation.cases import Case, load_cases
from grader.validation.validate import Ready, parts_of
from grader.validation.workers import on_bench, outcomes

Progress = Callable[[str], None]
Drawn = Callable[[str, int, Callable[[], list[Any]]], list[Any]]
"""See `Notebooks.drawn`."""


class Undecided(msgspec.Struct, frozen=True):
    """A released check that leaves an answer to a person."""

    case: Case
    check: str
    result: CheckResult


class Compared:
    """An answer as the notebook of the checks, with what takes the place of the reference, and of drawing examples."""

    def __init__(self, answer: Answer, reference: Callable[[str, int], Namespace], drawn: Drawn) -> None:
        self.student = answer.student
        self.carried_names = answer.carried_names
        self.is_missing = answer.is_missing
        self.name_cell = answer.name_cell
        self.reference = reference
        self.drawn = drawn


def prove(
    assignment: Assignment, bench: Bench, content: bytes, seed: int, progress: Progress, ready: Ready | None
) -> None:
    """Try all that the rubric is validated with: the bundle `content` must say the same as the rubric.

    Where it comes to a verdict, the rubric comes to the same: it is the same code, and heard the same answers.
    Raises RubricError.
    """
    answers = {q.id: bench.reference.sources(q.id) for q in assignment.questions if q.kind == "code"}
    undecided: list[Undecided] = []
    with bundle_of(content) as bundle:
        asked = {check.question for check in bundle.checks}
        cases = [case for case in load_cases(assignment, bench.checks, answers) if case.question in asked]
        progress(f"trying the released checks on {len(cases)} answers")
        if ready is None:
            tried = partial(_try_all, bundle, cases, seed, undecided, bench)
            with_checks(bundle.assignment, tried, Overtime(bundle.assignment))
    if ready is not None:
        parts = [partial(try_released, content, part, seed) for part in parts_of(assignment, cases)]
        for found in outcomes(ready.workers, ready.width, parts, {}, uninterrupted(assignment)):
            undecided += found
    _require_the_same(assignment, bench, undecided, seed)


@contextlib.contextmanager
def bundle_of(content: bytes) -> Iterator[Bundle]:
    """The bundle with this content, opened."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, f"release{SUFFIX}")
        path.write_bytes(content)
        with open_bundle(path) as bundle:
            yield bundle


def try_released(content: bytes, cases: Sequence[Case], seed: int, *, broken: Mapping[str, str]) -> list[Undecided]:
    """In a worker: try the checks of the bundle `content` on these answers."""
    undecided: list[Undecided] = []
    with bundle_of(content) as bundle:
        overtime = Overtime(bundle.assignment)
        overtime.broken.update(broken)
        on_bench(seed, partial(_try_all, bundle, cases, seed, undecided), (bundle.assignment, overtime))
    return undecided


def _try_all(
    bundle: Bundle, cases: Sequence[Case], seed: int, undecided: list[Undecided], bench: Bench, checker: Checker
) -> None:
    replay = Replay(bundle.record)
    for case in cases:
        answer = Compared(bench.run(case, seed), replay.namespace, replay.drawn)
        for check in bundle.checks:
            if check.question == case.question:
                result = checker.result(check, answer, seed)
                if result.status == "review":
                    undecided.append(Undecided(case, check.name, result))
        bench.clear()


def _require_the_same(assignment: Assignment, bench: Bench, undecided: Sequence[Undecided], seed: int) -> None:
    checks: dict[str, Check] = {check.name: check for check in bench.checks}
    faults: dict[str, str] = {}

    def compare(checker: Checker) -> None:
        for case, name, released in map(msgspec.structs.astuple, undecided):
            if name in faults:
                continue
            result = checker.result(checks[name], bench.run(case, seed), seed)
            if (result.status, result.message) != (released.status, released.message):
                faults[name] = (
                    f"{shown(assignment.folder / name)}: cannot be public: for the answer {case.name!r} the "
                    f"rubric says {_said(result)}, but the released check says {_said(released)}; a public check must "
                    "ask the reference the same, whatever the student answers"
                )
            bench.clear()

    with_checks(assignment, compare, Overtime(assignment))
    if faults:
        raise RubricError([faults[name] for name in checks if name in faults])


def _said(result: CheckResult) -> str:
    return f"{result.status} ({result.for_staff})" if result.for_staff else result.status
