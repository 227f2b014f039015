"""Bulk downloads as course sites write them, with all that goes wrong in a class of twelve."""

from __future__ import annotations

import io
import stat
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import nbformat
from notebooks import mini_notebook

ASSIGNMENT = "Homework 1"
DUE = "2025-10-10T23:59"
WRONG = "def double(x):\n    return x + 3"
PDF = b"%PDF-1.4\n% scanned by hand\n"


class Student(NamedTuple):
    """Somebody in the course, also as the grade book knows them."""

    name: str
    user: str
    org_id: str
    username: str
    submission: str
    """What an import from Brightspace calls the hand-in."""


JANE = Student("Jane Smith", "640693", "100001", "jsmith", "jane-smith-640693")
RAVI = Student("Ravi Patel", "640694", "100002", "rpatel", "ravi-patel-640694")
ANA = Student("Ana Silva", "640695", "100003", "asilva", "ana-silva-640695")
TOM = Student("Tom Baker", "640696", "100004", "tbaker", "tom-baker-640696")
LIN = Student("Lin Chen", "640697", "100005", "lchen", "lin-chen-640697")
OMAR = Student("Omar Haddad", "640698", "100006", "ohaddad", "omar-haddad-640698")
EVA = Student("Eva Novak", "640699", "100007", "enovak", "eva-novak-640699")
SAM_1 = Student("Sam Lee", "640700", "100008", "slee1", "sam-lee-640700")
SAM_2 = Student("Sam Lee", "640701", "100009", "slee2", "sam-lee-640701")
ZOE = Student("Zoë Łuczak", "640702", "100010", "zluczak", "zoe-łuczak-640702")
FORMULA = Student("=2+3 Jones", "640703", "100011", "=cmd", "2-3-jones-640703")
MAX = Student("Max Power", "640704", "100012", "mpower", "max-power-640704")
CLASS = (JANE, RAVI, ANA, TOM, LIN, OMAR, EVA, SAM_1, SAM_2, ZOE, FORMULA, MAX)
WITHOUT_NOTEBOOK = (EVA, MAX)

GRADED_WRONG = (RAVI,)
"""Whose `double` is wrong. All others who handed in a notebook have every point of the code questions."""


def notebook_bytes(**answers: str) -> bytes:
    """A submission to the mini assignment, always the same bytes for the same answers."""
    notebook = mini_notebook(**answers)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return nbformat.writes(notebook).encode()


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def bomb_bytes(megabytes: int = 40) -> bytes:
    """A small zip of many zeros."""
    return zip_bytes({"homework.ipynb": bytes(megabytes * 2**20)})


def brightspace_folder(student: Student, time: str = "Oct 10, 2025 1022 AM") -> str:
    return f"39786-{student.user} - {student.name} - {time}"


def add_link(archive: zipfile.ZipFile, name: str, target: str) -> None:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, target)


def brightspace_download(path: Path) -> Path:
    """Write the zip that Brightspace gives for `Homework 1`: twelve people, and every oddity there is."""
    right, wrong = notebook_bytes(), notebook_bytes(double=WRONG)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(folder: str, name: str, data: bytes) -> None:
            archive.writestr(f"{ASSIGNMENT}/{folder}/{name}", data)

        archive.writestr(f"{ASSIGNMENT}/index.html", "<html><body>Homework 1</body></html>")
        add(brightspace_folder(JANE), "homework.ipynb", right)
        # Late, and wrong.
        add(brightspace_folder(RAVI, "Oct 11, 2025 912 AM"), "homework.ipynb", wrong)
        # Handed in twice; the later one stands first in the download.
        add(brightspace_folder(ANA, "Oct 10, 2025 208 PM"), "homework.ipynb", right)
        add(brightspace_folder(ANA, "Oct 9, 2025 1122 AM"), "homework.ipynb", wrong)
        # Several notebooks; the empty one comes first, and has the longer code.
        add(
            brightspace_folder(TOM), "homework.ipynb", notebook_bytes(double="# " + 500 * "x", quadruple="", results="")
        )
        add(brightspace_folder(TOM), "homework (final).ipynb", right)
        add(brightspace_folder(LIN), "homework.pdf", PDF)
        add(brightspace_folder(LIN), "homework.ipynb", right)
        nested = {
            "homework/homework.ipynb": right,
            "homework/data.csv": b"1,2\n",
            "homework/.ipynb_checkpoints/homework-checkpoint.ipynb": wrong,
            "__MACOSX/homework/._homework.ipynb": b"\0\5\x16\7",
        }
        add(brightspace_folder(OMAR), "homework.zip", zip_bytes(nested))
        add(brightspace_folder(EVA), "homework.pdf", PDF)
        add(brightspace_folder(SAM_1), "homework.ipynb", right)
        add(brightspace_folder(SAM_2), "homework.ipynb", notebook_bytes(text="Twice two is four."))
        # As macOS writes it: the accents as characters of their own.
        add(unicodedata.normalize("NFD", brightspace_folder(ZOE)), "opdracht één.ipynb", right)
        add(brightspace_folder(FORMULA), "=cmd.ipynb", right)
        max_folder = brightspace_folder(MAX)
        add(max_folder, "homework.zip", bomb_bytes())
        add(max_folder, "../../../evil.ipynb", right)
        add_link(archive, f"{ASSIGNMENT}/{max_folder}/homework.ipynb", "/etc/passwd")
        archive.writestr("/evil.ipynb", right)
        archive.writestr("C:\\Windows\\evil.ipynb", right)
    return path


