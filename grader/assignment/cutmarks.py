"""The marks that courses put around what students must not see, told from what only looks like one, and from prose.

They are those of this project (`### BEGIN SOLUTION`), of nbgrader (`### BEGIN HIDDEN TESTS`, `### BEGIN MARK SCHEME`)
and of otter (`# BEGIN SOLUTION NO PROMPT`, `x = 1 # SOLUTION`, ...).
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import Literal, NamedTuple

What = Literal["solution", "hidden", "scheme", "prompt", "config"]
"""*prompt*: what students get in the place of a solution. *config*: orders to the tool that reads the notebook."""

NOUNS: dict[What, str] = {
    "solution": "solution",
    "hidden": "hidden part",
    "scheme": "mark scheme",
    "prompt": "prompt",
    "config": "configuration",
}


class Mark(NamedTuple):
    """A line that begins or ends something. `no_prompt`: nothing is to stand in the place of the solution."""

    begins: bool
    what: What
    no_prompt: bool = False


PARTS: dict[tuple[str, ...], tuple[What, bool]] = {
    ("SOLUTION", "NO", "PROMPT"): ("solution", True),
    ("SOLUTION",): ("solution", False),
    ("SOLUTIONS",): ("solution", False),
    ("HIDDEN", "TESTS"): ("hidden", False),
    ("HIDDEN", "TEST"): ("hidden", False),
    ("IGNORE",): ("hidden", False),
    ("MARK", "SCHEME"): ("scheme", False),
    ("MARKING", "SCHEME"): ("scheme", False),
    ("PROMPT",): ("prompt", False),
    ("TEST", "CONFIG"): ("config", False),
}
OF_LINES = re.compile(
    r"(?P<code>[^#\s].*?)\s*#+[ \t]*(?:(?P<word>SOLUTION[ \t]+NO[ \t]+PROMPT|SOLUTION|SEED|IGNORE)\b.*"
    r"|(?P<other>(?i:solution(?:[ \t]+no[ \t]+prompt)?))[ \t.:#]*)"
)
"""A mark behind a statement: it is about that statement alone."""
_AUTOTEST = re.compile(r"\s*#+[ \t]*(?:HASHED[ \t]+)?AUTOTEST\b")
OF_CELLS = re.compile(
    r"\s*(?:(?P<test>##[ \t]*(?i:(?:hidden[ \t]*)?tests?)[ \t]*##|#+[ \t]*HIDDEN[ \t]*TESTS?"
    r"|(?:\w+[ \t]*=[ \t]*)?(?:\"\"\"|''')?[ \t]*#+[ \t]*(?i:begin[ \t]*test[ \t]*config))"
    r"|(?P<hidden>##[ \t]*(?i:hidden|ignore)[ \t]*##|#+[ \t]*(?:HIDDEN|IGNORE))"
    r"|(?P<solution>#+[ \t]*(?i:solutions?)[ \t:#]*"
    r"|(?:\*\*|<strong>|__)[ \t]*(?i:solutions?)[ \t:]*(?:\*\*|</strong>|__):?.*))\s*"
)
"""The first line of a cell that is hidden, or a solution, as a whole."""

_DECORATION = " \t#<>!-=*/%_~[]():;.,|`+'\"\\"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ANYWHERE = re.compile(r"\b(?:BEGIN|END)[ \t_-]+(?:SOLUTIONS?|HIDDEN[ \t_-]+TESTS?|MARK(?:ING)?[ \t_-]+SCHEME)\b")
_STARTS = ("BEGIN", "START", "STOP")
_SECRETS = ("HIDDEN", "SOLUTION", "SOLUTIONS", "SCHEME", "PROMPT", "INSTRUCTOR", "INSTRUCTORS", "AUTOTEST")
_OF_NETWORKS = re.compile(
    r"hidden[\s_-]*(?:layer|unit|state|size|dim|node|neuron|markov|variable|feature|activation|representation|weight)",
    re.IGNORECASE,
)
_ALONE = (
    ("SOLUTION",), ("SOLUTIONS",), ("SOLUTION", "NO", "PROMPT"), ("HIDDEN", "TEST"), ("HIDDEN", "TESTS"),
    ("HIDDEN", "CELL"), ("MARK", "SCHEME"), ("MARKING", "SCHEME"), ("MODEL", "SOLUTION"), ("MODEL", "ANSWER"),
    ("SAMPLE", "SOLUTION"), ("ANSWER", "KEY"), ("INSTRUCTOR", "ONLY"), ("INSTRUCTORS", "ONLY"), ("NO", "PROMPT"),
)  # fmt: skip
_IN_CAPITALS = (("BEGIN",), ("END",), ("HIDDEN",), ("SEED",), ("IGNORE",), ("PROMPT",))
_RUN_TOGETHER = (
    "BEGINSOLUTION",
    "ENDSOLUTION",
    "BEGINHIDDENTESTS",
    "ENDHIDDENTESTS",
    "BEGINMARKSCHEME",
    "ENDMARKSCHEME",
)
_LONGEST = 200
"""Characters of a line that are looked at: marks are short."""


class _Line(NamedTuple):
    words: tuple[str, ...]
    """In capitals."""
    capitals: int
    """How many of the first words are written in capitals."""
    decorated: bool
    """Set off by `#`, `<!--`, bold print or quotation marks, as no prose is."""


def _read(text: str) -> _Line:
    bare = text.strip()[:_LONGEST]
    words = _WORD.findall(bare.strip(_DECORATION).replace("_", " "))
    capitals = next((number for number, word in enumerate(words) if word != word.upper()), len(words))
    decorated = bare.startswith(("#", "<!--", '"""', "'''", "**", "__", "<strong", "[//]", "//", "/*", "%"))
    return _Line(tuple(word.upper() for word in words), capitals, decorated)


def read_mark(line: str, *, is_code: bool) -> Mark | None:
    """The mark that a line is; None where it is none, or none that is understood."""
    read = _read(line)
    if len(read.words) < 2 or read.words[0] not in ("BEGIN", "END"):
        return None
    for part, (what, no_prompt) in PARTS.items():
        length = 1 + len(part)
        if read.words[1:length] != part:
            continue
        in_capitals = read.capitals >= length
        # What stands behind a mark is a remark, as nbgrader reads it; but in prose, a line may begin so.
        if (len(read.words) == length or in_capitals) and (read.decorated or (in_capitals and not is_code)):
            one_mark = len(_ANYWHERE.findall(line)) <= 1
            return Mark(read.words[0] == "BEGIN", what, no_prompt) if one_mark else None
        return None
    return None


def read_line_mark(line: str) -> Literal["solution", "removed"] | None:
    """What is to become of the statement that a line of code ends, by the mark behind it."""
    if _AUTOTEST.match(line):
        return "removed"
    found = OF_LINES.fullmatch(line.strip())
    if found is None:
        return None
    word = (found["word"] or found["other"]).upper().split()
    return "solution" if word == ["SOLUTION"] else "removed"


def looks_like_a_mark(line: str, *, is_code: bool) -> bool:
    """Whether a line that is no mark looks like one: better to ask than to give away what stands behind it."""
    if _ANYWHERE.search(line):
        return True
    if is_code:
        text = line.strip()
        if not text.startswith(("#", '"""', "'''")):
            # What stands behind a statement; a line of code is no mark.
            _, hash_, comment = text.rpartition("#")
            text = f"#{comment}" if hash_ else ""
        return bool(text) and _looks(text[:_LONGEST], is_code)
    return _looks(line.strip()[:_LONGEST], is_code)


def _looks(text: str, is_code: bool) -> bool:
    words, capitals, decorated = _read(text)
    if not words or len(words) > 40:
        return False
    count = len(words)
    loud = capitals == count
    if (decorated or loud) and any(_is_near_all(words, alone) for alone in _ALONE):
        return True
    if words in _IN_CAPITALS and loud and decorated:
        return True
    if decorated and capitals and words[0] in ("SOLUTION", "HIDDEN") and is_code and not _OF_NETWORKS.search(text):
        return True
    together = "".join(words)
    if (
        (decorated or loud)
        and count <= 2
        and together.startswith(("BEG", "END"))
        and _is_near_any(together, _RUN_TOGETHER)
    ):
        return True
    if _OF_NETWORKS.search(text):
        return False
    secret = [any(_is_near(word, one) for one in _SECRETS) for word in words]
    if words[-1] in ("BEGIN", "END", "START") and count <= 4 and any(secret) and (decorated or loud):
        return True
    starts = words[0] == "END" or _is_near_any(words[0], _STARTS)
    if not starts:
        return False
    if any(secret[1:4]):
        short = decorated and count <= 4 and (words[0] == "END" or _is_near(words[0], "BEGIN"))
        return capitals >= min(2, count) or short or (secret[1] and (is_code or decorated))
    is_test = any(_is_near_any(word, ("TEST", "TESTS")) for word in words[1:4])
    return is_test and (capitals >= 2 or (text.startswith("###") and count <= 3))


def _is_near_all(words: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return len(words) == len(others) and all(map(_is_near, words, others))


def _is_near_any(word: str, others: tuple[str, ...]) -> bool:
    return any(_is_near(word, other) for other in others)


@lru_cache(maxsize=4096)
def _is_near(word: str, other: str) -> bool:
    if word == other:
        return True
    if min(len(word), len(other)) < 4 or abs(len(word) - len(other)) > 2:
        return False
    return difflib.SequenceMatcher(None, word, other, autojunk=False).ratio() >= 0.8
