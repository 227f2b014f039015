"""What a marker asks for: the queue, a group, the next one, a decision, and to take it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from grader.desk.desk import Desk, DeskError, Said
from grader.desk.groups import Group
from grader.desk.payloads import Conflict, Decided, DecisionView, GroupPayload, QueuePayload, Saved, Undone
from grader.desk.pieces import comment_html
from grader.desk.prepared import Prepared
from grader.desk.requests import Decide, Undo
from grader.desk.service import Service, now
from grader.desk.views import decision_view, group_view, leases_view, place_of, question_view, queue_view
from grader.marks.decisions import automatic_range
from grader.results.decisions import Overwritten
from grader.results.items import points_of
from grader.results.results import Change, QuestionResult, format_points

NOT_THERE = "this group is not there any more: its answers were handed in anew, or are taken apart"


class Marking:
    """For one event loop; each method answers one request. Any may raise DeskError, MarksError."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def queue(self, who: str) -> QueuePayload:
        """What is left, and of whom."""
        return await self._service.on_desk(queue_view, self._service.desk, who, list(self._service.faults))

    async def group(self, question: str, id: str, who: str) -> GroupPayload:
        """A group that is named."""
        prepared = await self._service.prepared(question)
        return await self._show(prepared, resolve(prepared, id), who)

    async def next(
        self, question: str, who: str, *, after: str = "", before: str = "", marked: bool = False, ahead: bool = False
    ) -> GroupPayload:
        """marked: the one beside `after` or `before`, marked or not. ahead: the page still shows `after`."""
        prepared = await self._service.prepared(question)
        desk = self._service.desk

        def choose() -> tuple[Group | None, bool]:
            second = False
            if marked:
                group = desk.beside(prepared, before or after, -1 if before else 1)
            else:
                group = desk.next(prepared, who, after, but=after if ahead else "")
                second = group is not None and not desk.waiting(group)
            if group is not None:
                desk.leases.take(who, (question, group.id))
            for left in {before, after} - {"", group.id if group is not None else ""} if not ahead else ():
                desk.leases.release(who, (question, left))
            return group, second

        group, second = await self._service.on_desk(choose)
        return await self._show(prepared, group, who, second=second)

    async def page_opened(self, who: str) -> None:
        """A page of theirs listens from now on."""
        await self._service.on_desk(self._service.desk.leases.page_opened, who)
        self._service.events.tell("people", {"people": self._service.desk.leases.present()})

    async def page_closed(self, who: str) -> None:
        """It does not any more."""
        await self._service.on_desk(self._service.desk.leases.page_closed, who)
        self._service.events.tell("people", {"people": self._service.desk.leases.present()})

    async def _show(self, prepared: Prepared, group: Group | None, who: str, *, second: bool = False) -> GroupPayload:
        service = self._service
        desk = service.desk
        pieces = await service.pieces(group.question, group.members[0]) if group is not None else None

        def view() -> tuple[GroupPayload, Group | None, str]:
            if group is not None:
                away = any(desk.is_flagged_away(group.question, submission, who) for submission in group.members)
                (desk.leases.release if away else desk.leases.take)(who, (group.question, group.id))
            payload = GroupPayload(
                question=question_view(desk, prepared.question),
                group=group_view(desk, prepared, group, pieces, second=second) if group is not None else None,
                place=place_of(desk, prepared, group),
                leases=leases_view(desk),
                held=desk.held(prepared, who) if group is None else 0,
                who=who,
            )
            following = desk.next(prepared, who, group.id, but=group.id) if group is not None else None
            return payload, following, desk.following(prepared.question)

        payload, following, after = await service.on_desk(view)
        service.make_ready(following)
        service.warm(after)
        service.events.tell("lease", {"leases": payload.leases})
        return payload

    # Deciding

    async def decide(self, asked: Decide, who: str) -> Decided | Conflict:
        """Stored, on the disk, when this returns."""
        await self._service.prepared(asked.question)
        try:
            saved, members = await self._service.on_desk(self._write, asked, who)
        except Overwritten as error:
            theirs = max(error.conflicts, key=lambda change: change.id)
            return Conflict(theirs=decision_view(theirs), yours=_yours(self._service.desk, asked, who), seen=theirs.id)
        if not asked.second:
            self._service.rewrite(members, asked.question)
        self._service.events.tell("changed", {"questions": [asked.question], "groups": [asked.group], "who": who})
        following = await self.next(asked.question, who, after=asked.group) if asked.next else None
        return Decided(saved=saved, next=following)

    def _write(self, asked: Decide, who: str) -> tuple[Saved, list[str]]:
        desk = self._service.desk
        prepared = desk.prepared[asked.question]
        group = find_group(desk, prepared, asked.group, asked.members)
        members, left_alone = desk.fit(group, _submissions(desk, asked.members, group), prepared.digests)
        if asked.open_only:
            members = [each for each in members if desk.standing(asked.question, each).decision is None]
        near = [
            each
            for id in asked.also
            if id in prepared.groups
            for each in desk.fit(prepared.groups[id], prepared.groups[id].members, prepared.digests)[0]
            if desk.standing(asked.question, each).decision is None
        ]
        if not members and not near:
            raise DeskError([NOT_THERE] if left_alone else ["there is nothing to decide here any more"], 409)
        meant = _meant(desk, asked)
        for submission in (*members, *near):
            require_fit(desk.folder.answers[asked.question][submission], meant, asked.reason)
        changes = desk.decide(
            asked.question,
            [*members, *near],
            meant.said,
            lambda answer: meant.points(answer.max_points),
            who=who,
            when=now(),
            op=asked.op,
            second=asked.second,
            unseen=near,
        )
        if not desk.waiting(group):
            desk.leases.release(who, (asked.question, group.id))
        saved = Saved(
            group=group.id,
            question=asked.question,
            count=len(members) + len(near),
            left_alone=[desk.names.alias(submission) for submission in left_alone],
            decision=decision_view(changes[-1]) if changes else None,
        )
        return saved, [*members, *near]

    # Taking back

    async def undo(self, asked: Undo, who: str) -> Undone:
        """The last thing that this person did."""
        desk = self._service.desk

        def take_back() -> tuple[str, list[Change]]:
            kind = desk.store.undoable(who)
            changes = desk.store.undo(who, now(), asked.op)
            if not kind and not changes:
                raise DeskError(["there is nothing of yours to take back"], 409)
            desk.note(changes)
            desk.reread()
            return kind, changes

        try:
            kind, changes = await self._service.on_desk(take_back)
        except Overwritten as error:
            last = error.conflicts[-1]
            raise DeskError([f"{last.who} has decided about this since: it stays"], 409) from None
        question = changes[0].question if changes else ""
        if question and question not in desk.folder.answers:
            self._service.rewrite((change.submission for change in changes), "")
            return Undone(said="Taken back: an adjustment of somebody’s points.")
        self._service.rewrite((change.submission for change in changes), question)
        self._service.events.tell("changed", {"questions": sorted({change.question for change in changes}), "who": who})
        if not changes:
            return Undone(said=_TAKEN_BACK.get(kind, "Taken back."))
        count = len(changes)
        said = f"Taken back: {question}, {count} {'answer' if count == 1 else 'answers'}."
        prepared = await self._service.prepared(question)
        id = prepared.group_of.get(changes[0].submission, "")
        shown = await self.group(question, id, who) if id else None
        return Undone(said=said, question=question, group=id, next=shown)


