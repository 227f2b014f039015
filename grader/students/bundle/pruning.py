"""The check files that students get: the public checks and what these use, and nothing else of the rubric's code.

What is used is found by reading the code, not by running it. In doubt a statement stays, and so may be refused
afterwards (`grader.students.bundle.leaks`); comments and the docstrings of modules go.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable, Iterator
from pathlib import Path

from grader.assignment.assignment import Check, RubricError
from grader.faults import shown

CONFTEST = "conftest.py"
ALL = "*"
"""Stands for all names of a module: it is used as a whole."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
DEFINITIONS = (*FUNCTIONS, ast.Import, ast.ImportFrom)
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)


def public_sources(folder: Path, checks: Iterable[Check]) -> dict[str, str]:
    """The sources to be released for the public ones of `checks`, by their paths in `folder`. Raises RubricError."""
    return _Pruner(folder).prune(checks)


class Statement:
    """One statement at the top level of a file, or one name of an import: what it defines, and what it needs."""

    def __init__(self, node: ast.stmt) -> None:
        self.node = node
        self.defines = _defined(node)
        self.uses = _used(node)
        self.wanted = False

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, (ast.Import, ast.ImportFrom))

    @property
    def is_fixture(self) -> bool:
        return isinstance(self.node, ast.FunctionDef) and _is_decorated(self.node, "fixture")

    @property
    def is_for_all(self) -> bool:
        """Whether pytest, or Python, uses it without being asked to."""
        node = self.node
        if isinstance(node, ast.ImportFrom):
            return node.module == "__future__" or node.names[0].name == "*"
        if isinstance(node, ast.FunctionDef):
            return node.name.startswith("pytest_") or _is_decorated(node, "autouse")
        return "pytest_plugins" in self.defines or "pytestmark" in self.defines


class _Module:
    def __init__(self, source: str) -> None:
        tree = ast.parse(source)
        self.statements = [Statement(part) for node in tree.body for part in _parts(node) if not _is_text(part)]
        self.names: set[str] = set()

    def want(self, name: str) -> None:
        self.names.add(name)

    def kept(self) -> str:
        nodes = [statement.node for statement in self.statements if statement.wanted]
        return ast.unparse(ast.Module(nodes, [])) + "\n"


