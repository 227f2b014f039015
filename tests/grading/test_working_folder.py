"""Who grades in the folder of the hand-ins runs nothing that lies there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from notebooks import MINI

GRADER = Path(sys.executable).with_name("grader")
MODULES = ("multiprocessing", "socket", "signal", "msgspec", "numpy", "pytest", "grader", "sitecustomize")


@pytest.mark.parametrize("command", ["grade", "validate"])
def test_no_module_of_the_working_folder_is_imported(command: str, tmp_path: Path) -> None:
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / f'{name} was here')!r}, 'w').close()\n")
    shutil.copy(MINI / "reference.ipynb", tmp_path / "right.ipynb")
    arguments = {
        "grade": ["grade", "right.ipynb", "--rubric", str(MINI), "-o", "results"],
        "validate": ["validate", str(MINI), "--question", "1.1.a", "-o", "validation"],
    }
    done = subprocess.run([GRADER, *arguments[command]], cwd=tmp_path, capture_output=True, text=True)
    assert sorted(path.name for path in tmp_path.glob("*was here")) == []
    assert done.returncode == 0, done.stderr
