"""`%check` in a real kernel: what students see, and what stays as it was."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from students.live.course import CHECKS, STUB, write_bundle
from students.live.kernels import Kernel, kernel_in

DOUBLE = "def double(x):\n    return 2 * x"
WRONG = "def double(x):\n    return x + 2"


def test_a_wrong_answer_is_told_and_a_right_one_passes(kernel: Kernel) -> None:
    kernel.run(WRONG)
    wrong = kernel.run("%check 1.1.a")
    assert "✗ 1.1.a   Double  not yet" in wrong.text
    given, expected, got = map(int, re.findall(r"double\((\d+)\): expected (\d+), got (\d+)", wrong.text)[0])
    assert (expected, got) == (2 * given, given + 2)
    kernel.run(DOUBLE)
    right = kernel.run("%check 1.1.a")
    assert "✓ 1.1.a   Double  done         1.5 of 1.5" in right.text
    assert "Only 1.1.a: 1 of 1 code question done" in right.text


def test_without_a_question_all_are_checked(kernel: Kernel) -> None:
    kernel.run(DOUBLE)
    lines = [line for line in kernel.run("%check").text.splitlines() if line]
    assert [(line[0], line[2:7]) for line in lines if line[2:4] == "1."] == [
        ("✓", "1.1.a"),
        ("–", "1.1.b"),
        ("–", "1.1.c"),
        ("–", "1.1.d"),
        ("–", "1.1.e"),
        ("–", "1.3.a"),
    ]
    assert lines[-1] == (
        "Not checked here: 3 points are marked by a person, 1 check (2 points) runs only after the deadline."
    )


def test_an_answer_without_public_checks_comes_later(kernel: Kernel) -> None:
    kernel.run("def triple(x):\n    return 3 * x")
    assert "… 1.1.e   Hidden  later" in kernel.run("%check 1.1.e").text


@pytest.mark.parametrize(
    "cell",
    ["", "def double(x):\n    ...", "def double(x):\n    # TODO\n    raise NotImplementedError", "double = None"],
)
def test_what_is_not_defined_or_only_a_stub_is_not_started(kernel: Kernel, cell: str) -> None:
    kernel.run(cell)
    assert "– 1.1.a   Double  not started  0 of 1.5" in kernel.run("%check 1.1.a").text


def test_a_cell_as_it_was_given_out_is_not_started(kernel: Kernel) -> None:
    kernel.run(STUB)
    assert "– 1.1.b   Means  not started" in kernel.run("%check 1.1.b").text
    kernel.run(STUB.replace("# TODO", "total = sum(data[0])"))
    assert "✗ 1.1.b" in kernel.run("%check 1.1.b").text


def test_an_error_is_told_with_cell_and_line(kernel: Kernel) -> None:
    cell = kernel.run("def helper(x):\n    return 1 / (x - x)\n\ndef double(x):\n    y = 1\n    return helper(x)")
    text = kernel.run("%check 1.1.a").text
    assert (
        f"""\
      ZeroDivisionError: division by zero
        cell [{cell.number}], line 6, in double: return helper(x)
        cell [{cell.number}], line 2, in helper: return 1 / (x - x)
"""
        in text
    )


def test_what_is_said_has_a_page_for_front_ends(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    raise ValueError('<script>alert(1)</script>')")
    html = kernel.run("%check 1.1.a").html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html


def test_a_run_is_for_the_command(kernel: Kernel) -> None:
    kernel.run(f"{DOUBLE}\nresults = [double(i) for i in range(3)]")
    text = kernel.run("%check 1.1.d").text
    assert "? 1.1.d   A run  unsure" in text
    assert "cannot be checked here. Use the command `grader check`." in text


def test_two_questions_with_one_name_are_told_apart_by_their_parameters(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    return 2 * x")
    assert "– 1.1.c" in kernel.run("%check 1.1.c").text
    kernel.run("def double(x, plus=0):\n    return 3 * x + plus")
    text = kernel.run("%check 1.1.a 1.1.c").text
    assert "✓ 1.1.a" in text
    assert "✗ 1.1.c" in text
    assert kernel.value("double(1, 1)") == "4"


def test_a_stub_run_later_does_not_hide_the_answer_to_the_earlier_question(kernel: Kernel) -> None:
    kernel.run(DOUBLE)
    kernel.run("def double(x, plus=0):\n    raise NotImplementedError")
    assert "✓ 1.1.a" in kernel.run("%check 1.1.a").text


def test_nothing_that_a_check_does_stays(kernel: Kernel) -> None:
    kernel.run("""\
import os, random, sys, warnings
import numpy as np
import matplotlib.pyplot as plt
log, table, array = [1], {"a": [1, 2]}, np.arange(4.0)
folder, filters = os.getcwd(), list(warnings.filters)
random.seed(3); np.random.seed(3)

def mess():
    global table, new
    log.append(2); table["a"].append(3); table = None; new = 1; array[:] = 0
    os.chdir("/"); os.environ["MESS"] = "1"; sys.stdout = None
    random.random(); np.random.random(); warnings.simplefilter("error")
    plt.rcParams["lines.linewidth"] = 9; plt.figure(); plt.plot([1, 2]); plt.show()
    print("mess"); display("mess")
