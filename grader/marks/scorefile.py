"""The course's score file, one a submission: YAML that a person fills in with any editor.

It is written by hand, in exactly the form that the course uses, and read leniently but strictly: PyYAML finds the
structure and no more, so `1e1`, `yes` and `017` stay the text that they are, and what is no number of points is refused
with its line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
import yaml

from grader.faults import Faults
from grader.results.results import format_points

MAX_BYTES = 2**20
INDENT = "  "

_ID = re.compile(r"(?:question\s+)?(\d+(?:\.\d+)*)[\s.]*([a-z])", re.IGNORECASE)
_POINTS = re.compile(r"-?(?:\d{1,6}[.,]?\d{0,6}|[.,]\d{1,6})", re.ASCII)
_HEADER = "Score for"
_SCORES, _REASONS, _COMMENTS, _MADE_FROM = "score per question", "reasons", "comments", "made from"

# What can stand in YAML without quotes, whatever comes before and after it.
_PLAIN = re.compile(r"[^\W_](?:[\w .,'()/-]*[\w.')])?")
# YAML's printable characters, without the line ends that editors do not show as such, and without byte order marks.
_PRINTABLE = re.compile("[\t\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]+")
# Also taken for line ends, or shown as nothing at all.
_UNFIT = re.compile("[^\t -~\xa0-\u2027\u2030-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"

# A question's line in `Made from`: answer, points, comment, reason.
_NOTHING = "none"
_DIGEST = f"([0-9a-f]{{1,12}}|{_NOTHING})"
_ORIGIN = re.compile(rf"{_DIGEST} (\d{{1,6}}(?:\.\d{{1,6}})?|{_NOTHING}) {_DIGEST} {_DIGEST}", re.ASCII)


class Origin(msgspec.Struct, kw_only=True, frozen=True):
    """What one question's entry was made from."""

    answer: str
    """The beginning of `QuestionResult.answer`, see `brief`."""
    points: float | None
    """As they stood in the file at first."""
    comment: str = ""
    """`digest_of_text` of the comment that stood there at first."""
    reason: str = ""


class MadeFrom(msgspec.Struct, kw_only=True, frozen=True):
    """What the file was made from: with it, what a person has filled in is told from what stood there already."""

    submission: str
    changes: int
    """How many decisions about the submission there were."""
    questions: dict[str, Origin]
    place: str = ""
    """`brief` digest of where the submission was handed in; empty where that was not known."""


class ScoreFile(msgspec.Struct, kw_only=True):
    """A score file's content. Questions are named by their ids, `1.5.b`; in the file they are called `1.5 b`."""

    title: str
    summary: str = ""
    """The sentence with the sum. Nothing is taken from it."""
    names: str = ""
    group: str = ""
    marked_by: str = ""
    points: dict[str, float | None]
    """None where the field is empty."""
    reasons: dict[str, str] = {}
    comments: dict[str, str] = {}
    made_from: MadeFrom | None = None


class ScoreFileError(Faults):
    """The file is none; each fault begins with its line's number, where it has one."""


class Lines(NamedTuple):
    """Where a question's points, reason and comment stand: numbers of lines, counted from 1."""

    points: Mapping[str, int]
    reasons: Mapping[str, int]
    comments: Mapping[str, int]


def brief(digest: str) -> str:
    """A digest as it stands in a file: short, and still telling any two answers apart."""
    return digest[:12]


def digest_of_text(text: str) -> str:
    """Equal for texts that read the same, whatever an editor does to the ends of lines; empty where there is none."""
    text = tidied(text)
    return brief(hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()) if text else ""


def tidied(text: str) -> str:
    """A text without white space at the ends of its lines, and without empty lines around it."""
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def shown_id(id: str) -> str:
    """`1.5.b` as the course writes it: `1.5 b`."""
    section, _, letter = id.rpartition(".")
    return f"{section} {letter}"


# Writing


