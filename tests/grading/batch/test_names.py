"""What a submission is called: after its own path below the folder given, by whatever path, whoever else hands in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notebooks import mini_notebook

from grader.faults import Faults
from grader.grading.batch.names import name_of
from grader.grading.batch.seeds import new_seed
from grader.grading.batch.sources import Handed, find_hand_ins
from grader.results.classlist import ClassList, HandIn, write_class_list

NOTEBOOK = json.dumps(mini_notebook())
NBGRADER = ("student-1/ps1/ps1.ipynb", "student-2/ps1/ps1.ipynb", "student-10/ps1/ps1.ipynb")


def hand_in(folder: Path, *files: str) -> None:
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOTEBOOK)


def find(*paths: Path | str, remembered: set[str] | None = None, root: Path | None = None) -> Handed:
    return find_hand_ins(list(map(Path, paths)), Path("results"), remembered or set(), root)


def named(*paths: Path | str, remembered: set[str] | None = None, root: Path | None = None) -> dict[str, str]:
    """Names, by the path below the folder that they are made from."""
    return {source.below: source.name for source in find(*paths, remembered=remembered, root=root).sources}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The name of one path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param("hw.ipynb", "hw", id="a file in the folder: as it is called"),
        pytest.param("HW.IPYNB", "HW", id="capitals"),
        pytest.param("student-1/ps1/ps1.ipynb", "student-1-ps1-ps1", id="nbgrader"),
        pytest.param("ann/hw.ipynb", "ann-hw", id="a folder a student"),
        pytest.param("hw.pdf", "hw.pdf", id="no notebook"),
        pytest.param("index.html.ipynb", "index.html_", id="the overview"),
        pytest.param("Questions.ipynb", "Questions_", id="the questions"),
        pytest.param("..ipynb", "submission", id="dots"),
        pytest.param(".hw.ipynb", "hw", id="hidden"),
        pytest.param("-rf.ipynb", "-rf", id="dash"),
        pytest.param("a b.ipynb", "a b", id="space"),
        pytest.param(os.fsdecode(b"caf\xe9.ipynb"), "caf\\xe9", id="bytes that are no text"),
        pytest.param(f"{'n' * 249}.ipynb", "n" * 249, id="long"),
    ],
)
def test_a_name_is_the_path_in_one_word(path: str, name: str) -> None:
    assert name_of(path.split("/")) == name


PARTS = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=90
).filter(lambda part: part not in (".", ".."))
PATHS = st.lists(PARTS, min_size=1, max_size=5)


@given(PATHS)
def test_every_name_is_that_of_one_folder_in_the_results(path: list[str]) -> None:
    name = name_of(path)
    assert name == name_of(tuple(path))
    assert not set(name) & set("/\0")
    assert not name.startswith(".")
    assert 0 < len(name.encode()) <= 255
    assert name.casefold() not in ("index.html", "grades.csv", "questions", "class.json")


def test_two_long_paths_that_begin_alike_have_two_names(tmp_path: Path) -> None:
    names = {name_of(["é" * 100, "é" * 100, f"{end}.ipynb"]) for end in "ab"}
    assert len(names) == 2
    for name in names:
        (tmp_path / name).mkdir()


# However it is named, and whoever else hands in

SPELLINGS = {
    "the folder": ["submitted"],
    "the folder, absolute": ["{here}/submitted"],
    "the folder, by a detour": ["./submitted/../submitted/."],
    "a student's folder": ["submitted/student-1"],
    "the assignment's folder": ["./submitted/student-1/ps1/"],
    "two students' folders": ["submitted/student-2", "submitted/student-1"],
    "the file": ["submitted/student-1/ps1/ps1.ipynb"],
    "the file, absolute": ["{here}/submitted/student-1/ps1/ps1.ipynb"],
    "the folder after the file": ["submitted/student-1/ps1/ps1.ipynb", "submitted"],
    "all files": [f"submitted/{file}" for file in NBGRADER],
    "through a link": ["link/student-1/ps1/ps1.ipynb"],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("folder", ["submitted", "class"])
def test_one_hand_in_has_one_name_however_it_is_named(here: Path, spelling: str, folder: str) -> None:
    """nbgrader's folder is known by its name; any other, once the class was graded from it."""
    hand_in(here / folder, *NBGRADER)
    (here / "link").symlink_to(folder)
    remembered = set() if folder == "submitted" else {str(here / folder)}
    paths = [path.format(here=here).replace("submitted", folder) for path in SPELLINGS[spelling]]
    assert named(*paths, remembered=remembered)["student-1/ps1/ps1.ipynb"] == "student-1-ps1-ps1"


