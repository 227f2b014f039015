"""The style sheet: text can be read in both schemes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import grader.report

SHEET = (Path(grader.report.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
STATUSES = ("passed", "failed", "review", "carried", "missing", "marking", "marked", "partial")
SYNTAX = ("keyword", "name", "string", "number", "comment", "builtin")
PAIRS = [
    *((status, f"{status}-bg") for status in STATUSES),
    *((status, "card") for status in STATUSES),
    *((name, "sunk") for name in (*SYNTAX, "ink", "soft")),
    *((name, ground) for name in ("ink", "soft", "accent") for ground in ("paper", "card")),
    *(("ink", ground) for ground in ("failed-bg", "marking-bg", "marked-bg", "review-bg")),
    ("accent", "marking-bg"),
]


def colours(scheme: str) -> dict[str, str]:
    """The custom properties of a scheme."""
    light, dark = re.findall(r":root \{([^}]*--paper:[^}]*--builtin[^}]*)\}", SHEET)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})\b", light))
    if scheme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})\b", dark))
    return found


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids=" on ".join)
def test_text_contrasts_with_its_ground(scheme: str, pair: tuple[str, str]) -> None:
    """4.5 to 1 is what WCAG 2.2 asks of text (AA)."""
    shades = sorted(luminance(colours(scheme)[name]) for name in pair)
    assert (shades[1] + 0.05) / (shades[0] + 0.05) >= 4.5


def test_the_sheet_can_stand_in_a_page() -> None:
    assert "<" not in SHEET
    assert "url(" not in SHEET
