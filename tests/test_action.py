"""The action, its workflow and GitLab's template: their scripts, run as CI systems run them, on hostile notebooks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from notebooks import mini_notebook, write_notebook
from old_kernels import without_landlock
from releases import release_mini
from shell import run
from students.formats.runner import Command, commands, outputs

from grader.students.bundle.bundle import open_bundle
from grader.students.checking.check import check
from grader.students.formats import guarded_github_files, parse_formats, write
from grader.students.formats.actions import FILES
from grader.students.formats.write import FORMATS

ROOT = Path(__file__).resolve().parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "check-submission.yml").read_text())
TEMPLATE_HEAD, TEMPLATE = yaml.safe_load_all((ROOT / "ci" / "gitlab-check.yml").read_text())
CI_FILES = ("action.yml", ".github/workflows/check-submission.yml", "ci/gitlab-check.yml", ".pre-commit-hooks.yaml")
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
WRONG = "def double(x):\n    return 3 * x"

# It writes wherever the environment or a guess says that a runner reads, over whatever decides, and prints what a
# runner would obey; none of it may end the cell.
ATTACK = """
import os, sys

ORDERS = ["::set-output name=points::25", "::set-output name=passed::true", "  ::add-mask::points",
          "##[add-mask]passed", "::stop-commands::mine", "::error file=hand-in.ipynb,line=1::made up",
          "points=25", "passed=true"]
LINES = "\\n" + "\\n".join(ORDERS) + "\\n"
print(LINES)
print(LINES, file=sys.stderr)
for stream in (1, 2):
    os.write(stream, LINES.encode())
FOUND = [value for name, value in os.environ.items() if name.startswith(("GITHUB_", "RUNNER_", "CI_"))]
PLACES = PATHS + FOUND + [f"/proc/{process}/fd/{fd}" for process in ("1", os.getppid(), "self") for fd in (0, 1, 2)]
for place in PLACES:
    for how in ("a", "w"):
        try:
            with open(place, how) as file:
                file.write(LINES)
        except Exception:
            pass
    try:
        os.unlink(place)
        os.symlink("/dev/null", place)
    except Exception:
        pass
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return release_mini(tmp_path_factory.mktemp("release")).bundle.read_bytes()


@dataclass(frozen=True)
class Ended:
    status: int
    log: str
    files: dict[str, str]
    """What is in GitHub's files at the end of the step."""
    reports: Path

    @property
    def commands(self) -> list[Command]:
        return commands(self.log)

    @property
    def outputs(self) -> dict[str, str]:
        return outputs(self.files["GITHUB_OUTPUT"])


class Runner:
    """A machine of GitHub's with a checked-out submission, and the staff's checks in a folder beside it."""

    def __init__(self, folder: Path, bundle: bytes) -> None:
        self.workspace = folder / "work space"
        self.temp = folder / "temp"
        self.submission = self.workspace / "submission"
        self.bundle = self.workspace / "course" / "mini.checks"
        for path in (self.submission / ".git", self.bundle.parent, self.temp):
            path.mkdir(parents=True)
        self.bundle.write_bytes(bundle)
        self.files = {name: self.temp / "_runner_file_commands" / name.lower() for name in FILES}

    def write(self, notebook: Any, name: str = "hand-in.ipynb") -> None:
        write_notebook(self.submission / name, notebook)

    def paths(self) -> list[str]:
        """What a hostile notebook may know: where all this is."""
        own = [*self.files.values(), self.bundle, self.submission / "hand-in.ipynb"]
        reports = [self.temp / "grader-reports" / name for name in ("report.json", "junit.xml", "report.html")]
        return [str(path) for path in (*own, *reports)]

    def run(self, step: Mapping[str, Any], action_path: Path = ROOT, **inputs: str) -> Ended:
        """One step of the action, with new files for it, as the runner does that."""
        given = {name: value.get("default", "") for name, value in ACTION["inputs"].items()} | inputs
        contexts = {f"inputs.{name}": str(value) for name, value in given.items()}

        for path in self.files.values():
            path.parent.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
            path.touch()
        script = self.temp / "script.sh"
        script.write_text(step["run"])
        # Where an interpreter is set up, it comes first on the path.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {
            **os.environ,
            "PATH": path,
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTION_PATH": str(action_path),
            "RUNNER_TEMP": str(self.temp),
            **{name: str(file) for name, file in self.files.items()},
            **{
                name: EXPRESSION.sub(lambda match: contexts[match[1]], value)
                for name, value in step.get("env", {}).items()
            },
        }
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=self.workspace,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
        files = {name: file.read_text() for name, file in self.files.items()}
        return Ended(ended.returncode, ended.stdout.decode(), files, self.temp / "grader-reports")

    def check(self, **inputs: str) -> Ended:
        given = {"notebook": "submission/hand-in.ipynb", "bundle": "course/mini.checks"}
        return self.run(step_named("check"), **(given | inputs))


