"""Validating a rubric: everything is tried, on all cores, and judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import grader
from grader.assignment.assignment import Assignment, RubricError, load_assignment
from grader.assignment.solution import SolutionError, student_version
from grader.execution.forkserver import ForkServer
from grader.execution.reference import Reference
from grader.execution.waiting import RUNNING_REFERENCE, Waiting
from grader.faults import shown
from grader.grading.submission import Grader
from grader.grading.workers import at, cores, prepare, tell
from grader.results.results import SubmissionResult
from grader.rubric.checks import imported_by, load_checks
from grader.rubric.overtime import uninterrupted
from grader.validation.cases import Case, load_cases
from grader.validation.matrix import Repeated, Said, Trial, Validation, Whole, total_of, unproven
from grader.validation.workers import fork_server, outcomes, pool, repeat_cases, try_cases

AT_ONCE = 12
"""Cases that a worker tries in one go; of those that train a network, a few."""
AT_ONCE_OF_RUNS = 3
REPEATS_AT_ONCE = 10
"""Repeats for which the reference's notebook, and all that is random in it, is run once."""

Progress = Callable[[str], None]
Repeats = Callable[..., tuple[range, list[Repeated]]]


def validate(
    assignment: Assignment,
    seed: int,
    *,
    questions: Sequence[str] = (),
    repeat: int = 0,
    jobs: int = 0,
    progress: Progress = lambda line: None,
    server: ForkServer | None = None,
) -> Validation:
    """Try all cases of `questions` (all, where none is given) with `jobs` workers (one a core).

    With `repeat`, right answers are checked that many times more. server: one of the rubric's `preload` that has begun
    to start, and is left to who has begun it. Raises RubricError, SandboxError.
    """
    start = time.monotonic()
    prepare(["grader.validation.validate", *imported_by(assignment.folder)])
    checks = load_checks(assignment)
    reference = Reference(assignment)
    chosen = _chosen(assignment, questions)
    stripped = _student_version(reference)
    answers = {q.id: reference.sources(q.id) for q in assignment.questions if q.kind == "code"}
    cases = load_cases(assignment, checks, answers)
    cases = [case for case in cases if case.question in chosen]
    checks = tuple(check for check in checks if check.question in chosen)
    validation = Validation(
        assignment=assignment.title,
        grader_version=grader.__version__,
        seed=seed,
        questions=chosen,
        checks=[check.name for check in checks],
    )
    jobs = jobs or cores()
    broken: dict[str, str] = {}
    why = uninterrupted(assignment)

    def heard(worker: int, doing: str) -> None:
        if doing and not doing.startswith(RUNNING_REFERENCE):
            progress(doing)
        waiting.tell(jobs + worker, doing if doing.startswith(RUNNING_REFERENCE) else "")

    with (
        nullcontext(server) if server is not None else _server_of(assignment) as forks,
        Waiting(progress) as waiting,
        pool(assignment.folder, jobs, forks, waiting.tell) as workers,
        pool(assignment.folder, 0 if questions else 1, forks, heard) as other,
    ):
        if not questions:
            wholes = partial(_grade_wholes, assignment.folder, nbformat.writes(stripped), seed)
            graded = ThreadPoolExecutor(1).submit(lambda: next(outcomes(other, 1, [wholes], broken, why)))
        trials: dict[Case, Trial] = {}
        tries = [partial(try_cases, part, seed) for part in _parts(assignment, cases)]
        for part, tried in outcomes(workers, jobs, tries, broken, why):
            trials.update(zip(part, tried, strict=True))
            progress(f"tried {len(trials)} of {len(cases)}")
        if not questions:
            validation.wholes = graded.result()
        validation.trials = [trials[case] for case in cases]
        validation.unproven = unproven(checks, validation.trials)
        right = [case for case in cases if case.kind in ("reference", "variant")]
        repeats = partial(outcomes, workers, jobs, broken=broken, why=why)
        validation.repeated = _repeat(repeats, right, repeat, seed, progress)
    validation.seconds = time.monotonic() - start
    return validation


@contextmanager
def _server_of(assignment: Assignment) -> Iterator[ForkServer]:
    server = ForkServer(assignment.preload, assignment.limits)
    try:
        server.begin()
        yield server
    finally:
        server.stop()


