"""An image in a page is an image."""

from __future__ import annotations

import base64
import re
import struct
from typing import Any

import pytest

from grader.report.budget import Budget
from grader.report.images import data_uri, parse_data_uri
from grader.report.outputs import views

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


def chain(element: str, attribute: str, depth: int = 30) -> str:
    """Each of these is drawn twice in the one before it."""
    return "".join(
        f'<{element} id="m{i}"><rect {attribute.format(i + 1)}/><rect {attribute.format(i + 1)}/></{element}>'
        for i in range(depth)
    )


def drawn(body: str, attributes: str = 'width="80" height="80"') -> str:
    return SVG.replace("<svg ", f"<svg {attributes} ").format(body)


ZIGZAG = "M0 0" + "L80 80L0 1" * 5000
ENDLESS = {
    "masks": drawn(chain("mask", 'mask="url(#m{})"')),
    "masks, in a style": drawn(chain("mask", "style=\"mask: url('#m{}')\"")),
    "clips": drawn(chain("clipPath", 'clip-path="url(#m{})"')),
    "patterns": drawn(chain("pattern", 'fill="url(#m{})"')),
    "markers": drawn(chain("marker", 'marker-end="url(#m{})"')),
    "another prefix": SVG.replace("svg", "s:svg", 1)
    .replace("xmlns=", "xmlns:s=")
    .replace("</svg", "</s:svg")
    .format(chain("mask", 'mask="url(#m{})"').replace("<", "<s:").replace("<s:/", "</s:")),
    "gradients": drawn('<linearGradient id="a" href="#b"/><linearGradient id="b" href="#c"/><linearGradient id="c"/>'
                       '<rect fill="url(#a)"/>'),
    "a use of a use": drawn('<rect id="a"/><use id="b" href="#a"/><use href="#b"/>'),
    "a use of itself": drawn('<g id="a"><use href="#a"/></g>'),
    "two of one id": drawn('<g id="a"/><g id="a"><use href="#b"/></g><rect id="b"/><use href="#a"/>'),
    "an encoded reference": drawn('<mask id="a"><rect mask="url(#%61)"/></mask>'),
    "a reference written with a backslash": drawn('<mask id="a"><rect style="mask:u\\72l(#a)"/></mask>'),
    "a reference in a sheet": drawn('<style>rect{mask:url(#a)}</style><mask id="a"><rect/></mask>'),
    "a reference in a variable": drawn('<g style="--m:url(#a)"><rect style="mask:var(--m)"/></g>'),
    "a reference by default": '<!DOCTYPE svg [<!ATTLIST rect mask CDATA "url(#a)">]>' + drawn("<rect/>"),
    "a sheet beside it": '<?xml-stylesheet href="data:text/css,*{}"?>' + drawn("<rect/>"),
    "a sheet of HTML's": drawn('<style xmlns="http://www.w3.org/1999/xhtml">*{filter:blur(9px)}</style>'),
    "selectors that look far": drawn("<style>g g g g g{fill:red}</style>"),
    "a filter": drawn('<filter id="f"><feTurbulence numOctaves="99"/></filter><rect filter="url(#f)"/>'),
    "a filter in a style": drawn('<rect style="filter:blur(9999px)"/>'),
    "an animation": drawn('<rect><animate attributeName="x" dur="1ms" repeatCount="indefinite"/></rect>'),
    "another document": drawn("<foreignObject><p/></foreignObject>"),
    "an SVG in it": drawn(f'<image href="data:image/svg+xml;base64,{b64(SVG.format("").encode())}"/>'),
    "a large image in it": drawn(
        f'<image href="data:image/gif;base64,{b64(GIF[:6] + struct.pack("<HH", 60_000, 60_000))}"/>'
    ),
    "much used often": drawn('<g id="a">' + "<rect/>" * 1000 + "</g>" + '<use href="#a"/>' * 1000),
    "long paths used often": drawn(f'<path id="a" d="{ZIGZAG}"/>' + '<use href="#a"/>' * 50),
    "a path that crosses itself everywhere": drawn(f'<path d="{ZIGZAG * 2}"/>'),
    "short dashes": drawn('<path stroke-dasharray=".0001" d="M0 0L80 80"/>'),
    "short dashes, far away": drawn('<g style="stroke-dasharray: .01 .01"><path d="m0 0h1e9"/></g>'),
    "many shapes": drawn("<rect/>" * 20_000),
    "many masks": drawn('<mask id="a"><rect/></mask>' + '<rect mask="url(#a)"/>' * 500),
    "many patterns, by a group": drawn('<pattern id="a"/><g fill="url(#a)">' + "<rect/>" * 500 + "</g>"),
    "many layers": drawn(('<g opacity=".9">' * 50 + "<rect/>" + "</g>" * 50) * 50),
    "huge": drawn("", 'width="1e9" height="1"'),
    "very high": drawn("", 'width="1" height="500in"'),
}  # fmt: skip