def write(file: ScoreFile, maxima: Mapping[str, float], remarks: Mapping[str, str]) -> str:
    """The file's text. Points below the question's maximum get the comment line with the maximum.

    remarks: for some questions, text that is put above them as comment lines; whoever wrote it, it stays in them.
    """
    parts = [
        [f"{_scalar(f'{_HEADER} {file.title}')}:", *_sentence(file.summary)],
        [
            *_entry("Names", file.names),
            *_entry("Group", file.group),
            *_entry("Marked by", file.marked_by),
        ],
        ["Score per question:", *_scores(file, maxima, remarks)],
        ["Reasons:", *_comment(_ABOUT_REASONS), *_texts(file.reasons)],
        ["Comments:", *_comment(_ABOUT_COMMENTS), *_texts(file.comments)],
    ]
    if file.made_from is not None:
        parts.append(["Made from:", *_comment(_ABOUT_ORIGIN), *_origins(file.made_from)])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


_ABOUT_REASONS = """\
Where you change points that the checks gave, say why. The student reads it. For example:
  Question 1.5 b: |
    The check took the wrong cell.
"""
_ABOUT_COMMENTS = "For the student, in the same form. What stands here already is what the checks found."
_ABOUT_ORIGIN = "Leave this as it is: it says which answers the marks are for, and what stood here before you marked."


def _sentence(text: str) -> list[str]:
    return [f"{INDENT}{_scalar(text)}"] if text else []


def _entry(key: str, text: str, indent: str = "") -> list[str]:
    return [f"{indent}{key}: {_scalar(text)}".rstrip() if text else f"{indent}{key}:"]


def _scores(file: ScoreFile, maxima: Mapping[str, float], remarks: Mapping[str, str]) -> Iterator[str]:
    apart = False
    for id, points in file.points.items():
        remark = remarks.get(id, "")
        if remark or apart:
            yield ""
        yield from _comment(remark) if remark else ()
        yield f"{INDENT}{shown_id(id)}: {'' if points is None else format_points(points)}".rstrip()
        if points is not None and points < maxima.get(id, points):
            yield f"{INDENT}# max for {shown_id(id)}: {format_points(maxima[id])}"
        apart = bool(remark)


def _texts(texts: Mapping[str, str]) -> Iterator[str]:
    for id, text in texts.items():
        key = f"{INDENT}Question {shown_id(id)}"
        head, lines = _block(text)
        yield f"{key}: {head}"
        yield from (f"{INDENT * 2}{line}" if line else "" for line in lines)


def _origins(origin: MadeFrom) -> Iterator[str]:
    yield from _entry("submission", origin.submission, INDENT)
    if origin.place:
        yield f"{INDENT}place: {origin.place}"
    yield f"{INDENT}changes: {origin.changes}"
    for id, question in origin.questions.items():
        points = "" if question.points is None else format_points(question.points)
        parts = [question.answer, points, question.comment, question.reason]
        yield f"{INDENT}{shown_id(id)}: {' '.join(part or _NOTHING for part in parts)}"


def _comment(text: str) -> Iterator[str]:
    """Comment lines that nothing in the text can end."""
    for line in text.splitlines():
        yield f"{INDENT}# {_UNFIT.sub(_REPLACEMENT, line)}".rstrip()


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and _PRINTABLE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"'
        + "".join(char if _PRINTABLE.fullmatch(char) and char not in "\t\n" else _escape(char) for char in escaped)
        + '"'
    )


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _block(text: str) -> tuple[str, list[str]]:
    """A text as a block scalar: what stands behind the key, and the lines below it."""
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    if not body.strip() or ends > 1 or not _PRINTABLE.fullmatch(text):
        return _quoted(text), []
    lines = body.split("\n")
    # By itself YAML takes the first line's indentation for that of the whole.
    indented = body.lstrip("\n").startswith(" ")
    return "|" + (str(len(INDENT)) if indented else "") + ("" if ends else "-"), lines


# Reading


