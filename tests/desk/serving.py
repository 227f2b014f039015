"""The real server in a process of its own, and requests to it as any program can send them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sysconfig
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from grader.assignment.assignment import Assignment, load_assignment
from grader.desk.app import Application
from grader.desk.people import People
from grader.desk.server import listen
from grader.desk.service import Service

GRADER = Path(sysconfig.get_path("scripts")) / "grader"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    """By names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Listening:
    """Something that answers requests."""

    port: int
    base: str = ""
    token: str

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Exactly these headers, beside Host where it is not among them, and the length of the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            headers = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
            if body is not None:
                headers.setdefault("Content-Length", str(len(body)))
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())

    def marker(self, token: str = "") -> Marker:
        return Marker(self, token or self.token)


class Here(Listening):
    """The same server in a thread of this process: it starts much faster."""

    def __init__(self, results: Path, rubric: Path, people: People, token: str, pages: bool) -> None:
        self.token = token
        self._pages = pages
        self._listening = listen(results, "127.0.0.1", _free_port(), "")
        self.port = self._listening.socket.getsockname()[1]
        self._ready = threading.Event()
        self._end: Callable[[], None] = lambda: None
        arguments = (load_assignment(rubric), results, people)
        self._thread = threading.Thread(target=self._run, args=arguments)
        self._thread.start()
        assert self._ready.wait(60)

    def _run(self, *arguments: Any) -> None:
        asyncio.run(self._serve(*arguments))

    async def _serve(self, assignment: Assignment, results: Path, people: People) -> None:
        service = Service(assignment, results, b"n" * 32)
        if not self._pages:
            service.rewrite = lambda submissions, question: None  # type: ignore[method-assign]
        await service.start()
        app = Application(service, people, self._listening.place).build()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))

        def end() -> None:
            server.should_exit = server.force_exit = True

        loop = asyncio.get_running_loop()
        self._end = lambda: loop.call_soon_threadsafe(end)
        self._ready.set()
        await server.serve(sockets=[self._listening.socket])
        await service.stop()

    def end(self) -> None:
        self._end()
        self._thread.join()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def port_in(arguments: Sequence[str]) -> str:
    return arguments[arguments.index("--port") + 1]


class Server(Listening):
    """`grader mark`, until it is told to end."""

    def __init__(self, results: Path, rubric: Path, arguments: Sequence[str] = ("--as", "Ada")) -> None:
        command = [GRADER, "mark", results, "--rubric", rubric, "--no-browser", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "COLUMNS": "200"}
        )
        self.printed = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            if "Ctrl-C ends it" in line:
                break
        found = re.search(r"https?://[\w.\[\]-]+(?::(\d+))?(\S*?)/(?:login\?token=(\S+))?$", self.printed, re.MULTILINE)
        assert found is not None, self.printed
        # Behind a proxy, the address has no port: the test that asks for that gives it one.
        self.port, self.base, self.token = int(found[1] or port_in(arguments)), found[2], found[3] or ""

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        self.printed += rest
        return self.process.returncode


class Marker:
    """Somebody who has opened the address with the token."""

    def __init__(self, server: Listening, token: str) -> None:
        self.server = server
        reply = server.request("GET", f"{server.base}/login?token={token}")
        assert reply.status == 303, reply
        self.cookie = reply.headers["set-cookie"].partition(";")[0]

    def get(self, path: str, expect: int = 200) -> Any:
        reply = self.server.request("GET", self.server.base + path, {"Cookie": self.cookie})
        assert reply.status == expect, reply
        return reply.json if reply.headers["content-type"] == "application/json" else reply.body.decode()

    def post(self, path: str, expect: int = 200, **body: Any) -> Any:
        headers = {"Cookie": self.cookie, "X-Grader": "1", "Content-Type": "application/json"}
        reply = self.server.request("POST", self.server.base + path, headers, json.dumps(body).encode())
        assert reply.status == expect, reply
        return reply.json

    def decide(self, shown: Any, expect: int = 200, **said: Any) -> Any:
        """About the group that a page shows: with the members and the decisions that it has seen."""
        group = shown["group"]
        body = {"op": uuid.uuid4().hex, "members": group["members"], "seen": group["seen"], **said}
        return self.post("/api/decide", expect, question=shown["question"]["id"], group=group["id"], **body)


@contextlib.contextmanager
def serving(results: Path, rubric: Path, *arguments: str) -> Iterator[Server]:
    server = Server(results, rubric, arguments or ("--as", "Ada"))
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


@contextlib.contextmanager
def here(results: Path, rubric: Path, people: Path | None = None, *, pages: bool = False) -> Iterator[Here]:
    """In this process; with a file of people, or for Ada alone. pages: have reports and tables made anew."""
    token = "" if people is not None else "t" * 32
    crowd = People(b"c" * 32, token=token, name="" if people is not None else "Ada", file=people)
    server = Here(results, rubric, crowd, token, pages)
    try:
        yield server
    finally:
        server.end()