@pytest.mark.parametrize("svg", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_svg_that_keeps_a_browser_busy_is_refused(svg: str) -> None:
    assert data_uri("image/svg+xml", svg) is None


PLAIN = {
    "a clip, as matplotlib writes it": drawn('<g clip-path="url(#p)"><rect/></g><clipPath id="p"><rect/></clipPath>'),
    "a hatch": drawn('<pattern id="h"><path d="M0 0L9 9"/></pattern><path style="fill: url(#h); opacity: 0.5"/>'),
    "dashes": drawn('<path d="M 0 0 L 80 80 z" style="fill: none; stroke-dasharray: 3.7,1.6"/>'),
    "a sheet": drawn("<style>*{stroke-linejoin: round; stroke-linecap: butt}</style>"),
    "an image": drawn(f'<image href="data:image/gif;base64,{b64(GIF)}"/>'),
    "a gradient": drawn('<linearGradient id="g"><stop offset="0"/></linearGradient><rect fill="url(&quot;#g&quot;)"/>'),
    "points": drawn('<path id="m" d="M0 0C1 1 2 2 3 3z"/>' + '<use href="#m" x="1" style="opacity: .4"/>' * 2000),
    "sides in points": drawn("<rect/>", 'width="460.8pt" height="345.6pt" viewBox="0 0 460.8 345.6"'),
}


@pytest.mark.parametrize("svg", PLAIN.values(), ids=PLAIN.keys())
def test_an_svg_as_libraries_write_it_is_taken(svg: str) -> None:
    assert data_uri("image/svg+xml", svg) is not None


FRAME = b"\x2c" + struct.pack("<HHHHB", 0, 0, 3, 2, 0) + b"\x02\x01\0\0"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 3, 2) + b"\x08\2\0\0\0" + bytes(4)


@pytest.mark.parametrize(
    ("mime", "content", "is_taken"),
    [
        pytest.param("image/gif", GIF[:10] + bytes(3) + FRAME + b";", True, id="one picture"),
        pytest.param("image/gif", GIF[:10] + bytes(3) + FRAME * 2 + b";", False, id="a GIF that moves"),
        pytest.param(
            "image/gif",
            GIF[:10] + bytes(3) + FRAME[:5] + b"\xff\xff\xff\xff" + FRAME[9:],
            False,
            id="larger than itself",
        ),
        pytest.param("image/png", PNG + bytes(4) + b"IDAT", True, id="a PNG"),
        pytest.param("image/png", PNG + b"\0\0\0\x08acTL" + bytes(16) + b"IDAT", False, id="a PNG that moves"),
        pytest.param("image/png", PNG[:16] + struct.pack(">II", 1, 40_000), False, id="a very high PNG"),
        pytest.param("image/jpeg", JPEG + b"\xff\xda\0\0" * 10, True, id="a JPEG refined ten times"),
        pytest.param("image/jpeg", JPEG + b"\xff\xda\0\0" * 1000, False, id="a JPEG refined for ever"),
    ],
)
def test_an_image_that_moves_or_is_refined_for_ever_is_refused(mime: str, content: bytes, is_taken: bool) -> None:
    assert (data_uri(mime, b64(content)) is not None) is is_taken


def test_images_that_unpack_to_too_much_together_are_not_shown() -> None:
    large = b64(GIF[:6] + struct.pack("<HH", 7000, 7000) + bytes(3))
    shown = views([{"output_type": "display_data", "data": {"image/gif": large}}] * 6, Budget(), "cell 1")
    assert [view.kind for view in shown] == ["image"] * 4 + ["remark"] * 2
