"""Aliases: which names may stand for the same objects, and what a call of a function may change.

The analysis is flow-insensitive: a name stands for all that it is ever bound to, in whatever order.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from grader.slicing import purity
from grader.slicing.effects import Call, Code, Function, Mutation
from grader.slicing.exceptions import is_constant
from grader.slicing.statements import StatementGroup

_BUILTINS = frozenset((*dir(builtins), "display", "get_ipython", "exit", "quit"))


@dataclass(slots=True)
class Changes:
    """What running some code may change."""

    objects: set[str] = field(default_factory=set)
    """Names whose objects may be others afterwards."""
    settings: set[str] = field(default_factory=set)
    """Imported names whose packages may behave differently afterwards."""
    patches: bool = False
    """Whether something is put into a package."""
    binds: set[str] = field(default_factory=set)
    unsure: bool = False

    def add(self, other: Changes) -> None:
        self.objects |= other.objects
        self.settings |= other.settings
        self.binds |= other.binds
        self.patches |= other.patches
        self.unsure |= other.unsure


class AliasAnalysis:
    """The bindings of all these statements, read together."""

    def __init__(self, groups: Sequence[StatementGroup]) -> None:
        self.groups = groups
        self.binders: dict[str, list[StatementGroup]] = {}
        for group in groups:
            for name in group.code.binds | _declared_global(group.code):
                self.binders.setdefault(name, []).append(group)
        codes = [code for group in groups for code in _all_codes(group.code)]
        self.methods = {name for code in codes for name in code.methods}
        self.iterators = any(code.makes_iterators for code in codes)
        self.special_methods = any(code.special_methods for code in codes)
        self.classes = {name for group in groups for name in group.code.classes}
        self.assigned = {name for group in groups for name in group.code.assigned | _declared_global(group.code)}
        self.imports: dict[str, set[str]] = {}
        for group in groups:
            for name, what in group.code.imports.items():
                self.imports.setdefault(name, set()).update(what)
        defined = {name for group in groups for name in group.code.binds - group.code.imports.keys()}
        self.functions = defined - self.assigned - self.imports.keys()
        """Names that are only ever bound by `def`, `class` and `= lambda`."""
        self.packages = {
            name: {one.partition(".")[0] for one in what} for name, what in self.imports.items() if name not in defined
        }
        """Names that are only ever imported, and from where."""
        self.from_nowhere: set[str] = set()
        """Names that only what is not understood can have bound: a star import, for one."""
        if any(code.unsure for code in codes):
            self.from_nowhere = {name for code in codes for name in code.exposed} - self.binders.keys() - _BUILTINS
        self.changing_arguments: set[str] = set()
        self._find_changing_functions()
        self.edges: dict[str, set[str]] = {
            name: {other for group in binders for other in all_loads(group.code)}
            for name, binders in self.binders.items()
            if name not in self.packages
        }
        self.changes: dict[StatementGroup, Changes] = {}
        self.objects: dict[str, frozenset[StatementGroup]] = {}
        """For each name, the groups that made its objects or their parts, or changed them."""
        self.known_changes: dict[int, Changes] = {}
        self._find_shared_objects()

    # Functions

    def _find_changing_functions(self) -> None:
        """Find the functions that may change their arguments; one that calls another of those is one itself."""
        while True:
            found = {
                name
                for name in self.functions - self.classes
                if any(
                    self._changes_of(function)[1] for group in self.binders[name] for function in group.code.functions
                )
            }
            if found <= self.changing_arguments:
                return
            self.changing_arguments |= found

    def _changes_of(self, function: Function, outer: frozenset[str] = frozenset()) -> tuple[Changes, bool]:
        """What a call of a function changes in the notebook, and whether it may change its arguments."""
        local = outer | function.local
        changes = self.of_code(function.code, local, function.fresh)
        for inner in function.code.functions:
            changes.add(self._changes_of(inner, local)[0])
        own = changes.objects & function.local
        changes.objects -= function.local
        if own:
            # A local name may stand for an object of the notebook.
            changes.objects |= {name for name in function.free if name in self.assigned}
        changes.binds |= function.code.declared_global
        changes.unsure |= function.code.unsure
        return changes, bool(own)

    def of_code(self, code: Code, local: Collection[str] = (), fresh: dict[str, int] | None = None) -> Changes:
        """What code changes by itself; `local` are the names of a function that it stands in."""
        changes = Changes()
        for mutation in code.mutations:
            self._add_mutation(changes, mutation, local, fresh or {})
        for call in code.calls:
            self._add_call(changes, call, local, fresh or {})
        if self.iterators:
            changes.objects |= code.consumes
        if self.special_methods:
            changes.objects |= code.loads
        changes.objects = {name for name in changes.objects if name in local or not self._is_package(name)}
        return changes

    def _add_mutation(
        self, changes: Changes, mutation: Mutation, local: Collection[str], fresh: dict[str, int]
    ) -> None:
        if mutation.depth < fresh.get(mutation.root, 0) and mutation.names == {mutation.root}:
            return
        changes.objects |= mutation.names
        packages = {name for name in mutation.names if name not in local and self._is_package(name)}
        changes.settings |= packages
        changes.patches |= mutation.attribute and any(self.packages[name] - purity.DRAWING for name in packages)

    def _add_call(self, changes: Changes, call: Call, local: Collection[str], fresh: dict[str, int]) -> None:
        if purity.WRITES_FILES.fullmatch(call.function):
            changes.objects.add(purity.FILES)
        if call.root and call.root not in local and self._is_package(call.root):
            self._add_package_call(changes, call)
        elif not call.root and not call.attributes:
            changes.objects |= call.receiver | call.arguments
        elif call.attributes:
            self._add_method_call(changes, call, fresh)
        elif call.root in local or call.root in self.binders:
            self._add_function_call(changes, call, local)
        elif call.root not in purity.NO_EFFECT and (call.root not in purity.CONSUMING or self.iterators):
            changes.objects |= call.arguments

    def _add_package_call(self, changes: Changes, call: Call) -> None:
        packages = self.packages[call.root]
        parts = [part for what in self.imports[call.root] for part in what.split(".")[1:]] + list(call.attributes)
        function = parts[-1] if parts else call.root
        drawing = packages <= purity.DRAWING
        if any(purity.SETTING.fullmatch(part) for part in parts) or (call.bare and not drawing):
            changes.settings.add(call.root)
        if packages <= purity.PURE_PACKAGES:
            if call.out or purity.CHANGES_ARGUMENTS.fullmatch(function):
                changes.objects |= call.arguments
        elif not drawing:
            changes.objects |= call.arguments

    def _add_method_call(self, changes: Changes, call: Call, fresh: dict[str, int]) -> None:
        if call.function not in self.methods and not call.out:
            if call.function in purity.METHODS or call.function in purity.SHOWING:
                return
            if call.function in purity.FILLING:
                if call.depth >= fresh.get(call.root, 0):
                    changes.objects |= call.receiver
                return
        changes.objects |= call.receiver | call.arguments

    def _add_function_call(self, changes: Changes, call: Call, local: Collection[str]) -> None:
        if call.root not in local and call.root in self.functions:
            if call.root in self.changing_arguments or call.root in self.classes:
                changes.objects |= call.arguments
        else:
            changes.objects |= call.arguments | {call.root}

    def _is_package(self, name: str) -> bool:
        return name in self.packages

    # Objects

    def reachable(self, names: Iterable[str]) -> set[str]:
        """The names whose objects may be parts of these names' objects, or be used by them when they are called."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.edges.get(name, ())
        return found

    def used_when_called(self, names: Iterable[str]) -> set[str]:
        """The names that functions read which these names stand for, or hold."""
        return {
            free
            for name in self.reachable(names)
            for group in self.binders.get(name, ())
            for function in group.code.functions
            for free in function.free
        }

    def _find_shared_objects(self) -> None:
        """Find what each group changes, and put into the objects of each name what changes of it may have put there."""
        size = -1
        while size != (size := sum(map(len, self.edges.values()))):
            self.changes = {group: self._changes_of_group(group) for group in self.groups}
            made: dict[str, set[StatementGroup]] = {
                name: {group for group in groups if not _binds_only_constants(group, name)}
                for name, groups in self.binders.items()
            }
            for group, changes in self.changes.items():
                for name in changes.objects:
                    made.setdefault(name, set()).add(group)
            self.objects = {
                name: frozenset().union(*(made.get(other, ()) for other in self.reachable([name]))) for name in made
            }
            for group, changes in self.changes.items():
                loads = all_loads(group.code)
                for name in self.sharing(changes.objects):
                    self.edges.setdefault(name, set()).update(loads)

    def _changes_of_group(self, group: StatementGroup) -> Changes:
        changes = self.of_code(group.code)
        changes.unsure |= group.code.unsure
        if group.code.calls or self.special_methods:
            reached = self.reachable(all_loads(group.code))
            # What a function keeps in its defaults, it may change as it changes its arguments.
            keeping = {name for name in reached & self.changing_arguments if not self.binds_only_constants(name)}
            changes.objects |= keeping - group.code.binds
            called = {one for name in reached for one in self.binders.get(name, ())}
            for function in (function for one in {*called, group} for function in one.code.functions):
                changes.add(self._function_changes(function))
        return changes

    def _function_changes(self, function: Function) -> Changes:
        if id(function) not in self.known_changes:
            self.known_changes[id(function)] = self._changes_of(function)[0]
        return self.known_changes[id(function)]

    def is_unsure(self, group: StatementGroup) -> bool:
        """Whether it may change anything, by itself or through an object from something that may."""
        changes = self.changes[group]
        made = {one for name in changes.objects for one in self.objects.get(name, ())}
        return changes.unsure or any(one.code.unsure for one in made)

    def binds_only_constants(self, name: str) -> bool:
        return all(_binds_only_constants(group, name) for group in self.binders.get(name, ()))

    def sharing(self, names: Iterable[str]) -> set[str]:
        """These names, and all others that may stand for the same objects or for parts of them."""
        own = set(names)
        made = {group for name in own for group in self.objects.get(name, ())}
        return own | {name for name, groups in self.objects.items() if not made.isdisjoint(groups)} if made else own

    def packages_of(self, names: Iterable[str]) -> set[str]:
        return {package for name in names for package in self.packages.get(name, ())}


def _all_codes(code: Code) -> Iterator[Code]:
    yield code
    for function in code.functions:
        yield from _all_codes(function.code)


def _declared_global(code: Code) -> set[str]:
    return {name for one in _all_codes(code) for name in one.declared_global}


def all_loads(code: Code) -> set[str]:
    loads = code.loads | {name for function in code.functions for name in function.free}
    if any(purity.READS_FILES.fullmatch(call.function) for one in _all_codes(code) for call in one.calls):
        loads.add(purity.FILES)
    return loads


def _binds_only_constants(group: StatementGroup, name: str) -> bool:
    """Whether nothing can be changed in what the group binds the name to, but what has another name."""
    if name in group.code.imports and name not in group.code.assigned:
        return True
    return group.plain and all(is_constant(statement) for statement in group.statements)
