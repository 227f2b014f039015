"""Damage: bytes, the structure of JSON, the text of cells, encodings; all of it drawn from one random generator."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

MAX_BYTES = 200_000
"""No mutation makes more of an input: what is slow is to be so because of its form."""

_TIMES = (*(1, 1, 2, 5) * 6, 300, 3_000)
"""What takes time for each pair of something shows when there are thousands of it, which need not be often."""
_BYTES = (b"\0", b"\xff", b"\n", b'"', b"\\", b"{", b"[", b",", b":", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"-1", b"1e999")
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    2**64,
    10**300,
    0.5,
    1e308,
    float("inf"),
    float("nan"),
    "",
    " ",
    "\0",
    "\ud800",
    "1e999999",
    "../x",
    "a" * 5_000,
    "code",
    "markdown",
    "heading",
    [],
    {},
    [None],
    [[]],
    {"": None},
)
_LINES = (
    "**(a)**",
    "**(b) Again (2 points)**",
    "(c)",
    "(a) (b) (c)",
    "## 1.1",
    "# 1.2 Text",
    "### 1.1.a",
    "1.1 a",
    "**a)",
    "*(a",
    "## 99.99.9",
    "**Question 1.1 (a)**",
    "(ⅳ)",
    "（a）",
    "**(á) x**",
    "# " * 50,
    "#" * 100,
    "- (a) x",
    "> **(a)**",
    "| (a) | b |",
    "<b>(a)</b>",
    "<!-- ",
    "```python",
    "```",
    "$$",
    "$x",
    "\\begin{align}",
    "[a](b",
    "![",
    "&#97;",
    "**" * 200,
    "`" * 99,
    "(" * 300,
    "[" * 300,
    "<" * 300,
    "_" * 300,
    "    def f(x):",
    "def double(x): return x",
    "class A:",
    "import os",
    "%%bash",
    "%matplotlib inline",
    "!ls",
    "?x",
    "x = 1 if",
    "lambda: " * 60,
    "'''",
    '"""',
    "f'{",
    "\\",
    "\t x",
    "\x0c",
    "\u2028",
    "\u202e",
    "1" * 5_000,
    "x = " + "-" * 500 + "1",
    "x = " + "(" * 150 + ")" * 150,
    "async",
    "print(double(3))",
    "# Your answer here",
    "YOUR ANSWER",
    "raise NotImplementedError",
    "...",
    "### BEGIN SOLUTION",
    "### END SOLUTION",
    "🙂",
    "e\u0301" * 50,
)


def damaged_bytes(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Any bytes: one to eight small changes, somewhere."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        start = random.randrange(len(content) + 1)
        end = min(len(content), start + random.choice((1, 1, 2, 4, 16, 256, 4_096)))
        match random.randrange(8):
            case 0 if content:
                at = random.randrange(len(content))
                content[at] ^= 1 << random.randrange(8)
            case 1:
                content[start:end] = random.choice(_BYTES)
            case 2:
                del content[start:end]
            case 3:
                content[start:start] = content[start:end] * random.choice((1, 2, 50))
            case 4:
                content[start:start] = random.randbytes(random.choice((1, 2, 4, 64)))
            case 5:
                del content[start:]
            case 6:
                other = random.choice(others)
                cut = random.randrange(len(other) + 1)
                content[start:end] = other[cut : cut + random.choice((8, 64, 4_096))]
            case _:
                content[start:start] = random.choice(_BYTES) * random.choice((1, 3, 500))
    return bytes(content[:MAX_BYTES])


def damaged_json(random: Random, value: Any) -> Any:
    """The same tree with one to six of its places replaced, doubled, moved, renamed or taken out."""
    tree = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        places = _places(tree)
        if not places:
            return tree
        holder, key = random.choice(places)
        match random.randrange(7):
            case 0:
                holder[key] = copy.deepcopy(random.choice(_VALUES))
            case 1:
                del holder[key]
            case 2:
                holder[key] = _wrapped(random, holder[key])
            case 3 if isinstance(holder, list):
                holder[key:key] = [holder[key]] * random.choice(_TIMES)
            case 4 if isinstance(holder, list):
                random.shuffle(holder)
            case 5 if isinstance(holder, dict):
                holder[random.choice((key.upper(), f"{key} ", "", "id", "source", "metadata", "outputs"))] = holder.pop(
                    key
                )
            case _:
                other, name = random.choice(places)
                if (isinstance(other, list) and name < len(other)) or (isinstance(other, dict) and name in other):
                    holder[key] = _copied(other[name])
    return tree


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except RecursionError:
        return None


def _wrapped(random: Random, value: Any) -> Any:
    for _ in range(random.choice((1, 2, 30, 150))):
        value = [value] if random.random() < 0.5 else {"source": value}
    return value


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """All places in a tree, as a list or dict and an index of it."""
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(places) < 5_000:
        holder = waiting.pop()
        keys = range(len(holder)) if isinstance(holder, list) else list(holder) if isinstance(holder, dict) else ()
        for key in keys:
            places.append((holder, key))
            waiting.append(holder[key])
    return places


def damaged_text(random: Random, text: str) -> str:
    """Lines as people, and people with bad intentions, write them: added, doubled, swapped, cut, joined."""
    lines = text.split("\n")
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(lines) + 1)
        match random.randrange(7):
            case 0:
                lines[at:at] = [random.choice(_LINES)] * random.choice(_TIMES)
            case 1:
                lines[at:at] = random.choices(_LINES, k=random.choice((2, 5, 50)))
            case 2 if at < len(lines):
                lines[at] = (
                    random.choice(("", "  ", "    ", "# ", "> ", "**"))
                    + lines[at]
                    + random.choice(("", "\\", "**", "`"))
                )
            case 3 if at < len(lines):
                del lines[at]
            case 4 if at < len(lines):
                lines[at:at] = lines[at : at + 5] * random.choice((1, 20))
            case 5:
                random.shuffle(lines)
            case _ if at < len(lines):
                cut = random.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:cut] + random.choice(("", " ", "\n", *_LINES)) + lines[at][cut:]
    return "\n".join(lines)[:MAX_BYTES]


