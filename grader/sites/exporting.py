"""From results to what the course site imports: the grade file, and the feedback for all."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.report.store import OWN_NAMES, read_results
from grader.results.classlist import CLASS_FILE, Site, SiteError, read_class_list
from grader.results.decisions import Store, read_marks
from grader.results.journal import MarksError, adjusted
from grader.results.results import SubmissionResult, write_atomically
from grader.sites.feedback import write_feedback
from grader.sites.gradefiles import GradeFile, Wanted, brightspace, canvas, moodle
from grader.sites.grades import Grade, grade_class, not_in_class
from grader.sites.tables import read_people, write_table

_WRITERS = {"brightspace": brightspace, "canvas": canvas, "moodle": moodle}


@dataclass
class Exported:
    """What an export did."""

    item: str = ""
    """The site's grade item that the grades are for."""
    graded: int = 0
    """Submissions whose grade is in the file."""
    without_grade: list[str] = field(default_factory=list)
    """A line for everybody whose grade is not in the file."""
    notes: list[str] = field(default_factory=list)


def export_grades(
    site: Site,
    results_folder: Path,
    output: Path,
    *,
    gradebook: Path | None = None,
    item: str = "",
    people: Path | None = None,
    feedback: Path | None = None,
    partial: bool = False,
    missing_as_zero: bool = False,
    results: Sequence[SubmissionResult] | None = None,
) -> Exported:
    """Write the grades of a results folder as the site imports them. Raises SiteError, before anything is written,
    where that is not possible or not all points are decided yet (unless `partial`); OSError for the disk.

    Nobody gets a grade who has not been graded whole: their cell is left empty, and they are listed.
    results: with people's decisions in them; as read from the folder where None.
    """
    classlist = read_class_list(results_folder)
    if classlist is None:
        raise SiteError(
            [f"{results_folder / CLASS_FILE}: is not there; bring the download in with grader import first"]
        )
    if classlist.site != site:
        raise SiteError([f"{results_folder}: comes from {classlist.site}, not from {site}"])
    _require_apart(results_folder, output, feedback, gradebook, people)
    exported = Exported()
    last = max((change.id for own in read_marks(results_folder).changes.values() for change in own), default=0)
    if results is None:
        results, unread = read_results(results_folder)
        exported.without_grade += unread
    grades, maximum = grade_class(classlist, results, missing_as_zero)
    undecided = [grade for grade in grades if grade.open]
    if undecided and not partial:
        what = "not all points are decided; decide them, or leave these out with --partial"
        lines = [f"{grade.hand_in.submission}: {', '.join(grade.open)}" for grade in undecided]
        raise SiteError([f"{results_folder}: {what}", *lines])
    decided: Mapping[str, Sequence[str]] = read_people(people) if people else {}
    file = _WRITERS[site](Wanted(classlist, grades, maximum, gradebook, item, decided))
    _report(exported, file, grades)
    exported.without_grade += [
        f"{submission}: was graded, but belongs to nobody in the class list"
        for submission in not_in_class(classlist, results)
    ]
    exported.notes += [f"{result.submission}: {why}" for result in results if (why := adjusted(result))]
    by_name = {result.submission: result for result in results}
    if feedback is not None:
        graded = [(grade, by_name.get(grade.hand_in.submission)) for grade in grades]
        exported.notes += write_feedback(feedback, results_folder, graded)
    write_atomically(output, write_table(file.rows))
    # So that whoever marks on learns that the site has other points. Where nothing can be written, nobody marks.
    with contextlib.suppress(MarksError), Store.open(results_folder) as store:
        store.note_exports([str(path.absolute()) for path in (output, feedback) if path is not None], last=last)
    return exported


def _require_apart(results_folder: Path, output: Path, feedback: Path | None, *read: Path | None) -> None:
    """Neither what is read nor what grading wrote is overwritten. Raises SiteError."""
    not_to_be_written = {path.resolve() for path in read if path} | {
        (results_folder / name).resolve() for name in OWN_NAMES
    }
    for path in [output, feedback]:
        if path is not None:
            if path.resolve() in not_to_be_written:
                raise SiteError([f"{path}: must not be overwritten; choose another name with --output or --feedback"])
            not_to_be_written.add(path.resolve())


def _report(exported: Exported, file: GradeFile, grades: Sequence[Grade]) -> None:
    in_file = {grade.hand_in.submission for grade in file.matched.grades.values()}
    exported.item = file.item
    exported.notes += file.notes
    exported.without_grade += file.matched.unmatched
    for grade in grades:
        submission = grade.hand_in.submission
        if grade.points is None:
            exported.without_grade.append(f"{submission}: {grade.why}")
        elif submission in in_file:
            exported.graded += 1
            exported.notes += [f"{submission}: {grade.why}"] if grade.why else []
