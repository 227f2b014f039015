"""Running the checks of a rubric on notebooks, and carrying errors forward."""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
import pytest
from _pytest.runner import runtestprotocol

from grader.assignment.assignment import Assignment, Check, Question
from grader.execution.namespace import Namespace
from grader.execution.owntime import Elsewhere
from grader.execution.seeds import seed_of
from grader.results.results import CheckResult, CheckStatus
from grader.rubric.checks import Collected, check_of, register_mark
from grader.rubric.outcomes import Outcome, outcome_of

if TYPE_CHECKING:
    import numpy
    from hypothesis.strategies import SearchStrategy

    from grader.rubric.overtime import Overtime

Examples = Callable[..., list[Any]]

SEVEREST_FIRST: tuple[CheckStatus, ...] = ("failed", "review", "missing", "passed")
"""Of the cases of one check: one that clearly failed decides, whatever is unclear elsewhere."""


class Notebooks(Protocol):
    """Where namespaces come from; grading has one for each submission."""

    def student(self, question: str, seed: int, carry: Sequence[Question]) -> Namespace:
        """The submission at this question; with `carry`, after the names of these questions are the reference's."""
        ...

    def reference(self, question: str, seed: int) -> Namespace: ...

    def carried_names(self, question: str, lost: Sequence[Question]) -> list[str]:
        """Those names of the questions `lost` that `student(question, ...)` would replace."""
        ...

    def is_missing(self, question: str) -> bool: ...

    def name_cell(self, file: str) -> str: ...

    def drawn(self, case: str, number: int, draw: Callable[[], list[Any]]) -> list[Any]:
        """The examples that `draw` draws: the `number`-th time (from 0) that this case of a check asks for some.

        `case` is pytest's name of it. Where they were recorded, they are not drawn again.
        """
        ...


class Submission(Notebooks, Protocol):
    """A notebook that is graded as a whole."""

    def expect_last(self, question: str, lost: Sequence[Question]) -> None:
        """Be told that the next check is the last of this question's.

        Only if one of the earlier questions `lost` has lost points may it be asked again, with those put right.
        """
        ...


class CheckSession:
    """The checks of a rubric, collected once and run for one submission after another.

    What a check's module keeps in its own variables lasts as long; fixtures, those of a module or of the session too,
    are set up anew for each check, and `student` is none that they could ask for.
    """

    def __init__(self, assignment: Assignment, files: Sequence[str] = (), overtime: Overtime | None = None) -> None:
        """Of all files of checks, or where no others are asked for, of these `files`.

        Without `overtime`, a check's own code may take as long as it likes.
        """
        self.assignment = assignment
        self.files = files
        self.overtime = overtime
        self.opened: tuple[Checker, Collected] | None = None

    def grade(self, checks: Sequence[Check], notebook: Submission, seed: int) -> dict[str, list[CheckResult]]:
        """The results of all checks by question. Raises SandboxError: then nothing is known, and all is to be repeated.

        Raises RubricError where the checks cannot be collected any more.
        """
        with self.checker() as checker:
            return checker.grade(checks, notebook, seed)

    def open(self) -> None:
        """Collect the checks now, and not when they are first needed. Raises RubricError."""
        with self.checker():
            pass

    @contextlib.contextmanager
    def checker(self) -> Iterator[Checker]:
        """The checks, for as long as the process is set up for them."""
        if self.opened is None:
            checker = Checker(self.assignment, self.overtime)
            self.opened = checker, Collected(self.assignment.folder, [checker], self.files)
        checker, collected = self.opened
        try:
            with collected.in_place():
                yield checker
        except BaseException:
            # Whatever was going on in it, the next notebook gets a new one.
            self.close()
            raise

    def close(self) -> None:
        if self.opened is not None:
            _, collected = self.opened
            self.opened = None
            collected.close()


def with_checks(assignment: Assignment, use: Callable[[Checker], None], overtime: Overtime | None = None) -> None:
    """Have pytest collect the rubric's checks, and `use` them; all that is raised comes out."""
    session = CheckSession(assignment, overtime=overtime)
    try:
        with session.checker() as checker:
            use(checker)
    finally:
        session.close()


def _nothing() -> None: ...


