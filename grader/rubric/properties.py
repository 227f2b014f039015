"""Properties that hold for every input: tried on examples by hypothesis, and the smallest failing one told in a line.

Importing this module is cheap; hypothesis, NumPy and torch are imported by those who ask for examples.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from grader.execution.namespace import Namespace
from grader.execution.probe import Crashed, MissingName, StudentError, TimedOut
from grader.rubric.compare import CheckFailed, as_array, difference, number, show

if TYPE_CHECKING:
    from hypothesis import settings
    from hypothesis.strategies import DrawFn, SearchStrategy

T = TypeVar("T")

MAX_EXAMPLES = 30
SEARCH_FACTOR = 10
"""How many times as many examples a small one that fails is worth, once it is known that there is a mistake."""
MAX_SHRINKS = 200
"""Calls that may be spent on making a failing example smaller."""
MAX_SHRINK_SECONDS = 3.0
MAX_REMEMBERED = 16
"""Lists of examples of one strategy that are remembered: with several checks each has a seed of its own."""
MAX_LINE = 160
"""Characters of an argument or an error message that are shown."""

MAX_ELEMENTS = 12
"""Tensors of up to this many values are shown whole."""

SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (3,), (7,), (1, 1), (2, 3), (5, 1), (2, 1, 2), (0,), (0, 2))
"""The simplest first: failing examples shrink towards the front."""
DTYPES = ("float32", "float64", "int64", "int32")
SCALES = (1e4, 100.0, 4.0)
"""The largest value of an array: most formulas go wrong among small numbers, some only in extremes."""

ENDS = (TimedOut, Crashed, MissingName)
"""Errors after which no other example can be tried."""


class Answer(NamedTuple):
    """A call of the student's function: what went in, and what came back."""

    arguments: tuple[Any, ...]
    result: Any


class Failure(NamedTuple):
    """An input, and what is wrong with what comes of it."""

    example: Any
    fault: str


def smallest_failure(
    strategy: SearchStrategy[T],
    fault_of: Callable[[T], str],
    *,
    seed: int,
    max_examples: int = MAX_EXAMPLES,
    max_shrinks: int = MAX_SHRINKS,
    max_seconds: float = MAX_SHRINK_SECONDS,
) -> Failure | None:
    """The smallest example found for which `fault_of` names a fault, or None.

    `fault_of` returns "" where all is well, or what is wrong, in one line. An error of the student's code and a
    failed `expect` are faults too; that the student's process has ended, and any other exception, is raised at
    once. Shrinking ends after `max_shrinks` examples or `max_seconds`, with the smallest one until then.
    """
    search = _Search(fault_of, max_shrinks, max_seconds)
    with contextlib.suppress(_Enough):
        _find(strategy, search.fails, seed, max_examples)
    return search.smallest


def examples_of(strategy: SearchStrategy[T], *, seed: int, count: int) -> list[T]:
    """Up to `count` examples: those that `smallest_failure` tries first with this seed.

    They are remembered as long as the strategy lives: one that a rubric has in a variable of its module generates
    them once for a whole class, and not anew for each submission. They are the caller's own, to do with as it likes.
    """
    known = _known_examples.setdefault(strategy, {})
    if (seed, count) not in known:
        examples = _new_examples(strategy, seed, count)
        try:
            kept = copy.deepcopy(examples)
        except Exception:
            # Not everything can be copied: a tensor that is the result of a differentiable operation, for one.
            return examples
        if len(known) >= MAX_REMEMBERED:
            del known[next(iter(known))]
        known[seed, count] = kept
        return examples
    return copy.deepcopy(known[seed, count])


_known_examples: WeakKeyDictionary[SearchStrategy[Any], dict[tuple[int, int], list[Any]]] = WeakKeyDictionary()
"""By strategy, the object itself and not what it says of itself: nothing tells for sure that two are the same."""


def _new_examples(strategy: SearchStrategy[T], seed: int, count: int) -> list[T]:
    examples: list[T] = []

    def collects(example: T) -> bool:
        examples.append(example)
        return False

    _find(strategy, collects, seed, count)
    return examples


