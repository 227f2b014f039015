"""What is installed is what stands in the repository, and nothing in the repository is tied to one machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution, entry_points, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import grader

# Written so that the pattern does not match its own source.
MACHINE_PATH = re.compile(
    rb"""(?<![\w.])/(?:root|work|Users|workspaces?)/\w   # absolute, in someone's home or work folder
       | (?<![\w.])/home/(?!student\b|user\b)[\w.-]+/     # the two names are what examples use
       | [A-Za-z]:\\{1,2}Users\\""",
    re.VERBOSE,
)


@pytest.fixture(scope="session")
def repository_files(root: Path) -> list[Path]:
    """The files that are, or could next be, committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True
    )
    if listing.returncode:
        pytest.skip(f"needs a git checkout: {listing.stderr.decode().strip()}")
    paths = (root / name for name in listing.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


@pytest.fixture(scope="session")
def wheel_names(root: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files in a wheel that is built from a copy of the source."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    shutil.copytree(root / "grader", source / "grader", ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, "dist"], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("grader-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_the_package(wheel_names: set[str], root: Path) -> None:
    source = {path.relative_to(root).as_posix() for path in (root / "grader").rglob("*") if path.is_file()}
    source = {name for name in source if "__pycache__" not in name}
    assert any(name.startswith("grader/report/templates/") for name in source)
    assert source - wheel_names == set()


def test_the_wheel_holds_nothing_else(wheel_names: set[str]) -> None:
    assert {name for name in wheel_names if not re.match(r"grader/|grader-[^/]*\.dist-info/", name)} == set()


def test_the_installed_version_is_that_of_the_source() -> None:
    assert version("grader") == grader.__version__


@pytest.mark.parametrize(
    ("group", "name"),
    [
        pytest.param("console_scripts", "grader", id="command"),
        pytest.param("jupyter_client.kernel_provisioners", "grader-zygote", id="kernel provisioner"),
    ],
)
def test_an_entry_point_leads_to_something_callable(group: str, name: str) -> None:
    (entry_point,) = entry_points(group=group, name=name)
    assert callable(entry_point.load())


def test_the_constraints_pin_every_dependency_to_a_version_that_it_admits(root: Path) -> None:
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert pins["torch"] == "2.13.0"
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"]["dev"])]
    # pip's and the build's own tools are left to the machine.
    wanted = [requirement for requirement in wanted if requirement.name != "setuptools"]
    unmet = [
        str(requirement)
        for requirement in wanted
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    ]
    assert unmet == []


@pytest.mark.parametrize(
    ("torch_version", "admitted"),
    [
        pytest.param("2.13.0", True, id="tested"),
        pytest.param("2.13.0+cpu", True, id="tested, local build"),
        pytest.param("2.13.1", False, id="next patch"),
        pytest.param("2.14.0", False, id="next"),
    ],
)
def test_a_plain_install_takes_no_torch_newer_than_the_tested(torch_version: str, admitted: bool) -> None:
    requirements = [Requirement(text) for text in distribution("grader").requires or []]
    (torch,) = (requirement for requirement in requirements if requirement.name == "torch")
    assert torch.specifier.contains(torch_version) is admitted


def test_no_file_names_a_folder_of_one_machine(repository_files: list[Path], root: Path) -> None:
    assert Path(__file__) in repository_files
    found = []
    for path in repository_files:
        content = path.read_bytes()
        if b"\0" in content:  # binary
            continue
        for number, line in enumerate(content.splitlines(), start=1):
            if match := MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {match[0].decode()}")
    assert found == []
