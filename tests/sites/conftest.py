"""Downloads and imports that several tests look at."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from notebooks import MINI
from sites.downloads import DUE, brightspace_download

from grader.assignment.assignment import Assignment, load_assignment
from grader.sites.importing import Imported, import_download


@pytest.fixture(scope="session")
def assignment() -> Assignment:
    return load_assignment(MINI)


@pytest.fixture(scope="session")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Brightspace's, with every oddity. Not to be changed."""
    return brightspace_download(tmp_path_factory.mktemp("brightspace") / "Homework 1.zip")


@pytest.fixture(scope="session")
def imported(download: Path, assignment: Assignment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Imported]:
    """The folder that it was imported into. Not to be changed."""
    folder = tmp_path_factory.mktemp("imported") / "submissions"
    done = import_download("brightspace", download, folder, assignment=assignment, due=datetime.fromisoformat(DUE))
    return folder, done
