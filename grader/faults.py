"""What is wrong with what people give the program: one line for each thing to mend."""

from __future__ import annotations


class Faults(Exception):
    """What was given cannot be used. Each of `faults` is one line: which file, what is wrong, what to do."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(self.faults)
