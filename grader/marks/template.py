"""Score files to fill in: what the checks gave, and room for what people decide, beside the answers."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from grader.assignment.assignment import Assignment
from grader.marks import scorefile
from grader.marks.decisions import automatic_range
from grader.marks.markable import find_markable, place_of
from grader.marks.scorefile import MAX_BYTES, MadeFrom, Origin, ScoreFile, ScoreFileError, brief, digest_of_text
from grader.report.answers import cell_ranges
from grader.report.store import read_notebook
from grader.report.text import clean, excerpt, joined
from grader.results.classlist import SiteError, read_class_list
from grader.results.decisions import read_marks
from grader.results.journal import adjusted
from grader.results.results import QuestionResult, SubmissionResult, format_points, told, write_atomically

SUFFIX = ".yaml"
MAX_NAME_BYTES = 240
"""File systems take 255 bytes, but while a file is written, its name is longer."""
ANSWER_CHARACTERS = 4000
MESSAGE_CHARACTERS = 600
COLUMNS = 110


class Made(msgspec.Struct, kw_only=True):
    written: list[Path] = []
    left_alone: list[Path] = []
    """Files that somebody has filled in."""
    without: list[str] = []
    """Submissions that have no notebook, which is nobody's mistake."""
    faults: list[str] = []


def template(assignment: Assignment, output: Path, folder: Path, *, force: bool = False) -> Made:
    """Write a score file into `folder` for each graded submission of the results in `output`.

    A file that somebody has filled in stays as it is, unless `force`. Raises MarksError, OSError.
    """
    markable = find_markable(assignment, output)
    marks = read_marks(output)
    made = Made(faults=[*markable.faults, *markable.unfit.values()])
    try:
        classlist = read_class_list(output)
    except SiteError as error:
        classlist = None
        made.faults += error.faults
    for result in markable.results.values():
        if result.status == "missing":
            made.without.append(result.submission)
            continue
        if result.status != "graded":
            made.faults.append(f"{result.submission}: there is nothing to mark: {result.message or result.status}")
            continue
        path = folder / file_name(result.submission)
        hand_in = classlist.hand_in(result.submission) if classlist else None
        names = hand_in.person if hand_in else ""
        if not force and _is_filled_in(path, names):
            made.left_alone.append(path)
            continue
        notebook = read_notebook(output, result.submission)
        write_atomically(
            path,
            blank(
                assignment,
                result,
                len(marks.of(result.submission)),
                names,
                notebook,
                place_of(output, result),
            ),
        )
        made.written.append(path)
    return made


def file_name(submission: str) -> str:
    """The score file's name: the submission's own, cut where file systems would not take it."""
    name = f"{submission}{SUFFIX}"
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    suffix = f"-{hashlib.sha256(submission.encode()).hexdigest()[:8]}{SUFFIX}"
    return submission.encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


def _is_filled_in(path: Path, names: str) -> bool:
    """Also where the file cannot be read: somebody has been at it. `names`: as they would stand in a new file."""
    try:
        file, _ = scorefile.read(path.read_bytes())
    except FileNotFoundError:
        return False
    except ScoreFileError:
        return True
    questions = [*file.points, *file.comments, *file.reasons]
    named = file.marked_by or file.group or file.names not in ("", names)
    return bool(named or any(any(scorefile.entered(file, id)) for id in questions))


def blank(
    assignment: Assignment,
    result: SubmissionResult,
    changes: int,
    names: str,
    notebook: Mapping[str, Any] | None,
    place: str = "",
) -> str:
    """A score file as it stands before anybody marks. `changes`: the number of decisions in the journal.

    place: as `place_of` says.
    """
    questions = result.questions
    points = {question.id: None if question.status == "review" else question.points for question in questions}
    last = {question.id: question.changes[-1] for question in questions if question.status == "marked"}
    comments = {question.id: _comment(question) for question in questions}
    reasons = {id: change.reason for id, change in last.items()}
    file = ScoreFile(
        title=assignment.title,
        summary=f"You have {format_points(result.points)} out of a maximum of "
        f"{format_points(result.max_points)} points. {adjusted(result)}".strip(),
        names=names,
        points=points,
        comments={id: f"{text}\n" for id, text in comments.items() if text},
        reasons={id: f"{text}\n" for id, text in reasons.items() if text},
        made_from=MadeFrom(
            submission=result.submission,
            changes=changes,
            place=place,
            questions={
                question.id: Origin(
                    answer=brief(question.answer),
                    points=points[question.id],
                    comment=digest_of_text(comments[question.id]),
                    reason=digest_of_text(reasons.get(question.id, "")),
                )
                for question in questions
            },
        ),
    )
    maxima = {question.id: question.max_points for question in questions}
    cells = notebook.get("cells", []) if notebook is not None else []
    text = scorefile.write(file, maxima, {question.id: _remark(question, cells) for question in questions})
    if len(text.encode()) > MAX_BYTES:
        text = scorefile.write(file, maxima, {question.id: _remark(question, None) for question in questions})
    return text


