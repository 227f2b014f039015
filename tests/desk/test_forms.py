"""Which answers are equal to whoever marks them, and which are not."""

from __future__ import annotations

import time

import pytest

from grader.desk.forms import MOST, Cell, normal_form

SAME_TEXT = {
    "case": ("It Diverges", "it diverges"),
    "white space": ("it  diverges\n\nfast", " it diverges\tfast "),
    "last full stop": ("It diverges.", "It diverges"),
    "emphasis": ("It **diverges**, _fast_", "It diverges, fast"),
    "bullets": ("- small: slow\n- large: fast", "* small: slow\n* large: fast"),
    "heading": ("## It diverges", "It diverges"),
    "quotes": ("the “best” one’s", 'the "best" one\'s'),
    "dashes": ("slow – very", "slow - very"),
    "minus": ("about −2.28", "about -2.28"),
    "invisible": ("it\u200b diverges", "it diverges"),
    "composed": ("na\u0131\u0308ve", "na\u0131\u0308ve"),
    "spaces in a formula": ("$ \\alpha  x + 1 $", "$\\alpha x+1$"),
    "display": ("$$x^2$$", "$x^2$"),
    "brackets": ("\\(x^2\\)", "$x^2$"),
    "spaces of a formula": ("$x\\,y$", "$x y$"),
    "code span": ("use `relu`.", "use relu"),
    "signs": ("lr=0.1", "lr = 0.1"),
    "break": ("slow<br/>then fast", "slow then fast"),
}
OTHER_TEXT = {
    "sign": ("about -2.28", "about 2.28"),
    "dash before a number": ("- 2.28", "2.28"),
    "digits": ("0.1", "0.01"),
    "power": ("10²", "102"),
    "struck out": ("~~yes~~ no", "yes no"),
    "comparison": ("a < b", "a > b"),
    "not": ("it is", "it is not"),
    "formula's case": ("$W$", "$w$"),
    "code's case": ("`X`", "`x`"),
    "order": ("small is slow, large is fast", "large is slow, small is fast"),
    "question": ("it does?", "it does"),
    "product": ("2*3", "23"),
    "a product of two": ("2 *3", "2 3"),
    "command and letter": ("$\\alpha x$", "$\\alphax$"),
    "list's numbers": ("1. a\n2. b", "2. a\n1. b"),
}
SAME_CODE = {
    "spaces": ("x = f( a,b )", "x=f(a, b)"),
    "comments": ("x = 1  # one\n# two", "x = 1"),
    "docstring": ('def f():\n    """Says."""\n    return 1', "def f():\n    return 1"),
    "quotes": ("x = 'a'", 'x = "a"'),
    "indentation's width": ("if x:\n  y", "if x:\n\ty"),
    "blank lines": ("x = 1\n\n   \ny = 2", "x = 1\ny = 2"),
    "lines in brackets": ("f(a,\n  b)", "f(a, b)"),
    "joined lines": ("x = 1 + \\\n    2", "x = 1 + 2"),
}
OTHER_CODE = {
    "level": ("for i in x:\n    y\n    z", "for i in x:\n    y\nz"),
    "names": ("f(x)", "f(y)"),
    "name's case": ("f(X)", "f(x)"),
    "line's end": ("a\n-b", "a - b"),
    "string's prefix": ("f'{x}'", "'{x}'"),
    "string's spaces": ("'a b'", "'ab'"),
    "a string that is used": ('x = """a"""', "x ="),
    "not closed": ("f((a)\n  b", "f((a)\nb"),
    "operator": ("a - b", "a + b"),
    "number": ("1.0", "10"),
    "a hash in a string": ("x = '# a'", "x = '# b'"),
}


def text(source: str) -> str:
    return normal_form([("text", source)])


def code(source: str) -> str:
    return normal_form([("code", source)])


@pytest.mark.parametrize("pair", SAME_TEXT.values(), ids=SAME_TEXT)
def test_texts_that_say_the_same_in_the_same_words_are_equal(pair: tuple[str, str]) -> None:
    assert text(pair[0]) == text(pair[1])


@pytest.mark.parametrize("pair", OTHER_TEXT.values(), ids=OTHER_TEXT)
def test_texts_that_may_mean_something_else_are_not_equal(pair: tuple[str, str]) -> None:
    assert text(pair[0]) != text(pair[1])


@pytest.mark.parametrize("pair", SAME_CODE.values(), ids=SAME_CODE)
def test_code_that_does_the_same_token_by_token_is_equal(pair: tuple[str, str]) -> None:
    assert code(pair[0]) == code(pair[1])


@pytest.mark.parametrize("pair", OTHER_CODE.values(), ids=OTHER_CODE)
def test_code_that_may_do_something_else_is_not_equal(pair: tuple[str, str]) -> None:
    assert code(pair[0]) != code(pair[1])


def test_the_cut_into_cells_does_not_matter_but_their_kind_does() -> None:
    two: list[Cell] = [("text", "It diverges."), ("text", "And fast.")]
    assert normal_form(two) == normal_form([("text", "It diverges.\n\nAnd fast.")])
    assert text("x") != code("x")
    assert normal_form([("text", " \n"), ("code", "# nothing")]) == ""


def test_an_answer_too_long_to_be_folded_is_equal_only_to_itself() -> None:
    long = "word " * (MOST // 5 + 1)
    assert text(long) == text(long)
    assert text(long) != text(long.upper())


@pytest.mark.parametrize(
    "unit",
    ["`", "$", "\\(", "\\[", "*", "_a", "~~~\n", "- ", "# ", "<br", "> ", "'", '"', "'''", "(", "\\\n", "\\a ", "="],
)
def test_whatever_is_written_it_is_read_in_time_proportional_to_its_length(unit: str) -> None:
    def seconds(count: int) -> float:
        source = unit * count
        start = time.process_time()
        text(source)
        code(source)
        return time.process_time() - start

    most = MOST // len(unit)
    # Ten times as much: a hundred times the time would be 1 s and more for the shortest.
    assert min(seconds(most) for _ in range(2)) < 0.5
