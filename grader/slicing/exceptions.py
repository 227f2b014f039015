"""Which statements cannot raise an exception, and which bind only what cannot be changed."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib.machinery
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from grader.slicing.purity import NEVER_RAISES

_BUILTINS = frozenset(dir(builtins))


def is_constant(statement: ast.stmt) -> bool:
    """Whether a statement binds names only to what nothing can change, or to what has a name already."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return not statement.decorator_list and all(map(_is_constant, _defaults(statement.args)))
        case ast.ClassDef():
            # What a class keeps is shared by its objects.
            named = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            plain = not statement.decorator_list and not statement.keywords
            return plain and named.isdisjoint(("cls", "__class__", "type")) and all(map(_is_part, statement.body))
        case ast.Assign(value=value):
            return _is_plain(value)
        case ast.AnnAssign(value=value):
            return value is None or _is_plain(value)
    return False


def _is_part(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef):
        return all(map(_is_constant, _defaults(statement.args)))
    return is_constant(statement)


def _is_plain(value: ast.expr) -> bool:
    """Of names, numbers and texts, and operations on them."""
    parts = (
        ast.Constant, ast.Name, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.JoinedStr, ast.Tuple,
        ast.FormattedValue, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
    )  # fmt: skip
    if isinstance(value, ast.Lambda):
        return all(map(_is_constant, _defaults(value.args)))
    return all(isinstance(node, parts) for node in ast.walk(value))


def _is_constant(value: ast.expr) -> bool:
    match value:
        case ast.Constant():
            return True
        case ast.UnaryOp(operand=ast.Constant()):
            return True
        case ast.Tuple(elts=parts):
            return all(map(_is_constant, parts))
    return False


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [default for default in (*arguments.defaults, *arguments.kw_defaults) if default is not None]


def cannot_raise(statements: Sequence[ast.stmt], packages: frozenset[str]) -> bool:
    """Whether all of these surely come to their end; `packages` are the names that only imports bind."""
    return all(_cannot_raise(statement, packages) for statement in statements)


def _cannot_raise(statement: ast.stmt, packages: frozenset[str]) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Import(names=names):
            return all(_module(alias.name) is not None for alias in names)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return all(_offers(module, alias.name) for alias in names)
        case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
            every = [node for node in ast.walk(statement.args) if isinstance(node, ast.arg)]
            notes = [*(argument.annotation for argument in every), statement.returns]
            return all(_is_safe(default) for default in _defaults(statement.args)) and all(map(_is_note, notes))
        case ast.Assign(targets=targets, value=value) if all(isinstance(target, ast.Name) for target in targets):
            return _is_safe(value)
        case ast.Assign(targets=[ast.Subscript(value=place, slice=ast.Constant())], value=value):
            # plt.rcParams["figure.dpi"] = 100
            return isinstance(place, ast.Attribute) and place.attr == "rcParams" and _is_safe(value)
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=values, keywords=[])):
            return all(map(_is_safe, values))
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) as function, args=values, keywords=more)):
            known = isinstance(root := _root(function), ast.Name) and root.id in packages
            options = [keyword.value for keyword in more]
            return known and NEVER_RAISES.fullmatch(name) is not None and all(map(_is_safe, [*values, *options]))
    return False


def _root(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _is_safe(value: ast.expr) -> bool:
    """Of constants alone, so that it can be computed whatever stands before."""
    match value:
        case ast.Constant():
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return True
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return all(map(_is_safe, parts))
        case ast.Dict(keys=keys, values=values):
            return all(isinstance(key, ast.Constant) for key in keys) and all(map(_is_safe, values))
        case ast.Lambda(args=arguments):
            return all(map(_is_safe, _defaults(arguments)))
    return False


def _is_note(annotation: ast.expr | None) -> bool:
    """Whether an annotation, which is computed with the function, surely can be."""
    match annotation:
        case None | ast.Constant():
            return True
        case ast.Name(id=name):
            return name in _BUILTINS
    return False


def _offers(module: str, name: str) -> bool:
    """Whether `from module import name` will do, as far as the module's source tells."""
    spec = _module(module)
    if spec is None or name == "*":
        return False
    if _module(f"{module}.{name}") is not None:
        return True
    return spec.origin is not None and name in _words(spec.origin)


@functools.lru_cache(maxsize=256)
def _words(file: str) -> frozenset[str]:
    try:
        return (
            frozenset(re.findall(r"[A-Za-z_]\w*", Path(file).read_text(errors="replace")))
            if file.endswith(".py")
            else frozenset()
        )
    except OSError:
        return frozenset()


@functools.lru_cache(maxsize=256)
def _module(name: str) -> importlib.machinery.ModuleSpec | None:
    """Where a module would be imported from. The packages that it is in are not imported for that."""
    parent = name.rpartition(".")[0]
    if not parent:
        if name in sys.builtin_module_names:
            return importlib.machinery.BuiltinImporter.find_spec(name)
        return importlib.machinery.PathFinder.find_spec(name, _installed())
    package = _module(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    return importlib.machinery.PathFinder.find_spec(name, list(package.submodule_search_locations))


@functools.cache
def _installed() -> list[str]:
    """The folders of the installed packages: a module beside this process' files is none of the notebook's."""
    return [folder for folder in sys.path[1:] if folder]
