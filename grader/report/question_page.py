"""One question over the whole class: all answers side by side, the alike together, for marking them in one go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from grader.assignment.assignment import Assignment
from grader.report.budget import CODE_LINES, MESSAGES_LISTED, PAGE_PARSED, PAGE_PLAIN, Budget
from grader.report.class_answers import AnswerSource, ClassAnswers, Source, shingles_of
from grader.report.class_page import judgement, numbered_checks
from grader.report.class_statistics import is_graded, question_statistics
from grader.report.highlight import highlighted
from grader.report.markdown import render_criteria, render_markdown
from grader.report.outputs import TOO_MUCH
from grader.report.page import render_page
from grader.report.recurring import check_counts, first_line
from grader.report.similar import groups, without
from grader.report.statuses import STATUSES, Status, in_review, shown_status, to_mark
from grader.results.results import Change, QuestionResult, SubmissionResult


@dataclass(frozen=True)
class Outcome:
    """What came of an answer, and in which submissions it did."""

    status: Status
    points: float | None
    max_points: float
    messages: tuple[str, ...]
    decision: Change | None
    lapsed: Change | None
    """A decision that holds no more; nobody has decided since."""
    submissions: list[str]


@dataclass(frozen=True)
class CellView:
    kind: str
    """One of "code", "text" and "plain"."""
    body: Markup | str
    lines: int
    """Set where it is so long that it is folded."""


@dataclass(frozen=True)
class Variant:
    """Answers that are identical."""

    cells: list[CellView]
    remark: str
    outcomes: list[Outcome]
    waits: bool
    """Whether a person must look at one of them."""

    @property
    def count(self) -> int:
        return sum(len(outcome.submissions) for outcome in self.outcomes)


@dataclass(frozen=True)
class Group:
    """Answers that are near-identical to the first variant."""

    variants: list[Variant]

    @property
    def count(self) -> int:
        return sum(variant.count for variant in self.variants)

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for variant in self.variants for outcome in variant.outcomes]

    @property
    def statuses(self) -> list[Status]:
        """In the order of the legend."""
        there = {outcome.status for outcome in self.outcomes}
        return [status for status in STATUSES.values() if status in there]


_Answer = tuple[str, QuestionResult]
"""A submission's name, and what came of its answer."""
_Verdict = tuple[tuple[str, str], ...]
"""What each check says of an answer."""


def render_question(
    assignment: Assignment, question_id: str, results: Sequence[SubmissionResult], answers: ClassAnswers
) -> str:
    """One page, for staff, at `questions/<id>.html` beside the submissions' folders. KeyError for an unknown id.

    The answers that wait for a person come first, then those that most have given.
    """
    question = assignment.question(question_id)
    asked = [
        (one.submission, own) for one in results if is_graded(one) for own in one.questions if own.id == question.id
    ]
    given, absent = _by_verdict(asked, answers)
    clusters = sorted((cluster for same in given.values() for cluster in _alike(same, answers)), key=_urgency)
    budget = Budget(parsed=PAGE_PARSED, plain=PAGE_PLAIN)
    numbers = question_statistics([question.id], results)[question.id]
    place = assignment.questions.index(question)
    return render_page(
        "question.html.j2",
        assignment=assignment,
        question=question,
        before=assignment.questions[place - 1] if place else None,
        after=assignment.questions[place + 1] if place + 1 < len(assignment.questions) else None,
        criteria=render_criteria(question.criteria) if question.criteria else Markup(),
        numbers=numbers,
        judgement=judgement(numbers),
        asked=len(asked),
        parts=[(status, numbers.statuses[key]) for key, status in STATUSES.items() if numbers.statuses.get(key)],
        to_mark=sum(to_mark(own) for _, own in asked),
        in_review=sum(in_review(own) for _, own in asked),
        checks=numbered_checks(check_counts(results, question.id)),
        groups=[_group(cluster, answers, budget) for cluster in clusters],
        absent=_outcomes(absent),
        ungraded=sum(not is_graded(result) for result in results),
        statuses=STATUSES,
    )