def decode(data: bytes) -> str:
    """The text of a file, whichever of the usual ways an editor has stored it; ScoreFileError for anything else."""
    if len(data) > MAX_BYTES:
        raise ScoreFileError([f"is larger than {MAX_BYTES // 2**20} MiB; a score file is a page of text"])
    coding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(coding)
    except UnicodeDecodeError:
        raise ScoreFileError(["is not text in UTF-8; save it with that encoding"]) from None


def read(data: bytes) -> tuple[ScoreFile, Lines]:
    """Read a score file. ScoreFileError names all faults that can be told at once."""
    return _Reader().read(_composed(decode(data)))


def _composed(text: str) -> yaml.Node:
    try:
        # Composed, never constructed: a tag such as !!python/object is no more than a word.
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        raise ScoreFileError([_said_plainly(error, text)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ScoreFileError([f"line {line}: holds a character that is no text (U+{error.character:04X})"]) from None
    except RecursionError:
        raise ScoreFileError(["is no score file: its brackets are nested too deeply"]) from None
    if node is None:
        raise ScoreFileError(["is empty"])
    return node


def _said_plainly(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else 0
    lines = text.splitlines()
    line = lines[number] if number < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        what = "begins with a tab; indent with spaces"
    elif "mapping values" in str(error.problem):
        what = "has a second colon; put a text with colons below its question, after `Question 1.5 b: |`"
    else:
        what = f"is not YAML ({error.problem}); a line looks like `1.5 b: 2`, with a space after the colon"
    return f"line {number + 1}: {what}"


class _Reader:
    """Reads the parts one by one, so that a fault in one hides none in another."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def read(self, node: yaml.Node) -> tuple[ScoreFile, Lines]:
        parts = {_key(key): (key, value) for key, value in self.pairs(node, "the file")}
        title = next((key.value[len(_HEADER) + 1 :] for name, (key, _) in parts.items() if _is_header(name)), None)
        if title is None and isinstance(node, yaml.MappingNode):
            self.faults.append("has no part `Score for …`; it is no score file")
        if _SCORES not in parts and not self.faults:
            self.faults.append("has no part `Score per question`")
        fields = {"names": "", "group": "", "marked by": ""}
        summary = ""
        points: dict[str, float | None] = {}
        reasons: dict[str, str] = {}
        comments: dict[str, str] = {}
        lines = Lines({}, {}, {})
        origin = None
        for name, (key, value) in parts.items():
            if _is_header(name):
                summary = self.text(key, value)
            elif name in fields:
                fields[name] = self.text(key, value)
            elif name == _SCORES:
                found = self.questions(value, "Score per question")
                points = {id: self.points(key, value) for id, key, value in found}
                lines = lines._replace(points={id: _line(key) for id, key, _ in found})
            elif name == _REASONS:
                found = self.questions(value, "Reasons")
                reasons = {id: self.text(key, value) for id, key, value in found}
                lines = lines._replace(reasons={id: _line(key) for id, key, _ in found})
            elif name == _COMMENTS:
                found = self.questions(value, "Comments")
                comments = {id: self.text(key, value) for id, key, value in found}
                lines = lines._replace(comments={id: _line(key) for id, key, _ in found})
            elif name == _MADE_FROM:
                origin = self.origin(value)
            else:
                self.fault(key, f"there is no part called {key.value!r}")
        if self.faults:
            raise ScoreFileError(self.faults)
        file = ScoreFile(
            title=title or "",
            summary=summary,
            names=fields["names"],
            group=fields["group"],
            marked_by=fields["marked by"],
            points=points,
            reasons=reasons,
            comments=comments,
            made_from=origin,
        )
        return file, lines

    def fault(self, node: yaml.Node, what: str) -> None:
        self.faults.append(f"line {_line(node)}: {what}")

    def pairs(self, node: yaml.Node, where: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """A mapping's keys and values, each key once; an empty value is an empty mapping."""
        if isinstance(node, yaml.ScalarNode) and not node.value:
            return
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, f"{where} must consist of lines such as `1.5 b: 2`, with a space after the colon")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fault(key, "what stands before the colon is no word")
            elif _key(key) in seen:
                self.fault(key, f"{key.value!r} is given twice")
            else:
                seen.add(_key(key))
                yield key, value

    def text(self, key: yaml.ScalarNode, value: yaml.Node) -> str:
        if not isinstance(value, yaml.ScalarNode):
            self.fault(value, f"after {key.value!r} there must be text; put longer text below it, after `|`")
            return ""
        text = str(value.value)
        if not _is_text(text):
            self.fault(value, f"the text after {key.value!r} holds characters that are no text")
        return text

    def questions(self, node: yaml.Node, where: str) -> list[tuple[str, yaml.ScalarNode, yaml.Node]]:
        found: dict[str, tuple[str, yaml.ScalarNode, yaml.Node]] = {}
        for key, value in self.pairs(node, where):
            match = _ID.fullmatch(key.value.strip())
            if match is None:
                self.fault(key, f"{key.value!r} is no question; one is written `1.5 b`")
                continue
            id = f"{match[1]}.{match[2].lower()}"
            if id in found:
                self.fault(key, f"question {shown_id(id)} is given twice")
            found[id] = (id, key, value)
        return list(found.values())

    def points(self, key: yaml.ScalarNode, value: yaml.Node) -> float | None:
        text = value.value.strip() if isinstance(value, yaml.ScalarNode) else "a list"
        if not text:
            return None
        if not _POINTS.fullmatch(text):
            self.fault(value, f"{key.value}: {_bounded(text)} is no number of points, such as 1 or 0.5")
            return None
        return float(text.replace(",", "."))

    def origin(self, node: yaml.Node) -> MadeFrom | None:
        faults = len(self.faults)
        head: dict[str, str] = {}
        questions: dict[str, Origin] = {}
        for key, value in self.pairs(node, "Made from"):
            match = _ID.fullmatch(key.value)
            text = self.text(key, value)
            if match is None:
                head[key.value] = text
            elif (origin := _origin(text)) is not None:
                questions[f"{match[1]}.{match[2]}"] = origin
            else:
                head[key.value] = ""
        place = head.pop("place", "")
        if (
            head.keys() == {"submission", "changes"}
            and re.fullmatch("[0-9]{1,9}", head["changes"])
            and re.fullmatch("[0-9a-f]{0,12}", place)
        ):
            return MadeFrom(
                submission=head["submission"], changes=int(head["changes"]), questions=questions, place=place
            )
        if len(self.faults) == faults:
            self.fault(node, "the part `Made from` has been changed; make a new file, and copy the marks into it")
        return None


def _origin(text: str) -> Origin | None:
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    answer, points, comment, reason = ("" if part == _NOTHING else part for part in match.groups())
    return Origin(answer=answer, points=float(points) if points else None, comment=comment, reason=reason)


def _key(node: yaml.ScalarNode) -> str:
    return " ".join(str(node.value).split()).casefold()


def _is_header(name: str) -> bool:
    return name.startswith(_HEADER.casefold())


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bounded(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


# What a person has entered


class Entered(NamedTuple):
    """What was filled in or changed about a question. An emptied field was; a line that was taken out says nothing."""

    points: bool
    comment: bool
    reason: bool


def entered(file: ScoreFile, id: str) -> Entered:
    """A file that does not say what it was made from was empty at first."""
    nothing = Origin(answer="", points=None)
    origin = file.made_from.questions.get(id, nothing) if file.made_from else nothing
    return Entered(
        points=id in file.points and file.points[id] != origin.points,
        comment=digest_of_text(file.comments.get(id, "")) != origin.comment,
        reason=digest_of_text(file.reasons.get(id, "")) != origin.reason,
    )


def enumerated(ids: Iterable[str]) -> str:
    """Questions as people list them: `1.1 c, 1.1 e`."""
    return ", ".join(map(shown_id, ids))
