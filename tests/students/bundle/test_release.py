"""What is released: a notebook without answers, and checks that say what the rubric says, without giving it away."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_raw_cell
from notebooks import MINI, change
from releases import FIRST, public_mini

from grader.assignment.assignment import RubricError, load_assignment
from grader.students.bundle.bundle import open_bundle
from grader.students.bundle.release import Released, release
from grader.validation.validate import workers_for


@pytest.fixture(scope="module")
def rubric(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mini assignment, with one public check, and an item at its last question."""
    folder = public_mini(tmp_path_factory.mktemp("rubric"), FIRST)
    with (folder / "rubric.toml").open("a") as file:
        file.write('\n[[question.item]]\ntext = "Sees it"\npoints = 1\nwords = "Twice double is quadruple."\n')
    return folder


@pytest.fixture(scope="module")
def released(rubric: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    return release(load_assignment(rubric), tmp_path_factory.mktemp("released"), seed=5)


def refused(folder: Path, tmp_path: Path) -> list[str]:
    with pytest.raises(RubricError) as caught:
        release(load_assignment(folder), tmp_path / "out", seed=5)
    assert not (tmp_path / "out").exists()
    return [fault.replace(str(folder), "RUBRIC") for fault in caught.value.faults]


@pytest.fixture
def copy(rubric: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(rubric, tmp_path / "mini")
    return tmp_path / "mini"


def test_the_notebook_has_no_answers_and_shows_the_points(released: Released) -> None:
    notebook = nbformat.read(released.notebook, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata["grader"] == {"assignment": "mini"}
    sources = [cell.source for cell in notebook.cells]
    assert sources == [
        "## 1.1 Functions",
        "**(a) Double a number (1 point)**",
        "def double(x):\n    # TODO\n    pass",
        "**(b) Add four (2 points)**",
        "def quadruple(x):\n    # TODO\n    pass",
        "**(c) Use them (1.5 points)**",
        "# TODO",
        "## 1.2 Text",
        "**(a) Explain (1 point)**",
        "TODO",
        "## The end",
    ]
    assert all("solution" not in cell.metadata.get("tags", []) for cell in notebook.cells)


def test_points_are_added_where_the_reference_does_not_show_them(copy: Path, tmp_path: Path) -> None:
    change(copy / "reference.ipynb", "Add four (2 points)", "Add four")
    notebook = nbformat.read(release(load_assignment(copy), tmp_path / "out", seed=5).notebook, as_version=4)
    assert notebook.cells[3].source == "**(b) Add four**\n\n*(2 points)*"


def test_ids_tags_and_nothing_else_of_a_cell_are_kept(copy: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(copy / "reference.ipynb", as_version=4)
    cell = notebook.cells[2]
    cell.metadata = {"tags": ["question:1.1.a"], "execution": {"iopub.status.busy": "2026-01-01"}, "hint": "2 * x"}
    ids = [cell.id for cell in notebook.cells]
    nbformat.write(notebook, copy / "reference.ipynb")
    student = nbformat.read(release(load_assignment(copy), tmp_path / "out", seed=5).notebook, as_version=4)
    assert [cell.id for cell in student.cells] == ids
    assert student.cells[2].metadata == {"tags": ["question:1.1.a"]}


def add_cells(rubric: Path, *cells: nbformat.NotebookNode) -> None:
    """Below the first answer."""
    notebook = nbformat.read(rubric / "reference.ipynb", as_version=4)
    notebook.cells[3:3] = cells
    nbformat.write(notebook, rubric / "reference.ipynb")


def test_hidden_tests_are_cut_and_the_answers_are_where_they_were(
    copy: Path, tmp_path: Path, released: Released
) -> None:
    add_cells(
        copy,
        new_raw_cell("# BEGIN TESTS"),
        new_code_cell("assert double(4_711) == 9_422"),
        new_raw_cell("# END TESTS"),
        new_code_cell("double(1)\n### BEGIN HIDDEN TESTS\nassert double(4_712) == 9_424\n### END HIDDEN TESTS"),
        new_code_cell("assert double(4_713) == 9_426", metadata={"tags": ["hidden-tests"]}),
    )
    again = release(load_assignment(copy), tmp_path / "out", seed=5)
    sources = [cell.source.strip() for cell in nbformat.read(again.notebook, as_version=4).cells]
    before = [cell.source for cell in nbformat.read(released.notebook, as_version=4).cells]
    assert sources == [*before[:3], "double(1)", *before[3:]]
    assert "4_71" not in again.notebook.read_text()
    with open_bundle(again.bundle) as bundle, open_bundle(released.bundle) as other:
        assert bundle.contents.stubs["1.1.c"] == other.contents.stubs["1.1.c"]


def test_a_line_of_a_hidden_test_in_a_public_check_is_a_leak(copy: Path, tmp_path: Path) -> None:
    add_cells(copy, new_code_cell("# HIDDEN\nassert double(47) == 94"))
    change(
        copy / "test_mini.py",
        "got, expected =",
        "double = student.double\n    assert double(47) == 94\n    got, expected =",
    )
    (fault,) = refused(copy, tmp_path)
    assert fault.endswith("a line of a solution is in it: 'assert double(47) == 94'")


def test_a_mark_that_is_not_understood_stops_the_release(copy: Path, tmp_path: Path) -> None:
    add_cells(copy, new_code_cell("double(1)\n### BEGIN HIDEN TESTS\nassert double(4_712) == 9_424"))
    (fault,) = refused(copy, tmp_path)
    assert "reference.ipynb: cell 4: line 2: '### BEGIN HIDEN TESTS' looks like a mark of what students must" in fault


def test_the_bundle_has_the_public_checks_alone(released: Released) -> None:
    assert (released.public, released.hidden) == (1, 3)
    with open_bundle(released.bundle) as bundle:
        assert [check.name for check in bundle.checks] == ["test_mini.py::test_double"]
        assert {id: (hidden.checks, hidden.points) for id, hidden in bundle.hidden.items()} == {
            "1.1.b": (2, 2.0),
            "1.1.c": (1, 1.5),
        }
        assert [question.criteria for question in bundle.assignment.questions] == ["", "", "", ""]
        assert [question.items for question in bundle.assignment.questions] == [(), (), (), ()]
        assert "quadruple." not in zipfile.ZipFile(released.bundle).read("bundle.json").decode()
        source = (bundle.assignment.folder / "test_mini.py").read_text()
        assert "def test_double" in source
        assert "quadruple" not in source
        # The function, and a call of it in each of the three cases.
        assert len(bundle.record.answers) == 4
    names = zipfile.ZipFile(released.bundle).namelist()
    assert names == ["bundle.json", "checks/test_mini.py", "record.msgpack"]


def test_a_release_can_be_repeated(released: Released, rubric: Path, tmp_path: Path) -> None:
    again = release(load_assignment(rubric), tmp_path, seed=5)
    assert again.bundle.read_bytes() == released.bundle.read_bytes()
    assert again.notebook.read_bytes() == released.notebook.read_bytes()


def test_a_rubric_without_public_checks_is_refused(tmp_path: Path) -> None:
    (fault,) = refused(MINI, tmp_path)
    assert fault.endswith("no check is public; one is with @pytest.mark.question(..., public=True)")


def test_fresh_randomness_is_refused(copy: Path, tmp_path: Path) -> None:
    change(copy / "test_mini.py", "got, expected =", "x = np.random.default_rng().normal(); got, expected =")
    assert refused(copy, tmp_path) == [
        "RUBRIC/test_mini.py::test_double: cannot be public: it asks for something else each time: random inputs of a "
        "public check come from the fixtures `examples`, `rng` or `seed`"
    ]


def test_a_reference_that_answers_at_random_is_refused(copy: Path, tmp_path: Path) -> None:
    change(copy / "reference.ipynb", "return 2 * x", "import os; self = os.urandom(8); return 2 * x")
    change(
        copy / "test_mini.py", "got, expected =", "reference.eval('__import__(\\'os\\').urandom(8)'); got, expected ="
    )
    (fault,) = refused(copy, tmp_path)
    assert fault.endswith("cannot be public: the reference answers the same question differently each time")


def test_handing_the_reference_an_object_of_the_students_is_refused(copy: Path, tmp_path: Path) -> None:
    change(copy / "test_mini.py", "got, expected =", "reference.eval('g', g=student.double); got, expected =")
    (fault,) = refused(copy, tmp_path)
    assert fault.endswith("cannot be public: it hands an object of the student's to the reference")


def test_asking_what_depends_on_the_answer_is_refused(copy: Path, tmp_path: Path) -> None:
    change(
        copy / "test_mini.py", "assert got == expected, f", "assert got == expected or reference.double(got) == 5, f"
    )
    (fault,) = refused(copy, tmp_path)
    assert "cannot be public: for the answer" in fault
    assert "a public check must ask the reference the same, whatever the student answers" in fault
    assignment = load_assignment(copy)
    with workers_for(assignment, 2) as ready, pytest.raises(RubricError) as found:
        release(assignment, tmp_path / "out", 5, ready=ready)
    assert [each.replace(str(copy), "RUBRIC") for each in found.value.faults] == [fault]


def test_workers_prove_the_same_release(released: Released, rubric: Path, tmp_path: Path) -> None:
    assignment = load_assignment(rubric)
    lines: list[str] = []
    with workers_for(assignment, 2) as ready:
        again = release(assignment, tmp_path, 5, lines.append, ready)
    assert again.bundle.read_bytes() == released.bundle.read_bytes()
    assert lines[-1].startswith("trying the released checks on ")


def test_a_line_of_a_solution_is_not_released(copy: Path, tmp_path: Path) -> None:
    change(copy / "test_mini.py", "got, expected = student.double(x), reference.double(x)", "\n".join([
        "def right(x):",
        "        return    2*x",
        "    got, expected = student.double(x), right(x)",
    ]))  # fmt: skip
    assert refused(copy, tmp_path) == [
        "the released part of test_mini.py: a line of a solution is in it: 'return 2 * x'"
    ]


def test_what_students_are_given_anyway_is_no_secret(copy: Path, tmp_path: Path) -> None:
    change(copy / "reference.ipynb", "## The end", "As you know, twice is\\n\\n    return 2 * x")
    change(
        copy / "test_mini.py",
        "assert got == expected, f",
        "def f(x):\n        return 2 * x\n    assert got == expected, f",
    )
    release(load_assignment(copy), tmp_path / "out", seed=5)
