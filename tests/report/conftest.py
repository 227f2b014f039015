"""A graded submission, made by hand, and a reader for the pages that are made of it."""

from __future__ import annotations

import base64
import hashlib
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grader.assignment.assignment import Assignment, Limits, Question
from grader.results.results import Change, CheckResult, QuestionResult, SubmissionResult, total

BLOCKS = {"article", "aside", "dd", "details", "div", "dt", "h3", "h4", "li", "p", "pre", "summary", "td", "th", "tr"}
VOID = {"br", "col", "hr", "img", "input", "link", "meta", "base", "embed", "source", "wbr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts)

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()


class Page(HTMLParser):
    """All elements of a page, in order, each with the text within it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.stray: list[str] = []
        self.shown: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.separate()
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1].tag == tag:
            self.open.pop()
            if tag in BLOCKS:
                self.separate()
        else:
            self.stray.append(tag)

    def handle_data(self, data: str) -> None:
        if not any(element.tag in {"style", "script", "title"} for element in self.open):
            self.shown.append(data)
        for element in self.open:
            element.parts.append(data)

    def separate(self) -> None:
        """Text of different blocks never reads as one word."""
        for parts in (self.shown, *(element.parts for element in self.open)):
            parts.append(" ")

    @property
    def text(self) -> str:
        """What is shown, with white space as a browser joins it outside of preformatted text."""
        return " ".join("".join(self.shown).split())

    def all(self, tag: str, name: str = "") -> list[Element]:
        return [item for item in self.elements if item.tag == tag and (not name or name in item.classes)]

    def by_id(self, id: str) -> Element:
        (found,) = (item for item in self.elements if item.attributes.get("id") == id)
        return found


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], Page]:
    return Page


FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --dump-dom"
)


@pytest.fixture
def open_page(tmp_path: Path) -> Callable[..., str]:
    """Opens a page in a browser, at a fragment of its address, and returns what has become of it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a chromium to open the page in: apt-get install chromium")

    def open_(html: str, fragment: str = "") -> str:
        path = tmp_path / "report.html"
        path.write_text(html, encoding="utf-8")
        address = f"{path.as_uri()}#{fragment}" if fragment else path.as_uri()
        command = [browser, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", address]
        return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()

    return open_


def png(width: int = 2, height: int = 1) -> str:
    """A white image in base64, as a notebook holds it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(b"".join(b"\0" + b"\xff" * width for _ in range(height)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.encodebytes(content).decode()


@pytest.fixture(scope="session", name="png")
def png_fixture() -> Callable[..., str]:
    return png


CRITERIA = "One point for each of:\n\n- too **small**: slow;\n- too **large**: for $\\eta > 2/L$ it diverges."


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    questions = (
        Question(id="1.1.a", title="gradient descent", points=1, kind="code", defines=("optimize_f(x, y)",)),
        Question(id="1.1.e", title="step size", points=2, kind="text", criteria=CRITERIA),
        Question(id="1.3.a", title="`sigmoid`", points=1, kind="code", defines=("sigmoid(x)",)),
        Question(id="1.3.b", title="ReLU", points=1, kind="code", defines=("relu(x)",)),
        Question(id="1.3.f", title="loss of a perfect prediction", points=1, kind="text", criteria=CRITERIA),
        Question(id="1.5.a", title="network", points=2, kind="code", defines=("network(x, params)",)),
        Question(id="1.6.d", title="train", points=1.5, kind="code", defines=("params", "split_x"), run=True),
        Question(id="1.6.g", title="compare", points=1, kind="text"),
    )
    return Assignment(
        name="dl1",
        folder=tmp_path,
        title="Deep Learning, Assignment 1",
        reference=tmp_path / "reference.ipynb",
        preload=(),
        limits=Limits(),
        questions=questions,
    )


@pytest.fixture
def notebook() -> NotebookNode:
    """As executed: with outputs of every common kind."""
    descent = "def optimize_f(x, y):\n    # one step\n    return x - 0.1 * grad_x_f(x, y), y"
    trace = ["\x1b[31mNameError\x1b[39m: name 'grad_x_f' is not defined", "line <3>"]
    table = (
        "<table><thead><tr><th></th><th>loss</th></tr></thead><tbody><tr><th>val</th><td>0.25</td></tr></tbody></table>"
    )
    cells = [
        new_markdown_cell("# Deep Learning"),
        new_code_cell(descent),
        new_code_cell(
            "optimize_f(3, 2)",
            outputs=[new_output("error", ename="NameError", evalue="grad_x_f", traceback=trace)],
        ),
        new_markdown_cell(
            "Too small is *slow*, too large diverges: $\\eta > \\frac{2}{L}$.\n\n$$\\eta_t = \\eta_0 d^t$$"
        ),
        new_code_cell(
            "def sigmoid(x):\n    return 1 / (1 + torch.exp(-x))\nprint(sigmoid(x))",
            outputs=[new_output("stream", name="stdout", text="tensor([0.5000, 0.7311])\n")],
        ),
        new_code_cell("print(bce_loss(y, y))", outputs=[new_output("stream", name="stdout", text="tensor(nan)\n")]),
        new_markdown_cell("It is *nan*, since $0 \\cdot \\log 0$ is."),
        new_code_cell("def network(x, params):\n    return x"),
        new_code_cell(
            "fit(params)",
            outputs=[
                new_output("stream", name="stderr", text="UserWarning: slow\n"),
                new_output("display_data", data={"image/png": png(), "text/plain": "<Figure>"}),
                new_output("execute_result", data={"text/html": table, "text/plain": "a table"}),
            ],
        ),
        new_markdown_cell("The deeper one wins.\n\n![curve](attachment:curve.png)"),
    ]
    cells[9]["attachments"] = {"curve.png": {"image/png": png()}}
    return new_notebook(cells=cells)


@pytest.fixture
def result() -> SubmissionResult:
    def check(status: Any, points: float | None, max_points: float, title: str, message: str = "") -> CheckResult:
        return CheckResult(
            name="test_it",
            title=title,
            points=points,
            max_points=max_points,
            status=status,
            message=message,
            detail="for staff: the secret of the check",
        )

    graded = SubmissionResult(
        submission="group-17",
        file="hand-ins/group-17.ipynb",
        seed=20240905,
        grader_version="0.1.0",
        assignment="dl1",
        notes=["The kernel was started again after cell 3."],
        questions=[
            QuestionResult(
                id="1.1.a", title="gradient descent", kind="code", points=0, max_points=1, status="failed",
                cells=[1, 2], found_by="label",
                checks=[
                    check(
                        "failed", 0, 1, "Each step goes down by `step_size`.",
                        "NameError: name 'grad_x_f' is not defined\n  cell 2, line 3\n    x - 0.1 * grad_x_f(x, y)",
                    )
                ],
            ),
            QuestionResult(
                id="1.1.e", title="step size", kind="text", points=None, max_points=2, status="to be marked", cells=[3],
                found_by="label", criteria=CRITERIA,
            ),
            QuestionResult(
                id="1.3.a", title="`sigmoid`", kind="code", points=1, max_points=1, status="passed", cells=[4],
                found_by="name", checks=[check("passed", 1, 1, "Computes 1 / (1 + exp(-x)).")],
            ),
            QuestionResult(
                id="1.3.b", title="ReLU", kind="code", points=0, max_points=1, status="missing", cells=[],
                checks=[check("missing", 0, 1, "Is never negative.", "relu is not defined")],
            ),
            QuestionResult(
                id="1.3.f", title="loss of a perfect prediction", kind="text", points=None, max_points=1,
                status="to be marked", cells=[5, 6], found_by="label", criteria=CRITERIA,
            ),
            QuestionResult(
                id="1.5.a", title="network", kind="code", points=2, max_points=2, status="carried forward", cells=[7],
                found_by="label",
                checks=[check("carried forward", 2, 2, "Applies each layer.", "Right with the reference’s `relu`.")],
            ),
            QuestionResult(
                id="1.6.d", title="train", kind="code", points=None, max_points=1.5, status="review", cells=[8],
                found_by="label", notes=["Cell 9 was stopped after 120 s."],
                checks=[check("review", None, 1.5, "Validation accuracy is at least 0.95.", "It is 0.949: too close.")],
            ),
            QuestionResult(
                id="1.6.g", title="compare", kind="text", points=None, max_points=1, status="to be marked", cells=[9],
                found_by="label",
            ),
        ],
    )  # fmt: skip
    total(graded)
    return graded


@pytest.fixture
def unreadable() -> SubmissionResult:
    return SubmissionResult(
        submission="group-18",
        file="hand-ins/group-18.ipynb",
        status="unreadable",
        message="is not JSON: export the notebook again",
    )


def answered(id: str, source: str, status: Any, points: float | None, message: str = "", **more: Any) -> QuestionResult:
    """One question: code in the notebook's first cell, text in its second. `more` are further fields of the result."""
    kind = "text" if id in ("1.1.e", "1.3.f", "1.6.g") else "code"
    most = {"1.1.e": 2, "1.5.a": 2, "1.6.d": 1.5}.get(id, 1)
    title = "Each step goes down by `step_size`."
    checks = [CheckResult(name="test_it", title=title, points=points, max_points=most, status=status, message=message)]
    return QuestionResult(
        id=id,
        title="",
        kind=kind,
        points=points,
        max_points=most,
        status=status,
        cells=([1] if kind == "text" else [0]) if source else [],
        checks=[] if kind == "text" else checks,
        answer=hashlib.sha256(source.encode()).hexdigest() if source else "",
        **more,
    )


def submitted(name: str, *questions: QuestionResult, status: Any = "graded", message: str = "") -> SubmissionResult:
    result = SubmissionResult(
        submission=name, file=f"{name}.ipynb", status=status, message=message, questions=list(questions)
    )
    total(result)
    return result


DESCENT = "def optimize_f(x, y):\n    for step in range(10):\n        x = x - 0.1 * grad_x_f(x, y)\n    return x, y"
ASCENT = "def optimize_f(x, y):\n    x = x + grad_x_f(x, y)\n    return x, y"


@pytest.fixture
def class_results() -> list[SubmissionResult]:
    """A small class. In 1.1.a: two identical answers, a third that differs in a comment, another one, and none."""
    decided = Change(question="1.1.e", points=1.5, before=None, comment="Why?", who="A. Assistant", when="", answer="")
    text, other = "Too small is slow.", "Too large diverges."
    return [
        submitted("ann", answered("1.1.a", DESCENT, "passed", 1), answered("1.1.e", text, "to be marked", None)),
        submitted(
            "bob",
            answered("1.1.a", ASCENT, "failed", 0, "NameError: name 'grad_x_f' is not defined"),
            answered("1.1.e", other, "marked", 1.5, changes=[decided]),
        ),
        submitted("cleo", answered("1.1.a", DESCENT, "passed", 1), answered("1.1.e", text, "to be marked", None)),
        submitted(
            "dan",
            answered("1.1.a", f"# mine\n{DESCENT}", "review", None, "takes 12.5 s"),
            answered("1.1.e", other, "to be marked", None),
        ),
        submitted("eve", answered("1.1.a", "", "missing", 0, "no answer"), answered("1.1.e", "", "missing", None)),
        submitted("fay", status="missing", message="no notebook was handed in"),
        submitted("gus", status="unreadable", message="is not JSON: export it again"),
        submitted("hal", status="error", message="the sandbox did not start"),
        submitted(
            "ida",
            answered("1.1.a", ASCENT + "  # up", "failed", 0, "takes 17 s"),
            answered("1.1.e", other, "marked", 2, changes=[decided]),
        ),
    ]


@pytest.fixture
def class_notebooks() -> dict[str, NotebookNode]:
    """The executed notebooks of `class_results`."""
    code = {"ann": DESCENT, "bob": ASCENT, "cleo": DESCENT, "dan": f"# mine\n{DESCENT}", "ida": ASCENT + "  # up"}
    text = {"ann": "Too small is slow.", "cleo": "Too small is slow."}
    return {
        name: new_notebook(cells=[new_code_cell(code[name]), new_markdown_cell(text.get(name, "Too large diverges."))])
        for name in code
    }
