"""The checks of a rubric, found and validated by pytest's own collection."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest
from _pytest.config import _prepareconfig

from grader.assignment.assignment import Assignment, Check, RubricError
from grader.faults import did_you_mean, shown
from grader.results.results import Feedback

MARK = "question"
FORM = '@pytest.mark.question("1.3.a", points=1)'
OPTIONS: dict[str, tuple[Callable[[object], bool], str]] = {
    "points": (lambda value: isinstance(value, (int, float)) and not isinstance(value, bool), "a number, such as 0.5"),
    "public": (lambda value: isinstance(value, bool), "True or False"),
    "feedback": (lambda value: value in get_args(Feedback), '"full" or "outcome"'),
}
"""The arguments of a mark beside the question: what they may be, and that in words."""
NO_CONFIGURATION = Path(__file__).with_name("checks.ini")
"""In the place of whatever configuration is around a rubric's folder. pytest insists on a file, on Windows too."""


def files_of(checks: Iterable[Check]) -> list[str]:
    """The files that these checks are in, from the rubric's folder."""
    return list(dict.fromkeys(check.name.partition("::")[0] for check in checks))


def check_of(item: pytest.Item) -> Check | None:
    """The check that a test belongs to; None where its mark is missing or malformed.

    `feedback` is what the mark says of it, and *full* where it says nothing.
    """
    mark, own = _mark(item)
    if mark is None or _faults_of_mark(mark):
        return None
    return Check(
        name=item.nodeid if own else _function(item),
        question=mark.args[0],
        points=float(mark.kwargs.get("points", 1)),
        title=title_of(item),
        public=mark.kwargs.get("public", False),
        feedback=mark.kwargs.get("feedback", "full"),
    )


def _mark(item: pytest.Item) -> tuple[pytest.Mark | None, bool]:
    """The mark that counts for a test, and whether it is that of a case alone."""
    # A case's own mark stands behind that of its function in pytest's order, and is the nearer one all the same.
    own = [mark for mark in getattr(getattr(item, "callspec", None), "marks", ()) if mark.name == MARK]
    return (own[0], True) if own else (item.get_closest_marker(MARK), False)


def _faults_of_mark(mark: pytest.Mark) -> list[str]:
    """What is wrong with the arguments of a mark, each in words that follow the name of the test."""
    faults = []
    if len(mark.args) != 1:
        given = ", ".join(map(repr, mark.args)) or "none"
        faults.append(f"its mark needs the id of one question, and has {given}: {FORM}")
    elif not isinstance(mark.args[0], str):
        faults.append(f'its mark has {mark.args[0]!r} for the id of a question, which is a text such as "1.3.a"')
    for name, value in mark.kwargs.items():
        if name not in OPTIONS:
            faults.append(f"its mark has no argument {name!r}{did_you_mean(name, OPTIONS)}")
        elif not OPTIONS[name][0](value):
            faults.append(f"its mark has {name}={value!r}; it is {OPTIONS[name][1]}")
    return faults


def _function(item: pytest.Item) -> str:
    """The name of a test without its case; both may have brackets of their own."""
    parent = item.parent.nodeid if item.parent is not None else ""
    return f"{parent}::{getattr(item, 'originalname', item.name)}"


def title_of(item: pytest.Item) -> str:
    """The first paragraph of the docstring, on one line."""
    text = inspect.getdoc(getattr(item, "function", None)) or ""
    return " ".join(text.partition("\n\n")[0].split())


def load_checks(assignment: Assignment) -> tuple[Check, ...]:
    """All checks of the rubric, in order. RubricError names every fault at once."""
    collection = _Collection(assignment.folder)
    run_pytest(assignment.folder, [collection], "--collect-only")
    faults = list(collection.faults)
    checks: dict[str, Check] = {}
    for item in collection.items:
        faults += _faults_of_item(item, assignment.folder)
        check = check_of(item)
        if check is not None:
            checks[check.name] = _with_feedback(check, item, assignment)
    faults += _faults_of_checks(assignment, checks.values())
    if not collection.faults:
        # The checks of a file that cannot be imported are not known: nothing adds up without them.
        faults += _faults_of_points(assignment, checks.values())
    if faults:
        raise RubricError(list(dict.fromkeys(faults)))
    return tuple(checks.values())


def _with_feedback(check: Check, item: pytest.Item, assignment: Assignment) -> Check:
    """The check with what the rubric says of all hidden ones, where its own mark says nothing."""
    mark, _ = _mark(item)
    if check.public or mark is None or "feedback" in mark.kwargs:
        return check
    return msgspec.structs.replace(check, feedback=assignment.hidden_feedback)


