"""What markers look at: all answers of one person, an earlier answer, comments used before, how marks are spread."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable

from markupsafe import Markup, escape

from grader.desk.agreement import agreement
from grader.desk.desk import Desk, DeskError
from grader.desk.forms import Cell
from grader.desk.groups import Group
from grader.desk.payloads import (
    Comments,
    CommentView,
    Disagreeing,
    EarlierAnswer,
    ItemCount,
    MarkerView,
    OverviewPayload,
    OverviewRow,
    StudentAnswer,
    StudentPayload,
)
from grader.desk.pieces import comment_html, source_html
from grader.desk.service import Service
from grader.desk.views import adjustment_view, decisions_of, group_view, question_view
from grader.report.text import clean
from grader.results.results import Change

OFFERED = 8
"""Comments at a time."""
COMPARED = 2_000
"""Words of two answers that are compared; of more, only both are shown."""


class Looking:
    """For one event loop; each method answers one request. Any may raise DeskError, MarksError."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def student(self, alias: str, who: str) -> StudentPayload:
        """All answers of one person, for late work and objections."""
        service, desk = self._service, self._service.desk
        submission = desk.names.submission(alias)
        result = desk.folder.results.get(submission or "")
        if submission is None or result is None:
            raise DeskError([f"there is nobody called {alias}"])
        pieces = [await service.pieces(question.id, submission) for question in result.questions]

        def view() -> StudentPayload:
            answers = []
            merged = desk.merged(result)
            for question, own in zip(result.questions, pieces, strict=True):
                prepared = desk.prepared.get(question.id)
                id = prepared.group_of.get(submission, "") if prepared is not None else ""
                alone = Group(
                    id=id or f"@{question.answer}",
                    question=question.id,
                    members=(submission,),
                    empty=question.status == "missing",
                )
                shown = group_view(desk, None, alone, own)
                if prepared is not None and id:
                    shown.size = len(prepared.groups[id].members)
                    shown.split = bool(prepared.groups[id].origin)
                answers.append(StudentAnswer(question=question_view(desk, question.id), group=shown))
            order = sorted(desk.folder.results, key=desk.names.place)
            place = order.index(submission)
            return StudentPayload(
                alias=desk.names.alias(submission),
                name="",
                late=desk.is_late(submission),
                points=merged.points,
                max_points=merged.max_points,
                adjustments=[adjustment_view(each) for each in merged.adjustments],
                answers=answers,
                before=desk.names.alias(order[place - 1]) if place else "",
                after=desk.names.alias(order[place + 1]) if place + 1 < len(order) else "",
                who=who,
            )

        return await service.on_desk(view)

    async def earlier(self, question: str, alias: str) -> EarlierAnswer:
        """The answer before this one, where it is kept, and what is new since."""
        desk = self._service.desk

        def look() -> tuple[list[Cell], list[Cell], str]:
            desk.question(question)
            submission = desk.names.submission(alias)
            answer = desk.folder.answers[question].get(submission or "")
            if submission is None or answer is None:
                raise DeskError([f"there is nobody called {alias}"])
            earlier = [each for each in desk.earlier(submission, question) if each.answer != answer.answer]
            if not earlier:
                return [], [], ""
            return desk.kept_cells(earlier[-1]), desk.cells(question, submission), earlier[-1].when

        old, new, when = await self._service.on_desk(look)
        if not when:
            return EarlierAnswer(answer_html="")
        return await self._service.on_render(
            lambda: EarlierAnswer(
                answer_html=source_html(old), changes_html=str(changes(_text(old), _text(new))), when=when
            )
        )

    async def comments(self, question: str, begin: str) -> Comments:
        """What was said at this question before and has these words in it, the most used first."""
        desk = self._service.desk

        def look() -> list[tuple[str, int]]:
            desk.question(question)
            wanted = " ".join(begin.casefold().split())
            counts = Counter(
                each.decision.comment
                for each in desk.standings(question).values()
                if each.decision is not None and each.decision.comment
            )
            found = [
                (comment, count) for comment, count in counts.items() if wanted in " ".join(comment.casefold().split())
            ]
            # Those that begin so before those that go on so.
            return sorted(found, key=lambda one: (not one[0].casefold().startswith(wanted), -one[1], one[0]))[:OFFERED]

        found = await self._service.on_desk(look)
        return Comments(
            comments=[
                CommentView(comment=comment, comment_html=comment_html(comment), count=count)
                for comment, count in found
            ]
        )

    async def overview(self, who: str) -> OverviewPayload:
        """How points and items are spread, by question and marker."""
        service, desk = self._service, self._service.desk
        ids = await service.on_desk(lambda: [id for id in desk.folder.answers if any(desk.marked(id))])
        for id in ids:
            await service.prepared(id)

        def view() -> OverviewPayload:
            rows = [_row(desk, question.id) for question in desk.assignment.questions]
            return OverviewPayload(title=desk.assignment.title, who=who, questions=rows, stale=_stale(desk))

        return await service.on_desk(view)


