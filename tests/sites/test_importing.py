"""From a download to a folder of notebooks: nobody is lost or mixed up, and everything odd is said."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sites.downloads import (
    ANA,
    CLASS,
    DUE,
    EVA,
    FORMULA,
    GRADED_WRONG,
    JANE,
    LIN,
    MAX,
    OMAR,
    PDF,
    RAVI,
    SAM_1,
    SAM_2,
    TOM,
    WITHOUT_NOTEBOOK,
    WRONG,
    ZOE,
    Student,
    brightspace_folder,
    canvas_download,
    moodle_download,
    notebook_bytes,
    zip_bytes,
)

from grader.assignment.assignment import Assignment
from grader.results.classlist import CLASS_FILE, HandIn, SiteError, read_class_list
from grader.sites.importing import Imported, import_download

RIGHT = notebook_bytes()


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., Imported]:
    """Imports a download of these files from Brightspace into the folder `submissions`."""

    def importing(files: Mapping[str, bytes], **options: object) -> Imported:
        download = tmp_path / "download.zip"
        download.write_bytes(zip_bytes(files))
        return import_download("brightspace", download, tmp_path / "submissions", **options)  # type: ignore[arg-type]

    return importing


def hand_in(imported: Imported, student: Student) -> HandIn:
    found = imported.classlist.hand_in(student.submission)
    assert found is not None
    return found


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# The class of twelve


def test_everybody_is_there_once(imported: tuple[Path, Imported]) -> None:
    folder, done = imported
    assert [one.submission for one in done.classlist.hand_ins] == sorted(student.submission for student in CLASS)
    assert sorted(path.stem for path in folder.glob("*.ipynb")) == sorted(
        student.submission for student in CLASS if student not in WITHOUT_NOTEBOOK
    )
    assert [hand_in(done, student).person for student in CLASS] == [student.name for student in CLASS]
    assert done.classlist.assignment == "Homework 1"
    assert read_class_list(folder) == done.classlist


def test_everybody_gets_their_own_notebook(imported: tuple[Path, Imported]) -> None:
    folder, _ = imported
    for student in CLASS:
        if student not in WITHOUT_NOTEBOOK:
            notebook = (folder / f"{student.submission}.ipynb").read_bytes()
            wrong = student in GRADED_WRONG
            text = "Twice two is four." if student is SAM_2 else "Doubling twice is quadrupling."
            assert notebook == (notebook_bytes(double=WRONG) if wrong else notebook_bytes(text=text)), student


NOTES = {
    JANE: [],
    RAVI: ["late: handed in 2025-10-11 09:12, due 2025-10-10 23:59"],
    ANA: ["handed in 2 times: that of 2025-10-10 14:08 counts, the others are kept"],
    TOM: [
        "2 notebooks: homework (final).ipynb is graded (answers 4 of 4 questions), a person should look; "
        "the others are kept"
    ],
    LIN: [],
    OMAR: ["the notebook was in a zip: homework.zip/homework/homework.ipynb"],
    EVA: ["no notebook (.ipynb) was handed in, only homework.pdf"],
    SAM_1: ["2 people are called Sam Lee, not counting capital letters: check whose hand-in this is"],
    SAM_2: ["2 people are called Sam Lee, not counting capital letters: check whose hand-in this is"],
    ZOE: [],
    FORMULA: [],
    MAX: [
        "refused: homework.ipynb: unpacks to more than 200 times its size, as a zip bomb does",
        "refused: evil.ipynb: has a path that leads out of the download (..)",
        "refused: homework.ipynb: is a link, not a file",
        "no notebook (.ipynb) was handed in, only homework.zip",
        "there may be a notebook in the archive: open it by hand, with care",
    ],
}


@pytest.mark.parametrize("student", CLASS, ids=lambda student: student.submission)
def test_what_is_odd_is_said(imported: tuple[Path, Imported], student: Student) -> None:
    assert hand_in(imported[1], student).notes == NOTES[student]


def test_only_who_is_late_is_called_so(imported: tuple[Path, Imported]) -> None:
    assert [student for student in CLASS if hand_in(imported[1], student).late] == [RAVI]


def test_what_is_not_graded_is_kept(imported: tuple[Path, Imported]) -> None:
    folder, done = imported
    kept = {one.submission: one.kept for one in done.classlist.hand_ins if one.kept}
    assert kept == {
        ANA.submission: [f"kept/{ANA.submission}/2025-10-09T11.22/homework.ipynb"],
        TOM.submission: [f"kept/{TOM.submission}/homework.ipynb"],
        LIN.submission: [f"kept/{LIN.submission}/homework.pdf"],
        OMAR.submission: [f"kept/{OMAR.submission}/homework.zip"],
        EVA.submission: [f"kept/{EVA.submission}/homework.pdf"],
        MAX.submission: [f"kept/{MAX.submission}/homework.zip"],
    }
    assert (folder / kept[LIN.submission][0]).read_bytes() == PDF
    assert (folder / kept[ANA.submission][0]).read_bytes() == notebook_bytes(double=WRONG)


def test_nothing_else_is_written_anywhere(imported: tuple[Path, Imported]) -> None:
    folder, done = imported
    expected = {CLASS_FILE, *(path for one in done.classlist.hand_ins for path in one.kept)}
    expected |= {one.notebook for one in done.classlist.hand_ins if one.notebook}
    assert set(files_in(folder)) == expected
    assert not Path("/evil.ipynb").exists()
    assert list(folder.parent.rglob("evil*")) == []


def test_each_refused_entry_is_one_line(imported: tuple[Path, Imported]) -> None:
    place = f"Homework 1/{brightspace_folder(MAX)}"
    assert imported[1].classlist.refused == [
        f"{place}/homework.zip/homework.ipynb: unpacks to more than 200 times its size, as a zip bomb does",
        f"{place}/../../../evil.ipynb: has a path that leads out of the download (..)",
        f"{place}/homework.ipynb: is a link, not a file",
        "/evil.ipynb: has an absolute path, which would lead out of the download",
        "C:\\Windows\\evil.ipynb: has an absolute path, which would lead out of the download",
    ]


def test_feedback_goes_back_under_the_very_name_of_the_hand_in(imported: tuple[Path, Imported]) -> None:
    done = imported[1]
    assert hand_in(done, JANE).folder == brightspace_folder(JANE)
    assert hand_in(done, ANA).folder == brightspace_folder(ANA, "Oct 10, 2025 208 PM")
    # Byte for byte, though two ways to write it look alike.
    assert hand_in(done, ZOE).folder == unicodedata.normalize("NFD", brightspace_folder(ZOE))


def test_the_folder_unpacked_from_a_download_does_as_well(
    download: Path, imported: tuple[Path, Imported], assignment: Assignment, tmp_path: Path
) -> None:
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(download) as archive:
        for entry in archive.infolist():
            if ".." not in entry.filename and entry.filename.startswith("Homework 1/"):
                archive.extract(entry, unpacked)
    # As unzip does, and Python does not.
    link = unpacked / "Homework 1" / brightspace_folder(MAX) / "homework.ipynb"
    link.unlink()
    link.symlink_to("/etc/passwd")
    done = import_download(
        "brightspace", unpacked, tmp_path / "out", assignment=assignment, due=datetime.fromisoformat(DUE)
    )
    assert [one.submission for one in done.classlist.hand_ins] == sorted(student.submission for student in CLASS)
    assert {name: data for name, data in files_in(tmp_path / "out").items() if name.endswith(".ipynb")} == {
        name: data for name, data in files_in(imported[0]).items() if name.endswith(".ipynb")
    }


# Again


def test_importing_the_same_again_changes_nothing(
    download: Path, imported: tuple[Path, Imported], assignment: Assignment, tmp_path: Path
) -> None:
    folder = tmp_path / "submissions"
    shutil.copytree(imported[0], folder)
    for path in folder.glob("*.ipynb"):
        os.utime(path, (1, 1))
    before = files_in(folder)
    again = import_download("brightspace", download, folder, assignment=assignment, due=datetime.fromisoformat(DUE))
    assert files_in(folder) == before
    assert (again.new, again.replaced) == ([], [])
    assert {path.stat().st_mtime for path in folder.glob("*.ipynb")} == {1}


def jane(minute: int, day: int = 10) -> str:
    return f"39786-640693 - Jane Smith - Oct {day}, 2025 10{minute:02} AM/hw.ipynb"


RAVIS = "39786-640694 - Ravi Patel - Oct 10, 2025 1000 AM/hw.ipynb"


def test_a_second_download_replaces_and_adds_and_loses_nothing(take: Callable[..., Imported], tmp_path: Path) -> None:
    old, new = notebook_bytes(text="old"), notebook_bytes(text="new")
    take({jane(1): old, RAVIS: RIGHT})
    # Only the late ones: Ravi is not in it.
    done = take({jane(1, day=12): new, "39786-640695 - Ana Silva - Oct 12, 2025 1000 AM/hw.ipynb": RIGHT})
    assert (done.new, done.replaced, done.unchanged) == ([ANA.submission], [JANE.submission], [])
    folder = tmp_path / "submissions"
    assert (folder / f"{JANE.submission}.ipynb").read_bytes() == new
    assert hand_in(done, JANE).kept == [f"kept/{JANE.submission}/replaced/{JANE.submission}.ipynb"]
    assert (folder / hand_in(done, JANE).kept[0]).read_bytes() == old
    assert hand_in(done, RAVI).notebook == f"{RAVI.submission}.ipynb"
    assert hand_in(done, RAVI).notes == ["not in the latest download; what was imported before is kept"]
    assert hand_in(take({RAVIS: RIGHT, jane(1): old}), RAVI).notes == []


def test_an_earlier_download_does_not_take_the_place_of_a_later_one(
    take: Callable[..., Imported], tmp_path: Path
) -> None:
    old, new = notebook_bytes(text="old"), notebook_bytes(text="new")
    take({jane(30): new, RAVIS: RIGHT})
    done = take({jane(1): old, RAVIS: RIGHT})
    assert (tmp_path / "submissions" / f"{JANE.submission}.ipynb").read_bytes() == new
    assert hand_in(done, JANE).notes == ["the latest download has no newer notebook; what was imported before is kept"]
    assert hand_in(done, JANE).kept == [f"kept/{JANE.submission}/2025-10-10T10.01/hw.ipynb"]


def test_names_stay_when_somebody_of_the_same_name_comes(take: Callable[..., Imported]) -> None:
    take({"1-2 - Sam Lee - Oct 10, 2025 1000 AM/hw.ipynb": RIGHT})
    done = take(
        {
            "1-1 - Sam Lee - Oct 11, 2025 1000 AM/hw.ipynb": notebook_bytes(text="the other"),
            "1-2 - Sam Lee - Oct 10, 2025 1000 AM/hw.ipynb": RIGHT,
            "1-3 - Jane Smith - Oct 10, 2025 1000 AM/hw.ipynb": RIGHT,
        }
    )
    assert {one.ids["numbers"]: one.submission for one in done.classlist.hand_ins} == {
        "1-2": "sam-lee",
        "1-1": "sam-lee-1",
        "1-3": "jane-smith-3",
    }
    assert done.unchanged == ["sam-lee"]


def test_a_notebook_put_there_by_hand_is_taken_up(take: Callable[..., Imported], tmp_path: Path) -> None:
    pdf = {jane(1).replace("hw.ipynb", "hw.rar"): PDF, RAVIS: RIGHT}
    assert take(pdf).missing == [JANE.submission]
    (tmp_path / "submissions" / f"{JANE.submission}.ipynb").write_bytes(RIGHT)
    done = take(pdf)
    assert done.missing == []
    assert hand_in(done, JANE).notebook == f"{JANE.submission}.ipynb"
    assert "the notebook was put into the folder by hand" in hand_in(done, JANE).notes


def test_a_notebook_that_was_taken_away_is_missing(take: Callable[..., Imported], tmp_path: Path) -> None:
    take({jane(1): RIGHT, RAVIS: RIGHT})
    (tmp_path / "submissions" / f"{RAVI.submission}.ipynb").unlink()
    done = take({jane(1): RIGHT, "39786-640695 - Ana Silva - Oct 12, 2025 1000 AM/hw.ipynb": RIGHT})
    assert done.missing == [RAVI.submission]
    assert hand_in(done, RAVI).notes == [
        "not in the latest download; what was imported before is kept",
        "the notebook is not in the folder any more",
    ]


def test_an_import_that_was_cut_off_is_done_again(
    take: Callable[..., Imported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {jane(1): RIGHT, RAVIS: RIGHT}

    def cut_off(folder: Path, classlist: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("grader.sites.importing.write_class_list", cut_off)
        with pytest.raises(KeyboardInterrupt):
            take(files)
    folder = tmp_path / "submissions"
    assert not (folder / CLASS_FILE).exists()
    take(files)
    assert sorted(files_in(folder)) == [CLASS_FILE, f"{JANE.submission}.ipynb", f"{RAVI.submission}.ipynb"]


def test_a_second_import_can_be_cut_off_anywhere(
    take: Callable[..., Imported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "submissions"
    late = "39786-640695 - Ana Silva - Oct 12, 2025 1000 AM"
    second = {jane(1): RIGHT, jane(5): b"new", RAVIS: b"other", f"{late}/hw.ipynb": b"1", f"{late}/a.pdf": PDF}
    take({jane(1): RIGHT, RAVIS: RIGHT})
    first = files_in(folder)
    take(second)
    whole = files_in(folder)
    replace, count = os.replace, 0
    for last in range(len(whole) + 1):
        shutil.rmtree(folder)
        take({jane(1): RIGHT, RAVIS: RIGHT})
        assert files_in(folder) == first
        count = 0

        def cut_off(source: str, target: Path, last: int = last) -> None:
            nonlocal count
            count += 1
            if count > last:
                raise KeyboardInterrupt
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", cut_off)
            with contextlib.suppress(KeyboardInterrupt):
                take(second)
        assert set(first.values()) <= set(files_in(folder).values()) | {first[CLASS_FILE]}
        take(second)
        assert files_in(folder) == whole
    assert count <= last, "the last time, it was not cut off"


def test_a_file_that_lies_there_for_another_reason_is_left_alone(take: Callable[..., Imported], tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    foreign = tmp_path / "submissions" / f"{JANE.submission}.ipynb"
    foreign.write_text("mine")
    done = take({jane(1): RIGHT, RAVIS: RIGHT})
    assert foreign.read_text() == "mine"
    assert [one.submission for one in done.classlist.hand_ins] == [f"{JANE.submission}-2", RAVI.submission]


HAND_INS = st.dictionaries(
    st.tuples(
        st.sampled_from(["640693 - Jane Smith", "640694 - Ravi Patel", "640695 - Jane Smith"]), st.integers(1, 4)
    ),
    st.sampled_from(["a", "b", "c", ""]),
    min_size=1,
    max_size=6,
)


@given(st.lists(HAND_INS, min_size=1, max_size=4))
@settings(max_examples=60)
def test_whatever_comes_in_whatever_order_nothing_is_lost(downloads: list[dict[tuple[str, int], str]]) -> None:
    """Downloads with any part of the hand-ins: the latest that was ever seen counts, and all others are kept."""
    seen: dict[tuple[str, int], bytes] = {}
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "submissions")
        for download in downloads:
            files = {}
            for (person, minute), text in download.items():
                # A hand-in is the same in every download; an empty text is one without a notebook.
                data = seen.setdefault((person, minute), f"{text} {person} {minute}".encode() if text else PDF)
                file = "hw.pdf" if data == PDF else "hw.ipynb"
                files[f"39786-{person} - Oct 10, 2025 10{minute:02} AM/{file}"] = data
            Path(top, "download.zip").write_bytes(zip_bytes(files))
            before = files_in(folder)
            done = import_download("brightspace", Path(top, "download.zip"), folder)
            after = files_in(folder)
            before.pop(CLASS_FILE, None)
            assert set(before.values()) | set(files.values()) <= set(after.values())
            hand_ins = done.classlist.hand_ins
            listed = {CLASS_FILE} | {path for one in hand_ins for path in one.kept}
            assert set(after) == listed | {one.notebook for one in hand_ins if one.notebook}
            latest = {person: data for (person, _), data in sorted(seen.items()) if data != PDF}
            people = {f"{one.ids['numbers'].split('-')[1]} - {one.person}": one.notebook for one in hand_ins}
            assert {person: after[file] for person, file in people.items() if file} == latest
            assert len(people) == len(hand_ins) == len({person for person, _ in seen})


# One hand-in


def notes_of(done: Imported) -> list[str]:
    (one,) = done.classlist.hand_ins
    return one.notes


def test_the_last_one_counts_where_a_time_cannot_be_read(take: Callable[..., Imported], tmp_path: Path) -> None:
    first, last = (f"1-2 - Jane Smith - 0{day}-04-2025 1000/hw.ipynb" for day in (5, 3))
    done = take({first: notebook_bytes(text="first"), last: notebook_bytes(text="last")})
    assert "last" in (tmp_path / "submissions" / "jane-smith.ipynb").read_text()
    assert notes_of(done) == [
        "the time in “1-2 - Jane Smith - 05-04-2025 1000” cannot be read, so the last of 2 hand-ins in the download "
        "counts: a person should look"
    ]


def test_a_later_hand_in_without_a_notebook_does_not_hide_it(take: Callable[..., Imported], tmp_path: Path) -> None:
    done = take({jane(1): RIGHT, jane(2).replace("hw.ipynb", "appendix.pdf"): PDF})
    (one,) = done.classlist.hand_ins
    assert (tmp_path / "submissions" / str(one.notebook)).read_bytes() == RIGHT
    assert "the latest hand-in has no notebook, so that of an earlier one counts: a person should look" in one.notes
    assert one.kept == [f"kept/{one.submission}/2025-10-10T10.02/appendix.pdf"]


def test_without_a_rubric_the_notebook_with_most_code_is_graded(take: Callable[..., Imported]) -> None:
    folder = jane(1).removesuffix("hw.ipynb")
    done = take({f"{folder}a.ipynb": notebook_bytes(double=""), f"{folder}b.ipynb": RIGHT, f"{folder}c.ipynb": b"{}"})
    (note,) = notes_of(done)
    assert note.startswith("3 notebooks: b.ipynb is graded (")
    assert note.endswith(" characters of code), a person should look; the others are kept")
    assert done.classlist.hand_ins[0].source == "b.ipynb"


def test_the_same_notebook_twice_is_no_choice(take: Callable[..., Imported]) -> None:
    folder = jane(1).removesuffix("hw.ipynb")
    done = take({f"{folder}hw.ipynb": RIGHT, f"{folder}hw.zip": zip_bytes({"hw.ipynb": RIGHT})})
    assert notes_of(done) == ["the same notebook is there 2 times"]


@pytest.mark.parametrize("name", ["hw.ipynb.txt", "hw.ipynb.json", "hw.ipynb (1)", "HW.IPYNB"])
def test_a_notebook_of_another_suffix_is_known(take: Callable[..., Imported], name: str) -> None:
    done = take({jane(1).replace("hw.ipynb", name): RIGHT})
    renamed = [] if name == "HW.IPYNB" else [f"{name} is read as a notebook, because of its name"]
    assert notes_of(done) == renamed
    assert done.missing == []


@pytest.mark.parametrize("person", ["Ana", "questions", "index.html", "Con", "..", "-rf", "kept", "x" * 300])
def test_no_name_of_a_person_is_a_bad_name_of_a_file(
    take: Callable[..., Imported], tmp_path: Path, person: str
) -> None:
    from grader.report.store import OWN_NAMES

    done = take({f"1-2 - {person} - Oct 10, 2025 1000 AM/hw.ipynb": RIGHT})
    (one,) = done.classlist.hand_ins
    assert one.submission not in OWN_NAMES
    assert sorted(files_in(tmp_path / "submissions")) == sorted([CLASS_FILE, f"{one.submission}.ipynb"])


def test_files_whose_names_differ_by_case_are_both_kept(take: Callable[..., Imported]) -> None:
    folder = jane(1).removesuffix("hw.ipynb")
    done = take({jane(1): RIGHT, f"{folder}A.csv": b"1", f"{folder}a.csv": b"2", f"{folder}data/a.csv": b"3"})
    assert len(done.classlist.hand_ins[0].kept) == 3
    assert len({path.casefold() for path in done.classlist.hand_ins[0].kept}) == 3


@pytest.mark.parametrize(("time", "late"), [("Oct 10, 2025 1159 PM", False), ("Oct 11, 2025 1200 AM", True)])
def test_the_last_minute_is_not_late(take: Callable[..., Imported], time: str, late: bool) -> None:
    done = take({f"1-2 - Jane Smith - {time}/hw.ipynb": RIGHT}, due=datetime.fromisoformat(DUE))
    assert done.classlist.hand_ins[0].late is late


def test_late_or_not_is_said_where_it_cannot_be_told(take: Callable[..., Imported]) -> None:
    due = datetime.fromisoformat(DUE)
    done = take({"1-2 - Jane Smith - 05-04-2025 1000/hw.ipynb": RIGHT}, due=due)
    assert notes_of(done) == ["late or not: its time is not known (“05-04-2025 1000” cannot be read)"]
    assert done.classlist.hand_ins[0].late is None


def test_a_notebook_that_breaks_its_reader_ends_no_import(
    take: Callable[..., Imported], assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr("grader.assignment.locating.locate", broken)
    folder = jane(1).removesuffix("hw.ipynb")
    done = take({jane(1): RIGHT, f"{folder}other.ipynb": b"{}"}, assignment=assignment)
    assert [one.notebook for one in done.classlist.hand_ins] == ["jane-smith.ipynb"]


# As a whole


def test_two_imports_do_not_write_into_one_folder_at_once(take: Callable[..., Imported], tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    folder.mkdir()
    other = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(SiteError, match="another import writes there; wait until it ends"):
            take({jane(1): RIGHT})
    finally:
        os.close(other)
    assert take({jane(1): RIGHT}).new == ["jane-smith"]


def test_what_an_import_that_was_killed_left_is_cleared_away(take: Callable[..., Imported], tmp_path: Path) -> None:
    left = tmp_path / "submissions" / ".import-left"
    left.mkdir(parents=True)
    (left / "000001").write_bytes(bytes(10))
    take({jane(1): RIGHT})
    assert not left.exists()


def test_another_sites_download_is_told_apart(tmp_path: Path) -> None:
    download = moodle_download(tmp_path / "download.zip")
    with pytest.raises(SiteError, match=r"is no download from Brightspace.*; it looks like one from Moodle$"):
        import_download("brightspace", download, tmp_path / "out")
    assert files_in(tmp_path / "out") == {}


def test_a_folder_of_another_site_is_left_alone(tmp_path: Path) -> None:
    import_download("moodle", moodle_download(tmp_path / "moodle.zip"), tmp_path / "out")
    before = files_in(tmp_path / "out")
    with pytest.raises(SiteError, match="holds an import from Moodle already"):
        import_download("canvas", canvas_download(tmp_path / "canvas.zip"), tmp_path / "out")
    assert files_in(tmp_path / "out") == before


def test_a_damaged_class_list_ends_the_import(take: Callable[..., Imported], tmp_path: Path) -> None:
    take({jane(1): RIGHT})
    (tmp_path / "submissions" / CLASS_FILE).write_text("{")
    with pytest.raises(SiteError, match=r"class\.json: is no class list"):
        take({jane(1): RIGHT})


def test_a_download_is_not_imported_into_itself(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="lies in the download itself"):
        import_download("moodle", tmp_path, tmp_path / "out")


def test_canvas(tmp_path: Path) -> None:
    done = import_download("canvas", canvas_download(tmp_path / "download.zip"), tmp_path / "out")
    assert {one.submission: (one.late, one.folder, one.notebook is not None) for one in done.classlist.hand_ins} == {
        "smithjane-640693": (False, "smithjane_640693_9001_", True),
        "patelravi-640694": (True, "patelravi_LATE_640694_9002_", True),
        "chenlin-640697": (False, "chenlin_640697_9004_", True),
        "novakeva-640699": (False, "novakeva_640699_", False),
        "anonymous-640696": (False, "anon_640696_9005_", True),
    }


@pytest.mark.parametrize(("end", "flat"), [("", False), ("_", False), ("", True)], ids=["folders", "older", "flat"])
def test_moodle(tmp_path: Path, end: str, flat: bool) -> None:
    done = import_download("moodle", moodle_download(tmp_path / "download.zip", end, flat), tmp_path / "out")
    assert [one.submission for one in done.classlist.hand_ins] == [
        "eva-novak-640699",
        "jane-smith-640693",
        "sam-lee-640700",
        "sam-lee-640701",
        "zoe-łuczak-640702",
    ]
    assert {one.flat for one in done.classlist.hand_ins} == {flat}
    assert done.missing == ["eva-novak-640699"]
