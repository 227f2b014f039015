"""Landlock's rules, as each version of it knows them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grader.inside import landlock

CONFINED = """
import ctypes, json, os, socket, sys
from grader.inside import landlock
known, folder = int(sys.argv[1]), sys.argv[2]
landlock.version = lambda: known
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
readable, writable, shared = (f"{folder}/{name}" for name in ("readable", "writable", "shared"))
ruleset = landlock.make_ruleset([readable, "/nowhere"], [writable], [shared], ["/dev/null"])
landlock.restrict(ruleset)
landlock.restrict(ruleset)
def attempt(action):
    try:
        action()
        return True
    except OSError:
        return False
print(json.dumps({
    "read": attempt(lambda: open(f"{readable}/file").read()),
    "list": attempt(lambda: os.listdir(readable)),
    "change": attempt(lambda: open(f"{readable}/file", "a")),
    "write": attempt(lambda: open(f"{writable}/file", "w").write("x")),
    "make": attempt(lambda: os.makedirs(f"{writable}/a/b")),
    "share": attempt(lambda: open(f"{shared}/file", "w").write("x")),
    "unshare": attempt(lambda: os.unlink(f"{shared}/file")),
    "null": attempt(lambda: open("/dev/null", "w").write("x")),
    "move": attempt(lambda: os.rename(f"{writable}/file", f"{writable}/a/b/file")),
    "share-folder": attempt(lambda: os.mkdir(f"{shared}/new")),
    "other": attempt(lambda: open(f"{folder}/other").read()),
    "truncate": attempt(lambda: os.truncate(f"{folder}/other", 0)),
    "out": attempt(lambda: os.rename(f"{writable}/a", f"{folder}/a")),
    "listen": attempt(lambda: socket.create_server(("127.0.0.1", 0))),
    "signal": attempt(lambda: os.kill(os.getppid(), 0)),
}))
"""
ALWAYS = {"read", "list", "write", "make", "share", "unshare", "null"}
UNTIL = {"move": (2, None), "truncate": (1, 3), "listen": (1, 4), "signal": (1, 6)}
"""What is possible only from one version on, or until another knows it."""


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
@pytest.mark.parametrize("known", range(1, 8))
def test_each_version_is_used_for_all_that_it_knows(tmp_path: Path, known: int) -> None:
    if known > landlock.version():
        pytest.skip("newer than this kernel's")
    for name in ("readable", "writable", "shared"):
        (tmp_path / name).mkdir()
    (tmp_path / "readable" / "file").write_text("x")
    (tmp_path / "other").write_text("mine")
    command = [sys.executable, "-c", CONFINED, str(known), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    possible = {name for name, result in json.loads(done.stdout or done.stderr).items() if result}
    expected = ALWAYS | {
        name for name, (since, until) in UNTIL.items() if since <= known and (until is None or known < until)
    }
    assert possible == expected


def test_where_there_is_none_there_are_no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert landlock.make_ruleset(["/usr"], [], [], []) is None
