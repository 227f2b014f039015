"""Who may mark: one person with a token of their own, or several from a file with a name and a token for each."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import NamedTuple

import msgspec

from grader.faults import Faults, shown
from grader.results.results import write_atomically

NAME_CHARACTERS = 80
_FEWEST = 16
"""Characters of a token that somebody has written into the file."""


class PeopleError(Faults):
    """The file of people cannot be used."""


class _Person(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    token: str
    """As written, or `sha256:` and the digest of it: the file that `--invite` writes lets nobody in."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    person: list[_Person] = []


class Session(NamedTuple):
    """Who makes a request. `name` is empty where the one who has the token has not said it yet."""

    name: str


class People:
    """Tokens, and the cookies that stand for them. Compared in constant time; kept as digests only."""

    def __init__(self, secret: bytes, *, token: str = "", name: str = "", file: Path | None = None) -> None:
        """One person's token and name (empty: to be asked for), or a file of several, or both. Raises PeopleError.

        secret: what cookies are made with, so that the digests in the file let nobody in.
        """
        self._secret = secret
        self._alone = _digest(token) if token else None
        self._name = name
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, bytes] = {}
        self._read()

    @property
    def asks_for_names(self) -> bool:
        """Whether whoever has the token says what they are called."""
        return self._alone is not None and not self._name

    def names(self) -> list[str]:
        """Who is in the file, in order. Raises PeopleError."""
        self._read()
        return sorted(self._known)

    def admit(self, token: str) -> str | None:
        """The cookie for whoever has this token; None for a token that nobody has."""
        self._read()
        digest = _digest(token)
        found = None
        # All are looked at, so that the time tells nothing.
        for name, known in [*self._known.items(), *([(self._name, self._alone)] if self._alone else [])]:
            if hmac.compare_digest(digest, known):
                found = self._cookie(known, name)
        return found

    def session(self, cookie: str) -> Session | None:
        """Whose cookie it is; None where it is nobody's, or the person is not in the file any more."""
        self._read()
        name = _named(cookie)
        if name is None:
            return None
        keys = [self._known.get(name), self._alone]
        proofs = [self._cookie(key, name) for key in keys if key is not None]
        if not any(hmac.compare_digest(cookie.encode(), proof.encode()) for proof in proofs):
            return None
        # Who alone has the token may be called otherwise since the server was started again.
        return Session(name if name in self._known else self._name or name)

    def call(self, name: str) -> str:
        """The cookie of the one who has the token, called so from now on. Raises PeopleError."""
        name = fit_name(name)
        if self._alone is None or self._name:
            raise PeopleError(["your name is given where the server was started"])
        return self._cookie(self._alone, name)

    def _read(self) -> None:
        """Anew where the file has changed: somebody was invited meanwhile, or put out."""
        if self._file is None:
            return
        try:
            status = self._file.stat()
        except OSError as error:
            if self._stamp is None:
                raise PeopleError([f"{shown(self._file)}: cannot be read ({error.strerror})"]) from None
            self._known = {}
            return
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            try:
                self._known = {person.name: _digest_of(person) for person in _read(self._file)}
            except PeopleError:
                if self._stamp is None:
                    raise
                # Somebody is editing it: who was in it goes on meanwhile.
            self._stamp = stamp

    def _cookie(self, key: bytes, name: str) -> str:
        """Says who it is, and proves it; of the token it tells nothing."""
        said = base64.urlsafe_b64encode(name.encode(errors="surrogateescape")).decode().rstrip("=")
        proof = hmac.digest(self._secret, f"{said}.{key.hex()}".encode(), hashlib.sha256)
        return f"{said}.{base64.urlsafe_b64encode(proof).decode().rstrip('=')}"


def fit_name(name: str) -> str:
    """A name on one line. Raises PeopleError."""
    fit = " ".join(name.split())
    if not fit or len(fit) > NAME_CHARACTERS or not fit.isprintable():
        raise PeopleError([f"a name is one line of 1 to {NAME_CHARACTERS} characters"])
    return fit


def new_token() -> str:
    """256 bits, for an address."""
    return secrets.token_urlsafe(32)


def invite(path: Path, name: str) -> str:
    """Put a person into the file, which is made where there is none; returns their token, which is in it as a digest.

    Somebody who is in it already gets a new token, and the old one is good for nothing. Raises PeopleError, OSError.
    """
    name, token = fit_name(name), new_token()
    people = [person for person in _read(path) if person.name != name] if path.exists() else []
    people.append(_Person(name, f"sha256:{_digest(token).hex()}"))
    content = "".join(f"[[person]]\nname = {_quoted(each.name)}\ntoken = {_quoted(each.token)}\n\n" for each in people)
    write_atomically(path, content)
    path.chmod(0o600)
    return token


def _read(path: Path) -> list[_Person]:
    try:
        people = msgspec.toml.decode(path.read_bytes(), type=_File).person
    except OSError as error:
        raise PeopleError([f"{shown(path)}: cannot be read ({error.strerror})"]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = f"is no list of people ({error}); each has a [[person]] with name and token"
        raise PeopleError([f"{shown(path)}: {why}"]) from None
    faults = []
    names = [person.name for person in people]
    for person in people:
        if names.count(person.name) > 1:
            faults.append(f"{shown(path)}: {person.name} is in it twice")
        if not person.token.startswith("sha256:") and len(person.token) < _FEWEST:
            faults.append(f"{shown(path)}: the token of {person.name} is shorter than {_FEWEST} characters")
    if os.name == "posix" and path.stat().st_mode & 0o077 and any(not p.token.startswith("sha256:") for p in people):
        faults.append(f"{shown(path)}: others may read the tokens in it; `chmod 600 {shown(path)}`")
    if faults:
        raise PeopleError(list(dict.fromkeys(faults)))
    return people


def _quoted(text: str) -> str:
    """A basic string of TOML, which is one of JSON but for the character 127."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _digest_of(person: _Person) -> bytes:
    if not person.token.startswith("sha256:"):
        return _digest(person.token)
    try:
        return bytes.fromhex(person.token.removeprefix("sha256:"))
    except ValueError:
        raise PeopleError([f"the token of {person.name} is no digest in hexadecimal"]) from None


def _named(cookie: str) -> str | None:
    said, dot, _ = cookie.partition(".")
    if not dot:
        return None
    try:
        return base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)).decode(errors="surrogateescape")
    except (binascii.Error, ValueError):
        return None
