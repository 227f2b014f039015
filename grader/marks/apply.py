"""From filled-in score files to decisions in the store, with all pages and tables made anew."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from grader.assignment.assignment import Assignment
from grader.faults import shown
from grader.marks import scorefile
from grader.marks.decisions import Decided, decide
from grader.marks.markable import Markable, answers_of, find_markable, is_made_from, place_of
from grader.marks.scorefile import MAX_BYTES, Lines, ScoreFile, ScoreFileError
from grader.report.store import REPORT, RESULT, rewrite
from grader.results.decisions import Decision, Overwritten, Store, read_marks
from grader.results.journal import is_older, merged
from grader.results.results import Change, SubmissionResult, read_result

SUFFIXES = (".yaml", ".yml")

Rewrite = Callable[[Assignment, Iterable[SubmissionResult], Path], list[str]]


class Applied(msgspec.Struct, kw_only=True):
    """What became of the files."""

    results: list[SubmissionResult] = []
    """The submissions whose files were in order, with all decisions merged in; in the order of the files."""
    changes: dict[str, list[Change]] = {}
    """The new decisions, by submission. Empty where the file said nothing new."""
    faults: list[str] = []
    """One line each; a file with a fault was left out whole, but where only some of its answers are not those of the
    results any more: it was left out for these."""
    notes: list[str] = []
    """One line each: what a person should know about files that were in order."""


class _File(msgspec.Struct, kw_only=True):
    path: Path
    content: ScoreFile
    lines: Lines
    submission: str


def apply(
    assignment: Assignment,
    output: Path,
    files: Sequence[Path],
    who: str,
    when: str,
    *,
    unbound: bool = False,
    dry_run: bool = False,
    rewrite: Rewrite = rewrite,
) -> Applied:
    """Enter what people decided into the results in `output`; all files are checked before anything is written.

    files: a folder stands for the score files in it. who: for files that do not name the person.
    when: ISO 8601, UTC, to the second. unbound: take files that do not say what they were made from, for the submission
    that they are named after. dry_run: write nothing. Raises MarksError, OSError.
    """
    paths, faults = _find(files)
    applied = Applied(faults=faults)
    score_files = _read_all(paths, unbound, applied.faults)
    markable = find_markable(assignment, output)
    answers = answers_of(markable.results.values())
    marks = read_marks(output)
    to_write: list[SubmissionResult] = []
    with contextlib.ExitStack() as stack:
        store: Store | None = None
        for file in score_files:
            where, result = shown(file.path), markable.results.get(file.submission)
            if result is None or result.status != "graded":
                applied.faults += _not_there(file, result, markable, output)
                continue
            if not is_made_from(file.content, result, place_of(output, result), answers):
                applied.faults.append(
                    f"{where}: it may be for another {file.submission}: another submission had that name before, "
                    "or all answers have changed since; make a new file with `grader marks template`"
                )
                continue
            journal = marks.of(result.submission)
            decided = decide(file.content, file.lines, result, journal, who, when)
            if decided.changes:
                # The store is neither made nor brought to this version for files that say nothing new.
                if store is None and not dry_run:
                    store = stack.enter_context(Store.open(output))
                if store is not None:
                    decided, journal = _enter(store, file, who, when)
                else:
                    journal = [*journal, *decided.changes]
                result = merged(read_result(output / result.submission / RESULT), journal)
            applied.faults += [f"{where}: {fault}" for fault in (*decided.faults, *decided.outdated)]
            if decided.faults or (decided.outdated and not decided.changes):
                continue
            applied.notes += [f"{where}: {note}" for note in decided.notes]
            applied.changes[result.submission] = decided.changes
            applied.results.append(result)
            if decided.changes or _is_stale(output, result.submission, journal):
                to_write.append(result)
    if to_write and not dry_run:
        applied.faults += rewrite(assignment, to_write, output)
    return applied


def _enter(store: Store, file: _File, who: str, when: str) -> tuple[Decided, list[Change]]:
    """Enter what a file decides; returns that as stored, and all decisions about the submission."""
    while True:
        journal = store.changes(file.submission).get(file.submission, [])
        result = merged(read_result(store.output / file.submission / RESULT), journal)
        decided = decide(file.content, file.lines, result, journal, who, when)
        if not decided.changes:
            return decided, journal
        seen = {question.id: question.changes[-1].id for question in result.questions if question.changes}
        decisions = [
            Decision(
                question=change.question,
                submission=change.submission,
                answer=change.answer,
                points=change.points,
                before=change.before,
                items=change.items,
                adjustment=change.adjustment,
                comment=change.comment,
                reason=change.reason,
                seen=seen.get(change.question, 0),
            )
            for change in decided.changes
        ]
        try:
            changes = store.decide(decisions, who=decided.changes[0].who, when=when)
        except Overwritten:
            continue  # somebody has decided since the journal was read, which is then a fault, or no news
        return decided._replace(changes=changes), [*journal, *changes]


def _find(files: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Each file once, and a line for each folder that holds none."""
    found: dict[Path, Path] = {}
    faults: list[str] = []
    for path in files:
        inside = [path]
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if _is_score_file(each))
            if not inside:
                faults.append(f"{shown(path)}: holds no score files (*.yaml); make some with `grader marks template`")
        for file in inside:
            found.setdefault(file.absolute(), file)
    return list(found.values()), faults


