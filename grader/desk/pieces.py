"""One answer as pieces of a page: what the report shows of it, made once and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from jinja2 import Environment
from markupsafe import Markup

from grader.assignment.assignment import Assignment
from grader.desk.forms import Cell
from grader.desk.sources import context_cells, read_cells, without_names
from grader.report.answers import AnswerView, answer_view
from grader.report.budget import TEXT_CHARACTERS, Budget
from grader.report.markdown import render_comment
from grader.report.page import make_environment
from grader.report.statuses import STATUSES
from grader.report.text import clean, excerpt
from grader.results.results import QuestionResult, SubmissionResult

KEPT_BYTES = 64 * 2**20
"""Of pieces that are kept. Figures are in them."""
PARSED = 100_000
COMMENT_CHARACTERS = 10_000


class Pieces(msgspec.Struct, frozen=True, kw_only=True):
    """All of it escaped, or reduced to what only shows something."""

    answer_html: str
    """With the outputs of its own cells, in elements of the class `outputs`."""
    context_html: str
    """The cells that it talks about, with their outputs; empty where the rubric names none."""
    checks_html: str
    notes_html: str

    @property
    def size(self) -> int:
        """In characters."""
        return len(self.answer_html) + len(self.context_html) + len(self.checks_html) + len(self.notes_html)


class Kept:
    """Pieces by what they follow from; those not asked for longest go when there are too many. For several threads."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most = most
        self._found: OrderedDict[tuple[str, ...], Pieces] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: tuple[str, ...]) -> Pieces | None:
        """None where they are not there, or not any more."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def put(self, key: tuple[str, ...], pieces: Pieces) -> None:
        """Keep them, as long as there is room."""
        with self._lock:
            if key in self._found:
                self._size -= self._found.pop(key).size
            self._found[key] = pieces
            self._size += pieces.size
            while self._size > self._most and len(self._found) > 1:
                self._size -= self._found.popitem(last=False)[1].size


def make_pieces(assignment: Assignment, output: Path, result: SubmissionResult, question: QuestionResult) -> Pieces:
    """Reads the executed notebook. Whatever is in it, this ends soon, and nothing of what it returns is active."""
    about = [index for index in context_cells(assignment, result, question) if index not in question.cells]
    notebook = read_cells(output, result.submission, [*question.cells, *about])
    own = answer_view(without_names(notebook, question.cells), notebook, Budget(parsed=PARSED))
    context = answer_view(without_names(notebook, about), notebook, Budget(parsed=PARSED))
    return Pieces(
        answer_html=_answer_html(own),
        context_html=_answer_html(context),
        checks_html=_render("checks", checks=[*_checks(question), *_context_checks(assignment, result, question)]),
        notes_html=_render("notes", notes=question.notes),
    )


def source_html(cells: list[Cell]) -> str:
    """An earlier answer, of which only the sources are left."""
    view: dict[str, Any] = {
        "cells": [
            {"cell_type": "code" if kind == "code" else "markdown", "source": source, "outputs": []}
            for kind, source in cells
        ]
    }
    return _answer_html(answer_view(range(len(cells)), view, Budget(parsed=PARSED)))


@lru_cache(maxsize=2_000)
def comment_html(comment: str) -> str:
    """A marker's words for the student: Markdown with formulas, sanitised."""
    return str(render_comment(comment[:COMMENT_CHARACTERS])) if comment else ""


def _answer_html(view: AnswerView) -> str:
    return _render("answer", answer=view).strip()


def _context_checks(
    assignment: Assignment, result: SubmissionResult, question: QuestionResult
) -> Iterator[dict[str, object]]:
    """What the checks found of the runs that a text is about."""
    ids = assignment.question(question.id).context
    for other in result.questions:
        if other.id in ids:
            yield from _checks(other, f"{other.id}: ")


def _checks(question: QuestionResult, before: str = "") -> list[dict[str, object]]:
    """As staff read them: also why a check is in review, or broke."""
    return [
        {
            "title": before + (check.title or check.name),
            "points": check.points,
            "max_points": check.max_points,
            "status": STATUSES[check.status],
            "message": clean(excerpt(check.for_staff, TEXT_CHARACTERS).text),
        }
        for check in question.checks
    ]


_PIECES = """
{% macro answer(answer) %}{% from "parts.html.j2" import cell %}
{% for item in answer.cells %}{{ cell(item, answer.cells|length > 1) }}{% endfor %}
{% if answer.remark %}<p class="remark">{{ answer.remark }}</p>{% endif %}
{% endmacro %}
{% macro checks(checks) %}{% from "parts.html.j2" import score %}
{% if checks %}
<ul class="checks">
{% for check in checks %}
<li class="{{ check.status.key }}"><span class="mark" aria-hidden="true">{{ check.status.symbol }}</span>
<div class="what"><p class="title">{{ check.title|prose }}</p><p class="outcome">{{ check.status.word }}</p></div>
{{ score(check.points, check.max_points) }}
{% if check.message %}<div class="message"><pre>{{ check.message }}</pre></div>{% endif %}
</li>
{% endfor %}
</ul>
{% endif %}
{% endmacro %}
{% macro notes(notes) %}
{% if notes %}<ul class="notes">{% for note in notes %}<li>{{ note|prose }}</li>{% endfor %}</ul>{% endif %}
{% endmacro %}
"""


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of the desk, and below them those of the report, whose parts they show."""
    return make_environment(Path(__file__).with_name("templates"))


@lru_cache(maxsize=1)
def _macros() -> object:
    return environment().from_string(_PIECES).module


def _render(name: str, **values: object) -> str:
    return str(Markup(getattr(_macros(), name)(**values)))
