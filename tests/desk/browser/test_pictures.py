"""The pictures of docs/marking.md, made by the desk itself: `GRADER_PICTURES=docs` writes them there anew."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[3] / "docs"
DOC = (DOCS / "marking.md").read_text()
NAMES = {"marking-queue.png": 1200, "marking-desk.png": 1200, "marking-phone.png": 390, "marking-overview.png": 1152}


def width(picture: bytes) -> int:
    """In pixels, from the head of a PNG."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    return int(struct.unpack(">I", picture[16:20])[0])


def test_the_document_shows_each_picture_and_no_other() -> None:
    assert set(re.findall(r"!\[[^]]+\]\(([^)]+)\)", DOC)) == set(NAMES)
    assert {name: width((DOCS / name).read_bytes()) for name in NAMES} == NAMES


def test_the_pictures_are_of_this_desk(start: Any, open_desk: Any, tmp_path: Path) -> None:
    folder = Path(os.environ.get("GRADER_PICTURES") or tmp_path).resolve()
    address = start("--as", "Ada")
    home = address.partition("login")[0]
    page = open_desk(address, viewport={"width": 1200, "height": 800})
    page.goto(f"{home}q/1.1.c")
    for _ in range(3):
        page.wait_for_selector(".d-form")
        before = page.url
        page.keyboard.press("m")
        page.keyboard.press("Enter")
        page.wait_for_function("url => location.href !== url", arg=before)
    page.goto(home)
    page.wait_for_selector("#continue")
    page.set_viewport_size({"width": 1200, "height": 520})
    page.screenshot(path=folder / "marking-queue.png")
    page.set_viewport_size({"width": 1200, "height": 940})
    page.goto(f"{home}q/1.1.b")
    for _ in range(4):
        page.wait_for_selector(".d-form")
        before = page.url
        if "No answer" in page.inner_text("#title"):
            page.keyboard.press("0")
        else:
            page.keyboard.press("1")
            page.keyboard.press("Enter")
        page.wait_for_function("url => location.href !== url", arg=before)
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.locator(".d-comment").fill("Well seen. What would the **median** do?")
    page.locator(".d-comment").blur()
    page.wait_for_timeout(4500)  # until what was said has faded
    page.screenshot(path=folder / "marking-desk.png")
    there = page.url
    page.goto(f"{home}overview")
    page.wait_for_selector(".d-card")
    page.locator(".d-card", has_text="One outlier").screenshot(path=folder / "marking-overview.png")
    phone = open_desk(address, viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    phone.goto(there)
    phone.wait_for_selector(".d-form")
    phone.screenshot(path=folder / "marking-phone.png")
    assert page.locator(".d-trouble > *").count() == 0
    for name in NAMES:
        assert width((folder / name).read_bytes()) > 300
