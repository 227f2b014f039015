"""What is taken from a notebook, however it is made and however large it is."""

from __future__ import annotations

import time
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from grader.report.answers import answer_view, cell_ranges
from grader.report.budget import CELLS, OUTPUTS, Budget
from grader.report.highlight import highlighted
from grader.report.markdown import render_markdown
from grader.report.render import render_submission


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param([], "", id="none"),
        pytest.param([10], "cell 11", id="one"),
        pytest.param([10, 11], "cells 11–12", id="two"),
        pytest.param([14, 10, 11, 12], "cells 11–13 and 15", id="not in order"),
        pytest.param([0, 2, 4], "cells 1, 3 and 5", id="apart"),
    ],
)
def test_cells_are_named_as_people_count_them(cells: list[int], expected: str) -> None:
    assert cell_ranges(cells) == expected


def outputs(*items: Any) -> list[Any]:
    """The views of these outputs, each as its kind and what it shows."""
    notebook = {"cells": [{"cell_type": "code", "source": "x", "outputs": list(items)}]}
    (cell,) = answer_view([0], notebook, Budget()).cells
    return [(view.kind, str(view.body)) for view in (*cell.outputs, *cell.more_outputs)]


def display(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {name.replace("_", "/"): value for name, value in data.items()}}


def stream(text: Any, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([stream("a"), stream("b\n")], [("text", "ab")], id="parts of a stream are joined"),
        pytest.param([stream(["a\n", "b"])], [("text", "a\nb")], id="lines"),
        pytest.param(
            [stream("a"), stream("b", "stderr"), stream("c")],
            [("text", "a"), ("stderr", "b"), ("text", "c")],
            id="streams in their order",
        ),
        pytest.param([display(text_plain="1", text_html="<b>2</b>")], [("html", "<b>2</b>")], id="the richest form"),
        pytest.param(
            [display(text_plain="Model()", text_html="<style>x</style><div>Mo</div><div>del()</div>")],
            [("text", "Model()")],
            id="a drawing with its own styles",
        ),
        pytest.param(
            [display(text_plain="1", text_html="<style>x</style><table><tr><td>2</td></tr></table>")],
            [("html", "<table><tbody><tr><td>2</td></tr></tbody></table>")],
            id="a table with its own styles",
        ),
        pytest.param(
            [display(text_plain="1", text_html="<script>x</script>")], [("text", "1")], id="nothing left of it but text"
        ),
        pytest.param(
            [display(text_html="<div>" * 500 + "x", text_plain="1")], [("text", "1")], id="nested beyond all measure"
        ),
        pytest.param(
            [display(image_png="broken", text_plain="<Figure>")],
            [
                ("remark", "An image (image/png) is not shown: it is broken, or too much for a browser."),
                ("text", "<Figure>"),
            ],
            id="broken image",
        ),
        pytest.param(
            [display(application_javascript="alert(1)")],
            [("remark", "An output is not shown: application/javascript.")],
            id="what cannot be shown is named",
        ),
        pytest.param([display(text_latex="$x$")], [("html", None)], id="formula"),
        pytest.param([display(text_markdown="*x*")], [("html", "<p><em>x</em></p>\n")], id="markdown"),
        pytest.param([display()], [], id="nothing at all"),
        pytest.param([{"output_type": "display_data", "data": 3}, {}, "x", None, []], [], id="no outputs"),
        pytest.param(
            [{"output_type": "error", "ename": "E", "evalue": "why", "traceback": []}],
            [("error", "E: why")],
            id="error without traceback",
        ),
    ],
)
def test_an_output_is_shown_as(items: list[Any], expected: list[tuple[str, str | None]]) -> None:
    found = outputs(*items)
    assert [kind for kind, _ in found] == [kind for kind, _ in expected]
    assert [
        (text, body) for (_, text), (_, body) in zip(found, expected, strict=True) if body not in (None, text)
    ] == []


def test_a_formula_in_an_output_is_mathml() -> None:
    ((_, html),) = outputs(display(text_latex=r"$\displaystyle \frac{1}{2}$"))
    assert "<mfrac>" in html


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("a<br>b <b>c</b> H<sub>2</sub>O", "<p>a<br>b <b>c</b> H<sub>2</sub>O</p>\n", id="shaping tags"),
        pytest.param(
            '<span style="float:right">(1 point)</span>', "<p><span>(1 point)</span></p>\n", id="attributes go"
        ),
        pytest.param("<div>\n\n*a*\n\n</div></div>", "<div>\n<p><em>a</em></p>\n</div>", id="tags are balanced"),
        pytest.param("a < b, b > c & d", "<p>a &lt; b, b &gt; c &amp; d</p>\n", id="signs"),
        pytest.param("|a|\n|-:|\n|1|", None, id="table"),
        pytest.param("~~a~~", "<p><s>a</s></p>\n", id="struck out"),
        pytest.param("costs $5 and $6", "<p>costs $5 and $6</p>\n", id="dollars"),
        pytest.param(
            "![plot](attachment:none.png)",
            '<p><span class="remark">[image: plot attachment:none.png]</span></p>\n',
            id="image that is not there",
        ),
    ],
)
def test_markdown(source: str, expected: str | None) -> None:
    html = str(render_markdown(source, Budget()))
    if expected is None:
        assert '<td align="right">1</td>' in html
    else:
        assert html.strip() == expected.strip()


def test_an_image_in_html_of_a_markdown_cell_is_shown_if_it_is_attached(png: Any) -> None:
    html = render_markdown('<img width=30 src="attachment:a.png">', Budget(), {"a.png": {"image/png": png()}})
    assert html.startswith('<img src="data:image/png;base64,')


