"""Which answers are alike: code without its comments and layout, text without its punctuation, told by their shingles.

Shingles are runs of `RUN` tokens in a row; the resemblance of two answers is the Jaccard index of their sets of
shingles: the number of those in both by the number of those in either (Broder, On the resemblance and containment of
documents, 1997; repeated ones are counted). One changed token out of forty leaves a resemblance of 0.85, one out of
twenty 0.7.

Names are tokens like all others and stay what they are, also those of variables: `exp` and `log` are names too, and
taking one for the other may be the whole mistake. So an answer with other names is another answer.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Literal

RUN = 3
SIMILAR = 0.7
"""The least resemblance of near-identical answers."""

# Possessive, and each string may end with the text: whatever is written, this is read once.
_CODE = re.compile(
    r"""
    (?P<comment>\#[^\n]*+)
    | [A-Za-z]{0,2}+(?P<long>\"{3}(?:[^"\\]|\\.|"(?!""))*+(?:\"{3})?+ | '{3}(?:[^'\\]|\\.|'(?!''))*+(?:'{3})?+)
    | (?P<string>"(?:[^"\\\n]|\\.)*+"?+ | '(?:[^'\\\n]|\\.)*+'?+)
    | \w++ | [^\s\w]
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"\w++|[<>=≤≥≠+]")
# Shown as nothing: joiners, marks of direction, soft hyphens.
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]")


def tokens(source: str, kind: Literal["code", "text"]) -> list[str]:
    """What of an answer is compared. It is only read, never compiled, and anything can be read: also what is no Python.

    code: names, numbers, signs and strings (whatever their quotes), without comments, docstrings and white space.
    text: words in lower case, and signs that compare.
    """
    source = unicodedata.normalize("NFKC", _INVISIBLE.sub("", source))
    return _WORD.findall(source.casefold()) if kind == "text" else list(_code_tokens(source))


def _code_tokens(source: str) -> Iterable[str]:
    for match in _CODE.finditer(source):
        if match["comment"] is not None:
            continue
        if match["long"] is not None:
            line = source[source.rfind("\n", 0, match.start()) + 1 : match.start()]
            if line.strip():
                yield repr(match["long"].strip("\"'"))
        elif match["string"] is not None:
            yield repr(match["string"][1:].removesuffix(match["string"][0]))
        else:
            yield match[0]


def shingles(words: Sequence[str]) -> frozenset[int]:
    """The runs of `RUN` tokens, as numbers; the second of two equal runs is another one than the first, so that what
    is repeated counts as often as it stands there. Of fewer tokens there is one run, which may be empty."""
    seen: dict[tuple[str, ...], int] = {}
    found = []
    for start in range(max(len(words) - RUN, 0) + 1):
        run = tuple(words[start : start + RUN])
        seen[run] = times = seen.get(run, 0) + 1
        found.append(hash((run, times)))
    return frozenset(found)


def without(answer: frozenset[int], given: frozenset[int]) -> frozenset[int]:
    """What an answer adds to what all were given. Those that add nothing are alike."""
    return answer - given or shingles(())


def resemblance(first: frozenset[int], second: frozenset[int]) -> float:
    """The Jaccard index, 0 to 1."""
    common = len(first & second)
    return common / (len(first) + len(second) - common)


def groups(answers: Sequence[frozenset[int]]) -> list[list[int]]:
    """The places of these answers, grouped: each joins the first group whose first answer it resembles.

    Compared is with the first answer alone, so no group drifts from one answer to its opposite in small steps; put the
    most common answers first.

    Only few are compared: of two sets that resemble each other, even the rarest parts have something in common, where
    these are so large that the rest of a set is too small to make up for it (prefix filtering; Bayardo, Ma and Srikant,
    Scaling up all pairs similarity search, 2007).
    """
    frequency = Counter(chain.from_iterable(answers))
    found: list[list[int]] = []
    having: defaultdict[int, list[int]] = defaultdict(list)
    for place, answer in enumerate(answers):
        rarest = sorted(answer, key=lambda run: (frequency[run], run))
        rarest = rarest[: len(answer) - math.ceil(SIMILAR * len(answer)) + 1]
        candidates = sorted({group for run in rarest for group in having[run]})
        for group in candidates:
            if resemblance(answers[found[group][0]], answer) >= SIMILAR:
                found[group].append(place)
                break
        else:
            for run in rarest:
                having[run].append(len(found))
            found.append([place])
    return found
