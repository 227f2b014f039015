"""Whether work grows no faster than what it is given: counted in calls, which no busy machine changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def calls_of(work: Callable[[], object]) -> int:
    """The calls of Python's and of C's functions that `work` makes."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def grows_linearly(work: Callable[[T], object], make: Callable[[int], T], size: int) -> bool:
    """Whether four times the input takes no more than five times the calls; quadratic work takes up to sixteen."""
    small, large = make(size), make(4 * size)
    # What is made once, such as a regular expression, is not the input's.
    work(make(1))
    return calls_of(lambda: work(large)) <= 5 * calls_of(lambda: work(small))
