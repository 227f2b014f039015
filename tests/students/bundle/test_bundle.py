"""The file of checks beside a student's notebook: found, opened, and refused with one clear line."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from grader.assignment.assignment import Check, Limits, Question
from grader.students.bundle.bundle import (
    BundleError,
    Contents,
    Hidden,
    assignment_of,
    bundle_for,
    encode,
    find_bundle,
    open_bundle,
)
from grader.students.bundle.record import Record

CHECK = Check("test_a.py::test_f", "1.1.a", 1.0, "It works.", True)
CONTENTS = Contents(
    grader_version="0.1.0",
    name="mini",
    title="Mini",
    preload=("numpy",),
    limits=Limits(),
    questions=(Question(id="1.1.a", title="Double", points=2, kind="code", defines=("double(x)",)),),
    checks=(CHECK,),
    hidden={"1.1.a": Hidden(3, 1.0)},
    seed=5,
    stubs={"1.1.a": ("00",)},
)
RECORD = Record(answers={b"\x00\xff": b"answer"}, draws={"test 0": b"draw"})
SOURCES = {"test_a.py": "def test_f(student): pass\n", "helpers/shapes.py": "A = 1\n"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "mini.checks"
    path.write_bytes(encode(CONTENTS, SOURCES, RECORD))
    return path


def test_a_bundle_comes_back_as_it_went_in(bundle: Path) -> None:
    with open_bundle(bundle) as opened:
        assert (opened.contents, opened.record) == (CONTENTS, RECORD)
        assert (opened.checks, opened.hidden, opened.seed) == ((CHECK,), {"1.1.a": Hidden(3, 1.0)}, 5)
        folder = opened.assignment.folder
        assert {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.py")} == SOURCES
        assert opened.assignment.question("1.1.a").points == 2
        assert not opened.assignment.reference.exists()
    assert not folder.exists()


def test_the_same_contents_are_the_same_bytes(bundle: Path) -> None:
    assert encode(CONTENTS, dict(reversed(SOURCES.items())), RECORD) == bundle.read_bytes()


def said(path: Path) -> str:
    with pytest.raises(BundleError) as caught, open_bundle(path):
        pass
    (fault,) = caught.value.faults
    return fault.replace(str(path.parent), "FOLDER")


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "other.checks"
    path.write_text("nothing of the kind")
    assert said(path) == (
        "FOLDER/other.checks: is no file of checks, or a damaged one (File is not a zip file): fetch it again"
    )
    path.write_bytes(bundle.read_bytes()[:-40])
    assert said(path).endswith("fetch it again")
    assert said(tmp_path / "none.checks") == "FOLDER/none.checks: cannot be read (No such file or directory)"


@pytest.mark.parametrize("name", ["../evil.py", "/checks/a.py", "checks/../../a.py", "checks/a.sh", "checks/ä.py", "x"])
def test_no_file_of_another_name_is_taken(bundle: Path, name: str) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(name, "x")
    assert said(bundle) == (
        f"FOLDER/mini.checks: is no file of checks, or a damaged one ({name!r} does not belong in it): fetch it again"
    )


def test_missing_or_changed_parts_are_damage(tmp_path: Path, bundle: Path) -> None:
    for missing in ("bundle.json", "record.msgpack"):
        path = tmp_path / "part.checks"
        with zipfile.ZipFile(bundle) as whole, zipfile.ZipFile(path, "w") as part:
            for info in whole.infolist():
                if info.filename != missing:
                    part.writestr(info, whole.read(info))
        assert said(path).endswith("fetch it again")


def test_a_bundle_of_a_newer_grader_names_the_version(tmp_path: Path) -> None:
    path = tmp_path / "new.checks"
    path.write_bytes(encode(msgspec.structs.replace(CONTENTS, format=2, grader_version="9.0"), {}, RECORD))
    assert "was made by grader 9.0, newer than this one" in said(path)


def test_a_bomb_is_not_unpacked(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.students.bundle.bundle.MAX_BYTES", 1000)
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checks/big.py", "#" * 10_000)
    assert "it is too large" in said(bundle)


def test_the_bundle_beside_the_notebook_is_found(tmp_path: Path, bundle: Path) -> None:
    notebook = tmp_path / "answers.ipynb"
    assert find_bundle(notebook) == bundle
    (tmp_path / "other.checks").write_bytes(bundle.read_bytes())
    assert find_bundle(notebook, "mini") == bundle
    with pytest.raises(BundleError, match=r"several files of checks \(mini.checks, other.checks\): name one"):
        find_bundle(notebook)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"metadata": {"grader": {"assignment": "mini"}}}', "mini"),
        ('{"metadata": {"grader": {"assignment": "other"}}}', "other"),
        ('{"metadata": []}', ""),
        ("[" * 100_000, ""),
        ("[1]", ""),
        ("not a notebook", ""),
        ("", ""),
        ("\x00\ud800", ""),
    ],
)
def test_a_notebook_leads_to_its_bundle_whatever_else_is_in_it(
    tmp_path: Path, bundle: Path, content: str, found: str
) -> None:
    (tmp_path / "other.checks").write_bytes(bundle.read_bytes())
    notebook = tmp_path / "answers.ipynb"
    notebook.write_text(content, errors="surrogatepass")
    if found:
        assert bundle_for(notebook) == tmp_path / f"{found}.checks"
    else:
        with pytest.raises(BundleError, match="several files of checks"):
            bundle_for(notebook)


def test_a_notebook_that_is_not_there_is_told(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"answers.ipynb: there is no such file"):
        bundle_for(tmp_path / "answers.ipynb")


LIGHT = """
import sys
import grader.students.bundle.bundle, grader.students.checking.check, grader.cli, grader.students.formats
print(sorted({"nbformat", "pytest", "numpy", "IPython", "zmq"} & sys.modules.keys()))
"""


def test_what_comes_before_the_sandbox_is_begun_is_light() -> None:
    ended = subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=120, capture_output=True, text=True)
    assert ended.stdout == "[]\n"


def test_where_there_is_none_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"no checks for a.ipynb: put the file dl1.checks .* or name it with --bundle"
    ):
        find_bundle(tmp_path / "a.ipynb", "dl1")
    with pytest.raises(BundleError, match="there is no such file"):
        find_bundle(tmp_path / "nowhere" / "a.ipynb")


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"grader": {"assignment": "dl1"}}, "dl1"),
        ({}, ""),
        ({"grader": "dl1"}, ""),
        ({"grader": {"assignment": 1}}, ""),
    ],
)
def test_a_notebook_says_of_which_assignment_it_is(metadata: dict[str, object], name: str) -> None:
    assert assignment_of(metadata) == name
