"""A sandbox that stays for the next test: for what is not about starting it."""

from __future__ import annotations

from types import TracebackType

from grader.execution.sandbox import Sandbox


class Warm(Sandbox):
    """Has started and imported everything. Who starts and stops it only makes it as if no notebook had been there."""

    sweeping = False

    def begin(self) -> None: ...

    def start_meanwhile(self) -> None: ...

    def start(self) -> None:
        if not self.alive:
            super().start()

    def stop(self) -> None:
        if self.alive and not self.sweeping:
            self.sweeping = True
            self.sweep()
            self.sweeping = False
        else:
            super().stop()

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        super().stop()