@pytest.mark.parametrize("inside", ["", "ann", "ann/ps1"])
def test_it_does_not_matter_where_the_command_is_run(here: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    hand_in(here / "submitted", "ann/ps1/ps1.ipynb")
    monkeypatch.chdir(here / "submitted" / inside)
    relative = os.path.relpath(here / "submitted/ann/ps1/ps1.ipynb")
    assert named(relative) == named(".") == {"ann/ps1/ps1.ipynb": "ann-ps1-ps1"}


@pytest.mark.parametrize("spelling", ["flat", "flat/x.ipynb", "flat/../flat/x.ipynb", "{here}/flat/x.ipynb"])
def test_names_in_a_flat_folder_are_those_of_the_files(here: Path, spelling: str) -> None:
    hand_in(here / "flat", "x.ipynb")
    assert named(spelling.format(here=here)) == {"x.ipynb": "x"}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_name_depends_on_order_or_neighbours(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    word = st.text("abAB-.é ", min_size=1, max_size=4).filter(
        lambda part: part.strip(". ") and not part.startswith(".")
    )
    files = data.draw(
        st.lists(
            st.lists(word, min_size=1, max_size=3).map("/".join),
            min_size=1,
            max_size=8,
            unique_by=lambda path: name_of(path.split("/")).casefold(),
        )
    )
    folder = tmp_path_factory.mktemp("class")
    files = [f"{number}/{file}.ipynb" for number, file in enumerate(files)]
    hand_in(folder, *files)
    everybody = named(folder)
    assert everybody == {file: name_of(file.split("/")) for file in files}
    some = data.draw(st.lists(st.sampled_from(files), min_size=1, unique=True))
    spelled = [data.draw(st.sampled_from([folder / file, Path(os.path.relpath(folder / file))])) for file in some]
    assert named(*spelled, remembered={str(folder)}) == {file: everybody[file] for file in some}
    assert named(*spelled, root=folder) == {file: everybody[file] for file in some}


def test_the_widest_folder_given_is_the_one_that_counts(here: Path) -> None:
    hand_in(here / "class", "ann/hw.ipynb", "bob/hw.ipynb")
    assert named("class/ann") == {"hw.ipynb": "hw"}
    both = {"ann/hw.ipynb": "ann-hw", "bob/hw.ipynb": "bob-hw"}
    assert named("class/ann", "class") == named("class", "class/ann/hw.ipynb") == both
    assert named("class/ann", "class/bob", remembered={str(here / "class"), str(here / "class/ann")}) == both
    assert named("class/ann/hw.ipynb", "class/bob/hw.ipynb", root=Path("class")) == both


def test_what_does_not_lie_in_the_folder_for_the_names_is_refused(here: Path) -> None:
    hand_in(here, "a/x.ipynb")
    (here / "b").mkdir()
    with pytest.raises(Faults, match="is not in"):
        find("a/x.ipynb", root=Path("b"))


@pytest.mark.parametrize(
    ("files", "given"),
    [
        pytest.param(["a-b/c.ipynb", "a/b-c.ipynb"], ["."], id="parts"),
        pytest.param(["hw.ipynb", "HW.ipynb"], ["."], id="capitals"),
        pytest.param(["hw.ipynb", "hw.IPYNB"], ["."], id="suffix"),
        pytest.param(["caf\u00e9.ipynb", "cafe\u0301.ipynb"], ["."], id="two ways to write é"),
        pytest.param(["straße/x.ipynb", "STRASSE/x.ipynb"], ["."], id="ß"),
        pytest.param(["hw.ipynb", ".hw.ipynb"], ["."], id="hidden"),
        pytest.param(["ann/hw.ipynb", "bob/hw.ipynb"], ["ann", "bob"], id="two folders"),
        pytest.param(["ann/hw.ipynb", "bob/hw.ipynb"], ["ann/hw.ipynb", "bob/hw.ipynb"], id="two files"),
    ],
)
def test_two_that_would_have_one_name_are_an_error_that_names_both(
    here: Path, files: list[str], given: list[str]
) -> None:
    hand_in(here, *files)
    with pytest.raises(Faults) as caught:
        find(*given)
    (line,) = caught.value.faults
    assert all(str(here / file) in line for file in files)


def test_an_import_says_who_is_who(here: Path) -> None:
    hand_in(here / "subs", "hw1.ipynb", "by-hand.ipynb", "kept/jane/old.ipynb")
    people = [
        HandIn(submission="jane-smith-17", notebook="hw1.ipynb", person="Jane Smith"),
        HandIn(submission="zoe-18", notebook=None, person="Zoë"),
    ]
    write_class_list(here / "subs", ClassList(site="moodle", hand_ins=people))
    found = find("subs")
    assert {source.below: source.name for source in found.sources} == {
        "by-hand.ipynb": "by-hand",
        "hw1.ipynb": "jane-smith-17",
    }
    assert [source.name for source in found.missing] == ["zoe-18"]
    assert found.notes == []
    alone = find("subs/hw1.ipynb")
    assert ([source.name for source in alone.sources], alone.missing) == (["jane-smith-17"], [])


# What lies in a folder


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param(["b.ipynb", "a.ipynb"], ["b.ipynb", "a.ipynb"], id="files, in the order given"),
        pytest.param(["."], ["C.IPYNB", "a.ipynb", "b.ipynb", "more/d.ipynb"], id="a folder, and those in it"),
        pytest.param(["a.ipynb", ".", "./a.ipynb"], ["a.ipynb", "C.IPYNB", "b.ipynb", "more/d.ipynb"], id="each once"),
        pytest.param(["empty"], ["empty"], id="a folder without notebooks stands for itself"),
        pytest.param(["notes.txt", "nothing"], ["notes.txt", "nothing"], id="what is named is not left out"),
        pytest.param(["x" * 300], ["x" * 300], id="a name that no file can have"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_what_is_graded(here: Path, given: list[str], found: list[str]) -> None:
    hand_in(here, "b.ipynb", "a.ipynb", "C.IPYNB", "notes.txt", "more/d.ipynb")
    (here / "empty").mkdir()
    assert [str(source.path) for source in find(*given).sources] == found


def test_the_tools_folders_in_a_repository_hold_no_hand_ins(here: Path) -> None:
    others = [".git/x", ".ipynb_checkpoints/hw-checkpoint", "__pycache__/x", "__MACOSX/ann/x", ".venv/x", "env/lib/x"]
    others += ["node_modules/x", "._hw"]
    hand_in(here / "class/ann", "hw.ipynb", *(f"{path}.ipynb" for path in others))
    (here / "class/ann/env/pyvenv.cfg").touch()
    (here / "class/ann/._hw.ipynb").write_bytes(b"\x00\x05\x16\x07 Mac OS X")
    assert named("class") == {"ann/hw.ipynb": "ann-hw"}


def test_results_in_the_folder_are_not_handed_in(here: Path) -> None:
    hand_in(here, "ann.ipynb", "results/ann/executed.ipynb", "results-2/ann/executed.ipynb")
    for name in ("grades.csv", "index.html", "questions"):
        (here / "results-2" / name).touch()
    assert named(".") == {"ann.ipynb": "ann"}


def test_what_is_passed_over_is_named_in_one_line(here: Path) -> None:
    hand_in(here / "class", "ann/hw.ipynb", "ann/data.csv", "bob/hw.ipynb.txt", "cem/answer.Rmd", "README.md")
    (here / "class/dee").mkdir()
    (line,) = find("class").notes
    assert line == (
        "not graded, because they are not hand-ins: class/bob/hw.ipynb.txt, class/cem/answer.Rmd, class/dee, "
        "class/ann/data.csv"
    )
    hand_in(here / "class/ann/data", *(f"{'long' * 20}-{number}" for number in range(500)))
    (line,) = find("class").notes
    assert "hw.ipynb.txt" in line
    assert "and 496 more" in line
    assert len(line) < 1200


def test_a_notebook_that_only_looks_like_a_file_of_macos_is_named(here: Path) -> None:
    hand_in(here / "class", "ann/._hw.ipynb", "bob/hw.ipynb")
    found = find("class")
    assert [source.name for source in found.sources] == ["bob-hw"]
    assert "class/ann/._hw.ipynb" in found.notes[0]


def test_links_of_students_are_not_followed_and_loops_end(here: Path) -> None:
    hand_in(here / "class", "ann/hw.ipynb", "bob/hw.ipynb")
    hand_in(here / "elsewhere", "cem/hw.ipynb")
    (here / "solution.ipynb").write_text(NOTEBOOK)
    (here / "class/loop").symlink_to(".")
    (here / "class/up").symlink_to("../..")
    (here / "class/cem").symlink_to("../elsewhere/cem")
    (here / "class/dee.ipynb").symlink_to("../solution.ipynb")
    (here / "class/ann/bob").symlink_to("../bob")
    (here / "class/ann/mine.ipynb").symlink_to("../../solution.ipynb")
    (here / "class/ann/circle").symlink_to("circle")
    found = find("class")
    assert [source.name for source in found.sources] == ["ann-hw", "bob-hw", "cem-hw", "dee"]
    for link in ("loop", "up", "ann/bob", "ann/mine.ipynb"):
        assert f"class/{link}" in found.notes[0]


def test_a_folder_without_end_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "class/" + "/".join("d" * 40)
    hand_in(here, f"{deep}/hw.ipynb", "class/ann/hw.ipynb")
    found = find("class")
    assert [source.name for source in found.sources] == ["ann-hw"]
    assert "class/d/d/d" in found.notes[0]
    monkeypatch.setattr("grader.grading.batch.finding.MAX_ENTRIES", 5)
    with pytest.raises(Faults, match="holds more than 5 files"):
        find("class")


def test_a_students_file_called_class_json_hides_nothing(here: Path) -> None:
    hand_in(here / "class", "ann/hw.ipynb", "bob/hw.ipynb")
    (here / "class/ann/class.json").write_text('["cat", "dog"]')
    assert set(named("class").values()) == {"ann-hw", "bob-hw"}


def test_a_seed_can_be_typed_again() -> None:
    seeds = {new_seed() for _ in range(5)}
    assert len(seeds) > 1
    assert all(0 <= seed < 10**15 for seed in seeds)
