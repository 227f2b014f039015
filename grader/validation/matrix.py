"""What a validation yields: for every case what each check said of it, and whether that is as it should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from grader.assignment.assignment import Check
from grader.results.results import CheckResult, CheckStatus
from grader.validation.cases import Case, Kind

CAUGHT = 0.97
"""Of the generated mutants that are no equivalents, so many at least must be caught."""

EXAMPLES = 5
"""Of the failures of a right answer that is checked again and again, so many are shown."""

Verdict = Literal[
    "accepted", "wrongly rejected", "killed", "survived", "lost the wrong points", "equivalent", "not equivalent",
    "check broken", "not run",
]  # fmt: skip
GOOD: tuple[Verdict, ...] = ("accepted", "killed", "equivalent")


class Said(msgspec.Struct, frozen=True):
    """One check of one case."""

    check: str
    status: CheckStatus
    message: str = ""
    """As staff read it."""
    broken: str = ""
    """What the check raised, and where, where it broke."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One case, tried: a row of the matrix."""

    kind: Kind
    question: str
    name: str
    file: str = ""
    verdict: Verdict
    points: float
    """What the answer got; a check in review gives none."""
    max_points: float
    expected_points: float | None = None
    """None for a generated mutant, which may lose any."""
    said: tuple[Said, ...] = ()
    faults: tuple[str, ...] = ()
    """What is off, each beginning with the check it is about."""
    reason: str = ""
    """Why an equivalent is none of the mistakes."""
    source: str = ""
    seconds: float = 0.0


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A whole notebook, graded: the reference, or its student version."""

    name: str
    points: float
    max_points: float
    faults: tuple[str, ...] = ()
    broken: tuple[Said, ...] = ()
    """The checks that broke."""


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """One right answer, checked again and again with fresh seeds."""

    question: str
    name: str
    repeats: int = 0
    failed: int = 0
    """Repeats in which at least one check failed."""
    review: int = 0
    """Repeats in which none failed, and at least one left it to a person."""
    examples: tuple[str, ...] = ()
    """The first few of these, each with its seed."""

    def plus(self, other: Repeated) -> Repeated:
        return Repeated(
            question=self.question,
            name=self.name,
            repeats=self.repeats + other.repeats,
            failed=self.failed + other.failed,
            review=self.review + other.review,
            examples=(*self.examples, *other.examples)[:EXAMPLES],
        )

    @property
    def highest_rate(self) -> float:
        """The upper end of the exact one-sided 95% confidence interval for the rate of failing.

        C. J. Clopper and E. S. Pearson, The use of confidence or fiducial limits, Biometrika 26 (1934).
        """
        from scipy.stats import beta

        return (
            1.0 if self.failed == self.repeats else float(beta.ppf(0.95, self.failed + 1, self.repeats - self.failed))
        )


class Validation(msgspec.Struct, kw_only=True):
    """Everything about one validation."""

    assignment: str
    grader_version: str
    seed: int
    questions: list[str]
    """The questions that were tried."""
    checks: list[str]
    wholes: list[Whole] = []
    trials: list[Trial] = []
    repeated: list[Repeated] = []
    unproven: list[str] = []
    """Checks that no mutant made fail."""
    seconds: float = 0.0

    @property
    def generated(self) -> list[Trial]:
        """The generated mutants that are no equivalents."""
        return [trial for trial in self.trials if trial.kind == "generated" and not trial.reason]

    @property
    def caught(self) -> float:
        """The share of those that were caught; 1 where there are none."""
        generated = self.generated
        return sum(trial.verdict == "killed" for trial in generated) / len(generated) if generated else 1.0

    def faults(self) -> list[str]:
        """Everything that is off, a line each; none: the rubric is proven."""
        faults = self.broken()
        faults += [f"{whole.name}: {fault}" for whole in self.wholes for fault in whole.faults]
        for trial in self.trials:
            if trial.verdict not in GOOD and not self.is_tolerated(trial):
                faults += trial.faults
        faults += [
            f"{check}: no mutant makes it fail: nothing shows that it rejects anything" for check in self.unproven
        ]
        if self.caught < CAUGHT:
            faults.append(f"only {self.caught:.1%} of the generated mutants are caught; {CAUGHT:.0%} should be")
        for one in self.repeated:
            faults += [f"{one.question}, {one.name}: {example}" for example in one.examples]
        return faults

    def broken(self) -> list[str]:
        """For each check that broke, and each thing that it raised, a line."""
        where: dict[tuple[str, str], list[str]] = {}
        for trial in self.trials:
            for said in (one for one in trial.said if one.broken):
                where.setdefault((said.check, said.broken), []).append(_shown(trial))
        for whole in self.wholes:
            for said in whole.broken:
                where.setdefault((said.check, said.broken), []).append(whole.name)
        return [
            f"{check}: the check is broken: {raised}, of {answers[0]}{_and_more(len(answers) - 1)}"
            for (check, raised), answers in where.items()
        ]

    def is_tolerated(self, trial: Trial) -> bool:
        """A few of the generated mutants may survive; they are listed all the same."""
        return trial.kind == "generated" and trial.verdict == "survived" and self.caught >= CAUGHT

    @property
    def is_clean(self) -> bool:
        return not self.faults()

    @property
    def survivors(self) -> list[Trial]:
        """The generated mutants that no check catches and that are not listed as equivalents."""
        return [trial for trial in self.generated if trial.verdict == "survived"]

    @property
    def equivalents(self) -> list[Trial]:
        """The generated mutants that are listed as no mistakes."""
        return [trial for trial in self.trials if trial.kind == "generated" and trial.reason]

    def summary(self) -> list[tuple[str, str, str, str, str]]:
        """For each question and for all: how many of each kind are as they should be."""
        rows = []
        for id in [*self.questions, "all"]:
            trials = [trial for trial in self.trials if id in ("all", trial.question)]
            generated = [trial for trial in trials if trial.kind == "generated"]
            rows.append(
                (
                    id,
                    _good_of([trial for trial in trials if trial.kind in ("reference", "variant")]),
                    _good_of([trial for trial in trials if trial.kind == "mutant"]),
                    _good_of([trial for trial in generated if not trial.reason]),
                    str(sum(bool(trial.reason) for trial in generated)),
                )
            )
        return rows

    def summary_of_repeats(self) -> list[str]:
        """How often right answers failed, and how often they may fail in truth after so many repeats without."""
        total = total_of(self.repeated)
        if not total.repeats:
            return []
        return [
            f"{len(self.repeated)} right answers, {total.repeats:,} repeats with fresh seeds: "
            f"{total.failed} failed, {total.review} left to a person; "
            f"the true rate of failing is below {total.highest_rate:.2g} (95% confidence)"
        ]


def total_of(repeated: Iterable[Repeated]) -> Repeated:
    """The counts of several right answers together."""
    total = Repeated(question="", name="all right answers")
    for one in repeated:
        total = total.plus(one)
    return total


def judge(case: Case, results: Sequence[CheckResult], seconds: float) -> Trial:
    """The row of a case of which the checks have said this."""
    faults = tuple(_faults(case, results))
    max_points = sum(result.max_points for result in results)
    return Trial(
        kind=case.kind,
        question=case.question,
        name=case.name,
        file=case.file,
        verdict=_verdict(case, results, faults),
        points=sum(result.points or 0.0 for result in results),
        max_points=max_points,
        expected_points=_expected_points(case, results),
        said=tuple(Said(result.name, result.status, result.for_staff, result.broken) for result in results),
        faults=faults,
        reason=case.equivalent,
        source="\n\n".join(case.sources),
        seconds=seconds,
    )


def not_run(case: Case, why: str) -> Trial:
    """The row of a case that the harness could not try."""
    return Trial(
        kind=case.kind,
        question=case.question,
        name=case.name,
        file=case.file,
        verdict="not run",
        points=0.0,
        max_points=0.0,
        faults=(f"{_shown(case)}: could not be tried: {why}",),
        source="\n\n".join(case.sources),
    )


def unproven(checks: Iterable[Check], trials: Sequence[Trial]) -> list[str]:
    """The checks that failed for no mutant."""
    failed = {
        said.check
        for trial in trials
        if trial.kind in ("mutant", "generated")
        for said in trial.said
        if said.status == "failed" and not said.broken
    }
    return [check.name for check in checks if check.name not in failed]


def encode(validation: Validation) -> bytes:
    """As JSON, for other programs."""
    return msgspec.json.format(msgspec.json.encode(validation), indent=1)


def _good_of(trials: Sequence[Trial]) -> str:
    return f"{sum(trial.verdict in GOOD for trial in trials)} of {len(trials)}"


def _verdict(case: Case, results: Sequence[CheckResult], faults: Sequence[str]) -> Verdict:
    rejected = any(result.status != "passed" for result in results)
    caught = any(result.status != "passed" and not result.broken for result in results)
    if any(result.broken for result in results) and not (case.kind == "generated" and not case.equivalent and caught):
        # Whatever it would have said: a check that breaks accepts no answer, and catches no mistake.
        return "check broken"
    if case.kind in ("reference", "variant"):
        return "wrongly rejected" if rejected else "accepted"
    if case.equivalent:
        return "not equivalent" if rejected else "equivalent"
    if not rejected:
        return "survived"
    return "lost the wrong points" if faults else "killed"


def _faults(case: Case, results: Sequence[CheckResult]) -> Iterator[str]:
    what = _shown(case)
    for result in (each for each in results if not each.broken):
        said = f": {_line(result.message)}" if result.message else ""
        if case.kind in ("reference", "variant"):
            if result.status != "passed":
                verb = "cannot decide on" if result.status == "review" else "rejects"
                yield f"{result.name}: {verb} a right answer, {what}{said}"
        elif case.kind == "mutant":
            yield from _faults_of_mutant(case, result, what, said)
        elif case.equivalent and result.status != "passed":
            yield f"{result.name}: rejects {what}, which is listed as an equivalent{said}"
    if case.kind == "generated" and not case.equivalent and all(result.status == "passed" for result in results):
        who = f"{results[0].name}: accepts" if len(results) == 1 else f"{case.question}: all of its checks accept"
        yield f"{who} {what}"


def _faults_of_mutant(case: Case, result: CheckResult, what: str, said: str) -> Iterator[str]:
    if result.status == "review":
        yield f"{result.name}: cannot decide on {what}{said}"
    elif result.name in case.fails and result.status == "passed":
        yield f"{result.name}: accepts {what}"
    elif result.name not in case.fails and result.status != "passed":
        yield f"{result.name}: rejects {what}, which is another check's mistake{said}"


def _expected_points(case: Case, results: Sequence[CheckResult]) -> float | None:
    if case.kind == "generated" and not case.equivalent:
        return None
    return sum(result.max_points for result in results if result.name not in case.fails)


def _and_more(count: int) -> str:
    return f" and {count} more {'answer' if count == 1 else 'answers'}" if count else ""


def _shown(case: Case | Trial) -> str:
    if case.kind == "reference":
        return f"the reference's to {case.question}"
    where = f" ({case.file})" if case.file else ""
    return (
        f"the {'generated mutant' if case.kind == 'generated' else case.kind} {case.name!r} of {case.question}{where}"
    )


def _line(message: str) -> str:
    return message.partition("\n")[0]
