"""Whatever stands in a submission is shown, and none of it runs, loads, navigates or restyles the page."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell

import grader.report
from grader.report.render import collect_answers, render_index, render_question, render_submission
from grader.results.results import Change, SubmissionResult

SCRIPT = (Path(grader.report.__file__).parent / "templates" / "class.js").read_text(encoding="utf-8")

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
CLASS_ADDRESS = re.compile(
    r"\.\.?/[\w.~%-]+/report\.html(?:#q-[\w.]+)?|(?:\./questions/)?\d\.\d\.\w\.html|\.\./index\.html"
)
"""What the pages over the whole class link to, beside their own places."""
BAR = re.compile(r"(?:width|height|left):\d+\.\d\d%")


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


def decision(result: SubmissionResult, snippet: str) -> None:
    said = dict.fromkeys(("comment", "reason", "who", "when"), snippet)
    change = Change(question="1.1.a", points=1, before=0, answer="", **said)
    result.questions[0].changes = [change, change]
    result.questions[0].status = "marked"


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
    "decision of a person": result_with(decision),
    "message of an unreadable file": result_with(trouble),
}


# Where nothing is markup, it is shown exactly as it was written.
LITERAL = {
    "code", "raw cell", "stream", "error", "text/plain", "message of a check", "message of an unreadable file",
    "decision of a person",
}  # fmt: skip
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


# The pages over the whole class, which have a script and controls of their own.


def class_pages(assignment: Any, results: Any, notebooks: Any, snippet: str, in_names: bool = True) -> dict[str, str]:
    """The index, and the pages of a code and a text question, with a snippet in every place that is not ours."""
    for result in results:
        result.message = result.message and snippet
        for question in result.questions:
            question.notes = [snippet]
            question.changes = [
                Change(
                    **(msgspec.structs.asdict(change) | dict.fromkeys(("comment", "reason", "who", "when"), snippet))
                )
                for change in question.changes
            ]
            for check in question.checks:
                check.message = check.message and f"{snippet}\n{snippet}"
                check.detail = "for staff: MARK"
    for cells in (notebook.cells for notebook in notebooks.values()):
        cells[0].source += f"\n{snippet}"
        cells[1].source += f"\n\n{snippet}"
    renamed = {result.submission: f"{snippet if in_names else ''} {result.submission}" for result in results}
    books = {new: notebooks.get(old) for old, new in renamed.items()}
    for result in results:
        result.submission = renamed[result.submission]
        result.file = f"{result.submission}.ipynb"
    answers = collect_answers(assignment, results, books.get)
    pages = {id: render_question(assignment, id, results, answers) for id in ("1.1.a", "1.1.e")}
    return pages | {"index": render_index(assignment, results)}


def class_faults(page: Any) -> list[str]:
    """The faults of such a page, beside those of its own: its controls are counted, its links are of known forms."""
    for item in page.all("a"):
        if CLASS_ADDRESS.fullmatch(item.attributes.get("href", "")):
            del item.attributes["href"]
    (script,) = page.all("script")
    assert f"<script>{script.text}</script>" == f"<script>{SCRIPT}</script>"
    return faults(page)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_nothing_that_others_wrote_is_more_than_text_in_the_pages_over_the_class(
    assignment: Any, class_results: Any, class_notebooks: Any, read_page: Any, snippet: str
) -> None:
    results, notebooks = copy.deepcopy((class_results, class_notebooks))
    harmless = class_pages(assignment, results, notebooks, "MARK")
    for name, html in class_pages(assignment, class_results, class_notebooks, SNIPPETS[snippet]).items():
        page = read_page(html)
        own = class_faults(read_page(harmless[name]))
        assert class_faults(page) == own
        assert all(re.fullmatch(r"<(?:script|input|button|select)>", fault) for fault in own)
        assert "for staff: MARK" not in page.text
        assert page.text.count("MARK") >= 9
        assert html.encode()


def test_a_script_that_is_not_the_pages_own_is_no_part_of_its_policy(
    assignment: Any, class_results: Any, class_notebooks: Any, read_page: Any
) -> None:
    for html in class_pages(assignment, class_results, class_notebooks, SNIPPETS["script"]).values():
        (policy,) = (
            item.attributes["content"] for item in read_page(html).all("meta") if "http-equiv" in item.attributes
        )
        digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';")
        assert policy.endswith(f"; script-src 'sha256-{digest}'")


def test_the_script_reads_text_and_makes_no_markup_of_it() -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(|setAttribute\(\"on", SCRIPT
    )
    assert "</" not in SCRIPT
    assert "<!--" not in SCRIPT


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("an\u202eann", "an⟨U+202E⟩ann", id="text that runs backwards"),
        pytest.param("ann\u200b", "ann⟨U+200B⟩", id="a space of no width"),
        pytest.param("ann\ufeff", "ann⟨U+FEFF⟩", id="a byte order mark"),
        pytest.param("n" * 5000, "n" * 199 + "…", id="long"),
        pytest.param("می\u200cخواهم", "می\u200cخواهم", id="letters that are kept apart"),
    ],
)
def test_a_name_that_only_looks_like_another_one_is_told_from_it(
    assignment: Any, class_results: Any, class_notebooks: Any, read_page: Any, name: str, shown: str
) -> None:
    class_results[0].submission = name
    answers = collect_answers(assignment, class_results, lambda _: class_notebooks["ann"])
    for html in (
        render_index(assignment, class_results),
        render_question(assignment, "1.1.a", class_results, answers),
        render_submission(assignment, class_results[0], None),
    ):
        page = read_page(html)
        assert shown in [item.text for item in (*page.all("a"), *page.all("h1"))]
        assert html.encode()


def test_long_messages_comments_and_answers_do_not_make_a_long_page(
    assignment: Any, class_results: Any, class_notebooks: Any
) -> None:
    pages = class_pages(assignment, class_results, class_notebooks, "MARK " * 200_000, in_names=False)
    assert all(len(html) < 500_000 for html in pages.values())


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

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


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


@pytest.mark.parametrize("fragment", ["", f"q=<script>{RUN}</script>&sort=<b>&message=x"], ids=["as it is", "address"])
def test_a_browser_runs_nothing_but_the_pages_own_script(
    open_page: Any, assignment: Any, class_results: Any, class_notebooks: Any, read_page: Any, fragment: str
) -> None:
    """Even without the policy."""
    pages = class_pages(assignment, class_results, class_notebooks, "\n".join(SNIPPETS.values()))
    for name in ("index", "1.1.e"):
        after = read_page(open_page(POLICY.sub("", pages[name]), fragment))
        assert after.all("title")[0].text.endswith(
            "– Deep Learning, Assignment 1" if name != "index" else "Assignment 1"
        )
        (controls,) = (item for item in after.elements if "data-controls" in item.attributes)
        assert "hidden" not in controls.attributes
        assert len(after.all("script")) == 1
        assert after.text.count("MARK") > 100


def test_the_policy_stops_a_script_beside_the_pages_own(
    open_page: Any, assignment: Any, class_results: Any, class_notebooks: Any
) -> None:
    html = class_pages(assignment, class_results, class_notebooks, "MARK")["index"]
    html = html.replace("<main", f"<script>{RUN}</script><main")
    assert "<title>RAN</title>" not in open_page(html)
    assert "<title>RAN</title>" in open_page(POLICY.sub("", html))


def test_the_browser_would_run_a_script_if_there_were_one(open_page: Any, hostile_page: str) -> None:
    """Shows that the test above could fail; and that the page's content policy stops what gets past the rest."""
    html = hostile_page.replace("<main", f"<script>{RUN}</script><main")
    assert "<title>RAN</title>" not in open_page(html)
    assert "<title>RAN</title>" in open_page(POLICY.sub("", html))
