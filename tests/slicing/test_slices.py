"""What of a notebook runs for some of its questions: never less than they depend on, and not the training."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_output
from notebooks import code_notebook

from grader.assignment.assignment import Question, load_assignment
from grader.assignment.locating import Answer, is_answered, locate
from grader.assignment.notebook import read_notebook
from grader.grading.submission import Grader, new_result
from grader.slicing.criterion import criterion_names
from grader.slicing.slices import Slice, backward_slice

NAMES = "abcde"
FUNCTIONS = "fgh"


def slice_for_last(*sources: str, defines: str = "answer", trust: bool = False) -> Slice:
    """The slice for a question that is answered by the last of these cells."""
    question = Question(id="1.1.a", title="", points=1, kind="code", defines=(defines,))
    answers = {"1.1.a": Answer(cells=(len(sources) - 1,))}
    return backward_slice(code_notebook(*sources), answers, [question], trust=trust)


def kept(*sources: str, trust: bool = False) -> list[str]:
    """The cells before the answer that are not empty, each without empty lines."""
    cells = slice_for_last(*sources, trust=trust).notebook.cells[:-1]
    texts = ["\n".join(line for line in cell.source.split("\n") if line.strip(" #")) for cell in cells]
    return [text for text in texts if text]


def run(sources: Sequence[str], *expressions: str, failed: set[int] | None = None) -> list[Any]:
    """Run cells as IPython does, a statement at a time; what the expressions are afterwards."""
    names: dict[str, Any] = {}
    for index, source in enumerate(sources):
        try:
            for statement in ast.parse(source).body:
                exec(compile(ast.Module([statement], []), "<cell>", "exec"), names)  # noqa: S102 -- the test's own
        except Exception:
            # The rest of the cell does not run.
            if failed is not None:
                failed.add(index)
    return [_result(expression, names) for expression in expressions]


def _result(expression: str, names: dict[str, Any]) -> Any:
    try:
        return _shown(eval(expression, names))  # noqa: S307 -- the test's own
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _shown(value: Any, depth: int = 5) -> Any:
    """What can be compared of a value, which may have itself among its parts."""
    if isinstance(value, (list, tuple)):
        return [_shown(part, depth - 1) for part in value[:20]] if depth else ...
    return value if isinstance(value, (int, float, str)) else type(value).__name__


ANSWER = "def answer(n):\n    return data, helper(n)"

SAME = {
    "a name that is bound again": ["data = 1", "data = 2", "def helper(n): return n"],
    "a name that is bound again later in vain": ["data = 1", "data = 1 / 0", "def helper(n): return n"],
    "an object with two names": ["data = []\nother = data", "other.append(1)", "def helper(n): return n"],
    "an object in another": ["part = [1]\ndata = [part]", "part.append(2)", "def helper(n): return n"],
    "a loop over parts": ["data = [[1], [2]]", "for part in data:\n    part.append(3)", "def helper(n): return n"],
    "a comprehension for its effect": ["data = [[1], [2]]", "[part.append(3) for part in data]"],
    "assignment to a part": ["data = {}", "data['a'] = 1", "def helper(n): return data.get('a')"],
    "augmented assignment": ["data = [1]\nother = data", "other += [2]", "def helper(n): return n"],
    "a function that changes its argument": ["def change(x):\n    x.append(1)", "data = []", "change(data)"],
    "a function that changes it by another": [
        "def change(x):\n    x.append(1)",
        "def both(x):\n    change(x)",
        "data = []",
        "both(data)",
    ],
    "a function that changes the notebook's object": ["data = []", "def log():\n    data.append(1)", "log()", "log()"],
    "a function with a global": ["data = 1", "def change():\n    global data\n    data = 2", "change()"],
    "a function in a list": ["data = []\ndef log():\n    data.append(1)", "hooks = [log]", "hooks[0]()"],
    "a helper that is defined later": ["data = 1", "def helper(n): return later(n)", "def later(n): return n + data"],
    "a helper that is defined twice": ["data = 1", "def helper(n): return 1", "def helper(n): return 2"],
    "a helper after an error": ["data = 1", "def helper(n): return 1", "1 / 0\ndef helper(n): return 2"],
    "an error after a helper": ["data = 1", "def helper(n): return 1\n1 / 0\ndata = 2"],
    "a default that is kept": ["def helper(n, seen=[]):\n    seen.append(n)\n    return seen", "helper(5)", "data = 1"],
    "a function's attribute": ["def helper(n): return helper.k", "helper.k = 4", "data = 1"],
    "a class's attribute": ["class C:\n    k = []", "c = C()", "c.k.append(1)", "data = C.k\ndef helper(n): return n"],
    "an object's attribute": ["class C: pass", "data = C()", "data.k = 1", "def helper(n): return data.k"],
    "a method": [
        "class C:\n    def __init__(self): self.k = 0\n    def add(self): self.k += 1",
        "data = C()",
        "data.add()",
        "def helper(n): return data.k",
    ],
    "an operator of its own": [
        "class C:\n    def __init__(self): self.k = 0\n    def __add__(self, n): self.k += n",
        "data = C()",
        "data + 3",
        "def helper(n): return data.k",
    ],
    "a property": [
        "class C:\n    k = 0\n    @property\n    def p(self): self.k += 1",
        "data = C()",
        "data.p",
        "def helper(n): return data.k",
    ],
    "an iterator": ["data = iter([1, 2, 3])", "for one in data: break", "def helper(n): return list(data)"],
    "next": ["data = iter([1, 2, 3])", "next(data)", "def helper(n): return list(data)"],
    "a closure": [
        "def make():\n    k = []\n    def inner(n):\n        k.append(n)\n        return k\n    return inner",
        "helper = make()",
        "helper(1)",
        "data = 1",
    ],
    "del": ["data = 1", "del data", "def helper(n): return n"],
    "if": ["data = 1\nflag = True", "if flag:\n    data = 2", "def helper(n): return n"],
    "try": ["data = 1", "try:\n    data = [][0]\nexcept IndexError:\n    data = 3", "def helper(n): return n"],
    "with": ["import io", "with io.StringIO('a') as file:\n    data = file.read()", "def helper(n): return n"],
    "match": ["match [1, 2]:\n    case [first, *rest]:\n        data = rest", "def helper(n): return first"],
    "walrus": ["print(data := 3)", "def helper(n): return n"],
    "import": ["import math as m\nfrom math import tau", "data = m.pi", "def helper(n): return tau"],
    "star import": ["from math import *", "data = cos(0)", "def helper(n): return sin(n)"],
    "exec": ["exec('data = 3')", "def helper(n): return n"],
    "exec in a function": ["def setup():\n    exec('global data; data = 3')", "setup()", "def helper(n): return n"],
    "globals": ["globals()['data'] = 3", "def helper(n): return n"],
    "globals by a name": ["g = globals()", "data = 1", "g['data'] = 3", "def helper(n): return n"],
    "seeds": ["import random", "random.seed(3)", "data = random.random()", "def helper(n): return n"],
    "a setting": ["import decimal", "decimal.getcontext().prec = 3", "data = decimal.Decimal(1) / 3"],
    "a seed in a function": [
        "import random\ndef seed_all():\n    random.seed(3)",
        "seed_all()",
        "data = random.random()",
    ],
    "a package that is changed": [
        "import math",
        "math.cos = lambda x: 7",
        "data = math.cos(0)",
        "def helper(n): return n",
    ],
    "two statements in a line": ["data = 1; other = 2", "def helper(n): return n"],
    "a decorator": [
        "seen = []\ndef note(f):\n    seen.append(f.__name__)\n    return f",
        "@note\ndef one(): pass",
        "data = seen",
    ],
}


@pytest.mark.parametrize("cells", SAME.values(), ids=SAME)
@pytest.mark.parametrize("trust", [False, True], ids=["sure", "trusting"])
def test_the_answer_does_the_same(cells: list[str], trust: bool) -> None:
    sources = [*cells, ANSWER]
    result = slice_for_last(*sources, trust=trust)
    failed: set[int] = set()
    found = run([cell.source for cell in result.notebook.cells], "answer(1)", "answer(1)", failed=failed)
    # Where it was trusted in vain, everything is done again without.
    assert found == run(sources, "answer(1)", "answer(1)") or failed & result.trusted


SMALL = {
    "a plain use": (["data = 1", "print(data)", "other = data + 1"], ["data = 1"]),
    "training": (
        ["data = 1", "model = [0]", "for step in range(10**9):\n    model[0] += data", "loss = model[0]"],
        ["data = 1"],
    ),
    "an import that nobody uses": (
        ["import json\nimport sklearn.datasets\nfrom sklearn.svm import SVC\ndata = 1", "json.dumps(3)"],
        ["data = 1"],
    ),
    "a drawing": (["import matplotlib.pyplot as plt\ndata = 1", "plt.plot(data)\nplt.show()"], ["data = 1"]),
    "a pure function's call": (["data = [1]\ndef f(x):\n    return len(x)", "y = f(data)"], ["data = [1]"]),
    "a function that fills its own list": (
        ["data = [1]", "def f(x):\n    out = []\n    out.append(len(x))\n    return out", "f(data)"],
        ["data = [1]"],
    ),
    "magics that do nothing": (["%matplotlib inline\ndata = 1", "%pip install x", "%%html\n<b>"], ["data = 1"]),
    "a cell that Python refuses": (["data = 1", "while True:\n    data = 2\nx ="], ["data = 1"]),
    "what stands after the answer": (["data = 1"], ["data = 1"]),
    "an earlier definition": (
        ["def helper(n): return 1", "data = 1\ndef helper(n): return 2"],
        ["data = 1\ndef helper(n): return 2"],
    ),
}


@pytest.mark.parametrize(("cells", "expected"), SMALL.values(), ids=SMALL)
def test_what_it_does_not_depend_on_is_left_out(cells: list[str], expected: list[str]) -> None:
    assert (
        kept(*cells, "helper = len\n" + ANSWER.replace("helper", "str")) == expected or kept(*cells, ANSWER) == expected
    )


UNSURE = {
    "a shell command": "!cat file",
    "a magic that is not known": "%run other.py",
    "a cell magic that is not known": "%%cython\ncdef int x",
    "a shell command's output": "files = !ls",
    "IPython itself": "get_ipython().run_line_magic('run', 'other.py')",
    "importlib": "import importlib\nimportlib.reload(json)",
    "what is no Python, with something of IPython's in it": "x = = 3\n!ls",
    "an output by its number": "x = _3",
}


@pytest.mark.parametrize("source", UNSURE.values(), ids=UNSURE)
def test_before_what_is_not_understood_everything_stays(source: str) -> None:
    cells = ["unused = 1", "print(unused)", source]
    assert kept(*cells, "def answer(): return 1") == cells
    assert kept("unused = 1", "def answer(): return 1") == []


def test_lines_keep_their_numbers_and_cells_their_places() -> None:
    cells = ["\nunused = 1\n\ndata = 2\nprint(data)\n", "print(1)", "def answer():\n    return data"]
    result = slice_for_last(*cells).notebook
    # IPython takes empty lines at the beginning away; from `unused` on, none may be added to them.
    assert [cell.source for cell in result.cells] == ["\n#\n\ndata = 2\n\n", "", cells[2]]


def test_a_statement_that_may_fail_keeps_what_it_binds_anew() -> None:
    cells = ["data = [1]", "data = data.copy", "data = int('1')", "def answer():\n    return data"]
    sure, trusting = slice_for_last(*cells), slice_for_last(*cells, trust=True)
    assert [bool(cell.source) for cell in sure.notebook.cells] == [True, True, True, True]
    assert [bool(cell.source) for cell in trusting.notebook.cells] == [False, False, True, True]
    assert (sure.trusted, trusting.trusted) == (frozenset(), frozenset([2]))


def test_what_was_trusted_is_denied_by_an_error_by_a_cell_that_was_not_run_and_by_lost_output() -> None:
    trusting = slice_for_last("data = 1", "data = int('1')", "def answer():\n    return data", trust=True)
    executed = trusting.notebook
    assert not trusting.holds(executed)
    for cell in executed.cells:
        cell.execution_count = 1
    assert trusting.holds(executed)
    cell = executed.cells[1]
    cell.outputs = [new_output("error", ename="ValueError", evalue="")]
    assert not trusting.holds(executed)
    cell.outputs = [new_output("stream", text="[the rest of this cell's output was dropped]\n")]
    assert not trusting.holds(executed)
    executed.cells[0].outputs, cell.outputs = cell.outputs, []
    assert trusting.holds(executed)


def test_all_of_the_answers_own_cells_stays_also_what_fails() -> None:
    result = slice_for_last("unused = 1", "1 / 0\nunused = 2\n%timeit 1\ndef answer(): pass\nassert False")
    assert result.notebook.cells[1].source == "1 / 0\nunused = 2\n%timeit 1\ndef answer(): pass\nassert False"


def test_code_in_a_text_cell_that_is_no_answer_to_these_questions_is_left_out() -> None:
    notebook = code_notebook("data = 1", "def other():\n    return 1", "def answer():\n    return data")
    notebook.cells[1].cell_type = "markdown"
    names = {"1.1.a": "other", "1.1.b": "answer"}
    questions = [Question(id=id, title="", points=1, kind="code", defines=(name,)) for id, name in names.items()]
    answers = {"1.1.a": Answer(cells=(1,), retyped=(1,)), "1.1.b": Answer(cells=(2,))}
    assert [cell.source for cell in backward_slice(notebook, answers, questions[1:]).notebook.cells[:2]] == [
        "data = 1",
        "",
    ]
    assert backward_slice(notebook, answers, questions).notebook.cells[1].source == "def other():\n    return 1"


def test_names_that_only_checks_ask_for_are_kept() -> None:
    notebook = code_notebook("data = 1", "other = 2", "def answer(): return 1")
    question = Question(id="1.1.a", title="", points=1, kind="code", defines=("answer",))
    result = backward_slice(notebook, {"1.1.a": Answer(cells=(2,))}, [question], {"other"})
    assert [cell.source for cell in result.notebook.cells] == ["", "other = 2", "def answer(): return 1"]


# Programs that nobody would write


def statement(draw: random.Random) -> str:
    a, b, c = (draw.choice(NAMES) for _ in range(3))
    f, g = (draw.choice(FUNCTIONS) for _ in range(2))
    return draw.choice(
        [
            f"{a} = 3",
            f"{a} = [3]",
            f"{a} = {b}",
            f"{a} = [{b}, {c}]",
            f"{a}.append({b})",
            f"{a}[0] = {b}",
            f"{a} += [1]",
            f"{a} = {b} + {c}",
            f"{a}, {b} = {b}, {c}",
            f"def {f}(x):\n    return x",
            f"def {f}(x):\n    x.append(7)\n    return {a}",
            f"def {f}(x):\n    {a}.append(x)\n    return x",
            f"def {f}(x):\n    global {a}\n    {a} = x\n    return {b}",
            f"def {f}(x):\n    y = {a}\n    y.append(1)\n    return y",
            f"def {f}(x):\n    return {g}({a})",
            f"def {f}(x, y=[]):\n    y.append(x)\n    return y",
            f"def {f}(x):\n    def inner():\n        {a}.append(x)\n    return inner",
            f"{a} = {f}({b})",
            f"{f}({a})",
            f"{a}()",
            f"if {a}:\n    {b} = {c}",
            f"for {a} in {b}:\n    {c} = {a}",
            f"try:\n    {a} = {b}[0]\nexcept Exception:\n    {c} = 3",
            f"del {a}",
            "1 / 0",
            f"{a} = lambda x: {b}",
            f"{f} = lambda x: [{a}, x]",
            f"{a} = [y for y in {b}]",
            f"{a} = {f}",
            f"class K:\n    t = {a}\n{b} = K()",
            f"{a}.t = {b}",
            f"{a}.t.append(4)",
            f"{a} = iter({b})",
            f"{a} = next({b}, None)",
            f"{a} = max({b}, key=lambda y: {f}(y))",
        ]
    )


@pytest.mark.parametrize("seed", range(4))
def test_programs_at_random_do_the_same(seed: int) -> None:
    draw = random.Random(seed)
    for number in range(40):
        cells = [
            "\n".join(statement(draw) for _ in range(draw.choice([1, 1, 2, 3]))) for _ in range(draw.randint(3, 9))
        ]
        name = draw.choice(FUNCTIONS)
        cells.append(f"def {name}(x):\n    return [{draw.choice(NAMES)}, {draw.choice(FUNCTIONS)}(x)]")
        part = [cell.source for cell in slice_for_last(*cells, defines=name).notebook.cells]
        assert run(part, name, f"{name}(5)", f"{name}(5)") == run(cells, name, f"{name}(5)", f"{name}(5)"), (
            number,
            cells,
        )


# Real notebooks


@pytest.fixture(scope="module")
def parts_of_dl1(root: Path) -> Callable[[Path, str], str]:
    assignment = load_assignment(root / "rubrics" / "dl1")

    def code(path: Path, question: str) -> str:
        notebook = read_notebook(path, 10**8)
        answers = locate(notebook, assignment.questions)
        names = criterion_names(assignment.folder, [question])
        result = backward_slice(notebook, answers, [assignment.question(question)], names, trust=True)
        return "\n".join(cell.source for cell in result.notebook.cells if cell.cell_type == "code")

    return code


@pytest.mark.parametrize("name", ["average", "crashes-half-way", "one-wrong-helper", "unfinished", "very-good"])
def test_nothing_is_trained_and_no_data_are_loaded_for_the_sigmoid(
    parts_of_dl1: Callable[[Path, str], str], root: Path, name: str
) -> None:
    code = parts_of_dl1(root / "submissions" / "dl1" / f"{name}.ipynb", "1.3.a")
    assert "def sigmoid" in code
    for left_out in ("def train_epoch", "fit(", "load_digits", "import sklearn", "matplotlib", "optimize_f("):
        assert left_out not in code


def test_a_question_that_is_a_run_keeps_what_it_needs(parts_of_dl1: Callable[[Path, str], str], root: Path) -> None:
    code = parts_of_dl1(root / "reference" / "dl1" / "reference.ipynb", "1.6.h")
    for kept_ in ("load_digits()", "def fit(", "def make_layer(", "lambda x: x", "learning_rate=0.05"):
        assert kept_ in code


def test_the_verdicts_are_those_of_the_whole_notebook(root: Path) -> None:
    assignment = load_assignment(root / "rubrics" / "statistics1")
    with Grader(assignment, seed=5) as worker:
        for path in sorted((root / "submissions" / "statistics1").glob("*.ipynb")):
            notebook = read_notebook(path, 10**8)
            answers = locate(notebook, assignment.questions)
            answered = [one for one in assignment.questions if is_answered(notebook, one, answers[one.id])]
            whole = worker.grade_notebook(new_result(assignment, 5, "x", ""), notebook, answers, answered).result
            for question in (one for one in answered if one.kind == "code"):
                names = criterion_names(assignment.folder, [question.id])
                part = backward_slice(notebook, answers, [question], names, trust=True)
                graded = worker.grade_notebook(new_result(assignment, 5, "x", ""), part.notebook, answers, [question])
                assert part.holds(graded.notebook)
                found, expected = graded.result.question(question.id), whole.question(question.id)
                assert [(one.status, one.message) for one in found.checks] == [
                    (one.status, one.message) for one in expected.checks
                ]
