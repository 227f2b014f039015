"""What students get of dl1: it tells them what the grading will, and gives nothing away."""

from __future__ import annotations

import copy
import re
import shutil
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from shell import run
from warm import Warm

from grader.assignment.assignment import Assignment
from grader.execution.remembered import Memory
from grader.grading.submission import Graded, Grader
from grader.inside import wire
from grader.results.results import CheckStatus
from grader.rubric.reference import reference_answers
from grader.rubric.session import with_checks
from grader.students.bundle.bundle import Bundle, open_bundle
from grader.students.bundle.recording import Recording
from grader.students.bundle.release import Released
from grader.students.checking import check as checking
from grader.students.checking.check import check

MARK = re.compile(r"\s*### (?:BEGIN|END) SOLUTION\s*")
ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "submissions" / "dl1"
NAMES = tomllib.loads(Path(__file__).with_name("expected_points.toml").read_text())

SAME: dict[CheckStatus, set[CheckStatus]] = {
    "passed": {"passed"},
    # With the solution at hand, an error in an earlier answer can be told from one in this.
    "failed": {"failed", "carried forward"},
    "missing": {"missing"},
    "review": {"review"},
}
"""What the full grading says where a student's own check says this."""


@pytest.fixture(scope="module")
def released(released_dl1: Released) -> Released:
    return released_dl1


@pytest.fixture(scope="module")
def bundle(released: Released) -> Iterator[Bundle]:
    with open_bundle(released.bundle) as bundle:
        yield bundle


@pytest.fixture(scope="module")
def sandbox(dl1: Assignment) -> Iterator[Warm]:
    with Warm(dl1.preload, dl1.limits, "auto") as sandbox:
        yield sandbox


