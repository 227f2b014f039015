"""Whatever stands in a submission is shown, and none of it runs, loads, navigates or restyles the page."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell

from grader.report.render import render_index, render_submission
from grader.results import SubmissionResult

# Each holds the word MARK, which has to be seen. Where it runs, it changes the page's title.
RUN = "document.title='RAN'"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script><text>MARK</text></svg>'
SNIPPETS = {
    "script": f"<script>{RUN}</script>MARK",
    "script in capitals": f"<ScRiPt >{RUN}</sCrIpT >MARK",
    "script, nested": f"<scr<script>ipt>{RUN}</scr</script>ipt>MARK",
    "script, never closed": f"MARK <script>{RUN}",
    "script after the end of pre": f"MARK</pre></code></div><script>{RUN}</script>",
    "script after the end of style": f"MARK</style></title></textarea><script>{RUN}</script>",
    "script after the end of a comment": f"MARK <!-- --!><script>{RUN}</script> -->",
    "script in a comment for old browsers": f"<!--[if true]><script>{RUN}</script><![endif]-->MARK",
    "end of the page": f"</main></body></html><script>{RUN}</script>MARK",
    "onerror": f'<img src=x onerror="{RUN}">MARK',
    "onerror, separated by slashes": f"<img/src=x/onerror={RUN}>MARK",
    "onerror, tag never closed": f'MARK <img src=x onerror="{RUN}"',
    "onload of an svg": f'<svg onload="{RUN}">MARK</svg>',
    "script in an svg": SVG,
    "svg animation": f'<svg><animate onbegin="{RUN}" attributeName=x dur=1s>MARK</svg>',
    "math with a style that hides a script": f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}></style>"
    "MARK",
    "noscript": f'<noscript><p title="</noscript><img src=x onerror={RUN}>">MARK',
    "template": f"<template><script>{RUN}</script></template>MARK",
    "details that toggle": f'<details open ontoggle="{RUN}">MARK</details>',
    "autofocus": f'<input autofocus onfocus="{RUN}">MARK',
    "link to a script": f'<a href="javascript:{RUN}">MARK</a>',
    "link to a script, with a tab": f'<a href="java\tscript:{RUN}">MARK</a>',
    "link to a page": f'<a href="data:text/html,<script>{RUN}</script>">MARK</a>',
    "link to a site": '<a href="https://example.org/" target="_blank">MARK</a>',
    "markdown link to a script": f"[MARK](javascript:{RUN})",
    "markdown link to a script, encoded": f"[MARK](java&#x73;cript:{RUN})",
    "markdown link to a page": "[MARK](data:text/html;base64,PHNjcmlwdD4=)",
    "markdown link out of its attribute": f'[MARK](x"onmouseover="{RUN})',
    "markdown reference": f'[MARK][1]\n\n[1]: javascript:{RUN} "title"',
    "markdown autolink": "MARK <https://example.org/> <javascript:alert(1)>",
    "markdown image": '![MARK](https://example.org/x.png "title")',
    "markdown image, alternative text": f'![MARK" onerror="{RUN}](x)',
    "markdown image of a page": "![MARK](data:text/html;base64,PHNjcmlwdD4=)",
    "markdown code": f'```"><script>{RUN}</script>\nMARK\n```',
    "formula": f"$x \\text{{<img src=x onerror={RUN}>}}$ MARK",
    "formula with a link": f"$\\href{{javascript:{RUN}}}{{x}}$ MARK",
    "formula with a class": f'$$\\class{{"><script>{RUN}</script>}}{{x}}$$ MARK',
    "remote image": '<img src="https://example.org/pixel.png" srcset="https://example.org/2.png 2x">MARK',
    "remote video": '<video autoplay poster="//example.org/p"><source src="//example.org/v"></video>MARK',
    "style": "<style>* { display: none } body { background: url(//example.org) }</style>MARK",
    "style attribute": '<p style="position:fixed; inset:0; background:url(//example.org)">MARK</p>',
    "linked style sheet": '<link rel=stylesheet href="//example.org/x.css">MARK',
    "iframe": f'<iframe src="javascript:parent.{RUN}"></iframe><iframe srcdoc="<script>{RUN}</script>"></iframe>MARK',
    "object": f'<object data="javascript:{RUN}"></object><embed src="javascript:{RUN}">MARK',
    "base": '<base href="https://example.org/">MARK',
    "refresh": '<meta http-equiv="refresh" content="0; url=https://example.org/">MARK',
    "policy": "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src *\">MARK",
    "form": f'<form action="https://example.org/"><button formaction="javascript:{RUN}">MARK</button></form>',
    "own id and class": '<div id="overview" class="hidden">MARK</div>',
    "jinja": "{{ 7 * 7 }} {% raw %} {{ result.questions }} {# MARK #} MARK",
    "character references": "&lt;script&gt;&#x3C;script&#x3E; MARK",
    "control characters": "MARK\0\x08\x1b]8;;https://example.org\x07\x9b\ud800\ufffe",
    "text that runs backwards": "MARK \u202etxt.exe\u2066",
}  # fmt: skip

FORBIDDEN = {
    "script", "iframe", "object", "embed", "form", "base", "input", "button", "svg", "template", "noscript", "video",
    "audio", "source", "textarea", "select", "mglyph", "animate", "frame", "frameset", "applet", "portal",
}  # fmt: skip
ADDRESSES = {
    "href", "src", "srcset", "srcdoc", "action", "formaction", "data", "poster", "xlink:href", "background", "cite",
    "longdesc", "ping", "manifest", "usemap", "codebase", "archive", "dynsrc", "lowsrc",
}  # fmt: skip
OWN_ADDRESS = re.compile(r"#[\w.-]+|data:,|data:image/(?:png|jpeg|gif|svg\+xml);base64,[A-Za-z0-9+/=]+")
BAR = re.compile(r"width:\d+\.\d\d%")


def faults(page: Any) -> list[str]:
    """What in a page could run, load, navigate or restyle."""
    found = [f"<{item.tag}>" for item in page.elements if item.tag in FORBIDDEN]
    counts = Counter(item.tag for item in page.elements)
    found += [
        f"{counts[tag]} <{tag}>" for tag in ("html", "body", "style", "title", "link", "main") if counts[tag] != 1
    ]
    for item in page.elements:
        for name, value in item.attributes.items():
            if name.startswith("on") or (name in ADDRESSES and not OWN_ADDRESS.fullmatch(value)):
                found.append(f"<{item.tag} {name}={value!r}>")
            if name == "style" and not BAR.fullmatch(value):
                found.append(f"<{item.tag} {name}={value!r}>")
            if name == "http-equiv" and value != "Content-Security-Policy":
                found.append(f"<{item.tag} {name}={value!r}>")
    ids = [item.attributes["id"] for item in page.elements if "id" in item.attributes]
    return found + [id for id, count in Counter(ids).items() if count > 1]


def code(source: str = "pass", **output: Any) -> Any:
    outputs = [new_output(output.pop("output_type"), **output)] if output else []
    return new_code_cell(source, outputs=outputs)


def display(mime: str, snippet: Any) -> Any:
    return code(output_type="display_data", data={mime: snippet})


def in_attachment(snippet: str) -> Any:
    cell = new_markdown_cell(f"MARK ![{snippet}](attachment:a.png) ![MARK](attachment:{snippet})")
    cell["attachments"] = {"a.png": {"image/png": snippet, "text/html": snippet}, snippet: {"image/svg+xml": snippet}}
    return cell


def cell_with(make: Callable[[str], Any]) -> Callable[[SubmissionResult, Any, str], None]:
    def put(result: SubmissionResult, notebook: Any, snippet: str) -> None:
        notebook.cells[3] = make(snippet)  # the answer of 1.1.e

    return put


def result_with(change: Callable[[SubmissionResult, str], None]) -> Callable[[SubmissionResult, Any, str], None]:
    def put(result: SubmissionResult, notebook: Any, snippet: str) -> None:
        change(result, snippet)

    return put


def name_it(result: SubmissionResult, snippet: str) -> None:
    result.submission = snippet
    result.file = f"hand-ins/{snippet.replace('/', '∕')}"


def message_of_a_check(result: SubmissionResult, snippet: str) -> None:
    result.questions[0].checks[0].message = f"{snippet}\nand more:\n{snippet}"


def note(result: SubmissionResult, snippet: str) -> None:
    result.notes.append(snippet)
    result.questions[0].notes.append(snippet)


def trouble(result: SubmissionResult, snippet: str) -> None:
    result.status = "unreadable"
    result.questions = []
    result.message = snippet


PLACES = {
    "markdown": cell_with(new_markdown_cell),
    "markdown, within a line": cell_with(lambda snippet: new_markdown_cell(f"text {snippet} text")),
    "markdown, in a list": cell_with(lambda snippet: new_markdown_cell(f"- a\n- {snippet}")),
    "markdown, in a table": cell_with(lambda snippet: new_markdown_cell(f"|a|b|\n|-|-:|\n|{snippet}|c|")),
    "attachment": cell_with(in_attachment),
    "code": cell_with(code),
    "raw cell": cell_with(new_raw_cell),
    "stream": cell_with(lambda snippet: code(output_type="stream", name="stdout", text=snippet)),
    "stream of another name": cell_with(lambda snippet: code(output_type="stream", name=snippet, text=snippet)),
    "error": cell_with(lambda snippet: code(output_type="error", ename=snippet, evalue=snippet, traceback=[snippet])),
    "error without traceback": cell_with(
        lambda snippet: code(output_type="error", ename=snippet, evalue=snippet, traceback=[])
    ),
    "text/plain": cell_with(lambda snippet: display("text/plain", snippet)),
    "text/html": cell_with(lambda snippet: display("text/html", f"MARK{snippet}")),
    "text/markdown": cell_with(lambda snippet: display("text/markdown", snippet)),
    "text/latex": cell_with(lambda snippet: display("text/latex", f"MARK ${snippet}$")),
    "application/javascript": cell_with(
        lambda snippet: code("# MARK", output_type="display_data", data={"application/javascript": snippet})
    ),
    "image/svg+xml": cell_with(
        lambda snippet: code("# MARK", output_type="display_data", data={"image/svg+xml": snippet})
    ),
    "image/png": cell_with(lambda snippet: code("# MARK", output_type="display_data", data={"image/png": snippet})),
    "name of a mime type": cell_with(lambda snippet: display(f"MARK/{snippet}", snippet)),
    "name of the file": result_with(name_it),
    "message of a check": result_with(message_of_a_check),
    "note": result_with(note),
    "message of an unreadable file": result_with(trouble),
}


# Where nothing is markup, it is shown exactly as it was written.
LITERAL = {"code", "raw cell", "stream", "error", "text/plain", "message of a check", "message of an unreadable file"}
UNPRINTABLE = {"control characters", "text that runs backwards"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("snippet", SNIPPETS)
def test_it_is_shown_and_is_only_text(
    assignment: Any, result: Any, notebook: Any, read_page: Any, snippet: str, place: str
) -> None:
    del result.questions[2:]
    PLACES[place](result, notebook, SNIPPETS[snippet])
    html = render_submission(assignment, result, notebook)
    page = read_page(html)
    assert faults(page) == []
    literal = place in LITERAL and snippet not in UNPRINTABLE
    assert (" ".join(SNIPPETS[snippet].split()) if literal else "MARK") in page.text
    assert html.encode()


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_names_and_messages_are_only_text_in_the_index(
    assignment: Any, result: Any, unreadable: Any, read_page: Any, snippet: str
) -> None:
    result.submission = unreadable.message = SNIPPETS[snippet]
    html = render_index(assignment, [result, unreadable])
    page = read_page(html)
    links = [item.attributes.pop("href") for item in page.all("a")]
    assert all(re.fullmatch(r"\./[\w.~%-]+/report\.html", link) for link in links)
    assert faults(page) == []
    assert page.text.count("MARK") >= 2
    assert html.encode()


@pytest.mark.parametrize(
    "snippet", ["script", "onerror", "style", "iframe", "base", "refresh", "form", "script in an svg", "jinja"]
)
def test_tags_that_do_not_only_shape_text_are_shown_in_markdown(
    assignment: Any, result: Any, notebook: Any, read_page: Any, snippet: str
) -> None:
    notebook.cells[3].source = SNIPPETS[snippet]
    page = read_page(render_submission(assignment, result, notebook))
    assert " ".join(SNIPPETS[snippet].split()) in page.text


def test_the_address_of_a_link_is_shown_and_cannot_be_followed(
    assignment: Any, result: Any, notebook: Any, read_page: Any
) -> None:
    notebook.cells[3].source = "See [this page](https://example.org/a?b=1&c)."
    page = read_page(render_submission(assignment, result, notebook))
    assert "See this page (https://example.org/a?b=1&c)." in page.text
    assert {item.attributes["href"][0] for item in page.all("a")} == {"#"}


def test_faults_are_recognised(read_page: Any) -> None:
    """The other tests rest on this one."""
    for snippet in ("script", "onerror", "link to a script", "style attribute", "iframe", "refresh", "remote image"):
        start = "<html><head><title></title><link><style></style></head><body><main>"
        assert faults(read_page(f"{start}</main></body></html>")) == []
        assert faults(read_page(f"{start}{SNIPPETS[snippet]}</main></body></html>")), snippet


# A real browser has the last word.

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --dump-dom"
)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@pytest.fixture
def open_page(tmp_path: Path) -> Callable[[str], str]:
    """Opens a page in a browser and returns what has become of it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a chromium to open the page in: apt-get install chromium")

    def open_(html: str) -> str:
        path = tmp_path / "report.html"
        path.write_text(html, encoding="utf-8")
        command = [browser, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
        return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()

    return open_


@pytest.fixture
def hostile_page(assignment: Any, result: Any, notebook: Any) -> str:
    """Every snippet in every place at once."""
    cells = [
        make
        for snippet in SNIPPETS.values()
        for make in (
            new_markdown_cell(snippet),
            new_markdown_cell(f"text {snippet} text"),
            in_attachment(snippet),
            new_raw_cell(snippet),
            code(snippet, output_type="stream", name="stdout", text=snippet),
            code(output_type="error", ename=snippet, evalue=snippet, traceback=[snippet]),
            display("text/html", snippet),
            display("text/markdown", snippet),
            display("text/latex", snippet),
            display("application/javascript", RUN),
        )
    ]
    svg = [display("image/svg+xml", SVG), new_markdown_cell(f"![a](data:image/svg+xml;base64,{_base64(SVG)})")]
    notebook.cells[:] = [*svg, *cells]
    result.submission = SNIPPETS["script after the end of style"]
    for index, question in enumerate(result.questions):
        question.cells = list(range(60 * index, 60 * index + 60))
        question.notes = list(SNIPPETS.values())
    assert 60 * len(result.questions) < len(notebook.cells)
    result.questions[-1].cells = list(range(60 * index, len(notebook.cells)))
    message_of_a_check(result, "\n".join(SNIPPETS.values()))
    return render_submission(assignment, result, notebook)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("with_policy", [True, False], ids=["as it is", "even without its content policy"])
def test_a_browser_runs_nothing_of_it(open_page: Any, hostile_page: str, read_page: Any, with_policy: bool) -> None:
    html = hostile_page if with_policy else POLICY.sub("", hostile_page)
    after = read_page(open_page(html))
    assert after.all("title")[0].text.endswith("– Deep Learning, Assignment 1")
    assert "RAN" not in after.all("title")[0].text.replace(SNIPPETS["script after the end of style"], "")
    assert faults(after) == []
    assert after.text.count("MARK") > 100


def test_the_browser_would_run_a_script_if_there_were_one(open_page: Any, hostile_page: str) -> None:
    """Shows that the test above could fail; and that the page's content policy stops what gets past the rest."""
    html = hostile_page.replace("<main", f"<script>{RUN}</script><main")
    assert "<title>RAN</title>" not in open_page(html)
    assert "<title>RAN</title>" in open_page(POLICY.sub("", html))
