"""Whether a notebook can be handed in: each thing that is left to do is a line that says where."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebooks import mini_notebook, write_notebook
from releases import release_mini
from students.formats.runner import commands

from grader.assignment.notebook import UnreadableNotebook
from grader.students.bundle.bundle import BundleError
from grader.students.completeness import incompleteness

GRADER = Path(sysconfig.get_path("scripts")) / "grader"
AGAIN = "restart the kernel, run all cells and save"
NAMES = "**Names:** Ada and Bob\n\n**Group:** 3"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the released notebook and its checks."""
    return release_mini(tmp_path_factory.mktemp("release")).notebook.parent


def run(notebook: Any) -> Any:
    """As it is after all cells were run in a fresh kernel."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number
    return notebook


def notebook(*cells: Any, names: str = NAMES) -> Any:
    return run(new_notebook(cells=[new_markdown_cell("# Title"), new_markdown_cell(names), *cells]))


def found(tmp_path: Path, content: Any) -> list[str]:
    return incompleteness(write_notebook(tmp_path / "hand-in.ipynb", content))


def error(name: str, value: str) -> Any:
    return new_output("error", ename=name, evalue=value, traceback=[])


def test_a_complete_notebook_has_nothing_left_to_do(tmp_path: Path) -> None:
    answers = [new_code_cell("a = 1"), new_code_cell("   \n"), new_markdown_cell("An answer."), new_code_cell("a")]
    assert found(tmp_path, notebook(*answers)) == []


# Names


@pytest.mark.parametrize(
    ("names", "left"),
    [
        pytest.param("**Names:**\n\n**Group:** 3", ["Names:"], id="one"),
        pytest.param("**Names:**\n\n**Group:**", ["Names:", "Group:"], id="both"),
        pytest.param("__Names__: \n**Group** : 3", ["Names:"], id="colon outside"),
        pytest.param("**Names:** TODO\n\n**Group:** ...", ["Names:", "Group:"], id="placeholders"),
        pytest.param("- **Names:**\n- **Group:** 3", ["Names:"], id="list"),
        pytest.param("**Names:**\nAda and Bob\n\n**Group:**\n\n3", [], id="on the next line"),
        pytest.param("**Names:**\n- Ada\n- Bob", [], id="as a list"),
        pytest.param("**How to work**\n\n* Write your names above.", [], id="no label"),
    ],
)
def test_a_label_with_nothing_after_it_is_to_be_filled_in(tmp_path: Path, names: str, left: list[str]) -> None:
    assert found(tmp_path, notebook(new_code_cell("a = 1"), names=names)) == [
        f"cell 2: nothing is written after “{label}”: fill it in" for label in left
    ]


def test_labels_below_the_first_code_are_answers(tmp_path: Path) -> None:
    assert found(tmp_path, notebook(new_code_cell("a = 1"), new_markdown_cell("**Conclusion:**"))) == []


# What is left to do, where the assignment is not known


@pytest.mark.parametrize(
    ("cell", "left"),
    [
        pytest.param(new_code_cell("def f(x):\n    # TODO\n    pass"), [2], id="stub"),
        pytest.param(new_code_cell("x = 1  # TODO: better\ny = 2  #todo"), [1], id="comment behind code"),
        pytest.param(new_code_cell('x = "TODO"\nTODO = 1'), [], id="no comment"),
        pytest.param(new_markdown_cell("TODO"), [1], id="text"),
        pytest.param(new_markdown_cell("An answer.\n\n> **TODO** more"), [3], id="text with markup"),
        pytest.param(new_markdown_cell("Fill in every place marked `TODO`."), [], id="instructions"),
    ],
)
def test_a_todo_is_found_on_its_line(tmp_path: Path, cell: Any, left: list[int]) -> None:
    assert found(tmp_path, notebook(cell)) == [
        f"cell 3, line {line}: TODO is left: do it, or take the line out" for line in left
    ]


# Where it is known


def test_the_released_notebook_has_everything_left_to_do(released: Path) -> None:
    assert incompleteness(released / "mini.ipynb") == [
        "cell 3: 1.1.a has no answer yet: write it there",
        "cell 5: 1.1.b has no answer yet: write it there",
        "cell 7: 1.1.c has no answer yet: write it there",
        "cell 10: 1.2.a has no answer yet: write it there",
        f"no cell was run: {AGAIN}",
    ]


def test_with_all_answers_it_is_complete(released: Path, tmp_path: Path) -> None:
    shutil.copy(released / "mini.checks", tmp_path)
    assert found(tmp_path, run(mini_notebook())) == []


def test_in_an_answer_a_todo_is_left_and_elsewhere_it_is_nobodys_business(released: Path, tmp_path: Path) -> None:
    shutil.copy(released / "mini.checks", tmp_path)
    content = mini_notebook(double="# TODO: faster\ndef double(x):\n    return 2 * x", before=["# TODO: my own note"])
    assert found(tmp_path, run(content)) == [
        "cell 4, line 1: TODO is left in the answer to 1.1.a: do it, or take the line out"
    ]


def test_an_answer_that_is_gone_is_asked_for(released: Path, tmp_path: Path) -> None:
    shutil.copy(released / "mini.checks", tmp_path)
    content = mini_notebook()
    del content.cells[2]
    assert found(tmp_path, run(content)) == ["1.1.a has no answer, and no place for one: write it below its label"]


def test_checks_of_another_assignment_beside_it_are_none_of_its_own(released: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copy(released / "mini.checks", tmp_path / f"{name}.checks")
    assert found(tmp_path, notebook(new_code_cell("a = 1"))) == []


def test_damaged_checks_are_told(tmp_path: Path) -> None:
    (tmp_path / "mini.checks").write_bytes(b"x")
    with pytest.raises(BundleError, match="damaged"):
        found(tmp_path, notebook(new_code_cell("a = 1")))


# Running


def test_a_notebook_that_was_never_run_is_to_be_run(tmp_path: Path) -> None:
    content = notebook(new_code_cell("a = 1"), new_code_cell("a"))
    for cell in content.cells[2:]:
        cell.execution_count = None
    assert found(tmp_path, content) == [f"no cell was run: {AGAIN}"]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        pytest.param([1, 2, None], "cell 5: was not run", id="not run"),
        pytest.param([1, 3, 2], "cell 4: was not run in order, it is [3] and not [2]", id="order"),
        pytest.param([4, 5, 6], "cell 3: was not run in order, it is [4] and not [1]", id="no fresh kernel"),
        pytest.param([1, 1, 2], "cell 4: was not run in order, it is [1] and not [2]", id="twice"),
    ],
)
def test_the_first_cell_out_of_order_is_named(tmp_path: Path, counts: list[int | None], said: str) -> None:
    content = notebook(new_code_cell("a = 1"), new_code_cell("a"), new_code_cell("b = a"))
    for cell, count in zip(content.cells[2:], counts, strict=True):
        cell.execution_count = count
    assert found(tmp_path, content) == [f"{said}: {AGAIN}"]


def test_an_error_is_named_and_what_was_not_run_because_of_it_is_not(tmp_path: Path) -> None:
    content = notebook(new_code_cell("a = 1"), new_code_cell("b"), new_code_cell("c"))
    content.cells[3].outputs = [error("NameError", "name 'b' is\nnot defined\x1b[2J")]
    content.cells[4].execution_count = None
    assert found(tmp_path, content) == [
        f"cell 4: raised NameError: name 'b' is not defined␛[2J: correct it, {AGAIN}",
    ]


def test_what_was_not_run_before_an_error_is_named_too(tmp_path: Path) -> None:
    content = notebook(new_code_cell("a = 1"), new_code_cell("b"))
    content.cells[2].execution_count = None
    content.cells[3].outputs = [error("NameError", "")]
    assert found(tmp_path, content) == [
        f"cell 4: raised NameError: correct it, {AGAIN}",
        f"cell 3: was not run: {AGAIN}",
    ]


def test_an_error_that_is_meant_is_none(tmp_path: Path) -> None:
    content = notebook(new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}))
    content.cells[2].outputs = [error("ZeroDivisionError", "division by zero")]
    assert found(tmp_path, content) == []


def test_a_file_that_is_no_notebook_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("")
    with pytest.raises(UnreadableNotebook):
        incompleteness(tmp_path / "a.ipynb")


# The command


def command(*arguments: str, cwd: Path) -> tuple[int, list[str], list[str]]:
    ended = subprocess.run([GRADER, "complete", *arguments], cwd=cwd, capture_output=True, timeout=100)
    return ended.returncode, ended.stdout.decode().splitlines(), ended.stderr.decode().splitlines()


def test_the_command_has_a_line_for_each_thing_and_an_exit_status(tmp_path: Path) -> None:
    write_notebook(tmp_path / "right.ipynb", notebook(new_code_cell("a = 1")))
    write_notebook(tmp_path / "left.ipynb", notebook(new_code_cell("# TODO\na = 1"), names="**Names:**"))
    (tmp_path / "empty.ipynb").write_text("")
    right = ["right.ipynb: complete"]
    left = [
        "left.ipynb: cell 2: nothing is written after “Names:”: fill it in",
        "left.ipynb: cell 3, line 1: TODO is left: do it, or take the line out",
    ]
    empty = ["error: empty.ipynb: the file is empty: save the notebook and hand in again"]
    assert command("right.ipynb", cwd=tmp_path) == (0, right, [])
    assert command("right.ipynb", "left.ipynb", cwd=tmp_path) == (1, right + left, [])
    assert command("empty.ipynb", "left.ipynb", "right.ipynb", cwd=tmp_path) == (2, left + right, empty)


def test_nothing_that_it_prints_is_an_order_to_githubs_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    write_notebook(tmp_path / "##[add-mask]x.ipynb", notebook(new_code_cell("# TODO\na = 1")))
    status, printed, complaints = command("##[add-mask]x.ipynb", "##[add-mask]y.ipynb", cwd=tmp_path)
    assert status == 2
    assert any("x.ipynb: cell 3, line 1: TODO is left" in line for line in printed)
    assert complaints == ["error: ## [add-mask]y.ipynb: there is no such file: check the name and the folder"]
    assert commands("\n".join(printed + complaints)) == []


def test_it_comes_without_what_runs_code() -> None:
    heavy = "torch numpy nbclient jupyter_client IPython matplotlib hypothesis jinja2"
    code = f"import sys, grader.students.completeness\nprint([name for name in {heavy.split()} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_the_hook_runs_the_command_on_notebooks(root: Path, tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text())
    assert hook["types"] == ["jupyter"]
    write_notebook(tmp_path / "left.ipynb", notebook(new_code_cell("# TODO\na = 1")))
    program, *arguments = hook["entry"].split()
    assert (program, hook["language"]) == ("grader", "system")
    assert command(*arguments[1:], "left.ipynb", cwd=tmp_path)[0] == 1
    assert arguments[0] == "complete"


def test_nothing_that_others_wrote_is_more_than_a_line(tmp_path: Path) -> None:
    content = notebook(new_code_cell("a"), names="**Na\x1b[2Jmes:**")
    content.cells[2].outputs = [error("::error::x\n::add-mask::y", "##[add-mask]z" * 1000)]
    lines = found(tmp_path, content)
    assert all(len(line) < 400 and line.isprintable() for line in lines)
    assert nbformat.read(tmp_path / "hand-in.ipynb", as_version=4)