def expect_calls(
    student: Namespace,
    name: str,
    strategy: SearchStrategy[tuple[Any, ...]],
    fault_of: Callable[..., str],
    *,
    seed: int,
    max_examples: int = MAX_EXAMPLES,
    always: Sequence[tuple[Any, ...]] = (),
    reason_of: Callable[[list[Answer]], str] = lambda answers: "",
    function: Any = None,
) -> None:
    """Raise CheckFailed unless the student's function `name` does well on examples of its arguments.

    `fault_of(result, *arguments)` is "" or what is wrong, to be read after the call: "is 1.0; it should be 0.5".
    A call that changes its arguments is wrong as well. `always` are arguments to be tried besides the examples.
    `reason_of` gets all calls with their results, and names the mistake that explains them, if there is one.
    `function` is called in the place of what has this name: a handle of something that wraps it.
    """
    calls = _Calls(student, name, student.get(name) if function is None else function, fault_of)
    # All in one request: a right answer, the usual case, costs next to nothing.
    examples = [*always, *examples_of(strategy, seed=seed, count=max_examples)]
    fault, answers = calls.first_fault(examples)
    if not fault:
        return
    # The time of one check is short where calls are slow: what is known by now is told in any case.
    with contextlib.suppress(TimedOut, Crashed):
        fault = _smaller_fault(calls, strategy, examples, seed, max_examples) or (
            f"{fault}, but only after other calls (does it use a global variable?)"
        )
    reason = reason_of(answers) if answers else ""
    raise CheckFailed(f"{fault}: {reason}" if reason else fault)


def _smaller_fault(
    calls: _Calls, strategy: SearchStrategy[Any], examples: Sequence[tuple[Any, ...]], seed: int, max_examples: int
) -> str:
    """The fault of the smallest call that fails by itself, or else of the first of `examples` that does."""
    deadline = time.monotonic() + MAX_SHRINK_SECONDS

    def fault_in_time(arguments: tuple[Any, ...]) -> str:
        if time.monotonic() > deadline:
            raise _Enough
        return calls.fault_of_one(arguments)

    smallest = smallest_failure(strategy, fault_in_time, seed=seed, max_examples=SEARCH_FACTOR * max_examples)
    if smallest is not None:
        return smallest.fault
    # Too rare to be met among random examples.
    return next(filter(None, map(calls.fault_of_one, examples)), "")


class _Calls:
    """Calls of one function of the student's, and what is wrong with them."""

    def __init__(self, student: Namespace, name: str, function: Any, fault_of: Callable[..., str]) -> None:
        self.student = student
        self.name = name
        self.function = function
        self.fault_of = fault_of

    def first_fault(self, examples: Sequence[tuple[Any, ...]]) -> tuple[str, list[Answer]]:
        """The first fault of a series of calls, and all answers, unless one call raised an error."""
        try:
            results = self.results(examples)
        except StudentError as error:
            raise_if_ended(error)
            return f"{self.name} {error_text(error)}", []
        pairs = list(zip(examples, results, strict=True))
        fault = next(filter(None, (self.fault(arguments, *result) for arguments, result in pairs)), "")
        return fault, [Answer(arguments, result) for arguments, (result, _) in pairs]

    def fault_of_one(self, arguments: tuple[Any, ...]) -> str:
        try:
            [(result, after)] = self.results([arguments])
        except StudentError as error:
            raise_if_ended(error)
            return f"{call_text(self.name, *arguments)} {error_text(error)}"
        return self.fault(arguments, result, after)

    def results(self, examples: Sequence[tuple[Any, ...]]) -> list[tuple[Any, Any]]:
        """For each call the result, and the arguments as they are afterwards."""
        source = "[(check_function(*arguments), arguments) for arguments in check_arguments]"
        pairs = self.student.eval(source, check_function=self.function, check_arguments=list(examples))
        match pairs:
            case list() if len(pairs) == len(examples) and all(map(_is_pair, pairs)):
                return pairs
        raise Crashed("Crash", "the code answered with something unreadable")

    def fault(self, arguments: tuple[Any, ...], result: Any, after: Any) -> str:
        fault = self.fault_of(result, *arguments) or _change(arguments, after)
        return f"{call_text(self.name, *arguments)} {fault}" if fault else ""


def raise_if_ended(error: StudentError) -> None:
    """Raise an error after which no example can be tried any more."""
    if isinstance(error, ENDS):
        raise error


