"""Which answers are alike."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from grader.report.similar import SIMILAR, groups, resemblance, shingles, tokens

CODE = """\
def descend(x, y, step_size, steps):
    for step in range(steps):
        gradient = grad_x_f(x, y), grad_y_f(x, y)
        x = x - step_size * gradient[0]
        y = y - step_size * gradient[1]
    return x, y
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("x = 1  # one", ["x", "=", "1"], id="comments"),
        pytest.param('"""Doc\nstring."""\nx', ["x"], id="docstring"),
        pytest.param("def f():\n    r'''Doc # x'''", ["def", "f", "(", ")", ":"], id="docstring with a prefix"),
        pytest.param('x = """text"""', ["x", "=", "'text'"], id="a long string that is a value"),
        pytest.param("f('a') + f(\"a\")", ["f", "(", "'a'", ")", "+", "f", "(", "'a'", ")"], id="quotes"),
        pytest.param("x='#'", ["x", "=", "'#'"], id="no comment within a string"),
        pytest.param(r"'it\'s'", [r'''"it\\'s"'''], id="an escaped quote"),
        pytest.param("'open\nx", ["'open'", "x"], id="a string that does not end"),
        pytest.param("%matplotlib inline", ["%", "matplotlib", "inline"], id="no Python"),
        pytest.param("x\u200b = \uff11", ["x", "=", "1"], id="invisible and full-width characters"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_code_is_its_tokens(source: str, expected: list[str]) -> None:
    assert tokens(source, "code") == expected


def test_text_is_its_words_and_comparisons() -> None:
    text = "Too *small*, it’s SLOW;\n\nfor $\\eta > 2/L$ it diverges!"
    words = ["too", "small", "it", "s", "slow", "for", "eta", ">", "2", "l", "it", "diverges"]
    assert tokens(text, "text") == words


def test_a_resemblance_is_the_jaccard_index_of_the_runs_of_three() -> None:
    # abc bcd cde | abc bcd cdx: two of four.
    assert resemblance(shingles(list("abcde")), shingles(list("abcdx"))) == 2 / 4
    assert resemblance(shingles(list("abcde")), shingles(list("abcde"))) == 1
    assert resemblance(shingles(["a"]), shingles(["b"])) == 0
    assert resemblance(shingles([]), shingles([])) == 1
    assert resemblance(shingles([]), shingles(["a"])) == 0


def test_what_is_repeated_counts_as_often_as_it_stands_there() -> None:
    # aaa, aaa, aaa against aaa: one of three.
    assert resemblance(shingles(["a"] * 5), shingles(["a"] * 3)) == 1 / 3


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        pytest.param(CODE, True, id="identical"),
        pytest.param(CODE.replace("\n", "  # why\n").replace("    ", "\t"), True, id="comments and white space"),
        pytest.param(CODE.replace(" - ", "-").replace("\n    return x, y", "\n\n    return (x, y)"), True, id="layout"),
        pytest.param(CODE.replace("y - step_size", "y + step_size"), True, id="one sign"),
        pytest.param(CODE.replace("gradient", "g").replace("step_size", "eta"), False, id="other names"),
        pytest.param("def descend(x, y, step_size, steps):\n    raise NotImplementedError", False, id="another answer"),
    ],
)
def test_near_identical_code_stands_together(other: str, alike: bool) -> None:
    answers = [shingles(tokens(source, "code")) for source in (CODE, other)]
    assert groups(answers) == ([[0, 1]] if alike else [[0], [1]])


def test_near_identical_texts_stand_together() -> None:
    text = (
        "A step that is too small makes slow progress, and one that is too large jumps over the minimum and diverges."
    )
    texts = [text, text.upper().replace(",", ";"), text.replace("slow", "little"), "It depends on the step size."]
    assert groups([shingles(tokens(each, "text")) for each in texts]) == [[0, 1, 2], [3]]


def test_a_group_does_not_drift() -> None:
    """Each answer is one step from the one before, and the last has nothing of the first."""
    answers = [frozenset(range(start, start + 20)) for start in range(0, 40, 2)]
    assert resemblance(answers[0], answers[1]) >= SIMILAR > resemblance(answers[0], answers[2])
    for group in groups(answers):
        assert all(resemblance(answers[group[0]], answers[place]) >= SIMILAR for place in group)


def test_every_answer_is_in_one_group_however_many_there_are() -> None:
    assert groups([frozenset([number]) for number in range(1000)]) == [[place] for place in range(1000)]
    assert groups([frozenset([1])] * 1000) == [list(range(1000))]


def test_comparing_few_finds_what_comparing_all_would() -> None:
    chance = random.Random(1)
    answers = []
    for _ in range(200):
        answer = set(chance.sample(range(60), 30))
        answers += [frozenset(answer), frozenset(answer ^ set(chance.sample(range(60), chance.randrange(12))))]
    expected: list[list[int]] = []
    for place, answer in enumerate(answers):
        alike = (group for group in expected if resemblance(answers[group[0]], answer) >= SIMILAR)
        group = next(alike, None)
        if group is None:
            expected.append([place])
        else:
            group.append(place)
    assert groups(answers) == expected
    assert 200 < len(expected) < 300


@pytest.mark.parametrize("piece", ['"""', "'", '"', "r'''\\", "\\", "#", "ab", "(", "'''a\n", 'x = """\n', "\u200b"])
def test_any_text_is_read_in_no_time(piece: str) -> None:
    start = time.process_time()
    tokens(piece * (200_000 // len(piece)), "code")
    assert time.process_time() - start < 5


def test_three_hundred_long_answers_that_all_differ_are_compared_in_no_time() -> None:
    """They share half of what they have, as answers that start from the same template do."""
    answers = [frozenset([*range(1000), *range(start, start + 1000)]) for start in range(10_000, 310_000, 1000)]
    start = time.process_time()
    found = groups(answers)
    assert time.process_time() - start < 3
    assert len(found) == 300


def test_source_is_only_read(capsys: Any) -> None:
    tokens("print('RAN')\n__import__('os').abort()", "code")
    assert capsys.readouterr().out == ""
