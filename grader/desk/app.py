"""The pages and the requests that the server answers: parse, ask the service, reply."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from grader.desk.desk import DeskError
from grader.desk.looking import Looking
from grader.desk.marking import Marking
from grader.desk.payloads import Conflict, Refused
from grader.desk.people import People, PeopleError
from grader.desk.pieces import environment
from grader.desk.requests import (
    Adjust,
    Asked,
    AskSecond,
    ChangeItem,
    DealOut,
    Decide,
    RaiseFlag,
    ShowName,
    Split,
    Undo,
)
from grader.desk.security import App, Guard, Place
from grader.desk.service import Service
from grader.desk.sharing import Sharing
from grader.faults import Faults

T = TypeVar("T")
STATIC = Path(__file__).with_name("static")
YEAR = 365 * 24 * 3600


class Application:
    """All routes, around one service."""

    def __init__(self, service: Service, people: People, place: Place) -> None:
        self._service = service
        self._marking = Marking(service)
        self._sharing = Sharing(service, self._marking)
        self._looking = Looking(service)
        self._people = people
        self._place = place

    def build(self) -> App:
        """The routes, behind the guard."""
        routes = [
            Route("/login", self.login),
            Route("/name", self.name_page, methods=["GET"]),
            Route("/name", self.name, methods=["POST"]),
            Route("/", self.queue_page),
            Route("/q/{question}", self.question_page),
            Route("/s/{alias}", self.student_page),
            Route("/overview", self.overview_page),
            Route("/static/report.css", self.report_style),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/events", self.events),
            Route("/api/queue", self.queue),
            Route("/api/group/{question}/{group}", self.group),
            Route("/api/next", self.next),
            Route("/api/student/{alias}", self.student),
            Route("/api/overview", self.overview),
            Route("/api/comments", self.comments),
            Route("/api/answer/{question}/{alias}/earlier", self.earlier),
            Route("/api/decide", self.decide, methods=["POST"]),
            *(self._write(path, kind, act) for path, kind, act in self._writes()),
        ]
        app = Starlette(
            routes=routes, exception_handlers={HTTPException: _http_error, Faults: _fault, Exception: _broken}
        )
        return Guard(app, self._people, self._place)

    # The way in

    async def login(self, request: Request) -> Response:
        """From a token to a cookie."""
        cookie = self._people.admit(request.query_params.get("token", ""))
        if cookie is None:
            return PlainTextResponse("This token is not known. Open the address that was printed last.\n", 401)
        home = f"{self._place.base}/"
        if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            response: Response = RedirectResponse(home, 303)
        else:
            # Who comes by a link in a mail has no cookie yet where the browser follows a redirection; this page asks
            # by itself.
            response = HTMLResponse(
                f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(home)}">'
                f'<title>Marking</title><p><a href="{escape(home)}">Go on</a></p>'
            )
        self._set(response, cookie)
        return response

    def _set(self, response: Response, cookie: str) -> None:
        response.set_cookie(
            self._place.cookie,
            cookie,
            max_age=YEAR,
            path=f"{self._place.base}/",
            httponly=True,
            samesite="strict",
            secure=self._place.origin.startswith("https:"),
        )

    async def name_page(self, request: Request) -> Response:
        """Asks for a name."""
        return self._page(request, "name", "Your name", {})

    async def name(self, request: Request) -> Response:
        """Takes the name that was asked for."""
        form = parse_qs((await request.body()).decode(errors="replace"))
        try:
            cookie = self._people.call(form.get("name", [""])[0])
        except PeopleError as error:
            return self._page(request, "name", "Your name", {}, fault=str(error), status=400)
        response: Response = RedirectResponse(f"{self._place.base}/", 303)
        self._set(response, cookie)
        return response

    # Pages

    async def queue_page(self, request: Request) -> Response:
        """The questions with what is left."""
        who = _who(request)
        if who is None:
            return RedirectResponse(f"{self._place.base}/name", 303)
        return self._page(request, "queue", "Queue", await self._marking.queue(who))

    async def question_page(self, request: Request) -> Response:
        """One group of equal answers at a time."""
        who, question = _who(request), request.path_params["question"]
        if who is None:
            return RedirectResponse(f"{self._place.base}/name", 303)
        group = request.query_params.get("group", "")
        payload = await (self._marking.group(question, group, who) if group else self._marking.next(question, who))
        return self._page(request, "question", f"{question} {payload.question.title}", payload)

    async def student_page(self, request: Request) -> Response:
        """All answers of one person."""
        who, alias = _who(request), request.path_params["alias"]
        if who is None:
            return RedirectResponse(f"{self._place.base}/name", 303)
        return self._page(request, "student", alias, await self._looking.student(alias, who))

    async def overview_page(self, request: Request) -> Response:
        """How points and items are spread."""
        who = _who(request)
        if who is None:
            return RedirectResponse(f"{self._place.base}/name", 303)
        return self._page(request, "overview", "Overview", await self._looking.overview(who))

    def _page(
        self, request: Request, view: str, title: str, first: Any, *, fault: str = "", status: int = 200
    ) -> Response:
        template = environment().get_template(f"desk_{view}.html.j2")
        html = template.render(
            view=view,
            title=title,
            base=self._place.base,
            assignment=self._service.assignment,
            who=_who(request) or "",
            first=in_script(first),
            fault=fault,
        )
        return HTMLResponse(html, status)

    async def report_style(self, request: Request) -> Response:
        """The style sheet of the reports, whose parts the desk shows."""
        style = resources.files("grader.report").joinpath("templates/style.css").read_text(encoding="utf-8")
        return Response(style, media_type="text/css")

    # What the pages ask

    async def queue(self, request: Request) -> Response:
        """`QueuePayload`."""
        return _json(await self._marking.queue(_require_who(request)))

    async def group(self, request: Request) -> Response:
        """`GroupPayload` of a group that is named."""
        parameters = request.path_params
        return _json(await self._marking.group(parameters["question"], parameters["group"], _require_who(request)))

    async def next(self, request: Request) -> Response:
        """`GroupPayload` of the next one, or the one before."""
        asked = request.query_params
        return _json(
            await self._marking.next(
                asked.get("question", ""),
                _require_who(request),
                after=asked.get("after", ""),
                before=asked.get("before", ""),
                marked=asked.get("marked", "") in ("1", "true"),
                ahead=asked.get("ahead", "") in ("1", "true"),
            )
        )

    async def student(self, request: Request) -> Response:
        """`StudentPayload`."""
        return _json(await self._looking.student(request.path_params["alias"], _require_who(request)))

    async def overview(self, request: Request) -> Response:
        """`OverviewPayload`."""
        return _json(await self._looking.overview(_require_who(request)))

    async def comments(self, request: Request) -> Response:
        """`Comments` that were used before."""
        asked = request.query_params
        _require_who(request)
        return _json(await self._looking.comments(asked.get("question", ""), asked.get("begin", "")))

    async def earlier(self, request: Request) -> Response:
        """`EarlierAnswer`."""
        _require_who(request)
        return _json(await self._looking.earlier(request.path_params["question"], request.path_params["alias"]))

    async def decide(self, request: Request) -> Response:
        """`Decided`, or `Conflict` with status 409."""
        reply = await self._marking.decide(await _body(request, Decide), _require_who(request))
        return _json(reply, 409 if isinstance(reply, Conflict) else 200)

    def _writes(self) -> list[tuple[str, type[Asked], Callable[[Any, str], Awaitable[Any]]]]:
        """What changes something, by its path: the request that it takes, and who answers it."""
        marking, sharing = self._marking, self._sharing
        return [
            ("/api/undo", Undo, marking.undo),
            ("/api/split", Split, sharing.split),
            ("/api/flag", RaiseFlag, sharing.flag),
            ("/api/items/preview", ChangeItem, sharing.preview_item),
            ("/api/items/change", ChangeItem, sharing.change_item),
            ("/api/show-name", ShowName, sharing.show_name),
            ("/api/adjust", Adjust, sharing.adjust),
            ("/api/shares", DealOut, sharing.deal),
            ("/api/second", AskSecond, sharing.ask_second),
        ]

    @staticmethod
    def _write(path: str, kind: type[Asked], act: Callable[[Any, str], Awaitable[Any]]) -> Route:
        async def answer(request: Request) -> Response:
            return _json(await act(await _body(request, kind), _require_who(request)))

        return Route(path, answer, methods=["POST"])

    async def events(self, request: Request) -> Response:
        """Server-sent events, until the page is closed."""
        return StreamingResponse(
            self._listen(_require_who(request)),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def _listen(self, who: str) -> AsyncIterator[bytes]:
        # First of all it hears who else is there.
        waiting = self._service.events.open()
        await self._marking.page_opened(who)
        try:
            async for message in self._service.events.listen(waiting):
                yield message
        finally:
            # Also where the connection broke, and whoever waits for the next message is cancelled.
            task = asyncio.ensure_future(self._marking.page_closed(who))
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(task)


def in_script(payload: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it can end that."""
    text = msgspec.json.encode(payload).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _who(request: Request) -> str | None:
    return request.scope.get("grader.name") or None


def _require_who(request: Request) -> str:
    who = _who(request)
    if who is None:
        raise HTTPException(403, "say who you are first: open the queue")
    return who


async def _body(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"this is no such request ({error})") from None


def _json(payload: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(payload), status, media_type="application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json(Refused(error=error.detail), error.status_code)


async def _fault(request: Request, error: Exception) -> Response:
    return _json(Refused(error=str(error)), error.status if isinstance(error, DeskError) else 500)


async def _broken(request: Request, error: Exception) -> Response:
    where = traceback.extract_tb(error.__traceback__)[-1]
    # Nothing of the request: an address may have a token in it.
    print(f"error: {type(error).__name__}: {error} ({where.filename}:{where.lineno})", file=sys.stderr, flush=True)
    return _json(Refused(error=f"internal error, a bug in the grader: {type(error).__name__}: {error}"), 500)
