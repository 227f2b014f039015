"""Validating a rubric: everything is tried, on all cores, and judged."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

import grader
from grader.assignment.assignment import Assignment, RubricError, load_assignment
from grader.assignment.solution import SolutionError, student_version
from grader.execution.forkserver import ForkServer
from grader.execution.reference import Reference
from grader.execution.waiting import RUNNING_REFERENCE, Waiting
from grader.faults import shown
from grader.grading.ready import borrowed_server, getting_ready
from grader.grading.submission import Grader
from grader.grading.workers import Workers, at, cores, tell
from grader.results.results import SubmissionResult
from grader.rubric.checks import load_checks
from grader.rubric.overtime import uninterrupted
from grader.validation.cases import Case, load_cases
from grader.validation.matrix import Repeated, Said, Trial, Validation, Whole, total_of, unproven
from grader.validation.workers import outcomes, pool, repeat_cases, try_cases

AT_ONCE = 12
"""Cases that a worker tries in one go; of those that train a network, a few."""
AT_ONCE_OF_RUNS = 3
REPEATS_AT_ONCE = 10
"""Repeats for which the reference's notebook, and all that is random in it, is run once."""

Progress = Callable[[str], None]
Repeats = Callable[..., tuple[range, list[Repeated]]]


class Ready(NamedTuple):
    """Workers in which answers are tried."""

    workers: Workers
    width: int
    server: ForkServer | None
    waiting: Waiting


@contextlib.contextmanager
def workers_for(
    assignment: Assignment,
    jobs: int = 0,
    progress: Progress = lambda line: None,
    server: ForkServer | None = None,
) -> Iterator[Ready]:
    """`jobs` workers (0: one a core), for all that is to be tried of one rubric. `server`: one that has begun."""
    jobs = jobs or cores()
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(Waiting(progress))
        if server is None:
            server = stack.enter_context(getting_ready(assignment, modules=["grader.validation.validate"]))
        yield Ready(stack.enter_context(pool(assignment.folder, jobs, server, waiting.tell)), jobs, server, waiting)


def validate(
    assignment: Assignment,
    seed: int,
    *,
    questions: Sequence[str] = (),
    repeat: int = 0,
    jobs: int = 0,
    progress: Progress = lambda line: None,
    ready: Ready | None = None,
) -> Validation:
    """Try all cases of `questions` (all, where none is given) with `jobs` workers (one a core), or with those `ready`.

    With `repeat`, right answers are checked that many times more. Raises RubricError, SandboxError.
    """
    start = time.monotonic()
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
    broken: dict[str, str] = {}
    why = uninterrupted(assignment)

    with contextlib.ExitStack() as stack:
        ready = ready or stack.enter_context(workers_for(assignment, jobs, progress))
        workers, width = ready.workers, ready.width

        def heard(worker: int, doing: str) -> None:
            if doing and not doing.startswith(RUNNING_REFERENCE):
                progress(doing)
            ready.waiting.tell(width + worker, doing if doing.startswith(RUNNING_REFERENCE) else "")

        other = stack.enter_context(pool(assignment.folder, 0 if questions else 1, ready.server, heard))
        if not questions:
            wholes = partial(_grade_wholes, assignment.folder, nbformat.writes(stripped), seed)
            graded = ThreadPoolExecutor(1).submit(lambda: next(outcomes(other, 1, [wholes], broken, why)))
        trials: dict[Case, Trial] = {}
        tries = [partial(try_cases, part, seed) for part in parts_of(assignment, cases)]
        for part, tried in outcomes(workers, width, tries, broken, why):
            trials.update(zip(part, tried, strict=True))
            progress(f"tried {len(trials)} of {len(cases)}")
        if not questions:
            validation.wholes = graded.result()
        validation.trials = [trials[case] for case in cases]
        validation.unproven = unproven(checks, validation.trials)
        right = [case for case in cases if case.kind in ("reference", "variant")]
        repeats = partial(outcomes, workers, width, broken=broken, why=why)
        validation.repeated = _repeat(repeats, right, repeat, seed, progress)
    validation.seconds = time.monotonic() - start
    return validation


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


def parts_of(assignment: Assignment, cases: Sequence[Case]) -> list[list[Case]]:
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

    def doing(what: str) -> None:
        tell(what if what.startswith(RUNNING_REFERENCE) else "")

    with Grader(assignment, seed, doing, announce=at, server=borrowed_server(assignment)) as worker:
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
