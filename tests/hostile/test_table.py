"""Nobody gains anything by an attack, nobody else loses anything by it, and the worker goes on."""

from __future__ import annotations

import ctypes
import gc
import shutil
import signal
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import psutil
import pytest
from hostile.entry import ALL, Hostile
from hostile.table import TABLE
from marks.small_class import fill_in, marked
from notebooks import MINI, mini_notebook
from report.conftest import Page
from report.test_hostile import faults
from sites.downloads import JANE, RAVI, moodle_folder

from grader.assignment.assignment import Assignment, Limits, load_assignment
from grader.execution import runner
from grader.grading.submission import Graded, Grader
from grader.marks.apply import apply
from grader.marks.template import template
from grader.report.render import render_submission
from grader.report.store import write_pages
from grader.results.results import QuestionResult
from grader.sites.importing import import_download

MIB = 2**20
GROWTH = 300 * MIB
"""Of this process over a family. An answer that says it is a tensor has torch imported here, which takes 180 of these."""
SECONDS = 240
"""Wall time after which an attack counts as one that does not end."""
CANARY = "canary-3b1f0c9e"
"""Stands in all that no notebook is to see; and is in the name of every file that an attack writes."""
RESTARTS = 2
MOST_RUNS = 2 * RESTARTS + 2
"""One, one for each cell that is left out, and a second try where the machine may have been to blame."""
RIGHT = nbformat.writes(mini_notebook()).encode()
QUESTIONS = ("1.1.a", "1.1.b", "1.1.c")
OUTSIDE = [Path(name) for name in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/etc", "/dev/mqueue", "/")]


def lowered(limits: Limits) -> Limits:
    return msgspec.structs.replace(
        limits,
        cell_cpu_seconds=1,
        cell_wall_seconds=6,
        check_cpu_seconds=1,
        check_wall_seconds=6,
        memory_bytes=1500 * 10**6,
        total_memory_bytes=1500 * 10**6,
        processes=64,
        disk_bytes=64 * MIB,
        restarts=RESTARTS,
    )


class Worker:
    """One worker for the whole table, and what is counted of its work."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.runs = 0
        self.start()

    def start(self) -> None:
        self.grader = Grader(self.assignment, seed=1)
        self.grader.__enter__()
        ask = self.grader.sandbox.ask

        def counted(do: str, **arguments: Any) -> Any:
            self.runs += do == "kernel"
            return ask(do, **arguments)

        self.grader.sandbox.ask = counted  # type: ignore[method-assign]

    def stop(self) -> None:
        self.grader.__exit__(None, None, None)

    def grade(self, notebook: bytes, name: str) -> Graded:
        self.runs = 0
        return self.grader.grade_bytes(notebook, name, f"{name}.ipynb")

    @property
    def zygote(self) -> int:
        """The process as seen from outside; 0 where it is gone."""
        process = self.grader.sandbox.process
        return process.pid if process is not None and self.grader.sandbox.alive else 0


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    assignment = load_assignment(MINI)
    assignment = msgspec.structs.replace(assignment, limits=lowered(assignment.limits))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "GRACE_CPU_SECONDS", 0.5)
        patch.setattr(runner, "GRACE_WALL_SECONDS", 3.0)
        patch.setenv("GRADER_SECRET", CANARY)
        # What the harness itself leaves in a temporary folder is there to be seen.
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        worker = Worker(assignment)
        yield worker
        worker.stop()


@pytest.fixture(scope="module")
def family(request: pytest.FixtureRequest, worker: Worker) -> Iterator[str]:
    """The memory of this process, its descriptors and the files outside are as they were, after a whole family."""
    worker.grade(RIGHT, "before")
    process = psutil.Process()
    memory, descriptors, files = resident(), process.num_fds(), files_outside()
    yield request.param
    assert resident() - memory < GROWTH
    assert process.num_fds() - descriptors < 20
    assert files_outside() == files


def resident() -> int:
    """The memory of this process, without what is free and was not given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def files_outside() -> dict[str, object]:
    """What an attack could have changed: the rubric and the harness, and what is called as attacks call their files."""
    root = Path(__file__).resolve().parents[2]
    own = [path for folder in (MINI, root / "grader") for path in folder.rglob("*") if "__pycache__" not in path.parts]
    own += [root, Path.cwd(), *Path(tempfile.gettempdir()).glob("*")]
    found: dict[str, object] = {str(path): path.stat().st_mtime_ns for path in own if path.is_file()}
    for folder in [*OUTSIDE, Path.home(), Path.cwd()]:
        try:
            found |= {str(path): True for path in folder.iterdir() if CANARY in path.name}
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def end(worker: Worker) -> Iterator[None]:
    """Everything ends: what does not is broken off in the middle, and leaves the worker to nobody."""
    broken_off = False

    def give_up(number: int, frame: object) -> None:
        nonlocal broken_off
        broken_off = True
        pytest.fail(f"did not end within {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    if broken_off:
        worker.stop()
        worker.start()


def points(question: QuestionResult) -> float | str | None:
    """As the table writes them: in review where nothing is lost, and not everything is given."""
    open_ones = [check for check in question.checks if check.points is None]
    if open_ones and all(check.points in (None, check.max_points) for check in question.checks):
        return "review"
    return question.points


def agree(got: Any, wanted: Any, most: float) -> bool:
    allowed = {"kept": ("review", most), "lost": ("review", 0), "any": (got,)}
    return got in allowed.get(wanted, (wanted,))


def told(graded: Graded) -> str:
    """What is to be seen of a grading where it went otherwise."""
    result = graded.result
    lines = [f"{result.status}: {result.message}", *result.notes, result.detail]
    for question in result.questions:
        lines += [f"{question.id}: {question.status}, {question.points}", *question.notes]
        lines += [f"    {check.name} {check.status} {check.message} {check.detail}" for check in question.checks]
    return "\n".join(line for line in lines if line)


def expect(graded: Graded, gets: tuple[Any, ...]) -> None:
    result = graded.result
    assert result.status == "graded", told(graded)
    found = [result.question(id) for id in QUESTIONS]
    got = tuple(points(question) for question in found)
    ok = all(agree(each, wanted, q.max_points) for each, wanted, q in zip(got, gets, found, strict=True))
    assert ok, f"{got} instead of {gets}\n{told(graded)}"


def entries(*families: str) -> list[Any]:
    rows = [(family, name, TABLE[family][name]) for family in families for name in TABLE[family]]
    return [pytest.param(family, row, id=f"{family}-{name}") for family, name, row in rows]


@pytest.mark.parametrize(
    ("family", "row"),
    entries("in-process", "kernel", "resources", "leaks", "reports"),
    indirect=["family"],
    scope="module",
)
def test_a_hostile_notebook(worker: Worker, family: str, row: Hostile) -> None:
    before = worker.zygote
    graded = worker.grade(nbformat.writes(row.what()).encode(), "hostile")
    assert worker.runs <= MOST_RUNS, told(graded)
    expect(graded, row.gets)
    page = render_submission(worker.assignment, graded.result, graded.notebook)
    assert faults(Page(page)) == []
    assert CANARY not in page
    innocent = worker.grade(RIGHT, "innocent")
    assert (innocent.result.code_points, innocent.result.notes) == (4.5, []), told(innocent)
    assert row.replaced or worker.zygote == before != 0, "the sandbox was replaced"


@pytest.mark.parametrize(("family", "row"), entries("archives"), indirect=["family"], scope="module")
def test_a_hostile_download(worker: Worker, family: str, row: Hostile, tmp_path: Path) -> None:
    download = tmp_path / "download.zip"
    with zipfile.ZipFile(download, "w") as archive:
        row.what(archive)
        archive.writestr(f"{moodle_folder(JANE)}/homework.ipynb", RIGHT)
    folder = tmp_path / "submissions"
    hand_ins = import_download("moodle", download, folder, assignment=worker.assignment).classlist.hand_ins
    assert {path.resolve().parent for path in tmp_path.rglob(f"*{CANARY}*")} <= {folder / "kept"}
    graded = {}
    for hand_in in hand_ins:
        notebook = folder / f"{hand_in.submission}.ipynb"
        if notebook.is_file():
            graded[hand_in.person] = worker.grader.grade(notebook, hand_in.submission)
    expect(graded[JANE.name], ALL)
    if RAVI.name in graded:
        if graded[RAVI.name].result.status == "graded":
            expect(graded[RAVI.name], row.gets)
    else:
        assert set(row.gets) <= {None, "any"}


@pytest.fixture(scope="module")
def marking(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of two right notebooks, and the score file of the second, with a mark in it."""
    folder = tmp_path_factory.mktemp("marking")
    for name in ("hostile", "innocent"):
        graded = worker.grade(RIGHT, name)
        graded.result.root, graded.result.source = str(folder), f"{name}.ipynb"
        report = render_submission(worker.assignment, graded.result, graded.notebook)
        write_pages(folder / "results", graded.result, report, nbformat.writes(graded.notebook))
    template(worker.assignment, folder / "results", folder / "marks")
    fill_in(folder / "marks" / "innocent.yaml", ("  1.2 a:", "  1.2 a: 1"))
    return folder


@pytest.mark.parametrize(("family", "row"), entries("score-files"), indirect=["family"], scope="module")
def test_a_hostile_score_file(worker: Worker, family: str, row: Hostile, marking: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(marking / "results", tmp_path / "results"))
    (tmp_path / "hostile.yaml").write_bytes(row.what)
    files = [tmp_path / "hostile.yaml", marking / "marks" / "innocent.yaml"]
    applied = apply(worker.assignment, results, files, "Alex", "2026-03-01T10:00:00+00:00")
    assert applied.faults
    assert all("\n" not in fault and len(fault) < 1000 for fault in applied.faults)
    expect(Graded(marked(results, "hostile")), row.gets)
    assert marked(results, "hostile").points == 4.5
    assert marked(results, "innocent").points == 5.5
