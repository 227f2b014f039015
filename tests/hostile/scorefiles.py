"""Score files that a person would not have written: refused as a whole, in a line, with the other's entered."""

from __future__ import annotations

from hostile.entry import ALL, Hostile

HEAD = "Score for Mini:\nScore per question:\n"
END = "Made from:\n  submission: hostile\n  changes: 0\n"


def file(scores: str = "  1.1 a: 1\n", *, more: str = "", end: str = END) -> Hostile:
    return Hostile((HEAD + scores + more + end).encode("utf-8", "surrogatepass"), ALL)


REASON = 'Reasons:\n  Question 1.1 a: "because"\n'
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}, *a{i}, *a{i}]\n" for i in range(40))

SCORE_FILES: dict[str, Hostile] = {
    "billion-laughs": file(more=LAUGHS),
    "alias-of-itself": file("  1.1 a: &a [*a]\n"),
    "merged-keys": file("  <<: {1.1 a: 0}\n"),
    "tag-of-an-object": file("  1.1 a: !!python/object/apply:os.system ['true']\n"),
    "tag-of-a-number": file("  1.1 a: !!float [1]\n"),
    "not-a-number": file("  1.1 a: .nan\n", more=REASON),
    "infinite": file("  1.1 a: .inf\n", more=REASON),
    "infinite-by-a-power": file("  1.1 a: 1e999\n", more=REASON),
    "huge": file(f"  1.1 a: {'9' * 5000}\n", more=REASON),
    "negative": file("  1.1 a: -1\n", more=REASON),
    "above-the-maximum": file("  1.1 a: 1000\n", more=REASON),
    "hexadecimal": file("  1.1 a: 0x10\n", more=REASON),
    "digits-of-another-script": file("  1.1 a: ٠\n", more=REASON),
    "the-same-question-twice": file("  1.1 a: 0\n  1.1.a: 0\n", more=REASON),
    "no-such-question": file("  9.9 z: 0\n"),
    "another-submission": file("  1.1 a: 0\n", more=REASON, end=END.replace("hostile", "nobody")),
    "a-path-for-a-submission": file("  1.1 a: 0\n", more=REASON, end=END.replace("hostile", '"../innocent"')),
    "changes-without-end": file("  1.1 a: 0\n", more=REASON, end=END.replace("0", "9" * 40)),
    "nested-without-end": Hostile(b"[" * 100_000, ALL),
    "many-keys": file("".join(f"  {i}.1 a: 0\n" for i in range(2, 5000))),
    "megabytes": Hostile(HEAD.encode() + b"# x\n" * 2**19, ALL),
    "no-text": Hostile(bytes(range(256)) * 10, ALL),
    "surrogates": file("  1.1 a: 0\n", more='Reasons:\n  Question 1.1 a: "\\ud800"\n'),
    "several-documents": file(end=END + "---\n" + HEAD + "  1.1 a: 0\n"),
    "empty": Hostile(b"", ALL),
}