def _repeat(
    outcomes: Callable[[list[Repeats]], Iterator[tuple[range, list[Repeated]]]],
    right: Sequence[Case],
    repeat: int,
    seed: int,
    progress: Progress,
) -> list[Repeated]:
    """Check every right answer `repeat` times, each time with fresh seeds."""
    sums = {case: Repeated(question=case.question, name=case.name) for case in right if repeat}
    # Equal parts for all workers, and within one the notebook is run only once.
    parts = [range(first, min(first + REPEATS_AT_ONCE, repeat)) for first in range(0, repeat, REPEATS_AT_ONCE)]
    done = 0
    found: dict[int, list[Repeated]] = {}
    for part, repeated in outcomes([partial(repeat_cases, right, part, seed) for part in parts]):
        found[part.start] = repeated
        done += len(part)
        total = total_of(one for each in found.values() for one in each)
        progress(
            f"repeated {done} of {repeat} times: of {total.repeats:,} checks of right answers "
            f"{total.failed} failed, {total.review} in review"
        )
    # In their own order, whichever was done first.
    for _, each in sorted(found.items()):
        for case, one in zip(right, each, strict=True):
            sums[case] = sums[case].plus(one)
    return list(sums.values())


def _chosen(assignment: Assignment, questions: Sequence[str]) -> list[str]:
    known = [question.id for question in assignment.questions if question.kind == "code"]
    unknown = [id for id in questions if id not in known]
    if unknown:
        raise RubricError([f"there is no code question {id}; there are {', '.join(known)}" for id in unknown])
    return [id for id in known if id in questions or not questions]


def _parts(assignment: Assignment, cases: Sequence[Case]) -> list[list[Case]]:
    """The cases in parts for the workers, those that take longest first."""
    parts: list[list[Case]] = []
    for question in assignment.questions:
        own = [case for case in cases if case.question == question.id]
        size = AT_ONCE_OF_RUNS if question.run else AT_ONCE
        parts += [own[start : start + size] for start in range(0, len(own), size)]
    return sorted(parts, key=lambda part: not assignment.question(part[0].question).run)


# Whole notebooks


def _student_version(reference: Reference) -> NotebookNode:
    where = shown(reference.assignment.reference)
    try:
        stripped = student_version(reference.notebook)
    except SolutionError as error:
        raise RubricError([f"{where}: {error}"]) from None
    if [cell.source for cell in stripped.cells] == [cell.source for cell in reference.notebook.cells]:
        raise RubricError(
            [
                f"{where}: no solution is marked in it: put a line `### BEGIN SOLUTION` before and a line "
                "`### END SOLUTION` after each answer, and the tag `solution` on cells with a text answer"
            ]
        )
    return stripped


def _grade_wholes(rubric: Path, stripped: str, seed: int, *, broken: Mapping[str, str]) -> list[Whole]:
    """The reference and its student version, graded as any submission is: in a worker, which a check may end."""
    assignment = load_assignment(rubric)
    with Grader(
        assignment,
        seed,
        lambda doing: tell(doing if doing.startswith(RUNNING_REFERENCE) else ""),
        server=fork_server(),
        announce=at,
    ) as worker:
        worker.overtime.broken.update(broken)
        tell("grading the reference")
        reference = worker.grade(assignment.reference, "reference").result
        tell("grading its student version")
        student = worker.grade_bytes(stripped.encode(), "student version", "student-version.ipynb").result
    return [_judge_reference(reference), _judge_student_version(student)]


def _judge_reference(result: SubmissionResult) -> Whole:
    faults = [
        f"{check.name}: {check.status}: {check.message}"
        for question in result.questions
        for check in question.checks
        if check.status != "passed" and not check.broken
    ]
    return _whole("the reference", result, faults)


def _judge_student_version(result: SubmissionResult) -> Whole:
    faults = [
        f"{check.name}: {check.status}, where nothing was answered"
        for question in result.questions
        for check in question.checks
        if check.status not in ("missing", "failed") and not check.broken
    ]
    return _whole("the student version", result, faults)


def _whole(name: str, result: SubmissionResult, faults: Sequence[str]) -> Whole:
    if result.status != "graded":
        faults = [result.message]
    return Whole(
        name=name,
        points=result.code_points,
        max_points=result.code_max_points,
        faults=tuple(faults),
        broken=tuple(
            Said(check.name, check.status, check.for_staff, check.broken)
            for question in result.questions
            for check in question.checks
            if check.broken
        ),
    )
