"""Messages on a stream socket: a length of four bytes, then that many bytes, most often of MessagePack."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import msgspec

HEADER = struct.Struct("!I")
MAX_FRAME = 80 * 2**20
"""More than any value that may cross (`wire.MAX_BYTES`), with room for what is around it."""
MAX_FRAME_ITEMS = 100_000
"""Values travel in one piece (`wire.pack`): around them there is little."""
MAX_ENTRIES = 1_000
"""Of one map: its keys may be chosen so that each collides with all before it."""
SMALL = 2**20
"""MessagePack of up to this size is decoded as it comes: it can become some 64 times larger."""


class ConnectionLost(Exception):
    """The other side closed the connection, or died, or sent what is no message."""


def send(connection: socket.socket, message: Any) -> None:
    """Send one message; raises ConnectionLost, or TimeoutError where the socket has a timeout."""
    send_body(connection, msgspec.msgpack.encode(message))


def send_body(connection: socket.socket, body: bytes) -> None:
    """Send bytes as one message; raises what `send` raises."""
    try:
        connection.sendall(HEADER.pack(len(body)) + body)
    except TimeoutError:
        raise
    except OSError as error:
        raise ConnectionLost(str(error)) from None


def receive(connection: socket.socket, deadline: float | None = None) -> Any:
    """Receive one message; raises ConnectionLost, or TimeoutError when the whole is not there by `deadline`.

    `deadline` is a time of `time.monotonic()`. A timeout of the socket would be for each piece of the message.
    """
    body = receive_body(connection, deadline, MAX_FRAME)
    try:
        if has_too_many_items(body, MAX_FRAME_ITEMS) or has_large_map(body, MAX_ENTRIES):
            raise ConnectionLost("a message of too many items")
        return msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConnectionLost(f"no message: {error}") from None


def receive_body(connection: socket.socket, deadline: float | None = None, most: int = 2**32) -> bytes:
    """Receive the bytes of one message, not decoded; raises what `receive` raises, also for more than `most`."""
    (size,) = HEADER.unpack(_exactly(connection, HEADER.size, deadline))
    if size > most:
        raise ConnectionLost(f"a message of {size:,} bytes")
    return _exactly(connection, size, deadline)


def _exactly(connection: socket.socket, size: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        if deadline is not None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            connection.settimeout(remaining)
        try:
            part = connection.recv(min(size - len(parts), 2**20))
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionLost(str(error)) from None
        if not part:
            raise ConnectionLost("closed")
        parts += part
    return bytes(parts)


def has_too_many_items(data: bytes, limit: int) -> bool:
    """Whether this MessagePack holds more than `limit` items, without decoding it.

    An empty list is one byte here and 64 in memory: a message of a permitted size could fill it.
    """
    if len(data) <= SMALL:
        return False
    position, items, end = 0, 0, len(data)
    while position < end:
        items += 1
        if items > limit:
            return True
        position += _item_size(data, position)
    return False


def has_large_map(data: bytes, limit: int) -> bool:
    """Whether this MessagePack holds a map of more than `limit` entries, and of more than 15, without decoding it."""
    if b"\xde" not in data and b"\xdf" not in data:
        return False
    position, end = 0, len(data)
    while position < end:
        if data[position] in (0xDE, 0xDF):
            size = 2 if data[position] == 0xDE else 4
            if int.from_bytes(data[position + 1 : position + 1 + size], "big") > limit:
                return True
        position += _item_size(data, position)
    return False


def _item_size(data: bytes, position: int) -> int:
    """The bytes of the item at `position`: all of a text, only the head of a list or dict."""
    first = data[position]
    if 0xA0 <= first <= 0xBF:
        return 1 + (first & 0x1F)
    if first < 0xC0 or first >= 0xE0:
        return 1
    fixed, length = SIZES[first - 0xC0]
    if length:
        return fixed + int.from_bytes(data[position + 1 : position + 1 + length], "big")
    return fixed


SIZES: tuple[tuple[int, int], ...] = (
    *((1, 0),) * 4,  # nil, unused, false, true
    *((2, 1), (3, 2), (5, 4)),  # bin
    *((3, 1), (4, 2), (6, 4)),  # ext
    *((5, 0), (9, 0)),  # float
    *((2, 0), (3, 0), (5, 0), (9, 0)) * 2,  # uint, int
    *((3, 0), (4, 0), (6, 0), (10, 0), (18, 0)),  # fixext
    *((2, 1), (3, 2), (5, 4)),  # str
    *((3, 0), (5, 0)) * 2,  # array, map
)
"""For the first bytes 0xC0 to 0xDF: the size of the fixed part, and how many bytes after the first hold a length."""
