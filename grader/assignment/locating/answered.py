"""Whether a question was answered, or only a placeholder stands where its answer should."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from grader.assignment.assignment import Question
from grader.assignment.locating.answer import Answer
from grader.assignment.locating.definitions import DEF_LINE, read_code
from grader.assignment.locating.lines import MAX_SCANNED, read_lines
from grader.assignment.locating.marks import typed_below_label
from grader.assignment.locating.parsing import without_magics
from grader.assignment.locating.placeholders import does_something, says_something
from grader.assignment.locating.typed_code import code_of
from grader.assignment.locating.wanted import wanted_names

if TYPE_CHECKING:
    from nbformat import NotebookNode

_NO_CODE_LINE = re.compile(r"(?:return|\w{1,80} *=)?[ .?…]*|pass|[\"']{3}.*")


def is_answered(notebook: NotebookNode, question: Question, answer: Answer) -> bool:
    """Whether a student put anything there: not only a stub, a comment, or "your answer here". In doubt: yes."""
    if question.kind == "code":
        return _is_code_answered(notebook, question, answer)
    for index in answer.cells:
        source = str(notebook.cells[index].source)
        if says_something(typed_below_label(source, question) if index == answer.heading else source):
            return True
    return False


def _is_code_answered(notebook: NotebookNode, question: Question, answer: Answer) -> bool:
    names = wanted_names(question)
    has_stub = has_statements = False
    for index in answer.cells:
        source = code_of(notebook.cells[index])
        code = read_code(source)
        defined = code.find(names)
        if code.tree is None:
            if _has_code_lines(source):
                return True
        elif any(not found.stub for found in defined):
            return True
        else:
            has_stub = has_stub or bool(defined)
            has_statements = has_statements or does_something(_without_asserts(code.tree))
    return has_statements and not has_stub


def _without_asserts(tree: ast.Module) -> list[ast.stmt]:
    return [statement for statement in tree.body if not isinstance(statement, ast.Assert)]


def _has_code_lines(source: str) -> bool:
    """Whether code that Python cannot read is more than the frame of a function."""
    for line in read_lines(without_magics(source[:MAX_SCANNED])):
        words = line.partition("#")[0].strip()
        if not (DEF_LINE.match(line) or _NO_CODE_LINE.fullmatch(words)):
            return True
    return False
