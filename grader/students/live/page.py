"""A report as HTML in a notebook, on light and on dark ground alike."""

from __future__ import annotations

import html
from collections.abc import Iterator

from grader.students.checking.report import CheckedQuestion, CheckedStatus, CheckReport
from grader.students.formats.words import (
    WORDS,
    code_questions,
    counted,
    explained,
    faults,
    not_checked,
    one_line,
    points_of,
    unwritten,
)

COLOURS: dict[CheckedStatus, str] = {
    "done": "#1a7f37",
    "not yet": "#cf222e",
    "not started": "#656d76",
    "unsure": "#8a5d00",
    "later": "#0a69d8",
    "by a person": "#0a69d8",
}
"""White is readable on each of them; all other text has the colour of the notebook."""

_BADGE = "padding:0 .5em;border-radius:.7em;color:#fff;background:{};white-space:nowrap;font-size:.9em"
_QUESTION = "margin:.5em 0;padding-left:.7em;border-left:.25em solid {}"
_MESSAGE = (
    "margin:.3em 0;padding:.4em .6em;white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;"
    "background:rgba(127,127,127,.13);color:inherit"
)


def page(report: CheckReport) -> str:
    """Styles stand at each element: a style sheet would reach into the rest of the notebook."""
    return f'<div class="grader-check">{"".join(_parts(report))}</div>'


def _parts(report: CheckReport) -> Iterator[str]:
    yield f"<strong>{_escaped(report.assignment)}</strong>"
    for question in report.questions if report.only else code_questions(report):
        yield _question(question)
    yield f"<div><strong>{_escaped(counted(report))}</strong></div>"
    for sentence in (not_checked(report), unwritten(report), *report.notes):
        if sentence:
            yield f"<div>{_escaped(sentence)}</div>"


def _question(question: CheckedQuestion) -> str:
    colour, symbol = COLOURS[question.status], WORDS[question.status].symbol
    points = points_of(question)
    head = (
        f'<span style="{_BADGE.format(colour)}">{symbol} {question.status}</span> '
        f"<strong>{_escaped(question.id)}</strong> {_escaped(question.title)}{f' · {points}' if points else ''}"
    )
    messages = "".join(
        f'<pre style="{_MESSAGE}">{html.escape(explained(check))}</pre>'
        for check in (faults(question) if question.status != "not started" else [])
    )
    notes = "".join(f"<div>{_escaped(note)}</div>" for note in question.notes)
    return f'<div style="{_QUESTION.format(colour)}">{head}{messages}{notes}</div>'


def _escaped(text: str) -> str:
    return html.escape(one_line(text))
