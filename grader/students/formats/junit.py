"""The report as JUnit XML, which most CI systems read: a suite for each question, a case for each check.

The form is the one that both Ant's schema and the stricter readers of it accept: every attribute and element that any
of them requires, in the order that all of them allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from grader.results.results import CheckResult, format_points
from grader.students.checking.report import CheckedQuestion, CheckReport
from grader.students.formats.words import bounded, explained, first_line, one_line, title

_OUTCOMES: Mapping[str, str] = {"failed": "failure", "review": "error", "missing": "skipped"}
"""The element in a case, by the check's status; passed and carried forward have none."""


def junit(report: CheckReport, when: datetime | None = None) -> str:
    """`when` it was checked: now, where nothing is said."""
    time = f"{when or datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    root = ET.Element("testsuites")
    if report.status != "checked":
        _unchecked(root, report, time)
    for question in report.questions:
        _suite(root, report, question, time)
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, report: CheckReport, question: CheckedQuestion, time: str) -> None:
    seconds = sum(check.seconds for check in question.checks)
    suite = _new_suite(root, report, f"{question.id} {one_line(question.title)}", seconds, time)
    values = {
        "question": question.id,
        "status": question.status,
        "points": format_points(question.points),
        "max-points": format_points(question.max_points),
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=value)
    for name, check in _named(question.checks):
        _case(suite, question, name, check)
    if not question.checks:
        case = _new_case(suite, question.id, one_line(question.title), 0)
        ET.SubElement(case, "skipped", message=_why_unchecked(question))
    _finish(suite)


def _unchecked(root: ET.Element, report: CheckReport, time: str) -> None:
    """One suite with one error: a file without any would pass for a success."""
    suite = _new_suite(root, report, "notebook", 0, time)
    ET.SubElement(suite, "properties")
    case = _new_case(suite, "notebook", "The notebook can be checked", 0)
    error = ET.SubElement(case, "error", type=report.status, message=one_line(report.message))
    error.text = bounded(report.message)
    _finish(suite)


def _new_suite(root: ET.Element, report: CheckReport, name: str, seconds: float, time: str) -> ET.Element:
    return ET.SubElement(
        root,
        "testsuite",
        name=name,
        package=one_line(report.assignment),
        id=str(len(root)),
        timestamp=time,
        # The schema wants a name, and which machine it was is nobody's business.
        hostname="localhost",
        time=f"{seconds:.3f}",
    )


def _case(suite: ET.Element, question: CheckedQuestion, name: str, check: CheckResult) -> None:
    case = _new_case(suite, question.id, name, check.seconds)
    kind = _OUTCOMES.get(check.status)
    if kind == "skipped":
        ET.SubElement(case, kind, message=question.status)
    elif kind:
        outcome = ET.SubElement(case, kind, type=check.status, message=first_line(check.message))
        outcome.text = explained(check)


def _new_case(suite: ET.Element, question: str, name: str, seconds: float) -> ET.Element:
    return ET.SubElement(suite, "testcase", name=name, classname=question, time=f"{seconds:.3f}")


def _finish(suite: ET.Element) -> None:
    """Count what is in it, and end it as Ant does."""
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{element}"))))
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")


def _named(checks: list[CheckResult]) -> list[tuple[str, CheckResult]]:
    """Each check with its title; CI systems take two cases of one name for one."""
    titles = [title(check) for check in checks]
    return [
        (name if titles.count(name) == 1 else f"{name} ({one_line(check.name)})", check)
        for name, check in zip(titles, checks, strict=True)
    ]


def _why_unchecked(question: CheckedQuestion) -> str:
    return {"later": "checked only after the deadline", "by a person": "marked by a person"}.get(
        question.status, question.status
    )
