"""Student markdown as HTML: with tables, formulas and attached images; all other HTML is shown as it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

from grader.report.budget import MARKDOWN_CHARACTERS, Budget
from grader.report.formulas import formula
from grader.report.images import RASTER, SVG, DataUri, data_uri, parse_data_uri
from grader.report.sanitise import TEXT_TAGS, sanitise
from grader.report.text import clean, excerpt, joined

_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_SENTENCE = re.compile(r"[.;:!?][)\"”’*_]*\s*$")
_BRACKET = re.compile(r"<(?:(/?)([a-zA-Z][a-zA-Z0-9]*)(\s[^<>]*)?/?>)?")
_SOURCE = re.compile(r"""\ssrc\s*=\s*["']?([^\s"'>]+)""", re.IGNORECASE)


def render_markdown(
    source: str, budget: Budget, attachments: Mapping[str, Any] | None = None, *, lines: bool = False
) -> Markup:
    """Never fails and takes no long time: what is too long or too strange to be rendered is shown as it is.

    lines: each line of a paragraph stays one; else they are joined, as Markdown has it.
    """
    source = clean(source)
    if len(source) > MARKDOWN_CHARACTERS or not budget.spend("parsed", len(source)):
        return _as_it_is(source, budget)
    pictures = _Pictures(attachments or {}, budget)
    try:
        html = _parser().render(source, {"pictures": pictures, "lines": lines})
    except Exception:  # a fault of the parser must not cost a student the report
        return _as_it_is(source, budget)
    return sanitise(html, own=True, images=pictures.uris)


def render_criteria(source: str) -> Markup:
    """A rubric's criteria: a line that ends a sentence is a line of its own, as whoever wrote it meant it.

    Other lines are joined, since a file has them wrapped. The rubric is trusted: its text has a budget of its own, so
    that no answer can crowd it out.
    """
    lines = source.strip("\n").split("\n")
    fenced = False
    for place, line in enumerate(lines):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and _SENTENCE.search(line) and lines[place + 1 : place + 2] not in ([], [""]):
            lines[place] = f"{line.rstrip()}  "
    return render_markdown("\n".join(lines), Budget())


def render_comment(source: str) -> Markup:
    """What a marker tells the student: Markdown with formulas, in which each line stays a line.

    It has a budget of its own: no answer crowds it out.
    """
    return render_markdown(excerpt(source, MARKDOWN_CHARACTERS).text, Budget(), lines=True)


def _as_it_is(source: str, budget: Budget) -> Markup:
    text = excerpt(source, MARKDOWN_CHARACTERS).text
    if not budget.spend("plain", len(text)):
        return Markup('<p class="remark">Not shown: this page holds too much already.</p>')
    return Markup("<pre>{}</pre>").format(text)


class _Pictures:
    """The images of one cell; `uris` are those that turned out to be images."""

    def __init__(self, attachments: Mapping[str, Any], budget: Budget) -> None:
        self._attachments = attachments
        self._budget = budget
        self.uris: set[str] = set()

    def html(self, address: str, alt: str) -> Markup | None:
        """None where there is no such image in the notebook, or no room for it."""
        uri = self._uri(address)
        if uri is None or not (self._budget.spend("pixels", uri.pixels) and self._budget.spend("images", len(uri))):
            return None
        self.uris.add(uri)
        return Markup('<img src="{}" alt="{}">').format(uri, alt or "Image in the answer")

    def _uri(self, address: str) -> DataUri | None:
        if not address.startswith("attachment:"):
            return parse_data_uri(address)
        bundle = self._attachments.get(address.removeprefix("attachment:"))
        if not isinstance(bundle, Mapping):
            return None
        found = (data_uri(mime, joined(bundle[mime])) for mime in (*RASTER, SVG) if mime in bundle)
        return next((uri for uri in found if uri), None)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, allow_labels=False, allow_digits=False, double_inline=True)
    parser.use(amsmath_plugin)
    # Every address is parsed as a link or an image: it is the renderer that makes no use of it.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.normalizeLinkText = lambda link: link  # type: ignore[method-assign]
    parser.core.ruler.push("report", _prepare)
    for name in ("image", "link_open", "link_close", "html_inline", "html_block", "math_inline", "softbreak"):
        parser.add_render_rule(name, globals()[f"_{name}"])
    for name in ("math_inline_double", "math_block", "amsmath"):
        parser.add_render_rule(name, _math_block)
    return parser


def _prepare(state: StateCore) -> None:
    """Give links their address where they end, headings a place below the page's own, table cells their alignment."""
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = "h5" if token.tag in {"h1", "h2"} else "h6"
        elif token.type in {"th_open", "td_open"} and (style := token.attrGet("style")):
            token.attrs = {"align": str(style).removeprefix("text-align:")}
        addresses: list[str] = []
        for child in token.children or ():
            if child.type == "link_open":
                addresses.append("" if child.markup == "autolink" else str(child.attrGet("href") or ""))
            elif child.type == "link_close":
                child.meta = {"address": addresses.pop() if addresses else ""}


# A link is its text and its address, not to be clicked: a page about a student's work is opened by staff who are
# logged in elsewhere.
def _link_open(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return '<span class="link">'


def _link_close(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    address = tokens[index].meta.get("address", "")
    shown = Markup(' <span class="address">({})</span>').format(excerpt(address, 500).text) if address else ""
    return f"</span>{shown}"


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    alt = self.renderInlineAsText(token.children or [], options, env)
    address = str(token.attrGet("src") or "")
    missing = Markup('<span class="remark">[image: {} {}]</span>').format(alt, excerpt(address, 200).text)
    return str(_pictures(env).html(address, alt) or missing)


def _html_inline(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Tags that only shape text are kept, without their attributes; every other tag is shown as it was written."""

    def shown(match: re.Match[str]) -> str:
        closing, name, attributes = match[1] or "", (match[2] or "").lower(), match[3] or ""
        if name in TEXT_TAGS:
            return f"<{closing}{name}>"
        source = _SOURCE.search(attributes) if name == "img" else None
        image = _pictures(env).html(source[1], "") if source else None
        return str(image or escape(match[0]))

    return _BRACKET.sub(shown, tokens[index].content)


def _html_block(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    html = _html_inline(self, tokens, index, options, env)
    # A block of which nothing is kept as markup is source text: its lines stay lines.
    return html if "<" in html else f"<pre>{html}</pre>\n"


def _math_inline(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return str(formula(tokens[index].content, block=False))


def _softbreak(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return "<br>\n" if env["lines"] else "\n"


def _math_block(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return str(formula(tokens[index].content, block=True))


def _pictures(env: EnvType) -> _Pictures:
    pictures = env["pictures"]
    assert isinstance(pictures, _Pictures)
    return pictures
