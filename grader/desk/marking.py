"""What markers ask for: the queue, a group, the next one, a decision."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from grader.desk.desk import DeskError, Said
from grader.desk.groups import Group
from grader.desk.payloads import Conflict, Decided, DecisionView, GroupPayload, QueuePayload, Saved
from grader.desk.pieces import comment_html
from grader.desk.prepared import Prepared
from grader.desk.service import Service, now
from grader.desk.views import (
    decision_view,
    group_view,
    leases_view,
    place_of,
    question_view,
    queue_view,
)
from grader.results.decisions import Overwritten
from grader.results.results import QuestionResult


class DecideRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A decision, as a page sends it."""

    op: str
    """The page's own name for it: sent again after a lost reply, it changes nothing."""
    question: str
    group: str
    members: list[str] | None = None
    """Pseudonyms of those that were shown; all where it is not given."""
    seen: int = 0
    items: list[str] = []
    adjustment: float = 0.0
    points: float | None = None
    """Instead of an adjustment: the points that are meant."""
    comment: str = ""
    reason: str = ""
    open_only: bool = False
    """Only those that have no decision: an offer is taken."""
    also: list[str] = []
    """Near-equal groups that get the same."""
    next: bool = True


class Marking:
    """For one event loop; each method answers one request."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def queue(self, who: str) -> QueuePayload:
        return await self._service.on_desk(lambda: queue_view(self._service.desk, who))

    async def group(self, question: str, id: str, who: str) -> GroupPayload:
        """Raises DeskError."""
        prepared = await self._service.prepared(question)
        group = prepared.groups.get(id)
        if group is None:
            raise DeskError(["this group is not there any more: its answers were handed in anew, or are taken apart"])
        return await self._show(prepared, group, who)

    async def next(
        self, question: str, who: str, *, after: str = "", before: str = "", marked: bool = False, ahead: bool = False
    ) -> GroupPayload:
        """ahead: the page still shows `after`, and asks for what comes then. Raises DeskError."""
        prepared = await self._service.prepared(question)
        desk = self._service.desk

        def choose() -> Group | None:
            if marked:
                group = desk.beside(prepared, before or after, -1 if before else 1)
                if group is not None:
                    desk.leases.take(who, (question, group.id))
            else:
                group = desk.next(prepared, who, after, but=after if ahead else "")
                if group is not None:
                    desk.leases.take(who, (question, group.id))
            for place in {before, after} - {""} if not ahead else ():
                if group is None or place != group.id:
                    desk.leases.release(who, (question, place))
            return group

        return await self._show(prepared, await self._service.on_desk(choose), who)

    async def page_opened(self, who: str) -> None:
        await self._service.on_desk(self._service.desk.leases.page_opened, who)
        self._service.events.tell("people", {"people": self._service.desk.leases.present()})

    async def page_closed(self, who: str) -> None:
        await self._service.on_desk(self._service.desk.leases.page_closed, who)
        self._service.events.tell("people", {"people": self._service.desk.leases.present()})

    async def _show(self, prepared: Prepared, group: Group | None, who: str) -> GroupPayload:
        service = self._service
        pieces = await service.pieces(group.question, group.members[0]) if group is not None else None

        def view() -> tuple[GroupPayload, Group | None]:
            desk = service.desk
            if group is not None:
                desk.leases.take(who, (group.question, group.id))
            payload = GroupPayload(
                question=question_view(desk, prepared.question),
                group=group_view(desk, prepared, group, pieces) if group is not None else None,
                place=place_of(desk, prepared, group),
                leases=leases_view(desk),
                held=desk.held(prepared, who) if group is None else 0,
                who=who,
            )
            return payload, desk.next(prepared, who, group.id) if group is not None else None

        payload, following = await service.on_desk(view)
        service.make_ready(following)
        service.events.tell("lease", {"leases": payload.leases})
        return payload

    async def decide(self, asked: DecideRequest, who: str) -> Decided | Conflict:
        """Stored, on the disk, when this returns. Raises DeskError, MarksError."""
        service = self._service
        desk = service.desk
        prepared = await service.prepared(asked.question)
        points = _points(asked)

        def write() -> tuple[Saved, list[str]]:
            group = prepared.groups.get(asked.group)
            if group is None:
                raise DeskError(
                    ["this group is not there any more: its answers were handed in anew, or are taken apart"]
                )
            members = None
            if asked.members is not None:
                known = [desk.names.submission(alias) for alias in asked.members]
                members = [submission for submission in known if submission is not None]
            said = Said(
                items=tuple(asked.items),
                adjustment=asked.adjustment,
                comment=asked.comment,
                reason=asked.reason,
                seen=asked.seen,
            )
            wrote = desk.decide(
                group,
                said,
                points,
                who=who,
                when=now(),
                op=asked.op,
                members=members,
                open_only=asked.open_only,
                digests=prepared.digests,
            )
            if not desk.waiting(group):
                desk.leases.release(who, (asked.question, asked.group))
            saved = Saved(
                group=group.id,
                question=group.question,
                count=len(wrote.members),
                left_alone=[desk.names.alias(submission) for submission in wrote.left_alone],
                decision=decision_view(wrote.changes[-1]) if wrote.changes else None,
            )
            return saved, wrote.members

        try:
            saved, members = await service.on_desk(write)
        except Overwritten as error:
            theirs = error.conflicts[-1]
            return Conflict(theirs=decision_view(theirs), yours=_yours(asked, who), seen=theirs.id)
        service.rewrite(members, asked.question)
        service.events.tell("changed", {"questions": [asked.question], "groups": [asked.group], "who": who})
        following = await self.next(asked.question, who, after=asked.group) if asked.next else None
        return Decided(saved=saved, next=following)


def _points(asked: DecideRequest) -> Callable[[QuestionResult], float | None]:
    def points(answer: QuestionResult) -> float | None:
        wanted = asked.points if asked.points is not None else asked.adjustment
        return min(max(wanted, 0.0), answer.max_points)

    return points


def _yours(asked: DecideRequest, who: str) -> DecisionView:
    return DecisionView(
        id=0,
        points=asked.points,
        items=asked.items,
        adjustment=asked.adjustment,
        comment=asked.comment,
        comment_html=comment_html(asked.comment),
        reason=asked.reason,
        who=who,
        when=now(),
    )
