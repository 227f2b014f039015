"""The processes that try answers: each has the rubric's checks and a bench of its own."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TypeVar

from grader.assignment.assignment import Assignment, load_assignment
from grader.execution.forkserver import ForkServer
from grader.execution.owntime import let_process_end
from grader.execution.runfolder import SandboxError
from grader.execution.seeds import seed_of
from grader.grading.ready import LendsServer, borrowed_server
from grader.grading.workers import Tell, WorkerDied, Workers, at, is_worker, tell
from grader.results.results import CheckResult
from grader.rubric.checks import load_checks
from grader.rubric.overtime import Overtime
from grader.rubric.session import Checker, with_checks
from grader.validation.bench import Bench
from grader.validation.cases import Case
from grader.validation.matrix import Repeated, Trial, judge, not_run

T = TypeVar("T")
TRIES = 2
"""A sandbox that breaks is the harness's problem: the case is tried again in a new one."""


@contextlib.contextmanager
def pool(rubric: Path, jobs: int, server: ForkServer | None, heard: Tell | None = None) -> Iterator[Workers]:
    """Worker processes for one rubric; a bench is made where it is first needed.

    server: for their sandboxes. heard: called from other threads with what a worker does. On an error, what they do
    is broken off.
    """
    workers = Workers(jobs, partial(_start, rubric), heard, None if server is None else LendsServer(server))
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


class _Worker:
    """What one process has: made by `_start`."""

    assignment: Assignment
    bench: Bench | None = None
    overtime: Overtime

    def with_bench(
        self, seed: int, use: Callable[[Bench, Checker], None], checks: tuple[Assignment, Overtime] | None = None
    ) -> None:
        """`use` a bench whose notebook was run with `seed`. SandboxError: the next time it will be a new bench.

        `checks`: where they are not to be those of the rubric as a whole.
        """
        try:
            if self.bench is None:
                server = borrowed_server(self.assignment)
                self.bench = Bench(self.assignment, load_checks(self.assignment), tell, server)
                Finalize(self.bench, self.bench.stop, exitpriority=1)
            bench = self.bench
            bench.prepare(seed)
            assignment, overtime = checks or (self.assignment, self.overtime)
            with_checks(assignment, lambda checker: use(bench, checker), overtime)
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
    _worker.overtime = Overtime(_worker.assignment, at)
    if is_worker():
        let_process_end()


def outcomes(
    workers: Executor, width: int, calls: Iterable[Callable[..., T]], broken: dict[str, str], why: str
) -> Iterator[T]:
    """What comes of each call, as it comes; `width` of them are made at once. Each is told the checks that are broken.

    A check that ends its worker, as it does not end itself, becomes one of these (for the reason `why`), and what the
    worker was doing is done again without it.
    """
    todo = deque(calls)
    running: dict[Future[T], Callable[..., T]] = {}
    while todo or running:
        while todo and len(running) < width:
            call = todo.popleft()
            running[workers.submit(call, broken=dict(broken))] = call
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            call = running.pop(future)
            try:
                yield future.result()
            except WorkerDied as died:
                if not died.overtime:
                    raise
                # One that had begun before it was known may find the same again, but only once.
                broken[died.overtime] = why
                todo.appendleft(call)


def on_bench(seed: int, use: Callable[[Bench, Checker], None], checks: tuple[Assignment, Overtime]) -> None:
    """In a worker: `use` its bench, and other checks than the rubric's. Raises SandboxError."""
    _worker.with_bench(seed, use, checks)


def try_cases(cases: Sequence[Case], seed: int, *, broken: Mapping[str, str]) -> tuple[Sequence[Case], list[Trial]]:
    """Try each case once. A case that breaks the sandbox again and again is *not run*."""
    _worker.overtime.broken.update(broken)
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


def repeat_cases(
    cases: Sequence[Case], numbers: range, seed: int, *, broken: Mapping[str, str]
) -> tuple[range, list[Repeated]]:
    """Check each right answer once for each of `numbers`, which make the seeds. Raises SandboxError."""
    _worker.overtime.broken.update(broken)
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
    return numbers, repeated


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
        examples=tuple(f"{one.name}: {one.status} with seed {seed}: {one.for_staff}" for one in open_or_failed),
    )
