"""JSON of one's own, Gradescope's and GitLab's: by their specifications, and with the same points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from students.formats.reports import HOSTILE, every_status, hostile, unreadable

from grader.students.checking.report import CheckReport
from grader.students.formats.as_json import as_json
from grader.students.formats.gitlab import gitlab
from grader.students.formats.gradescope import gradescope

DATA = Path(__file__).parents[2] / "data" / "formats"


def valid(text: str, schema: str) -> Any:
    content = json.loads(text)
    jsonschema.validate(content, json.loads((DATA / schema).read_text()))
    return content


def test_the_schemas_are_schemas() -> None:
    for path in DATA.glob("*.json"):
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))


# JSON


@pytest.mark.parametrize("report", [every_status(), unreadable()], ids=["checked", "unreadable"])
def test_json_reads_back_as_the_report_that_it_was(report: CheckReport) -> None:
    content = json.loads(as_json(report))
    assert content.pop("passed") is False
    assert msgspec.convert(content, CheckReport) == report


def test_what_is_for_staff_is_not_in_it() -> None:
    report = every_status()
    report.questions[3].checks[0].detail = "Traceback ..."
    assert "Traceback" not in as_json(report)


@pytest.mark.parametrize("snippet", HOSTILE)
def test_json_is_printed_in_plain_letters(snippet: str) -> None:
    text = as_json(hostile(HOSTILE[snippet]))
    assert text.isascii()
    assert all(char.isprintable() or char in "\n\x7f" for char in text)
    assert json.loads(text)["notes"] == [HOSTILE[snippet]]


# Gradescope


def test_gradescope_has_a_test_for_each_check_and_the_same_points() -> None:
    report = every_status()
    results = valid(gradescope(report), "gradescope.schema.json")
    assert results["score"] == sum(test["score"] for test in results["tests"]) == report.points == 3
    assert sum(test["max_score"] for test in results["tests"]) == report.max_points == 6
    assert [(test["number"], test["score"], test["status"]) for test in results["tests"]] == [
        ("1.1.a", 1, "passed"),
        ("1.1.a", 0.5, "passed"),
        ("1.3.a", 0, "failed"),
        ("1.3.a", 1, "passed"),
        ("1.3.b", 0, "failed"),
        ("1.3.c", 0, "failed"),
        ("1.3.d", 0.5, "passed"),
    ]
    assert {test["visibility"] for test in results["tests"]} == {"visible"}
    assert results["tests"][4]["output"] == "not started"
    assert "17 points are marked by a person" in results["output"]


def test_gradescope_scores_nothing_for_a_notebook_that_cannot_be_read() -> None:
    results = valid(gradescope(unreadable()), "gradescope.schema.json")
    assert (results["score"], results["tests"]) == (0, [])
    assert results["output"] == "the file is empty: save the notebook and hand in again"


@pytest.mark.parametrize("snippet", HOSTILE)
def test_gradescope_shows_what_others_wrote_as_text(snippet: str) -> None:
    results = valid(gradescope(hostile(HOSTILE[snippet])), "gradescope.schema.json")
    honest = json.loads(gradescope(every_status()))
    assert [test | {"output": ""} for test in results["tests"]] == [test | {"output": ""} for test in honest["tests"]]
    assert results["score"] == honest["score"]
    assert {results["output_format"], *(test["output_format"] for test in results["tests"])} == {"text"}


# GitLab


def test_gitlab_has_an_issue_for_each_fault() -> None:
    issues = valid(gitlab(every_status()), "code-quality.schema.json")
    assert [(issue["check_name"], issue["severity"]) for issue in issues] == [
        ("1.3.a/test_sigmoid", "major"),
        ("1.3.b", "info"),
        ("1.3.c/test_c", "minor"),
    ]
    assert issues[0]["description"] == (
        "1.3.a Question 1.3.a: sigmoid(tensor(89.)) is nan; it should be 1.0: exp overflows"
    )
    assert {issue["location"]["path"] for issue in issues} == {"hand-in.ipynb"}
    assert len({issue["fingerprint"] for issue in issues}) == 3


def test_gitlab_knows_a_fault_again_whatever_its_message() -> None:
    before, after = every_status(), every_status()
    after.questions[1].checks[0].message = "another counterexample"
    after.questions[1].cells = [50]
    fingerprints = [[issue["fingerprint"] for issue in json.loads(gitlab(report))] for report in (before, after)]
    assert fingerprints[0] == fingerprints[1]


def test_gitlab_tells_of_a_notebook_that_cannot_be_read() -> None:
    (issue,) = valid(gitlab(unreadable()), "code-quality.schema.json")
    assert (issue["severity"], issue["check_name"]) == ("blocker", "notebook")


@pytest.mark.parametrize("snippet", HOSTILE)
def test_gitlab_has_no_issues_that_others_made_up(snippet: str) -> None:
    issues = valid(gitlab(hostile(HOSTILE[snippet])), "code-quality.schema.json")
    assert [issue["check_name"] for issue in issues] == ["1.3.a/test_sigmoid", "1.3.b", "1.3.c/test_c"]
    assert all("\n" not in issue["description"] for issue in issues)
