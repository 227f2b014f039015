"""Worker processes: what they are asked, what they say, and what becomes of them."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from functools import partial
from pathlib import Path

import psutil
import pytest

from grader.faults import Faults
from grader.grading.workers import INTERRUPT, WorkerDied, Workers, ask, at, is_served, tell
from grader.light import UNUSED


def double(x: int) -> int:
    return 2 * x


def end(number: int) -> None:
    os.kill(os.getpid(), number)


def end_at(what: str, number: int) -> None:
    at("something else")
    at(what)
    end(number)


def fail() -> None:
    raise Faults(["this is wrong", "and this"])


def say(text: str) -> int:
    tell(text)
    return os.getpid()


def write_and_wait(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    while True:
        signal.pause()


def leave_a_mark(path: str) -> None:
    with open(path, "a") as file:  # noqa: PTH123
        file.write("started\n")


def names_in_modules(names: tuple[str, ...]) -> list[str]:
    """Those that cannot be imported here, as if they were not installed."""
    return [name for name in names if name in sys.modules and sys.modules[name] is None]


def environment(name: str) -> str | None:
    return os.environ.get(name)


def handler_of_a_child() -> str:
    """Whether a program that this worker starts can be interrupted."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(2)
    yield workers
    workers.shutdown(cancel_futures=True)
    assert workers.pids == []


def wait_for(path: Path) -> int:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text())


def test_answers_come_back_to_whoever_asked(workers: Workers) -> None:
    futures = [workers.submit(double, number) for number in range(20)]
    assert [future.result() for future in futures] == [2 * number for number in range(20)]
    assert list(workers.map(double, [5, 6])) == [10, 12]


def test_an_error_comes_back_whole(workers: Workers) -> None:
    with pytest.raises(Faults, match="this is wrong\nand this") as caught:
        workers.submit(fail).result()
    assert caught.value.faults == ["this is wrong", "and this"]
    assert workers.submit(double, 1).result() == 2


def test_a_worker_that_dies_costs_what_it_was_doing_and_no_more(workers: Workers, tmp_path: Path) -> None:
    other = workers.submit(write_and_wait, str(tmp_path / "pid"))
    pid = wait_for(tmp_path / "pid")
    with pytest.raises(WorkerDied, match="killed by SIGKILL"):
        workers.submit(end, signal.SIGKILL).result()
    assert [workers.submit(double, number).result() for number in range(3)] == [0, 2, 4]
    assert not other.done()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        other.result()


def test_those_that_die_with_nothing_to_do_cost_at_most_what_each_is_handed_next(workers: Workers) -> None:
    for _ in range(3):
        before = {workers.submit(os.getpid).result() for _ in range(4)}
        for pid in workers.pids:
            # The one that was handed nothing since the last round may be known for dead, and its number gone.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        after: set[int] = set()
        died = 0
        while len(after) == 0:
            try:
                after.add(workers.submit(os.getpid).result())
            except WorkerDied:
                died += 1
        assert died <= 2
        assert not after & before


def test_an_exit_status_is_told(workers: Workers) -> None:
    with pytest.raises(WorkerDied, match="exit status 3"):
        workers.submit(os._exit, 3).result()


def test_what_a_worker_does_is_told_with_its_number() -> None:
    told: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    with Workers(1, tell=lambda number, text: told.put((number, text))) as workers:
        workers.submit(say, "reading").result()
    assert told.get_nowait() == (0, "reading")


def test_each_is_made_ready_before_anything_else(tmp_path: Path) -> None:
    with Workers(2, partial(leave_a_mark, str(tmp_path / "mark"))) as workers:
        wait([workers.submit(double, 1) for _ in range(4)])
    assert (tmp_path / "mark").read_text() == "started\n" * 2


def test_numerical_libraries_get_one_thread(workers: Workers) -> None:
    assert workers.submit(environment, "OMP_NUM_THREADS").result() == "1"


def test_what_workers_start_can_be_interrupted_though_they_cannot(workers: Workers) -> None:
    assert workers.submit(end, signal.SIGINT).result() is None
    assert workers.submit(handler_of_a_child).result() == "True"


def test_breaking_off_ends_what_runs_and_what_waits(tmp_path: Path) -> None:
    workers = Workers(1)
    running = workers.submit(write_and_wait, str(tmp_path / "pid"))
    waiting = workers.submit(double, 1)
    process = psutil.Process(wait_for(tmp_path / "pid"))
    workers.shutdown(cancel_futures=True)
    assert not process.is_running()
    with pytest.raises(WorkerDied):
        running.result()
    with pytest.raises(CancelledError):
        waiting.result()
    with pytest.raises(RuntimeError, match="shut down"):
        workers.submit(double, 1)


def ignore_it(path: str) -> None:
    signal.signal(INTERRUPT, signal.SIG_IGN)
    write_and_wait(path)


