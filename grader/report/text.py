"""Text from a notebook, made fit for a page: what a terminal would show, without control characters, and bounded."""

from __future__ import annotations

import re
from typing import NamedTuple

# Colours, cursor movements, window titles, links.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")
# Bidirectional overrides make text read differently from what it is, also the text around it: they are named instead.
# A lone surrogate is valid in JSON and cannot be written as UTF-8.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

# Drawn as nothing at all: with one of these in it, a name looks like another one. Joiners are letters' business.
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")

_NAME_CHARACTERS = 200


class Excerpt(NamedTuple):
    """A text, or its beginning and end; `left_out` is the number of characters between them."""

    text: str
    left_out: int


def joined(value: object) -> str:
    """A notebook's text: it may be stored as one string or as a list of lines; anything else is no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return ""


def clean(text: str) -> str:
    return _UNFIT.sub(_visible, text.replace("\r\n", "\n").replace("\r", "\n"))


def name(text: str) -> str:
    """A submission's name, with what is invisible in it, and of a length that a table bears."""
    text = text if len(text) <= _NAME_CHARACTERS else f"{text[: _NAME_CHARACTERS - 1]}…"
    return _INVISIBLE.sub(_named, clean(text))


def printed(text: str) -> str:
    """`text` as a terminal leaves it: a progress bar that overwrites its line appears once, in its last state."""
    lines = _ANSI.sub("", text).split("\n")
    return clean("\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines))


def excerpt(text: str, limit: int) -> Excerpt:
    """At most about `limit` characters: three quarters from the start, the rest from the end, where results stand."""
    if len(text) <= limit:
        return Excerpt(text, 0)
    head, tail = text[: limit * 3 // 4], text[-(limit // 4) :]
    # Whole lines, where they are not too long for that.
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] or tail
    left_out = len(text) - len(head) - len(tail)
    return Excerpt(f"{head.rstrip()}\n\n  … {left_out:,} characters left out …\n\n{tail}", left_out)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return _named(match) if 0x2000 <= code < 0x2100 else "\ufffd"


def _named(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match[0]):04X}⟩"
