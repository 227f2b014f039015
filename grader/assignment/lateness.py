"""How late a hand-in is by its class list, and what the rubric takes off for that."""

from __future__ import annotations

import math
from datetime import datetime

from grader.assignment.assignment import Assignment, Late
from grader.results.classlist import ClassList, HandIn
from grader.results.results import Lateness

_DAY = 24 * 60


def lateness(assignment: Assignment, classlist: ClassList | None, submission: str) -> Lateness | None:
    """None where it was handed in in time, or nobody knows."""
    hand_in = classlist.hand_in(submission) if classlist else None
    if classlist is None or hand_in is None or hand_in.notebook is None:
        return None
    late = assignment.late
    due = late.due if late and late.due else _time(classlist.due)
    minutes = _minutes(_time(hand_in.submitted), due)
    if minutes is None:
        return _as_the_site_says(hand_in, due)
    if minutes <= (late.grace_minutes if late else 0):
        return None
    points = _points(late, minutes, assignment.max_points) if late else 0.0
    return Lateness(
        submitted=hand_in.submitted,
        due=due.isoformat() if due else "",
        minutes=minutes,
        points=points,
        by=_spoken(minutes),
        words=f"{_spoken(minutes)} late",
    )


def _as_the_site_says(hand_in: HandIn, due: datetime | None) -> Lateness | None:
    if not hand_in.late:
        return None
    words = "late, as the site says, and it is not known by how much"
    return Lateness(submitted=hand_in.submitted, due=due.isoformat() if due else "", words=words)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _minutes(submitted: datetime | None, due: datetime | None) -> float | None:
    """After `due`, negative before it; None where the two cannot be compared."""
    if submitted is None or due is None or (submitted.tzinfo is None) != (due.tzinfo is None):
        return None
    return (submitted - due).total_seconds() / 60


def _points(late: Late, minutes: float, max_points: float) -> float:
    unit = max_points if late.share_per_day else 1.0
    per_day = late.share_per_day or late.points_per_day
    off = math.ceil(minutes / _DAY) * per_day
    off = min(off, late.most) if late.most is not None else off
    # A tenth of 42 points is no number of halves; more digits than two are nobody's intention.
    return -round(min(off * unit, max_points), 2) or 0.0


def _spoken(minutes: float) -> str:
    days, rest = divmod(math.ceil(minutes), _DAY)
    hours, rest = divmod(rest, 60)
    parts = [(days, "day" if days == 1 else "days"), (hours, "h"), (rest, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
