"""A saved notebook is noticed, whole, however it was saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.students.checking.watching import MAX_LOOKS, changes


class Steps:
    """Takes the place of `time.sleep`: does something to the file at each look, then interrupts."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)
        self.looks = 0

    def __call__(self, seconds: float) -> None:
        self.looks += 1
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()


def nothing() -> None: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.ipynb"
    path.write_text('{"cells": []}')
    return path


def count(path: Path, *steps: Callable[[], object]) -> int:
    return len(list(changes(path, Steps(*steps))))


def replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_the_first_is_at_once_and_an_interrupt_ends_quietly(path: Path) -> None:
    assert count(path) == 1


def test_an_untouched_file_is_no_change(path: Path) -> None:
    assert count(path, nothing, nothing, nothing) == 1


def test_a_file_that_is_written_again_and_one_that_is_replaced_are_changes(path: Path) -> None:
    assert count(path, lambda: path.write_text('{"cells": [1]}'), nothing, nothing, nothing) == 2
    assert count(path, lambda: replace(path, '{"cells": [2]}'), nothing, nothing, nothing) == 2


def test_a_file_that_is_away_for_a_moment_is_waited_for(path: Path) -> None:
    assert count(path, path.unlink, nothing, lambda: path.write_text("{}"), nothing, nothing) == 2
    assert count(path, path.unlink, nothing, nothing) == 1


def test_a_half_written_file_is_waited_for(path: Path) -> None:
    watched = changes(path, Steps(lambda: path.write_text('{"cel'), nothing, lambda: path.write_text("{}"), nothing))
    next(watched)
    next(watched)
    assert path.read_text() == "{}"


def test_what_stays_half_a_file_is_shown_in_the_end(path: Path) -> None:
    assert count(path, lambda: path.write_text('{"cel'), *[nothing] * MAX_LOOKS) == 2


def test_a_file_that_was_saved_during_the_check_is_checked_again(path: Path) -> None:
    watched = changes(path, Steps(nothing, nothing))
    next(watched)
    path.write_text('{"cells": [3]}')
    next(watched)
    assert list(watched) == []
