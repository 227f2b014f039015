"""What a check found, in the forms that people and other programs read: a function for each, from the same data."""

from __future__ import annotations

from grader.students.formats.actions import commands_off, guarded_github_files
from grader.students.formats.write import FormatError, Output, parse_formats, write

__all__ = ["FormatError", "Output", "commands_off", "guarded_github_files", "parse_formats", "write"]
