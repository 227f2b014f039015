"""Rendering a page from its template: escaped, self-contained, in the style of all pages."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from grader.report.answers import enumeration
from grader.report.budget import TEXT_CHARACTERS
from grader.report.markdown import render_comment
from grader.report.text import clean, excerpt, name
from grader.results.results import format_points

_TEMPLATES = Path(__file__).with_name("templates")


class Script(NamedTuple):
    """A script that a page may hold, and the hash by which its content policy lets this one run and no other."""

    source: Markup
    hash: str


def render_page(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return make_environment()


def make_environment(*folders: Path) -> Environment:
    """For the pages of the report; and for others that are made of its parts, with templates in these folders too."""
    environment = Environment(
        loader=FileSystemLoader([*folders, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever a template shows that is not yet markup: names, titles, messages.
        finalize=lambda value: clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    environment.filters |= {
        "points": format_points,
        "prose": _prose,
        "enumeration": enumeration,
        "report_address": report_address,
        "question_address": question_address,
        "name": name,
        "bounded": lambda text: excerpt(text, TEXT_CHARACTERS).text,
        "share": _share,
        "when": _when,
        "comment": _comment,
        "signed": lambda points: f"{points:+g}".replace("-", "−") if points else "0",
    }
    environment.globals["style"] = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))
    environment.globals["script"] = _script((_TEMPLATES / "class.js").read_text(encoding="utf-8"))
    return environment


def _script(source: str) -> Script:
    """The hash is over all that stands between the tags, in UTF-8 (Content Security Policy level 3, section 8.3)."""
    return Script(Markup(source), base64.b64encode(hashlib.sha256(source.encode()).digest()).decode())


def _prose(text: str) -> Markup:
    """Text with `code` in backticks, as docstrings have it."""
    parts = str(escape(clean(text))).split("`")
    if len(parts) % 2 == 0:
        return Markup("`".join(parts))
    return Markup("".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)))


@lru_cache(maxsize=4096)
def _comment(text: str) -> Markup:
    """Of the same comment there are many."""
    return render_comment(text)


def _share(part: float, whole: float) -> str:
    """A length in a style: `12.50%`."""
    return f"{100 * min(max(part / whole, 0.0), 1.0) if whole else 0.0:.2f}%"


def _when(text: str) -> str:
    """A time in ISO 8601 as people write it, in UTC; any other text as it is."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return name(text)
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


def report_address(submission: str) -> str:
    """Relative, whatever a file is called: a name with a colon in it would else be taken for a scheme."""
    # A name that is not UTF-8 on the disk has surrogates for its bytes; others stand for nothing.
    known = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", submission)
    return f"./{quote(known, safe='', errors='surrogateescape')}/report.html"


def question_address(id: str) -> str:
    return f"./questions/{quote(id, safe='')}.html"