def _by_verdict(
    asked: Iterable[_Answer], answers: ClassAnswers
) -> tuple[dict[_Verdict, dict[str, list[_Answer]]], list[_Answer]]:
    """Identical answers together, of those about which the checks say the same; and those who gave none.

    What the checks tell apart is never alike, however little differs.
    """
    given: dict[_Verdict, dict[str, list[_Answer]]] = {}
    absent: list[_Answer] = []
    for submission, own in asked:
        digest = answers.digest(own.id, submission)
        if digest and own.status != "missing":
            verdict = tuple((check.name, check.status) for check in own.checks)
            given.setdefault(verdict, {}).setdefault(digest, []).append((submission, own))
        else:
            absent.append((submission, own))
    return given, absent


_Cluster = list[tuple[str, list[_Answer]]]
"""Near-identical answers: digests, and who gave them; the most common first."""


def _alike(given: dict[str, list[_Answer]], answers: ClassAnswers) -> list[_Cluster]:
    common = sorted(given.items(), key=lambda item: -len(item[1]))
    readable = [item for item in common if answers.source(item[0]) is not None]
    alike = groups([without(shingles_of(_cells(digest, answers)), answers.given) for digest, _ in readable])
    # Of those that cannot be read nothing is known but that they are identical.
    unread = [[item] for item in common if answers.source(item[0]) is None]
    return [*([readable[place] for place in group] for group in alike), *unread]


def _cells(digest: str, answers: ClassAnswers) -> Sequence[Source]:
    source = answers.source(digest)
    return source.cells if source is not None else ()


def _urgency(cluster: _Cluster) -> tuple[bool, int]:
    members = [own for _, same in cluster for _, own in same]
    return not any(map(_waits, members)), -len(members)


def _waits(answer: QuestionResult) -> bool:
    return in_review(answer) or to_mark(answer)


def _group(cluster: _Cluster, answers: ClassAnswers, budget: Budget) -> Group:
    first = answers.source(cluster[0][0])
    variants = []
    for digest, same in cluster:
        source = answers.source(digest)
        leader = None if source is first else first
        variants.append(
            Variant(
                cells=[_cell(cell, leader, budget) for cell in _cells(digest, answers)],
                remark=source.remark if source is not None else "The answer’s cells are not available.",
                outcomes=_outcomes(same),
                waits=any(_waits(own) for _, own in same),
            )
        )
    return Group(variants)


def _outcomes(answers: Iterable[_Answer]) -> list[Outcome]:
    found: dict[tuple[object, ...], Outcome] = {}
    for submission, own in answers:
        messages = [first_line(check.for_staff) for check in own.checks if check.status in {"failed", "review"}]
        decision = own.changes[-1] if own.status == "marked" and own.changes else None
        told = decision or own.lapsed
        said = (told.points, told.told, told.reason, told.who) if told is not None else ()
        shown = tuple(dict.fromkeys(message for message in messages if message))[:MESSAGES_LISTED]
        outcome = found.setdefault(
            (shown_status(own), own.points, own.max_points, shown, said),
            Outcome(STATUSES[shown_status(own)], own.points, own.max_points, shown, decision, own.lapsed, []),
        )
        outcome.submissions.append(submission)
    return list(found.values())


def _cell(cell: Source, leader: AnswerSource | None, budget: Budget) -> CellView:
    """leader: the answer that this one is a variant of; of code, the lines that it does not have are marked."""
    if cell.kind == "text":
        return CellView("text", render_markdown(cell.text, budget), 0)
    lines = cell.text.count("\n") + 1
    folded = lines if lines > CODE_LINES else 0
    if leader is not None:
        body = _marked(cell.text, leader) if budget.spend("plain", 2 * len(cell.text)) else TOO_MUCH
        return CellView("code", body, folded)
    if budget.spend("parsed", len(cell.text)):
        return CellView("code", highlighted(cell.text), folded)
    return CellView("plain", cell.text if budget.spend("plain", len(cell.text)) else TOO_MUCH, folded)


def _marked(text: str, leader: AnswerSource) -> Markup:
    known = {_bare(line) for cell in leader.cells for line in cell.text.split("\n")}
    tags = (("mark", "span")[_bare(line) in known] for line in text.split("\n"))
    lines = str(escape(text)).split("\n")
    return Markup("\n".join(f'<{tag} class="line">{line}</{tag}>' for tag, line in zip(tags, lines, strict=True)))


def _bare(line: str) -> str:
    return " ".join(line.split())
