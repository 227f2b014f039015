"""What a student does, in the browser: a real JupyterLab with the released notebook, and Debian's chromium."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from grader.students.bundle.release import Released

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 180
"""For the server, and for each thing that is to appear, on a machine with a lot to do."""

TRIES = 10
"""To run a cell of a page that is still being set up."""

WRONG = """\
def sigmoid(x):
    return 1 / (1 + torch.exp(x))
"""
RIGHT = WRONG.replace("exp(x)", "exp(-x)")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: sudo apt-get install chromium"),
    pytest.mark.skipif(find_spec("jupyterlab") is None, reason="needs JupyterLab: pip install -e '.[dev]'"),
]
playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")


@pytest.fixture(scope="module")
def course(released_dl1: Released, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what students get of dl1, and nothing else."""
    folder = tmp_path_factory.mktemp("course")
    for path in (released_dl1.notebook, released_dl1.bundle):
        shutil.copy(path, folder)
    return folder


@contextlib.contextmanager
def jupyterlab(folder: Path, home: Path) -> Iterator[str]:
    """The address of a server for the folder, which knows nothing of whoever runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
    environment |= {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        # What a student's computer does not have: the test's own settings of libraries.
        "MPLBACKEND": "",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += ["--allow-root", "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    settings = home / "config" / "lab" / "user-settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells are in the page, also those out of sight.
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield _address(server, home)
    finally:
        server.terminate()
        server.wait(SECONDS)


def _address(server: subprocess.Popen[bytes], home: Path) -> str:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        for path in (home / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):
                known = json.loads(path.read_text())
                return f"{known['url']}lab/tree/dl1.ipynb?token={known['token']}"
        time.sleep(0.1)
    raise AssertionError((home / "log").read_text())


class Page:
    """JupyterLab with one notebook open."""

    def __init__(self, page: playwright_api.Page) -> None:
        self.page = page
        self.cells = page.locator(".jp-Notebook .jp-Cell")

    def with_text(self, text: str) -> playwright_api.Locator:
        """The only code cell that has this text, whatever it says below."""
        source = self.page.locator(".jp-InputArea", has_text=text)
        return self.page.locator(".jp-Notebook .jp-CodeCell").filter(has=source)

    def add_below(self, cell: playwright_api.Locator, source: str) -> playwright_api.Locator:
        """A new cell after this one, with this text."""
        cell.locator(".jp-InputPrompt").click()
        self.page.keyboard.press("b")
        self.write(self.page.locator(".jp-Notebook .jp-Cell.jp-mod-active"), source)
        return self.with_text(source)

    def write(self, cell: playwright_api.Locator, source: str) -> None:
        """Put `source` in the place of what is in a cell."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        # Typed key by key, JupyterLab would indent and close brackets by itself.
        self.page.keyboard.insert_text(source)

    def run(self, cell: playwright_api.Locator) -> None:
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.inner_text()
        for _ in range(TRIES):
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Shift+Enter")
            # While the page is still being set up, the keys may go elsewhere.
            with contextlib.suppress(AssertionError):
                playwright_api.expect(prompt).not_to_have_text(before, timeout=10_000)
                break
        # A number in the place of the star: it has run.
        playwright_api.expect(prompt).to_have_text(re.compile(r"\[\d+\]:"))


def result_of(cell: playwright_api.Locator) -> playwright_api.Locator:
    return cell.locator(".jp-OutputArea-output .grader-check")


def test_a_wrong_sigmoid_is_told_and_the_corrected_one_passes(course: Path, tmp_path: Path) -> None:
    with jupyterlab(course, tmp_path) as address, playwright_api.sync_playwright() as playwright:
        playwright_api.expect.set_options(timeout=SECONDS * 1000)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.set_default_timeout(SECONDS * 1000)
        tab.goto(address)
        # What is run before the kernel is there waits for it, or not.
        tab.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        page = Page(tab)
        imports = page.with_text("import sklearn.datasets")
        page.run(imports)
        load = page.add_below(imports, "%load_ext grader")
        page.run(load)

        answer = page.with_text("print(sigmoid(torch.linspace(-4, 4, 5)))")
        check = page.add_below(answer, "%check 1.3.a")
        page.run(check)
        playwright_api.expect(result_of(check)).to_contain_text("not started")

        page.write(answer, WRONG)
        answer = page.with_text("exp(x)")
        page.run(answer)
        page.run(check)
        playwright_api.expect(result_of(check)).to_contain_text("not yet 1.3.a Logistic sigmoid · 0 of 1")
        playwright_api.expect(result_of(check).locator("pre")).to_contain_text("sigmoid(tensor(1)) is 0.268941")
        look_at(tab, "wrong")

        page.write(answer, RIGHT)
        answer = page.with_text("exp(-x)")
        page.run(answer)
        page.run(check)
        playwright_api.expect(result_of(check)).to_contain_text("done 1.3.a Logistic sigmoid · 1 of 1")
        playwright_api.expect(result_of(check).locator("pre")).to_have_count(0)
        look_at(tab, "right")
        browser.close()


def look_at(tab: playwright_api.Page, name: str) -> None:
    """A picture, for whoever wants to see it: `SCREENSHOTS=folder`."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        tab.screenshot(path=Path(folder) / f"{name}.png")
