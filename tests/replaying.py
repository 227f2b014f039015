"""Public checks on the reference's own answers, with a record in the place of the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grader.assignment.assignment import load_assignment
from grader.rubric.checks import load_checks
from grader.rubric.session import Checker, with_checks
from grader.students.bundle import release
from grader.students.bundle.replay import Replay
from grader.validation.bench import Bench
from grader.validation.cases import Case


def replayed(rubric: Path, seed: int, patch: pytest.MonkeyPatch) -> dict[str, tuple[str, str]]:
    """What each public check says, status and message, where NumPy draws other numbers than when it was recorded."""
    assignment = load_assignment(rubric)
    checks = load_checks(assignment)
    public = [check for check in checks if check.public]
    bench = Bench(assignment, checks)
    said: dict[str, tuple[str, str]] = {}

    def check_all(checker: Checker) -> None:
        for check in public:
            sources = bench.reference.sources(check.question)
            answer = bench.run(Case(kind="reference", question=check.question, name="", sources=sources), seed)
            compared = release.Compared(answer, replay.namespace, replay.drawn)
            result = checker.result(check, compared, seed)
            said[check.name] = (result.status, result.message)
            bench.clear()

    try:
        bench.prepare(seed)
        replay = Replay(release.record_checks(assignment, bench, public, seed))
        default_rng = np.random.default_rng
        patch.setattr(np.random, "default_rng", lambda seed: default_rng(seed + 1))
        with_checks(assignment, check_all)
    finally:
        bench.stop()
    return said
