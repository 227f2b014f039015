"""JUnit XML: valid by every common schema, and with the points in it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from students.formats.reports import COUNTEREXAMPLE, HOSTILE, checked, every_status, hostile, unreadable

from grader.students.formats.junit import junit

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[2] / "data" / "formats" / "junit.xsd")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def suites(text: str) -> dict[str, ET.Element]:
    """The suites of a valid file, by the first word of their names."""
    SCHEMA.validate(text)
    return {suite.get("name", "").split()[0]: suite for suite in ET.fromstring(text.encode())}


def properties(suite: ET.Element) -> dict[str, str]:
    return {item.get("name", ""): item.get("value", "") for item in suite.iterfind("properties/property")}


def outcomes(suite: ET.Element) -> list[str]:
    return [case[0].tag if len(case) else "passed" for case in suite.iterfind("testcase")]


def test_each_question_is_a_suite_and_each_check_a_case() -> None:
    found = suites(junit(every_status()))
    assert {id: outcomes(suite) for id, suite in found.items()} == {
        "1.1.a": ["passed", "passed"],
        "1.3.a": ["failure", "passed"],
        "1.3.b": ["skipped"],
        "1.3.c": ["error"],
        "1.3.d": ["passed"],
        "1.6.d": ["skipped"],
        "1.7.a": ["skipped"],
        "1.7.b": ["skipped"],
    }
    assert {case.get("classname") for case in found["1.3.a"].iterfind("testcase")} == {"1.3.a"}


def test_the_counts_are_those_of_the_cases() -> None:
    for suite in suites(junit(every_status())).values():
        counted = Counter(outcomes(suite))
        assert int(suite.attrib["tests"]) == counted.total()
        assert [int(suite.attrib[name]) for name in ("failures", "errors", "skipped")] == [
            counted[tag] for tag in ("failure", "error", "skipped")
        ]


def test_the_points_read_back_the_same() -> None:
    report = every_status()
    found = [properties(suite) for suite in suites(junit(report)).values()]
    assert sum(float(values["points"]) for values in found) == report.points == 3
    assert sum(float(values["max-points"]) for values in found) == report.max_points == 6
    assert {values["question"]: values["status"] for values in found} == {q.id: q.status for q in report.questions}


def test_a_failure_has_its_first_line_as_message_and_all_of_it_as_text() -> None:
    failure = suites(junit(every_status()))["1.3.a"].find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == COUNTEREXAMPLE.splitlines()[0]
    assert failure.text == COUNTEREXAMPLE


@pytest.mark.parametrize(
    ("question", "why"),
    [
        pytest.param("1.3.b", "not started", id="no answer"),
        pytest.param("1.6.d", "checked only after the deadline", id="later"),
        pytest.param("1.7.a", "marked by a person", id="text"),
        pytest.param("1.7.b", "not started", id="no text"),
    ],
)
def test_what_was_not_checked_says_why(question: str, why: str) -> None:
    skipped = suites(junit(every_status()))[question].find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == why


def test_the_time_is_in_utc_and_the_seconds_are_summed_up() -> None:
    suite = suites(junit(every_status(), NOON))["1.1.a"]
    assert (suite.get("timestamp"), suite.get("time")) == ("2026-03-04T12:00:00", "0.500")


def test_checks_of_one_title_have_names_of_their_own() -> None:
    report = every_status()
    report.questions[0].checks = [checked("test_a", title="The same"), checked("test_b", title="The same")]
    names = [case.get("name") for case in suites(junit(report))["1.1.a"].iterfind("testcase")]
    assert names == ["The same (test_a)", "The same (test_b)"]


def test_a_notebook_that_cannot_be_read_is_an_error() -> None:
    (suite,) = suites(junit(unreadable())).values()
    assert outcomes(suite) == ["error"]
    assert suite.findtext("testcase/error") == "the file is empty: save the notebook and hand in again"


@pytest.mark.parametrize("snippet", HOSTILE)
def test_nothing_that_others_wrote_makes_a_case(snippet: str) -> None:
    honest = suites(junit(every_status(), NOON))
    found = suites(junit(hostile(HOSTILE[snippet]), NOON))
    assert {id: outcomes(suite) for id, suite in found.items()} == {id: outcomes(s) for id, s in honest.items()}
    assert [properties(suite) for suite in found.values()] == [properties(suite) for suite in honest.values()]
