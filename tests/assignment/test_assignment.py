"""Reading `rubric.toml`: every fault in it gets a line that says where, all of them at once."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from notebooks import MINI

from grader.assignment.assignment import (
    Definition,
    Late,
    Limits,
    RubricError,
    RubricItem,
    load_assignment,
    parse_definition,
)
from grader.faults import shown
from grader.results.items import Item

HEAD = 'title = "T"\nreference = "r.ipynb"\n'
QUESTION = '[[question]]\nid = "1.1.a"\ntitle = "Q"\npoints = 1\nkind = "code"\n'
SECOND = QUESTION.replace("1.1.a", "1.1.b")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `rubric`, below the current one, with a reference in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rubric").mkdir()
    (tmp_path / "rubric" / "r.ipynb").touch()
    return Path("rubric")


def faults(folder: Path, text: str | bytes) -> list[str]:
    (folder / "rubric.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(RubricError) as caught:
        load_assignment(folder)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return [line.removeprefix("rubric/rubric.toml: ") for line in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(HEAD, "has no [[question]]", id="no questions"),
        pytest.param(HEAD + "question = 3\n", "has no [[question]]", id="questions that are none"),
        pytest.param('title = "T"\n' + QUESTION, "there is no `reference`", id="no reference named"),
        pytest.param('reference = "r.ipynb"\n' + QUESTION, "there is no `title`", id="no title"),
        pytest.param(HEAD.replace("r.ip", "x.ip") + QUESTION, "reference: there is no file x.ipynb", id="no reference"),
        pytest.param(HEAD.replace("r.ipynb", ".") + QUESTION, "reference: there is no file .", id="reference a folder"),
        pytest.param(HEAD.replace('"T"', "3") + QUESTION, "title: expected `str`, got `int`", id="type"),
        pytest.param(HEAD + "colour = 3\n" + QUESTION, "there is no such setting as `colour`", id="unknown setting"),
        pytest.param(
            HEAD + "[limits]\ncpu = 3\n" + QUESTION, "limits: there is no such setting as `cpu`", id="unknown limit"
        ),
        pytest.param(
            HEAD + '[limits]\nprocesses = "many"\n' + QUESTION,
            "limits: processes: expected `int`, got `str`",
            id="limit of a wrong type",
        ),
        pytest.param(
            HEAD + "[limits]\ncell_cpu_seconds = 0\n" + QUESTION,
            "limits: cell_cpu_seconds: 0 is too small",
            id="limit of nothing",
        ),
        pytest.param(
            HEAD + "[limits]\nrestarts = -1\n" + QUESTION, "limits: restarts: -1 is too small", id="negative restarts"
        ),
        pytest.param(
            HEAD + QUESTION.replace('title = "Q"\n', ""), "question 1.1.a: there is no `title`", id="question's title"
        ),
        pytest.param(
            HEAD + QUESTION.replace('id = "1.1.a"\n', ""), "[[question]] number 1: there is no `id`", id="question's id"
        ),
        pytest.param(
            HEAD + QUESTION + "worth = 1\n",
            "question 1.1.a: there is no such setting as `worth`",
            id="question's unknown setting",
        ),
        pytest.param(
            HEAD + QUESTION.replace('"code"', '"essay"'),
            "question 1.1.a: kind: invalid enum value 'essay'",
            id="kind",
        ),
        pytest.param(
            HEAD + QUESTION.replace("= 1\n", '= "1"\n'),
            "question 1.1.a: points: expected `float`, got `str`",
            id="points that are no number",
        ),
        pytest.param(HEAD + QUESTION + QUESTION, "question 1.1.a is given twice", id="twice"),
        *(
            pytest.param(
                HEAD + QUESTION.replace("= 1\n", f"= {points}\n"),
                f"question 1.1.a: {points} points; points are positive, in steps of 0.5",
                id=f"{points} points",
            )
            for points in ("0", "-1", "0.3", "nan", "inf")
        ),
        *(
            pytest.param(
                HEAD + QUESTION.replace("1.1.a", id),
                f"question {id}: an id is a section number and a letter, such as 1.3.a",
                id=f"id {id!r}",
            )
            for id in ("a", "1.1", "1.1.A", "1.1.aa", "", "1..a", "1.1.a ")
        ),
        pytest.param(
            HEAD + QUESTION + 'builds_on = ["1.1.z"]\n',
            "question 1.1.a: builds_on: 1.1.z is not in this rubric",
            id="builds on what is not there",
        ),
        pytest.param(
            HEAD + QUESTION + 'builds_on = ["1.1.b"]\n' + SECOND,
            "question 1.1.a: builds_on: 1.1.b does not come before it",
            id="builds on a later one",
        ),
        pytest.param(
            HEAD + QUESTION + 'builds_on = ["1.1.a"]\n',
            "question 1.1.a: builds_on: 1.1.a does not come before it",
            id="builds on itself",
        ),
        pytest.param(
            HEAD + QUESTION + 'defines = ["f(x"]\n',
            "question 1.1.a: defines: 'f(x' is neither a name nor a function with its parameters",
            id="defines no name",
        ),
        pytest.param(
            HEAD + QUESTION + 'records = ["f(x)"]\n',
            "question 1.1.a: records: 'f(x)' is no name of a function",
            id="records no name",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(folder: Path, text: str, fault: str) -> None:
    assert faults(folder, text) == [fault]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        pytest.param("title = \n", "is not TOML: ", id="not TOML"),
        pytest.param(b'title = "\xff"\n', "is not text in UTF-8", id="not text"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_to_be_so(folder: Path, text: str | bytes, start: str) -> None:
    (line,) = faults(folder, text)
    assert line.startswith(start)
    assert "\n" not in line


def test_all_faults_are_named_at_once(folder: Path) -> None:
    text = (
        'title = 3\nreference = "x.ipynb"\n[limits]\ncpu = 1\n'
        + QUESTION.replace("= 1\n", "= 0.7\n")
        + 'defines = ["1f", "f(", "ok"]\n'
        + SECOND.replace('"Q"', "7")
        + QUESTION.replace("1.1.a", "1.1.c")
        + 'builds_on = ["1.1.a", "1.1.b", "1.1.d"]\n'
    )
    assert faults(folder, text) == [
        "limits: there is no such setting as `cpu`",
        "title: expected `str`, got `int`",
        "question 1.1.b: title: expected `str`, got `int`",
        "question 1.1.a: 0.7 points; points are positive, in steps of 0.5",
        "question 1.1.a: defines: '1f' is neither a name nor a function with its parameters",
        "question 1.1.a: defines: 'f(' is neither a name nor a function with its parameters",
        "question 1.1.c: builds_on: 1.1.d is not in this rubric",
    ]


@pytest.mark.parametrize("path", ["nothing", "rubric", "rubric/r.ipynb"])
def test_what_is_no_rubric_is_told_what_a_rubric_is(folder: Path, path: str) -> None:
    with pytest.raises(RubricError) as caught:
        load_assignment(Path(path))
    (line,) = caught.value.faults
    assert line.startswith(f"{path}/rubric.toml: cannot be read (")
    assert line.endswith("; a rubric is a folder with a rubric.toml")


def test_a_right_file_is_read_whole() -> None:
    mini = load_assignment(MINI)
    assert (mini.name, mini.title, mini.max_points, mini.preload) == ("mini", "Mini", 5.5, ("numpy",))
    assert mini.reference == MINI / "reference.ipynb"
    assert (mini.limits.cell_cpu_seconds, mini.limits.processes) == (2, Limits().processes)
    results = mini.question("1.1.c")
    assert (results.section, results.letter, results.names) == ("1.1", "c", ("results",))
    assert (results.run, results.records, results.points) == (True, ("quadruple",), 1.5)


ITEM = '[[question.item]]\ntext = "Stuck"\npoints = 1\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (HEAD + QUESTION + ITEM + ITEM, "question 1.1.a: item stuck is there 2 times; give each a key of its own"),
        (HEAD + QUESTION + ITEM.replace("Stuck", " "), "question 1.1.a: item number 1 has no text"),
        (
            HEAD + QUESTION + ITEM.replace("= 1", "= 0.3"),
            "question 1.1.a: item stuck: 0.3 points; points are given in steps of 0.5",
        ),
        (
            HEAD + QUESTION + ITEM.replace("= 1", "= nan"),
            "question 1.1.a: item stuck: nan points; points are given in steps of 0.5",
        ),
        (HEAD + QUESTION + 'context = ["x"]\n', "question 1.1.a: context: 'x' is no other question, such as 1.1.d"),
        (
            HEAD + QUESTION + 'context = ["1.1.a"]\n',
            "question 1.1.a: context: '1.1.a' is no other question, such as 1.1.d",
        ),
        (HEAD + "[late]\n" + QUESTION, "late: give either points_per_day or share_per_day"),
        (HEAD + "[late]\nshare_per_day = 2\n" + QUESTION, "late: a share is at most 1"),
        (HEAD + "[late]\npoints_per_day = -1\n" + QUESTION, "late: points_per_day: -1 must be 0 or more"),
        (HEAD + "[late]\npoints_per_day = 1\ndue = 3\n" + QUESTION, "late: due: expected `datetime | null`, got `int`"),
        (HEAD + "[late]\nfine = 1\n" + QUESTION, "late: there is no such setting as `fine`"),
    ],
)
def test_a_fault_in_what_is_for_markers_is_named(folder: Path, text: str, fault: str) -> None:
    assert faults(folder, text) == [fault]


def test_items_context_and_lateness_are_read(folder: Path) -> None:
    late = "[late]\ndue = 2026-03-01T12:00:00\ngrace_minutes = 15\nshare_per_day = 0.1\nmost = 0.5\n"
    more = ITEM.replace("Stuck", "Says why, *well*") + 'key = "why"\nwords = "Yes."\n'
    (folder / "rubric.toml").write_text(HEAD + late + QUESTION + 'context = ["1.1.d"]\n' + ITEM + more)
    assignment = load_assignment(folder)
    assert assignment.late == Late(due=datetime(2026, 3, 1, 12), grace_minutes=15, share_per_day=0.1, most=0.5)
    assert assignment.question("1.1.a").context == ("1.1.d",)
    assert assignment.items == [
        Item(question="1.1.a", key="stuck", text="Stuck", points=1, position=0, origin="rubric"),
        Item(question="1.1.a", key="why", text="Says why, *well*", points=1, words="Yes.", position=1, origin="rubric"),
    ]


def test_what_the_documentation_shows_is_a_rubric(folder: Path, root: Path) -> None:
    text = (root / "docs" / "writing-a-rubric.md").read_text()
    (item,) = re.findall(r"```toml\n(\[\[question\.item\]\].*?)```", text, re.DOTALL)
    (late,) = re.findall(r"```toml\n(\[late\].*?)```", text, re.DOTALL)
    (folder / "rubric.toml").write_text(HEAD + late + QUESTION + item)
    assignment = load_assignment(folder)
    assert [each.key for each in assignment.items] == ["local-minimum"]
    assert assignment.late is not None
    assert (assignment.late.points_per_day, assignment.late.most) == (2, 6)
    for kind in (Late, RubricItem):
        assert all(f"| `{name}` |" in text for name in kind.__struct_fields__), kind


def test_what_is_built_on_is_followed_to_its_beginning() -> None:
    mini = load_assignment(MINI)
    assert [question.id for question in mini.ancestors("1.1.c")] == ["1.1.a", "1.1.b"]
    assert mini.ancestors("1.1.a") == ()


def test_a_question_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match=r"9\.9\.z"):
        load_assignment(MINI).question("9.9.z")


@pytest.mark.parametrize(
    ("text", "definition"),
    [
        pytest.param("w", Definition("w", None), id="value"),
        pytest.param("f()", Definition("f", ()), id="no parameters"),
        pytest.param(" f( x , y = 1.0 ) ", Definition("f", ("x", "y")), id="spaces and defaults"),
    ],
)
def test_a_definition_is_a_name_or_a_function(text: str, definition: Definition) -> None:
    assert parse_definition(text) == definition


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("rubric/rubric.toml", "rubric/rubric.toml", id="below the current folder"),
        pytest.param("rubric/../rubric/x", "rubric/x", id="a way round"),
        pytest.param("../elsewhere", None, id="elsewhere"),
    ],
)
def test_paths_are_shown_from_the_current_folder(folder: Path, path: str, text: str | None) -> None:
    assert shown(Path(path).absolute()) == (text or str(Path.cwd().parent / "elsewhere"))
