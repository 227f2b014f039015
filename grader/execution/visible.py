"""What code in a sandbox finds there: its environment, and what is shown to it of this machine, read-only."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import grader

PACKAGE = Path(grader.__file__).parent


def environment(home: str, temporary: str) -> dict[str, str]:
    """All environment variables that there are inside."""
    return {
        "HOME": home,
        "USER": "student",
        "LOGNAME": "student",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TMPDIR": temporary,
        "PYTHONDONTWRITEBYTECODE": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_RUNTIME_DIR": temporary,
        "IPYTHONDIR": f"{home}/.ipython",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # One thread a library: threads do not survive a fork, and results do not depend on the machine.
        "OMP_NUM_THREADS": "1",
        "OMP_THREAD_LIMIT": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def python_command(package: str, module: str, *arguments: object) -> list[str]:
    """Runs `main` of a module of `grader.inside`, where the package is found in the folder `package`."""
    start = f"import sys; sys.path.insert(0, {package!r}); from grader.inside.{module} import main; main()"
    return [sys.executable, "-I", "-B", "-c", start, *map(str, arguments)]


def system_folders() -> list[Path]:
    """The folders of the system and of this Python, outermost first."""
    folders = [Path("/usr"), Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib32"), Path("/lib64")]
    folders += [Path("/etc/ld.so.cache"), Path("/etc/localtime"), Path("/etc/fonts"), Path("/etc/ssl/openssl.cnf")]
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(os.path.realpath(sys.executable)).parent.parent}
    python |= {Path(path).resolve() for path in (sys.prefix, sys.base_prefix)}
    folders += sorted(path for path in python if not path.is_relative_to("/usr"))
    return [path for path in folders if path.exists() or path.is_symlink()]


def parents(paths: Iterable[Path]) -> list[Path]:
    """The folders above these, outermost first, without the root."""
    return sorted({parent for path in paths for parent in path.parents} - {Path("/")})


def installed_package() -> list[Path]:
    """This package where it is installed among the others: student code is not to see the rest of it."""
    installed = {Path(sysconfig.get_path(name)) / "grader" for name in ("purelib", "platlib")}
    return sorted(path for path in installed if path.is_dir())
