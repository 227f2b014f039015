"""Python code as highlighted lines."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from grader.report.budget import CODE_CHARACTERS


@lru_cache(maxsize=1)
def _tools() -> tuple[PythonLexer, HtmlFormatter]:
    return PythonLexer(stripnl=False, ensurenl=False), HtmlFormatter(nowrap=True)


@lru_cache(maxsize=256)
def highlighted(source: str) -> Markup:
    """`source` as HTML, each line an element of its own, so that the style sheet can number them.

    Remembered for a while: half of a class's cells were handed out with the assignment.

    Code that is too long to be highlighted in reasonable time is only escaped.
    """
    # The lexer takes minutes for many blank lines that hold spaces.
    source = "\n".join(line if line.strip() else "" for line in source.split("\n"))
    html = str(escape(source)) if len(source) > CODE_CHARACTERS else highlight(source, *_tools()).removesuffix("\n")
    return Markup("\n").join(Markup(f'<span class="line">{line}</span>') for line in html.split("\n"))
