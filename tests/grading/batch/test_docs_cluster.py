"""What docs/cluster.md shows is so, as far as it can be without several machines."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
DOC = (ROOT / "docs" / "cluster.md").read_text()
DASK = Path(sysconfig.get_path("scripts")) / "dask"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)


@pytest.mark.parametrize("command", ["scheduler", "worker"])
def test_the_options_of_dask_exist(command: str) -> None:
    pytest.importorskip("distributed")
    lines = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    (shown,) = [line for line in lines if line[:2] == ["dask", command]]
    page = subprocess.run([DASK, command, "--help"], capture_output=True, text=True, check=True).stdout
    assert [option for option in shown if option.startswith("--") and option not in page] == []


def test_the_program_for_slurm_asks_for_workers_of_one_thread() -> None:
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("needs dask-jobqueue")
    (program,) = blocks("python")
    made = re.search(r"^from .*?^\)$", program, re.DOTALL | re.MULTILINE)
    assert made is not None
    # The port may be taken where this test runs. A process of its own, for the cluster takes over its signals.
    code = made[0].replace('{"port": 8786}', '{"port": 0, "dashboard": False}') + "\nprint(cluster.job_script())"
    script = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "#SBATCH --cpus-per-task=8" in script
    assert "--nthreads 1 " in script
    assert "--nworkers 8 " in script
    assert "source ~/grader/.venv/bin/activate" in script


def test_the_cluster_for_kubernetes_is_what_the_operator_reads() -> None:
    (text,) = blocks("yaml")
    spec = yaml.safe_load(text)["spec"]
    (scheduler,) = spec["scheduler"]["spec"]["containers"]
    (worker,) = spec["worker"]["spec"]["containers"]
    assert scheduler["image"] == worker["image"]
    assert worker["args"][-2:] == ["--nthreads", "1"]
    assert spec["scheduler"]["service"]["ports"][0]["port"] == scheduler["ports"][0]["containerPort"] == 8786