def run_pytest(folder: Path, plugins: list[object], *options: str) -> None:
    """Run pytest on a rubric folder, in this process and without its terminal report.

    No configuration of a project around the folder applies, and no plugin that happens to be installed.
    What ends pytest itself is raised again, KeyboardInterrupt for one, which pytest would swallow.
    """
    end = _End()
    text = io.StringIO()
    with _Apart(folder).in_place(), contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = pytest.main([*_arguments(folder), *options], plugins=[*plugins, end])
    if isinstance(end.error, (SystemExit, pytest.exit.Exception)):
        raise _ends_the_program(folder, end.error)
    if end.error is not None:
        raise end.error
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        raise _cannot_be_read(folder, text)


def _arguments(folder: Path, files: Iterable[str] = ()) -> list[str]:
    return [
        *([str(folder / file) for file in files] or [str(folder)]),
        f"--rootdir={folder}",
        f"--confcutdir={folder}",
        f"--config-file={NO_CONFIGURATION}",
        "--import-mode=importlib",
        "--capture=no",
        "--disable-warnings",
        *(
            "-p no:" + name
            for name in (
                "cacheprovider",
                # It would have debuggers call pytest, as long as the session lasts.
                "debugging",
                "junitxml",
                "doctest",
                "pastebin",
                "faulthandler",
                "logging",
                "unraisableexception",
                "threadexception",
                # Its filters would be those of the whole process.
                "warnings",
            )
        ),
    ]


def _ends_the_program(folder: Path, error: BaseException) -> RubricError:
    return RubricError([f"{shown(folder)}: a check file ends the program ({_place(error, folder)})"])


def _cannot_be_read(folder: Path, text: io.StringIO) -> RubricError:
    return RubricError([f"{shown(folder)}: the checks cannot be read: {_last_word(text.getvalue())}"])


class Collected:
    """pytest's session on a rubric folder, as it is after the collection: its items can be run until it is closed.

    pytest itself would end the session when it has run them once. What it, and what checks, change in this process
    is in place only where it is asked for.
    """

    def __init__(self, folder: Path, plugins: list[object], files: Iterable[str] = ()) -> None:
        """Collect the checks, of these files or of all. RubricError: it is not possible (`load_checks` says more)."""
        self.apart = _Apart(folder)
        self.config: pytest.Config | None = None
        self.started = False
        text = io.StringIO()
        try:
            with self.apart.in_place(), contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
                self.config = _prepareconfig(_arguments(folder, files), plugins)
                self.session = pytest.Session.from_config(self.config)
                self.config._do_configure()
                self.started = True
                self.config.hook.pytest_sessionstart(session=self.session)
                self.config.hook.pytest_collection(session=self.session)
        except BaseException as error:
            self.close()
            if isinstance(error, (SystemExit, pytest.exit.Exception)):
                raise _ends_the_program(folder, error) from None
            if isinstance(error, (pytest.UsageError, pytest.Session.Failed)):
                raise _cannot_be_read(folder, text) from None
            raise
        if self.session.testsfailed:
            self.close()
            raise RubricError([f"{shown(folder)}: the checks cannot be read any more; did they change?"])

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Where the items can be run; what they print is dropped."""
        text = io.StringIO()
        with self.apart.in_place(), contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            yield

    def close(self) -> None:
        """End pytest's session, as it does itself."""
        if self.config is not None:
            config, self.config = self.config, None
            with self.in_place():
                try:
                    if self.started:
                        config.hook.pytest_sessionfinish(session=self.session, exitstatus=pytest.ExitCode.OK)
                finally:
                    config._ensure_unconfigure()


class _Apart:
    """Checks import the modules beside them; two rubrics may both have a module `helpers`: none is left behind.

    Nor is anything else that belongs to the checks, but it is there again the next time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, ModuleType] = {}
        self.finders: list[Any] = []
        """pytest's, which rewrites assert statements at import."""

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            patch.delenv("PYTEST_ADDOPTS", raising=False)
            patch.delenv("PYTEST_PLUGINS", raising=False)
            folder, path, finders, before = Path.cwd(), list(sys.path), list(sys.meta_path), sys.modules.copy()
            sys.path.insert(0, str(self.folder))
            sys.meta_path[:0] = self.finders
            sys.modules.update(self.modules)
            try:
                yield
            finally:
                os.chdir(folder)
                sys.path[:] = path
                self.finders = [finder for finder in sys.meta_path if finder not in finders]
                sys.meta_path[:] = finders
                self.take_modules(before)

    def take_modules(self, before: dict[str, ModuleType]) -> None:
        # A copy in one step: whatever is finalised meanwhile may import something.
        for name, module in sys.modules.copy().items():
            file = getattr(module, "__file__", None)
            if module is not before.get(name) and file is not None and Path(file).is_relative_to(self.folder):
                self.modules[name] = sys.modules.pop(name)
                if name in before:
                    sys.modules[name] = before[name]


