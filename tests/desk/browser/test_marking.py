"""What a marker does, in a real browser, with a class that the real engine has graded."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from desk.browser.course import GRADER, OUTLIER, RIGHT, SPREAD, USE, class_answers, grade, hand_in

from grader.results.decisions import Store
from grader.results.results import Change

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
expect = playwright_api.expect
pytestmark = pytest.mark.slow


def group(page: Any) -> str:
    """Which group the page shows; empty where nothing is left."""
    found = re.search(r"[?]group=([^&#]+)", page.url)
    return found[1] if found and page.locator(".d-form").count() else ""


def title(page: Any) -> str:
    return page.inner_text("#title")


def settled(page: Any) -> None:
    expect(page.locator("#saved")).to_have_text("All saved")


def press(page: Any, *keys: str) -> str:
    """Type the keys; the last one leads to another group, which is returned."""
    before = page.url, title(page)
    for key in keys:
        page.keyboard.press(key)
    try:
        page.wait_for_function(
            "([url, title]) => location.href !== url || document.querySelector('#title').textContent !== title",
            arg=list(before),
        )
    except playwright_api.TimeoutError:
        raise AssertionError(f"{keys} led nowhere: {page.inner_text('#said')}\n{page.inner_text('#main')}") from None
    return group(page)


def decisions(course: Path, question: str) -> dict[str, Change]:
    """The decision that counts, by submission."""
    with Store.open(course / "results") as store:
        changes = store.changes()
    return {
        submission: [one for one in own if one.question == question][-1]
        for submission, own in changes.items()
        if any(one.question == question for one in own)
    }


def told(page: Any) -> Any:
    return page.locator("#said")


# One person


def test_a_question_is_marked_for_all_by_keys_alone_two_at_most_for_an_answer(
    start: Any, open_desk: Any, course: Path
) -> None:
    page = open_desk(start("--as", "Ada"))
    expect(page.locator("#continue")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_selector(".d-form")
    keys, answers = 0, 0
    while shown := group(page):
        size = int((re.search(r"\d+", title(page)) or ["1"])[0])
        chosen = ["0"] if "No answer" in title(page) else ["1", "Enter"]
        assert press(page, *chosen) != shown
        keys += len(chosen)
        answers += size
    assert title(page) == "Nothing is left here"
    settled(page)
    assert answers == 30
    # Ten groups: equal answers about runs that have shown the same; and those who gave none.
    assert keys == 2 * 10 + 1
    marked = decisions(course, "1.1.b")
    assert len(marked) == 30
    # The same answer has the same points, wherever it is; who gave none has none.
    assert {number: marked[f"student-{number:02}"].points for number in range(30)} == {
        number: 1.0 if class_answers(number)[1] else 0.0 for number in range(30)
    }
    # The next key goes on with the next question.
    expect(page.locator(".d-main-button")).to_contain_text("1.1.c")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/q/1.1.c"))


def test_equal_answers_are_one_group_and_others_are_not(start: Any, open_desk: Any) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    sizes = []
    while group(page):
        sizes.append(title(page))
        press(page, *(["0"] if "No answer" in title(page) else ["m", "Enter"]))
    # "The standard deviation." and "Standard  deviation." are two answers.
    assert sorted(sizes) == ["6 equal answers"] * 4 + ["No answer: 6 submissions"]


def test_without_a_choice_nothing_is_saved(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.1.b")
    while "No answer" in title(page):
        page.keyboard.press("j")
        expect(page.locator("#title")).not_to_contain_text("No answer")
    page.keyboard.press("Enter")
    expect(told(page)).to_have_text("Choose an item, none or full marks first.")
    assert decisions(course, "1.1.b") == {}


def test_no_key_acts_while_somebody_types_and_keys_can_be_changed(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    while "No answer" in title(page):
        press(page, "j")
    page.keyboard.press("m")
    page.keyboard.press("c")
    page.keyboard.type("jukms0 1?")
    expect(page.locator(".d-comment")).to_have_value("jukms0 1?")
    expect(page.locator(".d-total")).to_have_value("1")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("button", name="Another key for: Full marks").click()
    page.keyboard.press("w")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Full marks w")).to_be_visible()
    page.keyboard.press("0")
    expect(page.locator(".d-total")).to_have_value("0")
    page.keyboard.press("m")
    expect(page.locator(".d-total")).to_have_value("0")
    page.keyboard.press("w")
    expect(page.locator(".d-total")).to_have_value("1")
    press(page, "Enter")
    settled(page)
    assert {(one.points, one.comment) for one in decisions(course, "1.2.a").values()} == {(1.0, "jukms0 1?")}
    # As a German keyboard types it: the character counts.
    typed = "{key: '[', ctrlKey: true, altKey: true, modifierAltGraph: true, bubbles: true}"
    page.evaluate(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {typed}))")
    page.wait_for_url(re.compile("/q/1.1.c"))


def test_undo_takes_back_what_was_decided_last(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    first = group(page)
    press(page, *(["0"] if "No answer" in title(page) else ["m", "Enter"]))
    settled(page)
    assert len(decisions(course, "1.2.a")) == 6
    assert press(page, "u") == first
    assert {one.points for one in decisions(course, "1.2.a").values()} == {None}
    expect(page.locator(".badge.marked")).to_have_count(0)


def test_one_that_is_taken_out_of_its_group_is_marked_by_itself(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    while "No answer" in title(page):
        press(page, "j")
    whole = group(page)
    alias = page.locator(".d-members a").first.inner_text()
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("One answer")
    assert page.locator(".d-members a").all_inner_texts() == [alias]
    press(page, "m", "Enter")
    settled(page)
    assert len(decisions(course, "1.2.a")) == 1
    page.goto(page.url.partition("?")[0] + f"?group={whole}")
    expect(page.locator("#title")).to_have_text("5 equal answers")


def test_a_comment_that_was_used_is_offered_again(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    comment = "Say **which** one: $\\sigma$ or $s$?"
    press(page, "0", *([] if "No answer" in title(page) else ["Enter"]))
    page.keyboard.press("m")
    page.keyboard.press("c")
    page.keyboard.insert_text(comment)
    press(page, "Control+Enter")
    settled(page)
    page.keyboard.press("m")
    page.keyboard.press("c")
    page.keyboard.type("say")
    expect(page.locator(".d-suggestions li")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".d-comment")).to_have_value(comment)
    press(page, "Control+Enter")
    settled(page)
    assert [one.comment for one in decisions(course, "1.2.a").values()].count(comment) == 12


def test_an_item_is_changed_and_all_its_answers_follow(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    while group(page):
        press(page, *(["0"] if "No answer" in title(page) else ["1", "Enter"]))
    settled(page)
    press(page, "j")
    while "No answer" in title(page):
        press(page, "j")
    page.get_by_role("button", name="Change the item: Names a measure").click()
    points = page.get_by_label("Points, up or down")
    points.fill("0.5")
    expect(page.locator(".d-effect")).to_have_text("24 answers, −12 points")
    assert {one.points for one in decisions(course, "1.2.a").values()} == {0.0, 1.0}
    page.get_by_role("button", name="Change it everywhere").click()
    expect(told(page)).to_have_text("Changed: 24 answers, −12 points")
    assert sorted(one.points for one in decisions(course, "1.2.a").values()) == [0.0] * 6 + [0.5] * 24
    expect(page.locator(".d-item-points").first).to_have_text("+0.5")
    expect(page.locator(".d-total")).to_have_value("0.5")


def test_an_item_that_is_added_is_there_for_the_next_answer(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    while "No answer" in title(page):
        press(page, "j")
    page.keyboard.press("i")
    page.get_by_label("Text, for those who mark").fill("A range is too rough")
    page.get_by_label("Points, up or down").fill("0.25")
    page.get_by_role("button", name="Add it").click()
    expect(page.locator(".d-item")).to_have_count(2)
    press(page, "2", "Enter")
    settled(page)
    assert {one.points for one in decisions(course, "1.2.a").values()} == {0.25}
    expect(page.locator(".d-item")).to_have_count(2)


def test_the_evidence_is_beside_the_answer(start: Any, open_desk: Any) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.1.b")
    while "No answer" in title(page):
        press(page, "j")
    page.keyboard.press("m")
    # Those that add up to full marks.
    assert [item.get_attribute("aria-pressed") for item in page.locator(".d-item").all()] == ["true", "true", "false"]
    context = page.locator(".d-context")
    expect(context.locator("pre.code").first).to_contain_text("def mean(values):")
    image = context.locator("figure.image img")
    assert image.evaluate("image => image.complete && image.naturalWidth > 0")
    page.keyboard.press("o")
    expect(image).to_be_hidden()
    page.keyboard.press("o")
    expect(image).to_be_visible()


# Later hand-ins


def test_a_mark_for_an_earlier_answer_has_lapsed_and_can_be_kept(start: Any, open_desk: Any, course: Path) -> None:
    address = start("--as", "Ada")
    page = open_desk(address, "q/1.2.a")
    while group(page):
        press(page, *(["0"] if "No answer" in title(page) else ["1", "Enter"]))
    settled(page)
    assert decisions(course, "1.2.a")["student-00"].points == 1
    hand_in(course, 0, RIGHT, OUTLIER[0], USE[0], "The standard deviation, or the quartiles.")
    hand_in(course, 2, RIGHT, OUTLIER[2], USE[2], "The variance")
    grade(course)
    page = open_desk(address)
    expect(page.locator("tr", has_text="1.2.a").locator("[data-name=Lapsed]")).to_have_text(re.compile("[12]"))
    page.goto(address.partition("login")[0] + "q/1.2.a")
    # Who now hands in what others did is offered their mark, first in the queue, for one key.
    expect(page.locator(".badge.carried")).to_have_text("→ 1 new hand-in of a marked answer")
    press(page, "Enter")
    expect(page.locator(".d-note", has_text="The mark counts no more.")).to_be_visible()
    expect(page.locator(".d-note details")).to_contain_text(SPREAD[0])
    page.keyboard.press("d")
    expect(page.locator(".changes")).to_have_text("The standard deviation, or the quartiles.")
    expect(page.locator(".changes ins")).to_have_text(", or the quartiles")
    page.get_by_role("button", name="Use this mark again").click()
    press(page, "Enter")
    settled(page)
    assert title(page) == "Nothing is left here"
    marked = decisions(course, "1.2.a")
    assert (marked["student-00"].points, marked["student-02"].points) == (1.0, 1.0)
    assert len({marked["student-00"].answer, marked["student-05"].answer}) == 2


# Several people


def invite(course: Path, start: Any, *names: str) -> list[str]:
    """A server for several people; an address for each."""
    tokens = []
    for name in names:
        command = [GRADER, "mark", "results", "--rubric", "rubric", "--people", "people.toml", "--invite", name]
        ended = subprocess.run(command, cwd=course, capture_output=True, text=True, check=True, timeout=60)
        tokens.append(re.findall(r"token=\S+", ended.stdout)[0])
    home = start("--people", "people.toml")
    return [f"{home}login?{token}" for token in tokens]


def test_two_people_never_meet_and_together_they_mark_everything(start: Any, open_desk: Any, course: Path) -> None:
    ada, robin = (open_desk(address, "q/1.1.b") for address in invite(course, start, "Ada", "Robin"))
    seen: list[str] = []
    pages = [ada, robin]
    while any(group(page) for page in pages):
        assert not group(ada) or group(ada) != group(robin)
        for page in pages:
            if group(page):
                seen.append(group(page))
                press(page, *(["0"] if "No answer" in title(page) else ["1", "Enter"]))
    for page in pages:
        settled(page)
    assert len(seen) == len(set(seen)) == 11
    with Store.open(course / "results") as store:
        changes = [change for own in store.changes().values() for change in own]
    assert len(changes) == 30
    assert {change.who for change in changes} == {"Ada", "Robin"}


def test_what_the_writer_has_not_seen_is_not_overwritten_but_shown(start: Any, open_desk: Any, course: Path) -> None:
    ada, robin = (open_desk(address, "q/1.2.a") for address in invite(course, start, "Ada", "Robin"))
    while "No answer" in title(ada):
        press(ada, "j")
    contested = group(ada)
    robin.goto(ada.url)
    expect(robin.locator("#title")).to_have_text("6 equal answers")
    # Robin's page hears nothing of what Ada does.
    robin.context.set_offline(True)
    press(ada, "m", "Enter")
    settled(ada)
    robin.keyboard.press("0")
    robin.keyboard.press("Enter")
    expect(robin.locator("#trouble")).to_contain_text("not saved yet")
    robin.context.set_offline(False)
    dialog = robin.get_by_role("dialog")
    expect(dialog).to_contain_text("Ada has marked this meanwhile")
    expect(dialog.locator(".d-decision").nth(0)).to_contain_text("1 point by Ada")
    expect(dialog.locator(".d-decision").nth(1)).to_contain_text("0 points")
    assert {one.who for one in decisions(course, "1.2.a").values()} == {"Ada"}
    dialog.get_by_role("button", name="Use mine").click()
    settled(robin)
    after = decisions(course, "1.2.a").values()
    assert {(one.who, one.points) for one in after} == {("Robin", 0.0)}
    assert contested


def mark_all(page: Any) -> None:
    """By the first item, and nothing for those who gave no answer."""
    while group(page):
        press(page, *(["0"] if "No answer" in title(page) else ["1", "Enter"]))
    settled(page)


def test_a_part_is_marked_twice_unseen_and_the_overview_tells_how_far_the_two_agree(
    start: Any, open_desk: Any, course: Path
) -> None:
    hers, his = invite(course, start, "Ada", "Robin")
    ada, robin = open_desk(hers, "q/1.2.a"), open_desk(his)
    home = hers.partition("login")[0]
    mark_all(ada)
    first = decisions(course, "1.2.a")
    ada.goto(home)
    ada.get_by_role("button", name="Have a part marked twice").click()
    ada.get_by_role("dialog").get_by_label("Question").select_option("1.2.a")
    ada.get_by_label("Percent of its answers").fill("100")
    ada.get_by_role("button", name="Begin").click()
    expect(told(ada)).to_have_text("They are in the queue of whoever has not marked them.")
    robin.goto(f"{home}q/1.2.a")
    expect(robin.locator(".badge", has_text="second marking, unseen")).to_be_visible()
    assert "Ada" not in robin.inner_text("main")
    mark_all(robin)
    # They do not count.
    assert decisions(course, "1.2.a") == first
    ada.goto(f"{home}overview")
    card = ada.locator(".d-card", has_text="The spread")
    expect(card).to_contain_text("30 marked twice, 30 with the same points (Cohen’s kappa 1.00")


def test_a_flag_is_seen_by_the_other_and_taken_down(start: Any, open_desk: Any, course: Path) -> None:
    ada, robin = (open_desk(address, "q/1.2.a") for address in invite(course, start, "Ada", "Robin"))
    ada.keyboard.press("f")
    ada.get_by_label("For whom").fill("Robin")
    ada.get_by_label("What about").fill("Is this **right**?")
    ada.get_by_role("button", name="Flag it").click()
    expect(ada.locator(".badge", has_text="flagged")).to_be_visible()
    robin.goto(ada.url)
    expect(robin.locator(".d-note", has_text="⚑ Ada")).to_contain_text("for Robin: Is this **right**?")
    robin.get_by_role("button", name="Take the flag down").click()
    expect(robin.locator(".badge", has_text="flagged")).to_have_count(0)
    assert decisions(course, "1.2.a") == {}


# A network that is cut


def test_what_is_entered_without_a_network_waits_says_so_and_arrives(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    press(page, *(["0"] if "No answer" in title(page) else ["m", "Enter"]))
    settled(page)
    before = len(decisions(course, "1.2.a"))
    # The next one is at hand already.
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    press(page, *(["0"] if "No answer" in title(page) else ["m", "Enter"]))
    expect(page.locator("#saved")).to_have_text("1 not saved yet")
    expect(page.locator("#trouble")).to_contain_text("It waits in this browser")
    assert len(decisions(course, "1.2.a")) == before
    page.context.set_offline(False)
    settled(page)
    expect(page.locator("#trouble")).to_be_empty()
    assert len(decisions(course, "1.2.a")) == before + 6


def test_what_has_not_been_sent_is_taken_back_without_the_server(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    first = group(page)
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    press(page, *(["0"] if "No answer" in title(page) else ["m", "Enter"]))
    expect(page.locator("#saved")).to_have_text("1 not saved yet")
    assert press(page, "u") == first
    settled(page)
    page.context.set_offline(False)
    press(page, "m", "Enter")
    settled(page)
    assert {one.points for one in decisions(course, "1.2.a").values()} == {1.0}


def test_what_waits_outlives_the_page_and_the_server(start: Any, open_desk: Any, course: Path) -> None:
    address = start("--as", "Ada")
    page = open_desk(address, "q/1.2.a")
    port = re.search(r":(\d+)/", address)[1]  # type: ignore[index]
    start.kill()
    page.keyboard.press("0")
    if "No answer" not in title(page):
        page.keyboard.press("Enter")
    expect(page.locator("#trouble")).to_contain_text("not saved yet")
    other = page.context.new_page()
    page.close()
    other.goto(start("--as", "Ada", "--port", port))
    settled(other)
    assert len(decisions(course, "1.2.a")) == 6


# By touch


def test_on_a_phone_everything_is_in_reach(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.locator("#continue").tap()
    page.wait_for_selector(".d-form")
    while "No answer" in title(page):
        page.get_by_role("button", name="Skip").tap()
        expect(page.locator("#title")).not_to_contain_text("No answer")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    save = page.get_by_role("button", name="Save and next").bounding_box()
    assert save["y"] + save["height"] <= 844  # without scrolling
    page.locator(".d-item").first.tap()
    shown = group(page)
    page.get_by_role("button", name="Save and next").tap()
    page.wait_for_function("shown => !location.href.includes(shown)", arg=shown)
    settled(page)
    assert {one.points for one in decisions(course, "1.1.b").values()} == {1.0}


# One person's answers


def test_all_answers_of_one_person_are_marked_on_one_page(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    while "No answer" in title(page):
        press(page, "j")
    page.locator(".d-members a").first.click()
    page.wait_for_selector("article.d-one")
    assert [item.inner_text() for item in page.locator(".d-jump a").all()] == ["1.1.a", "1.1.b", "1.1.c", "1.2.a"]
    article = page.locator("article", has_text="The spread")
    article.locator(".d-item").click()
    article.get_by_role("button", name="Save").click()
    expect(told(page)).to_have_text("Saved: 1.2.a, 1 point.")
    assert len(decisions(course, "1.2.a")) == 1
    page.get_by_role("button", name="Show the name").click()
    expect(page.locator("h1")).to_have_text(re.compile(r"student-\d\d"))


def test_points_are_given_for_another_reason_and_taken_back(start: Any, open_desk: Any, course: Path) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.2.a")
    page.locator(".d-members a").first.click()
    page.wait_for_selector("article.d-one")
    page.get_by_role("button", name="Points for another reason").click()
    page.get_by_label("Points, added to the whole").fill("-1")
    page.get_by_label("Why: everybody").fill("The file had another name.")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator(".d-adjustments li")).to_contain_text("−1 point: The file had another name. decided by Ada")
    page.get_by_role("button", name="Take it back").click()
    expect(page.locator(".d-adjustments li")).to_have_count(0)


def test_near_equal_answers_get_the_same_mark_only_where_they_are_ticked(
    start: Any, open_desk: Any, course: Path
) -> None:
    page = open_desk(start("--as", "Ada"), "q/1.1.c")
    for _ in range(30):
        if page.locator(".d-near li").count() >= 2:
            break
        press(page, "j")
    page.locator(".d-near input").first.click()
    press(page, "1", "Enter")
    settled(page)
    assert [one.points for one in decisions(course, "1.1.c").values()] == [1.0, 1.0]
