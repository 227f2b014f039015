"""Checking a notebook with what was released: a student's own view of the grading."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from notebooks import DOUBLE, change, mini_notebook, write_notebook
from releases import FIRST, SECOND, public_mini
from typer.testing import CliRunner

from grader.assignment.assignment import load_assignment
from grader.cli import app
from grader.execution.sandbox import Sandbox
from grader.execution.seeds import OpenSeed
from grader.students.bundle.bundle import Bundle, open_bundle
from grader.students.bundle.release import Released, release
from grader.students.checking.check import Checked, check
from grader.students.checking.report import CheckedQuestion
from grader.students.checking.summary import UnknownQuestion

TRIPLE = "def double(x):\n    return 3 * x"
PASS = "def double(x):\n    # TODO\n    pass"
Check = Callable[..., Checked]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """The mini assignment, with one public check for each of the first two questions; one of the second is hidden."""
    folder = public_mini(tmp_path_factory.mktemp("rubric"), FIRST, SECOND)
    return release(load_assignment(folder), tmp_path_factory.mktemp("released"), seed=5)


@pytest.fixture(scope="module")
def bundle(released: Released) -> Iterator[Bundle]:
    with open_bundle(released.bundle) as bundle:
        yield bundle


@pytest.fixture
def check_mini(bundle: Bundle, tmp_path: Path) -> Check:
    def check_mini(*questions: str, **answers: object) -> Checked:
        path = write_notebook(tmp_path / "mini.ipynb", mini_notebook(**answers))
        return check(path, bundle, questions)

    return check_mini


def by_id(checked: Checked) -> dict[str, CheckedQuestion]:
    return {question.id: question for question in checked.report.questions}


def test_right_answers_are_done_as_far_as_can_be_told(check_mini: Check) -> None:
    checked = check_mini()
    told = {id: (q.status, q.points, q.max_points, q.full_points, q.hidden_checks) for id, q in by_id(checked).items()}
    assert told == {
        "1.1.a": ("done", 1, 1, 1, 0),
        "1.1.b": ("done", 1.5, 1.5, 2, 1),
        "1.1.c": ("later", 0, 0, 1.5, 1),
        "1.2.a": ("by a person", 0, 0, 1, 0),
    }
    report = checked.report
    assert report.passed
    assert (report.points, report.max_points, report.text_points) == (2.5, 2.5, 1)
    assert (report.hidden_checks, report.hidden_points) == (2, 2)
    assert (report.sandbox, report.only, report.status) == ("bubblewrap", [], "checked")


def test_a_mistake_is_told_and_what_builds_on_it(check_mini: Check) -> None:
    checked = check_mini(double=TRIPLE)
    first, second, *_ = checked.report.questions
    assert (first.status, first.checks[0].message) == ("not yet", "expected 6, got 9, for x = 3")
    assert second.status == "not yet"
    assert "This builds on 1.1.a: correct that first." in second.notes
    assert (checked.report.passed, checked.report.points) == (False, 0)


def test_the_released_notebook_is_not_started(released: Released, bundle: Bundle) -> None:
    report = check(released.notebook, bundle).report
    assert [question.status for question in report.questions] == ["not started"] * 4
    assert not report.passed


def test_given_code_around_an_answer_is_no_answer(tmp_path: Path) -> None:
    """A stub that does something, such as a loop whose body is to be written."""
    folder = public_mini(tmp_path, FIRST)
    change(folder / "reference.ipynb", "def double(x):\\n", "def double(x):\\n    print('given')\\n")
    released = release(load_assignment(folder), tmp_path / "out", seed=5)
    with open_bundle(released.bundle) as bundle:
        assert check(released.notebook, bundle).report.questions[0].status == "not started"
        notebook = nbformat.read(released.notebook, as_version=4)
        # Some editors leave blanks behind.
        notebook.cells[2].source += "  \n\n"
        path = write_notebook(tmp_path / "a.ipynb", notebook)
        assert check(path, bundle).report.questions[0].status == "not started"
        notebook.cells[2].source = notebook.cells[2].source.replace("pass", "x = 2")
        path = write_notebook(tmp_path / "a.ipynb", notebook)
        assert check(path, bundle).report.questions[0].status == "not yet"


def test_one_question_alone(check_mini: Check) -> None:
    checked = check_mini("1.1.a", before=["unused = 1"], quadruple="def quadruple(x):\n    raise SystemExit")
    assert [question.id for question in checked.report.questions] == ["1.1.a"]
    assert checked.report.only == ["1.1.a"]
    assert (checked.report.passed, checked.report.max_points, checked.report.text_points) == (True, 1, 0)
    assert checked.graded.notebook is not None
    ran = [cell.source for cell in checked.graded.notebook.cells if cell.get("execution_count")]
    assert ran == [DOUBLE]


def test_a_guess_about_what_is_needed_that_was_wrong_is_made_good(check_mini: Check) -> None:
    """The second definition never comes about, so that the first one counts, as it does when all is run."""
    answers = {"double": f"{DOUBLE}\n\ndef other():\n    return 1 / 0", "before": ["k = 2"]}
    answers["quadruple"] = "k = other()\ndef quadruple(x):\n    return k * double(x)"
    whole, alone = check_mini(**answers), check_mini("1.1.b", **answers)
    assert by_id(alone)["1.1.b"].status == by_id(whole)["1.1.b"].status
    assert by_id(alone)["1.1.b"].checks[0].message == by_id(whole)["1.1.b"].checks[0].message


def as_before(path: Path) -> None:
    """Take from a bundle what those that were made earlier do not say."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    contents = json.loads(files["bundle.json"])
    assert contents.pop("seeds_apart") is False
    files["bundle.json"] = json.dumps(contents).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("kind", [int, OpenSeed], ids=["of-today", "from-before"])