def step_named(id: str) -> dict[str, Any]:
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == id)
    return dict(step)


@pytest.fixture
def runner(tmp_path: Path, bundle: bytes) -> Runner:
    return Runner(tmp_path, bundle)


# What the files say


def scripts() -> Iterator[str]:
    for step in (*ACTION["runs"]["steps"], *WORKFLOW["jobs"]["check"]["steps"]):
        yield step.get("run", "")
    yield from TEMPLATE["check-submission"]["script"]


def test_nothing_is_put_into_a_script_but_by_the_environment() -> None:
    found = [script for script in scripts() if "${{" in script or "$[[" in script or "eval" in script]
    assert found == []


def test_python_never_looks_into_the_folder_that_it_is_run_in() -> None:
    calls = [call for script in scripts() for call in re.findall(r"\bpython3? (\S+)", script)]
    assert calls
    assert set(calls) == {"-I"}


def test_every_input_is_described_and_used() -> None:
    text = (ROOT / "action.yml").read_text()
    assert [name for name, value in ACTION["inputs"].items() if not value["description"]] == []
    assert [name for name in ACTION["inputs"] if f"inputs.{name}" not in text] == []
    called = WORKFLOW[True]["workflow_call"]  # YAML 1.1 takes `on` for a truth value
    workflow = (ROOT / ".github" / "workflows" / "check-submission.yml").read_text()
    assert [name for name in called["inputs"] if f"inputs.{name}" not in workflow] == []
    template = (ROOT / "ci" / "gitlab-check.yml").read_text()
    assert [name for name in TEMPLATE_HEAD["spec"]["inputs"] if f"$[[ inputs.{name} ]]" not in template] == []


def test_the_workflow_gives_the_action_what_it_takes() -> None:
    (step,) = (step for step in WORKFLOW["jobs"]["check"]["steps"] if step["uses"] == "./grader")
    required = {name for name, value in ACTION["inputs"].items() if value.get("required")}
    assert required <= step["with"].keys() <= ACTION["inputs"].keys()
    assert WORKFLOW["jobs"]["check"]["outputs"].keys() <= ACTION["outputs"].keys()


def test_no_token_stays_where_a_notebook_runs() -> None:
    steps = [step for step in WORKFLOW["jobs"]["check"]["steps"] if "actions/checkout" in step["uses"]]
    assert [step["with"]["path"] for step in steps] == ["course", "grader", "submission"]
    assert [step["with"]["persist-credentials"] for step in steps] == [False] * 3
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_what_is_used_of_others_has_a_version() -> None:
    steps = [*ACTION["runs"]["steps"], *WORKFLOW["jobs"]["check"]["steps"]]
    used = [step["uses"] for step in steps if "uses" in step and not step["uses"].startswith("./")]
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []


# The action


