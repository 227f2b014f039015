"""An automated grading harness for Jupyter notebooks."""

__version__ = "0.1.0"
