"""Who gets in, and who does not: requests from outside, as a browser, another site's page or a program sends them."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk.conftest import make_class, make_rubric
from desk.serving import Marker, Server, serving

PATHS = [
    "/", "/q/1.1.c", "/overview", "/s/ABCDE", "/name", "/events", "/api/queue", "/api/next?question=1.1.c",
    "/api/group/1.1.c/x", "/api/overview", "/api/student/ABCDE", "/api/comments?question=1.1.c&begin=a",
    "/api/answer/1.1.c/ABCDE/earlier", "/nothing", "//api/queue", "/static/../api/queue", "/login/../api/queue",
]  # fmt: skip
WRITES = [
    "/api/decide", "/api/undo", "/api/split", "/api/flag", "/api/items/preview", "/api/items/change",
    "/api/show-name", "/api/adjust", "/api/shares", "/api/second", "/name",
]  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("desk")
    with serving(make_class(folder / "results"), make_rubric(folder / "rubric")) as server:
        yield server


@pytest.fixture(scope="module")
def marker(running: Server) -> Marker:
    return running.marker()


def told(body: bytes) -> bool:
    return any(word in body for word in (b"1.1.c", b"Deep Learning", b"stuck", b"ann"))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "cookie",
    ["", "grader-mark=x", "NAME=", "NAME=QWRh", "NAME=QWRh.", "NAME=QWRh.AAAA", "NAME=\x80.é", "NAME=" + "A" * 5000],
)
def test_without_the_token_nothing_is_told(running: Server, marker: Marker, path: str, cookie: str) -> None:
    cookie = cookie.replace("NAME", marker.cookie.partition("=")[0])
    reply = running.request("GET", path, {"Cookie": cookie} if cookie else None)
    assert reply.status == 401 or (reply.status, path) == (404, "/static/../api/queue")
    assert not told(reply.body)


@pytest.mark.parametrize("path", WRITES)
def test_without_the_token_nothing_is_changed(running: Server, path: str) -> None:
    reply = running.request("POST", path, {"X-Grader": "1", "Content-Type": "application/json"}, b"{}")
    assert (reply.status, told(reply.body)) == (401, False)


@pytest.mark.parametrize("token", ["", "x", "TOKEN".lower() * 9, "%00", "%F0%9F%99%83"])
def test_a_wrong_token_is_good_for_nothing(running: Server, token: str) -> None:
    reply = running.request("GET", f"/login?token={token}")
    assert (reply.status, "set-cookie" in reply.headers) == (401, False)


def test_a_cookie_of_somebody_else_cannot_be_made_from_ones_own(running: Server, marker: Marker) -> None:
    name, _, value = marker.cookie.partition("=")
    said, _, proof = value.partition(".")
    assert running.request("GET", "/api/queue", {"Cookie": f"{name}={said}.{proof}"}).status == 200
    assert running.request("GET", "/api/queue", {"Cookie": f"{name}=Qm9i.{proof}"}).status == 401


def test_the_cookie_is_for_this_servers_own_pages_and_scripts_cannot_read_it(running: Server) -> None:
    cookie = running.request("GET", f"/login?token={running.token}").headers["set-cookie"]
    assert re.search("; HttpOnly(;|$)", cookie)
    assert re.search("; SameSite=strict(;|$)", cookie, re.IGNORECASE)
    assert running.token not in cookie


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:PORT", "127.0.0.1.evil.example:PORT", "localhost.evil.example", "", "[", "a@b"],
)
@pytest.mark.parametrize("path", ["/", "/api/queue", "/login?token=TOKEN", "/static/desk.js"])
def test_another_name_for_this_address_tells_nothing(running: Server, marker: Marker, host: str, path: str) -> None:
    """DNS rebinding: another site's name comes to mean 127.0.0.1, and its page asks."""
    headers = {"Host": host.replace("PORT", str(running.port)), "Cookie": marker.cookie}
    reply = running.request("GET", path.replace("TOKEN", running.token), headers)
    assert reply.status == 421
    assert "set-cookie" not in reply.headers
    assert not told(reply.body)


def test_a_request_without_a_name_is_refused(running: Server, marker: Marker) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(f"GET /api/queue HTTP/1.0\r\nCookie: {marker.cookie}\r\n\r\n".encode())
        assert connection.makefile("rb").readline().split()[1] == b"421"


@pytest.mark.parametrize("host", ["localhost:PORT", "127.0.0.1:PORT", "LOCALHOST:PORT", "[::1]:PORT"])
def test_the_servers_own_names_are_good(running: Server, marker: Marker, host: str) -> None:
    headers = {"Host": host.replace("PORT", str(running.port)), "Cookie": marker.cookie}
    assert running.request("GET", "/api/queue", headers).status == 200


FROM_ELSEWHERE = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "a neighbour": {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    "an old browser": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "a page without a place": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "an old browser, a page without a place": {"Origin": "null"},
    "a name that begins alike": {"Origin": "http://127.0.0.1:PORT.evil.example"},
    "no origin": {"Sec-Fetch-Site": "cross-site"},
    "no address": {"Origin": "["},
}