def test_grader_is_installed_from_the_action_itself(runner: Runner, tmp_path: Path) -> None:
    source = tmp_path / "action"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "grader", source / "grader", ignore=shutil.ignore_patterns("__pycache__"))
    (step,) = (step for step in ACTION["runs"]["steps"] if step["name"] == "Install grader")
    # All that it would do, but for the packages that are there already, and for the installing.
    options = {"PIP_DRY_RUN": "1", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in options.items():
            patch.setenv(name, value)
        ended = runner.run(step, source)
    assert ended.status == 0, ended.log
    assert f"Processing {source}" in ended.log
    assert "Would install grader-" in ended.log


@pytest.mark.slow
def test_a_right_notebook_passes(runner: Runner) -> None:
    runner.write(mini_notebook())
    ended = runner.check()
    assert ended.status == 0, ended.log
    assert ended.commands == []
    assert ended.outputs == {"points": "1", "max-points": "1", "passed": "true", "reports": str(ended.reports)}
    assert "1 of 1 code question done, 1 of 1 point" in ended.log
    assert "| ✓ | 1.1.a Double a number | done | 1 of 1 | cell 3 |" in ended.files["GITHUB_STEP_SUMMARY"]
    assert {path.name for path in ended.reports.iterdir()} == {"report.html", "report.json", "junit.xml"}
    assert json.loads((ended.reports / "report.json").read_text())["points"] == 1


@pytest.mark.slow
def test_a_wrong_notebook_fails_with_an_annotation_at_the_answer(runner: Runner) -> None:
    runner.write(mini_notebook(double=WRONG))
    ended = runner.check()
    assert ended.status == 1, ended.log
    (error,) = ended.commands
    assert (error.name, error.properties["file"]) == ("error", "hand-in.ipynb")
    assert error.data == "expected 6, got 9, for x = 3"
    line = (runner.submission / "hand-in.ipynb").read_text().splitlines()[int(error.properties["line"]) - 1]
    assert "def double(x)" in line
    assert ended.outputs["passed"] == "false"


@pytest.mark.slow
@pytest.mark.parametrize(("fail_under", "status"), [("0", 0), ("0.5", 1)])
def test_fail_under_alone_decides_where_it_is_given(runner: Runner, fail_under: str, status: int) -> None:
    runner.write(mini_notebook(double=WRONG))
    assert runner.check(**{"fail-under": fail_under}).status == status


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        pytest.param(lambda runner: None, "there is no such file", id="no notebook"),
        pytest.param(
            lambda runner: (runner.submission / "hand-in.ipynb").write_text(""), "the file is empty", id="empty"
        ),
        pytest.param(
            lambda runner: (runner.submission / "hand-in.ipynb").symlink_to(runner.bundle), "is a link", id="link"
        ),
        pytest.param(lambda runner: runner.bundle.write_bytes(b""), "damaged", id="damaged checks"),
        pytest.param(lambda runner: shutil.rmtree(runner.bundle.parent), "No such file", id="no checks"),
    ],
)
def test_what_cannot_be_checked_is_an_error_of_its_own(
    runner: Runner, break_it: Callable[[Runner], object], said: str
) -> None:
    break_it(runner)
    ended = runner.check()
    assert ended.status == 2
    assert said in ended.log
    assert "Traceback" not in ended.log


def test_a_folder_that_is_a_link_leads_nowhere(runner: Runner) -> None:
    (runner.workspace / "course" / "hand-in.ipynb").write_text("the staff's")
    (runner.submission / "week1").symlink_to(runner.workspace / "course")
    ended = runner.check(notebook="submission/week1/hand-in.ipynb")
    assert (ended.status, "stands in a folder that is one" in ended.log) == (2, True)


@pytest.mark.slow
def test_names_of_files_are_only_names(runner: Runner) -> None:
    name = "$(touch made) `touch made`; touch made -q 9.9.z & 'x' \"y\".ipynb"
    runner.write(mini_notebook(), name)
    ended = runner.check(notebook=f"submission/{name}")
    assert ended.status == 0, ended.log
    assert list(runner.temp.parent.rglob("made")) == []


@pytest.mark.slow
def test_nothing_in_the_repository_is_run_or_imported(runner: Runner) -> None:
    runner.write(mini_notebook())
    for name in ("grader.py", "pytest.py", "conftest.py", "sitecustomize.py", "usercustomize.py", "pip.py", "json.py"):
        (runner.submission / name).write_text("raise SystemExit('imported')")
    for name in ("pytest.ini", "tox.ini", "setup.cfg", "pip.conf", "matplotlibrc"):
        (runner.submission / name).write_text("[pytest]\naddopts = --nonsense\n")
    (runner.submission / "mini.checks").write_bytes(b"another bundle")
    ended = runner.check()
    assert ended.status == 0, ended.log


def attacked(double: str, paths: list[str] | None) -> Any:
    """A submission with hostile cells and a hostile function; without paths, with harmless ones in their places."""
    attack = "pass" if paths is None else f"PATHS = {paths!r}\n{ATTACK}"
    call = "pass" if paths is None else "exec(ATTACK)"
    body = double.replace("\n    return", f"\n    {call}\n    return")
    source = "pass" if paths is None else f"ATTACK = {attack!r}\nexec(ATTACK)"
    return mini_notebook(double=f"{body}\n\n\n{call}", before=[source], after=[source])


