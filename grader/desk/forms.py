"""The normal form of an answer: equal for answers that differ in nothing that matters to whoever marks them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby
from typing import Literal

Cell = tuple[Literal["code", "text"], str]
"""Kind and source."""

MOST = 20_000
"""Characters of an answer that is folded. Longer ones are equal only where they are the same, letter by letter."""

_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]")
# One spelling for what keyboards and word processors write differently; none of it changes what is said.
_SAME = str.maketrans(
    {**dict.fromkeys("‘’‚‛′´`", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―−", "-"), "…": "..."}
)
# Case and spaces mean something in a name of code, and case does in a formula: $W$ is not $w$. Each part is possessive,
# so that whatever is written, this is read about once.
_VERBATIM = re.compile(
    r"(?P<fence>^(?:```|~~~)[^\n]*+\n(?P<block>(?:(?!^(?:```|~~~))[^\n]*+\n?)*+)(?:^(?:```|~~~)[ \t]*+$)?+)"
    r"|(?<!`)(?P<ticks>`++)(?P<span>[^`\n]++)(?P=ticks)(?!`)"
    r"|\$\$(?P<display>[^$]++)\$\$"
    r"|\$(?P<inline>[^$\n]++)\$"
    r"|\\\((?P<round>(?:[^\n\\]|\\[^()\n])++)\\\)"
    r"|\\\[(?P<square>(?:[^\\]|\\[^\[\]])++)\\\]",
    re.MULTILINE,
)
_KEPT, _PLACE = re.compile("[\ue000\ue001]"), re.compile("\ue000(\\d+)\ue001")
# A dash before a number may be a minus.
_BEGIN_OF_LINE = re.compile(r"^(?:[ \t]*(?:#{1,6}[ \t]|>|[-*+][ \t]++(?![\d.\ue000])))++[ \t]*+", re.MULTILINE)
# Not what is struck out: ~~this~~ says the opposite.
_EMPHASIS = re.compile(r"(?<![\w*])([*_]{1,3})(?=\S)([^*_\n]++)(?<=\S)\1(?![\w*])")
_BREAK = re.compile(r"<br\s{0,5}/?>|&nbsp;", re.IGNORECASE)
_SIGN = re.compile(r"\s?([=<>≤≥≈≠])\s?")
_END = re.compile(r"[.!;,:\s]{1,20}$")

_CODE = re.compile(
    r"""
    (?P<comment>\#[^\n]*+)
    | (?P<long>[A-Za-z]{0,2}+(?:\"{3}(?:[^"\\]|\\.|"(?!""))*+(?:\"{3})?+ | '{3}(?:[^'\\]|\\.|'(?!''))*+(?:'{3})?+))
    | (?P<string>[A-Za-z]{0,2}+(?:"(?:[^"\\\n]|\\.)*+"?+ | '(?:[^'\\\n]|\\.)*+'?+))
    | (?P<joined>\\\n)
    | (?P<line>\n)
    | (?P<space>[^\S\n]++)
    | (?P<other>\w++ | [^\s\w])
    """,
    re.VERBOSE | re.DOTALL,
)


def normal_form(cells: Iterable[Cell]) -> str:
    """Equal for equal answers; empty where nothing is written.

    White space, case (but in formulas and code), layout, comments and typography are left out. All else stays: signs,
    digits, the order of words. Two answers that say the same in other words have two forms. How an answer was cut into
    cells does not matter; what is code and what is text does.
    """
    forms = []
    for kind, group in groupby(cells, key=lambda cell: cell[0]):
        source = "\n\n".join(source for _, source in group)
        form = source if len(source) > MOST else code_form(source) if kind == "code" else text_form(source)
        if form.strip():
            forms.append(f"{kind}: {form}")
    return "\n".join(forms)


def text_form(source: str) -> str:
    """Of Markdown. What is a code span or a formula is kept as it was written, but for spaces that mean nothing."""
    source = unicodedata.normalize("NFC", _KEPT.sub(" ", _INVISIBLE.sub("", source)))
    source = _BREAK.sub(" ", source.replace("\r\n", "\n").replace("\r", "\n"))
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(_verbatim(match))
        return f"\ue000{len(kept) - 1}\ue001"

    text = _VERBATIM.sub(keep, source)
    text = _EMPHASIS.sub(r"\2", _BEGIN_OF_LINE.sub("", text)).translate(_SAME).casefold()
    text = _SIGN.sub(r"\1", " ".join(text.split()))
    return _END.sub("", _PLACE.sub(lambda match: kept[int(match[1])], text))


def _verbatim(match: re.Match[str]) -> str:
    if match["fence"] is not None:
        return f"`{code_form(match['block'])}`"
    if match["span"] is not None:
        return " ".join(match["span"].split())
    return f"${_formula(next(match[name] for name in _FORMULAS if match[name] is not None))}$"


_FORMULAS = ("display", "inline", "round", "square")


def _formula(source: str) -> str:
    """TeX reads no spaces but the one that ends a command, as in `\\alpha x`."""
    source = re.sub(r"\\[,;:! ]|\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])", " ", source.translate(_SAME))
    source = re.sub(r"(\\[A-Za-z]++)\s++(?=[A-Za-z])", "\\1\ue000", source)
    return "".join(source.split()).replace("\ue000", " ")


def code_form(source: str) -> str:
    """The logical lines, as tokens, indented by levels: without comments, docstrings, blank lines and spaces.

    It is only read, never compiled, and anything can be read: also what is no Python.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    lines: list[str] = []
    levels, indent = [0], 0
    line: list[tuple[str, str]] = []
    depth, at_start = 0, True
    for match in _CODE.finditer(f"{source}\n"):
        kind, text = str(match.lastgroup), match[0]
        if kind == "line" and depth == 0:
            if line and [found for found, _ in line] != ["long"]:
                while levels[-1] > indent:
                    levels.pop()
                if levels[-1] < indent:
                    levels.append(indent)
                lines.append("\t" * (len(levels) - 1) + " ".join(token for _, token in line))
            line, indent, at_start = [], 0, True
        elif kind == "space":
            indent = len(text.expandtabs(8)) if at_start else indent
        elif kind not in ("comment", "joined", "line"):
            at_start = False
            depth += (text in "([{") - (text in ")]}") if kind == "other" else 0
            line.append((kind, text if kind == "other" else _string(text)))
    # Brackets that do not match: no Python, and where its lines end nobody knows.
    return "\n".join(lines) if depth == 0 else source


def _string(text: str) -> str:
    """A string whatever its quotes. Its prefix changes what it is (`f`, `b`, `r`), but for `u` and capitals."""
    place = next(place for place, char in enumerate(text) if char in "\"'")
    prefix, body = text[:place].lower().replace("u", ""), text[place:]
    quotes = body[:3] if body[:3] in ('"""', "'''") else body[:1]
    return f"{prefix}{body[len(quotes) :].removesuffix(quotes)!r}"