class _Pruner:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, _Module] = {}
        for path in sorted(folder.rglob("*.py")):
            try:
                self.modules[path.relative_to(folder).as_posix()] = _Module(path.read_text(encoding="utf-8"))
            except (OSError, SyntaxError, ValueError) as error:
                raise RubricError([f"{shown(path)}: cannot be read: {error}"]) from None

    def prune(self, checks: Iterable[Check]) -> dict[str, str]:
        checks = list(checks)
        functions: dict[tuple[str, str], set[bool]] = {}
        for check in checks:
            file, _, name = check.name.partition("::")
            functions.setdefault((file, name.partition("[")[0]), set()).add(check.public)
        mixed = [f"{file}::{name}" for (file, name), kinds in functions.items() if len(kinds) > 1]
        if mixed:
            raise RubricError(
                [
                    f"{shown(self.folder / name)}: some of its cases are public, some are hidden: make two checks of it"
                    for name in mixed
                ]
            )
        for (file, name), kinds in functions.items():
            if True in kinds:
                # Of a test in a class, the class: a hidden check in it would go along, and is refused in the end.
                self.modules[file].want(name.partition("::")[0])
        files = {file for (file, _), kinds in functions.items() if True in kinds}
        self.settle(files | ({CONFTEST} & self.modules.keys()))
        kept = {name: module.kept() for name, module in self.modules.items()}
        return {name: source for name, source in kept.items() if source.strip()}

    def settle(self, files: set[str]) -> None:
        """Want what is used by what is wanted, until nothing is new."""
        reached, before = set(files), -1
        while before != (before := self.size() + len(reached)):
            for name in sorted(reached):
                module = self.modules[name]
                for statement in module.statements:
                    statement.wanted = statement.wanted or self.is_wanted(module, statement)
                    if statement.wanted:
                        reached |= set(self.follow(name, statement))

    def size(self) -> int:
        return sum(len(module.names) + sum(s.wanted for s in module.statements) for module in self.modules.values())

    def is_wanted(self, module: _Module, statement: Statement) -> bool:
        if ALL in module.names or statement.is_for_all or statement.defines & module.names:
            return True
        if statement.is_import or statement.defines:
            return False
        # A call for its effect, such as `np.seterr(...)`: needed where all that it speaks of is there.
        own = set().union(*(other.defines for other in module.statements))
        return (statement.uses & own) <= module.names

    def follow(self, name: str, statement: Statement) -> Iterator[str]:
        """Want what this statement uses, here and in other files of the rubric; the names of those files."""
        module = self.modules[name]
        for used in statement.uses:
            module.want(used)
        if isinstance(statement.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # The arguments of a check or a fixture are fixtures.
            arguments = statement.node.args
            for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
                for other, where in ((name, module), (CONFTEST, self.modules.get(CONFTEST))):
                    if where and any(s.is_fixture and argument.arg in s.defines for s in where.statements):
                        where.want(argument.arg)
                        yield other
        for file, wanted in self.imported(module, statement):
            self.modules[file].want(wanted)
            yield file

    def imported(self, module: _Module, statement: Statement) -> Iterator[tuple[str, str]]:
        """The names of other files of the rubric that an import needs."""
        node = statement.node
        if isinstance(node, ast.ImportFrom):
            for file in self.files_of(node.module or ""):
                yield file, ALL if node.names[0].name == "*" else node.names[0].name
        elif isinstance(node, ast.Import):
            for file in self.files_of(node.names[0].name):
                for name in _attributes(module, next(iter(statement.defines))):
                    yield file, name

    def files_of(self, dotted: str) -> list[str]:
        path = dotted.replace(".", "/")
        return [file for file in (f"{path}.py", f"{path}/__init__.py") if path and file in self.modules]


def _parts(node: ast.stmt) -> Iterator[ast.stmt]:
    """An import of several names as several imports; anything else as it is."""
    if isinstance(node, ast.Import):
        yield from (ast.Import([alias]) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (ast.ImportFrom(node.module, [alias], node.level) for alias in node.names)
    else:
        yield node


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _defined(node: ast.stmt) -> set[str]:
    """The names of the module that a statement assigns, or changes the value of."""
    if isinstance(node, FUNCTIONS):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    within = [] if isinstance(node, SIMPLE) else [child for child in ast.walk(node) if isinstance(child, DEFINITIONS)]
    stored = {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)}
    changed = {
        base.id
        for child in ast.walk(node)
        if isinstance(child, (ast.Subscript, ast.Attribute)) and isinstance(child.ctx, ast.Store)
        for base in [_base(child)]
        if isinstance(base, ast.Name)
    }
    return stored.union(changed, *map(_defined, within))


def _is_decorated(node: ast.FunctionDef, word: str) -> bool:
    return any(word in ast.unparse(decorator) for decorator in node.decorator_list)


def _base(node: ast.expr) -> ast.expr:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node


def _used(node: ast.stmt) -> set[str]:
    """The names of the module that a statement looks up, now or when what it defines is called."""
    return set(_globals_of(symtable.symtable(ast.unparse(node), "<check>", "exec"), top=True))


def _globals_of(table: symtable.SymbolTable, top: bool = False) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_global() or (top and symbol.is_referenced()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals_of(child)


def _attributes(module: _Module, name: str) -> set[str]:
    """The attributes of an imported module that are used; all of it, where it is used in another way."""
    used: set[str] = set()
    for statement in module.statements:
        if not statement.wanted or name not in statement.uses:
            continue
        attributes = [
            child
            for child in ast.walk(statement.node)
            if isinstance(child, ast.Attribute) and isinstance(child.value, ast.Name) and child.value.id == name
        ]
        mentions = [child for child in ast.walk(statement.node) if isinstance(child, ast.Name) and child.id == name]
        used |= {attribute.attr for attribute in attributes} if len(attributes) == len(mentions) else {ALL}
    return used
