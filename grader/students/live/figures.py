"""Matplotlib's state around a check: figures that a student's code draws in it are its own, and are never shown."""

from __future__ import annotations

import contextlib
import sys
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

OWN = "agg"
"""The backend meanwhile: it draws into memory, and opens no window."""


@contextlib.contextmanager
def figures_apart() -> Iterator[None]:
    """Start without a figure; afterwards, figures, settings, and the backend are those from before."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        try:
            yield
        finally:
            _close_all()
        return
    helpers = sys.modules["matplotlib._pylab_helpers"].Gcf
    figures, settings = helpers.figs, _Settings(pyplot)
    helpers.figs = OrderedDict()
    try:
        pyplot.switch_backend(OWN)
        yield
    finally:
        _close_all()
        helpers.figs = figures
        settings.put_back()


def _close_all() -> None:
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    if helpers is not None:
        helpers.Gcf.destroy_all()


class _Settings:
    """The settings and the backend. To switch back to this one would set it up a second time."""

    def __init__(self, pyplot: Any) -> None:
        self.pyplot = pyplot
        self.matplotlib = sys.modules["matplotlib"]
        # Not by their own methods, by which asking for the backend would choose one.
        self.settings = dict(dict.items(self.matplotlib.rcParams))
        self.default = dict.get(self.matplotlib.rcParamsDefault, "backend")
        self.module = pyplot._backend_mod
        self.name = getattr(sys.modules.get("matplotlib.backends"), "backend", None)

    def put_back(self) -> None:
        dict.update(self.matplotlib.rcParams, self.settings)
        dict.__setitem__(self.matplotlib.rcParamsDefault, "backend", self.default)
        self.pyplot._backend_mod = self.module
        if self.name is not None:
            self.matplotlib.backends.backend = self.name
