"""Images from a notebook as data: URIs, checked to be images of a size that a browser can show."""

from __future__ import annotations

import base64
import binascii
import struct

from grader.report.budget import IMAGE_BYTES, IMAGE_PIXELS, IMAGE_SIDE, SVG_BYTES
from grader.report.svg import draws_at_once

RASTER = ("image/png", "image/jpeg", "image/gif")
SVG = "image/svg+xml"
SVG_PIXELS = 1_000_000
"""A drawing, as it is shown."""
JPEG_SCANS = 50
"""Encoders write ten."""


class DataUri(str):
    """The URI of an image, and how many pixels a browser makes of it."""

    pixels: int

    def __new__(cls, mime: str, content: bytes, pixels: int) -> DataUri:
        self = super().__new__(cls, f"data:{mime};base64,{base64.b64encode(content).decode()}")
        self.pixels = pixels
        return self


def data_uri(mime: str, data: str) -> DataUri | None:
    """The URI of an image as a notebook holds it (base64; SVG as its source); None where it is no such image."""
    if mime == SVG:
        return _svg(data)
    if mime not in RASTER or len(data) > IMAGE_BYTES * 3 // 2:
        return None
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    size = _size(mime, content)
    if size is None or len(content) > IMAGE_BYTES or not 0 < size[0] * size[1] <= IMAGE_PIXELS:
        return None
    if max(size) > IMAGE_SIDE or _is_busy(mime, content):
        return None
    return DataUri(mime, content, size[0] * size[1])


def parse_data_uri(uri: str) -> DataUri | None:
    """A data: URI that a student wrote, checked; None where it is no image."""
    head, comma, data = uri.partition(",")
    mime, _, encoding = head.removeprefix("data:").partition(";")
    if not comma or not head.startswith("data:") or encoding != "base64":
        return None
    return data_uri(mime, data)


def _is_busy(mime: str, content: bytes) -> bool:
    """Whether an image moves, or is refined so often that to show it takes as long as many images."""
    if mime == "image/png":
        # The chunk that makes it move stands before the first with pixels, where a browser heeds it.
        return b"acTL" in content[: content.find(b"IDAT")]
    if mime == "image/jpeg":
        return content.count(b"\xff\xda") > JPEG_SCANS
    return _has_frames(content)


def _has_frames(gif: bytes) -> bool:
    """Whether a GIF has more than one picture, or one that does not fit on it (GIF89a, appendix A)."""
    width, height, flags = struct.unpack("<HHB", gif[6:11])
    position = 13 + _colours(flags)
    frames = 0
    while position < len(gif):
        kind = gif[position]
        if kind == 0x2C and position + 10 <= len(gif):
            left, top, across, down, flags = struct.unpack("<HHHHB", gif[position + 1 : position + 10])
            frames += 1
            if frames > 1 or left + across > width or top + down > height:
                return True
            position += 11 + _colours(flags)
        elif kind == 0x21:
            position += 2
        else:
            return False
        while position < len(gif) and gif[position]:
            position += 1 + gif[position]
        position += 1
    return False


def _colours(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _size(mime: str, content: bytes) -> tuple[int, int] | None:
    """Width and height as the file's header tells them. A small file can unpack to any size."""
    try:
        if mime == "image/png" and content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
            width, height = struct.unpack(">II", content[16:24])
            return width, height
        if mime == "image/gif" and content[:6] in {b"GIF87a", b"GIF89a"}:
            width, height = struct.unpack("<HH", content[6:10])
            return width, height
        if mime == "image/jpeg" and content.startswith(b"\xff\xd8\xff"):
            return _jpeg_size(content)
    except struct.error:  # ends within its header
        pass
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker, length = struct.unpack(">BH", content[position + 1 : position + 4])
        # Start of frame, all variants; C4, C8 and CC are other things in the same range.
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return width, height
        position += 2 + length
    return None


def _svg(source: str) -> DataUri | None:
    if len(source) > SVG_BYTES:
        return None
    try:
        content = source.encode()
    except UnicodeEncodeError:
        return None
    if not draws_at_once(content, _pixels):
        return None
    return DataUri(SVG, content, SVG_PIXELS)


def _pixels(uri: str) -> int | None:
    """Of an image in an image."""
    mime = uri.partition(";")[0].removeprefix("data:")
    found = parse_data_uri(uri) if mime in RASTER else None
    return None if found is None else found.pixels
