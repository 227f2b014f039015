"""Setting up: what `make` installs, from where, what it says where that fails, and that nothing half-done stays."""

from __future__ import annotations

import base64
import csv
import hashlib
import http.server
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / "tools" / "setup"
MAKE = shutil.which("make") or "make"
DEBIANS = Path("/usr/bin/python3")

slow = pytest.mark.slow
without_gpu = pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has an NVIDIA GPU")


def wheel(
    folder: Path, name: str, version: str, *, requires: str = "", python: str = "", files: int = 1, size: int = 0
) -> None:
    """Put a package into an index, with as many modules, of as many bytes, as told."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    metadata += f"Requires-Python: {python}\n" if python else ""
    content = {f"{name}/m{number}.py": b"#" * size for number in range(files)}
    content[f"{info}/METADATA"] = metadata.encode()
    content[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = io.StringIO()
    for path, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        csv.writer(record, lineterminator="\n").writerow((path, f"sha256={digest}", len(data)))
    content[f"{info}/RECORD"] = f"{record.getvalue()}{info}/RECORD,,\n".encode()
    (folder / name).mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content.items():
            archive.writestr(path, data)


def source(folder: Path, name: str, version: str) -> None:
    """Put a package into an index that has to be compiled, and cannot be."""
    backend = "def build_wheel(*_, **__):\n    raise RuntimeError(\"command 'cc' failed: No such file or directory\")\n"
    project = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    (folder / name).mkdir(parents=True)
    with zipfile.ZipFile(folder / name / f"{name}-{version}.zip", "w") as archive:
        for path, text in {"pyproject.toml": project, "backend.py": backend, "PKG-INFO": f"Name: {name}\n"}.items():
            archive.writestr(f"{name}-{version}/{path}", text)


class Indexes:
    """Two package indexes on this machine: the usual one, and the one with builds of torch for the CPU alone."""

    def __init__(self, folder: Path, port: int, asked: list[str]) -> None:
        self.usual, self.cpu = folder / "usual", folder / "cpu"
        self.url = f"http://127.0.0.1:{port}"
        self.asked = asked
        for index in (self.usual, self.cpu):
            index.mkdir()


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[Indexes]:
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    served = tmp_path / "served"
    served.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Indexes(served, server.server_port, asked)
        server.shutdown()
        thread.join()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder to set up in."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "constraints.txt").write_text("torch==2.13.0\n")
    return folder


def environment(indexes: Indexes | None, **more: str) -> dict[str, str]:
    """No setting of this machine's pip, and no index of the world's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    url = f"{indexes.url}/usual" if indexes else "http://127.0.0.1:9"
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": url, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    return {**kept, **pip, "no_proxy": "*", "PYTHON": sys.executable, "LC_ALL": "C.UTF-8", **more}


