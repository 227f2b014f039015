"""An automated grading harness for Jupyter notebooks."""

__version__ = "0.1.0"


def load_ipython_extension(shell: object) -> None:
    """`%load_ext grader`, which brings `%check`."""
    from grader.students.live.magic import load

    load(shell)


def unload_ipython_extension(shell: object) -> None:
    from grader.students.live.magic import unload

    unload(shell)
