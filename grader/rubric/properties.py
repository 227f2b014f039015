"""Functions tried on many examples beside the reference's, and the simplest call that is wrong told in a line.

Importing this module is cheap; hypothesis, NumPy and torch are imported by those who ask for examples.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from grader.execution.namespace import Namespace
from grader.execution.probe import Crashed, MissingName, StudentError, TimedOut
from grader.rubric.changes import PLAIN, Made, arguments_of, change, has_parts, is_any_made
from grader.rubric.changes import made as made
from grader.rubric.compare import CheckFailed, as_array, difference, matches, number, show

if TYPE_CHECKING:
    from hypothesis import settings
    from hypothesis.strategies import DrawFn, SearchStrategy

T = TypeVar("T")

MAX_EXAMPLES = 30
MAX_SECONDS = 3.0
"""Wall time that may be spent on finding the simplest call that is wrong by itself."""
MAX_REMEMBERED = 16
"""Lists of examples of one strategy that are remembered: with several checks each has a seed of its own."""
MAX_LINE = 160
"""Characters of an argument or an error message that are shown."""

MAX_ELEMENTS = 12
"""Tensors of up to this many values are shown whole."""

SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (3,), (7,), (1, 1), (2, 3), (5, 1), (2, 1, 2), (0,), (0, 2))
"""The simplest first: small examples are drawn more often."""
DTYPES = ("float32", "float64", "int64", "int32")
SCALES = (1e4, 100.0, 4.0)
"""The largest value of an array: most formulas go wrong among small numbers, some only in extremes."""

ENDS = (TimedOut, Crashed, MissingName)
"""Errors after which no other example can be tried."""


# Examples


def examples_of(strategy: SearchStrategy[T], *, seed: int, count: int) -> list[T]:
    """Up to `count` different examples.

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
    import hypothesis
    from hypothesis.errors import NoSuchExample

    examples: list[T] = []

    def collects(example: T) -> bool:
        examples.append(example)
        return False

    with contextlib.suppress(NoSuchExample), _own_constants_only():
        hypothesis.find(strategy, collects, settings=_settings(count), random=Random(seed))
    return examples


def once(make: Callable[[], T]) -> Callable[[], SearchStrategy[T]]:
    """For the fixture `examples`: one example, which `make` makes, from `rng` for instance.

    So it is recorded with the others. Drawn anew on another machine, by another NumPy, it need not be the same.
    """

    def strategy() -> SearchStrategy[T]:
        from hypothesis import strategies as st

        return st.builds(make)

    return strategy


# Calls of the student's function and of the reference's


class Answer(NamedTuple):
    """A call of the student's function: what went in, what came back, and what is right."""

    arguments: tuple[Any, ...]
    result: Any
    right: Any


class Known(NamedTuple):
    """What the reference says of some calls of a function."""

    name: str
    calls: list[tuple[Any, ...]]
    """The arguments of each."""
    right: list[Any]
    mistaken: dict[str, list[Any]]
    """For each common mistake, what it makes of each call; None where a call says nothing about it."""
    parameters: tuple[str, ...] = ()
    changed: list[tuple[Any, Any]] | None = None
    """The arguments before and after each call, where they are such that the reference may change them by design."""


def expect_calls(
    student: Namespace,
    reference: Namespace,
    call: str,
    calls: Sequence[tuple[Any, ...]],
    *,
    right: str = "",
    mistakes: Mapping[str, str] | None = None,
    fault_of: Callable[..., str] | None = None,
    same: Callable[[Any, Any], bool] = matches,
    reason_of: Callable[[list[Answer]], str] = lambda answers: "",
    function: Any = None,
) -> None:
    """Raise CheckFailed unless the student's function does with these arguments what the reference's does.

    `call` is a function with its parameters: "bce_loss(y, y_hat)". See `known_calls` for `right` and `mistakes`, and
    `expect_known` for the others.
    """
    known = known_calls(reference, call, calls, right=right, mistakes=mistakes)
    expect_known(student, known, fault_of=fault_of, same=same, reason_of=reason_of, function=function)


