"""Who gets in: everything but the way in is for people with a token, on the server's own name, from its own pages."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, Response

from grader.desk.people import People, PeopleError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WRITES = "x-grader"
"""A header that no form can send, and no other site's script without being allowed to."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
]
MOST_BYTES = 200_000
"""Of a request's body: a comment, and lists of members."""


class Place(NamedTuple):
    """How the server is called from outside."""

    hosts: frozenset[str] = LOOPBACK
    """Names, in lower case and without ports. Addresses in numbers need no entry: no other site has one."""
    origin: str = ""
    """Of a proxy in front of it: `https://grading.example.edu`."""
    base: str = ""
    """The path below which it is served: `/marking`."""
    cookie: str = "grader-mark"
    """Cookies know no ports: servers of one machine need names that differ."""


class Guard:
    """Around the app. What it refuses, the app does not see.

    A page of another site may send requests here from the marker's browser. It has no cookie to send (SameSite=Strict,
    and another name in the address has no cookie), its requests carry another origin, and its forms lack a header.
    """

    def __init__(self, app: App, people: People, place: Place) -> None:
        self._app = app
        self._people = people
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        if self._place.base and scope["path"].startswith(f"{self._place.base}/"):
            scope = {**scope, "path": scope["path"].removeprefix(self._place.base)}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send, scope))
            return
        await self._app(scope, receive, _with_headers(send, scope))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not (_name_of(host) in self._place.hosts or _is_address(_name_of(host))):
            return _no(421, "This is not the name that this server has. Open the address that it has printed.")
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _no(405, "Only GET and POST.")
        if not self._is_own(headers, host) and not (scope["method"] == "GET" and path == "/login"):
            return _no(403, "A page of another site has asked for this.")
        if path == "/login" or path.startswith("/static/"):
            return None
        try:
            session = self._people.session(cookie_parser(headers.get("cookie", "")).get(self._place.cookie, ""))
        except PeopleError:
            session = None
        if session is None:
            return _no(401, "Open the address with the token that `grader mark` has printed.")
        if scope["method"] == "POST":
            if path != "/name" and headers.get(WRITES) != "1":
                return _no(403, "The header X-Grader is missing.")
            size = headers.get("content-length", "")
            if not size.isdecimal() or int(size) > MOST_BYTES:
                return _no(413, "This is too much.")
        scope["grader.name"] = session.name
        return None

    def _is_own(self, headers: Headers, host: str) -> bool:
        """Whether a page of this server asks, or the person (address bar, bookmark), or what is no browser at all."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site not in ("same-origin", "none"):
            return False
        if origin is None or origin.lower() == self._place.origin:
            return True
        if origin == "null":
            # So browsers write it in forms of pages that tell no referrer, and in those of documents without a place.
            return site == "same-origin"
        return bool(host) and origin.lower().partition("://")[2] == host.lower()


def _name_of(host: str) -> str:
    """A Host header without its port; of an IPv6 address, what stands between the brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _no(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)


def _with_headers(send: Send, scope: Scope) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message.setdefault("headers", [])}
            added = [(name.encode(), value.encode()) for name, value in _HEADERS if name.encode() not in there]
            if b"cache-control" not in there:
                # What comes with the package is asked for again, and mostly still the same.
                kept = b"no-cache" if scope["path"].startswith("/static/") else b"no-store"
                added.append((b"cache-control", kept))
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return sending
