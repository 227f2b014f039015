"""A bundle of the small assignment, and a kernel beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from students.live.course import write_bundle
from students.live.kernels import Kernel, kernel_in


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the small assignment, alone in its folder."""
    folder = tmp_path_factory.mktemp("bundle")
    return write_bundle(folder / "small.checks", tmp_path_factory.mktemp("rubric"))


@pytest.fixture(scope="module")
def started(bundle: Path) -> Iterator[Kernel]:
    with kernel_in(bundle.parent) as kernel:
        yield kernel


@pytest.fixture
def kernel(started: Kernel) -> Kernel:
    """A kernel beside the bundle, with `%check` and without any names of other tests."""
    assert not started.run("%reset -f\n%reload_ext grader").failed
    return started
