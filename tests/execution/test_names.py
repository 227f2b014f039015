"""A rubric's names, held against the reference: a typo in one is an error before anybody is graded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebooks import MINI, change

from grader.assignment.assignment import RubricError, load_assignment
from grader.execution.names import bound
from grader.execution.reference import Reference
from grader.grading.submission import Grader
from grader.students.bundle.release import release
from grader.validation.validate import validate

BINDS = {
    "a function": "def name(x): return x",
    "a coroutine": "async def name(): ...",
    "a class": "class name: ...",
    "an assignment": "other = name = 1",
    "several at once": "a, (b, *name) = f()",
    "an annotated one": "name: int = 1",
    "in place": "name += 1",
    "a walrus": "if (name := f()): pass",
    "a walrus in a comprehension": "[name := x for x in y]",
    "a loop": "for i, name in y: pass",
    "a with": "with f() as name: pass",
    "an import": "import name",
    "an import under another name": "import numpy.linalg as name",
    "an import of a package": "import name.part",
    "a from-import": "from a import b as name",
    "a match": "match x:\n    case [1, name]: pass",
    "in a branch": "if x:\n    name = 1\nelse:\n    name = 2",
    "in a try": "try:\n    import name\nexcept ImportError:\n    name = None",
    "among magics": "%matplotlib inline\nname = !ls",
    "below a timing": "%%time\nname = train()",
    "an item of it": "name['W'] = 1",
    "an attribute of one of several": "a, name.b[0] = 1, 2",
    "a lambda": "name = lambda x: x",
}
BINDS_NOT = {
    "another name": "names = 1",
    "within a function": "def f(): name = 1",
    "within a class": "class A:\n    name = 1",
    "only used": "print(name)",
    "a loop of a comprehension": "[name for name in y]",
    "an annotation alone": "name: int",
    "an argument's name": "f(name=1)",
    "text": "'name = 1'",
}


@pytest.mark.parametrize("source", BINDS.values(), ids=BINDS.keys())
def test_whatever_gives_a_name_a_value_defines_it(source: str) -> None:
    assert "name" in bound(source).names


@pytest.mark.parametrize("source", BINDS_NOT.values(), ids=BINDS_NOT.keys())
def test_nothing_else_does(source: str) -> None:
    read = bound(source)
    assert "name" not in read.names
    assert not read.is_open


def reference(
    folder: Path, *cells: str, defines: str = "step(p, g)", records: str = "", given: str = "import numpy as np"
) -> Reference:
    """The reference of a rubric with one question, whose answer is in `cells`."""
    notebook = new_notebook(cells=[new_code_cell(given), new_markdown_cell("## 4.6 Update")])
    notebook.cells += [new_code_cell(cell, metadata={"tags": ["question:4.6.a"]}) for cell in cells]
    nbformat.write(notebook, folder / "reference.ipynb")
    (folder / "rubric.toml").write_text(
        f'title = "t"\nreference = "reference.ipynb"\n[[question]]\nid = "4.6.a"\ntitle = "t"\npoints = 1\n'
        f'kind = "code"\ndefines = ["{defines}"]\n' + (f'records = ["{records}"]\n' if records else "")
    )
    return Reference(load_assignment(folder))


STEP = "def step(p, g):\n    return p - g"
FAULTS = {
    "a typo": (
        (STEP,),
        {"defines": "stepp(p, g)"},
        "defines: the reference's answer does not define stepp; did you mean step?",
    ),
    "another case": (
        ("Results = 1",),
        {"defines": "results"},
        "defines: the reference's answer does not define results; did you mean Results?",
    ),
    "nothing like it": ((STEP,), {"defines": "loss"}, "defines: the reference's answer does not define loss"),
    "a name of another cell": (
        (STEP,),
        {"defines": "np"},
        "defines: the reference's answer does not define np; another cell does (cell 1)",
    ),
    "another parameter": (
        (STEP,),
        {"defines": "step(params, g)"},
        "defines: step(params, g): the parameters of the reference's step are p, g",
    ),
    "a parameter too few": (
        (STEP,),
        {"defines": "step(p)"},
        "defines: step(p): the parameters of the reference's step are p, g",
    ),
    "parameters of a value": (
        ("step = 3",),
        {"defines": "step(p)"},
        "defines: step(p): in the reference, step is a value, and no function",
    ),
    "a call that is not recorded": (
        (STEP,),
        {"records": "stpe"},
        "records: the reference's cells up to this answer do not define stpe; did you mean step?",
    ),
}


@pytest.mark.parametrize(("cells", "names", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_a_name_that_the_reference_does_not_define_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: tuple[str, ...], names: dict[str, str], fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RubricError) as caught:
        reference(tmp_path, *cells, **names)
    assert caught.value.faults == [f"rubric.toml: question 4.6.a: {fault}"]


FITS = {
    "the same": (STEP, "step(p, g)"),
    "no parameters stated": (STEP, "step"),
    "with defaults": ("def step(p, g=1, *, rate=0.1): ...", "step(p, g=1, rate=0.1)"),
    "defaults left out": ("def step(p, g=1, *, rate=0.1): ...", "step(p)"),
    "stars": ("def step(p, *args, **kwargs): ...", "step(p, *args, **kwargs)"),
    "stars left out": ("def step(p, *args, **kwargs): ...", "step(p)"),
    "only by position": ("def step(p, /, g): ...", "step(p, /, g)"),
    "with types": ("def step(p: float, g: float) -> float: ...", "step(p: float, g: float)"),
    "a lambda": ("step = lambda p, g: p - g", "step(p, g)"),
    "a class": ("class step:\n    def __init__(self, p, g): ...", "step(p, g)"),
    "what a call makes": ("import functools\nstep = functools.partial(print, 1)", "step(p, g)"),
    "decorated": ("@decorator\ndef step(*args): ...", "step(p, g)"),
    "one of two": ("if x:\n    def step(a): ...\nelse:\n    def step(p, g): ...", "step(p, g)"),
}


@pytest.mark.parametrize(("source", "defines"), FITS.values(), ids=FITS.keys())
def test_parameters_that_fit_are_no_error(tmp_path: Path, source: str, defines: str) -> None:
    assert reference(tmp_path, source, defines=defines).open_names == []


OPEN = {
    "exec": ("exec('step = 1')", "import numpy as np"),
    "globals": ("globals()['step'] = 1", "import numpy as np"),
    "a star": ("from math import *", "import numpy as np"),
    "a magic": ("%%capture step\nprint(1)", "import numpy as np"),
    "a function of an earlier cell": ("make()", "def make():\n    global step\n    step = 1"),
}


@pytest.mark.parametrize(("source", "given"), OPEN.values(), ids=OPEN.keys())
def test_what_only_a_run_tells_is_left_to_the_run(tmp_path: Path, source: str, given: str) -> None:
    (left,) = reference(tmp_path, source, defines="step", given=given).open_names
    assert (left.question, left.name) == ("4.6.a", "step")


@pytest.fixture
def rubric(tmp_path: Path) -> Path:
    """The mini rubric, whose 1.1.c gives its name a value in a way that only a run tells."""
    copy = Path(shutil.copytree(MINI, tmp_path / "mini", ignore=shutil.ignore_patterns("__pycache__")))
    change(copy / "reference.ipynb", '"results = [quadruple(i)', "\"globals()['results'] = [quadruple(i)")
    return copy


def test_the_run_of_the_reference_decides(worker_of: Callable[[Path, int], Grader], rubric: Path) -> None:
    with worker_of(rubric, 1):
        pass
    change(rubric / "rubric.toml", 'defines = ["results"]', 'defines = ["result"]')
    with pytest.raises(RubricError) as caught, worker_of(rubric, 1):
        pass
    (fault,) = caught.value.faults
    assert fault.endswith("rubric.toml: question 1.1.c: defines: the reference's answer does not define result")


def test_nothing_is_validated_or_released_with_such_a_name(rubric: Path) -> None:
    change(rubric / "rubric.toml", "quadruple(x)", "quadrupel(x)")
    change(rubric / "test_mini.py", '"1.1.a", points=1', '"1.1.a", points=1, public=True')
    assignment = load_assignment(rubric)
    for use in (lambda: validate(assignment, 1), lambda: release(assignment, rubric / "out", 1)):
        with pytest.raises(RubricError, match=r"not define quadrupel; did you mean quadruple\?"):
            use()
