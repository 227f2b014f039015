"""The processes that try answers: each has the rubric's checks and a bench of its own."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path

from grader.assignment.assignment import Assignment, load_assignment
from grader.execution.sandbox import SandboxError
from grader.grading.workers import Workers
from grader.results.results import CheckResult
from grader.rubric.checks import load_checks
from grader.rubric.session import Checker, seed_of, with_checks
from grader.validation.bench import Bench
from grader.validation.cases import Case
from grader.validation.matrix import Repeated, Trial, judge, not_run

TRIES = 2
"""A sandbox that breaks is the harness's problem: the case is tried again in a new one."""


@contextlib.contextmanager
def pool(rubric: Path, jobs: int) -> Iterator[Workers]:
    """Worker processes for one rubric; a bench is made where it is first needed.

    On an error what they do is broken off.
    """
    workers = Workers(jobs, partial(_start, rubric))
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


class _Worker:
    """What one process has: made by `_start`."""

    assignment: Assignment
    bench: Bench | None = None

    def with_bench(self, seed: int, use: Callable[[Bench, Checker], None]) -> None:
        """`use` a bench whose notebook was run with `seed`. SandboxError: the next time it will be a new bench."""
        try:
            if self.bench is None:
                self.bench = Bench(self.assignment, load_checks(self.assignment))
                Finalize(self.bench, self.bench.stop, exitpriority=1)
            bench = self.bench
            bench.prepare(seed)
            with_checks(self.assignment, lambda checker: use(bench, checker))
        except BaseException:
            self.drop_bench()
            raise

    def drop_bench(self) -> None:
        if self.bench is not None:
            self.bench.stop()
            self.bench = None


_worker = _Worker()


def _start(rubric: Path) -> None:
    # What libraries log is not for those who validate.
    logging.getLogger().addHandler(logging.NullHandler())
    _worker.assignment = load_assignment(rubric)


def try_cases(cases: Sequence[Case], seed: int) -> tuple[Sequence[Case], list[Trial]]:
    """Try each case once. A case that breaks the sandbox again and again is *not run*."""
    trials: list[Trial] = []

    def try_the_rest(bench: Bench, checker: Checker) -> None:
        for case in cases[len(trials) :]:
            trials.append(_try(bench, checker, case, seed))

    attempts: Counter[int] = Counter()
    while len(trials) < len(cases):
        try:
            _worker.with_bench(seed, try_the_rest)
        except SandboxError as error:
            attempts[len(trials)] += 1
            if attempts[len(trials)] == TRIES:
                trials.append(not_run(cases[len(trials)], str(error)))
    return cases, trials


def _try(bench: Bench, checker: Checker, case: Case, seed: int) -> Trial:
    start = time.perf_counter()
    results = bench.check(checker, case, bench.run(case, seed), seed)
    bench.clear()
    return judge(case, results, time.perf_counter() - start)


def repeat_cases(cases: Sequence[Case], numbers: range, seed: int) -> list[Repeated]:
    """Check each right answer once for each of `numbers`, which make the seeds. Raises SandboxError."""
    repeated: list[Repeated] = []

    def repeat_all(bench: Bench, checker: Checker) -> None:
        repeated.clear()
        repeated.extend(_repeat(bench, checker, case, numbers, seed) for case in cases)

    for attempt in range(TRIES):
        try:
            _worker.with_bench(seed_of(seed, f"notebook {numbers.start}"), repeat_all)
            break
        except SandboxError:
            if attempt == TRIES - 1:
                raise
    return repeated


def _repeat(bench: Bench, checker: Checker, case: Case, numbers: range, seed: int) -> Repeated:
    repeated = Repeated(question=case.question, name=case.name)
    runs_anew = bench.assignment.question(case.question).run
    answer = None
    for number in numbers:
        fresh = seed_of(seed, f"repeat {number}")
        if answer is None or runs_anew:
            answer = bench.run(case, fresh)
        repeated = repeated.plus(_count(case, bench.check(checker, case, answer, fresh), fresh))
    bench.clear()
    return repeated


def _count(case: Case, results: Sequence[CheckResult], seed: int) -> Repeated:
    open_or_failed = [result for result in results if result.status != "passed"]
    failed = any(result.status == "failed" for result in open_or_failed)
    return Repeated(
        question=case.question,
        name=case.name,
        repeats=1,
        failed=int(failed),
        review=int(bool(open_or_failed) and not failed),
        examples=tuple(f"{one.name}: {one.status} with seed {seed}: {one.message}" for one in open_or_failed),
    )
