"""Changes of code that change nothing it yields: operands that may stand in any order, and operations that do nothing.

Only what is known by its name or its literals counts: a function of the answer's own is never taken for another.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

MODULES = {
    "np": "numpy",
    "numpy": "numpy",
    "jnp": "numpy",
    "cp": "numpy",
    "torch": "torch",
    "tf": "tensorflow",
    "F": "torch.nn.functional",
    "math": "math",
    "cmath": "math",
    "operator": "operator",
    "set": "set",
    "frozenset": "set",
}
"""What modules are usually called, where a cell does not import them itself."""

_ARRAYS = frozenset(
    (
        *("add", "multiply", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal", "array_equal", "array_equiv"),
        *("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"),
        *("hypot", "logaddexp", "logaddexp2", "intersect1d", "union1d", "setxor1d"),
    )
)
COMMUTING: Mapping[str, frozenset[str]] = {
    "numpy": _ARRAYS,
    "torch": _ARRAYS | frozenset(("mul", "eq", "ne", "dist", "dot")),
    "tensorflow": _ARRAYS,
    "torch.nn.functional": frozenset(("mse_loss", "l1_loss", "smooth_l1_loss", "cosine_similarity")),
    "math": frozenset(("gcd", "lcm", "hypot", "isclose", "dist")),
    "operator": frozenset(("mul", "eq", "ne", "and_", "xor", "is_", "is_not")),
    "set": frozenset(("union", "intersection", "symmetric_difference", "isdisjoint")),
}
"""Functions of two arguments that may change places."""
ANY_NUMBER = frozenset(("max", "min", "gcd", "lcm", "hypot", "union", "intersection"))
"""Of these, and of the built-in ones, those that take more than two."""
CONCATENATES = frozenset(("add", "or_"))
"""Functions of `operator` that commute for numbers, but not for lists, text or dicts."""

_VALUES: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_LARGEST = 1000
_NUMERIC_CALLS = frozenset(("abs", "len", "sum", "int", "float", "round", "pow"))


class Names:
    """What the names of a cell stand for, as far as it says so itself."""

    def __init__(self, tree: ast.Module) -> None:
        self.modules: dict[str, str] = dict(MODULES)
        self.functions: dict[str, tuple[str, str]] = {}
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    self.modules.update({alias.asname or alias.name: alias.name for alias in names})
                case ast.ImportFrom(module=str(module), names=names):
                    self.functions.update({alias.asname or alias.name: (module, alias.name) for alias in names})
                    self.modules.update({alias.asname or alias.name: f"{module}.{alias.name}" for alias in names})
        stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        self.own = stored | {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }
        self.own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}

    def function(self, node: ast.expr) -> tuple[str, str]:
        """The module and the name of a function; empty where nothing is known of it."""
        match node:
            case ast.Name(id=name) if name not in self.own:
                return self.functions.get(name, ("", name) if name in ("max", "min") else ("", ""))
            case ast.Attribute(value=ast.Set()) | ast.Attribute(value=ast.Call(func=ast.Name(id="set" | "frozenset"))):
                return "set", node.attr
            case ast.Attribute(value=value, attr=name):
                module = ast.unparse(value)
                if module.partition(".")[0] not in self.own:
                    return self.modules.get(module, module), name
        return "", ""


def commutes(call: ast.Call, place: int, names: Names) -> bool:
    """Whether this call yields the same with the arguments at `place` and after it the other way round."""
    one, other = call.args[place : place + 2]
    if _value(one) is not None and _value(one) == _value(other):
        return True
    module, name = names.function(call.func)
    if not name or (place > 0 and name not in ANY_NUMBER):
        return False
    if not module:
        # With a key, the first of those that are alike is what comes of it.
        return name in ("max", "min") and not call.keywords
    if _is_sequence(one) or _is_sequence(other):
        return name not in CONCATENATES and name in COMMUTING.get(module, ())
    if module == "operator" and name in CONCATENATES:
        return _is_number(one) or _is_number(other)
    return name in COMMUTING.get(module, ())


def is_idle(node: ast.BinOp, other: type[ast.operator]) -> bool:
    """Whether the other operator yields the same: `x + 0` and `x - 0`, `x * 1` and `x / 1`, `2 ** 2` and `2 * 2`."""
    right = _value(node.right)
    pair = {type(node.op), other}
    if pair == {ast.Add, ast.Sub}:
        return right == 0
    if right in (1, -1) and (pair == {ast.Mult, ast.Div} or (right == 1 and pair == {ast.Pow, ast.Mult})):
        return True
    left = _value(node.left)
    if left is None or right is None or max(abs(left), abs(right)) > _LARGEST:
        return False
    try:
        return _VALUES[type(node.op)](left, right) == _VALUES[other](left, right)
    except (KeyError, ArithmeticError):
        return False


def _value(node: ast.expr) -> float | None:
    """A number that stands there as a literal."""
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int(value) | float(value)):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value) | float(value))):
            return -value
    return None


def _is_sequence(node: ast.expr) -> bool:
    kinds = (ast.List, ast.Tuple, ast.ListComp, ast.JoinedStr, ast.Dict)
    return isinstance(node, kinds) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _is_number(node: ast.expr) -> bool:
    match node:
        case ast.BinOp(op=ast.Sub() | ast.Div() | ast.Pow() | ast.FloorDiv()):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _NUMERIC_CALLS
    return _value(node) is not None
