"""What markers ask for beside deciding: items, taking a group apart, flags, names, shares, second marks."""

from __future__ import annotations

import re
import unicodedata

from grader.desk.desk import Desk, DeskError
from grader.desk.groups import Group
from grader.desk.marking import Marking, resolve
from grader.desk.payloads import Adjusted, GroupPayload, ItemEffect, QueuePayload, ShownName
from grader.desk.people import fit_name
from grader.desk.requests import Adjust, AskSecond, ChangeItem, DealOut, RaiseFlag, ShowName, Split
from grader.desk.service import Service, now
from grader.desk.teamwork import Parts, dealt
from grader.desk.views import items_view
from grader.results.decisions import Overwritten
from grader.results.items import Item
from grader.results.teamwork import Flag, Place, Share


class Sharing:
    """For one event loop; each method answers one request. Any may raise DeskError, MarksError."""

    def __init__(self, service: Service, marking: Marking) -> None:
        self._service = service
        self._marking = marking

    # Items

    async def preview_item(self, asked: ChangeItem, who: str) -> ItemEffect:
        """What a change of an item would do, before it does it."""
        desk = self._service.desk

        def look() -> ItemEffect:
            item, most = self._item(asked)
            effect = desk.store.preview_item(item, most, answers=_answers(desk, asked.question))
            return ItemEffect(answers=effect.answers, points_change=effect.points)

        return await self._service.on_desk(look)

    async def change_item(self, asked: ChangeItem, who: str) -> ItemEffect:
        """A new item, or another one everywhere, in one transaction."""
        desk = self._service.desk
        if not asked.op:
            raise DeskError(["a change needs a name of its own (op)"], 400)

        def change() -> tuple[ItemEffect, set[str]]:
            item, most = self._item(asked)
            effect, changes = desk.store.change_item(
                item, most, who=who, when=now(), op=asked.op, answers=_answers(desk, asked.question)
            )
            desk.note(changes)
            desk.reread()
            items = items_view(desk, asked.question)
            found = ItemEffect(answers=effect.answers, points_change=effect.points, items=items)
            return found, {each.submission for each in changes}

        effect, submissions = await self._service.on_desk(change)
        self._service.rewrite(submissions, asked.question)
        self._service.events.tell("changed", {"questions": [asked.question], "who": who})
        return effect

    def _item(self, asked: ChangeItem) -> tuple[Item, float]:
        desk = self._service.desk
        most = desk.question(asked.question).points
        known = {item.key: item for item in desk.items.get(asked.question, [])}
        old = known.get(asked.key)
        if asked.key and old is None:
            raise DeskError([f"there is no item {asked.key!r} at question {asked.question}"])
        new = Item(
            question=asked.question,
            key=old.key if old is not None else _new_key(asked.text, set(known)),
            text=" ".join(asked.text.split()),
            words=asked.words.strip(),
            points=asked.points,
            position=old.position
            if old is not None
            else max((item.position + 1 for item in known.values()), default=0),
            origin=old.origin if old is not None else "added",
            retired=asked.retired,
        )
        if not new.text:
            raise DeskError(["an item needs a text"], 400)
        return new, most

    # Groups

    async def split(self, asked: Split, who: str) -> GroupPayload:
        """Take members out of their group, each to be marked by itself, or put them back."""
        desk = self._service.desk
        await self._service.prepared(asked.question)

        def split() -> str:
            prepared = desk.prepared[asked.question]
            group = resolve(prepared, asked.group)
            places = _places(desk, group, asked.members)
            desk.store.split(places, who=who, when=now(), op=asked.op, apart=not asked.joined)
            desk.reread()
            return desk.prepared[asked.question].group_of[places[0].submission]

        id = await self._service.on_desk(split)
        self._service.events.tell("changed", {"questions": [asked.question], "groups": [asked.group], "who": who})
        return await self._marking.group(asked.question, id, who)

    async def flag(self, asked: RaiseFlag, who: str) -> GroupPayload:
        """Have somebody else look at a group, or say that it is settled."""
        desk = self._service.desk
        await self._service.prepared(asked.question)

        def flag() -> str:
            group = resolve(desk.prepared[asked.question], asked.group)
            places = _places(desk, group, asked.members)
            to = fit_name(asked.to) if asked.to.strip() else ""
            flags = [Flag(place=place, for_whom=to, note=asked.note.strip(), open=asked.on) for place in places]
            desk.store.flag(flags, who=who, when=now(), op=asked.op)
            desk.reread()
            return group.id

        id = await self._service.on_desk(flag)
        self._service.events.tell("changed", {"questions": [asked.question], "groups": [id], "who": who})
        return await self._marking.group(asked.question, id, who)

    # Names

    async def show_name(self, asked: ShowName, who: str) -> ShownName:
        """Whose a pseudonym is; that somebody has asked is logged."""
        desk = self._service.desk

        def look_up() -> ShownName:
            submission = desk.names.submission(asked.alias)
            if submission is None or submission not in desk.folder.results:
                raise DeskError([f"there is nobody called {asked.alias}"])
            desk.store.name_shown(submission, who=who, when=now(), op=asked.op)
            desk.reread()
            return ShownName(name=desk.name(submission))

        return await self._service.on_desk(look_up)

    # A submission as a whole

    async def adjust(self, asked: Adjust, who: str) -> Adjusted:
        """Lift lateness, or give and take points for any other reason; everybody is told why."""
        desk = self._service.desk

        def decide() -> str:
            submission = desk.names.submission(asked.alias)
            result = desk.folder.results.get(submission or "")
            if submission is None or result is None:
                raise DeskError([f"there is nobody called {asked.alias}"])
            if asked.kind == "late" and result.late is None:
                raise DeskError(["this was not handed in late"], 409)
            if asked.points is not None and not asked.reason.strip():
                raise DeskError(["say why: everybody who sees the points is told"], 400)
            try:
                desk.adjust(
                    submission,
                    asked.kind,
                    asked.points,
                    asked.reason.strip(),
                    seen=asked.seen,
                    who=who,
                    when=now(),
                    op=asked.op,
                )
            except Overwritten as error:
                raise DeskError(
                    [f"{error.conflicts[-1].who} has decided about this since; look at it again"], 409
                ) from None
            return submission

        submission = await self._service.on_desk(decide)
        self._service.rewrite([submission], "")
        self._service.events.tell("changed", {"questions": [], "who": who})
        return Adjusted(points=desk.merged(desk.folder.results[submission]).points)

    # Shares

    async def deal(self, asked: DealOut, who: str) -> QueuePayload:
        """Deal the work out anew."""
        desk = self._service.desk
        people = list(dict.fromkeys(fit_name(name) for name in asked.people))

        def deal() -> None:
            left = [id for id in desk.folder.answers if any(each.waits for each in desk.standings(id).values())]
            parts = Parts(questions=left, submissions=sorted(desk.folder.results, key=desk.names.place))
            shares = dealt(parts, asked.by, people, desk.teamwork.shares)
            desk.store.deal(shares, who=who, when=now(), op=asked.op)
            desk.reread()

        await self._service.on_desk(deal)
        self._service.events.tell("changed", {"questions": list(desk.folder.answers), "who": who})
        return await self._marking.queue(who)

    async def ask_second(self, asked: AskSecond, who: str) -> QueuePayload:
        """Have a part of a question marked twice, unseen: chosen by chance, a group as a whole or not at all."""
        desk = self._service.desk
        prepared = await self._service.prepared(asked.question)

        def ask() -> None:
            groups = sorted(prepared.groups.values(), key=lambda group: desk.names.place(group.members[0]))
            chosen = groups[: round(len(groups) * asked.share)]
            others = [
                share for share in desk.teamwork.shares if not (share.second and share.question == asked.question)
            ]
            seconds = [
                Share(who="", question=asked.question, submission=submission, second=True)
                for group in chosen
                for submission in group.members
            ]
            desk.store.deal([*others, *seconds], who=who, when=now(), op=asked.op)
            desk.reread()

        await self._service.on_desk(ask)
        self._service.events.tell("changed", {"questions": [asked.question], "who": who})
        return await self._marking.queue(who)


def _answers(desk: Desk, question: str) -> dict[str, str]:
    return {submission: answer.answer for submission, answer in desk.folder.answers[question].items()}


def _places(desk: Desk, group: Group, aliases: list[str] | None) -> list[Place]:
    """Of the members with these pseudonyms; of all where none are given. Raises DeskError where there are none."""
    wanted = {desk.names.submission(alias) for alias in aliases} if aliases is not None else set(group.members)
    answers = desk.folder.answers[group.question]
    places = [
        Place(question=group.question, submission=submission, answer=answers[submission].answer)
        for submission in group.members
        if submission in wanted and submission in answers
    ]
    if not places:
        raise DeskError(["none of these answers is in this group"], 409)
    return places


def _new_key(text: str, taken: set[str]) -> str:
    """Some words of the text, as a name that nothing else has: `gets-stuck`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    stem = "-".join(re.findall(r"[a-z0-9]+", plain)[:4])[:40] or "item"
    number, key = 1, stem
    while key in taken:
        number += 1
        key = f"{stem}-{number}"
    return key
