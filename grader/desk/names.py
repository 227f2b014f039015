"""Pseudonyms: whoever marks sees no names, yet the same submission is always called the same."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path

# Crockford's letters: none is taken for another one, and without vowels no word comes out.
_LETTERS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789BCDFGHJKMNPQRSTVWXYZ2A")
_FEWEST = 5
"""Letters of a pseudonym: in a class of 1,000, three times in 100 two begin alike, and both get a letter more."""


class Pseudonyms:
    """Aliases of submissions, made with a key: who has not got the key cannot tell whose they are."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._aliases: dict[str, str] = {}
        self._submissions: dict[str, str] = {}

    def know(self, submissions: Iterable[str]) -> None:
        """Give these submissions their aliases. One that was given before stays, unless a new one begins alike."""
        new = [submission for submission in submissions if submission not in self._aliases]
        if not new:
            return
        everybody = sorted({*self._aliases, *new})
        longest = {submission: self._letters(submission) for submission in everybody}
        self._aliases, self._submissions = {}, {}
        length, left = _FEWEST, everybody
        while left:
            alike: dict[str, list[str]] = {}
            for submission in left:
                alike.setdefault(longest[submission][:length], []).append(submission)
            for alias, having in alike.items():
                if len(having) == 1:
                    self._aliases[having[0]] = alias
                    self._submissions[alias] = having[0]
            left = [submission for having in alike.values() if len(having) > 1 for submission in having]
            length += 1

    def alias(self, submission: str) -> str:
        """KeyError where it is not known."""
        return self._aliases[submission]

    def submission(self, alias: str) -> str | None:
        """Whose an alias is, in capitals or not; None where it is nobody's."""
        return self._submissions.get(alias.upper())

    def place(self, submission: str) -> bytes:
        """What submissions are sorted by, so that no order tells names: random, and always the same."""
        return self._digest(f"order {submission}")

    def _letters(self, submission: str) -> str:
        return base64.b32encode(self._digest(submission)).decode().rstrip("=").translate(_LETTERS)

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(errors="surrogateescape"), hashlib.sha256)


def kept_key(path: Path) -> bytes:
    """The key in this file, made where there is none; only its owner may read it. Raises OSError, ValueError."""
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        # Of two who begin at once, both get the key of the first, and neither reads a file that is half written.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
        Path(name).unlink()
    return bytes.fromhex(path.read_text().strip())