def _row(desk: Desk, id: str) -> OverviewRow:
    question = desk.question(id)
    answers, standings = desk.folder.answers[id], desk.standings(id)
    decisions = list(desk.marked(id))
    texts = {item.key: item.text for item in desk.items.get(id, [])}
    points: Counter[float] = Counter()
    for submission, answer in answers.items():
        decision = standings[submission].decision
        given = decision.points if decision is not None else answer.points
        if given is not None:
            points[given] += 1
    pairs = [
        (first.points, second.points)
        for submission in answers
        if (first := standings[submission].decision) is not None
        and (second := desk.second_mark(id, submission)) is not None
        and first.points is not None
        and second.points is not None
    ]
    agreed = agreement(pairs)
    return OverviewRow(
        id=id,
        title=question.title,
        kind=question.kind,
        max_points=question.points,
        known=sum(points.values()),
        left=sum(standing.waits for standing in standings.values()),
        points=sorted(points.items()),
        items=_items(decisions, texts),
        markers=[(each.who, each.count, each.mean) for each in _markers(decisions, texts)],
        by_marker=_markers(decisions, texts),
        disagreeing=_disagreeing(desk, id),
        kappa=agreed.kappa,
        weighted_kappa=agreed.weighted,
        twice=agreed.count,
        equal=agreed.equal,
    )


def _items(decisions: Iterable[Change], texts: dict[str, str]) -> list[ItemCount]:
    counts = Counter(key for decision in decisions for key in decision.items)
    order = {key: place for place, key in enumerate(texts)}
    return [
        (key, texts.get(key, key), counts[key]) for key in sorted(counts, key=lambda key: order.get(key, len(order)))
    ]


def _markers(decisions: list[Change], texts: dict[str, str]) -> list[MarkerView]:
    by: dict[str, list[Change]] = {}
    for decision in decisions:
        by.setdefault(decision.who, []).append(decision)
    found = []
    for who, own in sorted(by.items(), key=lambda one: -len(one[1])):
        points = Counter(decision.points for decision in own if decision.points is not None)
        mean = sum(value * count for value, count in points.items()) / max(sum(points.values()), 1)
        found.append(
            MarkerView(
                who=who, count=len(own), mean=round(mean, 3), points=sorted(points.items()), items=_items(own, texts)
            )
        )
    return found


def _disagreeing(desk: Desk, id: str) -> list[Disagreeing]:
    if id not in desk.prepared:
        return []
    found = []
    for group in desk.prepared[id].groups.values():
        decisions = desk.decided(group)
        if len({decision.points for decision in decisions}) > 1:
            found.append(Disagreeing(group=group.id, decisions=decisions_of(decisions)))
    return found


def _stale(desk: Desk) -> list[str]:
    """Reports and exports that are older than the marks, a line each."""
    lines = []
    older = len(desk.older_pages())
    if older:
        lines.append(f"{older} {'report is' if older == 1 else 'reports are'} being made anew")
    for export in desk.exports():
        if export.since:
            count = f"{export.since} {'decision was' if export.since == 1 else 'decisions were'}"
            lines.append(f"{clean(export.path)}: {count} taken since it was made; export again")
    return lines


def _text(cells: list[Cell]) -> str:
    return "\n\n".join(clean(source) for _, source in cells)


def changes(old: str, new: str) -> Markup:
    """The new text, with what was added and what was taken out; empty where there is too much of it to compare."""
    olds, news = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in (old, new))
    if len(olds) + len(news) > COMPARED:
        return Markup("")
    parts: list[str] = []
    for kind, start, end, begin, stop in difflib.SequenceMatcher(None, olds, news).get_opcodes():
        out, in_ = escape("".join(olds[start:end])), escape("".join(news[begin:stop]))
        if kind == "equal":
            parts.append(str(in_))
        else:
            parts.append((f"<del>{out}</del>" if out else "") + (f"<ins>{in_}</ins>" if in_ else ""))
    return Markup(f'<pre class="changes">{"".join(parts)}</pre>')
