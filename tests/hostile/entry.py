"""What one row of the table of attacks is, and the ways to write a notebook of one down in a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal
from zipfile import ZipFile

from nbformat import NotebookNode
from notebooks import mini_notebook

Points = float | Literal["review", "kept", "lost", "any"] | None
"""Of a question: exactly so many, or in review as a whole; None where nobody handed in.

For what is told by luck alone (which process is ended first, say): *kept* is all or in review, *lost* is none or in review;
*any* is for who breaks nothing but his own kernel, as he would in Jupyter."""

ALL: tuple[Points, ...] = (1, 2, 1.5)
NOTHING: tuple[Points, ...] = (0, 0, 0)
KEPT: tuple[Points, ...] = ("kept", "kept", "kept")
"""Right answers beside an attack that may cost the harness the answer, and never the student the points."""
LOST: tuple[Points, ...] = ("lost", "lost", "lost")
ANY: tuple[Points, ...] = ("any", "any", "any")
REVIEW: tuple[Points, ...] = ("review", "review", "review")


@dataclass(frozen=True)
class Hostile:
    """Something hostile that is handed in, and the points that the code questions of the mini assignment get for it."""

    what: Callable[[], NotebookNode] | Callable[[ZipFile], None] | bytes
    """Makes a notebook; writes a download of the course site; or is a score file for a right notebook."""
    gets: tuple[Points, ...]
    replaced: bool = False
    """The sandbox has to be replaced after it."""


SEVEN = {
    "double": "def double(x):\n    return 7",
    "quadruple": "def quadruple(x):\n    return 7",
    "results": "results = [7]",
}
"""Answers that are worth nothing."""


def beside(
    *before: str, after: Sequence[str] = (), gets: tuple[Points, ...] = ALL, replaced: bool = False, **answers: str
) -> Hostile:
    """Cells around answers that are right, but for those given."""
    return Hostile(partial(mini_notebook, before=before, after=after, **answers), gets, replaced)


def cheating(*before: str, after: Sequence[str] = (), gets: tuple[Points, ...] = NOTHING, **answers: str) -> Hostile:
    """Cells around answers that are worth nothing, but for what the cells make of them."""
    return Hostile(partial(mini_notebook, before=before, after=after, **{**SEVEN, **answers}), gets)


def answering(expression: str, *before: str, gets: tuple[Points, ...] = NOTHING) -> Hostile:
    """Both functions return what an expression gives, in the probe."""
    return cheating(
        *before,
        gets=gets,
        double=f"def double(x):\n    return {expression}",
        quadruple=f"def quadruple(x):\n    return {expression}",
    )


def once(expression: str, *before: str, gets: tuple[Points, ...] = NOTHING) -> Hostile:
    """The same for one call out of all, where it takes long."""
    return answering(f"({expression}) if type(x) is float else 7", *before, gets=gets)


def gaining(source: str, *, replaced: bool = False) -> Hostile:
    """A cell that sets `gained` where its attack succeeds, for which the answers become right."""
    answers = {
        "double": "def double(x):\n    return 2 * x if gained else 7",
        "quadruple": "def quadruple(x):\n    return double(double(x)) if gained else 7",
    }
    before = [ATTEMPT, f"gained = False\n{source.strip()}", "gained = bool(gained)"]
    return Hostile(partial(mini_notebook, before=before, **{**SEVEN, **answers}), NOTHING, replaced)


ATTEMPT = """
import ctypes, os, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p

def syscall(number, *arguments):
    "What a system call returns: below 0 where it is refused."
    wanted = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return libc.syscall(ctypes.c_long(number), *wanted)

def attempt(action):
    "What an action returns; None where it is refused."
    try:
        return action()
    except BaseException:
        return None
"""
