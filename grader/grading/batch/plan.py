"""What there is to do: which submissions are to be graded, which share a grading, and which are done already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from grader.assignment.assignment import Assignment, shown
from grader.assignment.notebook import UnreadableNotebook, read_file
from grader.execution.sandbox import SandboxMode
from grader.grading.batch.fingerprint import Fingerprints
from grader.grading.batch.names import name_submissions, notebooks_in, text_of
from grader.grading.batch.seeds import new_seed
from grader.grading.submission import new_result, unreadable
from grader.report.store import OWN_NAMES, read_automatic
from grader.results.classlist import ClassList, SiteError, read_class_list
from grader.results.results import SubmissionResult

NO_NOTEBOOK = "there is no notebook (.ipynb) in this folder"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be graded, or known not to be one."""

    name: str
    path: Path
    fingerprint: str = ""
    """Of the result that it is to have; empty where it cannot be read."""
    fault: str = ""
    """Why it cannot be read."""

    @property
    def file(self) -> str:
        return text_of(self.path)


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
    paths: dict[str, Path] = {}


def make_plan(
    assignment: Assignment,
    paths: Sequence[Path],
    output: Path,
    fingerprints: Fingerprints,
    seed: int | None,
    force: bool,
    sandbox: SandboxMode = "require",
) -> Plan:
    """Compare what is handed in with what is stored. Raises SiteError.

    seed: None takes over that of the results that are stored, so that they hold. Where bubblewrap is required, the
    result of a notebook that ran without it does not hold.
    """
    submissions = [_look_at(assignment, path, name, fingerprints) for path, name in _named(paths)]
    stored = {} if force else {each.name: _stored(output, each, sandbox) for each in submissions}
    valid = {name: result for name, result in stored.items() if result is not None and seed in (None, result.seed)}
    seeds = [result.seed for result in valid.values()]
    if seed is None:
        # They can differ only where somebody graded parts with seeds of their own.
        seed = max(seeds, key=seeds.count) if seeds else new_seed()
    plan = Plan(seed=seed, order=[], paths={each.name: each.path for each in submissions})
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
    for folder, class_list in _class_lists(paths).items():
        plan.known += _missing(assignment, seed, folder, class_list, taken=set(plan.order))
    plan.order += [result.submission for result in plan.known if result.status == "missing"]
    return plan


def _named(paths: Sequence[Path]) -> Iterable[tuple[Path, str]]:
    files = find_submissions(paths)
    return zip(files, name_submissions(files), strict=True)


def find_submissions(paths: Iterable[Path]) -> list[Path]:
    """The files to grade, each once: a folder stands for the notebooks in it, any other path for itself.

    A folder without notebooks stands for itself too, and is reported as unreadable like any other bad file; but not one
    of which a class list says who handed in nothing.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        notebooks = notebooks_in(path)
        if not notebooks and notebooks is not None and _class_list(path) is not None:
            continue
        for file in notebooks or [path]:
            found.setdefault(file.absolute(), file)
    return list(found.values())


def _look_at(assignment: Assignment, path: Path, name: str, fingerprints: Fingerprints) -> Submission:
    if notebooks_in(path) == []:
        return Submission(name=name, path=path, fault=NO_NOTEBOOK)
    try:
        content = read_file(path, assignment.limits.notebook_bytes)
    except UnreadableNotebook as error:
        return Submission(name=name, path=path, fault=str(error))
    return Submission(name=name, path=path, fingerprint=fingerprints.of_result(content))


def _stored(output: Path, submission: Submission, sandbox: SandboxMode) -> SubmissionResult | None:
    """A stored result that still holds. One in which the harness failed is worth another try."""
    result = read_automatic(output, submission.name)
    if result is None or result.status not in ("graded", "unreadable") or not result.fingerprint:
        return None
    if sandbox == "require" and result.sandbox not in ("", "bubblewrap"):
        return None
    return result if result.fingerprint == submission.fingerprint else None


def class_list_of(paths: Iterable[Path]) -> ClassList | None:
    """The class list that is graded. Raises SiteError where there are several, or it cannot be read."""
    lists = _class_lists(paths)
    if len(lists) > 1:
        folders = " and ".join(shown(folder) for folder in lists)
        raise SiteError([f"{folders}: each is a class of its own; grade each into a folder of its own (--output)"])
    return next(iter(lists.values()), None)


def _class_lists(paths: Iterable[Path]) -> Mapping[Path, ClassList]:
    lists = {path: read_class_list(path) for path in paths if notebooks_in(path) is not None}
    return {path: found for path, found in lists.items() if found is not None}


def _class_list(folder: Path) -> ClassList | None:
    with contextlib.suppress(SiteError):
        return read_class_list(folder)
    return None


def _missing(
    assignment: Assignment, seed: int, folder: Path, class_list: ClassList, taken: set[str]
) -> Iterable[SubmissionResult]:
    for hand_in in class_list.hand_ins:
        name = hand_in.submission
        if hand_in.notebook is None and name not in taken and name not in OWN_NAMES:
            result = new_result(assignment, seed, name, text_of(folder / name))
            result.status = "missing"
            result.message = "no notebook was handed in"
            result.detail = "\n".join(hand_in.notes)
            yield result
