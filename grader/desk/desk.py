"""The class as it stands now, and what each marker gets of it: rules only; who asks, and how, is for others to know."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from grader.assignment.assignment import Assignment, Question
from grader.desk.folder import Folder, Stamps
from grader.desk.forms import Cell, normal_form
from grader.desk.groups import EMPTY, Group, Member, verdicts_of
from grader.desk.leases import Leases
from grader.desk.names import Pseudonyms
from grader.desk.prepared import Alike, Order, Prepared, alike_of
from grader.desk.sources import context_cells, read_sources
from grader.desk.standing import Standing, standing_of
from grader.faults import Faults
from grader.results.decisions import Decision, Store
from grader.results.journal import is_about, is_older
from grader.results.results import Change, QuestionResult, SubmissionResult

NOTHING = Standing()


class DeskError(Faults):
    """What a page asks for cannot be done."""


class Changed(NamedTuple):
    """What is new on the disk."""

    submissions: set[str]
    """Graded anew, or gone."""
    questions: set[str]
    """With decisions by other processes."""

    def __bool__(self) -> bool:
        return bool(self.submissions or self.questions)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a marker decides about a group."""

    items: tuple[str, ...] = ()
    adjustment: float = 0.0
    comment: str = ""
    reason: str = ""
    seen: int = 0


class Wrote(NamedTuple):
    changes: list[Change]
    members: list[str]
    """Submissions that it is about, also those that had the very same decision already."""
    left_alone: list[str]


class Counts:
    """What waits in the groups of a question; kept up to date, so that no key waits until all are counted."""

    def __init__(self) -> None:
        self.answers = 0
        """Answers that wait."""
        self.waiting: dict[str, int] = {}
        """Groups that wait, with how many of their members do."""
        self.offered: set[str] = set()
        """Those in which others have a decision already."""

    def set(self, id: str, waiting: int, decided: bool) -> None:
        self.answers += waiting - self.waiting.pop(id, 0)
        self.offered.discard(id)
        if waiting:
            self.waiting[id] = waiting
            if decided:
                self.offered.add(id)


