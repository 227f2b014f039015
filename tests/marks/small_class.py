"""A small class with results on the disk, as grading leaves them; no kernel runs here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.report.store import write_pages
from grader.results import decisions
from grader.results.journal import merged
from grader.results.results import Change, CheckResult, QuestionResult, SubmissionResult, read_result, total

RUBRIC = """\
title = "Deep Learning, assignment 1"
reference = "reference.ipynb"

[[question]]
id = "1.1.a"
title = "Gradient descent"
points = 1
kind = "code"

[[question]]
id = "1.1.c"
title = "Does it find the minimum?"
points = 1
kind = "text"
criteria = '''
1 point for seeing that it does not.
"Yes" earns nothing.'''

[[question]]
id = "1.5.b"
title = "He initialisation"
points = 3
kind = "code"

[[question]]
id = "1.6.d"
title = "Train"
points = 1.5
kind = "code"

[[question]]
id = "1.6.e"
title = "Influence of the learning rate"
points = 3
kind = "text"
"""

WHEN = "2026-03-01T10:00:00+00:00"
LATER = "2026-03-02T10:00:00+00:00"
ANSWERS = {
    "1.1.a": "def optimize_f(): ...",
    "1.1.c": "No: it gets stuck.",
    "1.5.b": "def make_layer(): ...",
    "1.6.d": "params = fit()",
    "1.6.e": "Larger is faster.",
}
LOST = "The weights have standard deviation 2/d1, the square of the scale."


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def graded(submission: str = "jane", **answers: str) -> SubmissionResult:
    """3.5 of 9.5 points by checks: 1.5.b loses 1, 1.6.d has 0.5 and 1 in review. `a1_1_c` and so on: another answer."""
    texts = ANSWERS | {name[1:].replace("_", "."): text for name, text in answers.items()}
    checks = {
        "1.1.a": [("It descends", 1.0, 1.0, "passed", "")],
        "1.5.b": [("The shapes", 2.0, 2.0, "passed", ""), ("The scale", 0.0, 1.0, "failed", LOST)],
        "1.6.d": [("It learns", 0.5, 0.5, "passed", ""), ("It learns well", None, 1.0, "review", "94.9%: just below")],
    }
    result = SubmissionResult(
        submission=submission,
        file=f"{submission}.ipynb",
        root="../submissions",
        source=f"{submission}.ipynb",
        assignment="Deep Learning, assignment 1",
    )
    for place, (id, kind, most) in enumerate(
        [
            ("1.1.a", "code", 1.0),
            ("1.1.c", "text", 1.0),
            ("1.5.b", "code", 3.0),
            ("1.6.d", "code", 1.5),
            ("1.6.e", "text", 3.0),
        ]
    ):
        own = [
            CheckResult(name=f"check_{n}", title=title, points=points, max_points=worth, status=status, message=message)
            for n, (title, points, worth, status, message) in enumerate(checks.get(id, []))
        ]
        known = [check.points for check in own if check.points is not None]
        status = {"1.5.b": "failed", "1.6.d": "review"}.get(id, "passed" if kind == "code" else "to be marked")
        result.questions.append(
            QuestionResult(
                id=id,
                title=f"Title of {id}",
                kind=kind,
                points=sum(known) if known else None,
                max_points=most,
                status="missing" if kind == "text" and not texts[id] else status,
                cells=[place] if texts[id] else [],
                checks=own,
                criteria="1 point for seeing that it does not." if id == "1.1.c" else "",
                answer=digest(texts[id]),
            )
        )
    total(result)
    return result


def hand_in(output: Path, submission: str = "jane", **answers: str) -> SubmissionResult:
    """Have `submission` graded (anew)."""
    result = graded(submission, **answers)
    texts = ANSWERS | {name[1:].replace("_", "."): text for name, text in answers.items()}
    cells = [
        new_code_cell(texts[question.id]) if question.kind == "code" else new_markdown_cell(texts[question.id])
        for question in result.questions
    ]
    write_pages(output, result, "a report", nbformat.writes(new_notebook(cells=cells)))
    return result


def marked(output: Path, submission: str = "jane") -> SubmissionResult:
    """What everybody sees of `submission`."""
    folder = output / submission
    return merged(read_result(folder / "result.json"), decisions.read_changes(folder))


def bare(changes: Iterable[Change]) -> list[Change]:
    """Decisions without what the store adds to them."""
    return [msgspec.structs.replace(change, id=0, replaces=0) for change in changes]


def read_changes(folder: Path) -> list[Change]:
    """What is decided about a submission, without what the store adds."""
    return bare(decisions.read_changes(folder))


def write_marks_file(folder: Path, changes: Iterable[Change]) -> None:
    """What an earlier version kept decisions in."""
    new = ("id", "items", "adjustment", "replaces")
    old = [{key: value for key, value in msgspec.to_builtins(change).items() if key not in new} for change in changes]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "marks.json").write_bytes(msgspec.json.format(msgspec.json.encode(old), indent=1) + b"\n")


def fill_in(path: Path, *entries: tuple[str, str]) -> Path:
    """Replace whole lines, each of which must stand in the file once, as a person does with an editor."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for old, new in entries:
        assert lines.count(old) == 1, old
        lines[lines.index(old)] = new
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