@pytest.mark.parametrize("headers", FROM_ELSEWHERE.values(), ids=FROM_ELSEWHERE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_sites_page_can_do_nothing_even_with_the_cookie(
    running: Server, marker: Marker, headers: dict[str, str], method: str
) -> None:
    own = {name: value.replace("PORT", str(running.port)) for name, value in headers.items()}
    own |= {"Cookie": marker.cookie, "X-Grader": "1"}
    path = "/api/queue" if method == "GET" else "/api/decide"
    reply = running.request(method, path, own, None if method == "GET" else b"{}")
    assert (reply.status, told(reply.body)) == (403, False)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"])
def test_a_form_of_another_site_lacks_the_header(running: Server, marker: Marker, kind: str) -> None:
    """What a form can send, in a browser that tells of no site and no origin."""
    headers = {"Cookie": marker.cookie, "Content-Type": kind}
    reply = running.request("POST", "/api/undo", headers, b'{"op": "1"}')
    assert reply.status == 403
    assert running.request(
        "OPTIONS", "/api/undo", {"Cookie": marker.cookie, "Origin": "https://evil.example"}
    ).status in (
        403,
        405,
    )


@pytest.mark.parametrize("path", ["/", "/q/1.1.c", "/static/desk.css", "/api/queue", "/nothing", "/static/nothing"])
def test_every_reply_says_what_a_page_may_do(running: Server, marker: Marker, path: str) -> None:
    headers = running.request("GET", path, {"Cookie": marker.cookie}).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


def test_pages_have_no_script_in_them(marker: Marker) -> None:
    for path in ("/", "/q/1.1.c", "/overview"):
        page = marker.get(path)
        scripts = re.findall(r"<script\b[^>]*>", page)
        assert all("src=" in script or 'type="application/json"' in script for script in scripts)
        assert not re.search(r"\son\w+\s*=", page.partition('<script type="application/json"')[0])


def test_who_follows_a_link_from_elsewhere_gets_in_without_a_redirection(running: Server) -> None:
    """A browser keeps a strict cookie from a request that another site's page has begun, redirected or not."""
    reply = running.request("GET", f"/login?token={running.token}", {"Sec-Fetch-Site": "cross-site"})
    assert (reply.status, "set-cookie" in reply.headers) == (200, True)
    assert b'http-equiv="refresh" content="0; url=/"' in reply.body


@pytest.mark.parametrize("size", ["", "x", "-1", "200001", "99999999999999"])
def test_a_body_without_an_end_is_not_read(running: Server, marker: Marker, size: str) -> None:
    headers = {"Cookie": marker.cookie, "X-Grader": "1", **({"Content-Length": size} if size else {})}
    try:
        reply = running.request("POST", "/api/decide", headers)
    except http.client.RemoteDisconnected:
        return  # no HTTP at all: the connection is closed
    assert reply.status in (400, 413)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"op": 1}', b'{"op": "\\ud800"}', b'{"unknown": 1}'])
@pytest.mark.parametrize("path", [path for path in WRITES if path != "/name"])
def test_what_is_no_request_gets_a_line(running: Server, marker: Marker, path: str, body: bytes) -> None:
    reply = running.request("POST", path, {"Cookie": marker.cookie, "X-Grader": "1"}, body)
    assert reply.status == 400
    assert "\n" not in reply.json["error"]


def test_the_token_is_in_no_log(tmp_path: Path) -> None:
    """Neither in what is printed while requests come, good and bad, nor in a file of the results."""
    results, rubric = make_class(tmp_path / "results"), make_rubric(tmp_path / "rubric")
    with serving(results, rubric) as server:
        printed = server.printed
        marker = server.marker()
        marker.get("/q/1.1.c")
        server.request("GET", f"/nothing?token={server.token}", {"Cookie": marker.cookie})
        server.request("GET", f"/login?token={server.token}&token=x", {"Host": "evil.example"})
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(f"GET /login?token={server.token} NONSENSE\r\n\r\n".encode())
            connection.recv(1000)
        server.end()
        assert server.token in printed
        assert server.token not in server.printed.removeprefix(printed)
        for path in results.rglob("*"):
            if path.is_file():
                assert server.token.encode() not in path.read_bytes(), path
                if path.parent.name == ".desk" and path.name != "address":
                    assert path.stat().st_mode & 0o077 == 0


def test_people_have_a_token_each_and_who_is_put_out_is_out(tmp_path: Path) -> None:
    results, rubric = make_class(tmp_path / "results"), make_rubric(tmp_path / "rubric")
    from grader.desk.people import invite

    people = tmp_path / "people.toml"
    tokens = {name: invite(people, name) for name in ("Ada", "Bob")}
    assert not any(token in people.read_text() for token in tokens.values())
    with serving(results, rubric, "--people", str(people)) as server:
        assert server.token == ""
        markers = {name: server.marker(token) for name, token in tokens.items()}
        assert {name: marker.get("/api/queue")["who"] for name, marker in markers.items()} == {
            "Ada": "Ada",
            "Bob": "Bob",
        }
        # A new token for Ada: the old one, and what came of it, is good for nothing. Bob goes on.
        fresh = invite(people, "Ada")
        assert server.request("GET", f"/login?token={tokens['Ada']}").status == 401
        assert server.request("GET", "/api/queue", {"Cookie": markers["Ada"].cookie}).status == 401
        assert markers["Bob"].get("/api/queue")["who"] == "Bob"
        assert server.marker(fresh).get("/api/queue")["who"] == "Ada"
        # A name cannot be chosen.
        headers = {"Cookie": markers["Bob"].cookie}
        assert server.request("POST", "/name", headers, b"name=Ada").status == 400
