"""What there is to do: which submissions are to be graded, which share a grading, and which are done already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container
from pathlib import Path

import msgspec

from grader.assignment.assignment import Assignment
from grader.assignment.notebook import UnreadableNotebook, read_file
from grader.execution.sandbox import SandboxMode
from grader.grading.batch.fingerprint import Fingerprints
from grader.grading.batch.names import text_of
from grader.grading.batch.owners import root_of
from grader.grading.batch.seeds import new_seed
from grader.grading.batch.sources import Handed, Source, is_folder
from grader.grading.submission import new_result, unreadable
from grader.report.store import read_automatic
from grader.report.store import stored as all_stored
from grader.results.results import SubmissionResult

NO_NOTEBOOK = "there is no notebook (.ipynb) in this folder"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be graded, or known not to be one."""

    name: str
    path: Path
    file: str
    """The path as given; where it has a result already, as it was given then."""
    root: str
    source: str
    """Of the result, as `SubmissionResult` has them."""
    content: str = ""
    """SHA-256 of the file; empty where it cannot be read."""
    fingerprint: str = ""
    """Of the result that it is to have; empty where it cannot be read."""
    fault: str = ""
    """Why it cannot be read."""


class Plan(msgspec.Struct, kw_only=True):
    """Each submission is in one of these."""

    seed: int
    order: list[str]
    todo: list[Submission] = []
    """To be graded."""
    same: dict[str, list[Submission]] = {}
    """Those with the same notebook as one that is graded or done, by that one's name."""
    done: dict[str, SubmissionResult] = {}
    """Stored results that still hold, by name."""
    known: list[SubmissionResult] = []
    """What needs no grading: unreadable files, and hand-ins without a notebook."""
    submissions: dict[str, Submission] = {}
    """All of them, by name; also those who handed in nothing."""


def make_plan(
    assignment: Assignment,
    handed: Handed,
    output: Path,
    fingerprints: Fingerprints,
    seed: int | None,
    force: bool,
    sandbox: SandboxMode = "require",
) -> Plan:
    """Compare what is handed in with what is stored, which is nobody else's.

    seed: None takes over that of the results that are stored, so that they hold, or else that of the rest of the
    class. Where bubblewrap is required, the result of a notebook that ran without it does not hold.
    """
    stored = {source.name: read_automatic(output, source.name) for source in [*handed.sources, *handed.missing]}
    submissions = [_look_at(assignment, source, output, stored[source.name], fingerprints) for source in handed.sources]
    valid = {
        each.name: result
        for each in submissions
        if not force and (result := stored[each.name]) is not None and _holds(result, each, sandbox)
        if seed in (None, result.seed)
    }
    seeds = [result.seed for result in valid.values()] or _seeds_of_others(output, stored)
    if seed is None:
        # They can differ only where somebody graded parts with seeds of their own.
        seed = max(seeds, key=seeds.count) if seeds else new_seed()
    plan = Plan(seed=seed, order=[], submissions={each.name: each for each in submissions})
    first: dict[str, str] = {}
    for each in sorted(submissions, key=lambda each: each.name not in valid):
        if each.fault:
            plan.known.append(unreadable(assignment, seed, each.name, each.file, each.fault))
        elif each.name in valid and valid[each.name].seed == seed:
            plan.done[each.name] = valid[each.name]
            first.setdefault(each.fingerprint, each.name)
        elif each.fingerprint in first:
            plan.same.setdefault(first[each.fingerprint], []).append(each)
        else:
            first[each.fingerprint] = each.name
            plan.todo.append(each)
    plan.order = [each.name for each in submissions]
    for source in handed.missing:
        plan.known.append(_missing(assignment, seed, source, handed))
        plan.submissions[source.name] = _submission(source, output, stored[source.name])
        plan.order.append(source.name)
    return plan


def _seeds_of_others(output: Path, these: Container[str]) -> list[int]:
    """Somebody who is graded alone is asked what the rest of the class was."""
    results = all_stored(output)
    return [result.seed for name, result in results.items() if name not in these and result is not None]


def _look_at(
    assignment: Assignment, source: Source, output: Path, stored: SubmissionResult | None, fingerprints: Fingerprints
) -> Submission:
    submission = _submission(source, output, stored)
    if is_folder(source.path):
        return msgspec.structs.replace(submission, fault=NO_NOTEBOOK)
    try:
        content = read_file(source.path, assignment.limits.notebook_bytes)
    except UnreadableNotebook as error:
        return msgspec.structs.replace(submission, fault=str(error))
    return msgspec.structs.replace(
        submission, content=hashlib.sha256(content).hexdigest(), fingerprint=fingerprints.of_result(content)
    )


def _submission(source: Source, output: Path, stored: SubmissionResult | None) -> Submission:
    root, file = root_of(source, output), text_of(source.path)
    # The same file by another name makes no other report, and no other line in the table.
    if stored is not None and (stored.root, stored.source) == (root, source.below):
        absolute = text_of(os.path.abspath(source.path))  # noqa: PTH100
        file = stored.file if not os.path.isabs(stored.file) or stored.file == absolute else file  # noqa: PTH117
    return Submission(name=source.name, path=source.path, file=file, root=root, source=source.below)


def _holds(result: SubmissionResult, submission: Submission, sandbox: SandboxMode) -> bool:
    """Whether a stored result still does. One in which the harness failed is worth another try."""
    if result.status not in ("graded", "unreadable") or not result.fingerprint:
        return False
    if sandbox == "require" and result.sandbox not in ("", "bubblewrap"):
        return False
    return result.fingerprint == submission.fingerprint


def _missing(assignment: Assignment, seed: int, source: Source, handed: Handed) -> SubmissionResult:
    result = new_result(assignment, seed, source.name, text_of(source.path))
    result.status = "missing"
    result.message = "no notebook was handed in"
    hand_in = handed.class_lists[source.root].hand_in(source.name)
    result.detail = "\n".join(hand_in.notes) if hand_in is not None else ""
    return result
