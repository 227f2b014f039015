"""Rendering a page from its template: escaped, self-contained, in the style of all pages."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from grader.report.answers import enumeration
from grader.report.text import clean
from grader.results import format_points

_TEMPLATES = Path(__file__).with_name("templates")


def render_page(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
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
        "report_address": _report_address,
    }
    environment.globals["style"] = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return environment


def _prose(text: str) -> Markup:
    """Text with `code` in backticks, as docstrings have it."""
    parts = str(escape(clean(text))).split("`")
    if len(parts) % 2 == 0:
        return Markup("`".join(parts))
    return Markup("".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)))


def _report_address(submission: str) -> str:
    """Relative, whatever a file is called: a name with a colon in it would else be taken for a scheme."""
    # A name that is not UTF-8 on the disk has surrogates for its bytes; others stand for nothing.
    name = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", submission)
    return f"./{quote(name, safe='', errors='surrogateescape')}/report.html"
