"""What the author of a rubric imports: `expect`, `review`, and the errors that student code can end with."""

from grader.execution.probe import Crashed, Handle, MissingName, NotData, StudentError, TimedOut
from grader.rubric.compare import CheckFailed, expect
from grader.rubric.outcomes import Review, review

__all__ = [
    "CheckFailed",
    "Crashed",
    "Handle",
    "MissingName",
    "NotData",
    "Review",
    "StudentError",
    "TimedOut",
    "expect",
    "review",
]
