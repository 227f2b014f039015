"""The command line: clear lines, exit statuses, and nothing loaded before it is needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from notebooks import MINI, mini_notebook, write_notebook

RUN = [sys.executable, "-c", "from grader.cli import main; main()"]


def run(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *map(str, arguments)], cwd=cwd, env=environment or None, capture_output=True, text=True, timeout=100
    )


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom grader.cli import main\nsys.argv = ['grader', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'nbclient', 'pytest', 'jupyter_client', 'numpy', 'matplotlib'}\n"
        "print('LOADED', sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "Usage" in done.stdout
    assert "LOADED []" in done.stdout


def test_without_bubblewrap_one_line_says_so(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "a.ipynb", mini_notebook())
    done = run("grade", path, "--rubric", MINI, cwd=tmp_path, PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("error: bubblewrap is not installed")
    assert done.stderr.count("\n") == 1


def test_a_faulty_rubric_gets_a_line_for_each_fault_and_nothing_is_written(tmp_path: Path) -> None:
    rubric = tmp_path / "rubric"
    shutil.copytree(MINI, rubric, ignore=shutil.ignore_patterns("__pycache__"))
    text = (rubric / "rubric.toml").read_text()
    (rubric / "rubric.toml").write_text(text.replace("points = 2\n", "points = 2.25\n").replace("double(x)", "2x"))
    path = write_notebook(tmp_path / "a.ipynb", mini_notebook())
    done = run("grade", path, "--rubric", rubric, cwd=tmp_path)
    assert done.returncode == 2
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == ["error", "error"]
    assert not (tmp_path / "results").exists()


def test_a_bad_file_makes_the_exit_status_1_with_relative_paths(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", mini_notebook())
    done = run("grade", "a.ipynb", "none.ipynb", "--rubric", MINI, "-o", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: none.ipynb: there is no such file")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "out" / "a" / "report.html").is_file()
