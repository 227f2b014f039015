"""Locating the answer to each question in a notebook, whatever the student did to its cells.

In this order: a tag on the cell (`question:1.3.a`), the section headings and question labels in the
text, the names that the question defines. What students do to a notebook is not known beforehand, so each
step takes the reading that explains most of it, and says in a note where it had to guess.
"""

from __future__ import annotations

import ast
import bisect
import functools
import re
import textwrap
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import msgspec
from nbformat import NotebookNode

from grader.assignment import Definition, Question, parse_definition

TAG_PREFIX = "question:"
"""A cell with the metadata tag `question:1.3.a` answers question 1.3.a; any number of cells may have it."""

# Beyond these sizes a cell is read line by line, or not to its end: a submission must not stop the grader.
_MAX_PARSED = 100_000
_MAX_PARSED_IN_ALL = 3_000_000
_PARSING_OVERHEAD = 500
_MAX_SCANNED = 300_000
_MAX_LINE = 500
_MAX_LABELS = 2_000


class Answer(msgspec.Struct, frozen=True):
    """Where a question's answer stands. Cells are counted from 0 here, and from 1 in the notes."""

    cells: tuple[int, ...] = ()
    found_by: str = ""
    """"id": by a tag. "label": by headings and labels, or by its place among them (a note says so).
    "name": by the names it defines. "": no answer was found."""
    notes: tuple[str, ...] = ()
    """For the student: what was found in an odd place."""
    retyped: tuple[int, ...] = ()
    """Text cells among `cells` that are really code: `code_of` gives what is to be run."""
    heading: int | None = None
    """The cell with the question's label. It is among `cells` if the answer was typed into it."""


def locate(notebook: NotebookNode, questions: Sequence[Question]) -> dict[str, Answer]:
    """Find the cells that answer each question; an id of `questions` without an answer has no cells."""
    cells = _read_cells(notebook, questions)
    finds = {question.id: _Find(question) for question in questions}
    labels = _read_labels(cells, questions)
    _find_by_label(cells, labels, finds)
    _find_by_tag(cells, finds)
    _find_by_name(cells, labels, finds)
    _find_text_by_place(cells, finds)
    return {id: find.answer(cells) for id, find in finds.items()}


def code_of(cell: NotebookNode) -> str:
    """The code in a cell: of a text cell, what stands in its fences, or after its label, or all of it."""
    if cell.cell_type == "code":
        return str(cell.source)
    return _code_in_text(str(cell.source))


def is_answered(notebook: NotebookNode, question: Question, answer: Answer) -> bool:
    """Whether a student put anything there: not only a stub, a comment, or "your answer here". In doubt: yes."""
    if question.kind == "code":
        return _is_code_answered(notebook, question, answer)
    for index in answer.cells:
        source = str(notebook.cells[index].source)
        if _is_prose(_typed_below_label(source, question) if index == answer.heading else source):
            return True
    return False


# Python code, as far as one can tell without running it


@dataclass(frozen=True, slots=True)
class _Defined:
    name: str
    parameters: tuple[str, ...] | None
    stub: bool = False


@dataclass(frozen=True, slots=True)
class _Code:
    """What a piece of code defines and uses; `tree` is None where Python cannot read it."""

    tree: ast.Module | None
    defined: tuple[_Defined, ...]
    used: frozenset[str]

    def find(self, names: Collection[str]) -> list[_Defined]:
        return [defined for defined in self.defined if defined.name in names]


_NO_CODE = _Code(None, (), frozenset())
_PYTHON_MAGICS = frozenset(("time", "timeit", "capture", "prun", "debug", "python", "python3", "memit", "mprun"))
_MAGIC = re.compile(r"(?P<indent>[ \t]*)%(?P<name>\w+)(?P<rest>.*)", re.DOTALL)
_HELP = re.compile(r"[ \t]*[\w.]+\?{1,2}[ \t]*")
_ASSIGNED_MAGIC = re.compile(r"(?P<target>[ \t]*[A-Za-z_][\w, \t]*=)[ \t]*[!%][^\s=].*")
_MISSING_VALUE = re.compile(r"(?P<target>[ \t]*[A-Za-z_][\w.]*[ \t]*=)[ \t]*(?:#.*)?")
_DEF_LINE = re.compile(r"[ \t]*(?:async[ \t]+)?def[ \t]+(?P<name>\w+)[ \t]*\((?P<parameters>[^()]*)")
_ASSIGN_LINE = re.compile(r"[ \t]*(?P<name>[A-Za-z_]\w*)[ \t]*=(?!=)")
_PARAMETER = re.compile(r"[ \t*]*(?P<name>[A-Za-z_]\w*)")


def _read_code(source: str, parse: bool = True) -> _Code:
    if not source.strip():
        return _NO_CODE
    tree = _parse(source) if parse else None
    if tree is None:
        words = frozenset(re.findall(r"[A-Za-z_]\w*", source[:_MAX_SCANNED]))
        return _Code(None, tuple(_defined_in_lines(source)), words)
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    used = frozenset(node.id for node in names if isinstance(node.ctx, ast.Load))
    return _Code(tree, tuple(_defined_in(tree.body)), used)


def _parse(source: str) -> ast.Module | None:
    if len(source) > _MAX_PARSED:
        return None
    versions: tuple[Callable[[str], str], ...] = (str, _without_magics, lambda text: _filled(_without_magics(text)))
    with warnings.catch_warnings():
        # An invalid escape in a student's string is no concern of ours.
        warnings.simplefilter("ignore")
        for version in versions:
            try:
                return ast.parse(version(source))
            except (SyntaxError, ValueError):
                continue
            except (RecursionError, MemoryError):
                return None
    return None


def _without_magics(source: str) -> str:
    """Code with what only IPython understands taken out, line by line, so that the rest can be parsed."""
    lines = source.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        name = re.match(r"%%(\w*)", lines[first])
        if name is None or name[1] not in _PYTHON_MAGICS:
            return ""
        lines[first] = ""
    return "\n".join(_without_magic(line) for line in lines)


def _without_magic(line: str) -> str:
    stripped = line.lstrip()
    indent = line[: len(line) - len(stripped)]
    if magic := _MAGIC.match(line):
        runs_python = magic["name"] in _PYTHON_MAGICS and not magic["rest"].lstrip().startswith("-")
        return indent + (magic["rest"].strip() or "pass" if runs_python else "pass")
    if stripped.startswith(("!", "?", "%")) or _HELP.fullmatch(line[:_MAX_LINE]):
        return f"{indent}pass"
    if assigned := _ASSIGNED_MAGIC.match(line):
        return f"{assigned['target']} None"
    return line


def _filled(source: str) -> str:
    """A skeleton with its gaps filled by placeholders: `return ???`, `y = # TODO`, a body of comments only."""
    lines = []
    for line in source.split("\n"):
        stripped = line.lstrip()
        if stripped.startswith("#"):
            line = f"{line[: len(line) - len(stripped)]}pass"
        elif gap := _MISSING_VALUE.fullmatch(line):
            line = f"{gap['target']} ..."
        lines.append(re.sub(r"\?{2,}|\u2026", "...", line))
    return "\n".join(lines)


def _defined_in(body: Sequence[ast.stmt]) -> Iterator[_Defined]:
    """Names that running `body` defines, also inside `if`, `for`, `with` and `try`."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield _Defined(statement.name, _parameters(statement.args), not _does_something(statement.body))
            case ast.ClassDef():
                yield _Defined(statement.name, None)
            case ast.Import() | ast.ImportFrom():
                yield from (_Defined(alias.asname or alias.name.partition(".")[0], None) for alias in statement.names)
            case ast.Assign(value=value):
                for target in statement.targets:
                    yield from _assigned(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _assigned(target, value)
            case _:
                for block in _blocks(statement):
                    yield from _defined_in(block)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[_Defined]:
    if isinstance(target, ast.Name):
        parameters = _parameters(value.args) if isinstance(value, ast.Lambda) else None
        yield _Defined(target.id, parameters, _is_placeholder(value))
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            if isinstance(element, ast.Name):
                yield _Defined(element.id, None)


def _parameters(arguments: ast.arguments) -> tuple[str, ...]:
    return tuple(arg.arg for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(statement, name, None)
        if isinstance(block, list):
            yield block
    for handler in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield handler.body


def _does_something(body: Sequence[ast.stmt]) -> bool:
    """False for a stub: docstring, `pass`, `...`, NotImplementedError, and placeholders given names and returned."""
    blank: set[str] = set()
    return any(_is_real(statement, blank) for statement in body)


def _is_real(statement: ast.stmt, blank: set[str]) -> bool:
    match statement:
        case ast.Pass() | ast.Import() | ast.ImportFrom() | ast.Global() | ast.Nonlocal() | ast.Expr(ast.Constant()):
            return False
        case ast.Expr(ast.Call(func=ast.Name("print"), args=args)):
            return not all(isinstance(arg, ast.Constant) for arg in args)
        case ast.Raise(exc=ast.Name("NotImplementedError") | ast.Call(func=ast.Name("NotImplementedError"))):
            return False
        case ast.Return(value=None):
            return False
        case ast.Return(value=ast.expr() as value):
            return not (_is_placeholder(value) or any(_name(node) in blank for node in ast.walk(value)))
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if _is_placeholder(value):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            blank.update(name for target in targets for node in ast.walk(target) if (name := _name(node)))
            return False
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return _does_something(statement.body)
        case ast.For() | ast.While() | ast.If() | ast.With() | ast.Try():
            return any(_is_real(inner, blank) for block in _blocks(statement) for inner in block)
        case _:
            return True


def _is_placeholder(value: ast.expr) -> bool:
    if isinstance(value, ast.Tuple):
        return bool(value.elts) and all(_is_placeholder(element) for element in value.elts)
    return isinstance(value, ast.Constant) and (value.value is None or value.value is Ellipsis)


def _name(node: ast.AST) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _defined_in_lines(source: str) -> Iterator[_Defined]:
    for line in _lines(source):
        if found := _DEF_LINE.match(line):
            parameters = (_PARAMETER.match(part) for part in found["parameters"].split(","))
            yield _Defined(found["name"], tuple(match["name"] for match in parameters if match))
        elif found := _ASSIGN_LINE.match(line):
            yield _Defined(found["name"], None)


def _lines(text: str) -> list[str]:
    return [line[:_MAX_LINE] for line in text[:_MAX_SCANNED].split("\n")]


# Text: headings, labels, code typed as text


@dataclass(frozen=True, slots=True)
class _Mark:
    """A heading or a label in a text cell; `line` is where it stands, `end` where what follows it begins."""

    kind: Literal["section", "label", "heading"]
    line: int
    end: int
    section: str = ""
    letter: str = ""
    given: bool = False
    """Looks like the course's own (it states points, or is a heading), not like a student's enumeration."""


_PYTHON_FENCES = ("", "python", "python3", "py", "ipython", "ipython3")
_FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)")
# Possessive: runs of asterisks must not be tried in every division.
_MARKUP = re.compile(r"(?:[\s>#*_]|</?[a-z][^<>]{0,200}>)*+", re.IGNORECASE)
_WORD = r"(?:(?:question|exercise|assignment|problem|task|part|section|chapter|vraag|opgave|opdracht|deel)[ \t]{1,3})?"
_SECTION = re.compile(_WORD + r"(?P<section>\d{1,3}(?:\.\d{1,3}){0,4})(?=[\s:.,*_)<–—-]|$)", re.IGNORECASE)
_LABEL = re.compile(
    _WORD + r"(?:(?P<section>\d{1,3}(?:\.\d{1,3}){0,4})(?P<gap>[\s.:,–-]{0,3}))?"
    r"(?P<open>[*_]{0,3}[(\[]?[*_]{0,3})(?P<letter>[a-z])(?P<close>[*_]{0,3}[)\]]|\.(?=[\s*_<]|$)|(?=[\s:*_<]|$))",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*|__|<(?:b|strong)\b", re.IGNORECASE)
_POINTS = re.compile(
    r"\(\s{0,3}(?:\d{1,3}(?:[.,]\d{1,2})?|no)\s{1,3}(?:points?|pts?\.?|punt(?:en)?)\s{0,3}\)", re.IGNORECASE
)
_HTML_HEADING = re.compile(r"\s*<h[1-6]\b", re.IGNORECASE)
_UNDERLINE = re.compile(r"\s{0,3}(?:={3,}|-{3,})\s*")
_ANSWER_HEADING = re.compile(
    r"(?:(?:my|our|your|the)\s)?(?:answers?|solutions?|explanation|conclusion|discussion|observations?|remarks?|"
    r"antwoord(?:en)?|uitwerking|todo)\b",
    re.IGNORECASE,
)
_CODE_SIGN = re.compile(r"[=(\[]|\b(?:import|assert)\b")
_HINT = re.compile(r"[\s(*_>]*(?:hint|note|tip)\b", re.IGNORECASE)


def _marks(text: str, sections: frozenset[str], last_letter: str) -> list[_Mark]:
    """Headings and labels of a text, in order. Fenced code is skipped: its comments look like headings."""
    lines = _lines(text)
    marks: list[_Mark] = []
    fence = ""
    for number, line in enumerate(lines):
        if found := _FENCE.match(line):
            if not fence:
                fence = found["mark"]
            elif found["mark"].startswith(fence):
                fence = ""
        elif not fence and (mark := _mark(lines, number, sections, last_letter)):
            marks.append(mark)
    return marks


def _mark(lines: list[str], number: int, sections: frozenset[str], last_letter: str) -> _Mark | None:
    line = lines[number]
    start = line.lstrip()[:1]
    if not start or (start not in "#*_<>([" and not start.isdigit()):
        return None
    markup = _MARKUP.match(line)
    begin = markup.end() if markup else 0
    is_heading = (start == "#" and line.startswith(("#", " #", "  #", "   #"))) or bool(_HTML_HEADING.match(line))
    points = bool(_POINTS.search(line))
    label = _LABEL.match(line, begin)
    if label and _is_label(label, last_letter):
        bold = is_heading or bool(_BOLD.search(line, 0, min(len(line), label.end() + 4)))
        if bold or points:
            end = _label_end(lines, number, label.end(), is_heading)
            return _Mark("label", number, end, label["section"] or "", label["letter"].lower(), is_heading or points)
    is_underlined = number + 1 < len(lines) and bool(_UNDERLINE.fullmatch(lines[number + 1]))
    section = _SECTION.match(line, begin)
    if section and (is_heading or is_underlined or (points and bool(_BOLD.search(line, 0, begin)))):
        known = _known_section(section["section"], sections)
        if known is not None:
            return _Mark("section", number, number + 1, known, "", True)
    if is_heading and line[begin:].strip() and not _ANSWER_HEADING.match(line, begin):
        return _Mark("heading", number, number + 1)
    return None


def _is_label(label: re.Match[str], last_letter: str) -> bool:
    """Tell `(a)`, `a)`, `a.`, `1.3a` and `1.3 (a)` from "A neural network" and "**I** think"."""
    if label["letter"].lower() > last_letter:
        return False
    opened, closed = label["open"].strip("*_"), label["close"].strip("*_")
    if label["section"] is None:
        return bool(closed) and not (opened and closed not in ")]")
    return bool(closed) or ("." in label["section"] and label["gap"] in ("", ".") and label["letter"].islower())


def _known_section(number: str, sections: frozenset[str]) -> str | None:
    """`1.3.2` belongs to section 1.3; "2 layers" is a section only where the rubric numbers so."""
    parts = number.split(".")
    for length in range(len(parts), 0, -1):
        if (known := ".".join(parts[:length])) in sections:
            return known
    depths = {section.count(".") for section in sections}
    return number if number.count(".") in depths else None


def _label_end(lines: list[str], number: int, column: int, is_heading: bool) -> int:
    """The line after the label and its question: where its bold print ends, or its paragraph."""
    if is_heading:
        return number + 1
    for later in range(number, len(lines)):
        line = lines[later].rstrip()
        if later > number and not line:
            return later
        if line.endswith(("**", "__", "</b>", "</strong>")) and (later > number or len(line) > column + 2):
            return later + 1
    return len(lines)


def _typed_below_label(text: str, question: Question) -> str:
    """What stands below a question's label in the label's own cell, without the course's hints."""
    marks = _marks(text, frozenset((question.section,)), "z")
    lines = text[:_MAX_SCANNED].split("\n")
    for mark, following in pairwise((*marks, None)):
        if mark and mark.kind == "label" and mark.letter == question.letter:
            below = "\n".join(lines[mark.end : following.line if following else None])
            return "\n\n".join(part for part in re.split(r"\n[ \t]*\n", below) if not _HINT.match(part)).strip("\n")
    return ""


def _fenced(text: str) -> tuple[str, str]:
    """The Python code in a text's fences, and the text around them."""
    inside: list[str] = []
    outside: list[str] = []
    fence, wanted = "", False
    for line in text[:_MAX_SCANNED].split("\n"):
        found = _FENCE.match(line)
        if found and not fence:
            fence, wanted = found["mark"], found["language"].lower() in _PYTHON_FENCES
        elif found and found["mark"].startswith(fence):
            fence = ""
        elif not fence:
            outside.append(line)
        elif wanted:
            inside.append(line)
    return "\n".join(inside), "\n".join(outside).strip()


def _code_in_text(text: str) -> str:
    """The code in a text cell; empty where there is none."""
    if len(text) > _MAX_SCANNED:
        return ""
    if "```" in text or "~~~" in text:
        fenced, _ = _fenced(text)
        return textwrap.dedent(fenced) if fenced.strip() else ""
    if _is_whole_code(text):
        return textwrap.dedent(text)
    marks = _marks(text, frozenset(), "z")
    if marks:
        below = textwrap.dedent("\n".join(text[:_MAX_SCANNED].split("\n")[marks[-1].end :]))
        if _is_whole_code(below):
            return below
    return ""


def _is_whole_code(text: str) -> bool:
    """Whether a text is code and nothing else. "Steps: 10" and "Yes" are Python too: it must do something."""
    if not _CODE_SIGN.search(text):
        return False
    tree = _parse(textwrap.dedent(text))
    if tree is not None:
        return any(not isinstance(s, (ast.Expr, ast.Pass, ast.AnnAssign)) or _is_call(s) for s in tree.body)
    lines = [line for line in _lines(text) if line.strip()]
    return (
        any(_DEF_LINE.match(line) for line in lines)
        and not any(_POINTS.search(line) for line in lines)
        and (_DEF_LINE.match(lines[0]) is not None or lines[0].lstrip().startswith(("#", "%", "import ", "from ", "@")))
    )


def _is_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


# The cells, read once


