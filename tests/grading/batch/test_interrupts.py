"""What asks a program to end, ends it: whatever it is in the middle of."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from notebooks import MINI, mini_notebook, write_notebook

GRADER = Path(sysconfig.get_path("scripts")) / "grader"
LENIENT_SECONDS = 60
"""On a machine that does other things; it is told which of the program's own bounds was kept."""

PROGRAM = """
import itertools
import os
import sys
import time

from grader.grading.batch import interrupts

interrupts.END_SECONDS, interrupts.DEAF_SECONDS = 0.5, {deaf}
try:
    with interrupts.interruptible(lambda: "error: interrupted; half is kept"):
        {busy}
except KeyboardInterrupt:
    {after}
    print("error: interrupted", file=sys.stderr)
    sys.exit(130)
"""


DEAF = "sum(itertools.chain(map(os.write, [1], [b'ready\\n']), range(10**15)))"
"""Says that it is ready from within the call: no line of Python is run from then on."""


def program(busy: str, after: str = "pass") -> subprocess.Popen[str]:
    """`busy` says that it is ready when it is."""
    # Only what keeps all threads from running is to be killed: on a busy machine, others take their time to end.
    code = PROGRAM.format(busy=busy, after=after, deaf=0.2 if busy == DEAF else LENIENT_SECONDS).replace(
        "READY", "print('ready', flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


SWALLOWED = """
        while True:
            try: READY; time.sleep(1000)
            except BaseException: pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("to_group", [False, True], ids=["to it", "to its group"])
@pytest.mark.parametrize(
    ("busy", "after", "status", "line"),
    [
        ("READY; time.sleep(1000)", "pass", 130, "error: interrupted"),
        ("READY\n        while True: pass", "pass", 130, "error: interrupted"),
        (SWALLOWED, "pass", 130, "error: interrupted; half is kept"),
        ("READY; time.sleep(1000)", "time.sleep(1000)", 130, "error: interrupted; half is kept"),
        (DEAF, "pass", -9, "error: interrupted; it did not end by itself, and was killed"),
    ],
    ids=["waiting", "computing", "catching", "putting in order", "in a library"],
)
def test_it_ends_with_one_line(
    number: signal.Signals, to_group: bool, busy: str, after: str, status: int, line: str
) -> None:
    process = program(busy, after)
    (os.killpg if to_group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=LENIENT_SECONDS)
    assert (process.returncode, errors) == (status, f"{line}\n")


def test_a_second_one_disturbs_nothing() -> None:
    process = program(
        "READY; time.sleep(1000)", "print('in order', flush=True); time.sleep(0.2); print('done', flush=True)"
    )
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "in order\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=LENIENT_SECONDS)
    assert (process.returncode, output, errors) == (130, "done\n", "error: interrupted\n")


def test_one_that_python_drops_is_no_traceback() -> None:
    lost = "os.register_at_fork(before=lambda: (READY, time.sleep(1000))); os.fork() or os._exit(0)"
    process = program(f"{lost}; time.sleep(1000)")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LENIENT_SECONDS)
    assert (process.returncode, errors) == (130, "error: interrupted; half is kept\n")


def test_who_is_not_asked_is_left_alone() -> None:
    process = program("READY; time.sleep(1.5)")
    output, errors = process.communicate(timeout=LENIENT_SECONDS)
    assert (process.returncode, output, errors) == (0, "", "")


# The commands

OWN_CODE = {
    "a loop": "while True: pass",
    "a library's call": "sum(range(10**15))",
    "what it catches": "while True:\n        try: time.sleep(1)\n        except BaseException: pass",
}


@pytest.fixture
def rubric(tmp_path: Path) -> Callable[[str], Path]:
    """The mini rubric, with a check whose own code says that it has begun, and then does not end."""

    def make(code: str) -> Path:
        folder = Path(shutil.copytree(MINI, tmp_path / "mini", ignore=shutil.ignore_patterns("__pycache__")))
        (folder / "test_first.py").write_text(
            "import time\nfrom pathlib import Path\n\nimport pytest\n\n\n"
            '@pytest.mark.question("1.1.a", points=0)\ndef test_first(student):\n    """It ends."""\n'
            f"    Path({str(tmp_path / 'begun')!r}).touch()\n    {code}\n"
        )
        return folder

    return make


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("code", OWN_CODE.values(), ids=OWN_CODE.keys())
@pytest.mark.parametrize("command", ["grade", "validate"])
def test_a_check_that_does_not_end_does_not_hold_it_up(
    rubric: Callable[[str], Path], started: list[subprocess.Popen[str]], tmp_path: Path, command: str, code: str
) -> None:
    rubric(code)
    write_notebook(tmp_path / "hw.ipynb", mini_notebook())
    arguments = {"grade": ["grade", "hw.ipynb", "--rubric", "mini", "-j", "1"], "validate": ["validate", "mini"]}
    process = subprocess.Popen(
        [GRADER, *arguments[command]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    started.append(process)
    deadline = time.monotonic() + LENIENT_SECONDS
    while not (tmp_path / "begun").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=LENIENT_SECONDS)
    said = {"grade": "error: interrupted\n", "validate": "error: interrupted; nothing is written\n"}
    assert (process.returncode, errors) == (130, said[command])
    _, alive = psutil.wait_procs(below, timeout=20)
    assert alive == []