def damaged_cells(random: Random, notebook: Any) -> Any:
    """The same notebook with cells as students leave them: edited, split, joined, moved, retyped, renamed."""
    tree = copy.deepcopy(notebook)
    cells = tree["cells"]
    for _ in range(random.choice((1, 2, 3, 8))):
        at = random.randrange(len(cells))
        cell = cells[at]
        source = "".join(cell["source"])
        match random.randrange(10):
            case 0 | 1 | 2:
                cell["source"] = damaged_text(random, source)
            case 3:
                cut = random.randrange(len(source) + 1)
                cell["source"], rest = source[:cut], source[cut:]
                cells.insert(at + 1, copy.deepcopy(cell) | {"source": rest})
            case 4:
                cells.insert(random.randrange(len(cells)), cells.pop(at))
            case 5:
                cell["cell_type"] = random.choice(("code", "markdown", "raw", "heading", "Code", ""))
            case 6:
                ids = [other.get("id") for other in cells]
                cell["id"] = random.choice((*ids, None, "", "x" * 99, "ä", "1.1.a", "cell-0", "cell-1-x", 7))
            case 7:
                tags = (
                    ["question:1.1.a"],
                    ["question:1.1.b", "question:1.1.b"],
                    ["question:"],
                    "question:1.1.a",
                    [7],
                    ["a,b"],
                )
                cell["metadata"] = {"tags": random.choice(tags)}
            case 8:
                cells[at:at] = [copy.deepcopy(cell) for _ in range(random.choice((1, 3, 60)))]
            case _:
                cell["source"] = source.splitlines(keepends=True) or [None, 1, source]
    return tree


def encoded(random: Random, text: str) -> bytes:
    """The text as some program could save it, rightly or wrongly."""
    coding = random.choice(
        ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-7", "ascii")
    )
    data = text.encode(coding, random.choice(("replace", "backslashreplace", "ignore")))
    return data.replace(b"\n", random.choice((b"\n", b"\r\n", b"\r", b"\n\0")))


def damaged_notebook(random: Random, seeds: Sequence[bytes]) -> bytes:
    data = random.choice(seeds)
    kind = random.randrange(10)
    if kind < 2:
        return damaged_bytes(random, data, seeds)
    tree = json.loads(data)
    if kind < 8:
        tree = damaged_cells(random, tree)
    if kind > 4:
        tree = damaged_json(random, tree)
    try:
        text = json.dumps(tree, ensure_ascii=random.random() < 0.5)
    except RecursionError:
        text = data.decode()
    if random.random() < 0.02:
        # Deeper than what can be made as a tree.
        depth = random.choice((500, 5_000, 90_000))
        text = text.replace("{}", "[" * depth + "]" * depth, 1)
    return encoded(random, text) if kind == 9 else text.encode("utf-8", "surrogatepass")


def damaged_lines(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A text file: its lines, its bytes, its encoding."""
    data = random.choice(seeds)
    if random.random() < 0.4:
        return damaged_bytes(random, data, seeds)
    text = damaged_text(random, data.decode())
    return encoded(random, text) if random.random() < 0.2 else text.encode("utf-8", "surrogatepass")


Mutate = Callable[[Random, Sequence[bytes]], bytes]
