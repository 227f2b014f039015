"""The report as Markdown, as GitHub and GitLab show it: a table with points, and what is wrong below it.

Nothing in it that others wrote is markup: not a link, not a picture, not a table's border, not a mention of a person.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import PurePath

from grader.students.checking.report import CheckReport
from grader.students.formats.words import (
    WORDS,
    cells,
    code_questions,
    counted,
    explained,
    faults,
    not_checked,
    one_line,
    points_of,
    sandbox,
    unwritten,
)

CHARACTERS = 60_000
"""Of all messages together: GitHub drops a summary that is too large, as a whole."""
NOTES = 20
_SIGN = re.compile(r"[^\w\s,()]|_")
_MARKUP = re.compile(r"[\\`*_\[\]<>|&~$#@]")


def markdown(report: CheckReport) -> str:
    return "\n\n".join(_blocks(report)) + "\n"


def _blocks(report: CheckReport) -> Iterator[str]:
    yield f"### {_text(report.assignment)}: {_quoted(PurePath(report.notebook).name)}"
    if report.status != "checked":
        yield _quoted(report.message)
        return
    yield _table(report)
    yield "\n".join(filter(None, (f"**{counted(report)}**", not_checked(report), unwritten(report), sandbox(report))))
    yield from _details(report)
    if report.notes:
        yield "\n".join(f"- {_quoted(note)}" for note in report.notes[:NOTES])


def _table(report: CheckReport) -> str:
    rows = ["| | question | | points | answer |", "|---|---|---|--:|---|"]
    for question in code_questions(report):
        values = (
            WORDS[question.status].symbol,
            f"{question.id} {_text(question.title)}",
            question.status,
            points_of(question),
            cells(question.cells),
        )
        rows.append(f"| {' | '.join(values)} |")
    return "\n".join(rows)


def _details(report: CheckReport) -> Iterator[str]:
    left = CHARACTERS
    for question in code_questions(report):
        said = html.escape("\n\n".join(explained(check) for check in faults(question)))
        left -= len(said)
        if said and left < 0:
            yield "There is more to say than this page holds."
            return
        if said:
            # Within this element only its end is markup, and nothing that is escaped can be that.
            yield f"**{question.id}** {_text(question.title)}\n<pre>{said}</pre>"


def _quoted(text: str) -> str:
    """What others wrote, on one line. A character reference is never taken for markup, and in code GitHub makes no
    links of addresses and of the names of people and issues."""
    return f"<code>{_SIGN.sub(lambda match: f'&#{ord(match[0])};', one_line(text))}</code>"


def _text(text: str) -> str:
    """The rubric's words, which are to be readable as they stand, too."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text))
