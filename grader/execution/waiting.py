"""What goes on for long is told, a few times: in a log, silence looks like the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FIRST_SECONDS = 5.0
"""Wall time until something is told; then it is told again each time that it has taken twice as long."""
LINES = 12
"""How many lines there are at most, of all that goes on."""

RUNNING_REFERENCE = "running the reference"
"""How it begins what is told of that: everybody waits for it."""


class Waiting:
    """Says what goes on for long. Several may do it at once: the same is said once."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.say = say
        self.clock = clock
        self.lock = threading.Lock()
        self.doing: dict[int, tuple[str, float]] = {}
        self.next: dict[str, float] = {}
        self.left = LINES
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def tell(self, who: int, doing: str) -> None:
        """Be told what somebody does from now on; nothing worth telling, where it is empty. From any thread."""
        with self.lock:
            if doing:
                self.doing[who] = doing, self.clock()
            else:
                self.doing.pop(who, None)

    def look(self) -> None:
        """Say what has gone on for long enough."""
        lines = []
        with self.lock:
            for doing, since in self.doing.values():
                seconds = self.clock() - since
                due = self.next.get(doing, FIRST_SECONDS)
                if seconds >= due and self.left:
                    self.left -= 1
                    self.next[doing] = max(2 * due, 2 * seconds)
                    lines.append(f"{doing}, for {seconds:.0f} s so far")
        for line in lines:
            self.say(line)

    def _watch(self) -> None:
        while not self.ended.wait(1):
            self.look()

    def __enter__(self) -> Waiting:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.thread.join()