class Checker:
    """The pytest plugin of a session: fixtures, the loop over the checks, their outcomes."""

    notebooks: Notebooks
    run_seed: int

    def __init__(self, assignment: Assignment, overtime: Overtime | None = None) -> None:
        self.assignment = assignment
        self.overtime = overtime
        self.carry: Sequence[Question] = ()
        self.items: dict[str, list[pytest.Item]] = {}
        self.error: BaseException | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        register_mark(config)

    @pytest.fixture
    def seed(self, request: pytest.FixtureRequest) -> int:
        return seed_of(self.run_seed, self.check(request).name)

    @pytest.fixture
    def rng(self, seed: int) -> numpy.random.Generator:
        import numpy

        return numpy.random.default_rng(seed)

    @pytest.fixture
    def examples(self, request: pytest.FixtureRequest, seed: int) -> Examples:
        """`examples(strategy)`: up to 30 examples; `strategy` is a function that makes a strategy of hypothesis'."""
        from grader.rubric.properties import MAX_EXAMPLES, examples_of

        numbers = itertools.count()

        def examples(strategy: Callable[[], SearchStrategy[Any]], count: int = MAX_EXAMPLES) -> list[Any]:
            def draw() -> list[Any]:
                return examples_of(strategy(), seed=seed, count=count)

            return self.notebooks.drawn(request.node.nodeid, next(numbers), draw)

        return examples

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest, seed: int) -> Iterator[Namespace]:
        question = self.assignment.question(self.check(request).question)
        with Elsewhere():
            namespace = self.notebooks.student(question.id, seed, self.carry)
        namespace._require_functions(one.name for one in question.definitions if one.parameters is not None)
        yield namespace
        namespace._close()

    @pytest.fixture
    def reference(self, request: pytest.FixtureRequest, seed: int) -> Iterator[Namespace]:
        namespace = self.notebooks.reference(self.check(request).question, seed)
        yield namespace
        namespace._close()

    def check(self, request: pytest.FixtureRequest) -> Check:
        check = check_of(request.node)
        assert check is not None  # load_checks has refused a rubric with such a test
        return check

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            check = check_of(item)
            assert check is not None
            self.items.setdefault(check.name, []).append(item)

    def grade(self, checks: Sequence[Check], notebooks: Submission, seed: int) -> dict[str, list[CheckResult]]:
        """Run all checks on one notebook, then those that failed once more with earlier errors put right."""
        results: dict[str, list[CheckResult]] = {question.id: [] for question in self.assignment.questions}
        last = {check.question: check for check in checks}
        for check in checks:
            before_last = _nothing
            if check is last[check.question]:
                # Of those questions that are not asked yet, no points are known: they count as lost.
                before_last = functools.partial(
                    notebooks.expect_last, check.question, self.lost(check.question, results)
                )
            results[check.question].append(self.result(check, notebooks, seed, before_last))
        # The reference's code enters the sandbox only now that everything has been asked without it.
        for question in self.assignment.questions:
            self.carry_forward(question, checks, notebooks, results)
        return results

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """Keep the error itself. pytest's own report would take longer to write than most checks to run."""
        if call.excinfo is not None and self.error is None:
            self.error = call.excinfo.value
        assert call.when != "collect"
        outcome: Literal["passed", "failed"] = "passed" if call.excinfo is None else "failed"
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, None, call.when)

    def lost(self, question: str, results: Mapping[str, Sequence[CheckResult]]) -> list[Question]:
        """The questions that this one builds on and that have lost points."""
        ancestors = self.assignment.ancestors(question)
        return [earlier for earlier in ancestors if _has_lost(earlier, results[earlier.id])]

    def result(
        self, check: Check, notebooks: Notebooks, seed: int, before_last: Callable[[], None] = _nothing
    ) -> CheckResult:
        """Run one check on a notebook. `before_last` is called before the last of its cases."""
        self.notebooks, self.run_seed = notebooks, seed
        start = time.perf_counter()
        if self.notebooks.is_missing(check.question):
            outcome = Outcome("missing", "No answer was found.")
        else:
            outcome = self.run(check, before_last)
        return CheckResult(
            name=check.name,
            title=check.title,
            points=_points(outcome, check),
            max_points=check.points,
            status=outcome.status,
            message=outcome.message,
            detail=outcome.detail,
            broken=outcome.broken,
            feedback=check.feedback,
            seconds=time.perf_counter() - start,
        )

    def run(self, check: Check, before_last: Callable[[], None] = _nothing) -> Outcome:
        """The severest outcome of the check's cases, with the message of the first of these."""
        *cases, last = self.items[check.name]
        with contextlib.nullcontext() if self.overtime is None else self.overtime.of_check(check.name):
            outcomes = [self.run_item(item, check) for item in cases]
            before_last()
            outcomes.append(self.run_item(last, check))
        severest = min(outcomes, key=lambda outcome: SEVEREST_FIRST.index(outcome.status))
        broken = next((outcome for outcome in outcomes if outcome.broken), None)
        if broken is None or severest.broken:
            return severest
        # A case that failed decides; that another one is broken is for staff to know all the same.
        return msgspec.structs.replace(severest, broken=broken.broken, detail=broken.detail)

    def run_item(self, item: pytest.Item, check: Check) -> Outcome:
        if self.overtime is not None and check.name in self.overtime.broken:
            return self.overtime.outcome(check.name)
        self.error = None
        # Needed for the second run of an item; harmless before the first.
        item._initrequest()  # type: ignore[attr-defined]
        if self.overtime is None:
            self.run_protocol(item)
        elif not self.overtime.run(check.name, lambda: self.run_protocol(item)):
            # What it has set up is still to be torn down; perhaps it was in the middle of that.
            with contextlib.suppress(Exception):
                self.overtime.run(check.name, lambda: item.session._setupstate.teardown_exact(None))
            _forget_fixtures(item)
            if not isinstance(self.error, KeyboardInterrupt):
                return self.overtime.outcome(check.name, self.error)
        return outcome_of(self.error, check.title, self.notebooks.name_cell, self.assignment.folder)

    def run_protocol(self, item: pytest.Item) -> None:
        try:
            runtestprotocol(item, nextitem=None, log=False)
        except pytest.exit.Exception as error:
            # A check that ends the session ends itself alone; what it has set up is still to be torn down.
            self.error = error
            item.session._setupstate.teardown_exact(None)

    def carry_forward(
        self,
        question: Question,
        checks: Sequence[Check],
        notebooks: Submission,
        results: Mapping[str, Sequence[CheckResult]],
    ) -> None:
        """Run the failed checks again with the reference's functions for earlier questions that lost points."""
        lost = self.lost(question.id, results)
        if notebooks.is_missing(question.id):
            return
        names = notebooks.carried_names(question.id, lost)
        if not names:
            # The same once more would only be a second chance.
            return
        self.carry = lost
        failed = [result for result in results[question.id] if result.status == "failed"]
        for result in failed:
            check = next(check for check in checks if check.name == result.name)
            before_last = _nothing
            if result is failed[-1]:
                before_last = functools.partial(notebooks.expect_last, question.id, ())
            start = time.perf_counter()
            outcome = self.run(check, before_last)
            result.seconds += time.perf_counter() - start
            if outcome.status == "passed":
                result.status, result.points = "carried forward", check.points
                result.message = _carried(lost, names)
            elif outcome.status == "review":
                result.status, result.points = "review", None
                result.message, result.detail, result.broken = outcome.message, outcome.detail, outcome.broken
        self.carry = ()


def _forget_fixtures(item: pytest.Item) -> None:
    """What is not torn down would be the next check's, `student` too."""
    item.session._setupstate.stack.clear()
    # The dictionary that pytest keeps its definitions in for this item, with those that it has asked for by name.
    info: Any = item._fixtureinfo  # type: ignore[attr-defined]
    for definitions in info.name2fixturedefs.values():
        for definition in definitions:
            definition.cached_result = None
            definition._finalizers.clear()


def _has_lost(question: Question, results: Sequence[CheckResult]) -> bool:
    """Whether points are missing, also those that a person may still give."""
    if question.kind == "text":
        return False
    return sum(result.points or 0.0 for result in results) < question.points


def _points(outcome: Outcome, check: Check) -> float | None:
    if outcome.status == "review":
        return None
    return check.points if outcome.status == "passed" else 0.0


def _carried(lost: Sequence[Question], names: Sequence[str]) -> str:
    ids = ", ".join(question.id for question in lost)
    replaced = ", ".join(f"`{name}`" for name in names)
    return (
        f"This works once the mistake in {ids} is corrected (tried with the reference's {replaced}), "
        "so it costs no points here."
    )
