"""Where print goes while a check asks: nowhere."""

from __future__ import annotations

import io


class Sink(io.TextIOBase):
    """Standard output or error that keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def fileno(self) -> int:
        return 1
