"""The guide for course sites, followed to the letter on downloads as the sites write them."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from notebooks import MINI
from sites import reimport
from sites.downloads import (
    CLASS,
    JANE,
    brightspace_download,
    brightspace_gradebook,
    canvas_download,
    canvas_gradebook,
    moodle_download,
    moodle_worksheet,
)
from sites.gradings import write_results
from typer.testing import CliRunner

from grader.cli import app

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "course-sites.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL))

USERS = [student.user for student in CLASS] + ["640999"]
TAKES: dict[str, Callable[[Path], object]] = {
    "Brightspace": lambda path: reimport.brightspace(
        path, "Homework 1", 5.5, {student.username: student.org_id for student in CLASS}
    )[JANE.username],
    "Canvas": lambda path: reimport.canvas(path, "Homework 1 (5501)", USERS)[JANE.user],
    "Moodle": lambda path: reimport.moodle(path, 5.5, USERS)[JANE.user],
}


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the rubric, and the current one."""
    shutil.copytree(MINI, tmp_path / "rubrics" / "dl1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def download_for(site: str, course: Path) -> None:
    """What the site gives, under the names that the guide tells to save it as."""
    if site == "Brightspace":
        brightspace_download(course / "Homework 1.zip")
        brightspace_gradebook(course / "gradebook.csv")
        (people,) = re.findall(r"```csv\n(.*?)```", GUIDE, re.DOTALL)
        (course / "people.csv").write_text(people)
    elif site == "Canvas":
        canvas_download(course / "submissions.zip")
        canvas_gradebook(course / "gradebook.csv")
    else:
        moodle_download(course / "submissions.zip")
        moodle_worksheet(course / "worksheet.csv")


@pytest.mark.parametrize("site", TAKES)
def test_the_commands_lead_from_the_download_to_what_the_site_takes(site: str, course: Path) -> None:
    download_for(site, course)
    commands = [shlex.split(line) for line in re.findall(r"^\$ grader (.+)$", SECTIONS[site], re.MULTILINE)]
    assert [command[0] for command in commands] == ["import", "grade", "export"]
    for command in commands:
        if command[0] == "grade":
            # Tested where it belongs; here, everybody has 3.5 points.
            _, submissions, *_, results = command
            write_results(course / submissions, course / results)
            continue
        done = CliRunner().invoke(app, command)
        # Something is refused from Brightspace's download, and somebody everywhere has no notebook.
        assert done.exit_code in (0, 1), done.output
    assert TAKES[site](course / "grades.csv") == 3.5
    assert reimport.feedback(course / "feedback.zip")


def test_the_people_of_the_guide_are_told_apart(course: Path) -> None:
    (people,) = re.findall(r"```csv\n(.*?)```", GUIDE, re.DOTALL)
    rows = list(csv.DictReader(people.splitlines()))
    known = {student.submission: student.username for student in CLASS}
    assert [known[row["submission"]] for row in rows] == [row["username"] for row in rows]


def test_every_option_is_explained() -> None:
    for command in ("import", "export"):
        page = CliRunner().invoke(app, [command, "--help"]).output
        options = set(re.findall(r"(?<!\S)(--[a-z-]+)", page)) - {"--help", "--output"}
        assert [option for option in sorted(options) if f"{option}" not in GUIDE] == [], command


def test_the_kept_folder_and_the_class_list_are_called_as_the_guide_says() -> None:
    from grader.results.classlist import CLASS_FILE, KEPT

    assert f"`submissions/{CLASS_FILE}`" in GUIDE
    assert f"`submissions/{KEPT}/<name>/`" in GUIDE
