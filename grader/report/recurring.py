"""Which checks fail most in a class, and which of their messages recur: alike but for the numbers in them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grader.report.budget import MESSAGE_CHARACTERS
from grader.report.class_statistics import is_graded
from grader.report.text import printed
from grader.results.results import CheckResult, SubmissionResult

# Not within a name (`w1`), nor of a question (`1.5.b`): those tell messages apart.
_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:0x[0-9a-f]++|(?:\d++(?:[.,]\d++)*+(?:\.(?=[\]),e]))?|\.\d++)(?:e[-+]?\d++)?)j?(?!\w|\.\w)",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"…(?:[,;\s]++…)++")
_ROWS = re.compile(r"(\[…\]|\(…\))(?:[,;\s]++\1)++")


@dataclass
class Message:
    """A message as it recurs: `pattern` with … for each number; `example` is the first one as it was written."""

    pattern: str
    example: str
    submissions: list[str] = field(default_factory=list)
    number: int = 0
    """Its number on the page, from 1; 0 where the page does not list it."""

    @property
    def count(self) -> int:
        return len(self.submissions)


@dataclass
class CheckCounts:
    """One check over all graded submissions: how often it was asked, and how that ended."""

    question: str
    name: str
    title: str
    asked: int = 0
    failed: int = 0
    review: int = 0
    carried: int = 0
    missing: int = 0
    messages: list[Message] = field(default_factory=list)
    """Of answers that failed, or are in review. The most frequent first."""


def check_counts(results: Sequence[SubmissionResult], only: str = "") -> list[CheckCounts]:
    """All checks, those that failed most often first, and of as many failures in the order of the questions.

    only: the question whose checks are asked for; all where it is empty.
    """
    found: dict[tuple[str, str], CheckCounts] = {}
    messages: defaultdict[tuple[str, str], dict[str, Message]] = defaultdict(dict)
    for result in filter(is_graded, results):
        for question in (own for own in result.questions if only in ("", own.id)):
            for check in question.checks:
                key = (question.id, check.name)
                counts = found.setdefault(key, CheckCounts(question.id, check.name, check.title or check.name))
                _count(counts, check)
                line = first_line(check.for_staff)
                if check.status in {"failed", "review"} and line:
                    message = messages[key].setdefault(pattern(line), Message(pattern(line), line))
                    message.submissions.append(result.submission)
    for key, counts in found.items():
        counts.messages = sorted(messages[key].values(), key=lambda message: -message.count)
    return sorted(found.values(), key=lambda counts: -counts.failed)


def broken_checks(results: Iterable[SubmissionResult]) -> dict[str, Counter[str]]:
    """For each check that broke, what it raised and where, and in how many submissions."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for check in (check for result in results for question in result.questions for check in question.checks):
        if check.broken:
            found[check.name][check.broken] += 1
    return found


def first_line(message: str) -> str:
    """What a message says first, of bounded length; its other lines are values and tracebacks."""
    return printed(message[: 2 * MESSAGE_CHARACTERS]).strip().partition("\n")[0].rstrip()[:MESSAGE_CHARACTERS]


def pattern(line: str) -> str:
    """The line with … for each number, and for numbers or rows of them that follow each other: `shape (3, 4), not (3,)`
    is `shape (…), not (…,)`, and any matrix `[[…]]`.

    `nan` and `inf` stay: a value that is one of them is another mistake.
    """
    return _ROWS.sub(r"\1", _SEVERAL.sub("…", _NUMBER.sub("…", line)))


def _count(counts: CheckCounts, check: CheckResult) -> None:
    counts.asked += 1
    counts.failed += check.status == "failed"
    counts.review += check.status == "review"
    counts.carried += check.status == "carried forward"
    counts.missing += check.status == "missing"