""")
    # A display would be a second one.
    assert "✓ 1.3.a   Mess  done" in kernel.run("%check 1.3.a").text
    assert kernel.value("(log, table, array.tolist())") == "([1], {'a': [1, 2]}, [0.0, 1.0, 2.0, 3.0])"
    assert kernel.value("'new' in globals(), 'made_by_the_check' in globals()") == "(False, False)"
    assert kernel.value("os.getcwd() == folder, 'MESS' in os.environ, filters == warnings.filters") == (
        "(True, False, True)"
    )
    assert kernel.value("(random.random(), float(np.random.random()))") == "(0.23796462709189137, 0.5507979025745755)"
    assert kernel.value("(plt.get_fignums(), plt.rcParams['lines.linewidth'])") == "([], 1.5)"


def test_a_figure_is_shown_after_a_check_as_before_it(kernel: Kernel) -> None:
    kernel.run("import matplotlib.pyplot as plt\ndef mess():\n    plt.plot([3, 4])\n    plt.show()")
    kernel.run("%check 1.3.a")
    shown = kernel.run("plt.plot([1, 2]); _ = plt.title('mine')")
    assert ["image/png" in data for data in shown.displays] == [True]
    open_figure = kernel.run("plt.plot([1, 2])\n%check 1.3.a\nplt.title('mine');")
    assert ["image/png" in data for data in open_figure.displays] == [False, True]


def test_the_results_of_cells_are_not_touched(kernel: Kernel) -> None:
    kernel.run(DOUBLE)
    number = kernel.run("double(21)").number
    kernel.run("%check 1.1.a")
    assert kernel.value(f"(_, Out[{number}])") == "(42, 42)"


def test_an_answer_without_an_end_is_stopped(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    while True:\n        try:\n            x += 1\n        except:\n            pass")
    text = kernel.run("%check 1.1.a").text
    assert "✗ 1.1.a" in text
    assert "Timeout: the code did not end within 1 seconds" in text
    assert kernel.value("1 + 1") == "2"


def test_an_interrupt_ends_the_check_and_leaves_all_as_it_was(kernel: Kernel) -> None:
    kernel.run("""\
import sys, time
log = []
def means(data):
    log.append(1)
    print("asleep", file=sys.__stdout__, flush=True)
    time.sleep(60)
""")
    message = kernel.start("%check 1.1.b")
    kernel.wait_for_output("asleep")
    kernel.manager.interrupt_kernel()
    run = kernel.wait(message)
    assert run.failed
    assert run.printed == "UsageError: The check was interrupted. Your variables are as they were before.\n"
    assert kernel.value("log") == "[]"
    kernel.run(DOUBLE)
    assert "✓ 1.1.a" in kernel.run("%check 1.1.a").text


def test_input_is_an_error_and_nobody_waits_for_it(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    return int(input('x? '))")
    assert "EOFError: input() was called" in kernel.run("%check 1.1.a").text


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("1.9.z", "there is no question 1.9.z; there are 1.1.a, 1.1.b, 1.1.c, 1.1.d, 1.1.e, 1.2.a, 1.3.a"),
        ("--bundle other.checks", "other.checks: cannot be read (No such file or directory)"),
        ("--what", "unrecognized arguments: --what"),
    ],
)
def test_what_is_wrong_with_the_line_is_told_in_one_line(kernel: Kernel, line: str, error: str) -> None:
    run = kernel.run(f"%check {line}")
    assert (run.failed, run.printed) == (True, f"UsageError: {error}\n")


def test_questions_may_be_listed_with_commas(kernel: Kernel) -> None:
    assert "Only 1.1.a, 1.1.b: " in kernel.run("%check 1.1.a, 1.1.b").text


def test_help_is_there(kernel: Kernel) -> None:
    run = kernel.run("print(get_ipython().find_line_magic('check').__doc__)")
    assert "%check 1.3.a 1.3.b           these questions" in run.printed


def test_the_extension_can_be_unloaded_and_loaded_again(kernel: Kernel) -> None:
    kernel.run("%unload_ext grader")
    assert "Line magic function `%check` not found" in kernel.run("%check 1.1.a").printed
    kernel.run("%load_ext grader")
    kernel.run(DOUBLE)
    assert "✓ 1.1.a" in kernel.run("%check 1.1.a").text


def test_a_bundle_that_was_replaced_is_read_again(bundle: Path, tmp_path: Path) -> None:
    with kernel_in(tmp_path) as kernel:
        kernel.run(f"%load_ext grader\n{DOUBLE}")
        assert "there is no file of checks in the folder" in kernel.run("%check").printed
        shutil.copy(bundle, tmp_path / "small.checks")
        assert "✓ 1.1.a" in kernel.run("%check 1.1.a").text
        harder = CHECKS.replace("double(x) is twice x.", "now it says something else").replace(
            'what=f"double({x})")', 'what=f"double({x})")\n    assert False, "harder now"'
        )
        write_bundle(tmp_path / "small.checks", tmp_path / "rubric", change=lambda source: harder)
        assert "harder now" in kernel.run("%check 1.1.a").text


def test_debuggers_and_imports_are_those_from_before(kernel: Kernel) -> None:
    kernel.run(f"import pdb, sys\nbefore = pdb.set_trace, list(sys.path), list(sys.meta_path)\n{DOUBLE}")
    kernel.run("%check 1.1.a")
    assert kernel.value("before == (pdb.set_trace, sys.path, sys.meta_path), 'test_small' in sys.modules") == (
        "(True, False)"
    )
