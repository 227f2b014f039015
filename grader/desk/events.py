"""Server-sent events: what happens at other desks, told to all pages that are open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent: proxies close connections on which nothing happens."""
MOST = 200
"""Events that wait for one page. Whoever is that slow is told to look at everything anew."""


Waiting = asyncio.Queue[bytes | None]
"""Events for one page; None ends them."""


class Events:
    """For one event loop."""

    def __init__(self) -> None:
        self._queues: set[Waiting] = set()
        self._closed = False

    def tell(self, event: str, data: Any) -> None:
        """event: `lease`, `changed` or `people`."""
        message = b"event: " + event.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
        for queue in self._queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(b"event: changed\ndata: {}\n\n")
            else:
                queue.put_nowait(message)

    def open(self) -> Waiting:
        """From now on, events wait for one page."""
        queue: Waiting = asyncio.Queue(MOST)
        self._queues.add(queue)
        return queue

    async def listen(self, queue: Waiting) -> AsyncIterator[bytes]:
        """What waits for a page, until it is closed."""
        try:
            # A browser asks again after that many milliseconds when the connection breaks.
            yield b"retry: 1000\n\n"
            while not self._closed:
                message: bytes | None = b": \n\n"
                with contextlib.suppress(TimeoutError):
                    message = await asyncio.wait_for(queue.get(), KEEP_ALIVE)
                if message is None:
                    return
                yield message
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """End all connections."""
        self._closed = True
        for queue in self._queues:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(None)