def test_both_sides_draw_alike_whenever_the_bundle_was_made(kind: type[int], tmp_path: Path) -> None:
    rubric = public_mini(tmp_path, FIRST)
    draw = "\"double(__import__('random').random())\""
    compared = f"student.eval({draw}), reference.eval({draw})"
    change(rubric / "test_mini.py", "student.double(x), reference.double(x)", compared)
    released = release(load_assignment(rubric), tmp_path / "released", seed=kind(5))
    if kind is OpenSeed:
        as_before(released.bundle)
    with open_bundle(released.bundle) as bundle:
        assert type(bundle.seed) is kind
        checked = check(write_notebook(tmp_path / "mini.ipynb", mini_notebook()), bundle, ["1.1.a"])
    assert by_id(checked)["1.1.a"].status == "done"


def test_an_unknown_question_is_refused(check_mini: Check) -> None:
    with pytest.raises(UnknownQuestion) as caught:
        check_mini("1.1.a", "9.9.z")
    assert caught.value.faults == ["there is no question 9.9.z; there are 1.1.a, 1.1.b, 1.1.c, 1.2.a"]


def test_a_file_that_is_no_notebook_is_told(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text("not a notebook")
    report = check(path, bundle).report
    assert (report.status, report.questions, report.passed) == ("unreadable", [], False)
    assert report.message.startswith("this is not a notebook")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Sandbox]:
    """The sandboxes that a check begins."""
    begun: list[Sandbox] = []
    begin = Sandbox.begin

    def remember(sandbox: Sandbox) -> None:
        begun.append(sandbox)
        begin(sandbox)

    monkeypatch.setattr(Sandbox, "begin", remember)
    return begun


def test_a_file_that_is_no_notebook_leaves_no_sandbox_behind(
    bundle: Bundle, tmp_path: Path, begun: list[Sandbox]
) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text("")
    assert check(path, bundle).report.status == "unreadable"
    (sandbox,) = begun
    assert (sandbox.alive, sandbox.control) == (False, None)


def test_an_unknown_question_needs_no_sandbox(check_mini: Check, begun: list[Sandbox]) -> None:
    with pytest.raises(UnknownQuestion):
        check_mini("9.9.z")
    assert begun == []


# The command


@pytest.fixture
def folder(released: Released, tmp_path: Path) -> Path:
    """As a student has it: the notebook, and the checks beside it."""
    shutil.copy(released.bundle, tmp_path)
    write_notebook(tmp_path / "mini.ipynb", mini_notebook())
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["check", str(folder / "mini.ipynb"), *arguments])
    return ended.exit_code, ended.output.replace(str(folder), "FOLDER")


def test_the_exit_status_says_whether_all_passed(folder: Path) -> None:
    assert run(folder)[0] == 0
    write_notebook(folder / "mini.ipynb", mini_notebook(double=PASS))
    assert run(folder)[0] == 1
    assert run(folder, "-q", "1.1.a")[0] == 1


@pytest.mark.parametrize(("points", "status"), [("1.5", 0), ("2.5", 1)])
def test_points_can_decide_instead(folder: Path, points: str, status: int) -> None:
    write_notebook(folder / "mini.ipynb", mini_notebook(double=PASS, quadruple="def quadruple(x):\n    return 4 * x"))
    assert run(folder, "--fail-under", points)[0] == status


def test_what_cannot_be_checked_is_one_line_and_status_2(folder: Path) -> None:
    assert run(folder, "-q", "1.1.z") == (
        2,
        "error: there is no question 1.1.z; there are 1.1.a, 1.1.b, 1.1.c, 1.2.a\n",
    )
    (folder / "mini.checks").unlink()
    status, output = run(folder)
    assert (status, output.count("\n")) == (2, 1)
    assert "there are no checks for mini.ipynb: put the file" in output
    (folder / "mini.ipynb").unlink()
    assert run(folder) == (2, "error: FOLDER/mini.ipynb: there is no such file: check the name and the folder\n")


def test_a_damaged_notebook_is_status_2(folder: Path) -> None:
    (folder / "mini.ipynb").write_text("{")
    status, output = run(folder)
    assert status == 2
    assert "a damaged one" in output


def test_checks_from_elsewhere_count_and_not_those_beside_the_notebook(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As on a course's server: whatever a student puts beside the notebook."""
    elsewhere = tmp_path_factory.mktemp("staff") / "mini.checks"
    shutil.move(folder / "mini.checks", elsewhere)
    (folder / "mini.checks").write_text("all is well")
    assert run(folder, "--bundle", str(elsewhere))[0] == 0
    assert run(folder)[0] == 2


def test_watching_checks_again_when_the_notebook_is_saved_until_it_is_stopped(folder: Path) -> None:
    command = [Path(sysconfig.get_path("scripts"), "grader"), "check", "mini.ipynb", "-q", "1.1.a", "--watch"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        assert watching.stdout is not None
        told = (line for line in watching.stdout if line.startswith(("✓", "✗", "error")))
        try:
            assert "done" in next(told)
            write_notebook(folder / "mini.ipynb", mini_notebook(double=TRIPLE))
            assert "not yet" in next(told)
            # What cannot be checked this time is waited for.
            (folder / "mini.checks").rename(folder / "away")
            write_notebook(folder / "mini.ipynb", mini_notebook())
            assert "there are no checks for mini.ipynb" in next(told)
            (folder / "away").rename(folder / "mini.checks")
            write_notebook(folder / "mini.ipynb", mini_notebook(text="Saved again."))
            assert "done" in next(told)
        finally:
            watching.send_signal(signal.SIGINT)
        rest = watching.stdout.read()
        assert watching.wait(60) in (0, 130)
        assert "Traceback" not in rest
