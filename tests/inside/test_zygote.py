"""What the zygote does before it forks."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from grader.inside.zygote import private_memory, use_large_pages, warm_up_drawing, warm_up_traceback

MAPS = """\
5570a0000000-5570a0021000 r-xp 00000000 00:1b 12345                      /usr/bin/python3
5570a1000000-5570a9000000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000200000 rw-p 00000000 00:00 0
7f0000400000-7f0000600000 rw-s 00000000 00:01 77                         /dev/shm/a file
7f0000600000-7f0000800000 rw-p 00000000 00:1b 78                         /usr/lib/libc.so.6
7f0000800000-7f0000a00000 ---p 00000000 00:00 0
7f0000a00000-7f0000c00000 r--p 00000000 00:00 0                          [vvar]
7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0                          [stack]
"""


def test_the_memory_of_the_process_alone_is_found() -> None:
    assert private_memory(MAPS) == [(0x5570A1000000, 0x5570A9000000), (0x7F0000000000, 0x7F0000200000)]


def test_what_is_in_memory_is_the_same_in_large_pages() -> None:
    content = bytearray(random.Random(1).randbytes(2**20)) * 8
    copy = bytes(content)
    use_large_pages()
    assert content == copy


def test_a_first_drawing_leaves_no_trace() -> None:
    import matplotlib
    from matplotlib import pyplot

    settings, backend = dict(matplotlib.rcParams), matplotlib.get_backend()
    state, numpy_state = random.getstate(), str(np.random.get_state())
    warm_up_drawing()
    assert pyplot.get_fignums() == []
    assert (dict(matplotlib.rcParams), matplotlib.get_backend()) == (settings, backend)
    assert (random.getstate(), str(np.random.get_state())) == (state, numpy_state)


def test_a_first_traceback_leaves_no_trace(capfd: pytest.CaptureFixture[str]) -> None:
    hook, last = sys.excepthook, getattr(sys, "last_value", None)
    warm_up_traceback()
    assert (sys.excepthook, getattr(sys, "last_value", None)) == (hook, last)
    assert capfd.readouterr() == ("", "")