class Desk:
    """For one thread. What takes long (`read`, `prepare`) may run in another one: it changes only what is its own."""

    def __init__(self, assignment: Assignment, output: Path, store: Store, names: Pseudonyms) -> None:
        self.assignment = assignment
        self.output = output
        self.store = store
        self.names = names
        self.folder = Folder(assignment, output)
        self.leases = Leases()
        self.sources: dict[str, dict[int, Cell]] = {}
        self.shown: dict[str, dict[int, str]] = {}
        self.prepared: dict[str, Prepared] = {}
        self.alike: dict[str, Alike] = {}
        self._questions: dict[str, Question] = {question.id: question for question in assignment.questions}
        self.versions: Counter[str] = Counter()
        """Of each question: grows with whatever its numbers follow from."""
        self.rows: dict[tuple[str, str], Any] = {}
        """Numbers of questions for a marker, kept by whoever counts them."""
        self._counts: dict[str, Counts] = {}
        self._changes: dict[str, list[Change]] = {}
        self._standings: dict[str, dict[str, Standing]] = {id: {} for id in self._questions}
        self._revision = -1
        self._forms: dict[tuple[str, ...], str] = {}
        self._shared: dict[str, str] = {}

    # What is on the disk

    def follow(self, stamps: Stamps | None = None) -> Changed:
        """See what a grading, or another process that decides, has written since. Raises OSError, MarksError.

        stamps: what `Folder.stamps` has found, which takes a while and can be asked in another thread.
        """
        followed = self.folder.follow(stamps if stamps is not None else self.folder.stamps())
        touched = followed.changed | followed.gone
        self.names.know(followed.changed)
        questions: set[str] = set()
        revision = self.store.revision()
        if revision != self._revision:
            self._revision = revision
            fresh = self.store.changes()
            for submission in {*fresh, *self._changes}:
                old, new = self._changes.get(submission, []), fresh.get(submission, [])
                if old != new:
                    questions |= {change.question for change in [*new[len(old) :], *old[len(new) :]]}
                    self._changes[submission] = new
                    touched = touched | {submission}
        for submission in touched:
            self._stand(submission)
        return Changed(followed.changed | followed.gone, questions & set(self._questions))

    def _stand(self, submission: str) -> None:
        result = self.folder.results.get(submission)
        if result is None:
            for question_id, standings in self._standings.items():
                self.versions[question_id] += standings.pop(submission, None) is not None
            return
        changes = [change for change in self._changes.get(submission, []) if is_about(change, result)]
        for question in result.questions:
            new = standing_of(question, changes)
            if self._standings[question.id].get(submission) != new:
                self._standings[question.id][submission] = new
                self.versions[question.id] += 1
                id = self.prepared[question.id].group_of.get(submission) if question.id in self.prepared else None
                if id is not None:
                    self._count(question.id, id)

    def read(self, results: Iterable[SubmissionResult]) -> None:
        """Take the answers' sources from the executed notebooks."""
        for result in results:
            found = read_sources(self.assignment, self.output, result)
            # What was given to all, and what many copy, is there once.
            self.sources[result.submission] = {
                index: (kind, self._shared.setdefault(source, source)) for index, (kind, source) in found.cells.items()
            }
            self.shown[result.submission] = found.shown

    # Groups

    def question(self, id: str) -> Question:
        """Raises DeskError."""
        if id not in self._questions:
            raise DeskError([f"there is no question {id} in this rubric"])
        return self._questions[id]

    def prepare(self, question: str, answers: Mapping[str, QuestionResult], order: Order) -> Alike:
        """The equal answers of a question, in their order."""
        shown = sorted(answers, key=self.names.place)
        members = [self._member(question, submission, answers[submission]) for submission in shown]
        sources = {member.submission: self.text(question, member.submission) for member in members}
        return alike_of(self.question(question).kind, members, sources, order)

    def _member(self, question: str, submission: str, answer: QuestionResult) -> Member:
        form = (
            "" if answer.status == "missing" else self._form(question, answer.answer, self._cells(submission, answer))
        )
        if not form and answer.status != "missing" and answer.kind == "code":
            # Nothing of it can be read, but it was checked.
            form = answer.answer or "code"
        return Member(
            submission=submission,
            digest=answer.answer,
            form=form or EMPTY,
            verdicts=verdicts_of(answer),
            about=_brief(self._about(submission, answer)),
        )

    def _about(self, submission: str, answer: QuestionResult) -> str:
        """What the run that an answer talks about has shown, or else its code; and how it was checked."""
        result = self.folder.results.get(submission)
        if result is None:
            return ""
        there, shown = self.sources.get(submission, {}), self.shown.get(submission, {})
        cells = [each for each in context_cells(self.assignment, result, answer) if each not in answer.cells]
        outputs = [shown[index] for index in cells if shown.get(index)]
        code = "" if outputs else normal_form([there[index] for index in cells if index in there])
        ids = set(getattr(self._questions[answer.id], "context", ()))
        verdicts = [verdicts_of(other) for other in result.questions if other.id in ids]
        return f"{outputs}{code}{verdicts}" if outputs or code or any(verdicts) else ""

    def _cells(self, submission: str, answer: QuestionResult) -> list[Cell]:
        there = self.sources.get(submission, {})
        return [there[index] for index in answer.cells if index in there]

    def text(self, question: str, submission: str) -> str:
        """An answer's sources, as written; empty where they are not read yet, or cannot be."""
        answer = self.folder.answers[question].get(submission)
        return "\n\n".join(source for _, source in self._cells(submission, answer)) if answer is not None else ""

    def _form(self, question: str, digest: str, cells: Sequence[Cell]) -> str:
        """Made once for each answer that differs."""
        key = (question, digest)
        if not digest or key not in self._forms:
            self._forms[key] = _brief(normal_form(cells))
        return self._forms[key]

    def arrange(self, question: str, alike: Alike | None = None, split: Iterable[str] = ()) -> Prepared:
        """Have a question's groups made from its equal answers; from those of the last time where none are given."""
        self.alike[question] = alike or self.alike[question]
        prepared = Prepared(question, self.alike[question], frozenset(split))
        self.prepared[question] = prepared
        self._counts[question] = Counts()
        for id in prepared.order:
            self._count(question, id)
        return prepared

    def _count(self, question: str, id: str) -> None:
        standings = self._standings[question]
        own = [standings.get(submission, NOTHING) for submission in self.prepared[question].groups[id].members]
        self._counts[question].set(id, sum(each.waits for each in own), any(each.decision is not None for each in own))

    # How answers stand

    def standing(self, question: str, submission: str) -> Standing:
        return self._standings[question].get(submission, NOTHING)

    def waiting(self, group: Group) -> int:
        """Members that wait for a decision."""
        return sum(self.standing(group.question, submission).waits for submission in group.members)

    def left(self, prepared: Prepared) -> tuple[int, int]:
        """Groups that wait, and answers."""
        counts = self._counts[prepared.question]
        return len(counts.waiting), counts.answers

    def decided(self, group: Group) -> list[Change]:
        found = (self.standing(group.question, submission).decision for submission in group.members)
        return [decision for decision in found if decision is not None]

    def all_changes(self, submission: str) -> list[Change]:
        return self._changes.get(submission, [])

    # Handing out

    def next(self, prepared: Prepared, who: str, after: str = "", but: str = "") -> Group | None:
        """The next group that waits, and that nobody else is at; those first of which others have a mark already.

        but: not this one.
        """
        counts = self._counts[prepared.question]
        start = prepared.place.get(after, -1) + 1

        def free(ids: Iterable[str]) -> Iterator[str]:
            return (
                id
                for id in ids
                if id != but and self.leases.holder((prepared.question, id)) in (None, who) and id in prepared.groups
            )

        offered = sorted(counts.offered & prepared.place.keys(), key=prepared.place.__getitem__)
        around = chain(prepared.order[start:], prepared.order[:start])
        id = next(free(offered), None) or next(free(id for id in around if id in counts.waiting), None)
        return prepared.groups[id] if id is not None else None

    def beside(self, prepared: Prepared, id: str, step: Literal[1, -1]) -> Group | None:
        """The next group or the one before, marked or not; None at the end."""
        place = prepared.place.get(id)
        if place is None:
            return prepared.groups[prepared.order[0]] if prepared.order else None
        place += step
        return prepared.groups[prepared.order[place]] if 0 <= place < len(prepared.order) else None

    def held(self, prepared: Prepared, who: str) -> int:
        """Groups that wait and that others are at."""
        waiting = self._counts[prepared.question].waiting
        return sum(lease.who != who and lease.place[1] in waiting for lease in self.leases.all_of(prepared.question))

    # Deciding

    def decide(
        self,
        group: Group,
        said: Said,
        points: Callable[[QuestionResult], float | None],
        *,
        who: str,
        when: str,
        op: str,
        members: Sequence[str] | None = None,
        open_only: bool = False,
        digests: Mapping[str, str],
    ) -> Wrote:
        """Store one decision for each member, in one transaction: on the disk when this returns.

        members: those that were shown; of the others nothing is decided. digests: of the members' answers as they were
        when the groups were made: whoever has handed in another answer since is left alone. Raises Overwritten,
        MarksError, DeskError.
        """
        wanted = list(group.members) if members is None else list(members)
        standings = self._standings[group.question]
        answers = self.folder.answers[group.question]
        fit = [
            submission
            for submission in wanted
            if submission in group.members
            and submission in answers
            and answers[submission].answer == digests.get(submission, answers[submission].answer)
        ]
        left_alone = [submission for submission in wanted if submission not in fit]
        if open_only:
            fit = [submission for submission in fit if standings[submission].decision is None]
        decisions = [
            Decision(
                question=group.question,
                submission=submission,
                answer=answers[submission].answer,
                points=points(answers[submission]),
                before=self._points(answers[submission], standings[submission]),
                items=list(said.items),
                adjustment=said.adjustment,
                comment=said.comment,
                reason=said.reason,
                seen=said.seen,
            )
            for submission in fit
        ]
        # Who has this very decision already needs no new one; unless somebody has come in between.
        new = [each for each in decisions if not self._is_so(each, standings[each.submission], said.seen)]
        changes = self.store.decide(new, who=who, when=when, op=op) if new else []
        self.note(changes)
        return Wrote(changes, fit, left_alone)

    @staticmethod
    def _is_so(decision: Decision, standing: Standing, seen: int) -> bool:
        last = standing.decision
        return (
            last is not None
            and standing.seen <= seen
            and (last.points, last.items, last.adjustment, last.comment, last.reason)
            == (decision.points, decision.items, decision.adjustment, decision.comment, decision.reason)
        )

    @staticmethod
    def _points(answer: QuestionResult, standing: Standing) -> float | None:
        return standing.decision.points if standing.decision is not None else answer.points

    def note(self, changes: Sequence[Change]) -> None:
        """Know of decisions that this process has just stored."""
        revision = self.store.revision()
        if revision == self._revision + 1:
            self._revision = revision  # nobody else has written, so there is nothing more to read
        for submission, own in _by_submission(changes).items():
            known = self._changes.setdefault(submission, [])
            there = {change.id for change in known}
            known += [change for change in own if change.id not in there]
            self._stand(submission)

    def older_pages(self) -> list[str]:
        """Submissions whose pages were made before the last decision about them."""
        return [
            submission
            for submission, result in self.folder.results.items()
            if is_older(
                msgspec.structs.replace(result, final=self.folder.finals.get(submission)),
                [change for change in self._changes.get(submission, []) if is_about(change, result)],
            )
        ]

    # Numbers

    def disagreeing(self, question: str) -> int:
        """Groups of equal answers with unequal points."""
        if question in self.prepared:
            together: Iterable[Iterable[str]] = (group.members for group in self.prepared[question].groups.values())
        else:
            alike: dict[str, list[str]] = {}
            for submission, answer in self.folder.answers[question].items():
                alike.setdefault(answer.answer, []).append(submission)
            together = alike.values()
        return sum(len(self._given(question, members)) > 1 for members in together)

    def _given(self, question: str, members: Iterable[str]) -> Counter[float]:
        decisions = (self.standing(question, submission).decision for submission in members)
        return Counter(
            decision.points for decision in decisions if decision is not None and decision.points is not None
        )

    def offered(self, question: str) -> int:
        """Answers that wait, and that somebody else's mark is offered for."""
        if question not in self.prepared:
            return 0
        groups = self.prepared[question].groups
        return sum(self.waiting(groups[id]) for id in self._counts[question].offered)


def _brief(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32] if text else ""


def _by_submission(changes: Sequence[Change]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.submission, []).append(change)
    return found
