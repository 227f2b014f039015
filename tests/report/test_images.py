"""An image in a page is an image."""

from __future__ import annotations

import base64
import re
import struct
from typing import Any

import pytest

from grader.report.images import data_uri, parse_data_uri

GIF = b"GIF89a" + struct.pack("<HH", 3, 2) + b"\0" * 20
JPEG = b"\xff\xd8" + b"\xff\xe0\0\x04ab" + b"\xff\xc0\0\x11\x08\0\x02\0\x03" + b"\0" * 20
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("mime", "content"),
    [pytest.param("image/gif", GIF, id="gif"), pytest.param("image/jpeg", JPEG, id="jpeg")],
)
def test_an_image_is_taken(mime: str, content: bytes) -> None:
    assert data_uri(mime, b64(content)) == f"data:{mime};base64,{b64(content)}"


def test_base64_in_lines_is_taken_as_one(png: Any) -> None:
    uri = data_uri("image/png", png())
    assert "\n" in png()
    assert uri is not None
    assert re.fullmatch(r"data:image/png;base64,[\w+/=]+", uri)
    assert parse_data_uri(uri) == uri


@pytest.mark.parametrize(
    ("mime", "data"),
    [
        pytest.param("image/png", b64(GIF), id="another format than it says"),
        pytest.param("image/png", b64(b"\x89PNG\r\n\x1a\n"), id="ends within its header"),
        pytest.param("image/png", b64(b"<script>"), id="html"),
        pytest.param("image/png", "", id="empty"),
        pytest.param("image/png", '"><script>', id="not base64"),
        pytest.param("image/png", "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAAAAADRSSBW\u0661", id="digits that are not ASCII"),
        pytest.param("image/gif", b64(GIF[:6] + struct.pack("<HH", 60_000, 60_000)), id="unpacks to gigabytes"),
        pytest.param("image/gif", b64(GIF[:6] + struct.pack("<HH", 0, 10)), id="no width"),
        pytest.param("image/gif", b64(GIF + b"\0" * 9_000_000), id="too long"),
        pytest.param("image/jpeg", b64(JPEG[:10]), id="jpeg without a frame"),
        pytest.param("image/jpeg", b64(b"\xff\xd8" + b"\xff\xe0\0\0" * 1000), id="jpeg with empty segments"),
        pytest.param("image/webp", b64(GIF), id="another mime type"),
        pytest.param("text/html", b64(GIF), id="no image"),
    ],
)
def test_what_is_no_such_image_is_refused(mime: str, data: str) -> None:
    assert data_uri(mime, data) is None


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("https://example.org/x.png", id="remote"),
        pytest.param(f"data:image/gif,{b64(GIF)}", id="not base64"),
        pytest.param(f"data:image/gif;charset=x;base64,{b64(GIF)}", id="with parameters"),
        pytest.param(f"data:text/html;base64,{b64(GIF)}", id="no image"),
        pytest.param("data:image/gif;base64", id="nothing in it"),
        pytest.param("", id="empty"),
    ],
)
def test_another_address_is_refused(uri: str) -> None:
    assert parse_data_uri(uri) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("<script>1</script>", id="script, which an image does not run"),
        pytest.param(
            '<defs><path id="p"/></defs><g id="a"><use xlink:href="#p"/></g>', id="glyphs, as matplotlib draws"
        ),
    ],
)
def test_an_svg_is_taken_as_an_image(content: str) -> None:
    svg = SVG.format(content)
    assert data_uri("image/svg+xml", f'<?xml version="1.0"?>\n{svg}') is not None
    assert data_uri("image/svg+xml", svg) == f"data:image/svg+xml;base64,{b64(svg.encode())}"


@pytest.mark.parametrize(
    "svg",
    [
        pytest.param("", id="empty"),
        pytest.param("<html><svg></svg></html>", id="html"),
        pytest.param("<svg><g></svg>", id="broken"),
        pytest.param("<svg>\ud800</svg>", id="cannot be encoded"),
        pytest.param('<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>', id="entities"),
        pytest.param(
            SVG.format('<g id="b"><use href="#a"/><use href="#a"/></g><g id="c"><use xlink:href="#b"/></g>'),
            id="groups used in groups",
        ),
        pytest.param(SVG.format("<g>" * 200 + "</g>" * 200), id="nested deeply"),
        pytest.param(SVG.format(" " * 2_000_000), id="too long"),
    ],
)
def test_an_svg_that_could_harm_is_refused(svg: str) -> None:
    assert data_uri("image/svg+xml", svg) is None
