"""What surrounds the variables is put back as well: settings, random states, figures."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from grader.students.live.surroundings import surroundings_kept

CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "random": (random.getstate, random.random),
    "numpy.random": (lambda: np.random.get_state()[1].tolist(), lambda: np.random.random(3)),  # type: ignore[index]
    "torch.random": (lambda: torch.get_rng_state().tolist(), lambda: torch.rand(3)),
    "torch.dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "torch.grad": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "torch.options": (lambda: vars(torch._tensor_str.PRINT_OPTS).copy(), lambda: torch.set_printoptions(precision=9)),
    "numpy.errors": (np.geterr, lambda: np.seterr(all="raise")),
    "numpy.options": (np.get_printoptions, lambda: np.set_printoptions(precision=1)),
    "folder": (Path.cwd, lambda: os.chdir("/")),
    "environment": (lambda: dict(os.environ), lambda: os.environ.update(NEW="1", PATH="")),
    "path": (lambda: list(sys.path), sys.path.clear),
    "recursion": (sys.getrecursionlimit, lambda: sys.setrecursionlimit(5000)),
    "warnings": (lambda: list(warnings.filters), lambda: warnings.simplefilter("ignore")),
    "stdout": (lambda: sys.stdout, lambda: setattr(sys, "stdout", None)),
    "rcParams": (lambda: dict(dict.items(plt.rcParams)), lambda: plt.rcParams.update({"lines.linewidth": 9})),
    "backend": (matplotlib.get_backend, lambda: plt.switch_backend("svg")),
    "figures": (plt.get_fignums, lambda: (plt.figure(), plt.close("all"), plt.figure())),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_changed_is_put_back(name: str) -> None:
    look, change = CASES[name]
    before = look()
    with surroundings_kept():
        change()
    assert look() == before


def test_an_open_figure_is_neither_drawn_on_nor_closed() -> None:
    figure = plt.figure()
    try:
        with surroundings_kept():
            assert plt.get_fignums() == []
            plt.plot([1, 2])
            plt.close("all")
        assert plt.gcf() is figure
        assert figure.axes == []
    finally:
        plt.close(figure)


def test_all_is_put_back_after_an_error() -> None:
    state = random.getstate()

    def fail() -> None:
        with surroundings_kept():
            random.random()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert random.getstate() == state


def test_a_working_folder_that_is_gone_keeps_nothing_else_from_being_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    before = list(sys.path)
    with surroundings_kept():
        os.chdir(tmp_path)
        gone.rmdir()
        sys.path.clear()
    assert sys.path == before
