"""The feedback for all, as one zip that the site takes apart again: each report under the name of its hand-in."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from grader.marks.scorefile import ScoreFile, write
from grader.report.store import REPORT, RESULT
from grader.report.text import clean
from grader.results.classlist import HandIn
from grader.results.decisions import read_changes
from grader.results.journal import adjusted, is_older
from grader.results.results import QuestionResult, SubmissionResult, format_points, read_result, told
from grader.sites.grades import Grade

_BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The same results make the same zip, byte for byte."""
_FOR_MARKERS = re.compile(r" {2}#(?! max for )")


def write_feedback(path: Path, results: Path, graded: Sequence[tuple[Grade, SubmissionResult | None]]) -> list[str]:
    """Write the reports (and the score files of the course) into a zip, whole or not at all. Raises OSError.

    Returns a line for each hand-in that has no feedback in it.
    """
    without: list[str] = []
    names: set[str] = set()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for grade, result in sorted(
                    graded, key=lambda pair: (pair[0].hand_in.folder, pair[0].hand_in.submission)
                ):
                    why = _add(archive, names, results, grade, result)
                    if why:
                        without.append(f"{grade.hand_in.submission}: no feedback, {why}")
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return without


def _add(
    archive: zipfile.ZipFile, names: set[str], results: Path, grade: Grade, result: SubmissionResult | None
) -> str:
    """Add one person's files, unless one of `names` is theirs; returns why there are none."""
    hand_in = grade.hand_in
    report = results / hand_in.submission / REPORT
    if not grade.has_report or not report.is_file():
        return "its points are not decided" if grade.open else "it has no report"
    if result is not None and _is_older(results / hand_in.submission):
        return "its report is older than its marks; run grader grade again"
    if not _is_one_name(hand_in.folder) or _name(hand_in, REPORT) in names:
        return "the class list does not say under which name"
    names.add(_name(hand_in, REPORT))
    with archive.open(_entry(_name(hand_in, REPORT)), "w") as target, report.open("rb") as source:
        shutil.copyfileobj(source, target)
    if result is not None and result.status == "graded":
        archive.writestr(_entry(_name(hand_in, "scores.txt")), score_sheet(result, hand_in.person))
    return ""


def score_sheet(result: SubmissionResult, person: str) -> str:
    """The course's own text file with all points and comments, for the student: without what is meant for markers."""
    decided = {question.id: question.changes[-1] for question in result.questions if _is_decided(question)}
    comments = {question.id: _comment(question) for question in result.questions}
    text = write(
        ScoreFile(
            title=result.assignment,
            summary=f"You have {format_points(result.points)} out of a maximum of "
            f"{format_points(result.max_points)} points. {adjusted(result)}".strip(),
            names=person,
            marked_by=", ".join(sorted({change.who for change in decided.values()})),
            points={question.id: question.points for question in result.questions},
            reasons={id: change.reason for id, change in decided.items() if change.reason},
            comments={id: comment for id, comment in comments.items() if comment},
        ),
        {question.id: question.max_points for question in result.questions},
        {},
    )
    # A marker is told in comment lines what to write where; a student's text is indented deeper than these.
    return "".join(line for line in text.splitlines(keepends=True) if not _FOR_MARKERS.match(line))


def _is_decided(question: QuestionResult) -> bool:
    return question.status == "marked" and bool(question.changes)


def _comment(question: QuestionResult) -> str:
    if _is_decided(question):
        return question.changes[-1].told
    lost = [told(check) for check in question.checks if check.points is not None and check.points < check.max_points]
    return clean("\n".join(f"{check.title}: {check.message}" if check.message else check.title for check in lost))


def _is_older(folder: Path) -> bool:
    changes = read_changes(folder)
    try:
        return is_older(read_result(folder / RESULT), changes)
    except FileNotFoundError:
        return bool(changes)


def _name(hand_in: HandIn, file: str) -> str:
    return f"{hand_in.folder}{file}" if hand_in.flat else f"{hand_in.folder}/{file}"


def _is_one_name(folder: str) -> bool:
    return bool(folder) and folder not in (".", "..") and not set(folder) & set("/\\\0")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _BEGINNING)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry
