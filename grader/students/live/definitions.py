"""Which of a notebook's functions answers a question, where several questions ask for one of the same name."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Collection, Mapping
from types import FunctionType
from typing import Any

from grader.assignment.assignment import Assignment, Definition, Question
from grader.assignment.locating.placeholders import does_something
from grader.students.bundle.stubs import digest

MAX_VERSIONS = 20
"""Of one name's functions; the oldest are forgotten."""


class Definitions:
    """Remembers the functions that cells have defined, also those whose name means another one by now."""

    def __init__(self) -> None:
        self.versions: dict[str, list[FunctionType]] = {}

    def look(self, names: Mapping[str, Any]) -> None:
        """Remember what is defined now; to be called after each cell."""
        for name, value in list(names.items()):
            if isinstance(value, FunctionType) and value.__module__ == "__main__":
                versions = self.versions.setdefault(name, [])
                if not versions or versions[-1] is not value:
                    versions[:] = [*[one for one in versions if one is not value], value][-MAX_VERSIONS:]

    def answer(
        self, assignment: Assignment, question: Question, names: Mapping[str, Any], stubs: Collection[str]
    ) -> dict[str, Any]:
        """What this question's names stand for; one that is not defined, or only by a stub, is not in it.

        `stubs` are the digests of the cells in which answers are to be written, as they were given out.
        """
        self.look(names)
        found = {}
        for definition in question.definitions:
            others = _others(assignment, question, definition)
            if others and definition.parameters is not None and definition.name in names:
                value = self._version(definition, others, stubs)
            else:
                value = names.get(definition.name)
            if not is_placeholder(value, stubs):
                found[definition.name] = value
        return found

    def _version(self, definition: Definition, others: list[Definition], stubs: Collection[str]) -> FunctionType | None:
        """The latest function with the parameters that are asked for, or else one that can be called with them.

        One with just the parameters of another question is the answer to that one.
        """
        versions = self.versions.get(definition.name, [])
        latest_first = [one for one in reversed(versions) if not is_placeholder(one, stubs)]
        wanted = definition.parameters or ()
        taken = {other.parameters for other in others if other.parameters != wanted}
        exact = [one for one in latest_first if _parameters(one) == wanted]
        callable_so = [one for one in latest_first if _can_be_called_with(one, len(wanted))]
        free = [one for one in latest_first if _parameters(one) not in taken]
        return next(iter([*exact, *callable_so, *free]), None)


def is_placeholder(value: Any, stubs: Collection[str] = ()) -> bool:
    """Whether a value only holds the place of an answer, as it was given out."""
    if value is None or value is Ellipsis:
        return True
    return isinstance(value, FunctionType) and (_is_given_out(value, stubs) or _is_stub(value))


def _is_given_out(function: FunctionType, stubs: Collection[str]) -> bool:
    cell = "".join(linecache.getlines(function.__code__.co_filename))
    return digest(cell) in stubs


def _is_stub(function: FunctionType) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError, ValueError):
        return False
    match tree.body:
        case [ast.FunctionDef(body=body)]:
            return not does_something(body)
    return False


def _others(assignment: Assignment, question: Question, definition: Definition) -> list[Definition]:
    """The definitions of the same name that other questions ask for."""
    return [
        other
        for one in assignment.questions
        if one.id != question.id
        for other in one.definitions
        if other.name == definition.name
    ]


def _parameters(function: FunctionType) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def _can_be_called_with(function: FunctionType, count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True
