"""Names and times from a download."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.results.names import MAX_BYTES, Taken, file_name, key, same_person, slug
from grader.sites.dates import looks_like_date, read_date

SLUGS = {
    ("Jane Smith", "640693"): "jane-smith-640693",
    ("Zoë Müller-Łuczak", "1"): "zoe-muller-łuczak-1",
    ("Zoe\u0308", "1"): "zoe-1",
    ("李小龙", "2"): "李小龙-2",
    ("हिन्दी", "3"): "हिन्दी-3",
    ("O'Brien, Ann", "4"): "obrien-ann-4",
    ("../../etc/passwd", "5"): "etc-passwd-5",
    ("=cmd|' /C calc'!A0", "6"): "cmd-c-calc-a0-6",
    ("Jane Smith", ""): "jane-smith",
    ("", ""): "submission",
    ("...", "7"): "7",
    ("con", ""): "con-student",
    ("x" * 300, "640693"): "x" * (MAX_BYTES - 7) + "-640693",
}


@pytest.mark.parametrize(("parts", "name"), SLUGS.items(), ids=lambda value: ascii(value)[:30])
def test_submissions_have_readable_names(parts: tuple[str, ...], name: str) -> None:
    assert slug(*parts) == name


FILES = {
    "hw.ipynb": "hw.ipynb",
    "../hw.ipynb": "_hw.ipynb",
    "-rf": "_rf",
    ".hidden": "_hidden",
    "CON.ipynb": "_CON.ipynb",
    "a:b*c.ipynb": "a_b_c.ipynb",
    "rtl\u202efdp.ipynb": "rtl_fdp.ipynb",
    "a\nb\x1b[31m": "a_b_[31m",
    "": "_",
    "..": "_",
    "name. ": "name",
}


@pytest.mark.parametrize(("name", "safe"), FILES.items(), ids=lambda value: ascii(value)[:20])
def test_files_have_safe_names(name: str, safe: str) -> None:
    assert file_name(name).replace("__", "_") == safe


@given(st.text(), st.text(max_size=200))
def test_every_name_that_is_made_is_one_plain_file(one: str, two: str) -> None:
    for name in (slug(one, two), file_name(one)):
        assert name not in ("", ".", "..")
        assert not set(name) & set('/\\:\0\n\r"<>|*?')
        assert name[0] not in ".-~"
        assert len(name.encode()) <= MAX_BYTES + 10
        assert unicodedata.normalize("NFC", name) == name


def test_a_name_is_given_once_also_where_case_and_accents_are_not_told_apart() -> None:
    taken = Taken(["index.html"])
    assert [taken.unique(name) for name in ("hw", "HW", "é", "e\u0301", "Index.html")] == [
        "hw",
        "HW-2",
        "é",
        "e\u0301-2",
        "Index-2.html",
    ]
    assert key("É") == key("e\u0301")


def test_one_name_is_written_in_several_ways() -> None:
    ways = ["Zoë Łuczak", "zoe\u0308  łuczak", "Łuczak, Zoë"]
    assert len(set(map(same_person, ways))) == 1
    assert same_person("Zoe Luczak") != same_person(ways[0])


DATES = {
    "Oct 10, 2025 1022 AM": "2025-10-10T10:22",
    "Oct 9, 2025 208 PM": "2025-10-09T14:08",
    "Aug 29, 2025 1200 AM": "2025-08-29T00:00",
    "Aug 29, 2025 1205 PM": "2025-08-29T12:05",
    "10 October, 2025 22:15": "2025-10-10T22:15",
    "10 October 2025 2215": "2025-10-10T22:15",
    "Friday, 10 October 2025, 10:22 AM": "2025-10-10T10:22",
    "10 oktober 2025 22.15": "2025-10-10T22:15",
    "3 mrt 2025 905": "2025-03-03T09:05",
    "10. März 2025 09.05": "2025-03-10T09:05",
    "mar. 7 oct. 2025 22h15": "2025-10-07T22:15",
    "7 août 2025 2015": "2025-08-07T20:15",
    "10 de octubre de 2025 10:22 p. m.": "2025-10-10T22:22",
    "2025 Oct 10 2015": "2025-10-10T20:15",
    "2025-10-10 2215": "2025-10-10T22:15",
    "13-10-2025 22.15": "2025-10-13T22:15",
    "10-13-2025 10.15 PM": "2025-10-13T22:15",
    "Oct 10, 2025 10:22:59 AM": "2025-10-10T10:22",
}


@pytest.mark.parametrize(("text", "time"), DATES.items(), ids=DATES)
def test_times_are_read_in_many_forms(text: str, time: str) -> None:
    assert read_date(text) == time
    assert looks_like_date(text)


@pytest.mark.parametrize("text", ["03-04-2025 22.15", "Oct 32, 2025 1022 AM", "Oct 10, 2025", "final 2025", "", "Oct"])
def test_what_is_not_certain_is_not_a_time(text: str) -> None:
    assert read_date(text) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    time = read_date(text)
    assert time is None or len(time) == 16
