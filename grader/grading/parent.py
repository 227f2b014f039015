"""Imported before all else by the process that workers are forked from."""

from __future__ import annotations

import contextlib
import importlib
import os

from grader.light import leave_out_unused

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""A worker is one of several: threads of the numerical libraries would only wait for each other, and busily. They are
also lost in a fork."""

os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
leave_out_unused()

# See `prepare`.
for name in os.environ.pop("GRADER_IMPORTS", "").split():
    # Whatever is wrong with it, it is told by the worker that needs it.
    with contextlib.suppress(BaseException):
        importlib.import_module(name)
