"""Time limits in one's own process, and what must not be interrupted."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from grader.students.live.clock import Clock, uninterrupted


def test_code_within_its_time_is_left_alone() -> None:
    clock = Clock(60, 60)
    with clock.running():
        pass
    assert not clock.is_up


def test_code_that_computes_for_too_long_is_interrupted() -> None:
    clock = Clock(0.2, 60)
    with pytest.raises(KeyboardInterrupt), clock.running():  # noqa: PT012
        while True:
            pass
    assert clock.is_up


def test_code_that_sleeps_for_too_long_is_interrupted() -> None:
    clock = Clock(0.2, 0.3)
    with pytest.raises(KeyboardInterrupt), clock.running():
        time.sleep(60)
    assert clock.is_up


def test_the_time_of_all_questions_of_a_check_counts() -> None:
    clock = Clock(0.5, 60)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        for _ in range(100):
            with clock.running():
                end = time.process_time() + 0.3
                while time.process_time() < end:
                    pass
    assert clock.is_up


def test_elsewhere_than_in_the_main_thread_there_is_no_limit() -> None:
    clock = Clock(0.0, 0.0)
    done = []

    def compute() -> None:
        with clock.running():
            time.sleep(0.3)
        done.append(True)

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert (done, clock.is_up) == ([True], False)


def test_an_interrupt_waits_for_what_must_not_be_interrupted() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("to the end")
        done.append("not here")
    assert done == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
