"""From the desk's records to what the pages are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from grader.desk.desk import Desk
from grader.desk.groups import Group
from grader.desk.payloads import (
    AdjustmentView,
    DecisionView,
    FlagView,
    GroupView,
    ItemView,
    LapsedView,
    LeaseView,
    NearView,
    Place,
    QuestionView,
    QueuePayload,
    QueueRow,
)
from grader.desk.pieces import Pieces, comment_html, source_html
from grader.desk.prepared import Prepared
from grader.report.markdown import render_criteria
from grader.report.statuses import in_review, shown_status
from grader.report.text import clean, excerpt
from grader.results.results import Adjustment, Change

EXCERPT = 160
"""Characters of a near-equal answer."""


def question_view(desk: Desk, id: str) -> QuestionView:
    """Raises DeskError."""
    question = desk.question(id)
    ids = [each.id for each in desk.assignment.questions]
    place = ids.index(id)
    return QuestionView(
        id=id,
        title=question.title,
        kind=question.kind,
        max_points=question.points,
        criteria_html=_criteria(question.criteria),
        items=items_view(desk, id),
        before=ids[place - 1] if place else "",
        after=ids[place + 1] if place + 1 < len(ids) else "",
    )


@lru_cache(maxsize=1_000)
def _criteria(criteria: str) -> str:
    return str(render_criteria(criteria)) if criteria else ""


def decision_view(change: Change, count: int = 1) -> DecisionView:
    """count: of how many members."""
    return DecisionView(
        id=change.id,
        points=change.points,
        items=list(change.items),
        adjustment=change.adjustment,
        comment=change.comment,
        comment_html=comment_html(change.comment),
        reason=change.reason,
        who=change.who,
        when=change.when,
        count=count,
    )


def decisions_of(changes: Iterable[Change]) -> list[DecisionView]:
    """Equal decisions once, the most common first."""
    found: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        key = (change.points, tuple(change.items), change.adjustment, change.comment, change.reason)
        found.setdefault(key, []).append(change)
    return [decision_view(same[-1], len(same)) for same in sorted(found.values(), key=lambda same: -len(same))]


def adjustment_view(adjustment: Adjustment) -> AdjustmentView:
    """What is added to a submission's points as a whole, or taken off."""
    return AdjustmentView(
        kind=adjustment.kind,
        points=adjustment.points,
        automatic=adjustment.automatic,
        words=clean(adjustment.words),
        who=adjustment.who,
        when=adjustment.when,
        seen=max((change.id for change in adjustment.changes), default=0),
    )


def items_view(desk: Desk, question: str) -> list[ItemView]:
    """Those that are offered, in their order."""
    offered = [item for item in desk.items.get(question, []) if not item.retired]
    return [
        ItemView(
            key=item.key,
            text=item.text,
            words=item.words,
            words_html=comment_html(item.words),
            points=item.points,
            digit=str(number) if number < 10 else "",
            origin=item.origin,
        )
        for number, item in enumerate(offered, 1)
    ]


def group_view(
    desk: Desk, prepared: Prepared | None, group: Group, pieces: Pieces | None, *, second: bool = False
) -> GroupView:
    """second: whoever sees it is to mark it unseen, without what others have decided."""
    question = group.question
    first = desk.folder.answers[question].get(group.members[0])
    decided = desk.decided(group)
    decisions = decisions_of(decided)
    undecided = len(group.members) - len(decided)
    view = GroupView(
        id=group.id,
        size=len(group.members),
        members=[desk.names.alias(submission) for submission in group.members],
        empty=group.empty,
        answer_html=pieces.answer_html if pieces is not None else "",
        context_html=pieces.context_html if pieces is not None else "",
        checks_html=pieces.checks_html if pieces is not None else "",
        notes_html=pieces.notes_html if pieces is not None else "",
        status=shown_status(first) if first is not None else "",
        automatic_points=first.points if first is not None else None,
        open=desk.waiting(group),
        late=sum(desk.is_late(submission) for submission in group.members),
        flags=_flags(desk, group),
        split=bool(group.origin),
        second=second,
    )
    if second:
        own = [desk.second_mark(question, submission) for submission in group.members]
        view.seen = max((mark.id for mark in own if mark is not None), default=0)
        return view
    view.decision = decisions[0] if decisions and not undecided else None
    view.differing = decisions if len(decisions) > 1 else []
    view.offered = decisions[0] if decisions and undecided else None
    view.lapsed = _lapsed(desk, group)
    view.near = [_near(desk, other) for other in prepared.near(group.id)] if prepared is not None else []
    view.seen = max((desk.standing(question, submission).seen for submission in group.members), default=0)
    return view