@dataclass(slots=True, eq=False)
class _Cell:
    index: int
    kind: str
    source: str
    code: _Code
    """What its code defines and uses; for a text cell, of the code typed into it."""
    marks: list[_Mark]
    tags: frozenset[str]
    whole_code: bool
    """A code cell, or a text cell with code and nothing else in it."""

    @property
    def is_code(self) -> bool:
        return self.kind == "code"

    @property
    def is_empty(self) -> bool:
        return not self.source or self.source.isspace()

    def defines(self, question: Question) -> bool:
        return any(not defined.stub for defined in self.code.find(_names(question)))


def _read_cells(notebook: NotebookNode, questions: Sequence[Question]) -> list[_Cell]:
    sections = frozenset(question.section for question in questions)
    last_letter = chr(min(ord("z"), max((ord(question.letter) for question in questions), default=ord("a")) + 2))
    budget = _MAX_PARSED_IN_ALL
    cells = []
    for index, node in enumerate(notebook.cells):
        source = str(node.source)
        cells.append(_read_cell(index, node, source, sections, last_letter, budget > 0))
        budget -= min(len(source), _MAX_PARSED) + _PARSING_OVERHEAD
    return cells


def _read_cell(
    index: int, node: NotebookNode, source: str, sections: frozenset[str], last_letter: str, parse: bool
) -> _Cell:
    tags = node.metadata.get("tags")
    tags = frozenset(tag.strip() for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()
    cell = _Cell(index, node.cell_type, source, _NO_CODE, [], tags, False)
    if cell.is_code:
        cell.code = _read_code(source, parse)
        cell.whole_code = True
        if cell.code.tree is None or not cell.code.tree.body:
            # A text cell that became a code cell: only what is surely a heading or label of the course counts.
            marks = _marks(source, sections, last_letter)
            cell.marks = [mark for mark in marks if mark.given and (mark.kind == "section" or not mark.section)]
            if not any(_POINTS.search(line) for line in _lines(source)):
                cell.marks = []
        return cell
    if parse and (code := _code_in_text(source)):
        cell.code = _read_code(code)
        cell.whole_code = not _fenced(source)[1] if "```" in source or "~~~" in source else _is_whole_code(source)
    if not cell.whole_code:
        cell.marks = _marks(source, sections, last_letter)
    return cell


# By label


@dataclass(slots=True, eq=False)
class _Label:
    """A label with the region that follows it: the cells up to the next heading or label."""

    cell: int
    letter: str
    said: str
    """The section that the label itself states, if it does."""
    under: str
    """The section of the last section heading above it."""
    heading: int
    """The cell of that heading."""
    given: bool
    starts_anew: bool = False
    """The letters have begun again under that heading: another section's heading may be lost."""
    region: range = range(0)
    question: Question | None = None
    section: str = ""


@dataclass(slots=True, eq=False)
class _Find:
    """What is known so far about the place of one answer."""

    question: Question
    cells: list[int] = field(default_factory=list)
    found_by: str = ""
    notes: list[str] = field(default_factory=list)
    heading: int | None = None
    label_found: bool = False

    def defining(self, cells: Sequence[_Cell]) -> list[int]:
        return [index for index in self.cells if cells[index].defines(self.question)]

    def answer(self, cells: Sequence[_Cell]) -> Answer:
        chosen = sorted(set(self.cells))
        retyped = [i for i in chosen if not cells[i].is_code] if self.question.kind == "code" else []
        notes = [*self.notes, *(_retyped_note(cells[index]) for index in retyped)]
        if self.question.kind == "text" and chosen and all(cells[i].is_code for i in chosen):
            notes.append(f"This question asks for text; the answer was found in a code cell ({_places(chosen)}).")
        return Answer(
            cells=tuple(chosen),
            found_by=self.found_by if chosen else "",
            notes=tuple(dict.fromkeys(notes)),
            retyped=tuple(retyped),
            heading=self.heading,
        )


def _retyped_note(cell: _Cell) -> str:
    kind = "a markdown cell" if cell.kind == "markdown" else "a raw cell"
    return f"This code stood in {kind} (cell {cell.index + 1}); it was run as code."


def _places(indices: Sequence[int]) -> str:
    shown = ", ".join(str(index + 1) for index in indices[:10])
    return ("cell " if len(indices) == 1 else "cells ") + shown + (", ..." if len(indices) > 10 else "")


def _read_labels(cells: Sequence[_Cell], questions: Sequence[Question]) -> list[_Label]:
    """All labels with their questions: a label is read with the section above it and with the labels around it."""
    labels = _collect_labels(cells)
    if not labels:
        return []
    _assign_sections(labels, cells, questions)
    by_place = {(question.section, question.letter): question for question in questions}
    for label in labels:
        label.question = by_place.get((label.section, label.letter))
    given = {(label.section, label.letter) for label in labels if label.given}
    kept: list[_Label] = []
    for label in labels:
        if not _is_enumeration(label, kept, given, cells):
            kept.append(label)
    _set_regions(kept, cells)
    return kept


def _collect_labels(cells: Sequence[_Cell]) -> list[_Label]:
    labels: list[_Label] = []
    under, heading = "", -1
    for cell in cells:
        for mark in cell.marks:
            if mark.kind == "section":
                under, heading = mark.section, cell.index
            elif mark.kind == "label" and len(labels) < _MAX_LABELS:
                labels.append(_Label(cell.index, mark.letter, mark.section, under, heading, mark.given))
    _set_regions(labels, cells)
    if sum(label.given for label in labels) * 2 >= len(labels):
        # Where the course's labels state points, "**a)** ... **b)** ..." in an answer is the student's own.
        labels = _without_restarts(labels, cells)
    _mark_restarts(labels)
    return labels


def _without_restarts(labels: list[_Label], cells: Sequence[_Cell]) -> list[_Label]:
    kept: list[_Label] = []
    for label in labels:
        highest = max((other.letter for other in reversed(kept) if other.heading == label.heading), default="")
        if label.given or label.said or label.letter >= highest or _has_code(label, cells):
            kept.append(label)
    return kept


def _mark_restarts(labels: list[_Label]) -> None:
    for before, label in pairwise(labels):
        if before.heading == label.heading:
            label.starts_anew = before.starts_anew or label.letter <= before.letter


def _set_regions(labels: Sequence[_Label], cells: Sequence[_Cell]) -> None:
    """Give each label the cells after it; where several stand in one cell, they share them."""
    labelled = {label.cell for label in labels}
    boundaries = [
        cell.index for cell in cells if cell.index in labelled or any(mark.kind != "label" for mark in cell.marks)
    ]
    boundaries.append(len(cells))
    for label in labels:
        end = boundaries[bisect.bisect_right(boundaries, label.cell)]
        cut_off = cells[label.cell].marks[-1].kind == "heading"
        label.region = range(label.cell + 1, label.cell + 1 if cut_off else end)


def _has_code(label: _Label, cells: Sequence[_Cell]) -> bool:
    return any(cells[index].is_code for index in label.region)


def _is_enumeration(label: _Label, before: list[_Label], given: set[tuple[str, str]], cells: Sequence[_Cell]) -> bool:
    """Whether a student's own "**a)** ... **b)** ..." in an answer only looks like labels: their questions are
    elsewhere. The letter of the question itself, though, is how many begin an answer."""
    if label.given or label.said or not before or before[-1].letter == label.letter:
        return False
    if (label.section, label.letter) in given:
        return True
    same = [other for other in before if (other.section, other.letter) == (label.section, label.letter)]
    if not same or any(cells[other.cell].source == cells[label.cell].source for other in same):
        return False
    return not _has_code(label, cells)


def _assign_sections(labels: Sequence[_Label], cells: Sequence[_Cell], questions: Sequence[Question]) -> None:
    """Decide the section of each label: the most plausible sequence, since headings and labels get lost and moved.

    Viterbi's algorithm over the rubric's sections (and "another section"). The heading above a label counts most;
    letters that start anew, and answers that define what a section's question asks for, replace a lost one.
    """
    sections = list(dict.fromkeys(question.section for question in questions))
    states = [*sections, ""]
    by_place = {(question.section, question.letter): question for question in questions}
    scores = [
        _evidence(labels[0], state, sections, by_place, cells) - _skipped(-1, index, sections)
        for index, state in enumerate(states)
    ]
    back: list[list[int]] = []
    for before, label in pairwise(labels):
        best_from: list[int] = []
        new_scores: list[float] = []
        for index, state in enumerate(states):
            options = [scores[old] - _step_cost(before, label, old, index, sections) for old in range(len(states))]
            best = max(range(len(states)), key=lambda old: (options[old], -abs(old - index)))
            best_from.append(best)
            new_scores.append(options[best] + _evidence(label, state, sections, by_place, cells))
        back.append(best_from)
        scores = new_scores
    state_index = max(range(len(states)), key=scores.__getitem__)
    for position in range(len(labels) - 1, -1, -1):
        labels[position].section = states[state_index] or labels[position].under
        if position:
            state_index = back[position - 1][state_index]


def _evidence(
    label: _Label, state: str, sections: list[str], by_place: dict[tuple[str, str], Question], cells: Sequence[_Cell]
) -> float:
    score = 0.0
    if label.said:
        score += 6 if label.said == state else -6
    if label.under in sections:
        weight = 1.0 if label.starts_anew else 4.0
        score += weight if label.under == state else 0.0
    elif label.under:
        score += 2 if not state else 0
    elif not state:
        score -= 0.5
    question = by_place.get((state, label.letter))
    if question is None:
        return score
    defined = [found for index in label.region[:20] for found in cells[index].code.find(_names(question))]
    return score + 1 + min(4.0, max((_fit(found, question) for found in defined), default=0.0) / 2)


def _step_cost(before: _Label, label: _Label, old: int, new: int, sections: list[str]) -> float:
    other = len(sections)
    if old == new == other:
        return 0.0
    if other in (old, new):
        return 0.0 if label.heading != before.heading else 1.5
    if old == new:
        return 0.0 if label.letter > before.letter else 1.0 if label.letter == before.letter else 2.0
    if label.heading != before.heading:
        # A heading stands between them, which counts as evidence by itself.
        return 0.5
    if new < old:
        return 4.0
    return 1.0 + _skipped(old, new, sections) + (1.0 if label.letter > before.letter else 0.0)


def _skipped(old: int, new: int, sections: list[str]) -> float:
    return 0.0 if new == len(sections) else 0.5 * (new - old - 1)


def _find_by_label(cells: Sequence[_Cell], labels: Sequence[_Label], finds: dict[str, _Find]) -> None:
    shared: dict[int, list[_Label]] = {}
    for label in labels:
        shared.setdefault(label.cell, []).append(label)
    for cell, group in shared.items():
        questions = list(dict.fromkeys(label.question.id for label in group if label.question))
        for id in questions:
            if finds[id].heading is None:
                finds[id].heading = cell
            finds[id].label_found = True
        region = [cells[index] for index in group[0].region if not cells[index].is_empty]
        for id, chosen in _shares([finds[id] for id in questions], region).items():
            finds[id].cells.extend(chosen)
    for label in labels:
        if label.question:
            _add_later_attempts(finds[label.question.id], label, cells, finds)
    for find in finds.values():
        _add_repeated_label_cells(find, labels, cells)
        if find.label_found and not find.cells:
            _look_into_label_cell(find, cells)
        if find.cells:
            find.found_by = "label"


def _shares(group: list[_Find], region: list[_Cell]) -> dict[str, list[int]]:
    """Divide the cells of a region among the questions whose labels stand together above it."""
    if len(group) == 1:
        return {group[0].question.id: _pick(group[0].question, region)}
    code = [find.question for find in group if find.question.kind == "code"]
    text = [find.question for find in group if find.question.kind == "text"]
    shares: dict[str, list[int]] = {find.question.id: [] for find in group}
    codes = [cell for cell in region if cell.whole_code]
    proses = [cell for cell in region if not cell.whole_code]
    owner = 0
    for cell in codes if code else ():
        later = next((i for i in range(owner, len(code)) if cell.defines(code[i]) and not shares[code[i].id]), None)
        if later is None and not cell.code.find(_names(code[owner])):
            # Nothing says whose it is: without names to go by, the answers stand in the order of the questions.
            nameless = owner + 1 < len(code) and not code[owner + 1].names and bool(shares[code[owner].id])
            later = owner + 1 if nameless else None
        owner = owner if later is None else later
        shares[code[owner].id].append(cell.index)
    if text:
        prose = proses if code else region
        parts = _divide(prose, text)
        for question, part in zip(text, parts, strict=True):
            shares[question.id] = part
        if len({tuple(part) for part in parts}) < len(parts) and prose:
            for find in group:
                if find.question.kind == "text":
                    others = ", ".join(question.id for question in text)
                    find.notes.append(f"The answers to {others} stand together ({_places([c.index for c in prose])}).")
    return shares


def _divide(proses: list[_Cell], questions: list[Question]) -> list[list[int]]:
    """Text cells for several questions: by the letter they begin with, else one each, else all for all."""
    letters = {question.letter: number for number, question in enumerate(questions)}
    begins = [re.match(r"[\s*_]{0,5}\(?([a-z])[).:]", cell.source[:50], re.IGNORECASE) for cell in proses]
    owners = [letters.get(begin[1].lower()) if begin else None for begin in begins]
    parts: list[list[int]] = [[] for _ in questions]
    if owners and owners[0] is not None and len(set(owners) - {None}) == len(questions):
        owner = 0
        for cell, said in zip(proses, owners, strict=True):
            owner = owner if said is None else said
            parts[owner].append(cell.index)
    elif len(proses) == len(questions):
        parts = [[cell.index] for cell in proses]
    else:
        parts = [[cell.index for cell in proses] for _ in questions]
    return parts


def _pick(question: Question, region: list[_Cell]) -> list[int]:
    """The answer among the cells of a question's region: all for a text, the code for code."""
    if question.kind == "text":
        return [cell.index for cell in region]
    chosen = [cell.index for cell in region if cell.is_code]
    if any(cell.is_code and cell.defines(question) for cell in region):
        return _before_what_follows(question, region)
    if chosen:
        return [cell.index for cell in region if cell.is_code or cell.defines(question)]
    return [cell.index for cell in region if cell.whole_code or cell.defines(question)]


def _before_what_follows(question: Question, region: list[_Cell]) -> list[int]:
    """The code up to where, after the answer, the course's text leads to something else: code that has nothing to do
    with the answer's names."""
    names = _names(question)
    chosen: list[int] = []
    answered = text_since = False
    for cell in region:
        if not cell.is_code:
            text_since = text_since or answered
            continue
        if text_since and not (cell.code.used & names or cell.code.find(names)):
            break
        chosen.append(cell.index)
        answered = answered or cell.defines(question)
        text_since = False
    return chosen


def _add_later_attempts(find: _Find, label: _Label, cells: Sequence[_Cell], finds: dict[str, _Find]) -> None:
    """A student's own "### Second attempt" ends the region as any heading does; what defines the same function again
    before the next label belongs to the answer nevertheless."""
    if find.question.kind == "text" or _has_rival(find, finds):
        return
    for index in range(label.region.stop, len(cells)):
        cell = cells[index]
        if any(mark.kind != "heading" for mark in cell.marks):
            return
        again = [found for found in cell.code.find(_names(find.question)) if found.parameters is not None]
        if cell.is_code and any(not found.stub and _fit(found, find.question) >= 7.0 for found in again):
            find.cells.append(index)


def _add_repeated_label_cells(find: _Find, labels: Sequence[_Label], cells: Sequence[_Cell]) -> None:
    """A student who begins the answer with the label again has put the answer into a label's cell."""
    if find.question.kind != "text" or find.heading is None:
        return
    first = cells[find.heading].source
    for label in labels:
        repeats = label.question is find.question and label.cell != find.heading and not label.given
        if repeats and cells[label.cell].source != first:
            find.cells.append(label.cell)


def _look_into_label_cell(find: _Find, cells: Sequence[_Cell]) -> None:
    heading = find.heading
    if heading is None:
        return
    cell = cells[heading]
    if find.question.kind == "code":
        if not cell.is_code and cell.defines(find.question):
            find.cells.append(heading)
        return
    if _is_prose(_typed_below_label(cell.source, find.question)):
        find.cells.append(heading)
        find.notes.append(f"The answer was found in the cell of the question itself ({_places([heading])}).")
    elif heading + 1 < len(cells) and [mark.kind for mark in cells[heading + 1].marks] == ["heading"]:
        # "# It does not converge", or "## My thoughts": a heading only by its looks, straight after the question.
        find.cells.append(heading + 1)
        find.notes.append(f"Nothing but a heading was found below this question ({_places([heading + 1])}).")


# By tag


def _find_by_tag(cells: Sequence[_Cell], finds: dict[str, _Find]) -> None:
    owner = {
        cell.index: tag.removeprefix(TAG_PREFIX).strip()
        for cell in cells
        for tag in sorted(cell.tags)
        if tag.startswith(TAG_PREFIX) and tag.removeprefix(TAG_PREFIX).strip() in finds
    }
    for id, find in finds.items():
        tagged = [index for index, tagged_id in owner.items() if tagged_id == id and not cells[index].is_empty]
        # Cells that a student added beside the tagged ones have no tag, but stand below the label.
        find.cells = [*tagged, *(index for index in find.cells if owner.get(index, id) == id)]
        if tagged:
            find.found_by = "id"


# By name


@functools.lru_cache(maxsize=1024)
def _definitions(defines: tuple[str, ...]) -> tuple[Definition, ...]:
    """What `question.definitions` gives, without reading it anew for every cell."""
    return tuple(parse_definition(text) for text in defines)


def _names(question: Question) -> frozenset[str]:
    return frozenset(definition.name for definition in _definitions(question.defines))


def _wants_function(question: Question) -> bool:
    return any(definition.parameters is not None for definition in _definitions(question.defines))


def _fit(found: _Defined, question: Question) -> float:
    """How well a definition is what the question asks for: at best 10 for a function, 3 for a value."""
    score = 0.0
    for order, wanted in enumerate(_definitions(question.defines)):
        if wanted.name == found.name:
            score = _fit_parameters(found, wanted) if wanted.parameters is not None else 1.0 if order else 3.0
    return score * 0.3 if found.stub else score


def _fit_parameters(found: _Defined, wanted: Definition) -> float:
    if found.parameters is None:
        return 2.0
    if found.parameters == wanted.parameters:
        return 10.0
    if set(wanted.parameters or ()) <= set(found.parameters):
        return 7.0
    return 5.0 if len(found.parameters) == len(wanted.parameters or ()) else 3.0


def _find_by_name(cells: Sequence[_Cell], labels: Sequence[_Label], finds: dict[str, _Find]) -> None:
    """Find code that its label does not lead to; a definition serves one question only."""
    code = [find for find in finds.values() if find.question.kind == "code" and find.question.names]
    places = _places_of_names(cells)
    elsewhere = _cells_of_no_question(labels)
    claimed: dict[int, set[str]] = {}
    settled: dict[str, int] = {}
    # A function with quite other parameters gives way to one that fits, if that belongs to no other question.
    for doubtful in (False, True):
        for find in code:
            defining = find.defining(cells)
            if not defining or find.question.id in settled or _is_doubtful(find, cells, defining) is not doubtful:
                continue
            if doubtful and max(_candidates(find, cells, places, claimed, elsewhere).values(), default=0.0) >= 9.0:
                continue
            settled[find.question.id] = defining[0]
            claimed.setdefault(defining[0], set()).update(_names(find.question))
            _claim_rest(find, defining, claimed, finds)
    open_finds = [find for find in code if find.question.id not in settled and _may_stand_elsewhere(find, cells)]
    if not open_finds:
        return
    candidates = {find.question.id: _candidates(find, cells, places, claimed, elsewhere) for find in open_finds}
    chosen = _align(code, settled, candidates)
    for find in open_finds:
        id = find.question.id
        if id not in chosen:
            index = _anywhere(find, cells, candidates[id], chosen, finds)
            if index is None:
                continue
            chosen[id] = index
        claimed.setdefault(chosen[id], set()).update(_names(find.question))
    for find in open_finds:
        # A stub below its own label stays there: nothing better was found.
        if find.question.id in chosen and chosen[find.question.id] not in find.cells:
            _take(find, chosen[find.question.id], cells, claimed, finds)


def _places_of_names(cells: Sequence[_Cell]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for cell in cells:
        for name in {defined.name for defined in cell.code.defined}:
            places.setdefault(name, []).append(cell.index)
    return places


def _is_doubtful(find: _Find, cells: Sequence[_Cell], defining: list[int]) -> bool:
    if not _wants_function(find.question):
        return False
    fits = [_fit(found, find.question) for index in defining for found in cells[index].code.find(_names(find.question))]
    return max(fits, default=0.0) < 7.0


def _claim_rest(find: _Find, defining: list[int], claimed: dict[int, set[str]], finds: dict[str, _Find]) -> None:
    """A second definition below the same label is a second attempt, unless a later question with that name has lost
    its label: then it is that question's answer."""
    if _has_rival(find, finds):
        return
    for index in defining[1:]:
        claimed.setdefault(index, set()).update(_names(find.question))


def _has_rival(find: _Find, finds: dict[str, _Find]) -> bool:
    """Whether another question, nowhere found yet, asks for the same name."""
    names = _names(find.question)
    return any(
        other is not find and not other.label_found and not other.cells and names & _names(other.question)
        for other in finds.values()
    )


def _may_stand_elsewhere(find: _Find, cells: Sequence[_Cell]) -> bool:
    """A function that isn't below its label has been moved. A value has another name there, if there is any code."""
    return _wants_function(find.question) or not any(cells[index].is_code for index in find.cells)


def _cells_of_no_question(labels: Sequence[_Label]) -> frozenset[int]:
    """Cells below a label that is no question of the rubric, such as "(b) Run the code below"."""
    mine = {label.cell for label in labels if label.question}
    return frozenset(i for label in labels if not label.question and label.cell not in mine for i in label.region)


def _candidates(
    find: _Find,
    cells: Sequence[_Cell],
    places: dict[str, list[int]],
    claimed: dict[int, set[str]],
    elsewhere: frozenset[int],
) -> dict[int, float]:
    """Cells that could answer a question, with how well they fit."""
    question = find.question
    scores: dict[int, float] = {}
    for index in sorted({index for name in _names(question) for index in places.get(name, ())}):
        free = [d for d in cells[index].code.find(_names(question)) if d.name not in claimed.get(index, ())]
        functions = [found for found in free if found.parameters is not None]
        if not functions and index in elsewhere:
            continue
        # Each name once: a cell that assigns `results` three times is no better than one that does it once.
        best = {found.name: _fit(found, question) for found in sorted(free, key=lambda found: _fit(found, question))}
        score = sum(best.values())
        if score > 0:
            scores[index] = score * (0.9 if index in elsewhere or not cells[index].is_code else 1.0)
    return scores


def _align(code: list[_Find], settled: dict[str, int], candidates: dict[str, dict[int, float]]) -> dict[str, int]:
    """Choose cells for the open questions such that answers stand in the order of the questions, as far as they do.

    The same alignment as of two sequences: the best total over all choices of cells that never go back.
    """
    columns = sorted({*settled.values(), *(index for scores in candidates.values() for index in scores)})
    column_of = {index: number for number, index in enumerate(columns)}
    best = [0.0] * (len(columns) + 1)
    history: list[dict[int, bool]] = []
    rows: list[list[float]] = [best]
    for find in code:
        id = find.question.id
        options = {settled[id]: 100.0} if id in settled else candidates.get(id, {})
        by_column = {column_of[index]: score for index, score in options.items()}
        row = [0.0]
        taken: dict[int, bool] = {}
        for column in range(len(columns)):
            without = max(rows[-1][column + 1], row[column])
            with_it = rows[-1][column] + by_column[column] if column in by_column else -1.0
            if with_it > without:
                taken[column] = True
            row.append(max(without, with_it))
        history.append(taken)
        rows.append(row)
    chosen: dict[str, int] = {}
    column = len(columns)
    for number in range(len(code) - 1, -1, -1):
        id = code[number].question.id
        while column and rows[number + 1][column] == rows[number + 1][column - 1] and column - 1 not in history[number]:
            column -= 1
        if column and column - 1 in history[number]:
            if id not in settled:
                chosen[id] = columns[column - 1]
            column -= 1
    return chosen


def _anywhere(
    find: _Find, cells: Sequence[_Cell], scores: dict[int, float], chosen: dict[str, int], finds: dict[str, _Find]
) -> int | None:
    """The best place for a function out of order: moved to the imports, or all functions together in one cell."""
    names = _names(find.question)
    taken = {index for id, index in chosen.items() if names & _names(finds[id].question)}
    functions = {
        index: score
        for index, score in scores.items()
        if index not in taken and any(found.parameters is not None for found in cells[index].code.find(names))
    }
    if functions:
        return max(functions, key=lambda index: (functions[index], -index))
    imports = [index for index in scores if index not in taken and scores[index] >= 2.0]
    return imports[0] if imports and _wants_function(find.question) else None


def _take(
    find: _Find, index: int, cells: Sequence[_Cell], claimed: dict[int, set[str]], finds: dict[str, _Find]
) -> None:
    """Give a cell to a question, with the cells that belong to it, and take it from answers that don't need it."""
    question = find.question
    names = _names(question)
    owner = next((other for other in finds.values() if other is not find and index in other.cells), None)
    # The cells below the label that use the answer, such as its tests, stay; unless a stub stands there, which would
    # replace the answer before they run.
    overwritten = any(cells[i].code.find(names) for i in find.cells)
    taken = [index, *(i for i in find.cells if cells[i].code.used & names and not overwritten)]
    if not find.label_found:
        rest = [i for i in owner.cells if i > index] if owner else range(index + 1, len(cells))
        for following in rest:
            cell = cells[following]
            if not cell.is_code or cell.marks or cell.is_empty or claimed.get(following):
                break
            if owner is None and not (cell.code.used & names):
                break
            taken.append(following)
    gone = frozenset(taken)
    for other in finds.values():
        if other is not find and (other.question.kind == "text" or _can_spare(other, gone, cells)):
            other.cells = [i for i in other.cells if i not in gone]
            if not other.cells:
                other.found_by = ""
    find.cells = taken
    find.found_by = "name"
    names_shown = ", ".join(dict.fromkeys(f"`{found.name}`" for found in cells[index].code.find(names)))
    find.notes.append(f"This answer was found by its name ({names_shown}), in {_places([index])}.")


def _can_spare(find: _Find, taken: frozenset[int], cells: Sequence[_Cell]) -> bool:
    defining = find.defining(cells)
    return not defining or any(index not in taken for index in defining)


# Text without a label


def _find_text_by_place(cells: Sequence[_Cell], finds: dict[str, _Find]) -> None:
    """A text whose label is lost has no name: take the unclaimed text between the answers before and after it."""
    order = list(finds.values())
    used = {index for find in order for index in find.cells}
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and _is_lost_text(order[end]):
            end += 1
        if end > start:
            _fill_gap(cells, order, start, end, used)
        start = end + 1


def _is_lost_text(find: _Find) -> bool:
    return find.question.kind == "text" and not find.cells and not find.label_found


def _fill_gap(cells: Sequence[_Cell], order: list[_Find], start: int, end: int, used: set[int]) -> None:
    lost = order[start:end]
    before = [_last_place(find) for find in order[:start]]
    after = [_first_place(find) for find in order[end:]]
    if not any(place is not None for place in (*before, *after)):
        return
    low = max((place for place in before if place is not None), default=-1)
    high = min((place for place in after if place is not None and place > low), default=len(cells))
    free = [
        index
        for index in range(low + 1, high)
        if index not in used and not (cells[index].whole_code or cells[index].marks or cells[index].is_empty)
    ]
    if not free and start and order[start - 1].question.kind == "text":
        # The last label that is left has swallowed the answers after it: its own answer comes first.
        free = [index for index in order[start - 1].cells if not cells[index].is_code][1:]
    if not free or len(free) > 6 * len(lost):
        return
    parts = [[index] for index in free] if len(free) == len(lost) else [free for _ in lost]
    for find, part in zip(lost, parts, strict=True):
        find.cells = list(part)
        find.found_by = "label"
        find.notes.append(
            f"The label of this question was not found; its answer should be in {_places(part)}, "
            "between the answers before and after it."
        )


def _last_place(find: _Find) -> int | None:
    return max(find.cells) if find.cells else find.heading


def _first_place(find: _Find) -> int | None:
    if find.heading is not None:
        return find.heading
    return min(find.cells) if find.cells else None


# Answered or not


_PLACEHOLDER = re.compile(
    r"(?:(?:please )?(?:write|type|put|enter|give|add|fill in|insert|edit) )?(?:your |my |our |an? |the |this )?"
    r"(?:(?:own )?(?:answers?|solutions?|texts?|code|explanations?|response|antwoord|cell|question)"
    r"(?: (?:goes|comes))?(?: in)?(?: here| below| hier)?|here|hier)"
    r"|type markdown and latex.{0,20}|fill in|fill me in|to ?do|tbd|fixme|xxx+|n/?a|pass|not answered|no answer"
)
_TODO = re.compile(r"(?:to ?do|tbd|fixme|xxx)\b[\s:.,–-]*")
_NOT_WORDS = re.compile(r"<!--.*?(?:-->|$)|</?[a-z][^<>]{0,200}>|[#*_`~>\\|]", re.IGNORECASE)
_BLANKS = " \t.,:;?!-–—_…()[]{}\"'"


def _is_prose(text: str) -> bool:
    """Whether a text says anything beyond placeholders."""
    return any(not _is_placeholder_line(line) for line in _lines(text))


def _is_placeholder_line(line: str) -> bool:
    if "![" in line or "<img" in line.lower():
        return False
    words = " ".join(_NOT_WORDS.sub(" ", line).lower().split()).strip(_BLANKS)
    words = _TODO.sub("", words, count=1).strip(_BLANKS) if words.startswith(("to", "tbd", "fixme", "xxx")) else words
    return not words or _PLACEHOLDER.fullmatch(words) is not None


def _is_code_answered(notebook: NotebookNode, question: Question, answer: Answer) -> bool:
    names = _names(question)
    has_stub = has_statements = False
    for index in answer.cells:
        source = code_of(notebook.cells[index])
        code = _read_code(source)
        defined = code.find(names)
        if code.tree is None:
            if _has_code_lines(source):
                return True
        elif any(not found.stub for found in defined):
            return True
        else:
            has_stub = has_stub or bool(defined)
            has_statements = has_statements or _does_something(_without_asserts(code.tree))
    return has_statements and not has_stub


def _without_asserts(tree: ast.Module) -> list[ast.stmt]:
    return [statement for statement in tree.body if not isinstance(statement, ast.Assert)]


_NO_CODE_LINE = re.compile(r"(?:return|\w{1,80} *=)?[ .?…]*|pass|[\"']{3}.*")


def _has_code_lines(source: str) -> bool:
    """Whether code that Python cannot read is more than the frame of a function."""
    for line in _lines(_without_magics(source[:_MAX_SCANNED])):
        words = line.partition("#")[0].strip()
        if not (_DEF_LINE.match(line) or _NO_CODE_LINE.fullmatch(words)):
            return True
    return False
