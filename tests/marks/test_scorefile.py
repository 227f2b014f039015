from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader.marks.scorefile import (
    MAX_BYTES,
    MadeFrom,
    Origin,
    ScoreFile,
    ScoreFileError,
    digest_of_text,
    entered,
    read,
    tidied,
    write,
)

# The example in the course's own description of the form.
COURSE = """\
Score for Assignment 1:
  You have 38.5 out of a maximum of 42 points.

Names: ...
Group: 17

Score per question:
  1.1 a: 1
  1.5 b: 2
  # max for 1.5 b: 3

Comments:
  Question 1.5 b: |
    The weights have standard deviation 2/d1, the square of the scale.
"""
HEAD = "Score for X:\nScore per question:\n"


def faults_of(text: str | bytes) -> list[str]:
    with pytest.raises(ScoreFileError) as caught:
        read(text.encode() if isinstance(text, str) else text)
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


def points_in(lines: str) -> dict[str, float | None]:
    return read((HEAD + lines).encode())[0].points


# Writing


def test_the_form_is_the_courses_own() -> None:
    file = ScoreFile(
        title="Assignment 1",
        summary="You have 38.5 out of a maximum of 42 points.",
        names="Ann Example, Bob Example",
        group="17",
        points={"1.1.a": 1.0, "1.1.c": None, "1.5.b": 2.5, "1.6.c": 0.0},
        comments={"1.5.b": "The weights have standard deviation 2/d1.\nIt is the square of the scale.\n"},
    )
    text = write(file, {"1.1.a": 1, "1.1.c": 1, "1.5.b": 3, "1.6.c": 5}, {"1.1.c": "Mark this: 0 to 1"})
    assert text == (
        "Score for Assignment 1:\n"
        "  You have 38.5 out of a maximum of 42 points.\n"
        "\n"
        "Names: Ann Example, Bob Example\n"
        "Group: 17\n"
        "Marked by:\n"
        "\n"
        "Score per question:\n"
        "  1.1 a: 1\n"
        "\n"
        "  # Mark this: 0 to 1\n"
        "  1.1 c:\n"
        "\n"
        "  1.5 b: 2.5\n"
        "  # max for 1.5 b: 3\n"
        "  1.6 c: 0\n"
        "  # max for 1.6 c: 5\n"
        "\n"
        "Reasons:\n"
        "  # Where you change points that the checks gave, say why. The student reads it. For example:\n"
        "  #   Question 1.5 b: |\n"
        "  #     The check took the wrong cell.\n"
        "\n"
        "Comments:\n"
        "  # For the student, in the same form. What stands here already is what the checks found.\n"
        "  Question 1.5 b: |\n"
        "    The weights have standard deviation 2/d1.\n"
        "    It is the square of the scale.\n"
    )


texts = st.text() | st.text("a :#|>-%&*!'\"{}[],?@`\\\t\n\r\0\x85\u2028\ufeff\ud800", max_size=30)
ids = st.builds("{}.{}".format, st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3})?", fullmatch=True), st.sampled_from("abcz"))
halves = st.integers(0, 200).map(lambda n: n / 2)
digests = st.text("0123456789abcdef", max_size=12)
origins = st.builds(Origin, answer=digests, points=st.none() | halves, comment=digests, reason=digests)


@st.composite
def readable(draw: st.DrawFn) -> str:
    """Text that can be stored as UTF-8."""
    return draw(texts.filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text)))


files = st.builds(
    ScoreFile,
    title=readable(),
    summary=readable(),
    names=readable(),
    group=readable(),
    marked_by=readable(),
    points=st.dictionaries(ids, st.none() | halves, max_size=5),
    reasons=st.dictionaries(ids, readable(), max_size=3),
    comments=st.dictionaries(ids, readable(), max_size=3),
    made_from=st.none()
    | st.builds(
        MadeFrom,
        submission=readable(),
        changes=st.integers(0, 10**6),
        questions=st.dictionaries(ids, origins, max_size=5),
    ),
)


@given(files, st.dictionaries(ids, texts, max_size=3))
@example(ScoreFile(title="", points={}, comments={"1.a": "  indented\nand not"}), {})
@example(ScoreFile(title="", points={}, comments={"1.a": "\n \n  x", "1.b": "x\n   ", "1.c": "x\n\n\n"}), {})
@example(
    ScoreFile(title="a: b # c", points={"1.a": None}, comments={"1.a": "---\n...\n# no\n"}), {"1.a": "\u20281 a: 9"}
)
def test_what_is_written_is_read_again_whatever_stands_in_it(file: ScoreFile, remarks: dict[str, str]) -> None:
    maxima = dict.fromkeys(file.points, 100.0)
    text = write(file, maxima, remarks | {id: remarks.get(id, "x") for id in list(file.points)[:1]})
    assert read(text.encode())[0] == file


