"""The slicing criterion: the names of a notebook that checks look up, as far as their source tells."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from grader.slicing.effects import effects_of

_CODE_SIGN = re.compile(r"[=()\[\]]")
_WORD = re.compile(r"[A-Za-z_]\w*")
_TWO_WORDS = re.compile(r"\b([A-Za-z_]\w*) +(?=([A-Za-z_]\w*))")
_KEYWORDS = {*keyword.kwlist, *keyword.softkwlist}
_GAP = "_gap_"
"""Stands for what is put into a text only when the check runs."""


Definition = ast.stmt


def criterion_names(folder: Path, questions: Collection[str]) -> frozenset[str]:
    """All names that the checks of these questions may look up in a notebook: `student.name`, and code in texts.

    More than that in doubt. A text that can be no code is a message.
    """
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))]
    definitions: dict[str, list[Definition]] = {}
    for statement in (statement for tree in trees for statement in tree.body):
        for name in _defined_by(statement):
            definitions.setdefault(name, []).append(statement)
    waiting = [name for name, found in definitions.items() if any(_is_check(one, questions) for one in found)]
    used: dict[int, Definition] = {}
    while waiting:
        for definition in definitions.pop(waiting.pop(), []):
            used[id(definition)] = definition
            waiting += _mentioned(definition)
    return frozenset(name for definition in used.values() for name in _looked_up_by(definition)) - {_GAP}


def _defined_by(statement: ast.stmt) -> set[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _is_check(statement: Definition, questions: Collection[str]) -> bool:
    """Whether this is a check of one of these questions, or of one that cannot be told; or a fixture for all."""
    if not isinstance(statement, ast.FunctionDef):
        return False
    nodes = [node for decorator in statement.decorator_list for node in ast.walk(decorator)]
    if not statement.name.startswith("test"):
        return any(isinstance(node, ast.keyword) and node.arg == "autouse" for node in nodes)
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    marks = [mark for mark in calls if isinstance(mark.func, ast.Attribute) and mark.func.attr == "question"]
    named = {value.value for mark in marks for value in mark.args if isinstance(value, ast.Constant)}
    return not named or not named.isdisjoint(questions)


def _mentioned(definition: Definition) -> Iterator[str]:
    """The names in a definition, also those of fixtures, and `name` in `module.name`."""
    for node in ast.walk(definition):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg


def _looked_up_by(definition: Definition) -> Iterator[str]:
    nodes = list(ast.walk(definition))
    ignored = {id(text) for text in _docstrings(definition)}
    ignored |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    parameters = {node.arg for node in nodes if isinstance(node, ast.arg)}
    brought = {
        id(node.args[0]): {keyword.arg for keyword in node.keywords if keyword.arg}
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
        if node.func.attr in ("eval", "exec")
    }
    for node in nodes:
        if isinstance(node, ast.Attribute):
            # The namespace is handed in, whatever it is called.
            if isinstance(node.value, ast.Name) and node.value.id in parameters:
                yield node.attr
        elif isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in ignored:
            text = _text(node)
            if text is not None:
                # What a check brings along for one request stands before the notebook's own.
                yield from _names_in_text(text) - brought.get(id(node), set())


def _text(node: ast.Constant | ast.JoinedStr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    return "".join(str(part.value) if isinstance(part, ast.Constant) else _GAP for part in node.values)


def _docstrings(definition: Definition) -> Iterator[ast.expr]:
    for node in ast.walk(definition):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and isinstance(
            node.body[0], ast.Expr
        ):
            yield node.body[0].value


def _names_in_text(text: str) -> set[str]:
    if not _WORD.search(text):
        return set()
    try:
        tree = ast.parse(text.strip())
        code = effects_of(tree.body)
    except (SyntaxError, ValueError, RecursionError):
        return set() if _is_message(text) else set(_WORD.findall(text))
    free = {name for function in code.functions for name in function.free}
    # `globals().get("name")` asks for a name in a text of its own.
    quoted = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return code.exposed | (free - code.must_bind) | set(filter(str.isidentifier, quoted))


def _is_message(text: str) -> bool:
    """Whether a text is no piece of code: it has none of its signs, or words that follow each other as in no code."""
    pairs = _TWO_WORDS.findall(re.sub(r"#.*", "", text))
    return not _CODE_SIGN.search(text) or any(_KEYWORDS.isdisjoint(pair) for pair in pairs)
