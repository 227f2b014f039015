"""Text as a terminal shows it, and no longer than a page bears."""

from __future__ import annotations

import pytest

from grader.report.text import clean, excerpt, joined, printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\n\tb", "a\n\tb", id="plain"),
        pytest.param("\x1b[31mred\x1b[0m \x1b[38;5;28;01mgreen\x1b[39;00m", "red green", id="colours"),
        pytest.param("\x1b]0;title\x07a \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "a link", id="title and link"),
        pytest.param("\x1b[2K\x1b[1A\x1b(Bx", "x", id="cursor"),
        pytest.param(" 10%\r 50%\r100%\ndone", "100%\ndone", id="progress bar"),
        pytest.param("a\r\nb\r\n", "a\nb\n", id="lines of Windows"),
        pytest.param("a\0b\x08", "a␀b␈", id="control characters"),
        pytest.param("\x9b31m\x7f", "\ufffd31m\ufffd", id="8-bit control characters"),
        pytest.param("a\u202eb", "a⟨U+202E⟩b", id="direction"),
        pytest.param("\ud800\udc00", "\ufffd\ufffd", id="surrogates"),
        pytest.param("naïve 𝜎 שלום", "naïve 𝜎 שלום", id="other scripts"),
    ],
)
def test_printed(text: str, expected: str) -> None:
    assert printed(text) == expected


def test_a_return_in_a_source_is_the_end_of_a_line() -> None:
    assert clean("a\rb\r\nc") == "a\nb\nc"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("ab", "ab", id="string"),
        pytest.param(["a\n", "b"], "a\nb", id="lines"),
        pytest.param(["a", 1, None], "a", id="lines and other things"),
        pytest.param({"a": 1}, "", id="an object"),
        pytest.param(None, "", id="nothing"),
    ],
)
def test_joined(value: object, expected: str) -> None:
    assert joined(value) == expected


def test_a_short_text_is_left_alone() -> None:
    assert excerpt("a\nb", 3) == ("a\nb", 0)


def test_a_long_text_keeps_whole_lines_of_its_start_and_its_end() -> None:
    lines = [f"line {number:04}" for number in range(1000)]
    shown, left_out = excerpt("\n".join(lines), 400)
    kept = [line for line in shown.split("\n") if line.startswith("line")]
    assert kept[0] == "line 0000"
    assert kept[-1] == "line 0999"
    assert set(kept) < set(lines)
    assert f"… {left_out:,} characters left out …" in shown
    assert len(shown) < 500
    assert left_out == 10 * 1000 - 1 - sum(len(line) + 1 for line in kept) + 1


def test_one_long_line_is_cut_too() -> None:
    shown, left_out = excerpt("x" * 10_000, 100)
    assert left_out == 9_900
    assert shown.count("x") == 100