def test_each_line_of_code_is_an_element_of_its_own() -> None:
    html = highlighted('def f():\n    """a\n    b"""\n\n    return 1')
    assert [line.startswith('<span class="line">') for line in html.split("\n")] == [True] * 5
    assert html.striptags() == 'def f(): """a b""" return 1'


def test_what_is_long_is_folded_or_cut_with_a_remark() -> None:
    long = new_code_cell(
        "\n".join(["x = 1"] * 200),
        outputs=[
            new_output("stream", text="\n".join(["line"] * 100)),
            *(new_output("display_data", data={"text/plain": str(number)}) for number in range(100)),
        ],
    )
    (cell,) = answer_view([0], {"cells": [long]}, Budget()).cells
    assert cell.lines == 200
    assert cell.outputs[0].lines == 100
    assert len(cell.outputs) + len(cell.more_outputs) == OUTPUTS
    assert cell.remark == "Further outputs of this cell are not shown."


def test_an_answer_of_very_many_cells_ends_with_a_remark() -> None:
    view = answer_view(list(range(500)), {"cells": [new_markdown_cell("x")] * 500}, Budget())
    assert len(view.cells) == CELLS
    assert view.remark == f"{500 - CELLS} more cells are not shown."


def test_a_page_that_is_full_says_so_and_still_has_room_for_what_is_small() -> None:
    budget = Budget()
    large = {"cells": [new_markdown_cell("word " * 3_900)] * 60 + [new_markdown_cell("*short*")]}
    answer_view(range(60), large, budget)
    (cell,) = answer_view([60], large, budget).cells
    assert cell.body == "<p><em>short</em></p>\n"
    assert not budget.spend("parsed", 20_000)


MEGABYTES = 10_000_000


def repeated(piece: str, length: int) -> str:
    return piece * (length // len(piece))


def markdown_cells(length: int) -> list[Any]:
    pieces = [
        "[",
        "![",
        "[a](",
        "> ",
        "- ",
        "*a_ ",
        "`a``",
        "<a ",
        "<!--",
        "$x",
        "$$\n",
        "|a",
        "&#",
        "\\",
        "a\n\n",
        "<div>",
        "[a]: b\n",
    ]
    return [new_markdown_cell(repeated(piece, length)) for piece in pieces]


def code_cells(length: int) -> list[Any]:
    pieces = ["    \n", '"', "f'{", "(", "@", "a.", "\\\n", "\t", "0_", "#", '"""', "lambda:", "# ", "x = 1\n"]
    return [new_code_cell(repeated(piece, length)) for piece in pieces]


def html_cells(length: int) -> list[Any]:
    pieces = [
        "<b>",
        "<table><tr><td>",
        "<div>",
        "<p>",
        "<",
        "<!--",
        "<svg>",
        "<math>",
        "<font><p>",
        "&",
        "<a b='",
        "</p>",
    ]
    data = [{"text/html": repeated(piece, length), "text/plain": "x"} for piece in pieces]
    return [new_code_cell("x", outputs=[new_output("display_data", data=item)]) for item in data]


def stream_cells(length: int) -> list[Any]:
    pieces = ["x", "\n", "\r", "\x1b[", "\x1b]", "\x1b[0;", "x\r", "a\n", "\u202e", "<"]
    return [new_code_cell("x", outputs=[new_output("stream", text=repeated(piece, length))]) for piece in pieces]


def many_outputs(_: int) -> list[Any]:
    kinds = (
        [stream("x\n")] * 100_000,
        [stream("x\n"), stream("x\n", "stderr")] * 50_000,
        [display(text_html="<b>x</b>")] * 100_000,
        [display(text_latex="x")] * 100_000,
    )
    return [{"cell_type": "code", "source": "x", "outputs": items} for items in kinds]


def many_cells(_: int) -> list[Any]:
    return [new_markdown_cell("x")] * 100_000


def images(_: int) -> list[Any]:
    data = {"image/png": "iVBORw0KGgoAAAANSUhEUgAAAAIAAAAB" * 400_000, "image/svg+xml": "<svg>" + "<g>" * 300_000}
    return [new_code_cell("x", outputs=[new_output("display_data", data=data)])] * 20


@pytest.mark.parametrize(
    ("make", "length"),
    [
        pytest.param(markdown_cells, 19_000, id="markdown"),
        pytest.param(markdown_cells, MEGABYTES, id="markdown of 10 MB"),
        pytest.param(code_cells, 19_000, id="code"),
        pytest.param(code_cells, MEGABYTES, id="code of 10 MB"),
        pytest.param(html_cells, 90_000, id="html"),
        pytest.param(html_cells, MEGABYTES, id="html of 10 MB"),
        pytest.param(stream_cells, MEGABYTES, id="printed 10 MB"),
        pytest.param(many_outputs, 0, id="100,000 outputs"),
        pytest.param(many_cells, 0, id="100,000 cells"),
        pytest.param(images, 0, id="broken images of 12 MB"),
    ],
)
def test_no_notebook_takes_long_or_makes_a_page_that_cannot_be_opened(
    assignment: Any, result: Any, make: Any, length: int
) -> None:
    notebook = {"cells": make(length)}
    result.questions[0].cells = list(range(len(notebook["cells"])))
    start = time.process_time()
    html = render_submission(assignment, result, notebook)
    assert time.process_time() - start < 15
    assert len(html) < 12_000_000