def known_calls(
    reference: Namespace,
    call: str,
    calls: Sequence[tuple[Any, ...]],
    *,
    right: str = "",
    mistakes: Mapping[str, str] | None = None,
) -> Known:
    """Ask the reference about all calls of a function, in one request.

    Where an argument is a dict, or a list of more than numbers, it is also asked what its calls leave of them.
    `right` is an expression of the parameters that the reference is to evaluate in the place of `call` itself.
    `mistakes` are reasons and such expressions: what comes of this mistake, made of right calls. One that is None for
    some arguments says nothing about them.
    """
    name, _, parameters = call.rstrip(")").partition("(")
    mistakes = mistakes or {}
    values = ", ".join(f"({expression})" for expression in (right or call, *mistakes.values()))
    answered = f"(lambda {parameters}: [{values}])(*arguments)"
    changed = None
    if any(has_parts(argument) for arguments in calls for argument in arguments):
        told = _with_changes(reference, answered, calls)
        answers, changed = [answer for answer, *_ in told], [(before, after) for _, before, after in told]
    else:
        answers = reference.eval(f"[{answered} for arguments in check_calls]", check_calls=list(calls))
    columns = [list(column) for column in zip(*answers, strict=True)] or [[] for _ in range(1 + len(mistakes))]
    mistaken = dict(zip(mistakes, columns[1:], strict=True))
    return Known(name, list(calls), columns[0], mistaken, _names_of(parameters), changed)


def _names_of(parameters: str) -> tuple[str, ...]:
    return tuple(part.partition("=")[0].strip() for part in parameters.split(","))


def expect_known(
    student: Namespace,
    known: Known,
    *,
    fault_of: Callable[..., str] | None = None,
    same: Callable[[Any, Any], bool] = matches,
    reason_of: Callable[[list[Answer]], str] = lambda answers: "",
    function: Any = None,
) -> None:
    """Raise CheckFailed, with the simplest call that is wrong, unless the student's function does well on all of them.

    `fault_of(result, right, *arguments)` is "" or what is wrong, to be read after the call: "is 1.0; it should be
    0.5"; by default, what `value_fault` says. A call that changes its arguments, or what they hold, is wrong as well,
    unless they are dicts or lists, and the reference changes the same one. The reason is the
    mistake for which all results are the `same` as what it makes of these calls, or else what `reason_of` says of all
    of them. `function` is called in the place of what has the function's name: a handle of something that wraps it.
    """
    calls = _Calls(student, known, student.get(known.name) if function is None else function, fault_of or _value_fault)
    # All in one request: a right answer, the usual case, costs next to nothing.
    fault, wrong, answers = calls.tried()
    if not fault:
        return
    # The time of one check is short where calls are slow: what is known by now is told in any case.
    with contextlib.suppress(TimedOut, Crashed):
        fault = calls.simplest_fault(wrong, fault)
    reason = _reason(known, answers, same) or reason_of(answers) if answers else ""
    raise CheckFailed(f"{fault}: {reason}" if reason else fault)


def _value_fault(result: Any, right: Any, *arguments: Any) -> str:
    return value_fault(result, right)


def _reason(known: Known, answers: Sequence[Answer], same: Callable[[Any, Any], bool]) -> str:
    """The common mistake that explains all answers, if one does."""
    for reason, values in known.mistaken.items():
        telling = [(answer.result, value) for answer, value in zip(answers, values, strict=True) if value is not None]
        if telling and all(same(result, value) for result, value in telling):
            return reason
    return ""


