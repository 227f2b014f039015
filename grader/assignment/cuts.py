"""What of a cell students must not see: the lines that its marks name, and what they get in their place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from grader.assignment.cutmarks import NOUNS, Mark, What, read_line_mark, read_mark
from grader.assignment.locating.parsing import blocks, parse_code, without_magics

TODO = "TODO"


class CutError(Exception):
    """The marks of a cell do not make sense: one line that says why."""


class Cut(NamedTuple):
    """Lines of a cell that go, counted from 1, marks and all; those `within` are what is not to be seen."""

    what: What
    lines: range
    within: range
    instead: tuple[str, ...]
    indent: str = ""


def cuts(source: str, *, is_code: bool) -> list[Cut]:
    """The cuts in a cell, in order. Raises CutError."""
    lines = source.split("\n")
    found = list(_blocks(lines, is_code))
    if is_code:
        inside = {line for cut in found for line in cut.lines}
        found += _of_statements(source, lines, inside)
    return sorted(found, key=lambda cut: cut.lines.start)


def without(source: str, found: list[Cut], *, is_code: bool) -> str:
    """The source without its cuts. Code stays Python: `pass` fills a block that would be left empty."""
    text = _joined(source, found, fill=False)
    may_be_empty = is_code and any(cut.indent and not cut.instead for cut in found)
    if may_be_empty and parse_code(text) is None and parse_code(source) is not None:
        return _joined(source, found, fill=True)
    return text


def _joined(source: str, found: list[Cut], *, fill: bool) -> str:
    lines = source.split("\n")
    for cut in reversed(found):
        empty = (f"{cut.indent}pass",) if fill and cut.indent else ()
        lines[cut.lines.start - 1 : cut.lines.stop - 1] = cut.instead or empty
    return "\n".join(lines)


def _blocks(lines: list[str], is_code: bool) -> Iterator[Cut]:
    """What stands between two marks."""
    opened: tuple[int, Mark] | None = None
    for number, line in enumerate(lines, start=1):
        mark = read_mark(line, is_code=is_code)
        if mark is None:
            continue
        noun = NOUNS[mark.what]
        if mark.begins:
            if opened is not None:
                raise CutError(f"line {number}: a {noun} begins in the {NOUNS[opened[1].what]} of line {opened[0]}")
            opened = number, mark
            continue
        if opened is None:
            raise CutError(f"line {number}: a {noun} ends here, but none has begun")
        begin, beginning = opened
        if beginning.what != mark.what:
            raise CutError(f"line {number}: a {noun} ends in the {NOUNS[beginning.what]} of line {begin}")
        yield from _block(lines, begin, number, beginning, is_code)
        opened = None
    if opened is not None:
        raise CutError(f"line {opened[0]}: this {NOUNS[opened[1].what]} does not end")


def _block(lines: list[str], begin: int, end: int, mark: Mark, is_code: bool) -> Iterator[Cut]:
    line = lines[begin - 1]
    indent = line[: len(line) - len(line.lstrip())]
    if mark.what == "prompt":
        # What is in it is for the students; only the marks go, and the quotation marks with them.
        for number in (begin, end):
            yield Cut("prompt", range(number, number + 1), range(0), ())
        return
    instead: tuple[str, ...] = ()
    if mark.what == "solution" and not mark.no_prompt:
        # `pass`, or a function or loop with nothing else in it would be no Python.
        instead = (f"{indent}# {TODO}", *([f"{indent}pass"] if indent else [])) if is_code else (TODO,)
    yield Cut(mark.what, range(begin, end + 1), range(begin + 1, end), instead, indent)


def _of_statements(source: str, lines: list[str], inside: set[int]) -> Iterator[Cut]:
    """What a mark behind a statement is about: all lines of it, and all that stands on them."""
    marked = {
        number: what
        for number, line in enumerate(lines, start=1)
        if number not in inside and (what := read_line_mark(line)) is not None
    }
    if not marked:
        return
    comments = {number for number in marked if lines[number - 1].lstrip().startswith("#")}
    for number in comments:
        yield Cut("hidden", range(number, number + 1), range(number, number + 1), ())
    statements = _simple_statements(source) if marked.keys() - comments else []
    done: set[int] = set()
    for number, what in marked.items():
        if number in comments or number in done:
            continue
        own = [one for one in statements if one.lineno <= number <= (one.end_lineno or one.lineno)]
        if not own:
            raise CutError(
                f"line {number}: the mark behind {lines[number - 1].strip()[:60]!r} is not at the end of a statement; "
                "put lines `# BEGIN SOLUTION` and `# END SOLUTION` around what is to be cut"
            )
        first, last = own[0].lineno, max(one.end_lineno or one.lineno for one in own)
        done |= set(range(first, last + 1))
        line = lines[first - 1]
        indent = line[: len(line) - len(line.lstrip())]
        instead = tuple(f"{indent}{_placeholder(one)}" for one in own) if what == "solution" else ()
        yield Cut(
            "solution" if what == "solution" else "hidden",
            range(first, last + 1),
            range(first, last + 1),
            instead,
            indent,
        )


def _simple_statements(source: str) -> list[ast.stmt]:
    """All statements without others in them, by their lines in the cell."""
    try:
        tree = ast.parse(without_magics(source))
    except (SyntaxError, ValueError, RecursionError):
        return []
    return list(_without_blocks(tree.body))


def _without_blocks(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        inner = list(blocks(statement))
        if not inner:
            yield statement
        for block in inner:
            # One on the line of its head, `if x: y = 1`, is no whole line.
            yield from (one for one in _without_blocks(block) if one.lineno > statement.lineno)


def _placeholder(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=targets):
            return f"{' = '.join(map(ast.unparse, targets))} = ..."
        case ast.AnnAssign(target=target, annotation=annotation):
            return f"{ast.unparse(target)}: {ast.unparse(annotation)} = ..."
        case ast.Return():
            return "return ..."
    return "..."
