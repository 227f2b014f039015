"""What statements read, bind, change and call, by name, as far as their text tells."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from grader.slicing.purity import ITERATORS, UNSURE

MAX_DEPTH = 10
Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change of an object by assignment: `root.a[0] = ...`; `names` are all that stand in the place of the object."""

    names: frozenset[str]
    root: str = ""
    depth: int = 0
    """How far below the root: 0 for a part of the object itself, 1 for a part of one of its parts."""
    attribute: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call `root.attributes(...)`; without a root where the function is the result of an expression."""

    root: str
    attributes: tuple[str, ...]
    receiver: frozenset[str]
    """The names in the expression of the function: what a method may change."""
    arguments: frozenset[str]
    out: bool
    """Whether an argument is named `out`, as NumPy and PyTorch call a place for the result."""
    bare: bool
    """Whether the call is a statement, so that it is there for its effect."""
    depth: int = 0

    @property
    def function(self) -> str:
        return self.attributes[-1] if self.attributes else self.root


@dataclass(slots=True)
class Code:
    """The effects of running some statements once, without those of the functions that they call."""

    exposed: set[str] = field(default_factory=set)
    """Names that are read before these statements must have bound them: upward-exposed uses."""
    loads: set[str] = field(default_factory=set)
    binds: set[str] = field(default_factory=set)
    must_bind: set[str] = field(default_factory=set)
    """Names that are bound whenever the statements come to their end: definite assignments."""
    assigned: set[str] = field(default_factory=set)
    """Those that are bound by anything but an import, a plain `def` or a `class`."""
    imports: dict[str, set[str]] = field(default_factory=dict)
    """For names that imports bind, what they import: `numpy.random`, or `numpy.random.seed`."""
    classes: set[str] = field(default_factory=set)
    mutations: list[Mutation] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    """Those written in these statements, which run when they are called."""
    declared_global: set[str] = field(default_factory=set)
    consumes: set[str] = field(default_factory=set)
    """Names that stand where something is gone through: if that is an iterator, it is used up afterwards."""
    makes_iterators: bool = False
    """Whether an iterator is kept, under a name or as a function's result."""
    unsure: bool = False
    methods: set[str] = field(default_factory=set)
    """The names of the methods of classes."""
    special_methods: bool = False
    """Whether a class gives operators or attributes a meaning of its own."""


@dataclass(slots=True)
class Function:
    """The body of a function, or of a lambda."""

    code: Code
    local: frozenset[str]
    fresh: dict[str, int]
    """Local names for containers made here, and how many levels of them were."""

    @property
    def free(self) -> set[str]:
        """The names of the notebook that it reads, also in functions written in it."""
        inner = {name for function in self.code.functions for name in function.free}
        return (self.code.loads | inner) - self.local

    @property
    def all_functions(self) -> Iterator[Function]:
        yield self
        for function in self.code.functions:
            yield from function.all_functions


