"""Telling an SVG that a browser draws at once from one that keeps it busy for ever.

As an image, an SVG runs no script and loads nothing. But what refers to something that refers to something grows as
powers do; and a few bytes can be drawn very often, or over very large areas. So what refers is not referred to, what is
drawn is counted as often as it is drawn, and what is costly by itself (filters, animations, other documents in it) is
refused: it is what people draw with, and not what libraries for figures write.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn
from xml.parsers import expat

from grader.report.budget import IMAGE_PIXELS, IMAGE_SIDE, NESTING

ELEMENTS = 50_000
SHAPES = 5_000
"""Each counted as often as it is drawn: that many, each as large as the page, take seconds."""
CHARACTERS = 5_000_000
"""Of all that is drawn, counted in the same way."""
CROSSINGS = 100_000_000
"""Of the lines of one path with each other: where they cross, each is sorted among all others."""
LAYERS = 100
"""Groups that are drawn apart and then put in: each may be as large as the page."""
IMAGES = 200
DASHES = 1_000_000
PAINTED = {"mask": 20, "pattern": 100, "linearGradient": 500, "radialGradient": 500}
"""How often something may be painted with one of these."""
STYLE_CHARACTERS = 10_000
STYLE_RULES = 100

_SVG = "http://www.w3.org/2000/svg"
_DRAWN = (
    "a circle clipPath defs desc ellipse g image line linearGradient marker mask metadata path pattern polygon "
    "polyline radialGradient rect script stop style svg switch symbol text textPath title tspan use view"
)
_SHAPE = "circle ellipse image line path polygon polyline rect text textPath tspan"
_ELEMENTS, _SHAPES = frozenset(_DRAWN.split()), frozenset(_SHAPE.split())
# Other documents' elements are not drawn. But a style sheet of HTML's holds here, too.
_REFUSED_SPACES = ("http://www.w3.org/1999/xhtml", "http://www.w3.org/1998/Math/MathML")
_STYLED = ("filter", "mask", "clip-path", "fill", "stroke", "style")
_LENGTHS = ("x", "y", "x1", "x2", "y1", "y2", "r", "rx", "ry", "width", "height")
_URL = re.compile(r"\burl\s*\(", re.IGNORECASE)
_REFERENCE = re.compile(r"\burl\(\s*[\"']?#([^\s\"'();\\%]+)[\"']?\s*\)", re.IGNORECASE)
# A backslash can write any of these in another way; a variable and `inherit` can name a reference from anywhere.
_COSTLY_STYLE = re.compile(
    r"\\|--|var\s*\(|filter|blend|shadow|reflect|animation|transition|perspective|will-change|element\s*\(|image-set|"
    r"\bsrc\s*\(|paint\s*\(|(?:mask|clip-path|marker)[\w-]*\s*:\s*inherit",
    re.IGNORECASE,
)
_COSTLY_SHEET = re.compile(r"@|url|dasharray|opacity|isolation|/\*|\bd\s*:", re.IGNORECASE)
_SELECTOR = re.compile(r"[\w.#*-]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?", re.IGNORECASE)
_RELATIVE = re.compile(r"[a-df-y]")
_UNPAIRED = re.compile(r"[HVSTA]")
_BACK = re.compile(r"[A-Zz]")
_LENGTH = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(px|pt|pc|mm|cm|in|em|ex|%)?\s*")
_UNITS = {"pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "em": 16.0, "ex": 8.0}


@dataclass(slots=True)
class _Size:
    """What it takes to draw something once. `length` is that of its lines, or more."""

    shapes: int = 0
    characters: int = 0
    vertices: int = 0
    crossings: int = 0
    layers: int = 0
    images: int = 0
    length: float = 0.0

    def add(self, other: _Size) -> None:
        self.shapes += other.shapes
        self.characters += other.characters
        self.vertices += other.vertices
        self.crossings += other.crossings
        self.layers += other.layers
        self.images += other.images
        self.length += other.length


@dataclass(slots=True, eq=False)
class _Element:
    name: str
    id: str
    parent: _Element | None
    size: _Size
    """With all that is in it."""
    is_layer: bool = False
    refers: bool = False
    """It, or what is in it."""


class _Refused(Exception):
    pass


def draws_at_once(content: bytes, pixels_of: Callable[[str], int | None]) -> bool:
    """Whether this is an SVG that a browser draws in no long time.

    pixels_of: the size of an image of a data: URI; None where it is none that can be shown.
    """
    reader = _Reader(pixels_of)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = parser.AttlistDeclHandler = parser.ProcessingInstructionHandler = reader.refuse
    try:
        parser.Parse(content, True)
        reader.judge()
    except (_Refused, expat.ExpatError):
        return False
    return True


class _Reader:
    def __init__(self, pixels_of: Callable[[str], int | None]) -> None:
        self._pixels_of = pixels_of
        self._open: list[_Element] = []
        self._all: list[_Element] = []
        self._references: list[tuple[str, str, _Element]] = []
        """For what, to which id, from where."""
        self._sheet: list[str] = []
        self._pixels = 0
        self._period = float("inf")
        """Of the shortest dashes."""

    def refuse(self, *_: Any) -> NoReturn:
        raise _Refused

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if space in _REFUSED_SPACES or (space == _SVG and local not in _ELEMENTS):
            self.refuse()
        if len(self._open) >= NESTING or len(self._all) >= ELEMENTS:
            self.refuse()
        if not self._open:
            if name != f"{_SVG} svg":
                self.refuse()
            self._require_size(attributes)
        size = _Size(shapes=local in _SHAPES, images=local == "image")
        above = self._open[-1] if self._open else None
        element = _Element(local if space == _SVG else "", attributes.get("id", ""), above, size)
        self._open.append(element)
        self._all.append(element)
        for attribute, value in attributes.items():
            size.characters += len(attribute) + len(value)
            self._read(element, attribute.rpartition(" ")[2], value)
        if element.is_layer and element.name not in _SHAPES and element.name != "use":
            size.layers += 1

    def _read(self, element: _Element, attribute: str, value: str) -> None:
        if attribute == "href":
            self._read_address(element, value.strip())
            return
        is_styled = attribute in _STYLED or attribute.startswith("marker")
        if is_styled and (_COSTLY_STYLE.search(f"{attribute}:{value}") or value.strip().lower() == "inherit"):
            self.refuse()
        if len(_URL.findall(value)) != len(_REFERENCE.findall(value)):
            self.refuse()
        if attribute == "style":
            for declaration in value.split(";"):
                name, _, said = declaration.partition(":")
                self._read_property(element, name.strip().lower(), said)
        else:
            self._read_property(element, attribute, value)

    def _read_property(self, element: _Element, name: str, value: str) -> None:
        for target in _REFERENCE.findall(value):
            self._refer(name, target, element)
        if name in ("opacity", "isolation") and value.strip() not in ("1", "1.0", "auto"):
            element.is_layer = True
        elif name == "stroke-dasharray":
            period = sum(abs(float(number)) for number in _NUMBER.findall(value))
            if "%" in value:
                self.refuse()
            if period:
                self._period = min(self._period, period)
        elif name in ("d", "points"):
            vertices, length = _measured(value)
            element.size.vertices += vertices
            element.size.crossings += vertices * vertices
            element.size.length += length
        elif name in _LENGTHS:
            element.size.length += 7 * sum(abs(float(number)) for number in _NUMBER.findall(value))

    def _read_address(self, element: _Element, value: str) -> None:
        if value.startswith("#"):
            if element.name != "a":
                self._refer("href", value[1:], element)
            if "%" in value or len(value.split()) > 1:
                self.refuse()
        elif value[:5].lower() == "data:" and element.name != "a":
            pixels = self._pixels_of("".join(value.split())) if element.name == "image" else None
            if pixels is None:
                self.refuse()
            self._pixels += pixels

    def _refer(self, what: str, target: str, element: _Element) -> None:
        self._references.append((what, target, element))
        for each in self._open:
            each.refers = True

    def _require_size(self, attributes: dict[str, str]) -> None:
        sides = []
        for name in ("width", "height"):
            length = _LENGTH.fullmatch(attributes.get(name, "100%"))
            if length is None:
                self.refuse()
            sides.append(500.0 if length[2] == "%" else float(length[1]) * _UNITS.get(length[2], 1.0))
        if max(sides) > IMAGE_SIDE or sides[0] * sides[1] > IMAGE_PIXELS:
            self.refuse()

    def text(self, text: str) -> None:
        self._open[-1].size.characters += len(text)
        if self._open[-1].name == "style":
            self._sheet.append(text)

    def end(self, _name: str) -> None:
        if self._open.pop().name == "style":
            self._read_sheet("".join(self._sheet))

    def _read_sheet(self, sheet: str) -> None:
        rules = sheet.split("}")
        if len(sheet) > STYLE_CHARACTERS or len(rules) > STYLE_RULES:
            self.refuse()
        if _COSTLY_SHEET.search(sheet) or _COSTLY_STYLE.search(sheet):
            self.refuse()
        for rule in rules:
            for selector in rule.partition("{")[0].split(",") if rule.strip() else ():
                words = selector.replace(">", " ").split()
                if not 0 < len(words) <= 3 or not all(map(_SELECTOR.fullmatch, words)):
                    self.refuse()

    def judge(self) -> None:
        """Once all is read: how often what is drawn."""
        for element in reversed(self._all):
            if element.parent is not None:
                element.parent.size.add(element.size)
        targets: dict[str, _Element] = {}
        for element in self._all:
            # Two of one id may be drawn in each other's place.
            if element.id and (element.id in targets or element.refers):
                targets[element.id] = _Element("", "", None, _Size(), refers=True)
            elif element.id:
                targets[element.id] = element
        found = [(what, targets[target], at) for what, target, at in self._references if target in targets]
        if any(target.refers for _, target, _ in found):
            self.refuse()
        for _, target, at in (each for each in found if each[0] == "href"):
            each: _Element | None = at
            while each is not None:
                each.size.add(target.size)
                each = each.parent
            if at.is_layer and target.size.shapes > 1:
                self._all[0].size.layers += 1
        drawn = self._all[0].size
        painted = dict.fromkeys(PAINTED, 0)
        for what, target, at in (each for each in found if each[0] != "href"):
            # A clip or mask is its own group's, and mostly a rectangle; what paints and marks is that of all in it.
            times = 1 if what.startswith(("clip-path", "mask")) else at.size.shapes
            if what.startswith("marker"):
                times = at.size.vertices + at.size.shapes
            if target.name in painted:
                painted[target.name] += times
            else:
                drawn.shapes += times * max(0, target.size.shapes - 1)
            drawn.characters += times * target.size.characters
            drawn.crossings += times * target.size.crossings
            drawn.length += times * target.size.length
        if (
            drawn.shapes > SHAPES
            or drawn.characters > CHARACTERS
            or drawn.crossings > CROSSINGS
            or drawn.layers > LAYERS
            or drawn.images > IMAGES
            or self._pixels > IMAGE_PIXELS
            or drawn.length / self._period > DASHES
            or any(painted[name] > most for name, most in PAINTED.items())
        ):
            self.refuse()


def _measured(path: str) -> tuple[int, float]:
    """How many places a path, or a list of points, names; and at least how long it is."""
    numbers = [float(number) for number in _NUMBER.findall(path)]
    total = sum(map(abs, numbers))
    back = len(_BACK.findall(path))
    if _RELATIVE.search(path):
        # What is relative goes on from anywhere that the whole path can have led to.
        return len(numbers), 7 * total * (1 + back)
    if _UNPAIRED.search(path) or len(numbers) % 2:
        return len(numbers), 7 * total + 4 * back * max(map(abs, numbers), default=0.0)
    steps = sum(abs(new - old) for old, new in zip(numbers, numbers[2:], strict=False))
    closed = path.lower().count("z")
    return len(numbers) // 2, steps + 4 * closed * max(map(abs, numbers), default=0.0)