def brightspace_gradebook(path: Path, maximum: str = "5.5") -> Path:
    """What the site exports as the grade book, with a person who handed in nothing."""
    item = f"{ASSIGNMENT} Points Grade <Numeric MaxPoints:{maximum} Weight:10>"
    lines = [f"OrgDefinedId,Username,Last Name,First Name,{item},End-of-Line Indicator"]
    for student in CLASS:
        first, _, last = student.name.partition(" ")
        lines.append(f"#{student.org_id},#{student.username},{last},{first},,#")
    lines.append("#100013,#nobody,Body,No,,#")
    path.write_bytes(("\ufeff" + "\r\n".join(lines) + "\r\n").encode())
    return path


def people_file(path: Path) -> Path:
    """Who is who, where the names do not tell."""
    lines = ["submission,username", *(f"{student.submission},{student.username}" for student in (SAM_1, SAM_2))]
    path.write_text("\n".join(lines) + "\n")
    return path


def canvas_name(student: Student) -> str:
    first, _, last = student.name.partition(" ")
    return "".join(char for char in f"{last}{first}".lower() if char.isalnum())


def canvas_download(path: Path) -> Path:
    """Write a zip as Canvas does: all files in one folder, a late one, a second attempt, an anonymous one."""
    right, wrong = notebook_bytes(), notebook_bytes(double=WRONG)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{canvas_name(JANE)}_{JANE.user}_9001_homework.ipynb", right)
        archive.writestr(f"{canvas_name(RAVI)}_LATE_{RAVI.user}_9002_homework-1.ipynb", wrong)
        archive.writestr(f"{canvas_name(LIN)}_{LIN.user}_9003_scan.pdf", PDF)
        archive.writestr(f"{canvas_name(LIN)}_{LIN.user}_9004_home_work.ipynb", right)
        archive.writestr(f"{canvas_name(EVA)}_{EVA.user}_text.html", "<p>I was ill.</p>")
        archive.writestr(f"anon_{TOM.user}_9005_homework.ipynb", right)
    return path


def canvas_gradebook(path: Path, maximum: str = "5.5") -> Path:
    lines = [
        f"Student,ID,SIS User ID,SIS Login ID,Section,{ASSIGNMENT} (5501),Current Score",
        f"    Points Possible,,,,,{maximum},(read only)",
    ]
    for student in (JANE, RAVI, LIN, EVA, TOM):
        first, _, last = student.name.partition(" ")
        excused = "EX" if student is LIN else ""
        lines.append(f'"{last}, {first}",{student.user},{student.org_id},{student.username},Section 1,{excused},')
    lines.append('"Student, Test",640999,,,Section 1,,')
    path.write_text("\n".join(lines) + "\n")
    return path


def moodle_folder(student: Student, end: str = "") -> str:
    return f"{student.name}_{student.user}_assignsubmission_file{end}"


def moodle_download(path: Path, end: str = "", flat: bool = False) -> Path:
    """Write a zip as Moodle does: a folder a person (`end`: an older version's `_`), or all files in one folder."""
    between = "_" if flat else f"{end}/"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for student in (JANE, ZOE, SAM_1, SAM_2):
            archive.writestr(f"{moodle_folder(student)}{between}homework.ipynb", notebook_bytes())
        archive.writestr(f"{moodle_folder(EVA)}{between}homework.pdf", PDF)
        archive.writestr(f"{EVA.name}_{EVA.user}_assignsubmission_onlinetext{between}onlinetext.html", "<p>Hello</p>")
    return path


def moodle_worksheet(path: Path, maximum: str = "5.50") -> Path:
    lines = [
        "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
        "Last modified (submission),Last modified (grade),Feedback comments"
    ]
    modified = '"Friday, 10 October 2025, 10:22 AM"'
    for student in (JANE, ZOE, SAM_1, SAM_2, EVA, MAX):
        email = f"{student.username}@example.org"
        comment = "=1+1" if student is MAX else ""
        row = f"Participant {student.user},{student.name},{email},Submitted for grading,,{maximum},Yes,{modified},-,"
        lines.append(row + comment)
    path.write_bytes(("\ufeff" + "\n".join(lines) + "\n").encode())
    return path