@pytest.fixture
def warm(sandbox: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sandbox for all checks of whole notebooks."""
    monkeypatch.setattr(checking, "Sandbox", lambda *arguments, **options: sandbox)


def all_bytes(released: Released) -> dict[str, bytes]:
    """Every released byte, as it is on disk and as it is when unpacked."""
    found = {path.name: path.read_bytes() for path in (released.notebook, released.bundle)}
    with zipfile.ZipFile(released.bundle) as archive:
        return found | {name: archive.read(name) for name in archive.namelist()}


def bare(text: str) -> bytes:
    return "".join(text.split()).encode()


# Nothing is given away


def test_no_line_of_a_solution_is_in_any_released_byte(released: Released, dl1: Assignment) -> None:
    reference = nbformat.read(dl1.reference, as_version=4)
    secret: set[str] = set()
    given: set[bytes] = set()
    for cell in reference.cells:
        inside = "solution" in cell.metadata.get("tags", [])
        for line in cell.source.split("\n"):
            if MARK.fullmatch(line):
                inside = not inside
            elif inside:
                secret.add(line.strip())
            else:
                given.add(bare(line))
    # Some lines stand in the reference as given code as well, such as a bracket alone.
    secret = {line for line in secret if len(bare(line)) >= 8 and not any(bare(line) in one for one in given)}
    assert len(secret) > 60
    assert "z = h(z @ w + b)" in secret
    for name, content in all_bytes(released).items():
        squeezed = re.sub(rb"\s+", b"", content)
        assert [line for line in secret if bare(line) in squeezed] == [], name


def test_no_answer_to_a_hidden_check_is_in_any_released_byte(
    released: Released, bundle: Bundle, worker: Grader, dl1: Assignment
) -> None:
    """Nor its name, its title, or the criteria by which a person marks."""
    hidden = [check for check in worker.checks if not check.public]
    assert {check.question for check in hidden} >= {"1.1.h", "1.6.c", "1.6.d", "1.6.f", "1.6.h", "1.6.j"}
    secret = {check.title for check in hidden} | {check.name.partition("::")[2] for check in hidden}
    criteria = [line for question in dl1.questions for line in question.criteria.strip().splitlines()]
    # Not the end of a sentence that is a word or two.
    secret |= {line for line in criteria if len(line) > 30}
    contents = all_bytes(released)
    for name, content in contents.items():
        assert [text for text in secret if text.encode() in content] == [], name
    expected = answers_to(worker, dl1, {check.name for check in hidden}) - set(bundle.record.answers.values())
    for name, content in contents.items():
        assert [answer for answer in expected if answer in content] == [], name


def answers_to(worker: Grader, dl1: Assignment, names: set[str]) -> set[bytes]:
    """All that the reference answers when these checks check the reference; not what is true of everything."""
    recording = Recording()
    checkpoints = worker.expected.checkpoints

    class Overheard:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

        def student(self, question, seed, carry):
            answers = lambda: reference_answers(checkpoints, Memory(), question, seed)  # noqa: E731
            return recording.reference(answers, question, seed)

        def reference(self, question, seed):
            return self.student(question, seed, ())

        def drawn(self, case, number, draw):
            return draw()

        def is_missing(self, question):
            return False

        def name_cell(self, file):
            return file

    def ask(checker):
        for one in worker.checks:
            if one.name in names:
                assert checker.result(one, Overheard(), 5).status == "passed"

    with_checks(dl1, ask)
    answers = set(recording.record.answers.values())
    assert any(b"tensor" in answer or b"array" in answer for answer in answers)
    # A number or two, `None`, or an object without its value, says nothing.
    return {answer for answer in answers if len(answer) > 24 and wire.unpack(answer, lambda *object: None) is not None}


def test_the_notebook_shows_every_question_with_its_points(released: Released, dl1: Assignment) -> None:
    reference = nbformat.read(dl1.reference, as_version=4)
    student = nbformat.read(released.notebook, as_version=4)
    assert [cell.id for cell in student.cells] == [cell.id for cell in reference.cells]
    assert [cell.get("outputs", []) for cell in student.cells if cell.get("outputs")] == []
    labels = [cell.source for cell in student.cells if cell.cell_type == "markdown" and "**(" in cell.source]
    points = re.findall(r"\((\d) points?\)</span>", "".join(labels))
    assert (len(points), sum(map(int, points))) == (28, 42)


# It says what the grading will


def statuses(graded: Graded, names: set[str]) -> dict[str, CheckStatus]:
    return {c.name: c.status for question in graded.result.questions for c in question.checks if c.name in names}


@pytest.mark.usefixtures("warm")
def test_the_untouched_notebook_is_not_started(released: Released, bundle: Bundle) -> None:
    report = check(released.notebook, bundle).report
    assert {question.status for question in report.questions} == {"not started"}
    assert (report.points, report.passed, len(report.questions)) == (0, False, 28)
    assert (report.text_points, report.max_points + report.hidden_points) == (17, 25)


@pytest.mark.usefixtures("warm")
def test_the_reference_passes_everything(released: Released, bundle: Bundle, dl1: Assignment) -> None:
    """The solutions, put into the released notebook."""
    report = check(dl1.reference, bundle).report
    by_status: dict[str, list[str]] = {}
    for question in report.questions:
        by_status.setdefault(question.status, []).append(question.id)
    assert by_status.keys() == {"done", "later", "by a person"}
    assert by_status["later"] == ["1.1.h", "1.6.c", "1.6.d", "1.6.f", "1.6.h", "1.6.j"]
    assert report.passed
    assert report.points == report.max_points > 10


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("name", NAMES)
def test_what_a_sample_is_told_agrees_with_its_grading(
    grade: Callable[[Path], Graded], bundle: Bundle, name: str
) -> None:
    checked = check(SAMPLES / name, bundle)
    own = statuses(checked.graded, {check.name for check in bundle.checks})
    full = statuses(grade(SAMPLES / name), set(own))
    assert own.keys() == full.keys()
    assert {check: (own[check], full[check]) for check in own if full[check] not in SAME[own[check]]} == {}
    # Carried forward, and so failed here, is only what builds on something that is not right yet.
    carried = [check for check in own if (own[check], full[check]) == ("failed", "carried forward")]
    for question in checked.report.questions:
        if any(check.name in carried for check in question.checks):
            assert any(note.startswith("This builds on") for note in question.notes)


@pytest.mark.usefixtures("warm")
def test_the_real_submission_is_told_what_it_loses(bundle: Bundle, shared: Path) -> None:
    """By the course's marking 1 of 1 in 1.1.g and 1 of 3 in 1.5.b, of what is checked here. No training is run."""
    path = shared / "seed" / "assignment-1-submission.ipynb"
    public = {check.question for check in bundle.checks}
    report = check(path, bundle, sorted(public)).report
    lost = {q.id: q.max_points - q.points for q in report.questions if q.points < q.max_points}
    assert lost == {"1.1.g": 1, "1.5.b": 1}
    assert {question.status for question in report.questions} == {"done", "not yet"}
    told = {q.id: c.message for q in report.questions for c in q.checks if c.status == "failed"}
    assert "already decayed" in told["1.1.g"]
    assert "squared" in told["1.5.b"]


# As a student has it


def test_the_command_in_a_folder_of_its_own(released: Released, dl1: Assignment, tmp_path: Path) -> None:
    for path in (released.notebook, released.bundle):
        shutil.copy(path, tmp_path)
    untouched = run("grader check dl1.ipynb; echo status $?", tmp_path)
    assert untouched.endswith("status 1\n")
    assert untouched.count("not started") >= 16
    right = nbformat.read(released.notebook, as_version=4)
    solved = {cell.id: cell.source for cell in nbformat.read(dl1.reference, as_version=4).cells}
    for cell in right.cells:
        cell.source = solved[cell.id]
    nbformat.write(right, tmp_path / "right.ipynb")
    passed = run("grader check right.ipynb; echo status $?", tmp_path)
    assert passed.endswith("status 0\n")
    assert "17 points are marked by a person" in passed


def test_one_question_runs_just_what_it_needs(
    released: Released, bundle: Bundle, dl1: Assignment, tmp_path: Path
) -> None:
    notebook = copy.deepcopy(nbformat.read(dl1.reference, as_version=4))
    for cell in notebook.cells:
        if cell.cell_type == "code" and ("fit(" in cell.source or "load_digits" in cell.source):
            cell.source += "\nraise SystemExit('this cell was run')"
    path = tmp_path / "a.ipynb"
    nbformat.write(notebook, path)
    checked = check(path, bundle, ["1.3.a"])
    (question,) = checked.report.questions
    assert (question.id, question.status, checked.report.only) == ("1.3.a", "done", ["1.3.a"])
    executed = checked.graded.notebook
    assert executed is not None
    ran = [cell.source for cell in executed.cells if cell.cell_type == "code" and cell.get("execution_count")]
    assert len(ran) <= 4
    assert not any("fit" in source or "load_digits" in source for source in ran)


def test_the_commands_in_the_guide_for_students(released: Released, dl1: Assignment, tmp_path: Path) -> None:
    """All but `--watch`, which goes on until it is stopped."""
    shutil.copy(released.bundle, tmp_path)
    reference = nbformat.read(dl1.reference, as_version=4)
    reference.metadata = nbformat.read(released.notebook, as_version=4).metadata
    nbformat.write(reference, tmp_path / "dl1.ipynb")
    guide = (ROOT / "docs" / "for-students.md").read_text()
    commands = [line for line in re.findall(r"^\$ (.*)$", guide, re.MULTILINE) if "--watch" not in line]
    assert [command.split()[:2] for command in commands] == [["grader", "check"]] * 2 + [["grader", "complete"]]
    whole, one, complete = (run(f"{command}; echo status $?", tmp_path) for command in commands)
    assert whole.endswith("status 0\n")
    assert "1.3.a" in one
    assert "1.3.b" not in one
    assert one.endswith("status 0\n")
    # It was not run here, and nobody has signed it.
    assert "Names" in complete
    assert complete.endswith("status 1\n")