def error_text(error: StudentError) -> str:
    """What a student is told of an error: the type, the message, and the line of theirs that raised it."""
    message = _shorten(str(error))
    source = _shorten(error.frames[-1].source) if error.frames else ""
    return f"raises {message}, in the line `{source}`" if source else f"raises {message}"


def call_text(name: str, *arguments: Any) -> str:
    """A call as a student would type it: `sigmoid(tensor(-89.))`."""
    return f"{name}({', '.join(value_text(argument) for argument in arguments)})"


def value_text(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if type(value).__name__ == "Tensor" and value.numel() <= MAX_ELEMENTS:
        return _tensor_text(value)
    return _shorten(repr(value))


def _tensor_text(tensor: Any) -> str:
    """As torch writes it, but `tensor([0., 0.5])` for `tensor([0.0000, 0.5000])`."""
    import torch

    def nested(values: Any) -> str:
        if isinstance(values, list):
            return f"[{', '.join(map(nested, values))}]"
        return number(values).removesuffix("0") if number(values).endswith(".0") else number(values)

    usual = (torch.float32, torch.int64, torch.bool)
    # Without an element, nothing else tells that it is whole numbers.
    told = tensor.dtype in usual and (tensor.numel() > 0 or tensor.dtype == torch.float32)
    dtype = "" if told else f", dtype={tensor.dtype}"
    return f"tensor({nested(tensor.tolist())}{dtype})"


def value_fault(actual: Any, expected: Any, *, rtol: float = 1e-5, atol: float = 1e-6) -> str:
    """Nothing where `expect` would be content, else "is nan; it should be about 2.2e-39"."""
    fault = difference(actual, expected, rtol=rtol, atol=atol)
    if not fault:
        return ""
    got, wanted = as_array(actual), as_array(expected)
    if wanted is None:
        return f"is wrong: {fault}"
    if got is None:
        return f"gives {show(actual)}; it should give {'a number' if wanted.ndim == 0 else 'an array of numbers'}"
    if got.shape != wanted.shape:
        is_, be = "has" if got.ndim else "is", "have" if wanted.ndim else "be"
        return f"{is_} {_shape(got)}; it should {be} {_shape(wanted)}"
    if got.ndim == 0:
        return f"is {number(got[()])}; it should be {about(wanted[()], got[()])}"
    if got.size <= 3:
        return f"is {show(got)}; it should be {show(wanted)}"
    return f"is wrong: {fault}"


def about(wanted: Any, got: Any = math.nan) -> str:
    """A number by as few digits as show how it differs from `got`, and "about" where these are not all."""
    exact = number(wanted)
    if not math.isfinite(wanted) or len(exact) <= 5:
        return exact
    for digits in (2, 4):
        text = f"{wanted:.{digits}g}"
        if not abs(float(text) - wanted) > abs(got - wanted) / 10:
            return f"about {text}"
    return exact if exact != number(got) else repr(float(wanted))


def arrays(
    *,
    dtypes: Sequence[str] = DTYPES,
    shapes: Sequence[tuple[int, ...]] = SHAPES,
    largest: float = 1e4,
) -> SearchStrategy[Any]:
    """NumPy arrays with elements from -largest to largest, without nan. Dtypes and shapes: the simplest first."""
    from hypothesis import strategies as st

    scales = [scale for scale in SCALES if scale < largest]

    @st.composite
    def array(draw: DrawFn) -> Any:
        import numpy as np

        dtype = draw(st.sampled_from(dtypes))
        shape = draw(st.sampled_from(shapes))
        # The widest range first: an example that needs a large number shrinks into it.
        scale = draw(st.sampled_from([largest, *scales]))
        is_whole = dtype.startswith(("int", "uint"))
        elements = integers(scale, signed=not dtype.startswith("uint")) if is_whole else floats(-scale, scale)
        return np.array([draw(elements) for _ in range(math.prod(shape))], dtype=dtype).reshape(shape)

    return array()


def tensors(
    *,
    dtypes: Sequence[str] = DTYPES,
    shapes: Sequence[tuple[int, ...]] = SHAPES,
    largest: float = 1e4,
) -> SearchStrategy[Any]:
    """torch tensors, as `arrays`."""
    import torch

    # An array without axes is read as a scalar by some of NumPy's functions, so not all of them return one.
    return arrays(dtypes=dtypes, shapes=shapes, largest=largest).map(lambda array: torch.from_numpy(array.copy()))


def floats(smallest: float, largest: float) -> SearchStrategy[float]:
    """Numbers that a float32 can hold, without the subnormal ones; they shrink towards whole numbers."""
    from hypothesis import strategies as st

    low, high = _float32_within(smallest, largest)
    return st.floats(low, high, width=32, allow_subnormal=False)


def integers(largest: float, *, signed: bool = True) -> SearchStrategy[int]:
    from hypothesis import strategies as st

    return st.integers(-int(largest) if signed else 0, int(largest))


def _float32_within(smallest: float, largest: float) -> tuple[float, float]:
    """The bounds, moved inwards to numbers that a float32 can hold, as hypothesis insists."""
    import numpy as np

    low, high = np.float32(smallest), np.float32(largest)
    if float(low) < smallest:
        low = np.nextafter(low, np.float32(math.inf))
    if float(high) > largest:
        high = np.nextafter(high, np.float32(-math.inf))
    return float(low), float(high)


class _Enough(BaseException):
    """Ends a search from within. No Exception: hypothesis would take that for one more thing to shrink."""


class _Raise(BaseException):
    """Carries an exception out of a search at once, and unshrunk."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Search:
    """What `hypothesis.find` asks of each example, with a budget from the first failing one on."""

    def __init__(self, fault_of: Callable[[Any], str], max_shrinks: int, max_seconds: float) -> None:
        self.fault_of = fault_of
        self.left = max_shrinks
        self.max_seconds = max_seconds
        self.deadline = math.inf
        self.smallest: Failure | None = None

    def fails(self, example: Any) -> bool:
        if self.smallest is not None:
            self.left -= 1
            if self.left < 0 or time.monotonic() > self.deadline:
                raise _Enough
        try:
            fault = self.fault_of(example)
        except CheckFailed as failed:
            fault = str(failed)
        except StudentError as error:
            if isinstance(error, ENDS):
                raise _Raise(error) from error
            fault = error_text(error)
        except BaseException as error:
            raise _Raise(error) from error
        if not fault:
            return False
        if self.smallest is None:
            self.deadline = time.monotonic() + self.max_seconds
        # Once one has failed, hypothesis tries smaller ones only.
        self.smallest = Failure(example, fault)
        return True


def _find(strategy: SearchStrategy[Any], fails: Callable[[Any], bool], seed: int, max_examples: int) -> None:
    """Try examples until one fails, then ever smaller ones."""
    import hypothesis
    from hypothesis.errors import Flaky, NoSuchExample

    try:
        with _own_constants_only():
            hypothesis.find(strategy, fails, settings=_settings(max_examples), random=Random(seed))
    except (NoSuchExample, Flaky):
        # Flaky: the example does not fail again, because an answer depends on the calls before.
        pass
    except _Raise as carried:
        raise carried.error.with_traceback(None) from None


def _settings(max_examples: int) -> settings:
    from hypothesis import HealthCheck, Phase, Verbosity, settings

    return settings(
        max_examples=max_examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )


@contextlib.contextmanager
def _own_constants_only() -> Iterator[None]:
    """Keep hypothesis from taking examples from the source of whatever modules are loaded.

    The same seed would give other examples from one process to the next, and a folder `.hypothesis` would appear
    where the teacher works. There is no setting for it; where the function has another name, it is left alone.
    """
    from hypothesis.internal.conjecture import providers

    name, kind = "_get_local_constants", getattr(providers, "Constants", None)
    original = getattr(providers, name, None)
    if original is None or kind is None:
        yield
        return
    setattr(providers, name, kind)
    try:
        yield
    finally:
        setattr(providers, name, original)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2


def _change(before: tuple[Any, ...], after: Any) -> str:
    """What became of the arguments of a call, if they changed."""
    if not isinstance(after, tuple) or len(after) != len(before):
        return "changes its arguments"
    for old, new in zip(before, after, strict=True):
        array = as_array(old)
        if array is not None and difference(new, old, rtol=0, atol=0):
            return f"changes its argument in place: {show(old)} became {show(new)}"
    return ""


def _shape(array: Any) -> str:
    return f"the shape {array.shape}" if array.ndim else "a single number (shape ())"


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}…"
