"""Finding a rubric's checks: each fault on a line that says where it is, before any submission is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from notebooks import MINI, change

from grader.assignment.assignment import Check, RubricError, load_assignment
from grader.rubric.checks import files_of, load_checks

MARK_A = '@pytest.mark.question("1.1.a", points=1)'
MARK_B = '@pytest.mark.question("1.1.b", points=0.5)'
CASES = '@pytest.mark.parametrize("x", [0, 3, -2.5])'
NEEDS_MARK = 'needs a mark of the form @pytest.mark.question("1.3.a", points=1)'
ADDED = '''

@pytest.mark.question("1.1.b", points=0)
def test_added(student):
    """One more promise."""
'''


@pytest.fixture
def rubric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the mini assignment, to be changed, in the folder `rubric` of the current one."""
    monkeypatch.chdir(tmp_path)
    copy = shutil.copytree(MINI, tmp_path / "rubric", ignore=shutil.ignore_patterns("__pycache__"))
    return Path(copy).relative_to(tmp_path)


def load(rubric: Path) -> tuple[Check, ...]:
    return load_checks(load_assignment(rubric))


def faults(rubric: Path) -> list[str]:
    with pytest.raises(RubricError) as caught:
        load(rubric)
    assert all("\n" not in line for line in caught.value.faults)
    return caught.value.faults


def test_checks_are_found_in_order_with_their_points_and_promises(rubric: Path) -> None:
    assert load(rubric) == (
        Check("test_mini.py::test_double", "1.1.a", 1, "Your function returns twice its argument."),
        Check("test_mini.py::test_quadruple", "1.1.b", 1.5, "Your function returns four times its argument."),
        Check("test_mini.py::test_quadruple_uses_double", "1.1.b", 0.5, "Your function calls `double`."),
        Check("test_mini.py::test_results", "1.1.c", 1.5, "`results` holds what `quadruple` returned."),
    )


