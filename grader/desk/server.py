"""The server's life: where it listens, what address it prints, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import uvicorn

from grader.assignment.assignment import Assignment
from grader.desk.app import Application
from grader.desk.names import kept_key
from grader.desk.people import People
from grader.desk.security import LOOPBACK, Place
from grader.desk.service import Service
from grader.faults import Faults, shown
from grader.report.store import RESULT
from grader.results.results import write_atomically

PORT = 8321
"""Tried first, and then those after it."""
TRIES = 50
FOLDER = ".desk"
"""In the results: keys that only their owner may read. Without them, pseudonyms and cookies are others."""
ADDRESS = "address"
"""Where the server was last; it has no token in it."""


class ServerError(Faults):
    """The server cannot be started."""


class Listening(NamedTuple):
    socket: socket.socket
    place: Place
    address: str
    """Without a token, and with the last slash."""


def listen(output: Path, host: str, port: int, base_url: str) -> Listening:
    """port: 0 for `PORT`, or the next one that is free. Raises ServerError."""
    origin, base = _split(base_url)
    bound = _bind(host, port)
    number = bound.getsockname()[1]
    hosts = {*LOOPBACK, host.lower(), urlsplit(origin).hostname or "localhost"}
    if host not in LOOPBACK:
        hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    digest = hashlib.sha256(f"{output.resolve()}:{number}".encode(errors="surrogateescape")).hexdigest()[:8]
    place = Place(hosts=frozenset(hosts), origin=origin, base=base, cookie=f"grader-mark-{digest}")
    return Listening(bound, place, f"{origin or f'http://{_named(host)}:{number}'}{base}/")


def require_results(output: Path) -> None:
    """Raises ServerError where there is nothing to mark, not even something that cannot be read."""
    try:
        if any((entry / RESULT).is_file() for entry in output.iterdir()):
            return
    except OSError as error:
        why = f"cannot be read ({error.strerror}); name the folder that `grader grade` has written"
        raise ServerError([f"{shown(output)}: {why}"]) from None
    raise ServerError([f"{shown(output)}: holds no results; grade first, with `grader grade`"])


def expected_address(output: Path, host: str, port: int, base_url: str) -> str:
    """Where the server of these results listens, or will when it is started so. Raises ServerError."""
    with contextlib.suppress(OSError):
        if not base_url and not port:
            return (output / FOLDER / ADDRESS).read_text(encoding="utf-8")
    origin, base = _split(base_url)
    return f"{origin or f'http://{_named(host)}:{port or PORT}'}{base}/"


def address_with(address: str, token: str) -> str:
    """The address that lets its reader in."""
    return f"{address}login?token={quote(token, safe='')}"


def kept_token(output: Path) -> str:
    """One token for these results, so that pages which are open go on when the server is started again."""
    return base64.urlsafe_b64encode(secret_of(output, "token")).decode().rstrip("=")


def secret_of(output: Path, name: str) -> bytes:
    """Raises ServerError."""
    path = output / FOLDER / name
    try:
        return kept_key(path)
    except (OSError, ValueError) as error:
        raise ServerError([f"{path}: cannot be made or read ({error}); the results' folder must be writable"]) from None


def serve(
    assignment: Assignment, output: Path, people: People, listening: Listening, ready: Callable[[list[str]], None]
) -> None:
    """Until Ctrl-C, which ends it at once. ready: called when it answers, with a line for each submission
    that cannot be marked. Raises MarksError, OSError."""
    asyncio.run(_serve(assignment, output, people, listening, ready))


async def _serve(
    assignment: Assignment, output: Path, people: People, listening: Listening, ready: Callable[[list[str]], None]
) -> None:
    service = Service(assignment, output, secret_of(output, "names"))
    await service.start()
    with contextlib.suppress(OSError):
        write_atomically(output / FOLDER / ADDRESS, listening.address)
    app = Application(service, people, listening.place).build()
    config = uvicorn.Config(
        app,
        # No log of requests: addresses have tokens in them.
        log_config=None,
        access_log=False,
        log_level="critical",
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    server = _Server(config)
    server.ready = lambda: ready([*service.desk.folder.faults.values(), *service.faults])
    server.ending = service.events.close
    try:
        await server.serve(sockets=[listening.socket])
    finally:
        await service.stop()


class _Server(uvicorn.Server):
    ready: Callable[[], None]
    ending: Callable[[], None]

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl-C is the way to end it, and no failure: it is not raised again, and nothing waits for open pages."""

        def end(number: int, frame: FrameType | None) -> None:
            self.should_exit = self.force_exit = True

        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for number, handler in before.items():
                if handler is not signal.SIG_IGN:
                    signal.signal(number, end)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.ending()
        await super().shutdown(sockets)


def is_open_to_readers(host: str, base_url: str) -> bool:
    """Whether requests go over a network as they are."""
    return host not in LOOPBACK and not base_url.startswith("https:")


def _named(host: str) -> str:
    """As it stands in an address."""
    if host in ("0.0.0.0", "::", ""):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _split(base_url: str) -> tuple[str, str]:
    """Origin and path. Raises ServerError."""
    if not base_url:
        return "", ""
    parts = urlsplit(base_url if "://" in base_url else f"//{base_url}" if not base_url.startswith("/") else base_url)
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or (parts.scheme and parts.scheme not in ("http", "https")):
        raise ServerError([f"--base-url {base_url}: give an address such as https://example.edu/marking, or a path"])
    if not parts.netloc:
        return "", path
    return f"{parts.scheme or 'https'}://{parts.netloc.lower()}", path


def _bind(host: str, port: int) -> socket.socket:
    error: OSError | None = None
    for number in [port] if port else range(PORT, PORT + TRIES):
        try:
            family = socket.getaddrinfo(host or None, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        except OSError as failure:
            raise ServerError([f"--host {host}: is no name or address of this machine ({failure.strerror})"]) from None
        # Named as what it is: asyncio turns Nagle's algorithm off only for those, which costs 40 ms for each reply.
        bound = socket.socket(family[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(family[4])
            # Two that are bound to the same port, and do not listen yet, know nothing of each other.
            bound.listen(128)
        except OSError as failure:
            error = failure
            bound.close()
            continue
        bound.set_inheritable(False)
        return bound
    assert error is not None
    what = f"--port {port}" if port else f"ports {PORT} to {PORT + TRIES - 1}"
    raise ServerError([f"{what}: cannot be listened on at {host} ({error.strerror}); choose another with --port"])