@given(files)
def test_an_editor_may_store_it_in_other_ways(file: ScoreFile) -> None:
    text = write(file, {}, {})
    for data in (text.replace("\n", "\r\n").encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        assert read(data)[0] == file


@pytest.mark.parametrize(
    "text",
    [
        "\n  1.1 a: 9",
        "\r  1.1 a: 9",
        "\x85  1.1 a: 9",
        "\u2028  1.1 a: 9",
        "\u2029  1.1 a: 9",
        "\x0b\x0c\x1c 1.1 a: 9",
        "\0",
    ],
    ids=ascii,
)
def test_nothing_in_a_remark_gets_out_of_its_comment(text: str) -> None:
    file = ScoreFile(title="X", points={"1.1.a": 0.0})
    written = write(file, {}, {"1.1.a": f"A student's answer{text}"})
    assert read(written.encode())[0] == file
    assert [line for line in written.splitlines() if "9" in line and "#" not in line] == []


# Reading


def test_the_courses_own_file_is_read() -> None:
    file, lines = read(COURSE.encode())
    assert file == ScoreFile(
        title="Assignment 1",
        summary="You have 38.5 out of a maximum of 42 points.",
        names="...",
        group="17",
        points={"1.1.a": 1.0, "1.5.b": 2.0},
        comments={"1.5.b": "The weights have standard deviation 2/d1, the square of the scale.\n"},
    )
    assert lines.points == {"1.1.a": 8, "1.5.b": 9}
    assert lines.comments == {"1.5.b": 13}


@pytest.mark.parametrize(
    ("written", "points"),
    [
        ("1", 1),
        ("0.5", 0.5),
        (".5", 0.5),
        ("0,5", 0.5),
        ("1.", 1),
        ("01", 1),
        ('"1"', 1),
        ("1.50", 1.5),
        ("-1", -1),
        ("1   # well done", 1),
        ("", None),
        ('""', None),
        ("# nothing yet", None),
    ],
)
def test_points_are_read_as_people_write_them(written: str, points: float | None) -> None:
    assert points_in(f"  1.5 b: {written}\n") == {"1.5.b": points}


@pytest.mark.parametrize(
    "written",
    [
        "1e1",
        "1_0",
        "0x1",
        "0b1",
        "1:30",
        "yes",
        "true",
        "null",
        "~",
        ".inf",
        ".nan",
        "1/2",
        "½",
        "1 point",
        "+1",
        "?",
        "[1]",
        "{}",
        "٣",
        "2026-01-01",
        "- 1",
        "!!float 1e3",
        "9" * 400,
    ],
)
def test_what_is_no_number_of_points_is_refused(written: str) -> None:
    (fault,) = faults_of(f"{HEAD}  1.1 a: 1\n  1.5 b: {written}\n")
    assert fault.startswith("line 4: ")
    assert len(fault) < 200


@pytest.mark.parametrize(
    "key", ["1.5 b", "1.5.b", "1.5b", "1.5 B", "Question 1.5 b", "question 1.5  b", '"1.5 b"', "1.5 b "]
)
def test_a_question_may_be_written_in_several_ways(key: str) -> None:
    assert points_in(f"  {key}: 1\n") == {"1.5.b": 1}


def test_a_group_such_as_017_is_kept_as_it_is() -> None:
    assert read(b"Score for X:\nGroup: 017\nNames: no\nScore per question:\n")[0].group == "017"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty"),
        ("# nothing but a comment\n", "is empty"),
        ("just text", "line 1: the file must consist of lines such as `1.5 b: 2`, with a space after the colon"),
        ("Names: A\n", "has no part `Score for …`; it is no score file"),
        ("Score for X:\n", "has no part `Score per question`"),
        (HEAD + "  1.1 a: 1\n  1.1 a: 0\n", "line 4: '1.1 a' is given twice"),
        (HEAD + "  1.1 a: 1\n  1.1a: 0\n", "line 4: question 1.1 a is given twice"),
        (HEAD + "  1.1: 1\n", "line 3: '1.1' is no question; one is written `1.5 b`"),
        (HEAD + "  <<: 1\n", "line 3: '<<' is no question; one is written `1.5 b`"),
        (
            HEAD + "  - 1.1 a\n",
            "line 3: Score per question must consist of lines such as `1.5 b: 2`, with a space after the colon",
        ),
        (HEAD + "Coments:\n", "line 3: there is no part called 'Coments'"),
        (HEAD + "Names: A\nNames: B\n", "line 4: 'Names' is given twice"),
        (HEAD + "Names: [A, B]\n", "line 3: after 'Names' there must be text; put longer text below it, after `|`"),
        (HEAD + "\t1.1 a: 1\n", "line 3: begins with a tab; indent with spaces"),
        (
            HEAD + "Comments:\n  Question 1.1 a: No: it climbs\n",
            "line 4: has a second colon; put a text with colons below its question, after `Question 1.5 b: |`",
        ),
        (
            HEAD + 'Comments:\n  Question 1.1 a: "\\ud800"\n',
            "line 4: the text after 'Question 1.1 a' holds characters that are no text",
        ),
        (HEAD + "Comments:\n  Question 1.1 a: |\n    a\x07\n", "line 5: holds a character that is no text (U+0007)"),
        (
            HEAD + "Made from:\n  submission: x\n",
            "line 4: the part `Made from` has been changed; make a new file, and copy the marks into it",
        ),
        (
            HEAD + "Made from:\n  submission: x\n  changes: 0\n  1.1 a: 1\n",
            "line 4: the part `Made from` has been changed; make a new file, and copy the marks into it",
        ),
        (HEAD + "? [1.1 a]\n: 1\n", "line 3: what stands before the colon is no word"),
        ("[" * 5000, "is no score file: its brackets are nested too deeply"),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, fault: str) -> None:
    assert faults_of(text) == [fault]


