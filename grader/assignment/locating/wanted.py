"""What a question wants defined, and how well a definition fits that."""

from __future__ import annotations

import functools

from grader.assignment.assignment import Definition, Question, parse_definition
from grader.assignment.locating.definitions import Defined


def wanted_names(question: Question) -> frozenset[str]:
    return frozenset(definition.name for definition in _definitions(question.defines))


def wants_function(question: Question) -> bool:
    return any(definition.parameters is not None for definition in _definitions(question.defines))


def fit(found: Defined, question: Question) -> float:
    """How well a definition is what the question asks for: at best 10 for a function, 3 for a value."""
    score = 0.0
    for order, wanted in enumerate(_definitions(question.defines)):
        if wanted.name == found.name:
            score = _fit_parameters(found, wanted) if wanted.parameters is not None else 1.0 if order else 3.0
    return score * 0.3 if found.stub else score


def _fit_parameters(found: Defined, wanted: Definition) -> float:
    if found.parameters is None:
        return 2.0
    if found.parameters == wanted.parameters:
        return 10.0
    if set(wanted.parameters or ()) <= set(found.parameters):
        return 7.0
    return 5.0 if len(found.parameters) == len(wanted.parameters or ()) else 3.0


@functools.lru_cache(maxsize=1024)
def _definitions(defines: tuple[str, ...]) -> tuple[Definition, ...]:
    """What `question.definitions` gives, without reading it anew for every cell."""
    return tuple(parse_definition(text) for text in defines)
