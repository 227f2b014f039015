"""How late somebody is, and what that takes off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from notebooks import MINI

from grader.assignment.assignment import Assignment, Late, load_assignment
from grader.assignment.lateness import lateness
from grader.results.classlist import ClassList, HandIn
from grader.results.results import Lateness

DUE = datetime(2026, 3, 1, 12)
TWO_A_DAY = Late(due=DUE, points_per_day=2)


def late_by(
    submitted: str, rule: Late | None, said: bool | None = None, notebook: str | None = "a.ipynb", due: str = ""
) -> Lateness | None:
    assignment: Assignment = msgspec.structs.replace(load_assignment(MINI), late=rule)
    hand_in = HandIn(submission="a", notebook=notebook, person="A", submitted=submitted, late=said)
    return lateness(assignment, ClassList(site="brightspace", due=due, hand_ins=[hand_in]), "a")


@pytest.mark.parametrize(
    ("submitted", "rule", "points", "by"),
    [
        pytest.param("2026-03-01T12:01", TWO_A_DAY, -2, "1 min", id="a day that has begun counts"),
        pytest.param("2026-03-02T12:00", TWO_A_DAY, -2, "1 day", id="one day"),
        pytest.param("2026-03-02T12:01", TWO_A_DAY, -4, "1 day 1 min", id="the second has begun"),
        pytest.param("2026-03-04T14:00:30", TWO_A_DAY, -5.5, "3 days 2 h 1 min", id="not more than there are"),
        pytest.param("2026-03-04T12:00", Late(due=DUE, points_per_day=2, most=3), -3, "3 days", id="the most"),
        pytest.param("2026-03-02T12:00", Late(due=DUE, share_per_day=0.1), -0.55, "1 day", id="a share"),
        pytest.param(
            "2026-03-09T12:00", Late(due=DUE, share_per_day=0.1, most=0.3), -1.65, "8 days", id="at most a share"
        ),
        pytest.param(
            "2026-03-01T12:31", Late(due=DUE, points_per_day=1, grace_minutes=30), -1, "31 min", id="after grace"
        ),
        pytest.param("2026-03-02T12:00", None, 0, "1 day", id="late, and nothing is taken off"),
    ],
)
def test_late_is_late(submitted: str, rule: Late | None, points: float, by: str) -> None:
    assert load_assignment(MINI).max_points == 5.5
    found = late_by(submitted, rule, due="2026-03-01T12:00:00")
    assert found is not None
    assert (found.points, found.by, found.words) == (points, by, f"{by} late")
    assert found.key == f"{submitted} 2026-03-01T12:00:00"


@pytest.mark.parametrize(
    ("submitted", "rule", "said"),
    [
        pytest.param("2026-03-01T12:00", TWO_A_DAY, None, id="on the minute"),
        pytest.param("2026-03-01T12:30", Late(due=DUE, points_per_day=1, grace_minutes=30), True, id="in the grace"),
        pytest.param("2026-03-09T12:00", Late(points_per_day=1), None, id="no due date anywhere"),
        pytest.param("yesterday", TWO_A_DAY, None, id="no time that can be read"),
        pytest.param("", TWO_A_DAY, False, id="not late, as the site says"),
    ],
)
def test_in_time_is_in_time_and_so_is_who_is_not_known_to_be_late(
    submitted: str, rule: Late, said: bool | None
) -> None:
    assert late_by(submitted, rule, said) is None


@pytest.mark.parametrize("submitted", ["", "yesterday", "2026-03-09T12:00"])
def test_where_only_the_site_says_so_a_person_decides_what_it_takes_off(submitted: str) -> None:
    rule = Late(due=DUE.replace(tzinfo=UTC), points_per_day=1)  # not to be compared with a time without a zone
    found = late_by(submitted, rule, said=True)
    assert found is not None
    assert (found.points, found.minutes, found.words) == (
        0,
        None,
        "late, as the site says, and it is not known by how much",
    )


def test_who_handed_in_nothing_is_not_late() -> None:
    assert late_by("2026-03-09T12:00", TWO_A_DAY, notebook=None) is None
    assert lateness(load_assignment(MINI), None, "a") is None
    assert lateness(load_assignment(MINI), ClassList(site="canvas"), "a") is None


def test_the_rubric_says_when_it_was_due_or_else_the_download(tmp_path: Path) -> None:
    rule = Late(points_per_day=1)
    found = late_by("2026-03-01T12:00", rule, due="2026-02-28T12:00")
    assert found is not None
    assert found.points == -1
    assert late_by("2026-03-01T12:00", msgspec.structs.replace(rule, due=DUE), due="2026-02-28T12:00") is None
