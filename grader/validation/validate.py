"""Validating a rubric: everything is tried, on all cores, and judged."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import grader
from grader.assignment.assignment import Assignment, RubricError, shown
from grader.assignment.solution import SolutionError, student_version
from grader.execution.reference import Reference
from grader.grading.submission import Grader
from grader.grading.workers import cores
from grader.results.results import SubmissionResult
from grader.rubric.checks import load_checks
from grader.validation.cases import Case, load_cases
from grader.validation.matrix import Repeated, Trial, Validation, Whole, total_of, unproven
from grader.validation.workers import pool, repeat_cases, try_cases

AT_ONCE = 12
"""Cases that a worker tries in one go; of those that train a network, a few."""
AT_ONCE_OF_RUNS = 3
REPEATS_AT_ONCE = 10
"""Repeats for which the reference's notebook, and all that is random in it, is run once."""

Progress = Callable[[str], None]


def validate(
    assignment: Assignment,
    seed: int,
    *,
    questions: Sequence[str] = (),
    repeat: int = 0,
    jobs: int = 0,
    progress: Progress = lambda line: None,
) -> Validation:
    """Try all cases of `questions` (all, where none is given) with `jobs` workers (one a core).

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
    with pool(assignment.folder, jobs or cores()) as workers:
        futures = [workers.submit(try_cases, part, seed) for part in _parts(assignment, cases)]
        if not questions:
            validation.wholes = list(_grade_wholes(assignment, stripped, seed, progress))
        trials: dict[Case, Trial] = {}
        for future in as_completed(futures):
            trials.update(zip(*future.result(), strict=True))
            progress(f"tried {len(trials)} of {len(cases)}")
        validation.trials = [trials[case] for case in cases]
        validation.unproven = unproven(checks, validation.trials)
        right = [case for case in cases if case.kind in ("reference", "variant")]
        validation.repeated = _repeat(workers, right, repeat, seed, progress)
    validation.seconds = time.monotonic() - start
    return validation


def _repeat(workers: Executor, right: Sequence[Case], repeat: int, seed: int, progress: Progress) -> list[Repeated]:
    """Check every right answer `repeat` times, each time with fresh seeds."""
    sums = {case: Repeated(question=case.question, name=case.name) for case in right if repeat}
    # Equal parts for all workers, and within one the notebook is run only once.
    parts = [range(first, min(first + REPEATS_AT_ONCE, repeat)) for first in range(0, repeat, REPEATS_AT_ONCE)]
    futures = [workers.submit(repeat_cases, right, part, seed) for part in parts]
    done = 0
    for future, part in zip(futures, parts, strict=True):
        for case, repeated in zip(right, future.result(), strict=True):
            sums[case] = sums[case].plus(repeated)
        done += len(part)
        total = total_of(sums.values())
        progress(
            f"repeated {done} of {repeat} times: of {total.repeats:,} checks of right answers "
            f"{total.failed} failed, {total.review} in review"
        )
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


def _grade_wholes(assignment: Assignment, stripped: NotebookNode, seed: int, progress: Progress) -> Iterator[Whole]:
    """The reference and its student version, graded as any submission is."""
    with tempfile.TemporaryDirectory() as folder, Grader(assignment, seed) as worker:
        path = Path(folder) / "student-version.ipynb"
        nbformat.write(stripped, path)
        progress("grading the reference")
        yield _judge_reference(worker.grade(assignment.reference, "reference").result)
        progress("grading its student version")
        yield _judge_student_version(worker.grade(path, "student version").result)


def _judge_reference(result: SubmissionResult) -> Whole:
    faults = [
        f"{check.name}: {check.status}: {check.message}"
        for question in result.questions
        for check in question.checks
        if check.status != "passed"
    ]
    return _whole("the reference", result, faults)


def _judge_student_version(result: SubmissionResult) -> Whole:
    faults = [
        f"{check.name}: {check.status}, where nothing was answered"
        for question in result.questions
        for check in question.checks
        if check.status not in ("missing", "failed")
    ]
    return _whole("the student version", result, faults)


def _whole(name: str, result: SubmissionResult, faults: Sequence[str]) -> Whole:
    if result.status != "graded":
        faults = [result.message]
    return Whole(name=name, points=result.code_points, max_points=result.code_max_points, faults=tuple(faults))