# Faults


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            MARK_B,
            MARK_B.replace("1.1.b", "9.9.z"),
            [
                "rubric/test_mini.py::test_quadruple_uses_double: there is no question 9.9.z in rubric.toml",
                "rubric/rubric.toml: question 1.1.b is worth 2 points but its checks add up to 1.5",
            ],
            id="unknown question",
        ),
        pytest.param(
            MARK_B,
            MARK_B.replace("1.1.b", "1.1b"),
            [
                "rubric/test_mini.py::test_quadruple_uses_double: there is no question 1.1b in rubric.toml; "
                "did you mean 1.1.b?",
                "rubric/rubric.toml: question 1.1.b is worth 2 points but its checks add up to 1.5",
            ],
            id="a question's id misspelt",
        ),
        pytest.param(
            MARK_B,
            MARK_B.replace("0.5", "1"),
            ["rubric/rubric.toml: question 1.1.b is worth 2 points but its checks add up to 2.5"],
            id="points that do not add up",
        ),
        pytest.param(
            MARK_B,
            MARK_B.replace("1.1.b", "1.2.a"),
            [
                "rubric/test_mini.py::test_quadruple_uses_double: "
                "question 1.2.a is a text, marked by a person: it can have no checks",
                "rubric/rubric.toml: question 1.1.b is worth 2 points but its checks add up to 1.5",
            ],
            id="text question",
        ),
        pytest.param(
            '"1.1.c", points=1.5',
            '"1.1.b", points=0',
            ["rubric/rubric.toml: question 1.1.c has no checks"],
            id="code question without checks",
        ),
        pytest.param(
            "(student, rng)",
            "(student, rgn)",
            [
                "rubric/test_mini.py::test_quadruple: there is no fixture 'rgn'; "
                "the rubric's own are student, reference, examples, seed and rng"
            ],
            id="fixture that does not exist",
        ),
        pytest.param(
            "(student, reference, x)",
            "(studnet, reference, x)",
            [
                "rubric/test_mini.py::test_double: there is no fixture 'studnet'; "
                "the rubric's own are student, reference, examples, seed and rng"
            ],
            id="fixture that does not exist, of three cases, once",
        ),
        pytest.param(
            '@pytest.mark.question("1.1.b", points=1.5)\ndef test_quadruple(student, rng)',
            '@pytest.fixture(scope="module")\ndef kept(student):\n    return student\n\n\n'
            '@pytest.mark.question("1.1.b", points=1.5)\ndef test_quadruple(student, kept, rng)',
            [
                "rubric/test_mini.py::test_quadruple: the fixture 'kept' has the scope 'module' and cannot use "
                "'student', which is made again for each check"
            ],
            id="fixture that would keep a student's answers for others",
        ),
        pytest.param(
            '    """Your function calls `double`."""\n',
            "",
            ["rubric/test_mini.py::test_quadruple_uses_double: needs a docstring; it is what the student reads"],
            id="no docstring",
        ),
        *(
            pytest.param(
                MARK_B,
                mark,
                [
                    f"rubric/test_mini.py::test_quadruple_uses_double: {said}",
                    "rubric/rubric.toml: question 1.1.b is worth 2 points but its checks add up to 1.5",
                ],
                id=id,
            )
            for id, mark, said in [
                ("no mark", "", NEEDS_MARK),
                ("misspelt mark", '@pytest.mark.qestion("1.1.b")', f"{NEEDS_MARK}, and has one called 'qestion'"),
                ("no question", "@pytest.mark.question", "its mark needs the id of one question, and has none: "),
                ("no question, but points", "@pytest.mark.question(points=0.5)", "its mark needs the id of one"),
                (
                    "a number",
                    "@pytest.mark.question(1.1)",
                    "its mark has 1.1 for the id of a question, which is a text",
                ),
                (
                    "two questions",
                    '@pytest.mark.question("1.1.a", "1.1.b")',
                    "its mark needs the id of one question, and has '1.1.a', '1.1.b'",
                ),
                (
                    "a misspelt argument",
                    '@pytest.mark.question("1.1.b", point=0.5)',
                    "its mark has no argument 'point'; did you mean points?",
                ),
                (
                    "another misspelt argument",
                    '@pytest.mark.question("1.1.b", points=0.5, publik=True)',
                    "its mark has no argument 'publik'; did you mean public?",
                ),
                (
                    "an argument like no other",
                    '@pytest.mark.question("1.1.b", weight=0.5)',
                    "its mark has no argument 'weight'",
                ),
                (
                    "points in words",
                    '@pytest.mark.question("1.1.b", points="half")',
                    "its mark has points='half'; it is a number, such as 0.5",
                ),
                (
                    "points that are a truth",
                    '@pytest.mark.question("1.1.b", points=True)',
                    "its mark has points=True; it is a number",
                ),
                (
                    "public in words",
                    '@pytest.mark.question("1.1.b", public="yes")',
                    "its mark has public='yes'; it is True or False",
                ),
                (
                    "misspelt feedback",
                    '@pytest.mark.question("1.1.b", feedback="outcomes")',
                    'its mark has feedback=\'outcomes\'; it is "full" or "outcome"',
                ),
            ]
        ),
        *(
            pytest.param(
                MARK_B,
                MARK_B.replace("0.5", points),
                [
                    f"rubric/test_mini.py::test_quadruple_uses_double: {shown} points; "
                    "points are not negative, in steps of 0.5",
                    f"rubric/rubric.toml: question 1.1.b is worth 2 points but its checks add up to {total}",
                ],
                id=f"{points} points",
            )
            for points, shown, total in [
                ("0.25", "0.25", "1.75"),
                ("-0.5", "-0.5", "1"),
                ("float('nan')", "nan", "nan"),
                ("1e400", "inf", "inf"),
            ]
        ),
        pytest.param(
            "import numpy as np",
            "import numpy as",
            ["rubric/test_mini.py: cannot be imported: line 1: SyntaxError: invalid syntax"],
            id="syntax error",
        ),
        pytest.param(
            "from grader.rubric import review",
            "from grader.rubric import reviewed",
            ["rubric/test_mini.py: cannot be imported: line 4: ImportError: cannot import name 'reviewed' from"],
            id="import error",
        ),
        pytest.param(
            "from grader.rubric import review",
            "from grader.rubric import review\n\n\ndef limit():\n    return 1 / 0\n\n\nlimit()",
            ["rubric/test_mini.py: cannot be imported: line 8: ZeroDivisionError: division by zero"],
            id="exception",
        ),
        pytest.param(
            "from grader.rubric import review",
            "import sys\n\nsys.exit('bye')",
            ["rubric: a check file ends the program (line 6: SystemExit: bye)"],
            id="exit",
        ),
        pytest.param(
            "from grader.rubric import review",
            "pytest.exit('bye')",
            ["rubric/test_mini.py: cannot be imported: line 4: Exit: bye"],
            id="pytest.exit",
        ),
        pytest.param(
            "from grader.rubric import review",
            "pytest.skip('bye', allow_module_level=True)",
            ["rubric/test_mini.py: is skipped as a whole"],
            id="skipped",
        ),
        pytest.param(
            CASES,
            '@pytest.mark.parametrize("y", [0])',
            ["rubric/test_mini.py: cannot be imported: Failed: In test_mini.py::test_double: function uses no"],
            id="cases of an argument that is none",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(rubric: Path, old: str, new: str, expected: list[str]) -> None:
    change(rubric / "test_mini.py", old, new)
    found = faults(rubric)
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


def test_all_faults_are_named_at_once(rubric: Path) -> None:
    checks = rubric / "test_mini.py"
    change(checks, "(student, rng)", "(student, rgn)")
    change(checks, '    """Your function calls `double`."""\n', "")
    change(checks, '"1.1.a", points=1', '"1.1.a", points=0.3')
    (rubric / "test_other.py").write_text("import no_such_module\n")
    found = faults(rubric)
    assert len(found) == 4
    for part in ("fixture 'rgn'", "docstring", "0.3 points", "line 1: ModuleNotFoundError: No module named 'no_such"):
        assert any(part in line for line in found), part


def test_a_conftest_that_breaks_is_named(rubric: Path) -> None:
    (rubric / "conftest.py").write_text("import no_such_module\n")
    (line,) = faults(rubric)
    assert line == "rubric: the checks cannot be read: ModuleNotFoundError: No module named 'no_such_module'"


def test_a_rubric_without_checks_says_so(rubric: Path) -> None:
    (rubric / "test_mini.py").unlink()
    assert faults(rubric) == [f"rubric/rubric.toml: question 1.1.{letter} has no checks" for letter in "abc"]


# What a rubric may do


def test_a_case_with_a_mark_of_its_own_is_a_check_of_its_own(rubric: Path) -> None:
    case = 'pytest.param(-2.5, marks=pytest.mark.question("1.1.a", points=0.5), id="a/b [c]")'
    change(rubric / "test_mini.py", CASES, f'@pytest.mark.parametrize("x", [0, 3, {case}])')
    change(rubric / "test_mini.py", MARK_A, MARK_A.replace("=1", "=0.5"))
    assert [(check.name, check.points) for check in load(rubric)][:2] == [
        ("test_mini.py::test_double", 0.5),
        ("test_mini.py::test_double[a/b [c]]", 0.5),
    ]


def test_the_mark_of_a_case_is_told_with_the_case(rubric: Path) -> None:
    change(
        rubric / "test_mini.py",
        CASES,
        '@pytest.mark.parametrize("x", [0, pytest.param(3, marks=pytest.mark.question("1.1.a", pionts=1))])',
    )
    assert "rubric/test_mini.py::test_double[3]: its mark has no argument 'pionts'; did you mean points?" in faults(
        rubric
    )


def test_a_check_or_all_hidden_ones_can_tell_their_outcome_only(rubric: Path) -> None:
    checks = rubric / "test_mini.py"
    change(checks, MARK_B, MARK_B.replace("0.5", '0.5, feedback="outcome"'))
    assert [check.feedback for check in load(rubric)] == ["full", "full", "outcome", "full"]
    change(checks, MARK_B.replace("0.5", '0.5, feedback="outcome"'), MARK_B.replace("0.5", '0.5, feedback="full"'))
    change(checks, MARK_A, MARK_A.replace("points=1", "points=1, public=True"))
    change(rubric / "rubric.toml", 'title = "Mini"', 'title = "Mini"\nhidden_feedback = "outcome"')
    assert [check.feedback for check in load(rubric)] == ["full", "outcome", "full", "outcome"]


def test_a_class_and_a_file_may_bear_the_mark(rubric: Path) -> None:
    (rubric / "test_more.py").write_text(
        "import pytest\n\npytestmark = pytest.mark.question('1.1.b', points=0)\n\n\n"
        "class TestMore:\n    def test_one(self, student):\n        '''One.'''\n\n\n"
        "def test_two():\n    '''Two.'''\n"
    )
    assert [check.name for check in load(rubric)][-2:] == ["test_more.py::TestMore::test_one", "test_more.py::test_two"]


def test_checks_of_two_files_in_different_folders_are_two(rubric: Path) -> None:
    for folder in ("one", "two"):
        (rubric / folder).mkdir()
        (rubric / folder / "test_same.py").write_text(f"import pytest\n{ADDED}")
    names = [check.name for check in load(rubric)]
    assert {"one/test_same.py::test_added", "two/test_same.py::test_added"} < set(names)
    assert len(names) == 6


def test_fixtures_of_the_rubric_and_of_pytest_may_be_used(rubric: Path) -> None:
    (rubric / "conftest.py").write_text("import pytest\n\n\n@pytest.fixture\ndef size(seed):\n    return 3\n")
    change(rubric / "test_mini.py", "(student, rng)", "(student, rng, size, tmp_path, monkeypatch, request)")
    assert len(load(rubric)) == 4


def test_the_first_paragraph_of_a_docstring_is_what_the_student_reads(rubric: Path) -> None:
    promise = '"""Your function\n    calls `double`.\n\n    For staff: this is worth half a point.\n    """'
    change(rubric / "test_mini.py", '"""Your function calls `double`."""', promise)
    assert load(rubric)[2].title == "Your function calls `double`."


# What is around a rubric


def test_a_module_beside_the_checks_can_be_imported(rubric: Path) -> None:
    (rubric / "helpers.py").write_text("LIMIT = 3\n")
    change(rubric / "test_mini.py", "from grader.rubric import review", "from helpers import LIMIT")
    assert len(load(rubric)) == 4
    assert "helpers" not in sys.modules


def test_two_rubrics_may_have_modules_of_the_same_name(rubric: Path, tmp_path: Path) -> None:
    (rubric / "helpers.py").write_text("PROMISE = 'One.'\n")
    with (rubric / "test_mini.py").open("a") as file:
        file.write(ADDED + "\n\nimport helpers\n\ntest_added.__doc__ = helpers.PROMISE\n")
    other = Path(shutil.copytree(rubric, tmp_path / "other"))
    (other / "helpers.py").write_text("PROMISE = 'Two.'\n")
    assert [load(each)[-1].title for each in (rubric, other, rubric)] == ["One.", "Two.", "One."]


def test_loading_leaves_the_process_as_it_was(rubric: Path, capfd: pytest.CaptureFixture[str]) -> None:
    change(rubric / "test_mini.py", "import numpy as np", "import sys\nimport numpy as np\nprint('x', file=sys.stderr)")
    path, modules, environment, folder = list(sys.path), set(sys.modules), dict(os.environ), Path.cwd()
    load(rubric)
    assert list(sys.path) == path
    assert [name for name in sys.modules if "mini" in name and name not in modules] == []
    assert dict(os.environ) == environment
    assert Path.cwd() == folder
    assert capfd.readouterr() == ("", "")


def test_a_folder_with_a_space_in_its_name(rubric: Path) -> None:
    spaced = rubric.rename("a rubric")
    (spaced / "helpers.py").write_text("LIMIT = 3\n")
    change(spaced / "test_mini.py", "from grader.rubric import review", "from helpers import LIMIT")
    assert len(load(spaced)) == 4


def test_nothing_around_the_rubric_has_a_say(rubric: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("conftest.py").write_text("raise RuntimeError('not yours')\n")
    Path("pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (rubric / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    assert len(load(rubric)) == 4


def test_a_check_that_imports_the_rubrics_words_needs_nothing_else(rubric: Path) -> None:
    code = (
        "import sys; from grader.rubric import expect, review, StudentError\n"
        "print([name for name in ('torch', 'nbclient', 'jupyter_client') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_files_of_checks_are_named_once() -> None:
    names = ["b/test_b.py::test_one[1]", "test_a.py::test_one", "b/test_b.py::test_two"]
    assert files_of(Check(name, "1.1.a", 1.0, "One.") for name in names) == ["b/test_b.py", "test_a.py"]
