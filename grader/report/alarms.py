"""What a class has in common that no student is at fault for: a check that is wrong, a package that is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grader.report.class_statistics import is_graded
from grader.report.recurring import CheckCounts, broken_checks, check_counts
from grader.results.results import SubmissionResult

FEWEST = 3
"""Answers, or notebooks, from which on it is no chance that they all have something in common."""
MOST = 0.5
"""An import that fails in more than this share of the notebooks is hardly a mistake of theirs."""
LISTED = 10


@dataclass(frozen=True)
class Alarm:
    """One line for staff, in its parts."""

    before: str
    what: str
    """Code, or the name of a check."""
    question: str
    """That of the check; empty for code."""
    after: str
    hint: str
    """What may be the reason."""
    broken: bool = False

    @property
    def line(self) -> str:
        where = f" ({self.question})" if self.question else ""
        return " ".join(filter(None, [self.before, f"`{self.what}`{where}", self.after])) + f": {self.hint}"


def alarms(results: Sequence[SubmissionResult]) -> list[Alarm]:
    """The most urgent first, `LISTED` at most."""
    # What several handed in together is one answer.
    graded = [result for result in results if is_graded(result) and not result.same_as]
    broken = broken_checks(graded)
    counts = check_counts(graded)
    found = [
        *_of_imports(graded),
        *(_of_broken(one, broken[one.name]) for one in counts if one.name in broken),
        *(alarm for one in counts if one.name not in broken for alarm in _of_check(one)),
    ]
    return found[:LISTED]


def _of_imports(graded: Sequence[SubmissionResult]) -> Iterator[Alarm]:
    counts = Counter(line for result in graded for line in set(result.failed_imports))
    for line, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count >= FEWEST and count > MOST * len(graded):
            hint = "is it installed here? (pip; `preload` in rubric.toml)"
            yield Alarm("", line, "", f"fails in {_share(count, len(graded))} notebooks", hint)


def _of_broken(one: CheckCounts, raised: Counter[str]) -> Alarm:
    ((most, _),) = raised.most_common(1)
    answers = one.asked - one.missing
    after = f"broke for {_share(raised.total(), answers)} {'answer' if answers == 1 else 'answers'}"
    return Alarm("the check", one.name, one.question, after, most, broken=True)


def _of_check(one: CheckCounts) -> Iterator[Alarm]:
    answers = one.asked - one.missing
    if answers < FEWEST:
        return
    if one.failed == answers:
        yield Alarm(f"every one of {answers} answers fails", one.name, one.question, "", "the check may be wrong")
    elif one.review == answers:
        before = f"every one of {answers} answers is left to a person by"
        yield Alarm(before, one.name, one.question, "", "the check may be wrong")


def _share(count: int, of: int) -> str:
    return f"all {of}" if count == of > 1 else f"{count} of {of}"
