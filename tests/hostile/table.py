"""All attacks, by family, each with what it gets."""

from __future__ import annotations

from hostile.archives import ARCHIVES
from hostile.entry import Hostile
from hostile.in_process import IN_PROCESS
from hostile.kernel import KERNELS
from hostile.leaks import LEAKS
from hostile.reports import REPORTS
from hostile.resources import RESOURCES
from hostile.scorefiles import SCORE_FILES

TABLE: dict[str, dict[str, Hostile]] = {
    "in-process": IN_PROCESS,
    "kernel": KERNELS,
    "resources": RESOURCES,
    "leaks": LEAKS,
    "reports": REPORTS,
    "archives": ARCHIVES,
    "score-files": SCORE_FILES,
}
