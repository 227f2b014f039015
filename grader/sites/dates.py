"""The times in the names of a download: written in the site's language, without a colon, read as far as possible."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time

# The first letters of the months' names in English, Dutch, German, French, Spanish, Italian, Portuguese and the
# Scandinavian languages, without accents. None is the beginning of another month's.
_MONTHS = {
    1: ("jan", "gen", "ene"),
    2: ("feb", "fev"),
    3: ("mar", "mrt", "maa", "mae"),
    4: ("apr", "avr", "abr"),
    5: ("may", "mai", "mei", "maj", "mag"),
    6: ("jun", "juin", "giu"),
    7: ("jul", "juil", "lug"),
    8: ("aug", "aou", "ago"),
    9: ("sep", "set"),
    10: ("oct", "okt", "ott", "out"),
    11: ("nov",),
    12: ("dec", "dez", "dic", "des"),
}
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_NUMERIC = re.compile(r"(?<!\d)(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})(?!\d)")
_DAY = re.compile(r"(?<!\d)\d{1,2}(?!\d)")
_TIME = re.compile(
    r"(?<!\d)(?P<hour>\d{1,2}?)(?:[:.h ]?)(?P<minute>[0-5]\d)(?:[:.](?P<second>[0-5]\d))?(?!\d)"
    r"\s*(?:(?P<half>[ap])\.?\s?m\b\.?)?",
    re.IGNORECASE,
)


def looks_like_date(text: str) -> bool:
    """Whether a part of a name is a time, be it one that cannot be read."""
    return _YEAR.search(text) is not None and len(re.findall(r"\d+", text)) > 1


def read_date(text: str) -> str | None:
    """ISO 8601 without a zone (the site's own), to the minute: `Oct 10, 2025 1022 AM` is `2025-10-10T10:22`.

    None where it cannot be read for certain: `03-04-2025` is in March or in April.
    """
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    text = "".join(char for char in text if not unicodedata.combining(char)).strip()
    try:
        found = _numeric(text) or _named(text)
        if found is None:
            return None
        day, rest = found
        at = _time(rest)
        return None if at is None else datetime.combine(day, at).isoformat(timespec="minutes")
    except ValueError:
        return None


def _numeric(text: str) -> tuple[date, str] | None:
    match = _NUMERIC.search(text)
    if match is None:
        return None
    first, second, third = (int(part) for part in match.groups())
    rest = text[match.end() :]
    if len(match[1]) == 4:
        return date(first, second, third), rest
    if len(match[3]) < 4 or (first <= 12 and second <= 12 and first != second):
        return None
    return (date(third, second, first) if second <= 12 else date(third, first, second)), rest


def _named(text: str) -> tuple[date, str] | None:
    year = _YEAR.search(text)
    months = [(word, number) for word in _WORD.finditer(text) if (number := _month(word[0])) is not None]
    if year is None or not months:
        return None
    # A weekday stands before the month: `mar. 7 oct. 2025` is a Tuesday in French.
    word, month = months[-1]
    if word.start() < year.start():
        days = _DAY.findall(text[: year.start()])
        return (date(int(year[0]), month, int(days[0])), text[year.end() :]) if len(days) == 1 else None
    day = _DAY.search(text, word.end())
    return (date(int(year[0]), month, int(day[0])), text[day.end() :]) if day else None


def _month(word: str) -> int | None:
    beginnings = ((start, number) for number, starts in _MONTHS.items() for start in starts)
    return next((number for start, number in beginnings if word.lower().startswith(start)), None)


def _time(text: str) -> time | None:
    match = _TIME.search(text)
    if match is None:
        return None
    hour, half = int(match["hour"]), (match["half"] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, int(match["minute"]))
