"""A graded class of 30, a server for a copy of it, and a browser."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk.browser.course import GRADER, grade, make_course

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 60
"""For the server, and for each thing that is to appear, on a machine with a lot to do."""


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course, as the real engine has graded it; nobody marks in it."""
    folder = tmp_path_factory.mktemp("graded") / "course"
    make_course(folder)
    grade(folder)
    return folder


@pytest.fixture
def course(graded: Path, tmp_path: Path) -> Path:
    """The same, to be marked."""
    return Path(shutil.copytree(graded, tmp_path / "course"))


class Servers:
    """Of one course; each is ended after the test."""

    def __init__(self, course: Path) -> None:
        self._course = course
        self.running: list[subprocess.Popen[str]] = []

    def __call__(self, *options: str) -> str:
        """Start one; returns the address that it prints."""
        command = [GRADER, "mark", "results", "--rubric", "rubric", "--no-browser", *options]
        process = subprocess.Popen(
            command, cwd=self._course, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self.running.append(process)
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if found := re.search(r"http://\S+", line):
                return found[0]
        raise AssertionError(said)

    def kill(self) -> None:
        """SIGKILL: as if the power had gone."""
        for process in self.running:
            process.kill()
            process.wait()

    def end(self) -> None:
        for process in self.running:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def start(course: Path) -> Iterator[Servers]:
    servers = Servers(course)
    yield servers
    servers.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: sudo apt-get install chromium")
    api.expect.set_options(timeout=SECONDS * 1000)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_desk(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a context of its own, as another person's browser is. No page may complain of anything."""
    faults: list[str] = []
    with contextlib.ExitStack() as stack:

        def open_desk(address: str, path: str = "", **options: Any) -> Any:
            context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}} | options)
            stack.callback(context.close)
            context.set_default_timeout(SECONDS * 1000)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.goto(address)
            if path:
                page.goto(address.partition("login")[0] + path)
            page.wait_for_selector(".d-title, h1")
            return page

        yield open_desk
    assert faults == []