@pytest.mark.parametrize("line", ["  1.1 a:1", "  1.1 a 1", "'", "Names: {", "%", "--- a\n--- b", "  *b : 1"])
def test_what_is_no_yaml_is_told_with_its_line(line: str) -> None:
    (fault,) = faults_of(f"{HEAD}  1.5 b: 2\n{line}\n")
    assert fault.startswith("line ")


def test_other_encodings_are_named() -> None:
    assert faults_of("Score for X:\nNames: Zoë".encode("latin-1")) == [
        "is not text in UTF-8; save it with that encoding"
    ]


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    (fault,) = faults_of(b"[" * (MAX_BYTES + 1))
    assert fault == "is larger than 1 MiB; a score file is a page of text"


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(f"{HEAD}  1.1 a: x\n  1.1 b: y\nOther: 1\n")
    assert [fault.split(":")[0] for fault in faults] == ["line 3", "line 4", "line 5"]


def test_a_tag_builds_nothing() -> None:
    (fault,) = faults_of(HEAD + "  1.1 a: !!python/object/apply:os.system [echo]\n")
    assert fault == "line 3: 1.1 a: 'a list' is no number of points, such as 1 or 0.5"


# What a person has entered


def made(points: float | None, comment: str = "") -> MadeFrom:
    question = Origin(answer="", points=points, comment=digest_of_text(comment))
    return MadeFrom(submission="x", changes=0, questions={"1.1.a": question})


@pytest.mark.parametrize(
    ("points", "was", "is_entered"),
    [({"1.1.a": 1.0}, 1.0, False), ({"1.1.a": 1.0}, None, True), ({"1.1.a": None}, 1.0, True), ({}, 1.0, False)],
    ids=["left", "filled in", "emptied", "taken out"],
)
def test_points_are_entered_where_they_differ(
    points: dict[str, float | None], was: float | None, is_entered: bool
) -> None:
    assert entered(ScoreFile(title="", points=points, made_from=made(was)), "1.1.a").points is is_entered


@pytest.mark.parametrize(
    "comment", ["The scale\nis wrong", "The scale  \r\nis wrong\n\n".replace("\r", ""), "\nThe scale\nis wrong"]
)
def test_a_comment_that_reads_the_same_is_not_entered(comment: str) -> None:
    file = ScoreFile(title="", points={}, comments={"1.1.a": comment}, made_from=made(None, "The scale\nis wrong\n"))
    assert not any(entered(file, "1.1.a"))


@given(texts, texts)
def test_only_texts_that_read_the_same_have_one_digest(one: str, other: str) -> None:
    assert (digest_of_text(one) == digest_of_text(other)) == (tidied(one) == tidied(other))