class _Calls:
    """Calls of one function of the student's, and what is wrong with them."""

    def __init__(self, student: Namespace, known: Known, function: Any, fault_of: Callable[..., str]) -> None:
        self.student = student
        self.known = known
        self.function = function
        self.fault_of = fault_of

    def tried(self) -> tuple[str, list[int], list[Answer]]:
        """Of all calls, one after the other: a fault, the numbers of those that may be wrong, and the answers.

        Without answers where a call raised an error.
        """
        everything = range(len(self.known.calls))
        try:
            results = self.results(everything)
        except StudentError as error:
            raise_if_ended(error)
            return f"{self.known.name} {error_text(error)}", self.simplest_first(everything), []
        answers = [
            Answer(arguments, result, right)
            for arguments, (result, _, _), right in zip(self.known.calls, results, self.known.right, strict=True)
        ]
        faults = [self.fault(number, *result) for number, result in enumerate(results)]
        wrong = self.simplest_first([number for number, fault in enumerate(faults) if fault])
        return faults[wrong[0]] if wrong else "", wrong, answers

    def simplest_fault(self, wrong: Sequence[int], fault: str) -> str:
        """The fault of the first call of these that is wrong by itself; `fault` where there is no time to find it."""
        deadline = time.monotonic() + MAX_SECONDS
        for one in wrong:
            if found := self.fault_of_one(one):
                return found
            if time.monotonic() > deadline:
                return fault
        return f"{fault}, but only after other calls (does it use a global variable?)"

    def simplest_first(self, numbers: Sequence[int]) -> list[int]:
        return sorted(numbers, key=lambda number: _complexity(self.known.calls[number]))

    def fault_of_one(self, one: int) -> str:
        try:
            [(result, before, after)] = self.results([one])
        except StudentError as error:
            raise_if_ended(error)
            return f"{call_text(self.known.name, *self.known.calls[one])} {error_text(error)}"
        return self.fault(one, result, before, after)

    def results(self, numbers: Sequence[int]) -> list[tuple[Any, Any, Any]]:
        """For each call the result, and the arguments as they were and as they are afterwards."""
        calls = [self.known.calls[number] for number in numbers]
        return _with_changes(self.student, "check_function(*arguments)", calls, check_function=self.function)

    def fault(self, one: int, result: Any, before: Any, after: Any) -> str:
        arguments, right = self.known.calls[one], self.known.right[one]
        fault = self.fault_of(result, right, *arguments) or self.change(one, before, after)
        return f"{call_text(self.known.name, *arguments)} {fault}" if fault else ""

    def change(self, one: int, before: Any, after: Any) -> str:
        """What became of the arguments of a call, if they changed."""
        if not (isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and len(before) == len(after)):
            return "changes its arguments"
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            found = change(self.parameter(place), old, new)
            if found and not self.is_meant(one, place):
                became = f"{found.was} became {found.became}" if found.was != found.became else "by a little"
                return f"changes its argument {found.place} in place: {became}"
        return ""

    def parameter(self, place: int) -> str:
        names = self.known.parameters
        plain = len(names) > place and all(map(str.isidentifier, names[: place + 1]))
        return names[place] if plain else f"arguments[{place}]"

    def is_meant(self, one: int, place: int) -> bool:
        """Whether the reference changes this argument, too: then that is what the function is for."""
        if self.known.changed is None:
            return False
        before, after = self.known.changed[one]
        return has_parts(self.known.calls[one][place]) and change("", before[place], after[place]) is not None


def _complexity(arguments: Sequence[Any]) -> tuple[int, int]:
    """How much there is to read in a call: how many numbers, and how long it is."""
    return sum(map(_count, arguments)), len(call_text("", *arguments))


def _count(value: Any) -> int:
    if isinstance(value, Made):
        return sum(map(_count, value.values.values()))
    array = as_array(value)
    # What an empty array gives surprises those who look for their mistake.
    return 1 if array is None else array.size or MAX_ELEMENTS


# Words


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
    if tensor.ndim > 1 and not tensor.numel():
        # No list has this shape.
        return f"torch.zeros({', '.join(map(str, tensor.shape))}{dtype})"
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


# Strategies


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


def _settings(max_examples: int) -> settings:
    from hypothesis import HealthCheck, Phase, Verbosity, settings

    return settings(
        max_examples=max_examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
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


def _with_changes(
    namespace: Namespace, answered: str, calls: Sequence[tuple[Any, ...]], **values: Any
) -> list[tuple[Any, Any, Any]]:
    """For each call what `answered` gives, and the arguments as they were and as they are afterwards."""
    arguments, check_calls = arguments_of(calls)
    source, count = f"({answered}, arguments)", 2
    if is_any_made(calls):
        # An object stays where it is: what it holds is looked at there.
        namespace.exec(PLAIN)
        source, count = f"(list(map(check_plain, arguments)), {answered}, list(map(check_plain, arguments)))", 3
    answers = namespace.eval(f"[{source} for arguments in {arguments}]", check_calls=check_calls, **values)
    if not (isinstance(answers, list) and len(answers) == len(calls) and all(_is_tuple(one, count) for one in answers)):
        raise Crashed("Crash", "the code answered with something unreadable")
    if count == 3:
        return [(result, before, after) for before, result, after in answers]
    return [(result, before, after) for (result, after), before in zip(answers, calls, strict=True)]


def _is_tuple(value: Any, length: int) -> bool:
    return isinstance(value, tuple) and len(value) == length


def _shape(array: Any) -> str:
    return f"the shape {array.shape}" if array.ndim else "a single number (shape ())"


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}…"
