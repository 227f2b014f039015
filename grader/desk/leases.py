"""Who is at which answers: a lease, which lapses, so that "next" never gives two people the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

SECONDS = 600.0
"""How long somebody has a group who gives no sign of life but an open page."""
GRACE = 20.0
"""How long after a page was closed, or its connection broke."""

Place = tuple[str, str]
"""A question and a group."""


class Lease(NamedTuple):
    who: str
    place: Place
    until: float


class Leases:
    """For one thread. A person has one group in each of their pages, and several pages if they like."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._leases: dict[Place, Lease] = {}
        self._pages: dict[str, int] = {}
        """How many pages of each person listen."""

    def take(self, who: str, place: Place) -> bool:
        """Have it, or go on having it; False where somebody else has it: they keep it."""
        if self.holder(place) not in (None, who):
            return False
        self._leases[place] = Lease(who, place, self._clock() + SECONDS)
        return True

    def release(self, who: str, place: Place) -> None:
        """Give it back; nothing happens where somebody else has it."""
        if self.holder(place) == who:
            del self._leases[place]

    def holder(self, place: Place) -> str | None:
        """Who has it; None where nobody does, or no longer."""
        lease = self._leases.get(place)
        if lease is None:
            return None
        if lease.until < self._clock():
            del self._leases[place]
            return None
        return lease.who

    def all(self) -> Iterator[Lease]:
        """Those that have not lapsed."""
        yield from [lease for place, lease in list(self._leases.items()) if self.holder(place) is not None]

    def all_of(self, question: str) -> Iterator[Lease]:
        """Those of a question."""
        return (lease for lease in self.all() if lease.place[0] == question)

    def page_opened(self, who: str) -> None:
        """Somebody listens; their leases last."""
        self._pages[who] = self._pages.get(who, 0) + 1
        self._extend(who, SECONDS)

    def page_closed(self, who: str) -> None:
        """With a person's last page, their leases lapse soon: it may only be loading the next view."""
        self._pages[who] = max(self._pages.get(who, 0) - 1, 0)
        if not self._pages[who]:
            del self._pages[who]
            self._extend(who, GRACE)

    def present(self) -> list[str]:
        """Who has a page open, by name."""
        return sorted(self._pages)

    def _extend(self, who: str, seconds: float) -> None:
        until = self._clock() + seconds
        for place, lease in list(self._leases.items()):
            if lease.who == who:
                self._leases[place] = lease._replace(until=until)