_TAKEN_BACK = {
    "item": "Taken back: the change of an item.",
    "split": "Taken back: what was taken out of its group, or put back.",
    "flag": "Taken back: a flag.",
}


def resolve(prepared: Prepared, id: str) -> Group:
    """The group of this id, or of an answer's digest (`@...`). Raises DeskError."""
    group = prepared.groups.get(id)
    if group is None and id.startswith("@"):
        having = (submission for submission, digest in prepared.digests.items() if digest.startswith(id[1:]))
        group = next((prepared.groups[prepared.group_of[submission]] for submission in having), None)
    if group is None:
        raise DeskError([NOT_THERE])
    return group


def find_group(desk: Desk, prepared: Prepared, id: str, members: Sequence[str] | None) -> Group:
    """What a page means: a group, or one member of it alone, by its answer (`@` and its digest). Raises DeskError."""
    if not id.startswith("@"):
        return resolve(prepared, id)
    submission = desk.names.submission(members[0]) if members is not None and len(members) == 1 else None
    answer = desk.folder.answers[prepared.question].get(submission or "")
    if submission is None or answer is None or not answer.answer.startswith(id[1:]):
        raise DeskError([NOT_THERE])
    return Group(id=id, question=prepared.question, members=(submission,), empty=False)


def _submissions(desk: Desk, aliases: Sequence[str] | None, group: Group) -> list[str]:
    if aliases is None:
        return list(group.members)
    known = (desk.names.submission(alias) for alias in aliases)
    return [submission for submission in known if submission is not None]


class Meant(NamedTuple):
    """What a page has sent, as points."""

    said: Said
    chosen: list[float]
    """The points of the items."""

    def points(self, most: float) -> float:
        """What counts. most: the question's maximum."""
        return points_of(self.chosen, self.said.adjustment, most)


def _meant(desk: Desk, asked: Decide) -> Meant:
    """Raises DeskError."""
    worth = {item.key: item.points for item in desk.items.get(asked.question, [])}
    unknown = [key for key in asked.items if key not in worth]
    if unknown:
        raise DeskError([f"there is no item {unknown[0]!r} at question {asked.question} any more"], 409)
    keys = list(dict.fromkeys(asked.items))
    chosen = [worth[key] for key in keys]
    most = desk.question(asked.question).points
    adjustment = asked.adjustment
    if asked.points is not None:
        adjustment = asked.points - points_of(chosen, 0.0, most)
    said = Said(
        items=tuple(keys),
        adjustment=round(adjustment, 6),
        comment=asked.comment.strip(),
        reason=asked.reason.strip(),
        seen=asked.seen,
    )
    return Meant(said, chosen)


def require_fit(answer: QuestionResult, meant: Meant, reason: str) -> None:
    """Whoever gives other points than the checks says why. Raises DeskError."""
    if answer.kind == "text":
        return
    low, high = automatic_range(answer)
    points = meant.points(answer.max_points)
    if not low <= points <= high and not reason.strip():
        gave = format_points(low) if low == high else f"between {format_points(low)} and {format_points(high)}"
        raise DeskError([f"the checks gave {gave}; to give {format_points(points)}, say why"], 400)


def _yours(desk: Desk, asked: Decide, who: str) -> DecisionView:
    meant = _meant(desk, asked)
    return DecisionView(
        id=0,
        points=meant.points(desk.question(asked.question).points),
        items=list(meant.said.items),
        adjustment=meant.said.adjustment,
        comment=meant.said.comment,
        comment_html=comment_html(meant.said.comment),
        reason=meant.said.reason,
        who=who,
        when=now(),
    )