class _End:
    """Remembers what ended pytest before its time."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # After faults of collection pytest interrupts itself: they are known already.
        if not isinstance(excinfo.value, pytest.Session.Interrupted):
            self.error = excinfo.value

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        self.error = excinfo.value
        return True


def _last_word(text: str) -> str:
    """Of what pytest prints about an error, the line that says which."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("E") for line in lines if line.startswith("E  ")]
    return (errors or lines or ["pytest does not say why"])[-1].strip()[:500]


def _place(error: BaseException, folder: Path) -> str:
    """Where in the rubric an exception came from: `line 3: NameError: ...`."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(folder)]
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    return f"line {lines[-1]}: {what}" if lines else what


class _Collection:
    """Keeps what pytest collects, and what it could not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.items: list[pytest.Item] = []
        self.faults: list[str] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        register_mark(config)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.faults.append(f"{shown(self.folder / report.nodeid)}: is skipped as a whole")

    def pytest_exception_interact(
        self, node: pytest.Collector, call: pytest.CallInfo[object], report: pytest.CollectReport
    ) -> None:
        assert call.excinfo is not None
        # pytest raises an error of its own, with a long text, from the one that says what is wrong.
        error = call.excinfo.value.__cause__ or call.excinfo.value
        self.faults.append(f"{shown(self.folder / node.nodeid)}: cannot be imported: {_place(error, self.folder)}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items

    # The names that a check may ask for; run_checks has the fixtures themselves.
    @pytest.fixture
    def student(self) -> None: ...
    @pytest.fixture
    def reference(self) -> None: ...
    @pytest.fixture
    def seed(self) -> None: ...
    @pytest.fixture
    def rng(self) -> None: ...
    @pytest.fixture
    def examples(self) -> None: ...


def register_mark(config: pytest.Config) -> None:
    what = "question, worth and audience of a check, and what students are told of it"
    config.addinivalue_line("markers", f'{MARK}(id, points=1, public=False, feedback="full"): {what}')


def _faults_of_item(item: pytest.Item, folder: Path) -> list[str]:
    where = shown(folder / _function(item))
    faults = []
    mark, own = _mark(item)
    if mark is None:
        others = difflib.get_close_matches(MARK, [other.name for other in item.iter_markers()])
        has = f", and has one called {others[0]!r}" if others else ""
        faults.append(f"{where}: needs a mark of the form {FORM}{has}")
    else:
        named = shown(folder / item.nodeid) if own else where
        faults += [f"{named}: {fault}" for fault in _faults_of_mark(mark)]
    if not title_of(item):
        faults.append(f"{where}: needs a docstring; it is what the student reads")
    info: Any = getattr(item, "_fixtureinfo", None)
    for name in info.names_closure if info is not None else ():
        if name not in info.name2fixturedefs and name != "request":
            faults.append(
                f"{where}: there is no fixture {name!r}; "
                "the rubric's own are student, reference, examples, seed and rng"
            )
    # Else pytest would fail the check: the student would lose points for a mistake of the rubric's.
    definitions = {name: found[-1] for name, found in info.name2fixturedefs.items()} if info is not None else {}
    for name, definition in definitions.items():
        for used in definition.argnames if definition.scope != "function" else ():
            if used in definitions and definitions[used].scope == "function":
                faults.append(
                    f"{where}: the fixture {name!r} has the scope {definition.scope!r} and cannot use {used!r}, "
                    "which is made again for each check"
                )
    return faults


def _faults_of_checks(assignment: Assignment, checks: Iterable[Check]) -> list[str]:
    faults = []
    known = {question.id: question for question in assignment.questions}
    for check in checks:
        where = shown(assignment.folder / check.name)
        if check.question not in known:
            faults.append(
                f"{where}: there is no question {check.question} in rubric.toml{did_you_mean(check.question, known)}"
            )
        elif known[check.question].kind == "text":
            faults.append(f"{where}: question {check.question} is a text, marked by a person: it can have no checks")
        if not check.points >= 0 or (check.points * 2) % 1:
            faults.append(f"{where}: {check.points:g} points; points are not negative, in steps of 0.5")
    return faults


def _faults_of_points(assignment: Assignment, checks: Iterable[Check]) -> list[str]:
    faults = []
    sums: dict[str, float] = {}
    for check in checks:
        sums[check.question] = sums.get(check.question, 0.0) + check.points
    path = shown(assignment.folder / "rubric.toml")
    for question in assignment.questions:
        if question.kind != "code":
            continue
        if question.id not in sums:
            faults.append(f"{path}: question {question.id} has no checks")
        elif sums[question.id] != question.points:
            faults.append(
                f"{path}: question {question.id} is worth {question.points:g} points "
                f"but its checks add up to {sums[question.id]:g}"
            )
    return faults