def effects_of(statements: Sequence[ast.stmt]) -> Code:
    """The effects of statements at the top level of a cell. Raises RecursionError."""
    reader = _Reader()
    reader.run(statements)
    reader.code.must_bind = reader.bound
    return reader.code


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.code = Code()
        self.bound: set[str] = set()
        self.standing_for: dict[str, frozenset[str]] = {}
        """The names that a comprehension's own variables get their values from."""
        self.bare: ast.expr | None = None

    def run(self, statements: Iterable[ast.AST]) -> None:
        for statement in statements:
            self.visit(statement)

    def branch(self, *parts: Sequence[ast.AST], binding: Iterable[str] = ()) -> set[str]:
        """Run statements that may not run, or not to their end; returns what is bound where they do."""
        before = set(self.bound)
        self.bound |= set(binding)
        for part in parts:
            self.run(part)
        after, self.bound = self.bound, before
        return after

    def names(self, *nodes: ast.AST | None) -> frozenset[str]:
        return frozenset().union(*(self.standing_for.get(name, {name}) for node in nodes for name in _names(node)))

    # Names

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.load(node.id)
        else:
            self.bind(node.id, sure=isinstance(node.ctx, ast.Store))
            if isinstance(node.ctx, ast.Del):
                self.bound.discard(node.id)

    def load(self, name: str) -> None:
        if name in self.standing_for:
            return
        self.code.unsure = self.code.unsure or name in UNSURE or _is_history(name)
        self.code.loads.add(name)
        if name not in self.bound:
            self.code.exposed.add(name)

    def bind(self, name: str, sure: bool = True, assigned: bool = True) -> None:
        self.code.binds.add(name)
        if assigned:
            self.code.assigned.add(name)
        if sure:
            self.bound.add(name)

    def visit_Global(self, node: ast.Global) -> None:
        self.code.declared_global.update(node.names)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            self.import_name(alias.asname or top, alias.name if alias.asname else top)
            self.code.unsure = self.code.unsure or top in UNSURE

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            self.import_name(alias.asname or alias.name, f"{module}.{alias.name}")
            self.code.unsure = self.code.unsure or not {"*", *UNSURE}.isdisjoint((alias.name, module.partition(".")[0]))

    def import_name(self, name: str, what: str) -> None:
        self.code.imports.setdefault(name, set()).add(what)
        self.bind(name, assigned=False)

    # Statements

    def visit_Assign(self, node: ast.Assign) -> None:
        self.keep(node.value)
        self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Lambda):
                self.bind(target.id, assigned=False)
            else:
                self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.keep(node.value)
            self.run([node.value, node.target])

    def keep(self, value: ast.expr) -> None:
        self.code.makes_iterators = self.code.makes_iterators or _may_be_iterator(value)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.keep(node.value)
            self.visit(node.value)

    def visit_Yield(self, node: ast.Yield | ast.YieldFrom) -> None:
        self.code.makes_iterators = True
        self.generic_visit(node)

    visit_YieldFrom = visit_Yield  # noqa: N815

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
            self.code.mutations.append(Mutation(self.names(node.target), node.target.id, depth=0))
            self.bind(node.target.id)
        else:
            self.mutates(node.target, extra=1)
            self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.keep(node.value)
        self.visit(node.value)
        self.bind(node.target.id, sure=False)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.mutates(node)
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.mutates(node)
        self.run([node.value, node.slice])

    def mutates(self, target: ast.expr, extra: int = 0) -> None:
        place = target.value if isinstance(target, (ast.Attribute, ast.Subscript)) else target
        root, depth = _root(place)
        attribute = isinstance(target, ast.Attribute)
        self.code.mutations.append(Mutation(self.names(place), root, depth + extra, attribute))

    def visit_Expr(self, node: ast.Expr) -> None:
        self.bare = node.value.value if isinstance(node.value, ast.Await) else node.value
        self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self.bound |= self.branch(node.body) & self.branch(node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self.branch([node.body])
        self.branch([node.orelse])

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self.branch(node.values[1:])

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.code.consumes |= self.names(node.iter)
        self.branch([node.target], node.body)
        self.branch(node.orelse)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self.branch(node.body)
        self.branch(node.orelse)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        self.branch(node.body, node.orelse)
        for handler in node.handlers:
            names = [handler.name] if handler.name else []
            self.code.binds.update(names)
            self.code.assigned.update(names)
            self.branch([handler.type] if handler.type else [], handler.body, binding=names)
        self.run(node.finalbody)

    visit_TryStar = visit_Try  # noqa: N815

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            # It is entered and left, which may change it.
            if isinstance(item.context_expr, ast.Name):
                self.code.mutations.append(Mutation(self.names(item.context_expr), item.context_expr.id))
            if item.optional_vars is not None:
                self.visit(item.optional_vars)
        # A context may suppress an error of the body: nothing in it is sure.
        self.branch(node.body)

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            captured = {name for part in ast.walk(case.pattern) for name in _captured(part)}
            self.code.binds |= captured
            self.code.assigned |= captured
            self.branch([case.pattern], [case.guard] if case.guard else [], case.body, binding=captured)

    # Calls

    def visit_Call(self, node: ast.Call) -> None:
        bare, self.bare = self.bare is node, None
        root, attributes = _dotted(node.func)
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        out = any(keyword.arg in ("out", "inplace", None) for keyword in node.keywords)
        place = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        arguments, depth = self.names(*values), _root(place)[1]
        self.code.calls.append(Call(root, attributes, self.names(node.func), arguments, out, bare, depth))
        self.run([node.func, *values])

    # Scopes

    def visit_comprehension_scope(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        before = dict(self.standing_for)
        for generator in node.generators:
            self.visit(generator.iter)
            source = self.names(generator.iter)
            self.code.consumes |= source
            self.standing_for.update(dict.fromkeys(_names(generator.target), source))
            self.run(generator.ifs)
        self.run([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.standing_for = before

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_comprehension_scope  # noqa: N815

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.run(node.decorator_list)
        for decorator in node.decorator_list:
            self.code.calls.append(_decorating(decorator, self.names(decorator)))
        self.run([part for part in (*_annotations(node.args), node.returns) if part is not None])
        self.function(node, node.body)
        self.bind(node.name, assigned=bool(node.decorator_list))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.function(node, [node.body])

    def function(self, node: Defined, body: Sequence[ast.AST]) -> None:
        self.run([default for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None])
        inner = _Reader()
        parameters = _parameters(node.args)
        inner.bound |= parameters
        inner.run(body)
        # What stands for a comprehension's variable here is read by a lambda in it.
        for name in inner.code.loads & self.standing_for.keys():
            inner.code.loads |= self.standing_for[name]
        local = parameters | (inner.code.binds - inner.code.declared_global)
        fresh = _fresh(body, parameters)
        self.code.functions.append(Function(inner.code, frozenset(local), fresh))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.run([*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)])
        inner = _Reader()
        inner.run(node.body)
        own = inner.code
        self.code.unsure = self.code.unsure or own.unsure
        self.code.special_methods = self.code.special_methods or _has_special_methods(node)
        self.code.methods |= own.methods | own.binds
        self.code.consumes |= own.consumes
        for name in own.exposed:
            self.load(name)
        # Its own names are those of the body; those of the notebook may be meant where they are the same.
        self.code.loads |= own.loads
        self.code.mutations += own.mutations
        self.code.calls += own.calls
        self.code.functions += own.functions
        self.code.classes.add(node.name)
        self.bind(node.name, assigned=bool(node.decorator_list))


def _names(node: ast.AST | None) -> set[str]:
    """The names in an expression, without the parameters of lambdas in it."""
    if node is None:
        return set()
    if isinstance(node, ast.Name):
        return {node.id}
    inner = {name for child in ast.iter_child_nodes(node) for name in _names(child)}
    return inner - _parameters(node.args) if isinstance(node, ast.Lambda) else inner


def _root(node: ast.expr) -> tuple[str, int]:
    """The name that `name.a[0].b` starts with, and how many steps follow; no name where it starts otherwise."""
    depth = 0
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        depth += not isinstance(node, ast.Starred)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else "", depth)


def _dotted(node: ast.expr) -> tuple[str, tuple[str, ...]]:
    """The name and the attributes of `name.a.b`; no name where something else is among it."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else "", tuple(attributes))


def _decorating(decorator: ast.expr, names: frozenset[str]) -> Call:
    root, attributes = _dotted(decorator)
    return Call(root, attributes, names, frozenset(), out=False, bare=False)


def _parameters(arguments: ast.arguments) -> set[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {argument.arg for argument in every if argument is not None}


def _annotations(arguments: ast.arguments) -> list[ast.expr | None]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [argument.annotation for argument in every if argument is not None]


def _captured(pattern: ast.AST) -> list[str]:
    names = [getattr(pattern, "name", None), getattr(pattern, "rest", None)]
    return [name for name in names if isinstance(name, str)]


def _is_history(name: str) -> bool:
    """Whether a name is one of IPython's for what earlier cells gave or were. `_` alone is used as a variable."""
    return name in ("In", "Out", "_ih", "_oh", "_dh", "_i", "_ii", "_iii") or (
        name.startswith("_") and name[1:].lstrip("i").isdigit()
    )


_PLAIN_METHODS = {"init", "repr", "str", "len", "call", "eq", "ne", "lt", "le", "gt", "ge", "hash", "bool", "format"}


def _has_special_methods(node: ast.ClassDef) -> bool:
    """Whether using an object, without calling anything of it, may run code that changes something."""
    for statement in node.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name = statement.name
            if name.startswith("__") and name.endswith("__") and name.strip("_") not in _PLAIN_METHODS:
                return True
            if any(
                _dotted(decorator)[0] not in ("staticmethod", "classmethod") for decorator in statement.decorator_list
            ):
                return True
    return bool(node.keywords)


def _fresh(body: Sequence[ast.AST], parameters: set[str]) -> dict[str, int]:
    """The local names that are only ever bound to containers displayed in the body, with the levels of these."""
    nodes = [node for part in body for node in ast.walk(part)]
    stored = Counter(node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load))
    levels: dict[str, list[int]] = {}
    pairs: list[tuple[ast.AST, ast.expr | None]]
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                pairs = [pair for target in targets for pair in _pairs(target, value)]
            case ast.AnnAssign(target=target, value=value):
                pairs = [(target, value)]
            case ast.AugAssign(target=ast.Name() as target):
                # It goes on with what the name was bound to before.
                pairs = [(target, ast.Constant(0))]
            case _:
                continue
        for place, given in pairs:
            if isinstance(place, ast.Name):
                levels.setdefault(place.id, []).append(_levels(given))
    filled = _filled(nodes)
    return {
        name: min(1, *made) if name in filled else min(made)
        for name, made in levels.items()
        # A name that is also bound in some other way, by a loop for one, may be anything.
        if len(made) == stored[name] and name not in parameters and min(made)
    }


def _filled(nodes: Iterable[ast.AST]) -> set[str]:
    """The names of containers into which something may be put that was not made with them."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            names |= {name for value in node.args for name in _names(value)}
            names |= {name for keyword in node.keywords for name in _names(keyword.value)}
            if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                names.add(node.func.value.id)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            names.add(_root(node)[0])
    return names


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.AST, ast.expr | None]]:
    if isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            return [pair for one, part in zip(target.elts, value.elts, strict=True) for pair in _pairs(one, part)]
        return [(part, None) for part in target.elts]
    return [(target, value)]


def _levels(value: ast.expr | None) -> int:
    """How many levels of containers an expression makes anew; a constant can be changed at no level."""
    return MAX_DEPTH if isinstance(value, ast.Constant) else _containers(value)


def _containers(value: ast.expr | None) -> int:
    match value:
        case ast.List(elts=parts) | ast.Set(elts=parts) | ast.Tuple(elts=parts) | ast.Dict(values=parts):
            return 1 + min(map(_containers, parts), default=0)
        case ast.ListComp(elt=part) | ast.SetComp(elt=part):
            return 1 + _containers(part)
    return 0


def _may_be_iterator(value: ast.expr) -> bool:
    match value:
        case ast.GeneratorExp():
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in ITERATORS
        case ast.IfExp(body=first, orelse=second):
            return _may_be_iterator(first) or _may_be_iterator(second)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Dict(values=parts):
            return any(map(_may_be_iterator, parts))
    return False
