"""The server's life and its address: events, a proxy, several people, what the command prints."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk.conftest import make_class, make_rubric
from desk.serving import GRADER, Marker, here, serving

from grader.desk.people import PeopleError, fit_name, invite
from grader.desk.server import ServerError, expected_address, listen


class Page:
    """A page that listens to events."""

    def __init__(self, marker: Marker) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", marker.server.port, timeout=60)
        self._connection.request("GET", "/events", headers={"Cookie": marker.cookie})
        self._reply = self._connection.getresponse()
        assert self._reply.getheader("content-type", "").startswith("text/event-stream")
        assert self._reply.readline() == b"retry: 1000\n"

    def wait_for(self, event: str) -> Any:
        """The data of the next event of this kind."""
        name = b""
        while line := self._reply.readline():
            if line.startswith(b"event: "):
                name = line.removeprefix(b"event: ").strip()
            elif line.startswith(b"data: ") and name == event.encode():
                return json.loads(line.removeprefix(b"data: "))
        raise AssertionError("the connection has ended")

    def close(self) -> None:
        self._reply.close()
        self._connection.close()


@pytest.fixture
def pair(results: Path, rubric: Path, tmp_path: Path) -> Iterator[tuple[Marker, Marker]]:
    people = tmp_path / "people.toml"
    tokens = [invite(people, name) for name in ("Ada", "Bob")]
    with here(results, rubric, people) as server:
        yield server.marker(tokens[0]), server.marker(tokens[1])


def test_a_page_is_told_what_happens_at_others(pair: tuple[Marker, Marker]) -> None:
    ada, bob = pair
    page = Page(ada)
    assert page.wait_for("people") == {"people": ["Ada"]}
    other = Page(bob)
    assert page.wait_for("people") == {"people": ["Ada", "Bob"]}
    shown = bob.get("/api/next?question=1.1.c")
    leases = page.wait_for("lease")["leases"]
    assert [(lease["who"], lease["group"]) for lease in leases] == [("Bob", shown["group"]["id"])]
    bob.decide(shown, points=0, next=False)
    assert page.wait_for("changed") == {"questions": ["1.1.c"], "groups": [shown["group"]["id"]], "who": "Bob"}
    other.close()
    assert page.wait_for("people") == {"people": ["Ada"]}
    page.close()


def test_an_open_page_keeps_nobody_from_ending_the_server(results: Path, rubric: Path) -> None:
    with serving(results, rubric) as server:
        page = Page(server.marker())
        ended = threading.Thread(target=server.end)
        ended.start()
        ended.join(20)
        assert not ended.is_alive()
        page.close()


def test_behind_a_proxy_it_has_the_proxys_name_and_path(results: Path, rubric: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    proxied = ("--as", "Ada", "--port", port, "--base-url", "https://example.edu/marking/")
    with serving(results, rubric, *proxied) as server:
        assert "https://example.edu/marking/login?token=" in server.printed
        reply = server.request("GET", f"/marking/login?token={server.token}", {"Host": "example.edu"})
        assert (reply.status, reply.headers["location"]) == (303, "/marking/")
        assert "; Path=/marking/;" in reply.headers["set-cookie"]
        assert "; Secure" in reply.headers["set-cookie"]
        cookie = reply.headers["set-cookie"].partition(";")[0]
        own = {"Cookie": cookie, "Host": f"127.0.0.1:{server.port}", "Origin": "https://example.edu", "X-Grader": "1"}
        # Whether a proxy leaves the path and the name as they are, or makes others of them.
        for path in ("/marking/api/queue", "/api/queue"):
            assert server.request("GET", path, own).status == 200
        assert server.request("POST", "/marking/api/undo", own, b'{"op": "1"}').status == 409
        assert server.request("GET", "/api/queue", {**own, "Origin": "https://other.edu"}).status == 403
        page = server.request("GET", "/marking/", own).body.decode()
        assert 'href="/marking/static/desk.css"' in page
        assert server.request("GET", "/marking/static/desk.css", own).status == 200


@pytest.mark.parametrize("address", ["ftp://example.edu", "https://example.edu/?a", "https://example.edu/#a"])
def test_an_address_that_is_none_is_refused(results: Path, address: str) -> None:
    with pytest.raises(ServerError, match="--base-url"):
        listen(results, "127.0.0.1", 0, address)


def test_a_port_that_is_taken_is_passed_over_or_said(results: Path) -> None:
    first = listen(results, "127.0.0.1", 0, "")
    second = listen(results, "127.0.0.1", 0, "")
    ports = [each.socket.getsockname()[1] for each in (first, second)]
    assert ports[0] < ports[1]
    with pytest.raises(ServerError, match=f"--port {ports[0]}: cannot be listened on"):
        listen(results, "127.0.0.1", ports[0], "")
    with pytest.raises(ServerError, match=r"--host nowhere\.invalid"):
        listen(results, "nowhere.invalid", 0, "")
    # Else asyncio leaves Nagle's algorithm on, and each reply takes 40 ms more.
    assert {each.socket.proto for each in (first, second)} == {socket.IPPROTO_TCP}
    # Cookies know no ports.
    assert first.place.cookie != second.place.cookie
    for each in (first, second):
        each.socket.close()


def test_for_other_machines_the_address_has_the_machines_name(results: Path) -> None:
    listening = listen(results, "0.0.0.0", 0, "")
    listening.socket.close()
    assert f"http://{os.uname().nodename}:" in listening.address
    assert os.uname().nodename.lower() in listening.place.hosts
    assert expected_address(results, "::1", 9, "") == "http://[::1]:9/"
    assert expected_address(results, "127.0.0.1", 0, "http://example.edu/a") == "http://example.edu/a/"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GRADER, "mark", *map(str, arguments)], capture_output=True, text=True, timeout=100)


def test_somebody_is_invited_while_the_server_runs(results: Path, rubric: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.toml"
    with serving(results, rubric, "--as", "Ada", "--people", str(_with(people, "Bob"))) as server:
        assert server.marker().get("/api/queue")["who"] == "Ada"
        done = run(results, "--rubric", rubric, "--people", people, "--invite", "Zoë  Q")
        assert done.returncode == 0, done.stderr
        address = f"http://127.0.0.1:{server.port}/login?token="
        assert done.stdout.startswith(f"Zoë Q marks at {address}")
        token = done.stdout.partition(address)[2].split()[0]
        assert server.marker(token).get("/api/queue")["who"] == "Zoë Q"
    assert people.stat().st_mode & 0o077 == 0


def _with(people: Path, name: str) -> Path:
    invite(people, name)
    return people


def test_a_name_is_asked_for_where_none_is_given(results: Path, rubric: Path) -> None:
    with serving(results, rubric, "--port", "0") as server:
        nobody = server.marker()
        page = server.request("GET", "/", {"Cookie": nobody.cookie})
        assert (page.status, page.headers["location"]) == (303, "/name")
        assert server.request("GET", "/api/queue", {"Cookie": nobody.cookie}).status == 403
        refused = server.request("POST", "/name", {"Cookie": nobody.cookie}, b"name=%0A")
        assert refused.status == 400
        assert b"a name is one line" in refused.body
        form = {"Cookie": nobody.cookie, "Origin": "null", "Sec-Fetch-Site": "same-origin"}
        named = server.request("POST", "/name", form, "name=Zoë+Q".encode())
        assert (named.status, named.headers["location"]) == (303, "/")
        nobody.cookie = named.headers["set-cookie"].partition(";")[0]
        assert nobody.get("/api/queue")["who"] == "Zoë Q"


@pytest.mark.parametrize("name", ["", " ", "a\nb\x00", "x" * 81, "\u202e"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(PeopleError):
        fit_name(name)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[[person]]\nname = 1", "is no list of people"),
        ('[[person]]\nname = "Ada"\ntoken = "short"', "is shorter than 16 characters"),
        ('[[person]]\nname = "Ada"\ntoken = "sha256:xyz"', "is no digest"),
        ('[[person]]\nname = "Ada"\ntoken = "sha256:aa"\n' * 2, "Ada is in it twice"),
        ('[[person]]\nname = "Ada"\ntoken = "0123456789abcdef"', "others may read the tokens"),
    ],
)
def test_what_is_no_file_of_people_gets_a_line(
    results: Path, rubric: Path, tmp_path: Path, content: str, fault: str
) -> None:
    people = tmp_path / "people.toml"
    people.write_text(content)
    people.chmod(0o644 if "others" in fault else 0o600)
    done = run(results, "--rubric", rubric, "--people", people)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert fault in done.stderr


def test_what_is_no_folder_of_results_gets_a_line(rubric: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "nothing", "--rubric", rubric, "--no-browser")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "name the folder that `grader grade` has written" in done.stderr
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "empty").mkdir()
    assert "holds no results" in run(tmp_path / "empty", "--rubric", rubric, "--no-browser").stderr
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_result_that_cannot_be_read_is_said_and_the_others_are_marked(tmp_path: Path) -> None:
    results, rubric = make_class(tmp_path / "results"), make_rubric(tmp_path / "rubric")
    (results / "ann" / "result.json").write_text("{")
    with serving(results, rubric) as server:
        assert "ann/result.json: cannot be read" in server.printed
        queue = server.marker().get("/api/queue")
        assert (len(queue["faults"]), queue["questions"][0]["answers"]) == (1, 4)
