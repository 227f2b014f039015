"""What the server does when somebody asks: which thread has the class, which makes groups, which makes pieces."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from grader.assignment.assignment import Assignment
from grader.desk.desk import Changed, Desk
from grader.desk.events import Events
from grader.desk.groups import Group
from grader.desk.helper import Helper, HelperError
from grader.desk.names import Pseudonyms
from grader.desk.order import near_groups
from grader.desk.pieces import Kept, Pieces, make_pieces
from grader.desk.prepared import Prepared
from grader.faults import Faults
from grader.results.decisions import Store
from grader.results.results import SubmissionResult

FOLLOW = 1.0
"""Seconds between two looks at the disk."""
FEW = 6
"""Groups that need no order: whoever marks sees them all."""
PATIENCE = 0.7
"""Seconds without a mark after which pages are made anew; under steady marking, at most `LONGEST` after the first."""
LONGEST = 4.0

T = TypeVar("T")


class Service:
    """The desk of one results folder, for one event loop."""

    def __init__(self, assignment: Assignment, output: Path, secret: bytes) -> None:
        self.assignment = assignment
        self.output = output
        self.events = Events()
        self._secret = secret
        self._thread = ThreadPoolExecutor(1, "desk")
        """The only one that knows the desk: decisions are made one after the other."""
        self._preparing = ThreadPoolExecutor(1, "prepare")
        self._rendering = ThreadPoolExecutor(1, "render")
        self._rewriting = ThreadPoolExecutor(1, "rewrite")
        self._looking = ThreadPoolExecutor(1, "look")
        self._order, self._pages = Helper("order"), Helper("pages")
        self._kept = Kept()
        self._ready: dict[str, asyncio.Task[Prepared]] = {}
        self._all_read: asyncio.Event = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_rewrite: tuple[set[str], set[str]] = (set(), set())
        self._rewrite_soon = asyncio.Event()
        self.faults: list[str] = []
        """What went wrong in the background: a line each."""
        self.desk: Desk

    async def start(self) -> None:
        """Read the class. Raises MarksError, OSError."""
        self.desk = await self.on_desk(self._open)
        await self.on_desk(self.desk.follow)
        # Those that were not made anew when the server was last ended.
        self.rewrite(await self.on_desk(self.desk.older_pages), "")
        if len(self.desk.folder.results) > FEW:
            self._order.start()
        for work in (self._read_all, self._follow, self._rewrite):
            self._start(work())

    def _open(self) -> Desk:
        store = Store.open(self.output)
        most = {question.id: question.points for question in self.assignment.questions}
        self.faults += store.sync_items(self.assignment.items, most, who="", when=now())
        return Desk(self.assignment, self.output, store, Pseudonyms(self._secret))

    async def stop(self) -> None:
        """At once: all that was acknowledged is on the disk."""
        self.events.close()
        for task in [*self._tasks, *self._ready.values()]:
            task.cancel()
        submissions, questions = self._to_rewrite
        if submissions:
            # It goes on by itself until these are made.
            self._pages.leave(self._request(submissions, questions))
        self._order.close()
        self._pages.close()
        for pool in (self._thread, self._preparing, self._rendering, self._rewriting, self._looking):
            pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def on_desk(self, work: Callable[..., T], *arguments: object) -> T:
        """Run `work` in the thread that knows the class, after all that was asked before."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*arguments))

    async def on_render(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread that makes pieces of pages."""
        return await asyncio.get_running_loop().run_in_executor(self._rendering, work)

    # Following the disk

    async def _read_all(self) -> None:
        results = await self.on_desk(lambda: list(self.desk.folder.results.values()))
        loop = asyncio.get_running_loop()
        for start in range(0, len(results), 50):
            await loop.run_in_executor(self._preparing, self.desk.read, results[start : start + 50])
        self._all_read.set()
        self.warm(await self.on_desk(self.desk.following, ""))

    async def _follow(self) -> None:
        await self._all_read.wait()
        pause, loop = FOLLOW, asyncio.get_running_loop()
        while True:
            await asyncio.sleep(pause)
            begun = loop.time()
            # What cannot be read just now is read at the next look; who decides meanwhile is told by the store.
            with contextlib.suppress(OSError, Faults):
                stamps = await asyncio.get_running_loop().run_in_executor(self._looking, self.desk.folder.stamps)
                changed = await self.on_desk(self.desk.follow, stamps)
                if changed:
                    await self._take(changed)
            # A grading that goes on has something new every second: to group it takes a fifth of the time, at most.
            pause = max(FOLLOW, 4 * (loop.time() - begun))

    async def _take(self, changed: Changed) -> None:
        if changed.submissions:
            results = self.desk.folder.results
            fresh = [results[each] for each in changed.submissions if each in results]
            await asyncio.get_running_loop().run_in_executor(self._preparing, self.desk.read, fresh)
            questions = list(self.desk.prepared)
            for question in questions:
                self._ready[question] = asyncio.ensure_future(self._prepare(question))
            for question in questions:
                await self._ready[question]
        self.events.tell("changed", {"questions": sorted(changed.questions), "graded": len(changed.submissions)})

    # Groups

    async def prepared(self, question: str) -> Prepared:
        """The groups of a question; while they are made anew, those from before. Raises DeskError."""
        there = self.desk.prepared.get(question)
        if there is not None:
            return there
        self.desk.question(question)
        if (
            question not in self._ready
            or self._ready[question].cancelled()
            or (self._ready[question].done() and self._ready[question].exception())
        ):
            self._ready[question] = asyncio.ensure_future(self._prepare(question))
        return await asyncio.shield(self._ready[question])

    async def _prepare(self, question: str) -> Prepared:
        await self._all_read.wait()
        answers = await self.on_desk(lambda: dict(self.desk.folder.answers[question]))
        alike = await asyncio.get_running_loop().run_in_executor(
            self._preparing, self.desk.prepare, question, answers, self._ordered
        )
        return await self.on_desk(self.desk.arrange, question, alike)

    def _ordered(self, sources: Sequence[str], kind: Literal["code", "text"]) -> tuple[list[int], list[list[int]]]:
        if len(sources) <= FEW:
            return list(range(len(sources))), near_groups(sources, kind)
        try:
            order, near = self._order.ask({"sources": [s[:8000] for s in sources], "kind": kind})
        except HelperError as error:
            # Marking goes on, in no particular order.
            self.faults.append(f"answers could not be put in order: {error}")
            return list(range(len(sources))), []
        return order, near

    # Pieces

    async def pieces(self, question: str, submission: str) -> Pieces | None:
        """What is shown of one answer; None where it is gone."""
        result = self.desk.folder.results.get(submission)
        if result is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._rendering, self._make, question, result)

    def _make(self, question: str, result: SubmissionResult) -> Pieces:
        own = result.question(question)
        key = (question, result.submission, result.fingerprint, result.content, str(result.seed), own.answer)
        kept = self._kept.get(key)
        if kept is None:
            kept = make_pieces(self.assignment, self.output, result, own)
            self._kept.put(key, kept)
        return kept

    def warm(self, question: str) -> None:
        """Have a question's groups made before somebody opens it."""
        if question and question not in self.desk.prepared:
            self._start(self._warm(question))

    async def _warm(self, question: str) -> None:
        await self.prepared(question)

    def make_ready(self, group: Group | None) -> None:
        """Have a group's pieces made while the marker reads another one."""
        if group is not None:
            self._start(self._make_ready(group))

    async def _make_ready(self, group: Group) -> None:
        await self.pieces(group.question, group.members[0])

    # Pages

    def rewrite(self, submissions: Iterable[str], question: str) -> None:
        """Have their reports, and what goes with them, made anew soon. question: empty for all."""
        self._to_rewrite[0].update(submissions)
        self._to_rewrite[1].update([question] if question else self.desk.folder.answers)
        if self._to_rewrite[0]:
            self._rewrite_soon.set()

    async def _rewrite(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._rewrite_soon.wait()
            latest = loop.time() + LONGEST
            while self._rewrite_soon.is_set() and loop.time() < latest:
                self._rewrite_soon.clear()
                await asyncio.sleep(PATIENCE)
            self._rewrite_soon.clear()
            (submissions, questions), self._to_rewrite = self._to_rewrite, (set(), set())
            try:
                await loop.run_in_executor(self._rewriting, self._pages.ask, self._request(submissions, questions))
            except HelperError as error:
                self.faults.append(f"pages could not be made anew: {error}")
            else:
                self.events.tell("pages", {"submissions": len(submissions)})

    def _request(self, submissions: Iterable[str], questions: Iterable[str]) -> dict[str, Any]:
        return {
            "rubric": str(self.assignment.folder),
            "output": str(self.output.absolute()),
            "submissions": sorted(submissions),
            "questions": sorted(questions),
        }


def now() -> str:
    """ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
