"""From results to what each site imports: every grade reaches its person, and nobody gets one that is not decided."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sites import reimport
from sites.downloads import (
    ANA,
    CLASS,
    EVA,
    FORMULA,
    JANE,
    LIN,
    MAX,
    RAVI,
    SAM_1,
    SAM_2,
    TOM,
    ZOE,
    Student,
    brightspace_folder,
    brightspace_gradebook,
    canvas_download,
    canvas_gradebook,
    moodle_download,
    moodle_worksheet,
    people_file,
)
from sites.gradings import in_review, of_status, result_for

from grader.results.classlist import CLASS_FILE, ClassList, HandIn, Site, SiteError, read_class_list, write_class_list
from grader.results.decisions import Decision, Store
from grader.results.results import Change, SubmissionResult, total, write_result
from grader.sites.exporting import Exported, export_grades
from grader.sites.importing import Imported, import_download

ITEM = "Homework 1"
USERS = {student.username: student.org_id for student in CLASS}


@dataclass
class Class:
    """A results folder, and where its files for the site go."""

    folder: Path
    site: Site
    classlist: ClassList

    @property
    def grades(self) -> Path:
        return self.folder.parent / "grades.csv"

    @property
    def zip(self) -> Path:
        return self.folder.parent / "feedback.zip"

    def results(self, *others: SubmissionResult, points: float = 3.5) -> list[SubmissionResult]:
        """Everybody graded, missing where there is no notebook; `others` take the places of theirs."""
        of_others = {result.submission: result for result in others}
        return [
            of_others.get(one.submission)
            or (result_for(one.submission, points) if one.notebook else of_status(one.submission, "missing"))
            for one in self.classlist.hand_ins
        ]

    def export(self, results: Sequence[SubmissionResult] | None = None, **options: object) -> Exported:
        results = self.results() if results is None else results
        return export_grades(self.site, self.folder, self.grades, results=results, **options)  # type: ignore[arg-type]

    def write_reports(self) -> None:
        for one in self.classlist.hand_ins:
            (self.folder / one.submission).mkdir(exist_ok=True)
            (self.folder / one.submission / "report.html").write_text(f"<p>for {one.submission}</p>")


@pytest.fixture
def brightspace(imported: tuple[Path, Imported], tmp_path: Path) -> Class:
    folder = tmp_path / "results"
    folder.mkdir()
    shutil.copy(imported[0] / CLASS_FILE, folder)
    return Class(folder, "brightspace", imported[1].classlist)


@pytest.fixture
def gradebook(tmp_path: Path) -> Path:
    return brightspace_gradebook(tmp_path / "gradebook.csv")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return people_file(tmp_path / "people.csv")


def other_class(tmp_path: Path, site: Site, download: Path) -> Class:
    done = import_download(site, download, tmp_path / "submissions")
    folder = tmp_path / "results"
    folder.mkdir()
    write_class_list(folder, done.classlist)
    return Class(folder, site, done.classlist)


@pytest.fixture
def canvas(tmp_path: Path) -> Class:
    return other_class(tmp_path, "canvas", canvas_download(tmp_path / "download.zip"))


@pytest.fixture
def moodle(tmp_path: Path) -> Class:
    return other_class(tmp_path, "moodle", moodle_download(tmp_path / "download.zip"))


def points_of(students: Sequence[Student], points: float | None) -> dict[str, float | None]:
    return dict.fromkeys((student.username for student in students), points)


WITH_NOTEBOOK = [student for student in CLASS if student not in (EVA, MAX)]


# Brightspace


def test_brightspace_takes_the_grades(brightspace: Class, gradebook: Path, people: Path) -> None:
    exported = brightspace.export(
        brightspace.results(result_for(JANE.submission, 5.25)), gradebook=gradebook, people=people
    )
    assert reimport.brightspace(brightspace.grades, ITEM, 5.5, USERS) == {
        **points_of(CLASS, 3.5),
        JANE.username: 5.25,
        **points_of([EVA, MAX], None),
    }
    assert (exported.item, exported.graded) == (ITEM, 10)
    assert exported.without_grade == [
        f"{EVA.submission}: no notebook was handed in",
        f"{MAX.submission}: no notebook was handed in",
    ]


def test_the_file_is_exact_to_the_byte(brightspace: Class, gradebook: Path, people: Path) -> None:
    brightspace.export(gradebook=gradebook, people=people)
    lines = brightspace.grades.read_bytes().split(b"\r\n")
    assert lines[:2] == [
        b"OrgDefinedId,Username,Homework 1 Points Grade,End-of-Line Indicator",
        b"#100001,#jsmith,3.5,#",
    ]
    assert lines[-2:] == [b"#100012,#mpower,,#", b""]


def test_two_of_one_name_are_listed_and_not_guessed(brightspace: Class, gradebook: Path) -> None:
    exported = brightspace.export(gradebook=gradebook)
    why = "more than one person has this name; say in a --people file who it is"
    assert exported.without_grade[:2] == [
        f"{SAM_1.submission} (Sam Lee): {why}",
        f"{SAM_2.submission} (Sam Lee): {why}",
    ]
    assert not {SAM_1.username, SAM_2.username} & set(reimport.brightspace(brightspace.grades, ITEM, 5.5, USERS))


def test_a_name_twice_in_the_grade_book_is_not_guessed_either(brightspace: Class, gradebook: Path) -> None:
    text = gradebook.read_text(encoding="utf-8-sig")
    gradebook.write_text(text.replace("#nobody,Body,No", "#nobody,Smith,Jane"))
    exported = brightspace.export(gradebook=gradebook)
    assert any(line.startswith(f"{JANE.submission} (Jane Smith): more than one") for line in exported.without_grade)


def test_two_hand_ins_of_one_name_are_not_guessed_where_the_grade_book_has_one(
    brightspace: Class, gradebook: Path
) -> None:
    lines = gradebook.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    gradebook.write_text("".join(line for line in lines if SAM_2.username not in line))
    exported = brightspace.export(gradebook=gradebook)
    assert len([line for line in exported.without_grade if "more than one person has this name" in line]) == 2
    assert SAM_1.username not in reimport.brightspace(brightspace.grades, ITEM, 5.5, USERS)


VARIANTS: dict[str, Callable[[str], str]] = {
    "semicolons": lambda text: text.replace(",", ";"),
    "tabs": lambda text: text.replace(",", "\t"),
    "no BOM": lambda text: text.removeprefix("\ufeff"),
    "told by Excel": lambda text: "sep=;\r\n" + text.removeprefix("\ufeff").replace(",", ";"),
    "no signs": lambda text: text.replace("#", ""),
    "a decimal comma": lambda text: text.replace(
        "Homework 1 Points Grade <Numeric MaxPoints:5.5 Weight:10>",
        '"Homework 1 Points Grade <Numeric MaxPoints:5,50 Weight:10>"',
    ),
    "no maximum": lambda text: text.replace(" <Numeric MaxPoints:5.5 Weight:10>", ""),
    "empty lines": lambda text: text.replace("\r\n", "\r\n\r\n"),
}


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS)
def test_a_grade_book_is_read_leniently(
    brightspace: Class, gradebook: Path, people: Path, change: Callable[[str], str]
) -> None:
    gradebook.write_bytes(change(gradebook.read_bytes().decode()).encode())
    exported = brightspace.export(gradebook=gradebook, people=people)
    assert exported.graded == 10
    assert reimport.brightspace(brightspace.grades, ITEM, 5.5, USERS)[ZOE.username] == 3.5


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_grade_book_saved_by_excel_is_read(brightspace: Class, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "gradebook.csv"
    text = "OrgDefinedId;Username;Last Name;First Name;Homework 1 Points Grade\r\n#1;#zoe;Müller;Zoë\r\n"
    path.write_bytes(text.encode(encoding))
    write_class_list(brightspace.folder, one_hand_in("Zoë Müller"))
    exported = brightspace.export([result_for("x")], gradebook=path)
    assert exported.graded == 1
    assert reimport.brightspace(brightspace.grades, ITEM, 5.5, {"zoe": "1"}) == {"zoe": 3.5}


def one_hand_in(person: str, **ids: str) -> ClassList:
    hand_in = HandIn(submission="x", notebook="x.ipynb", person=person, ids=ids, folder="1-2 - x")
    return ClassList(site="brightspace", assignment=ITEM, hand_ins=[hand_in])


def test_the_downloads_user_names_do_without_a_grade_book(brightspace: Class) -> None:
    write_class_list(brightspace.folder, one_hand_in("Jane Smith", username="jsmith"))
    exported = brightspace.export([result_for("x")])
    assert reimport.brightspace(brightspace.grades, ITEM, 5.5, ["jsmith"]) == {"jsmith": 3.5}
    assert exported.notes == ["without a grade book, nobody has checked that “Homework 1” is out of 5.5 on the site"]


def test_a_group_gets_one_grade_for_each(brightspace: Class, gradebook: Path, tmp_path: Path) -> None:
    write_class_list(brightspace.folder, one_hand_in("Group 17"))
    people = tmp_path / "groups.csv"
    people.write_text(f"submission,username\nx,{JANE.username}\nx,#{RAVI.username}\n")
    brightspace.export([result_for("x")], gradebook=gradebook, people=people)
    assert reimport.brightspace(brightspace.grades, ITEM, 5.5, USERS) == points_of([JANE, RAVI], 3.5)


def test_two_hand_ins_for_one_row_are_not_guessed(brightspace: Class, gradebook: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(f"submission,id\n{SAM_1.submission},{SAM_1.org_id}\n{SAM_2.submission},{SAM_1.org_id}\n")
    exported = brightspace.export(gradebook=gradebook, people=people)
    assert exported.without_grade[0] == (
        f"{SAM_1.submission}, {SAM_2.submission}: all belong to one row of the grade book; "
        "say in --people which one counts"
    )
    assert SAM_1.username not in reimport.brightspace(brightspace.grades, ITEM, 5.5, USERS)


# What is not decided


def test_nothing_is_written_while_points_are_not_decided(brightspace: Class, gradebook: Path) -> None:
    results = brightspace.results(result_for(JANE.submission, None), in_review(RAVI.submission))
    with pytest.raises(SiteError) as refused:
        brightspace.export(results, gradebook=gradebook, feedback=brightspace.zip)
    assert refused.value.faults == [
        f"{brightspace.folder}: not all points are decided; decide them, or leave these out with --partial",
        f"{JANE.submission}: 1.2.a (to be marked)",
        f"{RAVI.submission}: 1.1.a (in review)",
    ]
    assert not brightspace.grades.exists()
    assert not brightspace.zip.exists()


def test_who_is_not_graded_whole_gets_no_grade(brightspace: Class, gradebook: Path, people: Path) -> None:
    results = brightspace.results(
        result_for(JANE.submission, None),
        in_review(RAVI.submission),
        of_status(LIN.submission, "unreadable"),
        of_status(TOM.submission, "error"),
    )
    results = [result for result in results if result.submission != ANA.submission]
    exported = brightspace.export(results, gradebook=gradebook, people=people, partial=True)
    grades = reimport.brightspace(brightspace.grades, ITEM, 5.5, USERS)
    nobody = [JANE, RAVI, LIN, TOM, ANA, EVA, MAX]
    assert grades == {**points_of(CLASS, 3.5), **points_of(nobody, None)}
    assert sorted(exported.without_grade) == sorted(
        [
            f"{JANE.submission}: not decided: 1.2.a (to be marked)",
            f"{RAVI.submission}: not decided: 1.1.a (in review)",
            f"{LIN.submission}: unreadable: why",
            f"{TOM.submission}: error: why",
            f"{ANA.submission}: has not been graded; run grader grade again",
            f"{EVA.submission}: no notebook was handed in",
            f"{MAX.submission}: no notebook was handed in",
        ]
    )


def test_one_check_in_review_leaves_the_whole_open(brightspace: Class, gradebook: Path, people: Path) -> None:
    result = result_for(JANE.submission)
    result.questions[0].checks[0].points = None
    exported = brightspace.export(brightspace.results(result), gradebook=gradebook, people=people, partial=True)
    assert f"{JANE.submission}: not decided: 1.1.a (in review)" in exported.without_grade
    result.questions[0].status = "marked"
    exported = brightspace.export(brightspace.results(result), gradebook=gradebook, people=people)
    assert exported.graded == 10


def test_a_missing_notebook_is_zero_only_when_asked(brightspace: Class, gradebook: Path, people: Path) -> None:
    exported = brightspace.export(gradebook=gradebook, people=people, missing_as_zero=True)
    grades = reimport.brightspace(brightspace.grades, ITEM, 5.5, USERS)
    assert [grades[student.username] for student in (EVA, MAX, JANE)] == [0, 0, 3.5]
    assert f"{EVA.submission}: no notebook: gets 0, as you asked" in exported.notes
    assert exported.without_grade == []


def test_a_submission_of_nobody_is_listed(brightspace: Class, gradebook: Path, people: Path) -> None:
    exported = brightspace.export([*brightspace.results(), result_for("stray")], gradebook=gradebook, people=people)
    assert exported.without_grade[-1] == "stray: was graded, but belongs to nobody in the class list"


POINTS = {0.1 + 0.2: "0.3", 5.0: "5", 0.0: "0", 2.25: "2.25", 1 / 3: "0.333333", 5.5 - 1e-12: "5.5"}


@pytest.mark.parametrize(("points", "text"), POINTS.items(), ids=POINTS.values())
def test_points_are_plain_decimals(brightspace: Class, points: float, text: str) -> None:
    write_class_list(brightspace.folder, one_hand_in("Jane Smith", username="jsmith"))
    result = result_for("x")
    result.points = points
    brightspace.export([result])
    assert brightspace.grades.read_text().splitlines()[1] == f"#jsmith,{text},#"


# What does not fit


def test_another_maximum_is_refused(brightspace: Class, tmp_path: Path) -> None:
    gradebook = brightspace_gradebook(tmp_path / "gradebook.csv", maximum="100")
    with pytest.raises(SiteError) as refused:
        brightspace.export(gradebook=gradebook)
    assert refused.value.faults == [
        f"{gradebook}: “Homework 1” is out of 100 points on the site, and the rubric is out of 5.5; "
        "change the maximum on the site, and export the file again"
    ]


def test_an_unknown_item_is_refused_with_those_there_are(brightspace: Class, gradebook: Path) -> None:
    with pytest.raises(SiteError, match=r"has no grade item “Homework 2”; it has “Homework 1”$"):
        brightspace.export(gradebook=gradebook, item="Homework 2")


def test_of_several_items_the_assignments_own_is_taken(brightspace: Class, gradebook: Path, people: Path) -> None:
    header, rest = gradebook.read_text(encoding="utf-8-sig").split("\n", 1)
    gradebook.write_text(header.replace(",End-of", ",Quiz Points Grade <Numeric MaxPoints:9>,End-of") + "\n" + rest)
    assert brightspace.export(gradebook=gradebook, people=people).item == ITEM
    with pytest.raises(SiteError, match="“Quiz” is out of 9 points on the site"):
        brightspace.export(gradebook=gradebook, people=people, item="quiz")


NO_GRADE_BOOKS = {
    "empty": (b"", "is empty"),
    "binary": (bytes(100), "is not text"),
    "excel": (b"PK\3\4", "is an Excel file; save it as CSV"),
    "another table": (b"a,b\n1,2\n", "has no column OrgDefinedId, Username"),
    "no items": (b"OrgDefinedId,Username\n#1,#a\n", "say which grade item is meant with --item; it has none"),
}


@pytest.mark.parametrize(("content", "why"), NO_GRADE_BOOKS.values(), ids=NO_GRADE_BOOKS)
def test_what_is_no_grade_book_is_one_line(brightspace: Class, tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "gradebook.csv"
    path.write_bytes(content)
    with pytest.raises(SiteError) as refused:
        brightspace.export(gradebook=path)
    (line,) = refused.value.faults
    assert line.startswith(str(path))
    assert why in line


def test_a_grade_book_that_is_not_there_is_one_line(brightspace: Class, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"cannot be read \(No such file or directory\)"):
        brightspace.export(gradebook=tmp_path / "none.csv")
    with pytest.raises(SiteError, match="does not say people's user names; give it with --gradebook"):
        brightspace.export()


def test_results_without_a_class_list_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"class\.json: is not there; bring the download in with grader import first"):
        export_grades("canvas", tmp_path, tmp_path / "grades.csv", results=[])


def test_results_of_another_site_are_refused(brightspace: Class) -> None:
    with pytest.raises(SiteError, match="comes from brightspace, not from moodle"):
        export_grades("moodle", brightspace.folder, brightspace.grades, results=[])


def test_results_of_two_rubrics_are_refused(brightspace: Class, gradebook: Path) -> None:
    with pytest.raises(SiteError, match=r"graded with different rubrics, out of 5\.5 and 7 points"):
        brightspace.export(brightspace.results(result_for(JANE.submission, max_points=7.0)), gradebook=gradebook)


def test_what_is_read_is_not_overwritten(brightspace: Class, gradebook: Path) -> None:
    before = gradebook.read_bytes()
    for path in (gradebook, brightspace.folder / CLASS_FILE, brightspace.folder / "grades.csv"):
        with pytest.raises(SiteError, match="must not be overwritten; choose another name"):
            export_grades("brightspace", brightspace.folder, path, gradebook=gradebook, results=brightspace.results())
    assert gradebook.read_bytes() == before
    with pytest.raises(SiteError, match="must not be overwritten"):
        brightspace.export(gradebook=gradebook, feedback=brightspace.grades)


# Formulas


def test_ids_stay_exact_and_are_no_formulas(brightspace: Class, gradebook: Path, people: Path) -> None:
    brightspace.export(gradebook=gradebook, people=people)
    assert f"#{FORMULA.org_id},#=cmd,3.5,#" in brightspace.grades.read_text().splitlines()


def test_an_item_that_is_a_formula_is_refused(brightspace: Class, gradebook: Path) -> None:
    text = gradebook.read_text(encoding="utf-8-sig")
    gradebook.write_text(text.replace("Homework 1 Points", "=cmd() Points"))
    with pytest.raises(SiteError, match=r"“=cmd\(\)” looks like a formula to a spreadsheet: rename it on the site"):
        brightspace.export(gradebook=gradebook)


@pytest.mark.parametrize("name", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "＝1"])
def test_names_are_no_formulas(canvas: Class, tmp_path: Path, name: str) -> None:
    path = canvas_gradebook(tmp_path / "gradebook.csv")
    path.write_text(path.read_text().replace("Smith, Jane", name).replace("Section 1", name))
    canvas.export(gradebook=path)
    users = [student.user for student in CLASS] + ["640999"]
    assert reimport.canvas(canvas.grades, "Homework 1 (5501)", users)[JANE.user] == 3.5
    assert f"'{name}" in canvas.grades.read_text()


# Canvas


def test_canvas_takes_the_grades(canvas: Class, tmp_path: Path) -> None:
    exported = canvas.export(gradebook=canvas_gradebook(tmp_path / "gradebook.csv"))
    users = [student.user for student in CLASS] + ["640999"]
    assert reimport.canvas(canvas.grades, "Homework 1 (5501)", users) == {
        JANE.user: 3.5,
        RAVI.user: 3.5,
        LIN.user: "EX",
        EVA.user: None,
        TOM.user: 3.5,
        "640999": None,
    }
    assert "chenlin-640697: is excused (EX) on the site, and stays excused" in exported.notes
    assert exported.without_grade == ["novakeva-640699: no notebook was handed in"]


def test_canvas_needs_its_grade_book(canvas: Class) -> None:
    with pytest.raises(SiteError, match="Canvas needs the file that it exports: it knows people by ID and section"):
        canvas.export()


def test_canvas_keeps_what_it_has_where_there_is_no_grade(canvas: Class, tmp_path: Path) -> None:
    path = canvas_gradebook(tmp_path / "gradebook.csv")
    row = f'"Novak, Eva",{EVA.user},{EVA.org_id},{EVA.username},Section 1,'
    assert row in path.read_text()
    path.write_text(path.read_text().replace(row, f"{row}2"))
    canvas.export(gradebook=path)
    users = [student.user for student in CLASS] + ["640999"]
    assert reimport.canvas(canvas.grades, "Homework 1 (5501)", users)[EVA.user] == 2


def test_canvas_people_that_are_not_in_the_grade_book_are_listed(canvas: Class, tmp_path: Path) -> None:
    path = canvas_gradebook(tmp_path / "gradebook.csv")
    path.write_text("".join(line for line in path.open() if TOM.user not in line))
    exported = canvas.export(gradebook=path)
    assert exported.without_grade[0] == f"anonymous-640696: user {TOM.user} is not in the grade book"


def test_canvas_out_of_another_maximum_is_refused(canvas: Class, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="is out of 10 points on the site"):
        canvas.export(gradebook=canvas_gradebook(tmp_path / "gradebook.csv", maximum="10"))


# Moodle


def test_moodle_takes_the_grades(moodle: Class, tmp_path: Path) -> None:
    worksheet = moodle_worksheet(tmp_path / "worksheet.csv")
    exported = moodle.export(gradebook=worksheet)
    users = [student.user for student in CLASS]
    assert reimport.moodle(moodle.grades, 5.5, users) == {
        **dict.fromkeys((student.user for student in (JANE, ZOE, SAM_1, SAM_2)), 3.5),
        EVA.user: None,
        MAX.user: None,
    }
    assert exported.without_grade == ["eva-novak-640699: no notebook was handed in"]


def test_moodles_worksheet_keeps_all_else(moodle: Class, tmp_path: Path) -> None:
    worksheet = moodle_worksheet(tmp_path / "worksheet.csv")
    moodle.export(gradebook=worksheet)
    before = worksheet.read_text(encoding="utf-8-sig").splitlines()
    after = moodle.grades.read_text().splitlines()
    assert after[0] == before[0]
    assert after[1] == before[1].replace("Submitted for grading,,", "Submitted for grading,3.5,")
    # But for what a spreadsheet would run.
    assert after[-1] == before[-1].replace("=1+1", "'=1+1")
    assert len(after) == len(before)


def test_moodle_does_without_a_worksheet(moodle: Class) -> None:
    moodle.export()
    users = [student.user for student in CLASS]
    assert reimport.moodle(moodle.grades, 5.5, users)[SAM_1.user] == 3.5


def test_moodle_out_of_another_maximum_is_refused(moodle: Class, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="is out of 100 points on the site"):
        moodle.export(gradebook=moodle_worksheet(tmp_path / "worksheet.csv", maximum='"100,00"'))


def test_a_grade_that_moodle_locks_stays(moodle: Class, tmp_path: Path) -> None:
    worksheet = moodle_worksheet(tmp_path / "worksheet.csv")
    worksheet.write_text(worksheet.read_text(encoding="utf-8-sig").replace(",Yes,", ",No,", 1))
    exported = moodle.export(gradebook=worksheet)
    assert exported.notes == ["jane-smith-640693: this grade is locked on the site, and stays as it was"]


# Feedback


def reports(path: Path) -> dict[str, str]:
    return {name: text for name, text in reimport.feedback(path).items() if name.endswith("report.html")}


def test_brightspace_takes_the_feedback(brightspace: Class, gradebook: Path, people: Path, download: Path) -> None:
    brightspace.write_reports()
    exported = brightspace.export(gradebook=gradebook, people=people, feedback=brightspace.zip)
    found = reimport.brightspace_feedback(brightspace.zip, download)
    assert found[brightspace_folder(JANE)]["report.html"] == f"<p>for {JANE.submission}</p>"
    assert found[brightspace_folder(ANA, "Oct 10, 2025 208 PM")]["report.html"] == f"<p>for {ANA.submission}</p>"
    assert len(found) == len(CLASS)
    assert not [note for note in exported.notes if "feedback" in note]


def test_canvas_takes_the_feedback(canvas: Class, tmp_path: Path) -> None:
    canvas.write_reports()
    canvas.export(gradebook=canvas_gradebook(tmp_path / "gradebook.csv"), feedback=canvas.zip)
    found = reimport.canvas_feedback(canvas.zip, tmp_path / "download.zip")
    assert found[RAVI.user]["report.html"] == "<p>for patelravi-640694</p>"
    assert len(found) == 5


@pytest.mark.parametrize(("end", "flat"), [("", False), ("_", False), ("", True)], ids=["folders", "older", "flat"])
def test_moodle_takes_the_feedback(tmp_path: Path, end: str, flat: bool) -> None:
    moodle = other_class(tmp_path, "moodle", moodle_download(tmp_path / "download.zip", end, flat))
    moodle.write_reports()
    moodle.export(feedback=moodle.zip)
    found = {user: files["report.html"] for user, files in reimport.moodle_feedback(moodle.zip).items()}
    assert found == {one.ids["participant"]: f"<p>for {one.submission}</p>" for one in moodle.classlist.hand_ins}
    folders = {f"{one.folder}{'' if flat else '/'}" for one in moodle.classlist.hand_ins}
    assert {name.removesuffix("report.html") for name in reports(moodle.zip)} == folders


def test_the_score_sheet_has_points_and_comments_and_nothing_for_markers(moodle: Class) -> None:
    moodle.write_reports()
    result = result_for("jane-smith-640693", 2.5, assignment="Homework 1")
    result.questions[0].checks[0].points = 0
    result.questions[0].points = 0
    result.questions[0].checks[0].message = "double(2) is 5, expected 4"
    change = Change(
        question="1.2.a", points=1.5, before=None, comment="Say why.", who="ta", when="2025-10-12T10:00:00Z", answer=""
    )
    result.questions[1].changes = [change]
    total(result)
    moodle.export(moodle.results(result), feedback=moodle.zip)
    text = reimport.moodle_feedback(moodle.zip)[JANE.user]["scores.txt"]
    assert [line for line in text.splitlines() if line and line != "Group:"] == [
        "Score for Homework 1:",
        "  You have 1.5 out of a maximum of 5.5 points.",
        "Names: Jane Smith",
        "Marked by: ta",
        "Score per question:",
        "  1.1 a: 0",
        "  # max for 1.1 a: 1",
        "  1.2 a: 1.5",
        "  # max for 1.2 a: 4.5",
        "Reasons:",
        "Comments:",
        "  Question 1.1 a: |-",
        "    A: double(2) is 5, expected 4",
        "  Question 1.2 a: |-",
        "    Say why.",
    ]


def test_a_report_that_is_older_than_the_marks_is_not_handed_out(moodle: Class) -> None:
    moodle.write_reports()
    mark = Decision(question="1.2.a", submission="jane-smith-640693", answer="", points=1)
    with Store.open(moodle.folder) as store:
        store.decide([mark], who="Alex", when="2026-03-01T10:00:00+00:00")
    exported = moodle.export(feedback=moodle.zip)
    assert JANE.user not in reimport.moodle_feedback(moodle.zip)
    assert exported.notes[-1] == (
        "jane-smith-640693: no feedback, its report is older than its marks; run grader grade again"
    )


def test_the_same_results_make_the_same_zip(moodle: Class) -> None:
    moodle.write_reports()
    moodle.export(feedback=moodle.zip)
    before = moodle.zip.read_bytes()
    moodle.export(list(reversed(moodle.results())), feedback=moodle.zip)
    assert moodle.zip.read_bytes() == before


def test_a_report_whose_points_are_not_decided_is_not_handed_out(moodle: Class) -> None:
    moodle.write_reports()
    results = moodle.results(result_for("jane-smith-640693", None), of_status("sam-lee-640700", "error"))
    exported = moodle.export(results, feedback=moodle.zip, partial=True)
    assert set(reimport.moodle_feedback(moodle.zip)) == {ZOE.user, SAM_2.user, EVA.user}
    assert [note for note in exported.notes if "feedback" in note] == [
        "jane-smith-640693: no feedback, its points are not decided",
        "sam-lee-640700: no feedback, it has no report",
    ]


def test_a_class_list_from_elsewhere_leads_nowhere(brightspace: Class) -> None:
    classlist = one_hand_in("Jane Smith", username="jsmith")
    classlist.hand_ins[0].folder = "../../evil"
    write_class_list(brightspace.folder, classlist)
    Class(brightspace.folder, "brightspace", classlist).write_reports()
    exported = brightspace.export([result_for("x")], feedback=brightspace.zip)
    assert reimport.feedback(brightspace.zip) == {}
    assert exported.notes[-1] == "x: no feedback, the class list does not say under which name"


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "a\0b"])
def test_a_class_list_with_paths_for_names_is_refused(tmp_path: Path, name: str) -> None:
    write_class_list(tmp_path, ClassList(site="moodle", hand_ins=[HandIn(submission=name, notebook=None, person="")]))
    with pytest.raises(SiteError, match="its names are not those of files"):
        read_class_list(tmp_path)


def test_results_on_disk_are_read_with_what_people_decided(moodle: Class) -> None:
    for result in moodle.results():
        write_result(moodle.folder / result.submission, result)
    exported = export_grades("moodle", moodle.folder, moodle.grades)
    assert exported.graded == 4
    assert reimport.moodle(moodle.grades, 5.5, [student.user for student in CLASS])[ZOE.user] == 3.5