def catch_it(path: str) -> None:
    while True:
        with contextlib.suppress(BaseException):
            write_and_wait(path)


def call_a_library(path: str) -> None:
    """Where no handler of Python's is run, nor another of its threads."""
    Path(path).write_text(str(os.getpid()))
    sum(range(10**15))


@pytest.mark.parametrize("deaf", [ignore_it, catch_it, call_a_library])
def test_one_that_does_not_listen_is_killed(
    deaf: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.grading.workers.STOP_SECONDS", 0.5)
    workers = Workers(1)
    running = workers.submit(deaf, str(tmp_path / "pid"))
    wait_for(tmp_path / "pid")
    workers.shutdown(cancel_futures=True)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        running.result()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_what_the_whole_process_group_is_sent_is_left_to_the_parent(workers: Workers, number: signal.Signals) -> None:
    assert workers.submit(end, number).result() is None


def test_it_is_known_what_one_was_at_that_has_ended_itself_for_that(workers: Workers) -> None:
    for number, known in ((signal.SIGPROF, "the third"), (signal.SIGSEGV, "")):
        with pytest.raises(WorkerDied) as died:
            workers.submit(end_at, "the third", number).result()
        assert died.value.overtime == known


def test_without_breaking_off_all_is_finished() -> None:
    workers = Workers(1)
    futures = [workers.submit(double, number) for number in range(5)]
    workers.shutdown()
    assert [future.result(timeout=0) for future in futures] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("busy", ["write_and_wait", "call_a_library"])
def test_workers_end_when_their_parent_is_killed(tmp_path: Path, busy: str) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        f"from test_workers import {busy}\n"
        "from grader.grading.workers import Workers\n"
        "if __name__ == '__main__':\n"
        f"    Workers(1).submit({busy}, sys.argv[2]).result()\n"
    )
    (tmp_path / "main.py").write_text(code)
    parent = subprocess.Popen([sys.executable, tmp_path / "main.py", Path(__file__).parent, tmp_path / "pid"])
    worker = psutil.Process(wait_for(tmp_path / "pid"))
    parent.kill()
    parent.wait()
    assert psutil.wait_procs([worker], timeout=20)[1] == []


def test_it_works_from_a_thread() -> None:
    results: list[int] = []

    def use() -> None:
        with Workers(1) as workers:
            results.append(workers.submit(double, 4).result())

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert results == [8]


class Doubles:
    """What workers can ask for, with those that are gone."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.gone: list[int] = []

    def answer(self, worker: int, *request: object) -> object:
        self.asked.append(worker)
        match request:
            case ("double", int(number)):
                return 2 * number
        raise Faults([f"nobody knows {request}"])

    def forget(self, worker: int) -> None:
        self.gone.append(worker)


def ask_twice(number: int) -> tuple[int, str]:
    assert is_served()
    try:
        ask("halve", number)
    except Faults as error:
        return ask("double", number), str(error)
    return 0, ""


def test_workers_ask_those_who_started_them() -> None:
    serves = Doubles()
    with Workers(2, serves=serves) as workers:
        futures = [workers.submit(ask_twice, number) for number in range(6)]
        assert [future.result() for future in futures] == [(2 * n, f"nobody knows ('halve', {n})") for n in range(6)]
        with pytest.raises(WorkerDied):
            workers.submit(end, signal.SIGKILL).result()
    assert len(serves.asked) == 12
    assert len(serves.gone) == 1
    assert serves.gone[0] in (0, 1)


def test_nobody_is_there_to_ask_where_nothing_is_served(workers: Workers) -> None:
    assert workers.submit(is_served).result() is False
    with pytest.raises(RuntimeError, match="there is nobody to ask"):
        workers.submit(ask, "double", 2).result()


def test_a_worker_does_without_what_takes_long_to_import_and_is_of_no_use(workers: Workers) -> None:
    assert workers.submit(names_in_modules, UNUSED).result() == list(UNUSED)


def test_what_they_are_forked_from_has_imported_what_it_was_told_and_bears_with_the_rest(tmp_path: Path) -> None:
    (tmp_path / "raises.py").write_text("raise RuntimeError('at import')\n")
    (tmp_path / "ends.py").write_text("raise SystemExit(3)\n")
    code = (
        "from grader.grading.workers import Workers, prepare\n"
        "def known(*names):\n"
        "    import sys\n"
        "    return [name in sys.modules for name in names]\n"
        "if __name__ == '__main__':\n"
        "    prepare(['raises', 'ends', 'no_such_module', 'this'])\n"
        "    with Workers(1) as workers:\n"
        "        print(workers.submit(known, 'this', 'antigravity').result())\n"
    )
    (tmp_path / "main.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[True, False]", done.stderr