def _comment(question: QuestionResult) -> str:
    """For the student: what a person said, or else what the checks said where points were lost."""
    if question.status == "marked":
        return question.changes[-1].comment
    lost = [told(check) for check in question.checks if check.points is not None and check.points < check.max_points]
    texts = [f"{check.title}\n{check.message}".strip() for check in lost]
    return scorefile.tidied("\n\n".join(clean(excerpt(text, MESSAGE_CHARACTERS).text) for text in texts))


def _remark(question: QuestionResult, cells: Sequence[Mapping[str, Any]] | None) -> str:
    """What stands above a question that needs a person; empty for others. cells: None leaves the answer out."""
    kept_back = [check for check in question.checks if check.message and told(check).message != check.message]
    if (
        question.kind == "code"
        and question.status not in ("review", "marked")
        and not kept_back
        and not question.lapsed
    ):
        return ""
    lines = [f"{scorefile.shown_id(question.id)}: {question.title}"]
    if question.kind == "text" or question.status in ("review", "marked"):
        lines.append(_state(question))
    if question.lapsed is not None:
        old = question.lapsed
        told_then = f": {' '.join(old.told.split())}" if old.told else "."
        lines.append(f"For an earlier answer, {old.who} gave {format_points(old.points)} on {old.when}{told_then}")
    if question.status == "review":
        lines += [
            f"{check.title}: {check.for_staff or 'no message'}" for check in question.checks if check.points is None
        ]
    lines += [
        f"Not told to the student: {check.title}: {excerpt(check.message, MESSAGE_CHARACTERS).text}"
        for check in kept_back
        if check.points is not None
    ]
    if question.status == "review":
        lines += [f"Note: {note}" for note in question.notes]
    if question.kind == "text" or question.status == "review":
        if question.criteria:
            lines += ["Criteria:", *(f"  {line}" for line in question.criteria.strip().splitlines())]
        if question.cells and cells is not None:
            lines += [f"Answer, {cell_ranges(question.cells)}:", *_answer(question, cells), *_errors(question, cells)]
    return "\n".join(map(clean, lines))


def _state(question: QuestionResult) -> str:
    most = format_points(question.max_points)
    if question.status == "marked":
        change = question.changes[-1]
        gave = "" if question.kind == "text" else f"; the checks gave {format_points(question.automatic_points)}"
        return f"Marked by {change.who} on {change.when}, of {most}{gave}."
    if question.status == "review":
        low, high = automatic_range(question)
        return (
            f"In review: of {most}, the checks gave {format_points(low)}, and could not decide on "
            f"{format_points(high - low)}. Enter the points for the whole question."
        )
    missing = "No answer was found. " if question.status == "missing" else ""
    return f"{missing}To be marked: 0 to {most}."


def _answer(question: QuestionResult, cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The sources of the answer's cells, as lines that show where they end. Figures are in the report only."""
    there = [cells[index] for index in question.cells if 0 <= index < len(cells)]
    text = excerpt("\n\n".join(joined(cell.get("source")) for cell in there), ANSWER_CHARACTERS).text
    for line in clean(text).splitlines():
        for part in textwrap.wrap(line, COLUMNS, drop_whitespace=False, replace_whitespace=False) or [""]:
            yield f"  | {part}"


def _errors(question: QuestionResult, cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What ended a cell of the answer: without it, the cause of a review may not be seen."""
    for index in question.cells:
        outputs = cells[index].get("outputs") if 0 <= index < len(cells) else None
        for output in outputs if isinstance(outputs, list) else []:
            if isinstance(output, Mapping) and output.get("output_type") == "error":
                said = f"{joined(output.get('ename'))}: {joined(output.get('evalue'))}"
                yield f"Error in cell {index + 1}: {' '.join(excerpt(said, MESSAGE_CHARACTERS).text.split())}"