def _is_score_file(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _read_all(paths: Iterable[Path], unbound: bool, faults: list[str]) -> list[_File]:
    """The files that can be read, and of which there is one for a submission; a line in `faults` for each other one."""
    found: dict[str, list[_File]] = {}
    for path in paths:
        try:
            file = _read(path, unbound)
        except ScoreFileError as error:
            faults += [f"{shown(path)}: {fault}" for fault in error.faults]
        except OSError as error:
            faults.append(f"{shown(path)}: cannot be read ({error.strerror})")
        else:
            found.setdefault(file.submission, []).append(file)
    for submission, files in found.items():
        if len(files) > 1:
            names = " and ".join(shown(file.path) for file in files)
            faults.append(f"{names}: are for the same submission, {submission}; give one of them")
    return [files[0] for files in found.values() if len(files) == 1]


def _read(path: Path, unbound: bool) -> _File:
    with path.open("rb") as file:
        content, lines = scorefile.read(file.read(MAX_BYTES + 1))
    if content.made_from is not None:
        return _File(path=path, content=content, lines=lines, submission=content.made_from.submission)
    if unbound:
        return _File(path=path, content=content, lines=lines, submission=path.stem)
    raise ScoreFileError(
        [
            "does not say which hand-in it is for (it has no part `Made from`); make a file with `grader marks "
            "template`, or add --unbound if its file name is the name of the submission in these results"
        ]
    )


def _not_there(file: _File, result: SubmissionResult | None, markable: Markable, output: Path) -> list[str]:
    if file.submission in markable.unfit:
        return [markable.unfit[file.submission]]
    if result is not None:
        why = f"{file.submission} has nothing to mark: {result.message or result.status}"
    else:
        why = f"there is no submission {file.submission!r} in {shown(output)}"
    # Its result may be one of those that cannot be read.
    return [f"{shown(file.path)}: {why}", *(markable.faults if result is None else [])]


def _is_stale(output: Path, submission: str, changes: Sequence[Change]) -> bool:
    """Whether the report, or the table of all, is older than the decisions: making them anew was interrupted."""
    if not changes:
        return False
    folder = output / submission
    if is_older(read_result(folder / RESULT), changes) or not (folder / REPORT).is_file():
        return True
    # The table is written last.
    table = output / "grades.csv"
    return not table.is_file() or table.stat().st_mtime_ns < (folder / RESULT).stat().st_mtime_ns