def set_up(project: Path, indexes: Indexes | None, *wanted: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [SETUP, "packages", *wanted]
    return subprocess.run(command, cwd=project, env=environment(indexes, **more), capture_output=True, text=True)


def installed(project: Path, name: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    return subprocess.check_output([project / ".venv/bin/python", "-I", "-c", code], text=True).strip()


# Where torch comes from


@pytest.fixture
def torches(indexes: Indexes) -> Indexes:
    """The usual index has the tested torch and a newer one, the other the build for the CPU."""
    wheel(indexes.usual, "torch", "2.13.0")
    wheel(indexes.usual, "torch", "2.14.0")
    wheel(indexes.usual, "course", "1", requires="torch<=2.13.0")
    wheel(indexes.cpu, "torch", "2.13.0+cpu")
    return indexes


@slow
@without_gpu
def test_torch_comes_for_the_cpu_alone_and_is_looked_for_once(project: Path, torches: Indexes) -> None:
    for _ in range(2):
        done = set_up(project, torches, "course", TORCH_INDEX=f"{torches.url}/cpu")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert installed(project, "torch") == "2.13.0+cpu"
        assert installed(project, "course") == "1"
    assert [path for path in torches.asked if path.endswith(".whl") and "torch" in path] == [
        "/cpu/torch/torch-2.13.0%2Bcpu-py3-none-any.whl"
    ]
    assert torches.asked.count("/cpu/torch/") == 2  # whether it answers, and what it has


@pytest.fixture
def silent() -> Iterator[str]:
    """An index that takes every call and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@slow
@without_gpu
@pytest.mark.parametrize("case", ["nobody there", "never answers", "has another version", "no index"])
def test_torch_comes_as_pip_finds_it_where_there_is_none_for_the_cpu(
    project: Path, torches: Indexes, silent: str, case: str
) -> None:
    shutil.rmtree(torches.cpu / "torch")
    wheel(torches.cpu, "torch", "2.12.0+cpu")
    urls = {"nobody there": "http://127.0.0.1:9", "never answers": silent, "has another version": f"{torches.url}/cpu"}
    done = set_up(project, torches, "course", TORCH_INDEX=urls.get(case, ""), INDEX_PATIENCE="1")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert installed(project, "torch") == "2.13.0"
    assert ("it comes as pip finds it" in done.stderr) is (case != "no index")


@slow
def test_with_a_graphics_card_torch_comes_as_pip_finds_it(project: Path, torches: Indexes, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "nvidia-smi", "echo GPU 0")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = set_up(project, torches, "course", TORCH_INDEX=f"{torches.url}/cpu", PATH=path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert installed(project, "torch") == "2.13.0"
    assert [path for path in torches.asked if path.startswith("/cpu")] == []


# What fails


def program(path: Path, *lines: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def without(folder: Path, what: str, instead: str = "exit 1") -> Path:
    """This interpreter, but for calls with these words in them."""
    return program(folder / "python", f'case "$*" in *"{what}"*) {instead};; esac', f'exec "{sys.executable}" "$@"')


@pytest.mark.parametrize(
    ("what", "instead", "said"),
    [
        pytest.param("version_info", "exit 1", "is not Python 3.11 or newer: name one that is", id="old interpreter"),
        pytest.param("import venv", "exit 1", "sudo apt-get install python3-venv", id="no venv"),
        pytest.param("-m pip", "exit 1", "sudo apt-get install python3-pip", id="no pip"),
        pytest.param("pip install --help", "echo '  --no-deps'; exit", "pip install --upgrade pip", id="old pip"),
        pytest.param(
            "-m venv", "echo 'Error: [Errno 30] Read-only' >&2; exit 1", "([Errno 30] Read-only)", id="no folder"
        ),
        pytest.param("none", "exit", "connect to the network", id="no network"),
    ],
)
def test_the_last_line_of_make_says_what_to_do(
    project: Path, tmp_path: Path, what: str, instead: str, said: str
) -> None:
    copy_source(project)
    program(tmp_path / "bin" / "bwrap", "exit")
    arguments = [MAKE, "grade", f"PYTHON={without(tmp_path / 'fake', what, instead)}", "TORCH_INDEX=http://127.0.0.1:9"]
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        arguments,
        cwd=project,
        env=environment(None, PATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 2
    assert said in done.stdout.splitlines()[-1], done.stdout
    assert not (project / ".venv" / ".installed").exists()


def conflict(index: Path) -> None:
    wheel(index, "course", "1", requires="needed>=2")
    wheel(index, "needed", "1")


@slow
@pytest.mark.parametrize(
    ("fill", "said"),
    [
        pytest.param(conflict, "take Python 3.11, 3.12 or 3.13", id="does not go together"),
        pytest.param(
            partial(wheel, name="course", version="1", python=">=3.99"), "has no build for Python 3", id="no build"
        ),
        pytest.param(
            partial(source, name="course", version="1"), "sudo apt-get install build-essential", id="no compiler"
        ),
        pytest.param(
            partial(wheel, name="course", version="1", requires="elsewhere"), "is named above", id="not there"
        ),
    ],
)
def test_what_pip_cannot_install_ends_in_what_to_do(project: Path, indexes: Indexes, fill: object, said: str) -> None:
    assert callable(fill)
    fill(indexes.usual)
    (project / "constraints.txt").write_text("course==1\nneeded==1\n")
    done = set_up(project, indexes, "course")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert said in line, done.stderr


@slow
def test_a_full_disk_ends_in_what_to_do_and_is_repaired(project: Path, indexes: Indexes) -> None:
    wheel(indexes.usual, "course", "1", files=60, size=2**20)
    small = ["bwrap", "--dev-bind", "/", "/", "--size", str(30 * 2**20), "--tmpfs", str(project / ".venv"), "--"]
    (project / ".venv").mkdir()
    command = [*small, SETUP, "packages", "course"]
    done = subprocess.run(command, cwd=project, env=environment(indexes), capture_output=True, text=True)
    if "bwrap:" in done.stderr:
        pytest.skip(f"bubblewrap may not make a disk here: {done.stderr.strip()}")
    assert done.returncode == 1
    assert done.stdout.startswith("the disk is full: make room")
    assert set_up(project, indexes, "course").stdout == ""
    assert installed(project, "course") == "1"


@slow
def test_an_installation_that_was_killed_is_made_whole_by_the_next(project: Path, indexes: Indexes) -> None:
    wheel(indexes.usual, "course", "1", files=3_000)
    log = project / ".venv" / "install.log"
    running = subprocess.Popen(
        [SETUP, "packages", "course"],
        cwd=project,
        env=environment(indexes),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while running.poll() is None and not (log.exists() and "Installing collected packages" in log.read_text()):
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    done = set_up(project, indexes, "course")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    (package,) = (project / ".venv").glob("lib/*/site-packages/course")
    assert len([path for path in package.iterdir() if path.suffix == ".py"]) == 3_000


# What is needed for what


def copy_source(folder: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("grader", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def planned(project: Path, target: str) -> str:
    done = subprocess.run(
        [MAKE, "-n", target], cwd=project, env=environment(None), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_grading_installs_less_than_testing_and_each_only_where_something_changed(project: Path) -> None:
    copy_source(project)
    (project / ".venv").mkdir()
    grading, testing = (project / ".venv" / name for name in (".installed", ".installed-dev"))
    assert f"touch {grading.relative_to(project)}\n" in planned(project, "grade")
    assert f"touch {testing.relative_to(project)}" in planned(project, "test")
    grading.touch()
    assert "touch" not in planned(project, "grade")
    assert "touch" not in planned(project, "validate")
    for target in ("test", "lint", "bench", "fuzz"):
        assert f"touch {testing.relative_to(project)}" in planned(project, target)
    testing.touch()
    assert "touch" not in planned(project, "test")
    for name in ("pyproject.toml", "constraints.txt"):
        later = grading.stat().st_mtime + 10
        os.utime(project / name, (later, later))
        assert "touch" in planned(project, "grade")
        assert "touch" in planned(project, "test")
        shutil.copystat(ROOT / name, project / name)


def sandbox(tmp_path: Path, user: int) -> tuple[subprocess.CompletedProcess[str], str]:
    """The outcome on a machine without bubblewrap, and how apt-get was called."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    program(folder / "id", f"echo {user}")
    program(folder / "apt-get", f'echo "$*" >> {calls}')
    done = subprocess.run([SETUP, "sandbox"], env={"PATH": str(folder)}, capture_output=True, text=True)
    return done, calls.read_text() if calls.exists() else ""


def test_root_gets_bubblewrap_installed(tmp_path: Path) -> None:
    done, calls = sandbox(tmp_path, user=0)
    assert (done.returncode, done.stdout) == (0, "")
    assert calls.splitlines()[-1].startswith("install -y")
    assert calls.endswith("bubblewrap\n")


def test_anybody_else_is_told_how_to_install_it(tmp_path: Path) -> None:
    done, calls = sandbox(tmp_path, user=1000)
    assert (done.returncode, calls) == (1, "")
    assert "sudo apt-get install bubblewrap" in done.stdout


# For real


@slow
def test_debians_own_interpreter_grades_the_samples(project: Path) -> None:
    try:
        version = subprocess.check_output(
            [DEBIANS, "-c", "import sys; print(*sys.version_info[:3])"], text=True
        ).split()
        subprocess.run([DEBIANS, "-m", "pip", "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine has no Python of its own with pip ({error})")
    if tuple(map(int, version)) < (3, 11):
        pytest.skip(f"this machine's own Python is {'.'.join(version)}")
    copy_source(project)
    for name in ("rubrics", "reference", "submissions"):
        shutil.copytree(ROOT / name / "statistics1", project / name / "statistics1")
    settings = {**os.environ, "PYTHON": str(DEBIANS), "TORCH_INDEX": "", "PIP_NO_COMPILE": "1"}
    done = subprocess.run([SETUP, "packages", "."], cwd=project, env=settings, capture_output=True, text=True)
    if "connect to the network" in done.stdout:
        pytest.skip(f"needs the network: {done.stdout}")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    grade = [
        project / ".venv/bin/grader",
        "grade",
        "submissions/statistics1",
        "--rubric",
        "rubrics/statistics1",
        "-o",
        "results",
    ]
    done = subprocess.run(grade, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    points = points_in(project / "results" / "grades.csv")
    assert points["all-right"] > points["typical-mistakes"] > 0


def points_in(grades: Path) -> Mapping[str, float]:
    with grades.open(newline="") as file:
        return {row["submission"]: float(row["points"]) for row in csv.DictReader(file)}
