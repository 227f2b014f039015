"""Pseudonyms: stable, told apart, and nothing that tells the name."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from grader.desk.names import Pseudonyms, kept_key

KEY = b"k" * 32
CLASS = [f"student-{number}" for number in range(2_000)]


def known(names: list[str], key: bytes = KEY) -> Pseudonyms:
    pseudonyms = Pseudonyms(key)
    pseudonyms.know(names)
    return pseudonyms


def test_a_submission_is_called_the_same_whoever_else_is_there_and_in_whatever_order() -> None:
    everybody, some = known(CLASS), known([*CLASS[10:20], CLASS[3]])
    changed = [name for name in [*CLASS[10:20], CLASS[3]] if everybody.alias(name) != some.alias(name)]
    # Two that begin alike get a letter more, and the letters before it stay.
    assert all(everybody.alias(name).startswith(some.alias(name)) for name in changed)
    assert len(changed) <= 1


def test_all_are_told_apart_and_found_again() -> None:
    pseudonyms = known(CLASS)
    aliases = {pseudonyms.alias(name) for name in CLASS}
    assert len(aliases) == len(CLASS)
    assert all(pseudonyms.submission(pseudonyms.alias(name)) == name for name in CLASS)
    assert pseudonyms.submission(pseudonyms.alias(CLASS[0]).lower()) == CLASS[0]
    assert pseudonyms.submission("nobody") is None


def test_two_that_begin_alike_both_get_a_letter_more(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = {"ann": "BCDFGHJK", "bob": "BCDFGXYZ", "cleo": "ZZZZZZZZ"}
    monkeypatch.setattr(Pseudonyms, "_letters", lambda self, name: letters[name])
    pseudonyms = known(["ann", "cleo"])
    assert (pseudonyms.alias("ann"), pseudonyms.alias("cleo")) == ("BCDFG", "ZZZZZ")
    pseudonyms.know(["bob"])
    assert {name: pseudonyms.alias(name) for name in letters} == {"ann": "BCDFGH", "bob": "BCDFGX", "cleo": "ZZZZZ"}


def test_aliases_are_short_and_hold_no_letter_that_is_taken_for_another() -> None:
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{5,6}", known(CLASS).alias(name)) for name in CLASS[:200])


def test_without_the_key_nothing_follows_from_the_name() -> None:
    assert known(CLASS, b"a" * 32).alias("student-1") != known(CLASS, b"b" * 32).alias("student-1")
    order = sorted(CLASS[:30], key=known(CLASS).place)
    assert order != CLASS[:30]
    assert order == sorted(CLASS[:30], key=known([]).place)


def test_a_name_of_bytes_that_are_no_text_has_a_pseudonym_too() -> None:
    assert known(["\udcff"]).submission(known(["\udcff"]).alias("\udcff")) == "\udcff"


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / ".desk" / "names"
    key = kept_key(path)
    assert kept_key(path) == key
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["names"]