def verdict(ended: Ended) -> dict[str, Any]:
    """All that is decided, shown and written, but for times and places."""
    report = json.loads((ended.reports / "report.json").read_text())
    for question in report["questions"]:
        for result in question["checks"]:
            del result["seconds"]
    junit = ET.parse(ended.reports / "junit.xml").getroot()
    for element in junit.iter():
        for name in ("time", "timestamp"):
            element.attrib.pop(name, None)
    return {
        "status": ended.status,
        # In a file with longer cells the answer stands on another line.
        "commands": [(command.name, command.properties["title"], command.data) for command in ended.commands],
        "outputs": {**ended.outputs, "reports": ""},
        "files": {**ended.files, "GITHUB_OUTPUT": ""},
        "report": {**report, "notebook": ""},
        "junit": ET.tostring(junit),
    }


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", ["auto", "none"])
@pytest.mark.parametrize("double", ["def double(x):\n    return 2 * x", WRONG], ids=["right", "wrong"])
def test_a_hostile_notebook_changes_nothing(tmp_path: Path, bundle: bytes, sandbox: str, double: str) -> None:
    honest, hostile = Runner(tmp_path / "honest", bundle), Runner(tmp_path / "hostile", bundle)
    honest.write(attacked(double, None))
    hostile.write(attacked(double, hostile.paths()))
    before = (hostile.submission / "hand-in.ipynb").read_bytes()
    expected, found = honest.check(sandbox=sandbox), hostile.check(sandbox=sandbox)
    assert "::add-mask::points" in (found.reports / "report.html").read_text()
    assert verdict(found) == verdict(expected)
    assert hostile.bundle.read_bytes() == bundle
    assert (hostile.submission / "hand-in.ipynb").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("double", ["def double(x):\n    return 2 * x", WRONG], ids=["right", "wrong"])
