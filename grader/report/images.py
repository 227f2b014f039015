"""Images from a notebook as data: URIs, checked to be images of a size that a browser can show."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any
from xml.parsers import expat

from grader.report.budget import IMAGE_BYTES, IMAGE_PIXELS, NESTING, SVG_BYTES

RASTER = ("image/png", "image/jpeg", "image/gif")
SVG = "image/svg+xml"


def data_uri(mime: str, data: str) -> str | None:
    """The URI of an image as a notebook holds it (base64; SVG as its source); None where it is no such image."""
    if mime == SVG:
        return _svg_uri(data)
    if mime not in RASTER or len(data) > IMAGE_BYTES * 3 // 2:
        return None
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    size = _size(mime, content)
    if size is None or len(content) > IMAGE_BYTES or not 0 < size[0] * size[1] <= IMAGE_PIXELS:
        return None
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def parse_data_uri(uri: str) -> str | None:
    """A data: URI that a student wrote, checked; None where it is no image."""
    head, comma, data = uri.partition(",")
    mime, _, encoding = head.removeprefix("data:").partition(";")
    if not comma or not head.startswith("data:") or encoding != "base64":
        return None
    return data_uri(mime, data)


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


def _svg_uri(source: str) -> str | None:
    if len(source) > SVG_BYTES:
        return None
    try:
        content = source.encode()
        well_behaved = _Svg().accepts(content)
    except (UnicodeEncodeError, expat.ExpatError):
        return None
    return f"data:{SVG};base64,{base64.b64encode(content).decode()}" if well_behaved else None


class _Svg:
    """Reads an SVG for what could keep a browser busy for ever.

    As an image it runs no script and loads nothing. But entities that hold entities, and groups used in groups that
    are used in groups, grow as powers do.
    """

    def __init__(self) -> None:
        self._open: list[str] = []  # the id of each element that is open
        self._within: set[str] = set()  # ids of elements that use another one
        self._used: set[str] = set()
        self._root = ""

    def accepts(self, content: bytes) -> bool:
        """ExpatError where it is no XML, or is known to be refused before its end."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.EntityDeclHandler = self._refuse
        parser.Parse(content, True)
        return self._root == "svg" and not self._within & self._used

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        self._root = self._root or local
        self._open.append(attributes.get("id", ""))
        if len(self._open) > NESTING:
            self._refuse()
        if local == "use":
            self._within.update(filter(None, self._open[:-1]))
            self._used.add(attributes.get("href", attributes.get("xlink:href", "")).removeprefix("#"))

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _refuse(self, *_: Any) -> None:
        raise expat.ExpatError
