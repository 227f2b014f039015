"""The class as it stands now, and what each marker gets of it: rules only; who asks, and how, is for others to know."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
from grader.desk.teamwork import Teamwork, read_teamwork
from grader.faults import Faults
from grader.report.text import clean
from grader.results.decisions import Decision, Store
from grader.results.items import Item
from grader.results.journal import is_about, is_older, merged
from grader.results.results import LATE, Change, QuestionResult, SubmissionResult
from grader.results.teamwork import Earlier, Export, Flag

NOTHING = Standing()


class DeskError(Faults):
    """What a page asks for cannot be done: one line."""

    def __init__(self, faults: list[str], status: int = 404) -> None:
        """status: of HTTP. 404: there is no such thing. 409: there was. 400: it makes no sense."""
        super().__init__(faults)
        self.status = status


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
        """decided: whether some of its members have a decision."""
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
        self.items: dict[str, list[Item]] = {}
        """By question, in their order; also those that are offered no more."""
        self.teamwork = Teamwork()
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
            self._reread()
            fresh = self.store.changes()
            for submission in {*fresh, *self._changes}:
                old, new = self._changes.get(submission, []), fresh.get(submission, [])
                if old != new:
                    questions |= {change.question for change in [*new[len(old) :], *old[len(new) :]]}
                    self._changes[submission] = new
                    touched = touched | {submission}
        for submission in touched:
            self._stand(submission)
        for question in self.prepared if followed.changed or followed.gone else ():
            self.arrange(question)
        return Changed(followed.changed | followed.gone, questions & set(self._questions))

    def reread(self) -> None:
        """After something else than a decision was stored."""
        self._revision = self.store.revision()
        self._reread()

    def _reread(self) -> None:
        self.items = {}
        for item in self.store.items():
            self.items.setdefault(item.question, []).append(item)
        split = self.teamwork.split
        self.teamwork = read_teamwork(self.store)
        for question in {place.question for place in split ^ self.teamwork.split} & self.prepared.keys():
            self.arrange(question)
        for id in self._questions:
            self.versions[id] += 1

    def _stand(self, submission: str) -> None:
        result = self.folder.results.get(submission)
        if result is None:
            for question_id, standings in self._standings.items():
                self.versions[question_id] += standings.pop(submission, None) is not None
            return
        for question, decided in zip(result.questions, self.merged(result).questions, strict=True):
            new = standing_of(question, decided)
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
        ids = set(self._questions[answer.id].context)
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

    def arrange(self, question: str, alike: Alike | None = None) -> Prepared:
        """Have a question's groups made from its equal answers; from those of the last time where none are given."""
        self.alike[question] = alike or self.alike[question]
        answers = self.folder.answers[question]
        split = frozenset(
            place.submission
            for place in self.teamwork.split
            if place.question == question
            and place.submission in answers
            and answers[place.submission].answer == place.answer
        )
        # Whoever has handed in something else since is in no group until they are made anew.
        current = {
            key: [
                each
                for each in members
                if each.submission in answers and answers[each.submission].answer == each.digest
            ]
            for key, members in self.alike[question].keys.items()
        }
        prepared = Prepared(question, msgspec.structs.replace(self.alike[question], keys=current), split)
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
        """How one answer stands; as nothing where it is not known."""
        return self._standings[question].get(submission, NOTHING)

    def waiting(self, group: Group) -> int:
        """Members that wait for a decision."""
        return sum(self.standing(group.question, submission).waits for submission in group.members)

    def left(self, prepared: Prepared) -> tuple[int, int]:
        """Groups that wait, and answers."""
        counts = self._counts[prepared.question]
        return len(counts.waiting), counts.answers

    def decided(self, group: Group) -> list[Change]:
        """The members' decisions that count."""
        found = (self.standing(group.question, submission).decision for submission in group.members)
        return [decision for decision in found if decision is not None]

    def standings(self, question: str) -> Mapping[str, Standing]:
        """By submission."""
        return self._standings[question]

    def marked(self, question: str) -> Iterator[Change]:
        """The decisions that count."""
        return (each.decision for each in self._standings[question].values() if each.decision is not None)

    def is_late(self, submission: str) -> bool:
        """Whether a submission was handed in late, as far as anybody knows."""
        result = self.folder.results.get(submission)
        return self.folder.late.get(submission, False) or (result is not None and result.late is not None)

    def merged(self, result: SubmissionResult) -> SubmissionResult:
        """With all decisions in it."""
        return merged(result, self._changes.get(result.submission, []))

    def adjust(
        self, submission: str, kind: Literal["late", "adjustment"], points: float | None, reason: str, **more: Any
    ) -> list[Change]:
        """Decide about a submission as a whole. more: `seen`, `who`, `when`, `op`. Raises Overwritten, MarksError."""
        late = self.folder.results[submission].late
        answer = late.key if kind == LATE and late is not None else ""
        decision = Decision(
            question=kind, submission=submission, answer=answer, points=points, reason=reason, seen=more.pop("seen")
        )
        changes = self.store.decide([decision], **more)
        self.note(changes)
        return changes

    def name(self, submission: str) -> str:
        """What the course site calls the person, and else the submission."""
        return clean(self.folder.names.get(submission) or submission)

    def cells(self, question: str, submission: str) -> list[Cell]:
        """An answer's cells, as handed in."""
        answer = self.folder.answers[question].get(submission)
        return self._cells(submission, answer) if answer is not None else []

    def earlier(self, submission: str, question: str) -> list[Earlier]:
        """The answers that were handed in before, the oldest first, as far as they are kept."""
        return self.store.earlier_answers(submission, question)

    @staticmethod
    def kept_cells(earlier: Earlier) -> list[Cell]:
        """The cells of an answer that was replaced."""
        return [("code" if cell.cell_type == "code" else "text", cell.source) for cell in earlier.cells]

    def exports(self) -> list[Export]:
        """What was exported, and how many decisions were taken since. Raises MarksError."""
        return self.store.exports()

    # Handing out

    def next(self, prepared: Prepared, who: str, after: str = "", but: str = "") -> Group | None:
        """The next group for this marker, that nobody else is at; None where there is none.

        First those of which others have a mark already, then those that wait, in their order from `after` on. Of what
        was dealt out, nobody gets another one's share; nor what they have flagged for somebody else. Those to be marked
        a second time come last. but: not this one.
        """
        question, counts = prepared.question, self._counts[prepared.question]
        start = prepared.place.get(after, -1) + 1
        around = [*prepared.order[start:], *prepared.order[:start]]
        team = self.teamwork

        def is_free(id: str) -> bool:
            group = prepared.groups[id]
            return (
                id != but
                and self.leases.holder((question, id)) in (None, who)
                and team.is_for(question, group.members[0], who)
                and not any(self.is_flagged_away(question, submission, who) for submission in group.members)
            )

        offered = sorted(counts.offered & prepared.place.keys(), key=prepared.place.__getitem__)
        waiting = (id for id in around if id in counts.waiting and id not in counts.offered)
        second = (id for id in around if self.is_for_second(prepared.groups[id], who)) if team.twice(question) else ()
        found = next((id for id in chain(offered, waiting, second) if is_free(id)), None)
        return prepared.groups[found] if found is not None else None

    def is_for_second(self, group: Group, who: str) -> bool:
        """Whether this marker is to mark a group a second time, unseen: somebody else has marked it, nobody twice."""
        question = group.question
        if not self.teamwork.is_for_second(question, group.members[0], who):
            return False
        for submission in group.members:
            decision = self.standing(question, submission).decision
            if decision is None or decision.who == who or self.second_mark(question, submission) is not None:
                return False
        return True

    def for_second(self, question: str, who: str) -> int:
        """Answers that this marker is to mark a second time; none are known before the question was opened."""
        if question not in self.prepared or not self.teamwork.twice(question):
            return 0
        groups = self.prepared[question].groups.values()
        return sum(len(group.members) for group in groups if self.is_for_second(group, who))

    def second_mark(self, question: str, submission: str) -> Change | None:
        """The last second mark of the answer as it is now."""
        answer = self.folder.answers[question].get(submission)
        if answer is None:
            return None
        own = self.teamwork.seconds.get((question, submission, answer.answer), [])
        return own[-1] if own and own[-1].points is not None else None

    def flags(self, question: str, submission: str) -> list[Flag]:
        """Those that are up about the answer as it is now, and that nobody else has settled by a decision since."""
        answer = self.folder.answers[question].get(submission)
        if answer is None:
            return []
        decision = self.standing(question, submission).decision
        return [
            flag
            for flag in self.teamwork.flags.get((question, submission, answer.answer), [])
            if decision is None or (decision.when, decision.who != flag.who) <= (flag.when, False)
        ]

    def is_flagged_away(self, question: str, submission: str, who: str) -> bool:
        """Whether somebody else is to look at an answer first."""
        flags = self.flags(question, submission)
        return any(flag.for_whom != who and (flag.for_whom or flag.who == who) for flag in flags)

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

    def fit(self, group: Group, members: Iterable[str], digests: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """Of the members that were shown: those whose answers are still the ones that were, and the others.

        digests: of their answers, as they were when the groups were made.
        """
        answers = self.folder.answers[group.question]
        members = list(members)
        fit = [
            submission
            for submission in members
            if submission in group.members
            and submission in answers
            and answers[submission].answer == digests.get(submission, answers[submission].answer)
        ]
        return fit, [submission for submission in members if submission not in fit]

    def decide(
        self,
        question: str,
        members: Sequence[str],
        said: Said,
        points: Callable[[QuestionResult], float],
        *,
        who: str,
        when: str,
        op: str,
        second: bool = False,
        unseen: Collection[str] = (),
    ) -> list[Change]:
        """Store one decision for each of these submissions' answers, in one transaction: on the disk when this returns.

        unseen: those of the members whose decisions the marker has not seen, because there were none. Raises
        Overwritten, MarksError.
        """
        standings, answers = self._standings[question], self.folder.answers[question]
        decisions = [
            Decision(
                question=question,
                submission=submission,
                answer=answers[submission].answer,
                points=points(answers[submission]),
                before=self._points(answers[submission], standings[submission]),
                items=list(said.items),
                adjustment=said.adjustment,
                comment=said.comment,
                reason=said.reason,
                seen=standings[submission].seen if submission in unseen else said.seen,
            )
            for submission in members
        ]
        # Who has this very decision already needs no new one; unless somebody has come in between.
        new = [each for each in decisions if second or not self._is_so(each, standings[each.submission], said.seen)]
        changes = self.store.decide(new, who=who, when=when, op=op, second=second) if new else []
        if second:
            self.reread()
        else:
            self.note(changes)
        return changes

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

    def following(self, question: str) -> str:
        """The next question with something left, where its groups are still to be made; else empty."""
        ids = list(self._questions)
        for id in ids[ids.index(question) + 1 :] if question in self._questions else ids:
            if id in self.prepared:
                if self._counts[id].waiting:
                    return ""
            elif any(standing.waits for standing in self._standings[id].values()):
                return id
        return ""

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