def _flags(desk: Desk, group: Group) -> list[FlagView]:
    """Each once, however many members it is about."""
    found = {
        (flag.who, flag.when, flag.for_whom, flag.note): flag
        for submission in group.members
        for flag in desk.flags(group.question, submission)
    }
    return [FlagView(who=flag.who, when=flag.when, to=flag.for_whom, note=flag.note) for flag in found.values()]


def _lapsed(desk: Desk, group: Group) -> LapsedView | None:
    for submission in group.members:
        lapsed = desk.standing(group.question, submission).lapsed
        if lapsed is not None:
            kept = [each for each in desk.earlier(submission, group.question) if each.answer == lapsed.answer]
            return LapsedView(
                member=desk.names.alias(submission),
                decision=decision_view(lapsed),
                answer_html=source_html(desk.kept_cells(kept[-1])) if kept else "",
            )
    return None


def _near(desk: Desk, group: Group) -> NearView:
    decided = decisions_of(desk.decided(group))
    text = " ".join(clean(desk.text(group.question, group.members[0])).split())
    return NearView(
        id=group.id,
        size=len(group.members),
        excerpt=excerpt(text, EXCERPT).text if len(text) > EXCERPT else text,
        decided=decided[0] if decided else None,
    )


def place_of(desk: Desk, prepared: Prepared, group: Group | None) -> Place:
    """Where a group stands in its question, and what is left there."""
    left, answers_left = desk.left(prepared)
    return Place(
        index=prepared.place[group.id] + 1 if group is not None and group.id in prepared.place else 0,
        of=len(prepared.order),
        left=left,
        answers_left=answers_left,
    )


def leases_view(desk: Desk) -> list[LeaseView]:
    """Who is at which groups."""
    return [LeaseView(who=lease.who, question=lease.place[0], group=lease.place[1]) for lease in desk.leases.all()]


def queue_view(desk: Desk, who: str, faults: Sequence[str] = ()) -> QueuePayload:
    """faults: lines for people, beside those of results that cannot be read."""
    at: dict[str, list[str]] = {}
    for lease in desk.leases.all():
        at.setdefault(lease.place[0], []).append(lease.who)
    rows = [
        _row(desk, question.id, who, sorted(set(at.get(question.id, [])))) for question in desk.assignment.questions
    ]
    # What is theirs to do, then what is anybody's.
    start = next((row.id for row in rows if row.share or row.flagged), "")
    start = start or next((row.id for row in rows if row.left or row.second), "")
    return QueuePayload(
        title=desk.assignment.title,
        who=who,
        questions=rows,
        left=sum(row.left for row in rows),
        answers=sum(row.answers for row in rows if row.kind == "text" or row.left or row.mine or row.others),
        start=start,
        people=desk.leases.present(),
        faults=[*desk.folder.faults.values(), *faults],
    )


def _row(desk: Desk, id: str, who: str, at: list[str]) -> QueueRow:
    """Counted once, until something about the question changes."""
    key = (desk.versions[id], len(desk.folder.answers[id]), id in desk.prepared)
    kept = desk.rows.get((id, who))
    if kept is None or kept[0] != key:
        desk.rows[id, who] = kept = (key, _counted(desk, id, who))
    return msgspec.structs.replace(kept[1], at=at)


def _counted(desk: Desk, id: str, who: str) -> QueueRow:
    question = desk.question(id)
    answers = desk.folder.answers[id]
    counts: Counter[str] = Counter()
    for submission, answer in answers.items():
        standing = desk.standing(id, submission)
        counts["left"] += standing.waits
        counts["review"] += standing.waits and in_review(answer)
        counts["late"] += standing.waits and desk.is_late(submission)
        counts["lapsed"] += standing.lapsed is not None
        flags = desk.flags(id, submission)
        counts["flagged"] += any(flag.for_whom in ("", who) and flag.who != who for flag in flags)
        counts["share"] += standing.waits and desk.teamwork.is_dealt and desk.teamwork.is_for(id, submission, who)
        if standing.decision is not None:
            counts["mine" if standing.decision.who == who else "others"] += 1
    return QueueRow(
        id=id,
        title=question.title,
        kind=question.kind,
        max_points=question.points,
        answers=len(answers),
        left=counts["left"],
        mine=counts["mine"],
        others=counts["others"],
        review=counts["review"],
        lapsed=counts["lapsed"],
        late=counts["late"],
        disagreeing=desk.disagreeing(id),
        offered=desk.offered(id),
        flagged=counts["flagged"],
        share=counts["share"],
        second=desk.for_second(id, who),
    )
