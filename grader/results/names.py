"""Names from a download, made fit to be names of files: readable, safe on every system, and each given once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_BYTES = 120
"""Of a name that is made here: the reports' paths stay below what Windows takes."""

# Windows reserves these, with any suffix.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')


def key(name: str) -> str:
    """Equal for names that some file system does not tell apart: `HW` and `hw`, and the two ways to write `é`."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def same_person(name: str) -> str:
    """Equal for two ways to write one name: spaces, case, accents composed or not, `Smith, Jane`."""
    last, comma, first = name.partition(",")
    whole = f"{first} {last}" if comma and first.strip() and "," not in first else name
    return key(" ".join(unicodedata.normalize("NFKC", whole).split()))


def slug(*parts: str) -> str:
    """Lower case words joined by hyphens: `Jane Smith`, `640693` becomes `jane-smith-640693`.

    Accents on Latin letters are dropped, other scripts stay. The last part stays whole, whatever has to be cut.
    """
    words = ["-".join(_plain(part).split()) for part in parts]
    words = [word for word in words if word] or ["submission"]
    tail = f"-{words[-1]}" if len(words) > 1 else ""
    tail = _cut(tail, MAX_BYTES // 2)
    head = _cut("-".join(words[:-1] or words), MAX_BYTES - len(tail.encode()))
    name = f"{head.rstrip('-')}{tail}"
    return f"{name}-student" if _RESERVED.fullmatch(name) else name


def file_name(name: str) -> str:
    """`name` as the name of one file that any system takes and no shell or listing is fooled by."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode())
    name = "".join("_" if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cn") else char for char in name)
    name = _UNSAFE.sub("_", name).strip().rstrip(".")
    # Neither hidden nor `..`; nor an option where it is given to a command.
    name = re.sub(r"^[.\-~]+", "_", name) or "_"
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > 20:
        stem, dot, suffix = name, "", ""
    name = _cut(stem, MAX_BYTES - len(suffix.encode()) - 1) + dot + suffix
    return f"_{name}" if _RESERVED.fullmatch(name) else name


class Taken:
    """Names that are in use: what is asked for is given once, and numbered after that."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._keys = set(map(key, names))

    def __contains__(self, name: str) -> bool:
        return key(name) in self._keys

    def add(self, name: str) -> None:
        self._keys.add(key(name))

    def unique(self, name: str) -> str:
        number, choice = 1, name
        while choice in self:
            number += 1
            choice = numbered(name, number)
        self.add(choice)
        return choice


def numbered(name: str, number: int) -> str:
    """`hw.ipynb` becomes `hw-2.ipynb`."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{number}.{suffix}" if dot and stem else f"{name}-{number}"


def _plain(text: str) -> str:
    """Lower case letters, marks and digits, and spaces for all else; an apostrophe joins."""
    text = unicodedata.normalize("NFC", text).replace("'", "").replace("’", "")
    text = unicodedata.normalize("NFC", "".join(map(_without_accent, text)).lower())
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text)


def _without_accent(char: str) -> str:
    base = unicodedata.normalize("NFD", char)[0]
    return base if base.isascii() else char


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")
