"""What the pages over the whole class do in a browser: search, filter, sort, and the address that holds them."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from grader.report.class_answers import collect_answers
from grader.report.render import render_index, render_question

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
EVERYBODY = "ann bob cleo dan eve fay gus hal ida"


@pytest.fixture
def index(assignment: Any, class_results: Any) -> str:
    return render_index(assignment, class_results)


def after(page: str, act: str) -> str:
    """The page, which then acts by itself: its policy would not let it."""
    return POLICY.sub("", page).replace("</body>", f"<script>{act}</script></body>")


def shown(page: Any) -> str:
    """The names in the table of submissions, without those that are hidden."""
    rows = [item for item in page.all("tr") if "data-item" in item.attributes]
    return " ".join(item.text.split()[0] for item in rows if "hidden" not in item.attributes)


def said(page: Any) -> str:
    return next(item.text for item in page.elements if "data-said" in item.attributes)


def test_the_policy_lets_the_pages_own_script_run_and_heads_become_buttons(
    open_page: Any, index: str, read_page: Any
) -> None:
    page = read_page(open_page(index))
    heads = [" ".join(item.text.split()) for item in page.all("th") if "data-sort" in item.attributes]
    assert heads[:3] == ["Submission", "Points so far of 10.5", "For code of 6.5"]
    assert {" ".join(item.text.split()) for item in page.all("button")} == {*heads, "Show all", "Show in the table"}
    (controls,) = (item for item in page.elements if "data-controls" in item.attributes)
    assert "hidden" not in controls.attributes
    assert shown(page) == EVERYBODY
    assert said(page) == "9 of 9 shown"


ADDRESSES = {
    "q=DA": "dan ida",
    "q=json": "gus",  # the message of a file
    "q=name+grad_x_f": "bob",  # words of a check's message
    "q=an%E2%80%8Bn": "ann",  # with a character that is not drawn
    "q=%3Cscript%3E": "",
    "status=missing": "fay",
    "need=mark": "ann cleo dan eve",
    "need=nothing": "bob ida",
    "lost=1.1.e": "bob",
    "message=1": "dan ida",
    "need=review&q=ann": "",
    "status=nonsense&colour=red&%": EVERYBODY,
    "sort=nonsense": EVERYBODY,
    # bob has 1.5 points, ida 2, ann and cleo 1, dan and eve 0. The others have none, and stand last either way.
    "sort=points": "dan eve ann cleo bob ida fay gus hal",
    "sort=-points": "ida bob ann cleo dan eve fay gus hal",
    "sort=name": EVERYBODY,
    "sort=-name": " ".join(reversed(EVERYBODY.split())),
    "sort=mark": "ann cleo dan eve bob fay gus hal ida",
    "sort=-1.1.e": "ida bob ann cleo dan eve fay gus hal",
    "sort=-points&need=mark": "ann cleo dan eve",
    "": EVERYBODY,
}
ACTS = {
    "click()": ("dan eve ann cleo bob ida fay gus hal", "#sort=points"),
    "click(), click()": ("ida bob ann cleo dan eve fay gus hal", "#sort=-points"),
    "type()": ("dan ida", "#q=da"),
    "choose()": ("dan", "#need=review"),
    "type(), message()": ("bob", "#message=2"),
    "type(), click(), clear()": ("dan eve ann cleo bob ida fay gus hal", "#sort=points"),
    "type(), clear()": (EVERYBODY, ""),
}
TOOLS = """
const set = (name, value) => {
  const field = document.querySelector(`[data-filter=${name}]`);
  field.value = value;
  field.dispatchEvent(new Event("input"));
};
const press = (which) => document.querySelector(which).click();
const type = () => set("q", "da"), choose = () => set("need", "review"), clear = () => press("[data-clear]");
const click = () => press("th[data-sort=points] button"), message = () => press('[data-show-message="2"] button');
const go = (fragment) => {
  history.replaceState(null, "", `#${fragment}`);
  window.dispatchEvent(new Event("hashchange"));
};
const shown = () => [...document.querySelectorAll("tr[data-item]:not([hidden]) th")].map((one) => one.textContent);
const log = [];
const note = () => log.push(`${shown().join(" ")}|${location.hash}`);
"""


def logged(open_page: Any, read_page: Any, index: str, acts: list[str]) -> list[tuple[str, str]]:
    """The names that are shown after each of the acts, and the fragment of the address."""
    script = TOOLS + "".join(f"{act}; note();\n" for act in acts) + "document.title = log.join(';');"
    title = read_page(open_page(after(index, script))).all("title")[0].text
    return [(names, fragment) for names, _, fragment in (entry.partition("|") for entry in title.split(";"))]


def test_the_address_tells_what_is_shown(open_page: Any, index: str, read_page: Any) -> None:
    found = logged(open_page, read_page, index, [f"go({json.dumps(fragment)})" for fragment in ADDRESSES])
    assert dict(zip(ADDRESSES, [names for names, _ in found], strict=True)) == ADDRESSES


def test_what_is_done_is_shown_and_remembered_in_the_address(open_page: Any, index: str, read_page: Any) -> None:
    found = logged(open_page, read_page, index, [f"go(''), {act}" for act in ACTS])
    assert dict(zip(ACTS, found, strict=True)) == ACTS


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        pytest.param("sort=-points&need=mark", "ann cleo dan eve", id="sorted and filtered"),
        pytest.param("need=review&q=ann", "", id="nothing is like that"),
        pytest.param("submissions", EVERYBODY, id="a place in the page"),
    ],
)
def test_a_page_opens_as_its_address_says(
    open_page: Any, index: str, read_page: Any, fragment: str, expected: str
) -> None:
    page = read_page(open_page(index, fragment))
    assert shown(page) == expected
    assert said(page) == f"{len(expected.split())} of 9 shown"
    (empty,) = (item for item in page.elements if "data-empty" in item.attributes)
    assert ("hidden" in empty.attributes) == bool(expected)
    told = {
        item.attributes["data-sort"]: item.attributes["aria-sort"]
        for item in page.all("th")
        if "data-sort" in item.attributes
    }
    assert told.pop("points") == ("descending" if "sort" in fragment else "none")
    assert set(told.values()) == {"none"}


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        pytest.param("q=0.1+*+grad", 2, id="words of an answer"),
        pytest.param("status=failed&q=takes", 1, id="status and message"),
        pytest.param("status=marked", 4, id="a status that no answer has"),
    ],
)
def test_the_answers_to_a_question_can_be_searched(
    open_page: Any,
    assignment: Any,
    class_results: Any,
    class_notebooks: Any,
    read_page: Any,
    fragment: str,
    expected: int,
) -> None:
    answers = collect_answers(assignment, class_results, class_notebooks.get)
    page = read_page(open_page(render_question(assignment, "1.1.a", class_results, answers), fragment))
    assert len([item for item in page.all("article") if "hidden" not in item.attributes]) == expected
    assert said(page) == f"{expected} of 4 shown"


def test_three_hundred_rows_are_sorted(open_page: Any, assignment: Any, result: Any, read_page: Any) -> None:
    results = []
    for number in range(300):
        other = copy.deepcopy(result)
        other.submission, other.points = f"s{number}", (number * 7) % 300 / 2
        results.append(other)
    page = read_page(open_page(render_index(assignment, results), "sort=-points"))
    points = [(int(name[1:]) * 7) % 300 / 2 for name in shown(page).split()]
    assert points == sorted(points, reverse=True)
    assert len(points) == 300
