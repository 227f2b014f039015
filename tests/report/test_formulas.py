"""Formulas are shown as formulas, or as their source; never as markup of the student."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.report.formulas import formula
from grader.report.sanitise import MATH_TAGS


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        pytest.param(r"\sigma(x) = \frac{1}{1 + e^{-x}}", ["<mi>σ</mi>", "<mfrac>", "<msup>"], id="fraction"),
        pytest.param(r"\in [0,\infty]", ["<mo>∈</mo>", "∞"], id="symbols"),
        pytest.param("a < b > c", ["<mo>&lt;</mo>", "<mo>&gt;</mo>"], id="less and greater"),
        pytest.param(r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", ["<mtr>", "<mtd>"], id="matrix"),
        pytest.param(r"\begin{align} a &= b \\ c &= d \end{align}", ["<mtable", "<mi>d</mi>"], id="aligned"),
        pytest.param(r"\begin{cases}1 & x > 0\\0\end{cases}", ["<mtable", "{"], id="cases"),
    ],
)
def test_a_formula_is_mathml(tex: str, expected: list[str]) -> None:
    html = formula(tex, block=False)
    assert html.startswith("<math")
    assert [part for part in expected if part not in html] == []
    assert "(1)" not in html  # an equation's number


@pytest.mark.parametrize(
    "tex",
    [
        pytest.param(r"\frac{1}{", id="not closed"),
        pytest.param(r"\left(", id="not closed delimiter"),
        pytest.param("x^", id="nothing above"),
        pytest.param("%", id="comment"),
        pytest.param(r"\begin{align}", id="not closed environment"),
        pytest.param(r"\def\a{\a\a}\a", id="macro"),
        pytest.param(r"\newcommand{\a}{aa}\newcommand{\b}{\a\a}\b", id="macro of macros"),
        pytest.param(r"\text{<img src=x onerror=alert(1)>}", id="markup in text"),
        pytest.param("{" * 500 + "}" * 500, id="nested deeply"),
        pytest.param("x+" * 2000, id="long"),
    ],
)
@pytest.mark.parametrize("block", [False, True])
def test_what_is_no_simple_formula_is_shown_as_its_source(read_page: Any, tex: str, block: bool) -> None:
    page = read_page(str(formula(tex, block=block)))
    (code,) = page.all("code", "tex")
    assert code.text == tex
    assert page.all("math") == []


PIECES = st.sampled_from(
    [*r"\{}[]()^_&$%#~<>'\"=+x1é", r"\frac", r"\text{", r"\left(", r"\begin{align}", r"\\", r"\sqrt[", r"\color{",
     "<a ", r"\href{javascript:x}", r"\class{a}{", r"\style{", r"\mathbb", r"\sum_", r"\over", r"\rule{1em}",
     "&lt;", "]]>"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join))
def test_nothing_comes_out_but_formulas_and_text(tex: str) -> None:
    html = formula(tex, block=True)
    tags = set(re.findall(r"</?([^\s>]+)", html))
    assert tags <= MATH_TAGS | {"div", "code"}
    assert not re.search(r"<[^>]*\s(?:href|style|on\w+|src)=", html)


@pytest.mark.parametrize(
    "piece", ["{", "\\frac", "\\sqrt", "x_", "^", "\\left(", "\\hat", "&", "\\\\", "'", "\\begin{a}"]
)
def test_no_formula_takes_long(piece: str) -> None:
    start = time.process_time()
    formula(piece * (2000 // len(piece)), block=False)
    assert time.process_time() - start < 5