def test_where_no_sandbox_keeps_files_from_it_what_it_writes_is_taken_back(
    tmp_path: Path,
    bundle: bytes,
    double: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a kernel without Landlock, where bubblewrap is forbidden."""
    without_landlock(monkeypatch)
    found = []
    for name in ("honest", "hostile"):
        runner = Runner(tmp_path / name, bundle)
        runner.write(attacked(double, runner.paths() if name == "hostile" else None))
        open_to_all(runner)
        for variable, file in runner.files.items():
            monkeypatch.setenv(variable, str(file))
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        with guarded_github_files():
            with open_bundle(runner.bundle) as opened:
                checked = check(runner.submission / "hand-in.ipynb", opened, sandbox="none")
            reached = [path for path in runner.files.values() if path.is_symlink() or path.read_text()]
        assert checked.report.sandbox == "process"
        assert len(reached) == (len(FILES) if name == "hostile" else 0)
        reports = runner.temp / "grader-reports"
        formats = [f"html={reports}/report.html", f"json={reports}/report.json", f"junit={reports}/junit.xml"]
        write(checked, parse_formats(["text", "github", *formats]))
        files = {variable: file.read_text() for variable, file in runner.files.items()}
        log = capsys.readouterr().out.replace(str(runner.workspace), "")
        found.append(verdict(Ended(int(not checked.report.passed), log, files, reports)))
    assert found[0] == found[1]


def open_to_all(runner: Runner) -> None:
    """Whoever student code is there, it may write to all that is at stake."""
    for path in runner.files.values():
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (runner.temp / "grader-reports").mkdir()
    for path in (runner.temp.parent, *runner.temp.parent.rglob("*")):
        path.chmod(0o777)
    for folder in runner.temp.parent.parents:
        # pytest's own folders are closed to others.
        if folder.is_relative_to(tempfile.gettempdir()) and folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o011)


# GitLab


def git(*arguments: str, cwd: Path) -> None:
    identity = ["-c", "user.name=staff", "-c", "user.email=staff@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def gitlab(tmp_path: Path, bundle: bytes) -> Path:
    """A folder in the place of GitLab's server, with the course's project and that of grader."""
    for project, files in {
        "dl-course/checks": {"mini/mini.checks": bundle},
        "dl-course/grader": {"constraints.txt": (ROOT / "constraints.txt").read_bytes()},
    }.items():
        folder = tmp_path / "server" / f"{project}.git"
        folder.mkdir(parents=True)
        git("init", cwd=folder)
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        if "grader" in project:
            for name in ("pyproject.toml", "README.md", "LICENSE"):
                shutil.copy(ROOT / name, folder)
            shutil.copytree(ROOT / "grader", folder / "grader", ignore=shutil.ignore_patterns("__pycache__"))
        git("add", "--all", cwd=folder)
        git("commit", "--message", "release", cwd=folder)
        git("tag", "v1", cwd=folder)
    return tmp_path / "server"


@pytest.mark.slow
def test_gitlab_gets_its_reports_whatever_the_repository_holds(gitlab: Path, tmp_path: Path) -> None:
    submission = tmp_path / "submission"
    (submission / ".git").mkdir(parents=True)
    write_notebook(submission / "hand-in.ipynb", mini_notebook(double=WRONG))
    forged = tmp_path / "forged"
    forged.mkdir()
    (submission / "grader-reports").symlink_to(forged)
    (submission / "mini.checks").write_bytes(b"another bundle")
    (submission / "pip.py").write_text("raise SystemExit('imported')")
    inputs = {
        "notebook": "hand-in.ipynb",
        "course": "dl-course/checks",
        "course-ref": "v1",
        "bundle": "mini/mini.checks",
        "grader": "dl-course/grader",
        "grader-ref": "v1",
    }
    defaults = {name: str((value or {}).get("default", "")) for name, value in TEMPLATE_HEAD["spec"]["inputs"].items()}
    values = defaults | inputs
    job = TEMPLATE["check-submission"]
    variables = {
        name: re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: values[match[1]], value)
        for name, value in job["variables"].items()
    }
    server = "https://gitlab-ci-token:secret@gitlab.example.org:443/"
    environment = {
        **os.environ,
        "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
        "CI_PROJECT_DIR": str(submission),
        "CI_SERVER_PROTOCOL": "https",
        "CI_SERVER_HOST": "gitlab.example.org",
        "CI_SERVER_PORT": "443",
        "CI_JOB_TOKEN": "secret",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{gitlab.as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": server,
        "PIP_DRY_RUN": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        **variables,
    }
    ended = subprocess.run(
        ["sh", "-e", "-c", "\n".join(job["script"])],
        cwd=submission,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    log = ended.stdout.decode()
    assert ended.returncode == 1, log
    assert "expected 6, got 9" in log
    reports = submission / "grader-reports"
    assert list(forged.iterdir()) == []
    wanted = {Path(path).name for path in job["artifacts"]["reports"].values()} | {"report.html", "report.json"}
    assert {path.name for path in reports.iterdir()} == wanted
    (issue,) = json.loads((reports / "code-quality.json").read_text())
    assert issue["location"]["path"] == "hand-in.ipynb"


@pytest.mark.parametrize("name", CI_FILES)
def test_the_files_are_yaml(name: str) -> None:
    assert list(yaml.safe_load_all((ROOT / name).read_text()))


# The documents

DOC = (ROOT / "docs" / "for-courses.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)]


def inputs_of(inputs: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Those that must be given, and all."""
    needed = {name for name, value in inputs.items() if (value or {}).get("required", "default" not in (value or {}))}
    return needed, set(inputs)


def test_the_workflow_of_a_course_gives_what_this_one_takes() -> None:
    (job,) = (job for block in BLOCKS for job in block.get("jobs", {}).values() if "with" in job)
    assert job["uses"].split("@")[0].endswith("/.github/workflows/check-submission.yml")
    needed, known = inputs_of(WORKFLOW[True]["workflow_call"]["inputs"])
    assert needed <= job["with"].keys() <= known


def test_the_configuration_of_a_course_gives_what_the_template_takes() -> None:
    (include,) = (include for block in BLOCKS for include in block.get("include", ()))
    assert (ROOT / include["file"]).is_file()
    needed, known = inputs_of(TEMPLATE_HEAD["spec"]["inputs"])
    assert needed <= include["inputs"].keys() <= known


def test_a_students_repository_holds_a_few_lines_and_calls_the_staffs_workflow() -> None:
    (block,) = (block for block in BLOCKS if "workflow_dispatch" in str(block))
    (job,) = block["jobs"].values()
    assert job == {"uses": "dl-course/checks/.github/workflows/dl1.yml@dl1-v1"}


def test_the_hook_of_a_students_repository_is_one_of_ours() -> None:
    used = [hook["id"] for block in BLOCKS for repo in block.get("repos", ()) for hook in repo["hooks"]]
    assert used == [hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())]


def test_every_input_of_the_action_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| (?:`([^`]*)`)? ?\|$", DOC, re.MULTILINE)
    documented = {name: default for name, default in rows if name in ACTION["inputs"]}
    assert documented == {name: value.get("default", "") for name, value in ACTION["inputs"].items()}


def test_every_format_is_documented() -> None:
    table = DOC.partition("### All formats")[2].partition("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(FORMATS)


@pytest.mark.slow
def test_the_commands_that_are_shown_do_what_is_said(tmp_path: Path, bundle: bytes) -> None:
    for name in ("submission", "source", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "source" / "dl1.checks").write_bytes(bundle)
    for folder in ("submission", "."):
        write_notebook(tmp_path / folder / "dl1.ipynb", mini_notebook())
    (for_gradescope,) = re.findall(r"^\$ (grader check .*gradescope.*)$", DOC, re.MULTILINE)
    assert run(for_gradescope, tmp_path) == ""
    assert json.loads((tmp_path / "results" / "results.json").read_text())["score"] == 1
    (complete,) = set(re.findall(r"`(grader complete [^`]*)`", DOC))
    assert run(complete, tmp_path) == "dl1.ipynb: no cell was run: restart the kernel, run all cells and save\n"
